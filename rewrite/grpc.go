package rewrite

import (
	"bytes"
	"encoding/binary"
	"net/http"
	"strconv"

	"github.com/safesock/safesock/policy"
	"github.com/safesock/safesock/rewrite/jsonedit"
	pb "github.com/safesock/safesock/rewrite/protobuf"
)

// grpcHead is how long the head of a gRPC message is: a byte that says whether it
// is compressed, and its length.
const grpcHead = 5

// message is the one message of a unary gRPC call. Its unknown fields are claimed.
func (c *reading) message(name string) *pb.Value {
	if len(c.text) < grpcHead || c.text[0] != 0 || uint64(binary.BigEndian.Uint32(c.text[1:])) != uint64(len(c.text)-grpcHead) {
		c.refuse(http.StatusBadRequest, "the body is not one gRPC message without compression")
		return nil
	}
	c.sentMessage = c.text[grpcHead:]
	m, err := buildkit.Parse(name, c.sentMessage)
	if err != nil {
		c.refuse(http.StatusBadRequest, "the message: %v", err)
		return nil
	}
	for _, path := range m.Unknown() {
		c.field(policy.Privilege{Name: "unread", Value: name + path}, path, "")
	}
	return m
}

// messageChanged reports whether the message to send is another than the one that
// came.
func (c *reading) messageChanged() bool {
	return c.sentMessage != nil && !bytes.Equal(c.sentMessage, c.text[grpcHead:])
}

// field adds a claim that a field of the message makes, or that the call makes by
// its header.
func (c *reading) field(what policy.Claim, path, value string) *claim {
	cl := c.claim(what, jsonedit.Value{})
	cl.place = path
	if value != "" {
		cl.text = jsonedit.Quote(value)
	}
	return cl
}

func index(field string, i int) string { return field + "/" + strconv.Itoa(i) }

// framed is a gRPC message with its head.
func framed(message []byte) []byte {
	head := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(message)))
	return append(head, message...)
}
