package faults

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const serves = "exec $SAFESOCK --audit $AUDIT"

func TestAUserWithoutDescriptorsIsToldAndNothingIsForwardedUndecided(t *testing.T) {
	p := start(t, "ulimit -n 48; "+serves, false)
	known := dial(t, p.socket)
	known.say(ping)
	if got := known.hear(); got != okText {
		t.Errorf("before, a client saw %q", got)
	}
	var silent []*end
	for range 80 {
		silent = append(silent, dial(t, p.socket))
	}
	share := fmt.Sprintf("uid %d holds 36 of the 48 descriptors that safesock may open, which is as many as one user may hold; "+
		"close some connections, or raise the limit (LimitNOFILE= in safesock's unit, or ulimit -n)", os.Getuid())
	want := ownAnswer(503, "safesock: "+share, true)
	if got := silent[79].hear(); got != want {
		t.Errorf("a client beyond the user's share saw\n%q want\n%q", got, want)
	}
	known.say(ping)
	if got := known.hear(); got != okText {
		t.Errorf("without descriptors, a client that was there saw %q", got)
	}
	known.say(calls[4].text)
	want = ownAnswer(502, "safesock: engine /containers/web/json: cannot ask the Engine: "+share, false)
	if got := known.hear(); got != want {
		t.Errorf("without descriptors, a look-up ended in\n%q want\n%q", got, want)
	}
	silent[0].say(ping) // has no connection to the Engine yet
	if got := silent[0].hear(); got != okText {
		t.Errorf("without descriptors, a new client saw\n%q want\n%q", got, okText)
	}
	for _, c := range silent {
		c.Close()
	}
	await(t, "an answer to a client that came after those", func() string {
		if got := p.ask(ping); got != okText {
			return got
		}
		return ""
	})
	known.say(calls[4].text)
	if got := known.hear(); got != okText {
		t.Errorf("afterwards, a client saw %q", got)
	}
	if got := p.ask(ping); got != okText {
		t.Errorf("afterwards, a new client saw %q", got)
	}
	if got := p.terminate(); got != "exit status 0" {
		t.Errorf("at SIGTERM, %s", got)
	}
	if got, err := logged(p.audit); fmt.Sprint(got, err) != "[container.start: refused container.start: 200] <nil>" {
		t.Errorf("the log has %q (%v)", got, err)
	}
}

func TestOnAFullDiskNothingIsForwardedUnlogged(t *testing.T) {
	p := start(t, "mount -t tmpfs -o size=64k tmpfs $DIR/log; head -c 40k /dev/zero >$DIR/log/filler; "+serves, true)
	p.audit = fmt.Sprintf("/proc/%d/root%s", p.cmd.Process.Pid, p.audit)
	full := ownAnswer(500, "safesock: the audit log cannot be written, so the call was not forwarded: write "+filepath.Join(p.dir, "log", "audit.log")+": no space left on device", false)
	n := 0
	for got := okText; got == okText; n++ {
		if got = p.ask(createNamed(fmt.Sprint("before", n))); got != okText && got != full {
			t.Fatalf("create %d was answered %q want\n%q", n, got, full)
		}
		if n > 1000 {
			t.Fatal("the disk does not fill up")
		}
	}
	if got := p.ask(ping); got != okText {
		t.Errorf("on a full disk, a call that is not logged was answered %q", got)
	}
	if got := p.ask(createNamed("refused")); got != full {
		t.Errorf("on a full disk, a create was answered %q want\n%q", got, full)
	}
	if err := os.Remove(filepath.Join(filepath.Dir(p.audit), "filler")); err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		if got := p.ask(createNamed(fmt.Sprint("after", i))); got != okText {
			t.Errorf("with space again, a create was answered %q", got)
		}
	}
	p.compareLog(2)
	if got := p.terminate(); got != "exit status 0" {
		t.Errorf("at SIGTERM, %s", got)
	}
}

