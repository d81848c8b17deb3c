"""Whom to trust when a TLS connection to a registry is made."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509

from webhook.adapters.registry.options import RegistryOptions
from webhook.core.errors import DocumentError, ParseError

__all__ = ["TlsContexts", "read_authorities"]

MAX_AUTHORITIES_BYTES = 4 * 1024 * 1024


class TlsContexts:
    """The TLS settings for each host: the system's authorities and those the operator adds, or no verification."""

    def __init__(self, options: RegistryOptions) -> None:
        self._others = _verifying(options.ca_pem)
        self._by_host = {host: _verifying(options.ca_pem, pem) for host, pem in options.ca_pem_by_host.items()}
        self._by_host |= dict.fromkeys(options.insecure_hosts, _unverified())

    def for_host(self, host: str) -> ssl.SSLContext:
        """Return the settings for `host[:port]`."""
        return self._by_host.get(host, self._others)


def _verifying(*authorities_pem: str) -> ssl.SSLContext:
    """Verify certificate and name; `authorities_pem` are trusted besides the system's. Raises ssl.SSLError."""
    context = ssl.create_default_context()
    for pem in filter(None, authorities_pem):
        context.load_verify_locations(cadata=pem)
    return context


def _unverified() -> ssl.SSLContext:
    """Encrypt without knowing for whom: only for hosts that the operator listed as insecure."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_authorities(path: Path) -> str:
    """Return the certificates in a file as they are, PEM, at most 4 MiB.

    Raises DocumentError, with the path, if it cannot be read or holds no certificates.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_AUTHORITIES_BYTES)
        x509.load_pem_x509_certificates(data)
        return data.decode("ascii")
    except OSError as error:
        why = f"cannot be read: {error.strerror or type(error).__name__}"
    except ValueError:
        why = "is not a list of certificates (PEM)"
    raise DocumentError((ParseError(str(path), why),))
