package policy

import (
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// checkReach faults rules that no claim can reach: those behind one of the
// same kind and file that decides every claim, or that has the same
// condition. A rule that expires leaves way to those behind it.
func (l *loader) checkReach(p *Policy) {
	for _, kind := range Schema.Kinds {
		var all *rule
		same := map[string]*rule{}
		for _, r := range p.rules[kind.Kind] {
			condition := r.condition()
			switch first := same[condition]; {
			case all != nil && all.src.Builtin != r.src.Builtin:
			case all != nil && all.src == r.src:
				l.fault(r.block.DefRange(), "Rule is never reached", "The rule before it in line %d decides every claim of this kind. Put this rule before that one.", all.Line)
			case all != nil:
				l.warn(r.block.DefRange(), "Rule is never reached", "The rule at %s:%d decides every claim of this kind before it.", all.File, all.Line)
			case first != nil && first.src == r.src:
				l.fault(r.block.DefRange(), "Rule is never reached", "The rule before it in line %d has the same condition.", first.Line)
			}
			if r.expires != nil || r.broken {
				continue
			}
			if condition == "" {
				all = r
			} else if same[condition] == nil {
				same[condition] = r
			}
		}
	}
}

// condition is the text of a rule's condition without its white space; "" if
// the rule always holds.
func (r *rule) condition() string {
	if r.when == nil {
		return ""
	}
	tokens, _ := hclsyntax.LexExpression(r.when.expr.Range().SliceBytes(r.src.Src), "", start)
	var text []byte
	for _, token := range tokens {
		if token.Type != hclsyntax.TokenNewline && token.Type != hclsyntax.TokenComment {
			text = append(append(text, token.Bytes...), ' ')
		}
	}
	return string(text)
}
