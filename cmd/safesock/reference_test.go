package main

import (
	"slices"
	"testing"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite"
)

func TestLanguageKnowsEveryEndpoint(t *testing.T) {
	var want []string
	for _, e := range rewrite.Endpoints {
		want = append(want, e.Name)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	var got []string
	for _, object := range policy.Schema.Objects {
		for _, attribute := range object.Attributes {
			if object.Name == "call" && attribute.Name == "endpoint" {
				got = attribute.Known
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("call.endpoint is known as\n%q\nand there are\n%q", got, want)
	}
}
