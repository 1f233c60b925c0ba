//go:build !linux || portable

package proxy

import "runtime/debug"

// spliceLength copies the next n bytes of src through its buffer.
func spliceLength(dst, src *socket, n int64) error {
	for n > 0 {
		if err := src.await(1); err != nil {
			return err
		}
		k := int(min(n, int64(len(src.pending))))
		if err := send(dst, src, k); err != nil {
			return err
		}
		n -= int64(k)
	}
	return nil
}

// spliceChunks moves nothing: its caller copies each chunk.
func spliceChunks(_, _ *socket, _ *chunks) error { return nil }

// spliceAll moves nothing: its caller copies what comes.
func spliceAll(_, _ *socket) (ended bool, err error) { return false, nil }

// giveBack returns unused memory to the system: what was needed to start, or for
// clients that have left.
func giveBack() { debug.FreeOSMemory() }
