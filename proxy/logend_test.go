package proxy

import (
	"log/slog"
	"strings"
	"testing"
)

// The Engine's half of the connection is closed after an error of the client's
// half. That must not hide the error.
func TestTheErrorOfAnUploadIsLoggedAsTheEndOfItsConnection(t *testing.T) {
	const head = "POST /images/load HTTP/1.1\r\nHost: docker\r\nTransfer-Encoding: chunked\r\n\r\n"
	hasChunk := make(chan struct{})
	var log strings.Builder // read after serving has ended
	w := newWorld(t, func(e *peerEnd) {
		e.expect(head + "3\r\nabc\r\n")
		close(hasChunk)
		e.expectEnd()
	}, func(s *Server) {
		s.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == "pid" {
				return slog.Attr{}
			}
			return a
		}}))
	})
	c := w.dial()
	c.send(head + "3\r\nabc\r\n")
	<-hasChunk
	c.send("three\r\n")
	c.expectAnswer("400 safesock: a chunk has no size")
	c.expectEnd()
	w.stop()
	if err := w.awaitStop(); err != nil {
		t.Error(err)
	}
	want := `level=DEBUG msg="connection ended" error="a chunk has no size"` + "\n"
	if log.String() != want {
		t.Errorf("got  %swant %s", log.String(), want)
	}
}
