package proxy

import (
	"errors"
	"fmt"
	"sync"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
)

// clientOf returns a peer as the rules see it while they decide one call. Each
// name is looked up when a rule first asks for it, and once for the call.
func clientOf(p *host.Peer) policy.Client {
	return policy.Client{
		UID: p.UID, GID: p.GID, PID: p.PID,
		User:    onceACall(p.User),
		Groups:  onceACall(p.Groups),
		Command: onceACall(p.Command),
	}
}

// onceACall keeps the first result of a look-up. A look-up that may succeed at
// another time says so in its error.
func onceACall[T any](look func() (T, error)) func() (T, error) {
	return sync.OnceValues(func() (T, error) {
		name, err := look()
		if err != nil && !isLasting(err) {
			err = fmt.Errorf("%w; try again", err)
		}
		return name, err
	})
}

// isLasting reports whether a look-up that failed will fail the next time, too.
func isLasting(err error) bool { return errors.As(err, new(host.Lasting)) }
