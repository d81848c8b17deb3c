"""Images signed by real cosign, checked in, and the program that makes them; see README.md."""
