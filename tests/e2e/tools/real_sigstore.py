"""A whole Sigstore on loopback: the real Fulcio, Rekor v2 and timestamp authority, and what they need around them.

    with sigstore(folder) as stand:
        token = stand.people.token(sub="alice", email="alice@example.com", email_verified=True)

Every start makes new keys and certificates, all of them in memory or below `folder`.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.e2e.tools import ctlog, toolchain
from tests.e2e.tools.authority import make_authority
from tests.e2e.tools.oidc import AUDIENCE, Issuer, openid_issuers
from tests.e2e.tools.processes import LOOPBACK, free_port, http_get, running

# The name under which the log signs its checkpoints; clients expect the host of its URL there.
REKOR_ORIGIN = LOOPBACK

_START = "start-time=2020-01-01T00:00:00Z"  # before anything was signed here
_PEOPLE, _WORKFLOWS = "people", "workflows"
_FULCIO_TYPES = {_PEOPLE: "email", _WORKFLOWS: "github-workflow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SigstoreStand:
    """A running Sigstore, and the files that tell a client of it and a verifier whom to trust."""

    fulcio_url: str
    rekor_url: str
    timestamp_url: str
    people: Issuer  # of whose tokens Fulcio certifies the `email`
    workflows: Issuer  # of whose tokens Fulcio certifies what GitHub says about a run
    fulcio_chain: Path  # PEM
    timestamp_chain: Path  # PEM
    rekor_key: Path  # PEM
    ctlog_key: Path  # PEM

    @property
    def trusted_root_flags(self) -> tuple[str, ...]:
        """The flags by which `cosign trusted-root create` writes down whom to trust."""
        return (
            f"--fulcio=url={self.fulcio_url},certificate-chain={self.fulcio_chain},{_START}",
            f"--rekor=url={self.rekor_url},public-key={self.rekor_key},origin={REKOR_ORIGIN},{_START}",
            f"--ctfe=url={self.fulcio_url},public-key={self.ctlog_key},{_START}",
            f"--tsa=url={self.timestamp_url},certificate-chain={self.timestamp_chain},{_START}",
        )

    @property
    def signing_config_flags(self) -> tuple[str, ...]:
        """The flags by which `cosign signing-config create` writes down whom to ask when signing."""
        common = f"{_START},operator=e2e"
        return (
            f"--fulcio=url={self.fulcio_url},api-version=1,{common}",
            f"--rekor=url={self.rekor_url},api-version=2,{common}",
            "--rekor-config=ANY",
            f"--tsa=url={self.timestamp_url},api-version=1,{common}",
            "--tsa-config=ANY",
            f"--oidc-provider=url={self.people.url},api-version=1,{common}",
        )


@contextmanager
def sigstore(folder: Path) -> Iterator[SigstoreStand]:
    """Run a Sigstore in an empty folder until the end of the block."""
    with ExitStack() as stack:
        issuers = stack.enter_context(openid_issuers(folder, *_FULCIO_TYPES))
        ctlog_url, ctlog_key = stack.enter_context(_certificate_log(folder))
        fulcio_url, fulcio_chain = stack.enter_context(
            _fulcio(folder, issuers, ctlog_url=ctlog_url, ctlog_key=ctlog_key)
        )
        rekor_url, rekor_key = stack.enter_context(_rekor(folder))
        timestamp_url, timestamp_chain = stack.enter_context(_timestamp_authority(folder))
        yield SigstoreStand(
            fulcio_url=fulcio_url,
            rekor_url=rekor_url,
            timestamp_url=timestamp_url,
            people=issuers[_PEOPLE],
            workflows=issuers[_WORKFLOWS],
            fulcio_chain=fulcio_chain,
            timestamp_chain=timestamp_chain,
            rekor_key=rekor_key,
            ctlog_key=ctlog_key,
        )


@contextmanager
def _certificate_log(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run the certificate transparency log; yield its URL and public key."""
    port, key = free_port(), folder / "ctlog.pub"
    # As a file and not as a module, so that it does not matter in which folder the tests were started.
    command = [sys.executable, ctlog.__file__, f"--port={port}", f"--public-key={key}"]
    with running(command, log=folder / "ctlog.log") as process:
        process.wait_until(lambda: http_get(f"http://{LOOPBACK}:{port}/"))
        yield f"http://{LOOPBACK}:{port}", key


