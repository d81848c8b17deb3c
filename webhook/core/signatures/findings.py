"""What the search for signatures over one digest came to."""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.facts import Trouble
from webhook.core.references import Digest

__all__ = ["BrokenSignature", "SignatureFindings", "Voucher"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """An authority of the policy verifiably signed the digest, with this key, within what it may vouch for."""

    authority: str
    key_fingerprint: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenSignature:
    """A candidate that points at an authority (its key, or its key's fingerprint) and does not hold."""

    authority: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureFindings:
    """Everything that was found.

    `strangers` counts signatures that no authority of the policy gave, or could give for this image: by keys that
    nobody here knows, outside the repositories an authority may vouch for, or without the annotations it must sign.
    With `incomplete`, more signatures may exist than could be seen or judged.
    """

    vouchers: tuple[Voucher, ...] = ()
    broken: tuple[BrokenSignature, ...] = ()
    strangers: int = 0
    incomplete: Trouble | None = None
