"""A Sigstore trusted root, read: keys of logs, chains of certificate and timestamp authorities, and when each counted.

The format is read, and keys are loaded and applied, by `sigstore`. How long each counts is checked here, for every time
that is verified, because the library does not do it for keys.
Source: sigstore/protobuf-specs `sigstore_trustroot.proto`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from pydantic import ValidationError
from sigstore._internal.trust import Keyring
from sigstore._utils import KeyID
from sigstore.errors import VerificationError
from sigstore_models.common.v1 import TimeRange
from sigstore_models.trustroot import v1 as trustroot

from webhook.core.errors import ParseError
from webhook.core.signatures.trust_roots import TrustRoot

__all__ = ["Chain", "Log", "Period", "TrustedMaterial", "read_trusted_root", "trusted_material"]

REMEMBERED_ROOTS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `start` to `end`, both included; without an end, for ever."""

    start: datetime
    end: datetime | None

    def holds(self, times: Iterable[datetime]) -> bool:
        """Tell whether all of the times lie inside."""
        return all(self.start <= time and (self.end is None or time <= self.end) for time in times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A transparency log: the names by which entries call it, and its key."""

    ids: frozenset[bytes]
    keyring: Keyring
    period: Period

    def signed(self, signature: bytes, message: bytes) -> bool:
        """Tell whether the log's key made `signature` over `message`."""
        try:
            self.keyring.verify(key_id=KeyID(b""), signature=signature, data=message)
        except VerificationError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The certificates of an authority, from the one that signs up to the root; at least one."""

    certificates: tuple[x509.Certificate, ...]
    period: Period


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedMaterial:
    """Whose certificates (`issuers`), certificate logs, transparency logs and timestamps are believed."""

    issuers: tuple[Chain, ...]
    certificate_logs: tuple[Log, ...]
    logs: tuple[Log, ...]
    timestampers: tuple[Chain, ...]


@lru_cache(maxsize=REMEMBERED_ROOTS)
def trusted_material(root: TrustRoot) -> TrustedMaterial:
    """Read a root that has been loaded before, once."""
    return read_trusted_root(root.document)


def read_trusted_root(document: bytes) -> TrustedMaterial:
    """Read a trusted root, JSON; a ParseError for what is none, or holds a certificate that cannot be read."""
    try:
        root = trustroot.TrustedRoot.from_json(document)
        return TrustedMaterial(
            issuers=tuple(_chain(authority) for authority in root.certificate_authorities),
            certificate_logs=tuple(_log(log) for log in root.ctlogs),
            logs=tuple(_log(log) for log in root.tlogs),
            timestampers=tuple(_chain(authority) for authority in root.timestamp_authorities),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ParseError(".".join(str(part) for part in first["loc"]), first["msg"]) from None
    except ParseError:
        raise
    except (ValueError, x509.InvalidVersion):
        raise ParseError("", "holds a key or a certificate that cannot be read") from None


def _log(source: trustroot.TransparencyLogInstance) -> Log:
    """Take one log. Entries name it by its ID in the root, or by the hash of its key (RFC 6962, section 3.2)."""
    key = source.public_key
    ids = {source.log_id.key_id, hashlib.sha256(key.raw_bytes or b"").digest()}
    return Log(ids=frozenset(ids), keyring=Keyring([key]), period=_period(key.valid_for))


def _chain(source: trustroot.CertificateAuthority) -> Chain:
    certificates = tuple(x509.load_der_x509_certificate(item.raw_bytes) for item in source.cert_chain.certificates)
    if not certificates:
        raise ParseError("", "names an authority without a certificate")
    return Chain(certificates=certificates, period=_period(source.valid_for))


def _period(source: TimeRange | None) -> Period:
    if source is None:
        raise ParseError("", "does not say since when a key counts")
    return Period(start=source.start, end=source.end)
