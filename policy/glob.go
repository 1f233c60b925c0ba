package policy

import (
	"errors"
	"unicode/utf8"
)

// A glob is a pattern that a whole text must match.
type glob []globStep

// globStep is one step of a glob: a literal, one character of a set, or a
// run of any length.
type globStep struct {
	run    bool // *, or ** where slash is set
	slash  bool // / is among what the step matches
	any    bool // ?
	negate bool // [^…]
	ranges []globRange
}

type globRange struct{ lo, hi rune }

var (
	errGlobSet    = errors.New("a set lacks its ]")
	errGlobEscape = errors.New(`a \ at the end escapes nothing`)
	errGlobRange  = errors.New("a set's range runs backwards")
)

// parseGlob reads a pattern.
func parseGlob(pattern string) (glob, error) {
	var g glob
	rs := []rune(pattern)
	for i := 0; i < len(rs); i++ {
		switch rs[i] {
		case '*':
			step := globStep{run: true}
			for i+1 < len(rs) && rs[i+1] == '*' {
				step.slash = true
				i++
			}
			g = append(g, step)
		case '?':
			g = append(g, globStep{any: true})
		case '\\':
			i++
			if i == len(rs) {
				return nil, errGlobEscape
			}
			g = append(g, literalStep(rs[i]))
		case '[':
			step, end, err := parseGlobSet(rs, i+1)
			if err != nil {
				return nil, err
			}
			g = append(g, step)
			i = end
		default:
			g = append(g, literalStep(rs[i]))
		}
	}
	return g, nil
}

func literalStep(r rune) globStep {
	return globStep{slash: true, ranges: []globRange{{r, r}}}
}

// parseGlobSet reads a set, from the character after its [. It returns the index
// of its ].
func parseGlobSet(rs []rune, i int) (step globStep, end int, err error) {
	if i < len(rs) && (rs[i] == '^' || rs[i] == '!') {
		step.negate = true
		i++
	}
	for first := true; ; first = false {
		if i >= len(rs) {
			return step, i, errGlobSet
		}
		if rs[i] == ']' && !first {
			return step, i, nil
		}
		r := globRange{}
		if r.lo, i, err = globSetRune(rs, i); err != nil {
			return step, i, err
		}
		r.hi = r.lo
		if i+1 < len(rs) && rs[i] == '-' && rs[i+1] != ']' {
			if r.hi, i, err = globSetRune(rs, i+1); err != nil {
				return step, i, err
			}
		}
		if r.hi < r.lo {
			return step, i, errGlobRange
		}
		step.ranges = append(step.ranges, r)
	}
}

func globSetRune(rs []rune, i int) (r rune, next int, err error) {
	if rs[i] == '\\' {
		i++
	}
	if i >= len(rs) {
		return 0, i, errGlobSet
	}
	return rs[i], i + 1, nil
}

// match reports whether the whole text matches. Its time is bounded by the
// length of the text times that of the glob, whatever they are.
func (g glob) match(text string) bool {
	// at[i] reports whether the text so far can end before step i.
	var buf [64]bool
	at := buf[:]
	if len(g)+1 > len(at) {
		at = make([]bool, len(g)+1)
	}
	at = at[:len(g)+1]
	at[0] = true
	g.skip(at)
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		text = text[size:]
		alive := false
		for i := len(g); i >= 0; i-- {
			stays := i < len(g) && at[i] && g[i].run && (g[i].slash || r != '/')
			comes := i > 0 && at[i-1] && !g[i-1].run && g[i-1].matches(r)
			at[i] = stays || comes
			alive = alive || at[i]
		}
		if !alive {
			return false
		}
		g.skip(at)
	}
	return at[len(g)]
}

// skip adds the steps that are reached without a character.
func (g glob) skip(at []bool) {
	for i, step := range g {
		if at[i] && step.run {
			at[i+1] = true
		}
	}
}

// matches reports whether a step other than a run matches a character.
func (s globStep) matches(r rune) bool {
	if s.any {
		return r != '/'
	}
	in := false
	for _, rg := range s.ranges {
		in = in || rg.lo <= r && r <= rg.hi
	}
	if s.negate || !s.slash {
		return in != s.negate && r != '/'
	}
	return in
}
