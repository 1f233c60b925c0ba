package wire

import (
	"fmt"
	"math"
	"slices"
)

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

// rift is where a conversation can tear: in the middle of a body.
type rift struct {
	call     call
	move     int
	answered int // what the Engine had said before its answer
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
	if by == client && m.lookedUp || m.oneIn(2) {
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
