"""What the search for signatures over one digest came to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from webhook.core.facts import Trouble
from webhook.core.references import Digest
from webhook.core.signatures.identity import CertificateIdentity

__all__ = ["BrokenSignature", "SignatureFindings", "Voucher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """An authority of the policy verifiably signed the digest, within what it may vouch for.

    `key` is the fingerprint of the key that made the signature, and `identity` that of whom its certificate names, None
    if there is no certificate: signatures with either in common are by one signer. `signed_at` is the earliest time
    that a log or a timestamp authority whom the authority trusts gave the signature; None if nobody did.
    """

    authority: str
    key: Digest
    identity: Digest | None = None
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenSignature:
    """A candidate that points at an authority (its key or its identity) and does not hold."""

    authority: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFindings:
    """Everything that was found.

    `strangers` counts signatures that no authority of the policy gave, or could give for this image: by keys that
    nobody here knows, outside the repositories an authority may vouch for, or without the annotations it must sign.
    `identities` are whom the certificates of these name, as far as they hold, once for each signature. With
    `incomplete`, more signatures may exist than could be seen or judged.
    """

    vouchers: tuple[Voucher, ...] = ()
    broken: tuple[BrokenSignature, ...] = ()
    strangers: int = 0
    identities: tuple[CertificateIdentity, ...] = ()
    incomplete: Trouble | None = None
