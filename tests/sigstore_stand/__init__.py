"""An offline Sigstore: certificate authority, certificate log, signature logs and timestamp authority, in memory."""
