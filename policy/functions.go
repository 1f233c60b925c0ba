package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Function is one function of the language.
type Function struct {
	Name string
	Args string // names of its arguments, as in "cidr, ip"
	Doc  string

	Example string // a condition with it

	impl  function.Function
	check func(string) error // checks a constant first argument
}

// interfaceFunction is the one function that asks the host. Each Decider has an
// implementation of its own; the table's implementation only knows the types.
const interfaceFunction = "interface"

var functions = []Function{
	{"glob", "pattern, text", "whether the whole text matches: * is any run of characters but /, ** any run, ? one character but /, [a-z] one of a set, \\ escapes the next character",
		`glob("ghcr.io/acme/**", container.image)`, globFunc, checkGlob},
	{"cidrcontains", "cidr, ip", "whether the network holds the address; false for an ip of \"\"",
		`cidrcontains("10.0.0.0/8", port.ip)`, cidrContainsFunc, checkCIDR},
	{interfaceFunction, "name", "addresses of a network interface of the host, asked at each call; one without addresses denies",
		`contains(interface("docker0"), "172.17.0.1")`, interfaceFunc(unknownAddresses), nil},

	{"contains", "list, value", "whether the list holds the value",
		`contains([80, 443], port.container)`, stdlib.ContainsFunc, nil},
	{"length", "value", "number of elements, or of a text's characters",
		`length(client.groups) == 2`, lengthFunc, nil},
	{"lookup", "map, key, default", "the map's element, or default if there is none",
		`lookup(container.labels, "tier", "") == "edge"`, stdlib.LookupFunc, nil},
	{"keys", "map", "the map's keys, sorted",
		`contains(keys(container.labels), "tier")`, stdlib.KeysFunc, nil},
	{"values", "map", "the map's values, in the order of their keys",
		`contains(values(container.labels), "edge")`, stdlib.ValuesFunc, nil},
	{"anytrue", "list", "whether any element is true",
		`anytrue([for g in client.groups : startswith(g, "op")])`, quantifier(true), nil},
	{"alltrue", "list", "whether all elements are true",
		`alltrue([for k, v in container.labels : length(v) < 100])`, quantifier(false), nil},
	{"coalesce", "values...", "the first that is neither null nor \"\"",
		`coalesce(container.name, compose.service) == "web-1"`, coalesceFunc, nil},
	{"compact", "list", "the list without its empty texts",
		`compact(["a", ""]) == tolist(["a"])`, stdlib.CompactFunc, nil},
	{"concat", "lists...", "the lists one after the other",
		`contains(concat([80], [443]), port.container)`, stdlib.ConcatFunc, nil},
	{"distinct", "list", "the list without repetitions",
		`length(distinct(["a", "a", "b"])) == 2`, stdlib.DistinctFunc, nil},
	{"element", "list, index", "the element at the index, which wraps around",
		`element(["a", "b"], 2) == "a"`, stdlib.ElementFunc, nil},
	{"flatten", "list", "the list with the elements of its lists instead of these lists",
		`contains(flatten([[80], [443, 8443]]), port.container)`, stdlib.FlattenFunc, nil},
	{"merge", "maps...", "all the maps' elements; later ones win",
		`merge({ a = 1 }, { b = 2 }).b == 2`, stdlib.MergeFunc, nil},
	{"range", "start, limit, step", "a list of numbers, limit not included",
		`contains(range(80, 90), port.container)`, stdlib.RangeFunc, nil},
	{"reverse", "list", "the list from back to front",
		`reverse(split("/", "a/b"))[0] == "b"`, stdlib.ReverseListFunc, nil},
	{"setintersection", "sets...", "what is in all of the sets",
		`length(setintersection(client.groups, ["ops", "admin"])) > 0`, stdlib.SetIntersectionFunc, nil},
	{"setsubtract", "a, b", "what is in a and not in b",
		`length(setsubtract(client.groups, ["ops", "docker"])) == 0`, stdlib.SetSubtractFunc, nil},
	{"setunion", "sets...", "what is in any of the sets",
		`length(setunion(["a"], ["a", "b"])) == 2`, stdlib.SetUnionFunc, nil},
	{"slice", "list, start, end", "the elements from start up to end, which is not included",
		`slice(["a", "b", "c"], 0, 1)[0] == "a"`, stdlib.SliceFunc, nil},
	{"sort", "list", "the texts in order",
		`sort(client.groups)[0] == "docker"`, stdlib.SortFunc, nil},

	{"startswith", "text, prefix", "whether the text begins with the prefix",
		`startswith(container.image, "ghcr.io/")`, textTest("prefix", strings.HasPrefix), nil},
	{"endswith", "text, suffix", "whether the text ends with the suffix",
		`endswith(container.image, ":1")`, textTest("suffix", strings.HasSuffix), nil},
	{"strcontains", "text, part", "whether the text holds the part",
		`strcontains(container.image, "acme")`, textTest("part", strings.Contains), nil},
	{"lower", "text", "the text in small letters",
		`lower("WEB") == "web"`, stdlib.LowerFunc, nil},
	{"upper", "text", "the text in capital letters",
		`upper(port.protocol) == "TCP"`, stdlib.UpperFunc, nil},
	{"trimspace", "text", "the text without white space around it",
		`trimspace(" web ") == "web"`, stdlib.TrimSpaceFunc, nil},
	{"trim", "text, characters", "the text without these characters around it",
		`trim("--web--", "-") == "web"`, stdlib.TrimFunc, nil},
	{"trimprefix", "text, prefix", "the text without the prefix",
		`trimprefix(container.image, "ghcr.io/") == "acme/web:1"`, stdlib.TrimPrefixFunc, nil},
	{"trimsuffix", "text, suffix", "the text without the suffix",
		`trimsuffix(container.image, ":1") == "ghcr.io/acme/web"`, stdlib.TrimSuffixFunc, nil},
	{"split", "separator, text", "the text's parts as a list",
		`split(":", container.image)[1] == "1"`, stdlib.SplitFunc, nil},
	{"join", "separator, list", "the list's texts as one",
		`join("-", ["web", "1"]) == container.name`, stdlib.JoinFunc, nil},
	{"substr", "text, offset, length", "part of the text",
		`substr(container.name, 0, 3) == "web"`, stdlib.SubstrFunc, nil},
	{"replace", "text, part, new", "the text with every such part replaced",
		`replace(container.name, "-", "_") == "web_1"`, stdlib.ReplaceFunc, nil},
	{"regex", "pattern, text", "the part that the pattern matches; fails if there is none: test it with can(regex(…))",
		`can(regex("^web-[0-9]+$", container.name))`, stdlib.RegexFunc, checkRegex},
	{"regexall", "pattern, text", "a list of the parts that the pattern matches",
		`length(regexall("[0-9]", container.name)) == 1`, stdlib.RegexAllFunc, checkRegex},
	{"format", "format, values...", "text made as by printf",
		`container.name == format("web-%d", 1)`, stdlib.FormatFunc, nil},

	{"abs", "number", "the number without its sign",
		`abs(-1) == 1`, stdlib.AbsoluteFunc, nil},
	{"ceil", "number", "the next whole number",
		`ceil(0.5) == 1`, stdlib.CeilFunc, nil},
	{"floor", "number", "the whole number before",
		`floor(1.5) == 1`, stdlib.FloorFunc, nil},
	{"max", "numbers...", "the greatest",
		`max(1, 2) == 2`, stdlib.MaxFunc, nil},
	{"min", "numbers...", "the least",
		`min(1, 2) == 1`, stdlib.MinFunc, nil},
	{"parseint", "text, base", "the number that the text spells",
		`parseint(port.host, 10) >= 8000`, stdlib.ParseIntFunc, nil},

	{"can", "expression", "whether the expression can be evaluated",
		`can(tonumber(port.host))`, tryfunc.CanFunc, nil},
	{"try", "expressions...", "the first that can be evaluated",
		`try(tonumber(port.host), 0) == 8080`, tryfunc.TryFunc, nil},
	{"tobool", "value", "the value as a bool",
		`tobool("true")`, stdlib.MakeToFunc(cty.Bool), nil},
	{"tolist", "value", "the value as a list",
		`length(tolist(["a", "b"])) == 2`, stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)), nil},
	{"tomap", "value", "the value as a map",
		`lookup(tomap({ a = "b" }), "a", "") == "b"`, stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)), nil},
	{"tonumber", "value", "the value as a number",
		`tonumber(port.host) == 8080`, stdlib.MakeToFunc(cty.Number), nil},
	{"toset", "value", "the value as a set",
		`length(toset(["a", "a"])) == 1`, stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)), nil},
	{"tostring", "value", "the value as a text",
		`tostring(port.container) == "80"`, stdlib.MakeToFunc(cty.String), nil},
}

