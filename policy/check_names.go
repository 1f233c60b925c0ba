package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// checkName checks that the variable and the attribute of an expression exist.
func (c *checker) checkName(expr *hclsyntax.ScopeTraversalExpr) {
	t := expr.Traversal
	root := t.RootName()
	if c.isForVariable(root) {
		return
	}
	if root == "local" {
		c.checkLocal(t)
		return
	}
	object, ok := Schema.object(c.kind, root)
	if !ok {
		c.fault(t[0].SourceRange(), "Unknown variable", "%s", c.unknownVariable(root))
		return
	}
	if len(t) < 2 {
		return
	}
	name, ok := stepName(t[1])
	if !ok {
		return
	}
	if _, ok := object.attribute(name); !ok {
		c.fault(hcl.RangeBetween(t[0].SourceRange(), t[1].SourceRange()), "Unsupported attribute",
			"This object does not have an attribute named %q.%s", name, c.meantAttribute(object, name))
		return
	}
	if len(t) > 2 {
		c.checkElement(&hclsyntax.ScopeTraversalExpr{Traversal: t[:2]}, expr.SrcRange)
	}
}

// checkLocal checks that a local exists.
func (c *checker) checkLocal(t hcl.Traversal) {
	at, name := t.SourceRange(), ""
	if len(t) > 1 {
		at = hcl.RangeBetween(t[0].SourceRange(), t[1].SourceRange())
		if attr, ok := t[1].(hcl.TraverseAttr); ok {
			name = attr.Name
		}
	}
	switch {
	case name == "":
		c.fault(at, "Local without a name", "Write local.name for a name in locals { … }.")
	case c.locals[name] == nil && c.incomplete:
		c.faulted = append(c.faulted, at)
	case c.locals[name] == nil:
		c.fault(at, "Unknown local", "There is no local named %q.%s", name, didYouMean(name, slices.Sorted(maps.Keys(c.locals))))
	}
}

// unknownVariable says what to write instead of an unknown variable.
func (c *checker) unknownVariable(name string) string {
	objects := Schema.objects(c.kind)
	visible := []string{"local"}
	for _, o := range objects {
		if _, ok := o.attribute(name); ok {
			return fmt.Sprintf("There is no variable named %q. Did you mean %s.%s?", name, o.Name, name)
		}
		visible = append(visible, o.Name)
	}
	if _, ok := Schema.Kind(Kind(name)); ok {
		return fmt.Sprintf("Only the rules of kind %s see %q. Here, there are %s.", name, name, list(visible))
	}
	if guess := didYouMean(name, visible); guess != "" {
		return fmt.Sprintf("There is no variable named %q.%s", name, guess)
	}
	return fmt.Sprintf("There is no variable named %q. Strings are written in quotes: %q.", name, name)
}

// meantAttribute suggests an attribute for an unknown name.
func (c *checker) meantAttribute(object Object, name string) string {
	names := make([]string, len(object.Attributes))
	for i, a := range object.Attributes {
		if slices.Contains(a.synonyms, strings.ToLower(name)) {
			return fmt.Sprintf(" Did you mean %q?", a.Name)
		}
		names[i] = a.Name
	}
	if guess := didYouMean(name, names); guess != "" {
		return guess
	}
	for _, o := range Schema.objects(c.kind) {
		if _, ok := o.attribute(name); ok {
			return fmt.Sprintf(" Did you mean %s.%s?", o.Name, name)
		}
	}
	return fmt.Sprintf(" It has %s.", list(names))
}

// checkElement warns of an element of a map that a call may not have.
func (c *checker) checkElement(collection hclsyntax.Expression, at hcl.Range) {
	object, attr, ok := c.attributeOf(collection)
	if !ok || c.catching > 0 || c.readsKeys || attr.Type() != "map of string" {
		return
	}
	c.warn(at, "Element may be missing",
		"If the call has no such element, the condition fails and the rule denies. Write lookup(%s.%s, \"…\", \"\").", object, attr.Name)
}
