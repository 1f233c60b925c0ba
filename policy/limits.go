package policy

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Limits of a policy file. HCL's parser is recursive: without limits, a file
// could exhaust the stack.
const (
	maxSource    = 1 << 19 // bytes
	maxNesting   = 100     // brackets, blocks and templates inside each other
	maxOperators = 1000    // in one attribute
)

// checkLimits returns a diagnostic if a file is too long or too deeply nested to
// be parsed, nil otherwise.
func checkLimits(f *source) *hcl.Diagnostic {
	if len(f.Src) > maxSource {
		return tooMuch(f.beginning(), "File too long", "A policy file has at most %d bytes.", maxSource)
	}
	tokens, _ := hclsyntax.LexConfig(f.Src, f.id, start)
	nesting, operators := 0, 0
	for _, token := range tokens {
		switch token.Type {
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc,
			hclsyntax.TokenTemplateInterp, hclsyntax.TokenTemplateControl:
			nesting++
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc,
			hclsyntax.TokenTemplateSeqEnd:
			nesting = max(nesting-1, 0)
		case hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenBang, hclsyntax.TokenQuestion, hclsyntax.TokenPlus, hclsyntax.TokenMinus,
			hclsyntax.TokenStar, hclsyntax.TokenSlash, hclsyntax.TokenPercent, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual,
			hclsyntax.TokenLessThan, hclsyntax.TokenLessThanEq, hclsyntax.TokenGreaterThan, hclsyntax.TokenGreaterThanEq, hclsyntax.TokenDot:
			operators++
		case hclsyntax.TokenEqual:
			operators = 0 // the next attribute
		}
		switch {
		case nesting > maxNesting:
			return tooMuch(token.Range, "Nested too deep", "At most %d brackets may be open at once.", maxNesting)
		case operators > maxOperators:
			return tooMuch(token.Range, "Expression too long", "An expression has at most %d operators. Write a list and contains(list, value), or more rules.", maxOperators)
		}
	}
	return nil
}

func tooMuch(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}
