//go:build ignore

// Extract prints what Podman's sources read of the calls that make or change
// something: for each endpoint the query's parameters and the fields of the JSON
// body, each with its type.
//
//	git clone --depth 1 --branch v5.8.2 https://github.com/containers/podman /tmp/podman
//	go run rewrite/testdata/podman/extract.go "Podman v5.8.2" /tmp/podman > rewrite/testdata/podman/5.8.txt
//
// The types are those of the variables that the handlers decode the body into.
// Items of lists have the name 0, members of maps the name *. A type that
// decodes itself is printed by its name.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// handlers are the functions that read the calls, which are named as in
// rewrite.Endpoints. One that a version lacks is passed over.
var handlers = []struct{ method, target, folder, function string }{
	{"POST", "/containers/create", "compat", "CreateContainer"},
	{"POST", "/containers/{name}/update", "compat", "UpdateContainer"},
	{"POST", "/containers/{name}/exec", "compat", "ExecCreateHandler"},
	{"POST", "/networks/create", "compat", "CreateNetwork"},
	{"POST", "/networks/{name}/connect", "compat", "Connect"},
	{"POST", "/networks/{name}/disconnect", "compat", "Disconnect"},
	{"POST", "/volumes/create", "compat", "CreateVolume"},
	{"POST", "/secrets/create", "compat", "CreateSecret"},
	{"POST", "/libpod/containers/create", "libpod", "CreateContainer"},
	{"POST", "/libpod/containers/{name}/update", "libpod", "UpdateContainer"},
	{"POST", "/libpod/containers/{name}/exec", "compat", "ExecCreateHandler"},
	{"POST", "/libpod/pods/create", "libpod", "PodCreate"},
	{"POST", "/libpod/networks/create", "libpod", "CreateNetwork"},
	{"POST", "/libpod/networks/{name}/update", "libpod", "UpdateNetwork"},
	{"POST", "/libpod/networks/{name}/connect", "libpod", "Connect"},
	{"POST", "/libpod/networks/{name}/disconnect", "compat", "Disconnect"},
	{"POST", "/libpod/volumes/create", "libpod", "CreateVolume"},
	{"POST", "/libpod/secrets/create", "libpod", "CreateSecret"},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: extract.go NAME SOURCES")
	}
	s := &sources{root: os.Args[2], packages: map[string]*pkg{}}
	mod, err := os.ReadFile(filepath.Join(s.root, "go.mod"))
	if err != nil {
		log.Fatal(err)
	}
	s.module = strings.Fields(string(mod))[1]
	fmt.Printf("# What %s reads of calls, read from its sources by extract.go.\n", os.Args[1])
	for _, h := range handlers {
		p := s.load(s.module + "/pkg/api/handlers/" + h.folder)
		f, ok := p.functions[h.function]
		if !ok {
			continue
		}
		fmt.Printf("%s %s\n", h.method, h.target)
		s.lines = nil
		s.handler(f)
		slices.Sort(s.lines)
		for _, line := range slices.Compact(s.lines) {
			fmt.Printf("\t%s\n", line)
		}
	}
}

type sources struct {
	root, module string
	packages     map[string]*pkg // by import path
	lines        []string
}

type pkg struct {
	name      string
	types     map[string]declared
	functions map[string]function
	decodes   map[string]bool // the types that decode themselves
}

// file has the imports by which the names in a declaration are understood.
type file struct {
	pkg     *pkg
	imports []*ast.ImportSpec
}

type declared struct {
	expr ast.Expr
	in   file
}

type function struct {
	body *ast.BlockStmt
	in   file
}

