// Command timestamp-server serves the real timestamp authority of Sigstore on loopback, with a key made at the start.
//
// The project's own command does the same and, besides, insists on one port for metrics, so that only one can run on a
// machine. This one runs until it is ended, and its certificate chain is at /api/v1/timestamp/certchain.
package main

import (
	"flag"
	"log"
	"time"

	"github.com/sigstore/timestamp-authority/v2/pkg/server"
	"github.com/spf13/viper"
)

const (
	policy  = "1.3.6.1.4.1.57264.2" // Sigstore's own
	timeout = 10 * time.Second
)

func main() {
	port := flag.Int("port", 0, "port on 127.0.0.1")
	flag.Parse()

	viper.Set("timestamp-signer", "memory")
	viper.Set("timestamp-signer-hash", "sha256")
	viper.Set("default-policy-oid", policy)
	viper.Set("accepted-policy-oids", []string{policy})
	viper.Set("max-request-body-size", 1<<20)

	authority := server.NewRestAPIServer("127.0.0.1", *port, []string{"http"}, false, timeout, timeout)
	log.Fatalln(authority.Serve())
}
