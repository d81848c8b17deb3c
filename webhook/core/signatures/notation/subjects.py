"""Trusted identities: which subject the certificate of a signer must have.

Source: Notary Project `trust-store-trust-policy.md`, "Trusted Identities Constraints"; RFC 4514 for the spelling.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable

__all__ = ["TrustedSubject", "parse_trusted_subject"]

PREFIX = "x509.subject:"
MAX_CHARACTERS = 1024

# Names that RFC 4514 leaves open and certificate tools print.
_MORE_NAMES = {
    "S": NameOID.STATE_OR_PROVINCE_NAME,
    "E": NameOID.EMAIL_ADDRESS,
    "emailAddress": NameOID.EMAIL_ADDRESS,
    "serialNumber": NameOID.SERIAL_NUMBER,
}
_PART = re.compile(r"(?:\\.|[^\\,])+", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedSubject:
    """Attributes that a subject must have, as pairs of object identifier and value; it may have others beside."""

    attributes: frozenset[tuple[str, str | bytes]]

    def matches(self, subject: x509.Name) -> bool:
        """Tell whether each attribute stands in `subject` exactly once, with this very value, case and all.

        A subject that has one of these attributes twice (two organisational units) is ambiguous, and matches nothing.
        """
        found = [(attribute.oid.dotted_string, attribute.value) for attribute in subject]
        times = Counter(oid for oid, _ in found)
        return all(pair in found and times[pair[0]] == 1 for pair in self.attributes)


def parse_trusted_subject(text: str) -> TrustedSubject:
    """Read `x509.subject: CN=release,O=Example`; a ParseError for `*` and for what has no one meaning.

    1. The one form is `x509.subject:`; a space may follow the colon and each comma.
    2. Values are spelled out: no `#` encoding, no several attributes in one place (`+`), no attribute twice.
    3. `*`, anyone whom the authority certified, is refused: an identity says who is meant.
    """
    # Steps 1 and 3
    written = text.removeprefix(PREFIX)
    if len(text) > MAX_CHARACTERS or (written == text and text != "*"):
        raise ParseError("", f"`{printable(text)}` is not an identity such as `{PREFIX} CN=release,O=Example`")
    if written.strip() == "*":
        raise ParseError("", "`*` trusts everyone whom the certificate authority knows; name the subject")
    # Step 2
    name = _read_name(written)
    attributes = [(attribute.oid.dotted_string, attribute.value) for attribute in name]
    if len(name.rdns) != len(attributes):
        raise ParseError("", "joins attributes by `+`; list them, separated by commas")
    if len({oid for oid, _ in attributes}) != len(attributes):
        raise ParseError("", "names an attribute twice")
    return TrustedSubject(attributes=frozenset(attributes))


def _read_name(written: str) -> x509.Name:
    """Read one or more attributes: a name without any would match every subject."""
    parts = [part.lstrip(" ") for part in _PART.findall(written)]
    spelled = ",".join(parts)
    # The pattern leaves out empty parts and a lone backslash at the end: then there is less than was written.
    complete = parts and all(parts) and len(_PART.sub("", written)) == len(parts) - 1
    if not complete or "=#" in spelled:
        raise ParseError("", f"`{printable(written.strip())}` is not a subject as in RFC 4514")
    try:
        return x509.Name.from_rfc4514_string(spelled, _MORE_NAMES)
    except ValueError as error:
        why = printable(str(error)) or "an attribute is unknown, or a character needs a backslash before it"
        raise ParseError("", f"`{printable(written.strip())}` is not a subject as in RFC 4514: {why}") from None
