"""A TUF repository on loopback, made with python-tuf's own metadata, that can misbehave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from webhook.core.signatures.trust_roots import TufMirror

__all__ = ["TufRepository", "serving"]

LONG = timedelta(days=3650)
TARGET = "trusted_root.json"
AnyRole = Root | Timestamp | Snapshot | Targets


@dataclass(slots=True)
class TufRepository:
    """Four roles with one key each. `files` is what it serves by path; every `publish` replaces what changed."""

    expires_in: timedelta = LONG
    version: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    signers: dict[str, CryptoSigner] = field(
        default_factory=lambda: {
            role: CryptoSigner.generate_ed25519() for role in ("root", "timestamp", "snapshot", "targets")
        }
    )

    def __post_init__(self) -> None:
        """Write the first root."""
        root = Root(expires=datetime.now(UTC) + LONG, consistent_snapshot=False)
        for role, signer in self.signers.items():
            root.add_key(signer.public_key, role)
        self.files["1.root.json"] = self._sign("root", root)

    @property
    def root(self) -> bytes:
        """The metadata that a client trusts to begin with."""
        return self.files["1.root.json"]

    def publish(self, document: bytes | None, *, target: str = TARGET) -> None:
        """Publish the trusted root (or none) in a new version of everything."""
        self.version += 1
        expires = datetime.now(UTC) + self.expires_in
        listed = {target: TargetFile.from_data(target, document)} if document is not None else {}
        if document is not None:
            self.files[f"targets/{target}"] = document
        files: dict[str, AnyRole] = {
            "targets": Targets(version=self.version, expires=expires, targets=listed),
            "snapshot": Snapshot(
                version=self.version, expires=expires, meta={"targets.json": MetaFile(version=self.version)}
            ),
            "timestamp": Timestamp(version=self.version, expires=expires, snapshot_meta=MetaFile(version=self.version)),
        }
        for role, signed in files.items():
            self.files[f"{role}.json"] = self._sign(role, signed)

    def copy(self) -> dict[str, bytes]:
        """Return what is served now, to go back to it later."""
        return deepcopy(self.files)

    def _sign(self, role: str, signed: AnyRole) -> bytes:
        metadata = Metadata[Any](signed)
        metadata.sign(self.signers[role])
        return metadata.to_bytes()


@contextmanager
def serving(repository: TufRepository) -> Iterator[TufMirror]:
    """Serve the repository over plain HTTP until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        """Answers from the repository's files as they are at that moment."""

        def do_GET(self) -> None:
            """Serve one file, or 404."""
            data = repository.files.get(self.path.removeprefix("/sigstore/"))
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            """Keep the output of the tests clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield TufMirror(url=f"http://127.0.0.1:{server.server_port}/sigstore/", root=repository.root)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
