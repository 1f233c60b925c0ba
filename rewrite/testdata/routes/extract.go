//go:build ignore

// Extract prints the routes that an engine's sources register, one METHOD PATH
// a line and without the version, in the order in which they are tried.
//
//	git clone --depth 1 --branch v28.5.2 https://github.com/moby/moby /tmp/moby
//	go run rewrite/testdata/routes/extract.go "moby v28.5.2, API 1.51" /tmp/moby > rewrite/testdata/routes/moby-28.5.txt
//
// moby's routers are read from api/server/router or daemon/server/router,
// Podman's from pkg/api/server. A route that is registered for every method
// is printed as ANY, one that needs a query as METHOD PATH?key.
package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// routers is moby's order; the first route that matches wins.
var routers = []string{
	"checkpoint", "container", "image", "system", "volume", "build", "session",
	"swarm", "plugin", "distribution", "network", "debug", "grpc",
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: extract.go NAME SOURCES")
	}
	fmt.Printf("# The routes of %s, read from its sources by extract.go.\n", os.Args[1])
	seen := map[string]bool{}
	for _, file := range files(os.Args[2]) {
		for _, line := range routes(file) {
			if !seen[line] {
				fmt.Println(line)
			}
			seen[line] = true
		}
	}
	if len(seen) == 0 {
		log.Fatalf("%s: no routes", os.Args[2])
	}
}

// files lists the sources that register routes.
func files(root string) []string {
	var names []string
	for _, base := range []string{"api/server/router", "daemon/server/router"} {
		for _, router := range routers {
			found, _ := filepath.Glob(filepath.Join(root, base, router, "*.go"))
			names = append(names, found...)
		}
	}
	podman, _ := filepath.Glob(filepath.Join(root, "pkg/api/server/register_*.go"))
	names = append(names, podman...)
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
}

// routes lists the routes that one file registers.
func routes(name string) []string {
	file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
	if err != nil {
		log.Fatal(err)
	}
	prefixes := map[string]string{} // of Podman's subrouters, by the variable
	var lines []string
	done := map[*ast.CallExpr]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		if a, ok := n.(*ast.AssignStmt); ok && len(a.Lhs) == 1 && len(a.Rhs) == 1 {
			if path := subrouter(a.Rhs[0]); path != "" {
				prefixes[a.Lhs[0].(*ast.Ident).Name] = path
			}
		}
		call, ok := n.(*ast.CallExpr)
		if !ok || done[call] {
			return true
		}
		// A chain of calls, as in r.Handle(path, f).Methods("GET").Queries("a", "{a}"), is read from its end.
		var methods []string
		query := ""
		for c := call; c != nil; {
			done[c] = true
			fn, ok := c.Fun.(*ast.SelectorExpr)
			if !ok {
				break
			}
			switch fn.Sel.Name {
			case "Methods":
				for _, arg := range c.Args {
					methods = append(methods, method(arg))
				}
			case "Queries":
				query = "?" + text(c.Args[0])
			case "Handle", "HandleFunc":
				path := text(c.Args[0])
				if path == "" {
					break
				}
				if x, ok := fn.X.(*ast.Ident); ok {
					path = prefixes[x.Name] + path
				}
				if len(methods) == 0 {
					methods = []string{"ANY"}
				}
				for _, m := range methods {
					lines = append(lines, m+" "+path+query)
				}
			case "NewGetRoute", "NewPostRoute", "NewPutRoute", "NewDeleteRoute", "NewHeadRoute", "NewOptionsRoute":
				m := strings.ToUpper(strings.TrimSuffix(strings.TrimPrefix(fn.Sel.Name, "New"), "Route"))
				path := text(c.Args[0])
				if filepath.Base(filepath.Dir(name)) == "debug" && !strings.HasPrefix(path, "/debug") {
					m, path = "ANY", "/debug"+path // mounted there by the server, without its method
				}
				lines = append(lines, m+" "+path)
			}
			c, _ = fn.X.(*ast.CallExpr)
		}
		return true
	})
	return lines
}

var version = regexp.MustCompile(`^/v\{version:[^}]*\}`)

// subrouter gives the prefix of r.PathPrefix(prefix).Subrouter(), "" for anything else.
func subrouter(e ast.Expr) string {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return ""
	}
	fn, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if fn.Sel.Name == "PathPrefix" {
		return text(call.Args[0])
	}
	return subrouter(fn.X)
}

// text is the path that an expression stands for, without its version.
func text(e ast.Expr) string {
	if call, ok := e.(*ast.CallExpr); ok && len(call.Args) == 1 { // VersionedPath("/x")
		e = call.Args[0]
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		log.Fatal(err)
	}
	return version.ReplaceAllString(s, "")
}

func method(e ast.Expr) string {
	if sel, ok := e.(*ast.SelectorExpr); ok { // http.MethodGet
		return strings.ToUpper(strings.TrimPrefix(sel.Sel.Name, "Method"))
	}
	return text(e)
}
