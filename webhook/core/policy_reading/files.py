"""The files an ImagePolicy refers to: public keys, certificates and trusted roots, named relative to the policy."""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509

from webhook.core.errors import ParseError
from webhook.core.reading.documents import Value
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.signatures.keys import PublicKey, load_public_keys
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import TrustRoot

__all__ = ["PolicyFiles", "ReadFile", "certificates", "public_keys", "trust_root", "tuf_metadata"]

MAX_FILE_NAME_CHARACTERS = 512
MAX_METADATA_BYTES = 512 * 1024

ReadFile = Callable[[str], bytes]
"""Returns the bytes of a file, named as the policy names it; raises OSError or ParseError."""


class PolicyFiles:
    """Reads the files of one policy and keeps what was read, in order, for the policy's digest."""

    def __init__(self, read_file: ReadFile) -> None:
        self._read_file = read_file
        self._contents: list[bytes] = []

    @property
    def contents(self) -> tuple[bytes, ...]:
        """Everything that was read, in the order in which it was."""
        return tuple(self._contents)

    def read(self, value: Value) -> bytes:
        """Return the content of the file that `value` names."""
        name = value.parsed(_file_name)
        try:
            content = self._read_file(name)
        except OSError as error:
            value.refuse(f"`{printable(name)}` cannot be read: {error.strerror or type(error).__name__}")
        except ParseError as error:
            value.refuse(f"`{printable(name)}` cannot be read: {error}")
        self._contents.append(content)
        return content


def public_keys(value: Value, pem: bytes) -> tuple[PublicKey, ...]:
    """Read one or more public keys (PEM), each of them once."""
    try:
        return load_public_keys(pem)
    except ParseError as error:
        value.refuse(str(error))


def certificates(value: Value, pem: bytes) -> str:
    """Read one or more CA certificates and return them as they are, PEM."""
    if b"PRIVATE KEY" in pem:
        value.refuse("holds a private key; the certificates alone are needed")
    try:
        x509.load_pem_x509_certificates(pem)
        return pem.decode("ascii")
    except (ValueError, x509.InvalidVersion):
        value.refuse("is not a list of certificates (PEM)")


def trust_root(value: Value, data: bytes, check: Callable[[TrustRoot], None]) -> TrustRoot:
    """Read a Sigstore trusted root that `check`, which raises ParseError, finds fit for its purpose."""
    try:
        root = load_trust_root(data)
        check(root)
    except ParseError as error:
        value.refuse(f"is not a trusted root that can be used: {error}")
    return root


def tuf_metadata(value: Value, data: bytes) -> bytes:
    """Read the root metadata of a TUF repository, and return it as it is; whether it holds is seen when it is used."""
    try:
        kind = JsonObject.of(parse_json(data, max_bytes=MAX_METADATA_BYTES)).object("signed").text("_type")
    except ParseError as error:
        value.refuse(f"is not the root metadata of a TUF repository: {error}")
    if kind != "root":
        value.refuse("is metadata of a TUF repository, but not of its root")
    return data


def _file_name(text: str) -> str:
    if len(text) > MAX_FILE_NAME_CHARACTERS or not text.isprintable():
        raise ParseError("", "is not a file name")
    if text.startswith("/"):
        raise ParseError("", "a file is named relative to the policy")
    return text