@contextmanager
def _fulcio(
    folder: Path, issuers: Mapping[str, Issuer], *, ctlog_url: str, ctlog_key: Path
) -> Iterator[tuple[str, Path]]:
    """Run the certificate authority; yield its URL and certificate chain."""
    authority = make_authority(folder)
    configuration = folder / "fulcio.json"
    configuration.write_text(json.dumps(_fulcio_configuration(issuers)), encoding="utf-8")
    port = free_port()
    command: list[str | Path] = [
        toolchain.provide("fulcio"),
        "serve",
        "--ca=fileca",
        f"--fileca-cert={authority.chain}",
        f"--fileca-key={authority.key}",
        f"--fileca-key-passwd={authority.password}",
        "--fileca-watch=false",
        f"--config-path={configuration}",
        f"--ct-log-url={ctlog_url}",
        f"--ct-log-public-key-path={ctlog_key}",
        f"--host={LOOPBACK}",
        f"--port={port}",
        f"--grpc-host={LOOPBACK}",
        f"--grpc-port={free_port()}",
        f"--metrics-port={free_port()}",
        # The default is one name for the whole machine, and several test runs may share it.
        f"--legacy-unix-domain-socket=@fulcio-{port}",
    ]
    url = f"http://{LOOPBACK}:{port}"
    with running(command, log=folder / "fulcio.log") as process:
        process.wait_until(lambda: _found(f"{url}/healthz"))
        yield url, authority.chain


def _fulcio_configuration(issuers: Mapping[str, Issuer]) -> object:
    return {
        "OIDCIssuers": {
            issuer.url: {"IssuerURL": issuer.url, "ClientID": AUDIENCE, "Type": _FULCIO_TYPES[name]}
            for name, issuer in issuers.items()
        }
    }


@contextmanager
def _rekor(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run the transparency log on plain files; yield its URL and public key."""
    key = Ed25519PrivateKey.generate()
    private = _write(folder / "rekor.key", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    port = free_port()
    command: list[str | Path] = [
        toolchain.provide("rekor-server"),
        "serve",
        f"--hostname={REKOR_ORIGIN}",
        f"--signer-filepath={private}",
        f"--storage-dir={folder / 'rekor'}",
        f"--http-port={port}",
        f"--grpc-port={free_port()}",
        f"--http-metrics-port={free_port()}",
        # The defaults are meant for many clients; here every signature waits for the next checkpoint.
        "--batch-max-age=50ms",
        "--checkpoint-interval=200ms",
    ]
    url = f"http://{LOOPBACK}:{port}"
    with running(command, log=folder / "rekor.log") as process:
        process.wait_until(lambda: _found(f"{url}/healthz"))
        yield url, _write(folder / "rekor.pub", public)


@contextmanager
def _timestamp_authority(folder: Path) -> Iterator[tuple[str, Path]]:
    """Run the timestamp authority; yield the URL of its timestamps and its certificate chain."""
    port = free_port()
    command: list[str | Path] = [toolchain.provide("timestamp-server"), f"--port={port}"]
    url = f"http://{LOOPBACK}:{port}/api/v1/timestamp"
    with running(command, log=folder / "timestamp-server.log") as process:
        chain = process.wait_until(lambda: _found(f"{url}/certchain"))
        yield url, _write(folder / "timestamp.pem", chain)


def _found(url: str) -> bytes | None:
    """Return what is at `url`, once something is."""
    status, body = http_get(url)
    return body if status == 200 else None


def _write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
