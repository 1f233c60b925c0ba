package rewrite

import (
	"cmp"
	"slices"
	"strings"

	pb "github.com/safesock/safesock/rewrite/protobuf"
)

// aboutBuild keeps what a frontend's options say of the build, and the labels that
// Compose gives to its images.
func (c *reading) aboutBuild(frontend string, opts map[string]string) {
	labels := map[string]string{}
	for key, value := range opts {
		if label, found := strings.CutPrefix(key, "label:"); found {
			labels[label] = value
		}
	}
	c.compose = composeOf(labels)
	b := &c.build
	b.Frontend = frontend
	if b.Frontend == "gateway.v0" {
		b.Frontend = cmp.Or(opts["source"], b.Frontend)
	}
	b.Context, b.Dockerfile, b.Target = cmp.Or(opts["context"], opts["contextkey"]), opts["filename"], opts["target"]
	b.Platforms = listed(opts["platform"])
}

// aboutSolve keeps what becomes of the build's result.
func (c *reading) aboutSolve(m *pb.Value) {
	b := &c.build
	b.Ref, b.Entitlements = m.Text("Ref"), m.Texts("Entitlements")
	exporters := m.Messages("Exporters")
	for _, exporter := range exporters {
		c.exporter(exporter.Text("Type"), exporter.Map("Attrs"))
	}
	if len(exporters) == 0 && m.Has("ExporterDeprecated") { // buildkit: control.translateLegacySolveRequest
		c.exporter(m.Text("ExporterDeprecated"), m.Map("ExporterAttrsDeprecated"))
	}
	cache := m.Message("Cache")
	for _, entry := range slices.Concat(cache.Messages("Exports"), cache.Messages("Imports")) {
		if kind := entry.Text("Type"); !slices.Contains(b.Caches, kind) {
			b.Caches = append(b.Caches, kind)
		}
	}
}

func (c *reading) exporter(kind string, attrs map[string]string) {
	c.build.Exporters = append(c.build.Exporters, kind)
	c.build.Tags = append(c.build.Tags, listed(attrs["name"])...)
	c.build.Push = c.build.Push || attrs["push"] == "true"
}

// listed are the parts of a list with commas.
func listed(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}
