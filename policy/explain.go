package policy

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// failure is the error of an expression that cannot be used.
func failure(expr hclsyntax.Expression, why string) error {
	at := expr.Range()
	return fmt.Errorf("%s:%d: the expression %s", at.Filename, at.Start.Line, why)
}

// explain says in one line why an expression failed.
func (p *Policy) explain(diags hcl.Diagnostics) error {
	diag := diags.Errs()[0].(*hcl.Diagnostic)
	at := subject(diag)
	failed := at
	switch _, isCall := diag.Extra.(hclsyntax.FunctionCallDiagExtra); {
	case isCall && diag.Context != nil:
		failed = *diag.Context
	case diag.Expression != nil:
		failed = diag.Expression.Range()
	}
	text := fmt.Sprintf("%s:%d: %s failed: %s", at.Filename, at.Start.Line, p.quote(failed), strings.TrimRight(detail(diag), "."))
	if values := valuesIn(diag, true); len(values) > 0 {
		text += fmt.Sprintf(" (%s)", strings.Join(values, ", "))
	}
	return errors.New(text)
}

// detail is a diagnostic's detail without values that may be secret. HCL quotes
// values that it cannot convert, and arguments that a function rejects.
func detail(diag *hcl.Diagnostic) string {
	if diag.Summary == "Invalid index" {
		return `there is no such element; lookup(map, key, "") returns "" then`
	}
	call, ok := diag.Extra.(hclsyntax.FunctionCallDiagExtra)
	if ok && call.CalledFunctionName() == interfaceFunction && call.FunctionCallError() != nil {
		return call.FunctionCallError().Error()
	}
	if diag.Expression == nil || mayBeSecret(diag.Expression) {
		return strings.ToLower(diag.Summary[:1]) + diag.Summary[1:] + ", which is not shown as it may be secret"
	}
	return parameter.ReplaceAllString(diag.Detail, "")
}

// parameter is what HCL puts before the error of a function's argument.
var parameter = regexp.MustCompile(`^Invalid value for "\w+" parameter: `)

// mayBeSecret reports whether the value of an expression on a live call may hold
// a secret.
func mayBeSecret(expr hcl.Expression) bool {
	return slices.ContainsFunc(expr.Variables(), func(t hcl.Traversal) bool { return isSecret(t, true) })
}

// quote returns a part of a policy file, on one line and not too long.
func (p *Policy) quote(at hcl.Range) string {
	for _, f := range p.files {
		if f.id != at.Filename || !at.CanSliceBytes(f.Src) {
			continue
		}
		text := []rune(strings.Join(strings.Fields(string(at.SliceBytes(f.Src))), " "))
		if len(text) > maxShown {
			return string(text[:maxShown]) + "…"
		}
		return string(text)
	}
	return "the expression"
}