func (s *sources) load(importPath string) *pkg {
	if p := s.packages[importPath]; p != nil {
		return p
	}
	dir := filepath.Join(s.root, "vendor", importPath)
	if rest, found := strings.CutPrefix(importPath, s.module); found {
		dir = filepath.Join(s.root, rest)
	}
	p := &pkg{types: map[string]declared{}, functions: map[string]function{}, decodes: map[string]bool{}}
	s.packages[importPath] = p
	names, _ := filepath.Glob(filepath.Join(dir, "*.go"))
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") || strings.HasSuffix(name, "_windows.go") || strings.HasSuffix(name, "_freebsd.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			log.Fatal(err)
		}
		p.name = parsed.Name.Name
		in := file{p, parsed.Imports}
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if t, ok := spec.(*ast.TypeSpec); ok {
						p.types[t.Name.Name] = declared{t.Type, in}
					}
				}
			case *ast.FuncDecl:
				switch {
				case d.Recv == nil:
					p.functions[d.Name.Name] = function{d.Body, in}
				case d.Name.Name == "UnmarshalJSON" || d.Name.Name == "UnmarshalText":
					of := d.Recv.List[0].Type
					if star, ok := of.(*ast.StarExpr); ok {
						of = star.X
					}
					p.decodes[of.(*ast.Ident).Name] = true
				}
			}
		}
	}
	return p
}

// handler prints what a function decodes.
func (s *sources) handler(f function) {
	types := map[string]ast.Expr{} // of the function's variables
	ast.Inspect(f.body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			for _, name := range n.Names {
				types[name.Name] = n.Type
			}
		case *ast.AssignStmt:
			for i, left := range n.Lhs {
				if name, ok := left.(*ast.Ident); ok && n.Tok == token.DEFINE && len(n.Lhs) == len(n.Rhs) {
					types[name.Name] = made(n.Rhs[i])
				}
			}
		case *ast.StructType:
			for _, field := range n.Fields.List {
				if name := tag(field, "schema"); name != "" {
					s.walk("?"+name, field.Type, f.in, nil)
				}
			}
		}
		return true
	})
	ast.Inspect(f.body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		fn, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !(fn.Sel.Name == "Decode" && len(call.Args) == 1 || fn.Sel.Name == "ReadJSONFromBody") {
			return true
		}
		into := call.Args[len(call.Args)-1]
		if address, ok := into.(*ast.UnaryExpr); ok {
			into = address.X
		}
		switch into := into.(type) {
		case *ast.Ident:
			s.walk("", types[into.Name], f.in, nil)
		case *ast.SelectorExpr: // a field of a variable
			t, in := s.underlying(types[into.X.(*ast.Ident).Name], f.in)
			for _, field := range t.(*ast.StructType).Fields.List {
				if len(field.Names) == 1 && field.Names[0].Name == into.Sel.Name {
					s.walk("", field.Type, in, nil)
				}
			}
		}
		return true
	})
}

// made is the type of T{}, &T{} and new(T), nil for other values.
func made(value ast.Expr) ast.Expr {
	switch value := value.(type) {
	case *ast.UnaryExpr:
		return made(value.X)
	case *ast.CompositeLit:
		return value.Type
	case *ast.CallExpr:
		if fn, ok := value.Fun.(*ast.Ident); ok && fn.Name == "new" {
			return value.Args[0]
		}
	}
	return nil
}

// underlying follows the names of a type.
func (s *sources) underlying(t ast.Expr, in file) (ast.Expr, file) {
	for {
		d, ok := s.find(t, in)
		if !ok {
			return t, in
		}
		t, in = d.expr, d.in
	}
}

// find looks up the declaration of a named type.
func (s *sources) find(t ast.Expr, in file) (declared, bool) {
	switch t := t.(type) {
	case *ast.Ident:
		d, ok := in.pkg.types[t.Name]
		return d, ok
	case *ast.SelectorExpr:
		p := s.imported(t.X.(*ast.Ident).Name, in)
		d, ok := p.types[t.Sel.Name]
		return d, ok
	}
	return declared{}, false
}

