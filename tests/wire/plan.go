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
		again := i > 0 && m.does == writes && p.moves[i-1].does == writes && m.by == p.moves[i-1].by && m.after == p.moves[i-1].after
		switch {
		case again:
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
	rifts []rift
}

// rift is where a conversation can tear: in the middle of a body.
type rift struct {
	call     call
	move     int
	answered int // what the Engine had said before its answer
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
			m.slow[by] = max(1<<10, len(m.says[1-by])/200) + m.IntN(32<<10)
		}
	}
	return m.plan
}

// exchange has the client ask and the Engine answer. Only the last answer may
// end the connection.
func (m *maker) exchange(c call, last bool) {
	turn, asked, answered := m.ask(), len(m.says[client]), len(m.says[engine])
	q, a := m.request(c), m.answer(c, last)
	first := len(m.moves)
	topic := q.text + ": " + a.text
	m.allow(asked + len(q.bytes))
	switch body := q.bytes[q.head:]; {
	case q.expects:
		topic += m.expected(turn, q, a)
		answered += len(goAhead)
	case c.kind == passes && len(body) > 0 && m.oneIn(3):
		topic += ", at the same time"
		n := q.head + m.IntN(len(body)+1)
		m.say(client, turn, q.bytes[:n])
		m.say(engine, asked+1+m.IntN(n), a.bytes[:a.head])
		m.alternate([2][]byte{q.bytes[n:], a.bytes[a.head:]})
	default:
		m.say(client, turn, q.bytes, q.marks...)
		m.say(engine, asked+len(q.bytes), a.bytes, a.marks...)
	}
	m.topics = append(m.topics, topic)
	if c.kind != passes {
		return
	}
	for i, move := range m.moves[first:] {
		from, message := asked, q
		if move.by == engine {
			from, message = answered, a
		}
		if from+message.head <= move.until && move.until < from+len(message.bytes) {
			m.rifts = append(m.rifts, rift{c, first + i, answered})
		}
	}
}

// ask gives how much of the Engine the client hears before its next request:
// all, or no more than before, which is a request that comes early.
func (m *maker) ask() int {
	if m.oneIn(3) {
		return m.heard[client]
	}
	return len(m.says[engine])
}

// expected is an exchange in which the client may wait for 100 Continue before
// it says the body. If a call is held, that is safesock's own: it drops the
// Engine's, which comes once the Engine has heard the whole request.
func (m *maker) expected(turn int, q, a message) string {
	asked, text := len(m.says[client]), ", 100 is not waited for"
	m.say(client, turn, q.bytes[:q.head])
	m.say(engine, asked+q.head, []byte(goAhead))
	if m.oneIn(2) {
		text, turn = ", 100 is waited for", len(m.says[engine])
	}
	m.say(client, turn, q.bytes[q.head:])
	m.say(engine, len(m.says[client]), a.bytes)
	return text
}

// raw is an exchange after which both sides no longer speak HTTP. What the
// client says early has to wait for the answer.
func (m *maker) raw() {
	c := m.anyCall()
	for c.kind != upgrades && c.kind != hijacks {
		c = m.anyCall()
	}
	turn, q, a := m.ask(), m.request(c), m.rawAnswer(c)
	asked := len(m.says[client]) + len(q.bytes)
	m.allow(asked)
	early := m.noise(m.oneOf(0, 0, m.size()))
	m.say(client, turn, slices.Concat(q.bytes, early), append(q.marks, len(q.bytes))...)
	m.say(engine, asked, a.bytes, a.marks...)
	m.allow(math.MaxInt)
	m.alternate([2][]byte{m.noise(m.size() + m.size()), m.noise(m.size() + m.size())})
	m.topics = append(m.topics, fmt.Sprintf("%s and %d early bytes: %s", q.text, len(early), a.text))
}

// alternate has both parties say what is left, each at once or after hearing
// all that the other has said.
func (m *maker) alternate(left [2][]byte) {
	for len(left[client])+len(left[engine]) > 0 {
		by := party(m.IntN(2))
		if len(left[by]) == 0 {
			by = by.other()
		}
		n := min(1+m.size(), len(left[by]))
		m.say(by, m.oneOf(m.heard[by], len(m.says[by.other()])), left[by][:n])
		left[by] = left[by][n:]
	}
}

