package proxy

import (
	"crypto/sha256"
	"slices"
	"sync"
)

// maxBuilds is how many builds and sessions are remembered of a user. The oldest
// are forgotten.
const maxBuilds = 1 << 16

// Bounds on the warnings that wait for the terminals of builds.
const (
	maxWarnedBuilds  = 1000 // builds
	maxBuildWarnings = 20   // of one build
)

// builds remembers who started the builds and sessions of BuildKit. The Engine
// itself lets every client enter every build whose id it knows.
type builds struct {
	mu     sync.Mutex
	owners map[buildKey]int      // by the user's uid
	warned map[buildKey][]string // what the build's terminal has not been told yet
	named  map[int][]buildKey    // the ids of a user, the oldest first
}

// buildKey is the hash of an id: clients choose ids, of any length.
type buildKey [sha256.Size]byte

func keyOf(id string) buildKey { return sha256.Sum256([]byte(id)) }

// owns reports whether a build or session belongs to a user. The first user who
// names it owns it.
func (b *builds) owns(id string, uid int) bool {
	key := keyOf(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	if owner, known := b.owners[key]; known {
		return owner == uid
	}
	if b.owners == nil {
		b.owners, b.named = map[buildKey]int{}, map[int][]buildKey{}
	}
	b.owners[key] = uid
	b.named[uid] = append(b.named[uid], key)
	if named := b.named[uid]; len(named) > maxBuilds {
		delete(b.owners, named[0])
		delete(b.warned, named[0])
		b.named[uid] = named[1:]
	}
	return true
}

// warn keeps a warning until the build's progress is next told. A build is warned
// of the same thing once. It reports whether there is a place for the warning.
func (b *builds) warn(id, text string) bool {
	key := keyOf(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.warned == nil {
		b.warned = map[buildKey][]string{}
	}
	waiting, some := b.warned[key]
	if slices.Contains(waiting, text) {
		return true
	}
	if len(waiting) == maxBuildWarnings || !some && len(b.warned) == maxWarnedBuilds {
		return false
	}
	b.warned[key] = append(waiting, text)
	return true
}

// takeWarnings returns the warnings that wait for a build's terminal.
func (b *builds) takeWarnings(id string) []string {
	key := keyOf(id)
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := b.warned[key]
	delete(b.warned, key)
	return waiting
}
