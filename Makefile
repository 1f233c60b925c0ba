# safesock: what a user and a developer run.

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0

.PHONY: build run test test-engines check bench soak clean

# The program, static, with its version in it.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.described=$$(git describe --tags --always --dirty 2>/dev/null)" -o safesock ./cmd/safesock

# safesock in front of this machine's Engine; installs an Engine if there is none.
run: build
	packaging/run.sh ./safesock

# Everything, with real engines: Docker 20.10 and 28.5. Needs root and Debian.
test: build check
	./safesock test examples
	tests/e2e/setup.sh 20.10 28.5
	SAFESOCK_E2E_ENGINES=20.10,28.5 go test -tags e2e -count=1 -parallel 4 -timeout 15m ./tests/e2e/...
	SAFESOCK_E2E_ENGINES=28.5 SAFESOCK_E2E_TAGS=portable go test -tags e2e -count=1 -timeout 5m -run 'TestSessions/28.5/(forward_.*|ports_unset)$$' ./tests/e2e

# The tests with real engines on all of them: Docker 20.10, 26.1, 28.5, 29, Podman 4.3, 5.4, 5.8.
test-engines: build
	tests/e2e/setup.sh
	SAFESOCK_E2E_ENGINES=20.10,26.1,28.5,29,podman-4.3,podman-5.4,podman-5.8 go test -tags e2e -count=1 -parallel 4 -timeout 60m ./tests/e2e/...

# What must pass before each commit.
check:
	test -z "$$(gofmt -l . | tee /dev/stderr)"
	go vet ./...
	go vet -tags e2e ./...
	go vet -tags portable ./...
	GOOS=darwin go vet ./...
	GOOS=freebsd go vet ./...
	go run $(STATICCHECK) ./...
	go run $(STATICCHECK) -tags e2e ./tests/...
	@if go run $(GOVULNCHECK) -version >/dev/null 2>&1 && curl -fsS -o /dev/null -m 10 https://vuln.go.dev/index/db.json 2>/dev/null; \
	then go run $(GOVULNCHECK) ./...; \
	else echo "govulncheck: not run, the vulnerability database is out of reach"; fi
	go test -race ./...
	go test -tags portable ./...

# The numbers of docs/performance.md; PROFILE=cpu leaves a profile of safesock.
bench: build
	tests/bench/setup.sh
	go run ./tests/bench $(if $(PROFILE),-profile $(PROFILE))

# Nine minutes of load, after which no memory, descriptor or goroutine may be
# left behind; nine minutes in which everything goes wrong at once beside
# ordinary calls; then 300,000 random conversations.
soak: build
	go run ./tests/bench -soak -for 9m
	go test -count=1 -v -timeout 15m -run EverythingAtOnce ./tests/faults -for 9m
	go test ./tests/wire -conversations 300000 -timeout 60m

clean:
	rm -rf safesock build
