"""The Secret in which the replicas share their authority: what it holds, and what it says about a rotation.

| key | holds |
|---|---|
| `ca.crt`, `ca.key` | the authority that signs |
| `next-ca.crt`, `next-ca.key` | while rotating: the one that will sign |
| `previous-ca.crt` | while rotating: the one that signed; its key is gone |
| `rotation.json` | the longest that a leaf may live, and the instants of `webhook.core.serving_certificates.Record` |

All keys are PEM (PKCS #8), unencrypted: whoever may read the Secret can impersonate the gate to the API servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from webhook.certificates import CertificateAuthority
from webhook.core.errors import ParseError
from webhook.core.reading.instants import parse_instant
from webhook.core.serving_certificates import Authority, Record
from webhook.ports import ApiResource

__all__ = ["SECRETS", "Kept", "StoredSecret", "authority_of", "decode_secret", "encode_secret", "fingerprints"]

SECRETS = ApiResource(group="", version="v1", kind="Secret", plural="secrets")
OURS: Mapping[str, str] = {
    "app.kubernetes.io/part-of": "dhi-gate",
    "app.kubernetes.io/component": "serving-certificates",
}
"""The labels of a Secret that is the gate's, whoever made it: it may begin anew in what is left of that."""

MAX_VALUE_BYTES = 4096
"""More than any of our keys needs, and little enough that a key of any kind is parsed in no time."""

CURRENT, NEXT, PREVIOUS = "ca", "next-ca", "previous-ca"
ROTATION = "rotation.json"
KEYS = frozenset(
    {ROTATION, f"{PREVIOUS}.crt", *(f"{name}.{part}" for name in (CURRENT, NEXT) for part in ("crt", "key"))}
)