// imported is the package that a file knows by a name.
func (s *sources) imported(name string, in file) *pkg {
	for _, spec := range in.imports {
		importPath, _ := strconv.Unquote(spec.Path.Value)
		switch {
		case spec.Name != nil && spec.Name.Name == name,
			spec.Name == nil && path.Base(importPath) == name,
			spec.Name == nil && s.load(importPath).name == name:
			return s.load(importPath)
		}
	}
	log.Fatalf("no import is named %s", name)
	return nil
}

// standard are the types of Go's own packages.
var standard = map[string]string{
	"net.IP": "ip", "netip.Addr": "ip", "netip.Prefix": "subnet", "net.IPMask": "bytes", "net.HardwareAddr": "bytes",
	"time.Time": "time", "time.Duration": "number", "os.FileMode": "number", "fs.FileMode": "number", "syscall.Signal": "number",
	"json.RawMessage": "any",
}

// walk prints the fields of a type.
func (s *sources) walk(at string, t ast.Expr, in file, above []ast.Expr) {
	leaf := func(kind string) { s.lines = append(s.lines, at+" "+kind) }
	switch t := t.(type) {
	case *ast.StarExpr:
		s.walk(at, t.X, in, above)
		return
	case *ast.ArrayType:
		if of, ok := t.Elt.(*ast.Ident); ok && of.Name == "byte" {
			leaf("bytes")
			return
		}
		s.walk(at+"/0", t.Elt, in, above)
		return
	case *ast.MapType:
		if of, ok := t.Value.(*ast.StructType); ok && len(of.Fields.List) == 0 {
			leaf("set")
			return
		}
		s.walk(at+"/*", t.Value, in, above)
		return
	case *ast.InterfaceType:
		leaf("any")
		return
	case *ast.StructType:
		for _, field := range t.Fields.List {
			s.field(at, field, in, above)
		}
		return
	case *ast.Ident:
		switch t.Name {
		case "string", "bool", "any":
			leaf(t.Name)
			return
		case "int", "int8", "int16", "int32", "int64", "uint", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "byte", "rune":
			leaf("number")
			return
		}
		if in.pkg.decodes[t.Name] {
			leaf(in.pkg.name + "." + t.Name)
			return
		}
	case *ast.SelectorExpr:
		name := t.X.(*ast.Ident).Name
		if kind := standard[name+"."+t.Sel.Name]; kind != "" {
			leaf(kind)
			return
		}
		if p := s.imported(name, in); p.decodes[t.Sel.Name] {
			leaf(p.name + "." + t.Sel.Name)
			return
		}
	default:
		log.Fatalf("%s: a type of the form %T", at, t)
	}
	d, ok := s.find(t, in)
	switch {
	case !ok:
		log.Fatalf("%s: the type %v of %s is not in the sources", at, t, in.pkg.name)
	case !slices.Contains(above, d.expr):
		s.walk(at, d.expr, d.in, append(slices.Clone(above), d.expr))
	}
}

func (s *sources) field(at string, field *ast.Field, in file, above []ast.Expr) {
	name := tag(field, "json")
	if name == "-" {
		return
	}
	if len(field.Names) == 0 && name == "" { // embedded
		s.walk(at, field.Type, in, above)
		return
	}
	if len(field.Names) == 0 {
		s.walk(at+"/"+name, field.Type, in, above)
	}
	for _, own := range field.Names {
		switch {
		case !own.IsExported():
		case name != "":
			s.walk(at+"/"+name, field.Type, in, above)
		default:
			s.walk(at+"/"+own.Name, field.Type, in, above)
		}
	}
}

// tag is the name that a field has for an encoding, "" if its tag has none.
func tag(field *ast.Field, key string) string {
	if field.Tag == nil {
		return ""
	}
	text, err := strconv.Unquote(field.Tag.Value)
	if err != nil {
		log.Fatal(err)
	}
	name, _, _ := strings.Cut(reflect.StructTag(text).Get(key), ",")
	return name
}
