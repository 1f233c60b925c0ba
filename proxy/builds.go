package proxy

import (
	"crypto/sha256"
	"sync"
)

// maxBuilds is how many builds and sessions are remembered of a user. The oldest
// are forgotten.
const maxBuilds = 1 << 16

// builds remembers who started the builds and sessions of BuildKit. The Engine
// itself lets every client enter every build whose id it knows.
type builds struct {
	mu     sync.Mutex
	owners map[buildKey]int   // by the user's uid
	named  map[int][]buildKey // the ids of a user, the oldest first
}

// buildKey is the hash of an id: clients choose ids, of any length.
type buildKey [sha256.Size]byte

// owns reports whether a build or session belongs to a user. The first user who
// names it owns it.
func (b *builds) owns(id string, uid int) bool {
	key := buildKey(sha256.Sum256([]byte(id)))
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
		b.named[uid] = named[1:]
	}
	return true
}
