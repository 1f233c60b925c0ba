//go:build e2e

// Command web is the service that the tests publish. It answers on the TCP
// and UDP ports that it is given, 80 if none, with one line that names
// the host it runs on.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
)

func main() {
	ports := os.Args[1:]
	if len(ports) == 0 {
		ports = []string{"80"}
	}
	host, err := os.Hostname()
	if err != nil {
		log.Fatal(err)
	}
	hello := fmt.Sprintf("hello from %s\n", host)
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, hello) })

	for _, port := range ports {
		tcp, err := net.Listen("tcp", ":"+port)
		if err != nil {
			log.Fatal(err)
		}
		udp, err := net.ListenPacket("udp", ":"+port)
		if err != nil {
			log.Fatal(err)
		}
		go func() { log.Fatal(http.Serve(tcp, nil)) }()
		go answer(udp, hello)
	}
	fmt.Println("serving", ports)
	select {}
}

// answer sends hello back for every datagram.
func answer(c net.PacketConn, hello string) {
	for {
		_, from, err := c.ReadFrom(make([]byte, 1500))
		if err != nil {
			log.Fatal(err)
		}
		if _, err := c.WriteTo([]byte(hello), from); err != nil {
			log.Print(err)
		}
	}
}
