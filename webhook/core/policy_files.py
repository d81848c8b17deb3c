"""The files an ImagePolicy refers to: public keys and certificates, named relative to the policy."""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509

from webhook.core.document_reading import Value
from webhook.core.errors import ParseError
from webhook.core.plain_text import printable
from webhook.core.signatures.keys import PublicKey, load_public_keys

__all__ = ["PolicyFiles", "ReadFile", "certificates", "public_keys"]

MAX_FILE_NAME_CHARACTERS = 512

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
    except ValueError:
        value.refuse("is not a list of certificates (PEM)")


def _file_name(text: str) -> str:
    if len(text) > MAX_FILE_NAME_CHARACTERS or not text.isprintable():
        raise ParseError("", "is not a file name")
    if text.startswith("/"):
        raise ParseError("", "a file is named relative to the policy")
    return text
