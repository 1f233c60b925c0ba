package proxy

import (
	"errors"
	"reflect"
	"testing"
)

func TestAHostPortIsNotChosenAgainBeforeAllOthersWere(t *testing.T) {
	busy := map[int]bool{8001: true}
	free := func(first, last int, taken func(int) bool) (int, error) {
		for port := first; port <= last; port++ {
			if !busy[port] && !taken(port) {
				return port, nil
			}
		}
		return 0, errors.New("none is free")
	}
	var h hostPorts
	choose := func(protocol string, taken ...int) (port int) {
		port, err := h.choose(protocol, 8000, 8003, func(port int) bool { return len(taken) > 0 && port == taken[0] }, free)
		if err != nil {
			return 0
		}
		return port
	}
	got := []int{choose("tcp"), choose("tcp"), choose("udp"), choose("tcp", 8003), choose("tcp"), choose("tcp")}
	if want := []int{8000, 8002, 8000, 8000, 8003, 8002}; !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	busy = map[int]bool{8000: true, 8001: true, 8002: true, 8003: true}
	if got := choose("tcp"); got != 0 {
		t.Errorf("got %d, which is busy", got)
	}
	for port := range maxGiven + 9 {
		if _, err := h.choose("tcp", port+1, port+1, func(int) bool { return false }, func(first, _ int, _ func(int) bool) (int, error) { return first, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if len(h.given) != maxGiven {
		t.Errorf("remembers %d ports, want %d", len(h.given), maxGiven)
	}
}
