package proxy

import (
	"bytes"
	"strings"
	"testing"
)

// A client can send a head byte by byte. Here bytes that have been scanned are
// overwritten with line feeds. A scan that reads them again reports an error or
// an earlier end.
func TestEachByteOfAHeadIsScannedOnce(t *testing.T) {
	for name, head := range map[string]string{
		"many lines":  "GET / HTTP/1.1\r\nHost: docker\r\n" + strings.Repeat("X: 1\r\n", 1000) + "\r\n",
		"a long line": "GET /" + strings.Repeat("x", 10000) + " HTTP/1.1\r\nHost: docker\r\n\r\n",
	} {
		for _, piece := range []int{1, 2, 3, 1000, len(head)} {
			b := []byte(head + ping)
			var scan headScan
			n, err := 0, error(nil)
			for at := 0; at < len(head) && n == 0 && err == nil; at += piece {
				n, err = scan.end(b[:min(at+piece, len(b))])
				scanned := min(at+piece, len(b)) - 1 // without the last byte, which can be a CR
				copy(b, bytes.Repeat([]byte("\n"), scanned))
			}
			if n != len(head) || err != nil {
				t.Errorf("%s, %d bytes at a time: got the end %d (%v) want %d", name, piece, n, err, len(head))
			}
		}
	}
}

// The time for a byte must not depend on how many bytes came before it.
func BenchmarkHeadByteByByte(b *testing.B) {
	for name, length := range map[string]int{"1KiB": 1 << 10, "64KiB": 64 << 10} {
		b.Run(name, func(b *testing.B) {
			head := []byte(strings.Repeat("X: 1\r\n", length/6) + "\r\n")
			b.SetBytes(int64(len(head)))
			for b.Loop() {
				var scan headScan
				for n := range head {
					if end, err := scan.end(head[:n]); end != 0 || err != nil {
						b.Fatal(end, err)
					}
				}
			}
		})
	}
}