// staticContext has every function; interface only knows its type there.
var staticContext = &hcl.EvalContext{Functions: functionTable()}

// functionTable is the table in HCL's form.
func functionTable() map[string]function.Function {
	table := make(map[string]function.Function, len(functions))
	for _, f := range functions {
		table[f.Name] = f.impl
	}
	return table
}

func text(name string) function.Parameter { return function.Parameter{Name: name, Type: cty.String} }

func notNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }

func textTest(second string, test func(text, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{text("text"), text(second)},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

var globFunc = function.New(&function.Spec{
	Params:       []function.Parameter{text("pattern"), text("text")},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		g, err := parseGlob(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		return cty.BoolVal(g.match(args[1].AsString())), nil
	},
})

func checkGlob(pattern string) error {
	_, err := parseGlob(pattern)
	return err
}

var cidrContainsFunc = function.New(&function.Spec{
	Params:       []function.Parameter{text("cidr"), text("ip")},
	Type:         function.StaticReturnType(cty.Bool),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		prefix, err := parseCIDR(args[0].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		holds, err := cidrContains(prefix, args[1].AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		return cty.BoolVal(holds), nil
	},
})

// cidrContains reports whether a network holds an address. No network holds "".
func cidrContains(prefix netip.Prefix, ip string) (bool, error) {
	if ip == "" {
		return false, nil
	}
	addr, err := netip.ParseAddr(ip)
	if err != nil {
		return false, fmt.Errorf("%q is not an IP address", ip)
	}
	return prefix.Contains(addr.Unmap()), nil
}

// parseCIDR reads a network, or one address as a network of its own.
func parseCIDR(s string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(s); err == nil && addr.Zone() == "" {
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf(`%q is not a network; write one as in "192.168.0.0/16" or "fd00::/8"`, s)
	}
	if prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q has bits set behind its length; write %q", s, prefix.Masked())
	}
	return prefix, nil
}

func checkCIDR(cidr string) error {
	_, err := parseCIDR(cidr)
	return err
}

func checkRegex(pattern string) error {
	if _, err := regexp.Compile(pattern); err != nil {
		return errors.New(strings.TrimPrefix(err.Error(), "error parsing regexp: "))
	}
	return nil
}

// interfaceFunc makes the function interface from a look-up of addresses.
func interfaceFunc(addresses func(name string) (cty.Value, error)) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{text("name")},
		Type:         function.StaticReturnType(cty.List(cty.String)),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return addresses(args[0].AsString())
		},
	})
}

