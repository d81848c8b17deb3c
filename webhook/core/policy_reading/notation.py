"""The `notation` of an authority: the trust store, the subjects that are trusted, the revocation lists."""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from webhook.core.errors import ParseError
from webhook.core.policy import NotationAuthority
from webhook.core.policy_reading import keys
from webhook.core.policy_reading.files import PolicyFiles
from webhook.core.reading.documents import Value
from webhook.core.references import Glob
from webhook.core.signatures.notation.revocation import RevocationList, load_revocation_list
from webhook.core.signatures.notation.subjects import TrustedSubject, parse_trusted_subject

__all__ = ["by_notation"]

MAX_TRUST_STORE = 100


def by_notation(
    value: Value, files: PolicyFiles
) -> Callable[[str, tuple[Glob, ...] | None, dict[str, str] | None], NotationAuthority]:
    """Read an authority that lacks only what all kinds have in common: name, repositories, annotations.

    A list by an authority of the trust store must be signed by it. One by another, an intermediate that only comes with
    the signatures, is checked when they are.
    """
    section = value.section(keys.NOTATION)
    store = section.required("trustStore", lambda item: _trust_store(item, files))
    identities = section.required("trustedIdentities", lambda item: item.distinct(_identity))
    crls = section.optional("crls", lambda item: _revocation_lists(item, files, store.found), ())
    return lambda name, repositories, annotations: NotationAuthority(
        name=name,
        trust_store=store.value(),
        identities=identities.value(),
        crls=crls.value(),
        repositories=repositories,
        annotations=annotations,
    )


def _trust_store(value: Value, files: PolicyFiles) -> tuple[x509.Certificate, ...]:
    section = value.section(keys.FILE)
    return section.required("file", lambda item: _certificates(item, files.read(item))).value()


def _certificates(value: Value, pem: bytes) -> tuple[x509.Certificate, ...]:
    if b"PRIVATE KEY" in pem:
        value.refuse("holds a private key; the certificates alone are needed")
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
    except (ValueError, x509.InvalidVersion):
        value.refuse("is not a list of certificates (PEM)")
    if len(found) > MAX_TRUST_STORE:
        value.refuse(f"holds more than {MAX_TRUST_STORE} certificates")
    return found


def _identity(value: Value) -> TrustedSubject:
    return value.parsed(parse_trusted_subject)


def _revocation_lists(
    value: Value, files: PolicyFiles, stores: tuple[tuple[x509.Certificate, ...], ...]
) -> tuple[RevocationList, ...]:
    """Read the lists. `stores` has the trust store, or nothing if that could not be read."""
    store = tuple(certificate for store in stores for certificate in store)
    return value.distinct(
        lambda item: _revocation_list(item, files, store), by=lambda found: found.document.fingerprint(SHA256())
    )


def _revocation_list(value: Value, files: PolicyFiles, store: tuple[x509.Certificate, ...]) -> RevocationList:
    section = value.section(keys.FILE)
    return section.required("file", lambda item: _list_in(item, files.read(item), store)).value()


def _list_in(value: Value, data: bytes, store: tuple[x509.Certificate, ...]) -> RevocationList:
    try:
        found = load_revocation_list(data)
    except ParseError as error:
        value.refuse(str(error))
    named = tuple(certificate for certificate in store if certificate.subject == found.issuer)
    if named and not any(found.is_signed_by(certificate) for certificate in named):
        value.refuse("is not signed by the authority of the trust store that it names")
    return found
