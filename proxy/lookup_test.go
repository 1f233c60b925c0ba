package proxy

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
)

const startCall = "POST /v1.41/containers/web/start HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n"

// slowLookUp is an Engine that answers a question of safesock's own when the test
// allows it, and any other call at once.
type slowLookUp struct {
	asked chan string // the path of each question
	goOn  chan bool
	ended chan bool // gets a value when safesock closes the connection of a question
}

func newSlowLookUp() *slowLookUp {
	return &slowLookUp{asked: make(chan string, 1), goOn: make(chan bool), ended: make(chan bool, 9)}
}

func (l *slowLookUp) act(e *peerEnd) {
	for {
		request, err := http.ReadRequest(bufio.NewReader(e))
		if err != nil {
			return
		}
		if request.Method != http.MethodGet {
			e.send(noContent)
			continue
		}
		l.asked <- request.URL.Path
		gone := make(chan bool)
		go func() {
			io.Copy(io.Discard, e)
			close(gone)
		}()
		select {
		case <-gone:
			l.ended <- true
		case <-l.goOn:
			e.send(answer("404 Not Found", `{"message":"No such container: web"}`))
			<-gone
		}
		return
	}
}

func TestAClientThatLeavesEndsTheLookUpThatItsCallWaitsFor(t *testing.T) {
	engine := newSlowLookUp()
	w := newWorld(t, engine.act)
	c := w.dial()
	c.send(startCall)
	<-engine.asked
	c.Close()
	within(t, engine.ended)
	w.awaitConnections(0)
}

func TestTheEndOfServingCutsALookUpAfterItsTime(t *testing.T) {
	engine := newSlowLookUp()
	w := newWorld(t, engine.act, func(s *Server) { s.Drain = 1 })
	c := w.dial()
	c.send(startCall)
	<-engine.asked
	w.stop()
	within(t, engine.ended)
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
	c.expectEnd()
}

func TestALookUpThatTakesLongIsWaitedForAtTheEndOfServing(t *testing.T) {
	engine := newSlowLookUp()
	w := newWorld(t, engine.act)
	c := w.dial()
	c.send(startCall)
	<-engine.asked
	w.stop()
	for !w.server.draining.Load() {
		if len(engine.ended) > 0 {
			t.Fatal("the look-up was given up")
		}
	}
	engine.goOn <- true
	c.expectAnswer("404 No such container: web")
	c.expectEnd()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
}

// Until the answer says whether they are a raw stream, none of the client's bytes
// are read. safesock notices all the same that the client leaves.
func TestAClientThatLeavesBeforeTheAnswerToAnUpgradeEndsTheEnginesCall(t *testing.T) {
	asked, left := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(e *peerEnd) {
		e.expect(execStart)
		close(asked)
		e.expectEnd()
		close(left)
	})
	c := w.dial()
	c.send(execStart)
	<-asked
	c.Close()
	<-left
	w.awaitConnections(0)
}

// The call has the container's id, and the Engine's error would name it.
func TestAnErrorOfTheEngineNamesTheContainerAsTheClientDid(t *testing.T) {
	const id = "4c01db0b339c"
	errorAnswer := func(name string) string {
		return answer("409 Conflict", `{ "message" : "Container `+name+` is paused \u003c`+name+`\u003e","id":"`+id+`"}`)
	}
	w := newWorld(t, func(e *peerEnd) {
		for {
			request, err := http.ReadRequest(e.in)
			switch {
			case err != nil:
				return
			case request.Method == http.MethodGet:
				e.send(answer("200 OK\r\nServer: Docker/28.5.2 (linux)", `{"Id":"`+id+`","Name":"/web","State":{},"Config":{},"HostConfig":{},"Mounts":[],"NetworkSettings":{}}`))
			default:
				e.send(errorAnswer(id))
			}
		}
	})
	c := w.dial()
	for range 2 {
		c.send(startCall)
		c.expect(errorAnswer("web"))
	}
	c.send(strings.Replace(startCall, "web", id, 1))
	c.expect(errorAnswer(id))
}