// unknownAddresses are the addresses of every interface while a policy is
// loaded.
func unknownAddresses(string) (cty.Value, error) {
	return cty.UnknownVal(cty.List(cty.String)).RefineNotNull(), nil
}

var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty != cty.String && ty != cty.DynamicPseudoType && !ty.IsTupleType() && !ty.IsObjectType() && !ty.IsCollectionType() {
			return cty.NilType, function.NewArgErrorf(0, "a %s has no length", ty.FriendlyName())
		}
		return cty.Number, nil
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		ty := args[0].Type()
		switch {
		case ty == cty.DynamicPseudoType:
			return cty.UnknownVal(cty.Number), nil
		case ty == cty.String:
			return stdlib.Strlen(args[0])
		case ty.IsObjectType():
			return cty.NumberIntVal(int64(len(ty.AttributeTypes()))), nil
		}
		return args[0].Length(), nil
	},
})

// quantifier makes anytrue, which looks for an element that is true, and
// alltrue, which looks for an element that is false. The function returns the
// wanted value if it finds an element with this value.
func quantifier(want bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for _, v := range args[0].AsValueSlice() {
				switch {
				case !v.IsKnown():
					return cty.UnknownVal(cty.Bool), nil
				case v.IsNull():
					return cty.NilVal, function.NewArgErrorf(0, "an element is null")
				case v.True() == want:
					return cty.BoolVal(want), nil
				}
			}
			return cty.BoolVal(!want), nil
		},
	})
}

var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{Name: "values", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for i, v := range args {
			types[i] = v.Type()
		}
		ty, _ := convert.UnifyUnsafe(types)
		if ty == cty.NilType {
			return cty.NilType, errors.New("the values are of different types")
		}
		return ty, nil
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for _, v := range args {
			switch {
			case !v.IsKnown():
				return cty.UnknownVal(ty), nil
			case v.IsNull() || v.Type() == cty.String && v.AsString() == "":
				continue
			}
			return convert.Convert(v, ty)
		}
		return cty.NilVal, errors.New(`every value is null or ""`)
	},
})