// end ends a conversation after its last answer.
func (m *maker) end() {
	all := [2]int{len(m.says[engine]), len(m.says[client])}
	switch m.IntN(4) {
	case 0: // the client has no more to ask, which it may say at once
		m.do(client, ends, m.oneOf(m.heard[client], all[client]))
		m.do(engine, leaves, theEnd)
		m.do(client, leaves, theEnd)
	case 1:
		m.do(client, leaves, all[client])
		m.do(engine, leaves, theEnd)
	case 2:
		m.do(engine, leaves, all[engine])
		m.do(client, leaves, theEnd)
	case 3:
		m.do(engine, ends, all[engine])
		m.do(client, leaves, theEnd)
		m.do(engine, leaves, theEnd)
	}
}

// endRaw ends a raw stream, from either side.
func (m *maker) endRaw() {
	first := party(m.IntN(2))
	second := first.other()
	switch m.IntN(4) {
	case 0:
		m.do(first, leaves, len(m.says[second]))
		m.do(second, leaves, theEnd)
	case 1, 2: // half of it ends first
		m.do(first, ends, m.oneOf(m.heard[first], len(m.says[second])))
		for range m.IntN(3) {
			m.say(second, m.oneOf(m.heard[second], theEnd), m.noise(m.size()))
		}
		m.do(second, leaves, theEnd)
		m.do(first, leaves, theEnd)
	case 3: // as an Engine whose process has exited, whatever the client still says
		m.do(engine, ends, m.heard[engine])
		m.say(client, m.oneOf(m.heard[client], theEnd), m.noise(m.size()))
		m.do(engine, leaves, m.heard[engine])
		m.do(client, leaves, theEnd)
		m.parts[engine] = true
	}
}

// abandon is an exchange whose answer comes before the request has ended, and
// is the last. The Engine closes its half. Then it leaves without the rest, as
// net/http does, or takes the rest first.
func (m *maker) abandon() {
	c, turn, asked := call{"POST", "/images/load", passes, noise}, m.ask(), len(m.says[client])
	q, a := m.request(c), m.lastAnswer(c)
	m.allow(asked + len(q.bytes))
	n := q.head + m.IntN(len(q.bytes)-q.head+1)
	m.say(client, turn, q.bytes[:n])
	m.say(engine, asked+1+m.IntN(n), a.bytes, a.marks...)
	m.do(engine, ends, m.heard[engine])
	m.say(client, turn, q.bytes[n:], q.marks...)
	text := ", early, and takes the rest"
	if m.parts[engine] = m.oneIn(2); m.parts[engine] {
		text = ", early, and leaves the rest"
		m.do(engine, leaves, m.heard[engine])
	} else {
		m.do(engine, leaves, len(m.says[client]))
	}
	m.do(client, leaves, theEnd)
	m.topics = append(m.topics, q.text+": "+a.text+text)
}

// tear has one party break off in the middle of a body, by half or altogether.
func (m *maker) tear() {
	if len(m.rifts) == 0 {
		m.end()
		return
	}
	r := m.rifts[m.IntN(len(m.rifts))]
	m.moves = m.moves[:r.move+1]
	var said, heard [2]int
	for _, move := range m.moves {
		said[move.by], heard[move.by] = move.until, move.after
	}
	for by, n := range said {
		m.says[by] = m.says[by][:n]
	}
	m.heard = heard
	by := m.moves[r.move].by
	m.topics = append(m.topics, fmt.Sprintf("the %s breaks off", by))
	if m.oneIn(2) {
		m.parts[engine] = by == engine
		m.do(by, ends, m.heard[by])
		if len(m.says[engine]) <= r.answered { // safesock would answer if the Engine did not
			a := m.lastAnswer(r.call)
			m.say(engine, theEnd, a.bytes, a.marks...)
		}
		m.do(by.other(), leaves, theEnd)
		m.do(by, leaves, theEnd)
	} else {
		m.parts = [2]bool{client: by == client, engine: true}
		m.do(by, leaves, m.heard[by])
		m.do(by.other(), leaves, theEnd)
	}
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
// that are cut anywhere, more often at the marks.
func (m *maker) say(by party, after int, b []byte, marks ...int) {
	cuts := []int{len(b)}
	switch m.IntN(8) {
	case 0, 1:
		for _, mark := range marks {
			if m.oneIn(2) {
				cuts = append(cuts, mark)
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
