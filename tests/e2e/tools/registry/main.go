// Command ociregistry serves an OCI registry from memory, for tests on loopback.
//
// It prints one line, the address it is bound to, on standard output and then serves plain HTTP until it is ended.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
)

func main() {
	address := flag.String("address", "127.0.0.1:0", "host:port to listen on; port 0 picks a free one")
	referrers := flag.Bool("referrers", true, "answer the OCI 1.1 referrers API; off, clients use the fallback tag")
	flag.Parse()

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatalln(err)
	}
	fmt.Println(listener.Addr())

	server := &http.Server{
		Handler:           registry.New(registry.WithReferrersSupport(*referrers)),
		ReadHeaderTimeout: 10 * time.Second,
	}
	log.Fatalln(server.Serve(listener))
}