UNREADABLE = (
    *(ValueError, UnsupportedAlgorithm, x509.InvalidVersion),
    *(x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType),
)
"""What `cryptography` raises over a certificate that somebody wrote."""

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The record with what it speaks about: the keys of who signs and who will, the certificate of who did."""

    record: Record
    current: CertificateAuthority
    next: CertificateAuthority | None = None
    previous: x509.Certificate | None = None

    @property
    def bundle(self) -> bytes:
        """All authorities of the record in PEM, as they belong into a `caBundle`."""
        certificates = [self.current.certificate]
        if self.next is not None:
            certificates.append(self.next.certificate)
        if self.previous is not None:
            certificates.append(self.previous)
        return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)

    def advanced(self, record: Record) -> Kept:
        """Return what is kept once `record` is, which speaks of no authority that is not here."""
        pairs = {authority_of(each.certificate): each for each in (self.current, self.next) if each is not None}
        certificates = {authority: pair.certificate for authority, pair in pairs.items()}
        if self.previous is not None:
            certificates[authority_of(self.previous)] = self.previous
        return Kept(
            record=record,
            current=pairs[record.current],
            next=None if record.next is None else pairs[record.next],
            previous=None if record.previous is None else certificates[record.previous],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSecret:
    """A Secret as it was read. `kept` is None if it is empty, or if it cannot be used; `fault` then says why.

    `may_begin_anew` tells whether the gate may write an authority into it that has nothing to do with what it holds.
    """

    document: Document = field(repr=False)
    kept: Kept | None
    fault: str = ""
    may_begin_anew: bool


class _Rotation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    leaf_lifetime_seconds: Annotated[int, msgspec.Meta(gt=0, le=10 * 365 * 24 * 3600)]
    next_believed_at: str | None = None
    previous_ends_at: str | None = None


class _Data(msgspec.Struct, frozen=True):
    data: dict[str, bytes] | None = None


def authority_of(certificate: x509.Certificate) -> Authority:
    """Return what the core has to know of an authority."""
    return Authority(
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        not_after=certificate.not_valid_after_utc,
    )


def fingerprints(bundle: bytes) -> frozenset[str]:
    """Return the authorities that a PEM bundle holds; what cannot be read holds none."""
    try:
        return frozenset(authority_of(each).fingerprint for each in x509.load_pem_x509_certificates(bundle))
    except (ValueError, x509.InvalidVersion):
        return frozenset()


def decode_secret(document: bytes) -> StoredSecret:
    """Read a Secret. Raises ParseError if that is none, and never shows what it holds."""
    try:
        raw: Document = msgspec.json.decode(document, type=dict[str, Any])
        data = msgspec.json.decode(document, type=_Data).data or {}
        labels = msgspec.convert(raw["metadata"].get("labels") or {}, dict[str, str])
    except (msgspec.DecodeError, KeyError, AttributeError) as error:
        raise ParseError("", "what the API server sent is no Secret") from error
    if not data:
        return StoredSecret(document=raw, kept=None, may_begin_anew=True)
    is_ours = labels.items() >= OURS.items()
    try:
        return StoredSecret(document=raw, kept=_kept(data), may_begin_anew=is_ours)
    except ParseError as error:
        return StoredSecret(document=raw, kept=None, fault=str(error), may_begin_anew=is_ours)


def encode_secret(kept: Kept, *, before: Document | None, namespace: str, name: str) -> bytes:
    """Return the Secret that says `kept`: a new one, or the one from `before` with nothing else changed."""
    document = before or {
        "apiVersion": SECRETS.api_version,
        "kind": SECRETS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {**OURS, "app.kubernetes.io/managed-by": "dhi-gate"},
        },
        "type": "Opaque",
    }
    others = {key: value for key, value in (document.get("data") or {}).items() if key not in KEYS}
    return msgspec.json.encode({**document, "data": {**others, **_data(kept)}})


def _data(kept: Kept) -> dict[str, bytes]:
    record = kept.record
    rotation = _Rotation(
        leaf_lifetime_seconds=round(record.leaf_lifetime.total_seconds()),
        next_believed_at=_written(record.next_believed_at),
        previous_ends_at=_written(record.previous_ends_at),
    )
    data = {f"{CURRENT}.crt": kept.current.pem, f"{CURRENT}.key": kept.current.key_pem}
    if kept.next is not None:
        data |= {f"{NEXT}.crt": kept.next.pem, f"{NEXT}.key": kept.next.key_pem}
    if kept.previous is not None:
        data[f"{PREVIOUS}.crt"] = kept.previous.public_bytes(Encoding.PEM)
    return data | {ROTATION: msgspec.json.encode(rotation)}


def _kept(data: Mapping[str, bytes]) -> Kept:
    """Read what the Secret holds; ParseError, with the key, if that is not whole."""
    for key in sorted(KEYS & data.keys()):
        if len(data[key]) > MAX_VALUE_BYTES:
            raise ParseError(key, f"has more than {MAX_VALUE_BYTES} bytes")
    current = _pair(data, CURRENT)
    following = _pair(data, NEXT) if f"{NEXT}.crt" in data else None
    previous = _certificate(data, PREVIOUS) if f"{PREVIOUS}.crt" in data else None
    try:
        rotation = msgspec.json.decode(data.get(ROTATION, b""), type=_Rotation)
    except msgspec.DecodeError as error:
        raise ParseError(ROTATION, "does not say how far a rotation is") from error
    record = Record(
        current=authority_of(current.certificate),
        leaf_lifetime=timedelta(seconds=rotation.leaf_lifetime_seconds),
        next=authority_of(following.certificate) if following else None,
        next_believed_at=_read(rotation.next_believed_at) if following else None,
        previous=authority_of(previous) if previous else None,
        previous_ends_at=_read(rotation.previous_ends_at) if previous else None,
    )
    return Kept(record=record, current=current, next=following, previous=previous)


def _pair(data: Mapping[str, bytes], name: str) -> CertificateAuthority:
    """Return an authority with its key; ParseError if they do not belong together."""
    certificate = _certificate(data, name)
    try:
        key = load_pem_private_key(data.get(f"{name}.key", b""), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ParseError(f"{name}.key", "is no private key (PEM, unencrypted)") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ParseError(f"{name}.key", f"does not belong to {name}.crt")
    return CertificateAuthority(certificate=certificate, key=key)


def _certificate(data: Mapping[str, bytes], name: str) -> x509.Certificate:
    """Return the certificate of an authority, whose key can be used; ParseError if it is none."""
    try:
        certificate = x509.load_pem_x509_certificate(data.get(f"{name}.crt", b""))
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        certificate.public_key()
    except UNREADABLE as error:
        raise ParseError(f"{name}.crt", "is no certificate of an authority (PEM)") from error
    if not is_authority:
        raise ParseError(f"{name}.crt", "is no certificate of an authority")
    return certificate


def _read(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_instant(text)
    except ParseError as error:
        raise ParseError(ROTATION, error.message) from error


def _written(instant: datetime | None) -> str | None:
    return None if instant is None else instant.isoformat(timespec="microseconds")
