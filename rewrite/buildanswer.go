package rewrite

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// BuildWarnings is a gRPC message for the answer to buildkit.status, a
// control.StatusResponse, that makes the client print warnings. BuildKit's clients
// print warnings of steps that they know: the message has a step of its own.
func BuildWarnings(warnings []string) []byte {
	now := timestamp(time.Now())
	sum := sha256.Sum256([]byte(strings.Join(warnings, "\n")))
	digest := "sha256:" + hex.EncodeToString(sum[:])

	var step []byte // control.Vertex
	step = appendText(step, 1, digest)
	step = appendText(step, 3, "[internal] safesock")
	step = appendText(step, 5, now) // started
	step = appendText(step, 6, now) // completed
	message := appendText(nil, 1, string(step))
	for _, w := range warnings {
		var warning []byte // control.VertexWarning
		warning = appendText(warning, 1, digest)
		warning = protowire.AppendVarint(protowire.AppendTag(warning, 2, protowire.VarintType), 1) // level
		warning = appendText(warning, 3, w)                                                        // short
		message = appendText(message, 4, string(warning))
	}
	return framed(message)
}

func appendText(b []byte, number protowire.Number, text string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), text)
}

// timestamp is a google.protobuf.Timestamp.
func timestamp(t time.Time) string {
	b := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), uint64(t.Unix()))
	return string(protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(t.Nanosecond())))
}

// BuiltImage is the digest of the image that a build made, from the answer to
// buildkit.solve. It is "" if there is none.
func BuiltImage(answer []byte) string {
	if len(answer) < grpcHead || uint64(binary.BigEndian.Uint32(answer[1:])) != uint64(len(answer)-grpcHead) {
		return ""
	}
	m, err := buildkit.Parse("control.SolveResponse", answer[grpcHead:])
	if err != nil {
		return ""
	}
	return m.Map("ExporterResponse")["containerimage.digest"]
}
