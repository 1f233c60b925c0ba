package proxy

import (
	"errors"
	"fmt"
	"sync"

	"github.com/safesock/safesock/host"
	"github.com/safesock/safesock/policy"
)

// clientOf returns a peer as the rules see it that decide one call. Each name
// is looked up at most once for the call, however many claims it makes.
func clientOf(p *host.Peer) policy.Client {
	return policy.Client{
		UID: p.UID, GID: p.GID, PID: p.PID,
		User:    onceACall(p.User),
		Groups:  onceACall(p.Groups),
		Command: onceACall(p.Command),
	}
}

func onceACall[T any](look func() (T, error)) func() (T, error) {
	return sync.OnceValues(func() (T, error) {
		name, err := look()
		if err != nil && !isLasting(err) {
			err = fmt.Errorf("%w; try again", err)
		}
		return name, err
	})
}

func isLasting(err error) bool { return errors.As(err, new(host.Lasting)) }