// compareLog compares the containers that came to be with those in the log.
func (p *process) compareLog(mayBeTorn int) {
	p.t.Helper()
	names, torn, err := recorded(p.audit)
	if made := p.engine.made(); !maps.Equal(names, made) || torn > mayBeTorn || err != nil {
		p.t.Errorf("the log has %v and %d torn lines (%v), the Engine made %v", names, torn, err, made)
	}
}

func TestWithoutProcCallsAreServedAndRulesAboutCommandsRefuse(t *testing.T) {
	p := start(t, `mount -t tmpfs tmpfs /proc; printf 'port "by command" {\n  when = client.command == "docker" && port.container == 80\n  action = "deny"\n}\n' >$DIR/p.hcl; exec $SAFESOCK --audit $AUDIT --policy $DIR/p.hcl`, true)
	for range 2 {
		if got := p.ask(get("/_ping")); got != okText {
			t.Errorf("a ping was answered %q", got)
		}
		got := p.ask(createNamed("web"))
		if !strings.HasPrefix(got, "HTTP/1.1 403 Forbidden") || !strings.Contains(got, "the process is gone or cannot be seen from here; compare client.uid instead") {
			t.Errorf("a create was answered %q", got)
		}
	}
	if got, err := logged(p.audit); fmt.Sprint(got, err) != "[container.create: refused container.create: refused] <nil>" {
		t.Errorf("the log has %q (%v)", got, err)
	}
	if got := p.terminate(); got != "exit status 0" {
		t.Errorf("at SIGTERM, %s", got)
	}
}

func TestOutputThatCannotBeWrittenStopsNobody(t *testing.T) {
	const warned = "POST /networks/create HTTP/1.1\r\nHost: docker\r\nContent-Length: 33\r\n\r\n" + `{"Name":"lan","Driver":"macvlan"}`
	lost := ownAnswer(500, "safesock: the audit log cannot be written, so the call was not forwarded: write /dev/stdout: no program reads this pipe any more", false)
	for _, test := range []struct{ name, script, want string }{
		{"stderr is closed", "exec 2>&-; " + serves, okText},
		{"stderr is full", "exec 2>/dev/full; " + serves, okText},
		{"stderr's reader left", `mkfifo $DIR/pipe; sh -c 'exec 3<$DIR/pipe; sleep 1' & exec 2>$DIR/pipe; wait; ` + serves, okText},
		{"stderr is a full pipe that nobody reads", `mkfifo $DIR/pipe; exec 3<>$DIR/pipe; head -c 64k /dev/zero >&3; exec 2>&3; ` + serves, okText},
		{"the log is standard output, whose reader left", `mkfifo $DIR/pipe; sh -c 'exec 3<$DIR/pipe; sleep 1' & exec >$DIR/pipe; wait; exec $SAFESOCK --audit -`, lost},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := start(t, test.script, false)
			for range 2 {
				if got := p.ask(warned); got != test.want {
					t.Errorf("a call that is warned of was answered %q want\n%q", got, test.want)
				}
				p.cmd.Process.Signal(syscall.SIGHUP)
				if got := p.ask(ping); got != okText {
					t.Errorf("a ping was answered %q", got)
				}
			}
			if got := p.terminate(); got != "exit status 0" {
				t.Errorf("at SIGTERM, %s", got)
			}
		})
	}
}

