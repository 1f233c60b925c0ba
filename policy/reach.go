package policy

import "github.com/hashicorp/hcl/v2/hclsyntax"

// checkReach finds rules that decide nothing: a rule of the same kind before
// them decides every claim, or has the same condition. A rule that expires lets
// later rules decide. In one file this is a mistake. Between two files of a user
// it is a warning, and a user's rules may well leave the built-in policy nothing
// to decide.
func (l *loader) checkReach(p *Policy) {
	for _, kind := range Schema.Kinds {
		var catchAll *rule // the last before r that decides every claim
		conditions := map[string]*rule{}
		for _, r := range p.rules[kind.Kind] {
			condition := r.condition()
			switch same := conditions[condition]; {
			case catchAll != nil && catchAll.src == r.src:
				l.fault(r.block.DefRange(), "Rule is never reached", "The rule before it in line %d decides every claim of this kind. Put this rule before that one.", catchAll.Line)
			case catchAll != nil && catchAll.src.Builtin == r.src.Builtin:
				l.warn(r.block.DefRange(), "Rule is never reached", "The rule at %s:%d decides every claim of this kind before it.", catchAll.File, catchAll.Line)
			case catchAll == nil && same != nil && same.src == r.src:
				l.fault(r.block.DefRange(), "Rule is never reached", "The rule before it in line %d has the same condition.", same.Line)
			}
			switch {
			case r.expires != nil:
			case r.when == nil:
				catchAll = r
			case conditions[condition] == nil:
				conditions[condition] = r
			}
		}
	}
}

// condition returns the source of a rule's condition without white space and
// comments, "" if the rule always holds.
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
