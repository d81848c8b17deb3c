"""`dhi-gate certs dev` makes certificates that a real TLS client accepts, and overwrites nothing."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner
from cryptography import x509

from webhook.certificates import make_development_certificates
from webhook.cli.certs import certs
from webhook.server.tls import TlsFiles, load_certificate


def test_the_files_are_a_pair_for_loopback_and_the_service(tmp_path: Path) -> None:
    """The certificate belongs to its key, names the Service and loopback, and the key is for its owner only."""
    folder = tmp_path / "dev"
    result = CliRunner().invoke(certs, ["dev", "--directory", str(folder), "--name", "gate.example"])
    assert result.exit_code == 0, result.output
    assert load_certificate(
        TlsFiles(certificate=folder / "tls.crt", key=folder / "tls.key"), now=datetime.now(UTC)
    ).expires_at > datetime.now(UTC) + timedelta(days=89)
    assert (folder / "tls.key").stat().st_mode & 0o777 == 0o600
    leaf = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"localhost", "dhi-gate", "dhi-gate.dhi-gate.svc", "gate.example"} <= set(
        names.get_values_for_type(x509.DNSName)
    )
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """If one of the files is there already, none is written, and the call ends with status 2."""
    (tmp_path / "tls.key").write_text("precious")
    result = CliRunner().invoke(certs, ["dev", "--directory", str(tmp_path)])
    assert result.exit_code == 2
    assert "already holds tls.key" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["tls.key"]
    assert (tmp_path / "tls.key").read_text() == "precious"


@pytest.mark.parametrize("arguments", [["--name", "näme"], ["--directory", "/proc/nowhere"], ["--days", "0"]])
def test_a_wrong_call_is_explained(arguments: list[str], tmp_path: Path) -> None:
    """A name that no certificate can hold, or a folder that cannot be made, is a usage error without a trace."""
    result = CliRunner().invoke(certs, ["dev", "--directory", str(tmp_path / "dev"), *arguments])
    assert result.exit_code == 2
    assert "Error:" in result.output


def test_a_strict_client_accepts_the_chain(tmp_path: Path) -> None:
    """A client that checks by RFC 5280 to the letter accepts the server by the CA file alone."""
    made = make_development_certificates(("localhost",), now=datetime.now(UTC), lifetime=timedelta(hours=1))
    (tmp_path / "tls.crt").write_bytes(made.certificate)
    (tmp_path / "tls.key").write_bytes(made.key)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    client_context = ssl.create_default_context(cadata=made.ca.decode())
    client_context.verify_flags |= ssl.VERIFY_X509_STRICT
    near, far = socket.socketpair()

    def serve() -> None:
        with server_context.wrap_socket(far, server_side=True) as connection:
            connection.recv(1)

    server = Thread(target=serve)
    server.start()
    with client_context.wrap_socket(near, server_hostname="localhost") as connection:
        connection.send(b"x")
        server.join(timeout=2)
    assert "key" not in repr(made)