// A record can wait for another program, or for a disk, for longer than open
// calls may take.
func TestSIGTERMEndsACallWhoseRecordWaits(t *testing.T) {
	for _, test := range []struct {
		name, script string
		signals      int
		want         string
	}{
		{"after --drain", serves, 1, "<nil>"},
		{"after --drain, while nobody reads stderr", `mkfifo $DIR/pipe; exec 3<>$DIR/pipe; head -c 64k /dev/zero >&3; exec 2>&3; ` + serves, 1, "<nil>"},
		{"at once the second time", serves + " --drain 1h", 2, "signal: terminated"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := start(t, test.script, false)
			p.ask(ping) // or it could be about to open its log
			log, err := os.Open(p.audit)
			if err != nil {
				t.Fatal(err)
			}
			defer log.Close()
			if err := unix.Flock(int(log.Fd()), unix.LOCK_EX); err != nil {
				t.Fatal(err)
			}
			dial(t, p.socket).say(createNamed("web"))
			await(t, "a record that waits for the lock", func() string {
				locks, err := os.ReadFile("/proc/locks")
				if strings.Contains(string(locks), fmt.Sprintf("-> FLOCK  ADVISORY  WRITE %d ", p.cmd.Process.Pid)) {
					return ""
				}
				return fmt.Sprintf("%s%v", locks, err)
			})
			for range test.signals {
				p.cmd.Process.Signal(syscall.SIGTERM)
				time.Sleep(100 * time.Millisecond) // or the two could be one
			}
			select {
			case err := <-p.ended:
				p.ended <- err
				if got := fmt.Sprint(err); got != test.want {
					t.Errorf("safesock ended: %s want %s", got, test.want)
				}
			case <-time.After(5 * time.Second): // half of what a record waits
				t.Error("safesock does not end")
			}
		})
	}
}

// mib is how much memory safesock may take, in MiB, whatever clients send.
const mib = 256

func TestMemoryIsBoundedWhateverClientsSend(t *testing.T) {
	p := start(t, serves, false)
	body := "{\"Image\":\"web:1\",\"Env\":[\"" + strings.Repeat("x", 15<<20) + "\"]}"
	text := createCall(body)
	var clients sync.WaitGroup
	for range 48 {
		clients.Go(func() {
			c := dial(t, p.socket)
			defer c.Close()
			c.say(text)
			c.hear()
		})
	}
	clients.Wait()
	if got := p.ask(ping); got != okText {
		t.Errorf("afterwards, a ping was answered %q", got)
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, peak, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(peak)[0])
	if kib > mib<<10 || err != nil {
		t.Errorf("safesock took %d MiB (%v) for 48 creates of 15 MiB at once, want at most %d", kib>>10, err, mib)
	}
}

func TestTheLogHasEachContainerThatCameToBeWhenSafesockIsKilled(t *testing.T) {
	for _, phase := range []struct {
		name, says string
		until      string // what the Engine had
	}{
		{"within the body", createNamed("web")[:150], ""},
		{"within a look-up", strings.Replace(createNamed("web"), `"HostConfig":{`, `"HostConfig":{"NetworkMode":"lan",`, 1), "GET /networks/lan"},
		{"before the answer", createNamed("web"), "web"},
	} {
		t.Run(phase.name, func(t *testing.T) {
			p := start(t, serves, false)
			c := dial(t, p.socket)
			c.say(phase.says)
			if phase.until == "web" {
				p.engine.await(t, phase.until)
			}
			p.cmd.Process.Kill()
			err := <-p.ended
			p.ended <- err
			c.hear()
			names, torn, err := recorded(p.audit)
			for name := range p.engine.made() {
				if !names[name] || torn > 0 || err != nil {
					t.Errorf("the log has %v and %d torn lines (%v), the Engine made %s", names, torn, err, name)
				}
			}
		})
	}
	for round := range 5 {
		t.Run(fmt.Sprint("at some time ", round), func(t *testing.T) {
			p := start(t, serves, false)
			var clients sync.WaitGroup
			for i := range 4 {
				clients.Go(func() {
					for n, served := 0, true; served; n++ {
						conn, err := net.Dial("unix", p.socket)
						if err != nil {
							return // it was killed
						}
						c := newEnd(t, conn)
						c.say(createNamed(fmt.Sprint("web-", i, "-", n)))
						served = c.hear() == okText
						c.Close()
					}
				})
			}
			time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
			p.cmd.Process.Kill()
			clients.Wait()
			err := <-p.ended
			p.ended <- err
			p.engine.close()
			names, torn, err := recorded(p.audit)
			for name := range p.engine.made() {
				if !names[name] || torn > 1 || err != nil {
					t.Errorf("the log has %d creates and %d torn lines (%v), and lacks %s", len(names), torn, err, name)
				}
			}
		})
	}
}
