package wire

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// party is one of the two that talk through safesock.
type party int

const (
	client party = iota
	engine
)

func (p party) other() party { return 1 - p }

func (p party) String() string { return [...]string{"client", "Engine"}[p] }

// plan is one conversation: every byte that both parties say, and when. Both
// read the same plan, so each knows what it has to hear.
type plan struct {
	seed   uint64
	topics []string  // the exchanges, for people
	says   [2][]byte // all that each party says
	moves  []move    // in an order in which they could happen one after the other
	opens  int       // how much the Engine may hear before one of its moves allows more
	parts  [2]bool   // the party need not hear all, because somebody leaves before
	slow   [2]int    // the party hears at most so much a millisecond; 0 is no limit
}

// move is what a party does once it has heard enough of the other.
type move struct {
	by     party
	does   deed
	until  int           // how much it has said then
	after  int           // how much it has heard before; theEnd is everything and the end
	pause  time.Duration // between hearing and doing
	allows int           // how much the Engine may hear once it begins this; 0 is no more than before
}

type deed int

const (
	writes deed = iota
	ends        // closes its half: says no more, and goes on to hear
	leaves      // closes its socket
)

const theEnd = math.MaxInt

// String writes the plan for whoever has to find out what went wrong.
func (p *plan) String() string {
	var b strings.Builder
	for i, topic := range p.topics {
		fmt.Fprintf(&b, "%3d. %s\n", i+1, topic)
	}
	var said [2]int
	for i, m := range p.moves {
		switch last := p.moves[max(i, 1)-1]; {
		case i > 0 && m.by == last.by && m.after == last.after: // goes on
		case m.after == 0:
			fmt.Fprintf(&b, "\n%s:", m.by)
		case m.after == theEnd:
			fmt.Fprintf(&b, "\n%s, after the %s's end:", m.by, m.by.other())
		default:
			fmt.Fprintf(&b, "\n%s, after %d of the %s's:", m.by, m.after, m.by.other())
		}
		if m.pause > 0 {
			fmt.Fprintf(&b, " (%v)", m.pause)
		}
		switch m.does {
		case writes:
			fmt.Fprintf(&b, " %d", m.until-said[m.by])
			said[m.by] = m.until
		case ends:
			b.WriteString(" closes its half")
		case leaves:
			b.WriteString(" closes")
		}
	}
	b.WriteString("\n")
	for by, n := range p.slow {
		if n > 0 {
			fmt.Fprintf(&b, "%s hears %d bytes a millisecond\n", party(by), n)
		}
	}
	return b.String()
}

// maker makes a plan, move by move.
type maker struct {
	*rand.Rand
	*plan
	heard [2]int // what each party has had to hear so far
	gate  int    // the Engine's latest move: it lets the next request through
	rifts []rift // where the conversation can tear

	lookedUp bool // safesock asks the Engine about one of the calls before it forwards it
}

// newPlan makes the conversation of a seed, always the same one: a few
// exchanges, the last of which can become a raw stream or break off.
func newPlan(seed uint64) *plan {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0)), plan: &plan{seed: seed}, gate: -1}
	for range m.IntN(6) {
		m.exchange(m.anyCall(), false)
	}
	switch m.IntN(8) {
	case 0, 1:
		m.raw()
		m.endRaw()
	case 2:
		m.abandon()
	case 3:
		m.exchange(m.anyCall(), false)
		m.tear()
	default:
		m.exchange(m.anyCall(), true)
		m.end()
	}
	for by := range m.slow {
		if m.oneIn(8) {
			const longest = 200 // milliseconds, in all
			m.slow[by] = 1<<10 + len(m.says[party(by).other()])/longest + m.IntN(32<<10)
		}
	}
	return m.plan
}

// allow lets the Engine hear up to there once the latest answer is out: a
// request waits for that, however early the client sends it.
func (m *maker) allow(until int) {
	if m.gate < 0 {
		m.opens = until
	} else {
		m.moves[m.gate].allows = until
	}
}

// say has a party say b once it has heard so much, in one write or in several
// that are cut anywhere, most often at the marks and at the end, or next to them.
func (m *maker) say(by party, after int, b []byte, marks ...int) {
	cuts := []int{len(b)}
	switch m.IntN(8) {
	case 0, 1:
		for _, mark := range append(marks, len(b)) {
			if m.oneIn(2) {
				cuts = append(cuts, mark+m.oneOf(-1, 0, 0, 1))
			}
		}
	case 2, 3:
		for range 1 + m.IntN(5) {
			cuts = append(cuts, m.IntN(len(b)+1))
		}
	case 4:
		for at := 0; at < min(len(b), 24); at++ {
			cuts = append(cuts, at)
		}
	}
	slices.Sort(cuts)
	start := len(m.says[by])
	m.says[by] = append(m.says[by], b...)
	for _, cut := range slices.Compact(cuts) {
		if cut > 0 && cut <= len(b) {
			m.do(by, writes, after)
			m.moves[len(m.moves)-1].until = start + cut
		}
	}
}

// do adds a move, some of them after a pause.
func (m *maker) do(by party, does deed, after int) {
	move := move{by: by, does: does, after: after, until: len(m.says[by])}
	if m.oneIn(4) {
		move.pause = time.Duration(m.IntN(3000)) * time.Microsecond
	}
	m.moves = append(m.moves, move)
	m.heard[by] = after
	if by == engine {
		m.gate = len(m.moves) - 1
	}
}

func (m *maker) oneIn(n int) bool { return m.IntN(n) == 0 }

func (m *maker) oneOf(values ...int) int { return values[m.IntN(len(values))] }
