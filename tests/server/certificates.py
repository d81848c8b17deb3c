"""Certificates for tests: a CA of our own, and pairs of both key types in files."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme

from webhook.server.tls import TlsFiles

__all__ = ["TestAuthority"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TestAuthority:
    """A CA that writes server pairs for 127.0.0.1 into a folder."""

    __test__ = False

    ca: trustme.CA
    folder: Path

    def files(self) -> TlsFiles:
        """Return where the pair is written."""
        return TlsFiles(certificate=self.folder / "tls.crt", key=self.folder / "tls.key")

    def write_pair(
        self, *, key_type: trustme.KeyType = trustme.KeyType.ECDSA, not_after: datetime | None = None
    ) -> trustme.LeafCert:
        """Issue a certificate and write it with its key."""
        leaf = self.ca.issue_cert("127.0.0.1", "localhost", key_type=key_type, not_after=not_after)
        self.files().certificate.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
        self.files().key.write_bytes(leaf.private_key_pem.bytes())
        return leaf

    def client_context(self) -> ssl.SSLContext:
        """Return a client's context that trusts this CA alone."""
        context = ssl.create_default_context()
        context.load_verify_locations(cadata=self.ca.cert_pem.bytes().decode())
        return context
