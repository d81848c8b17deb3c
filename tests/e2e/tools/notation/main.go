// Command notation-sign makes one signature of the Notary Project with the libraries that the notation command uses.
//
// It writes the envelope, JWS or COSE, to standard output. Nothing is pushed: who calls it stores the envelope.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	_ "github.com/notaryproject/notation-core-go/signature/cose"
	_ "github.com/notaryproject/notation-core-go/signature/jws"
	"github.com/notaryproject/notation-go"
	"github.com/notaryproject/notation-go/signer"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// annotations collects what the signer says beside the descriptor: -annotation key=value, any number of times.
type annotations map[string]string

func (a annotations) String() string { return "" }

func (a annotations) Set(text string) error {
	key, value, found := strings.Cut(text, "=")
	if !found {
		return fmt.Errorf("%q is not key=value", text)
	}
	a[key] = value
	return nil
}

func main() {
	said := annotations{}
	key := flag.String("key", "", "file with the private key of the leaf, PEM (PKCS #8)")
	chain := flag.String("chain", "", "file with the certificates, PEM, the leaf first and the root last")
	format := flag.String("format", "jws", "jws or cose")
	mediaType := flag.String("media-type", ocispec.MediaTypeImageManifest, "media type of what is signed")
	subject := flag.String("digest", "", "digest of what is signed")
	size := flag.Int64("size", 0, "size in bytes of what is signed")
	expiry := flag.Duration("expiry", 0, "after which time from now the signature is not to be used; 0: never")
	flag.Var(said, "annotation", "key=value to sign beside the digest; may be repeated")
	flag.Parse()

	envelopes := map[string]string{"jws": "application/jose+json", "cose": "application/cose"}
	envelope, known := envelopes[*format]
	if !known {
		log.Fatalf("-format is %q, neither jws nor cose", *format)
	}
	target := ocispec.Descriptor{
		MediaType:   *mediaType,
		Digest:      digest.Digest(*subject),
		Size:        *size,
		Annotations: said,
	}
	if err := target.Digest.Validate(); err != nil {
		log.Fatalln(err)
	}
	signature, err := sign(*key, *chain, target, envelope, *expiry)
	if err != nil {
		log.Fatalln(err)
	}
	if _, err := os.Stdout.Write(signature); err != nil {
		log.Fatalln(err)
	}
}

func sign(key, chain string, target ocispec.Descriptor, envelope string, expiry time.Duration) ([]byte, error) {
	local, err := signer.NewGenericSignerFromFiles(key, chain)
	if err != nil {
		return nil, err
	}
	options := notation.SignerSignOptions{SignatureMediaType: envelope, ExpiryDuration: expiry}
	signature, _, err := local.Sign(context.Background(), target, options)
	return signature, err
}
