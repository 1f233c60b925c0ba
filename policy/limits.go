package policy

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// Bounds of a policy file. HCL's parser recurses, and a file that is no policy
// at all must not cost more stack or time than there is.
const (
	maxSource    = 1 << 19 // bytes
	maxNesting   = 100     // brackets, blocks and templates in each other
	maxOperators = 1000    // in one attribute
)

// withinBounds gives a diagnostic of a file that is too long or too
// complicated to parse, nil if it is not.
func withinBounds(f *source) *hcl.Diagnostic {
	if len(f.Src) > maxSource {
		return tooMuch(hcl.Range{Filename: f.id, Start: start, End: start}, "File too long", "A policy file has at most %d bytes.", maxSource)
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
			return tooMuch(token.Range, "Nested too deep", "At most %d brackets may be open in each other.", maxNesting)
		case operators > maxOperators:
			return tooMuch(token.Range, "Expression too long", "An expression has at most %d operators. Write a list and contains(list, value), or more rules.", maxOperators)
		}
	}
	return nil
}

func tooMuch(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at}
}
