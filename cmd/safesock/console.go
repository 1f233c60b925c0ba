package main

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/safesock/safesock/proxy"
)

// console is standard error for a program that must not wait for whoever reads
// it. Text that is not taken within the bound is lost; how much was lost is said
// once somebody reads again.
type console struct {
	bound proxy.Bounded
	lost  atomic.Int64 // writes
}

func newConsole() *console {
	return &console{bound: proxy.Bounded{Limit: time.Second}}
}

// Write never fails: there is nowhere to report it.
func (c *console) Write(text []byte) (int, error) {
	kept := bytes.Clone(text) // the caller may reuse its own once Write has returned
	err := c.bound.Do(func() error { return c.print(kept) }, func(err error) {
		if err == nil {
			c.lost.Add(-1)
		}
	})
	if err != nil {
		c.lost.Add(1)
	}
	return len(text), nil
}

func (c *console) print(text []byte) error {
	if n := c.lost.Load(); n > 0 {
		if _, err := fmt.Fprintf(os.Stderr, "safesock: nobody read standard error for a while; messages lost: %d\n", n); err != nil {
			return err
		}
		c.lost.Add(-n)
	}
	_, err := os.Stderr.Write(text)
	return err
}
