//go:build linux

package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"

	"github.com/safesock/safesock"
	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/proxy"
	"github.com/safesock/safesock/rewrite"
)

// serveSafesock is what safesock serve runs, in a process that can be looked
// into. Numbers of record are those of the real command.
func serveSafesock(o options) error {
	debug.SetGCPercent(400) // as safesock serve does
	builtin, err := policy.Parse(rewrite.Names, safesock.Policy)
	if err != nil {
		return err
	}
	audit, err := proxy.OpenAudit(o.audit)
	if err != nil {
		return err
	}
	l, err := proxy.Listen(o.listen, 0o600, "")
	if err != nil {
		return err
	}
	server := proxy.Server{Upstream: o.upstream, Listen: o.listen, Audit: audit}
	server.SetPolicy(builtin)
	go obey(profileOrders(o.profile))
	return server.Serve(context.Background(), l)
}

// profileOrders let the parent profile what it measures and nothing else.
// Goroutines are written as text.
func profileOrders(file string) map[string]func() string {
	told := func(err error) string {
		if err != nil {
			return err.Error()
		}
		return "ok"
	}
	var out *os.File
	return map[string]func() string{
		"start cpu": func() (reply string) {
			var err error
			if out, err = os.Create(file); err != nil {
				return err.Error()
			}
			return told(pprof.StartCPUProfile(out))
		},
		"stop cpu": func() string {
			pprof.StopCPUProfile()
			return told(out.Close())
		},
		"stop goroutines": func() string {
			out, err := os.Create(file)
			if err != nil {
				return err.Error()
			}
			defer out.Close()
			return told(pprof.Lookup("goroutine").WriteTo(out, 1))
		},
		"start heap": func() string { return "ok" },
		"stop heap": func() string {
			out, err := os.Create(file)
			if err != nil {
				return err.Error()
			}
			defer out.Close()
			runtime.GC() // a heap profile is as old as the last collection
			return told(pprof.WriteHeapProfile(out))
		},
	}
}
