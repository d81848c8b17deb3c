"""What can be wrong with an image: one class per reason code, with what was expected and what was found.

The codes and their order are part of the contract (`dhi-gate explain CODE`). The classes hold values; the words are
chosen in `webhook.core.explain`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from webhook.core.attestations.failures import Failure
from webhook.core.bases.ancestry import Closest
from webhook.core.bases.catalog import BaseBuild
from webhook.core.facts import Trouble
from webhook.core.policy import AttestationRequirement, Identity, SignatureRequirement
from webhook.core.references import BadReference, Digest, ImageReference
from webhook.core.signatures.findings import BrokenSignature
from webhook.core.signatures.identity import CertificateIdentity

__all__ = [
    "CODES",
    "EndOfLifeBase",
    "FailedAttestation",
    "ForbiddenImage",
    "InvalidReference",
    "InvalidSignature",
    "LaggingBase",
    "MalformedImage",
    "MissingAttestation",
    "NotFips",
    "NotFound",
    "Problem",
    "Revoked",
    "RevokedBase",
    "RunsAsRoot",
    "StaleBase",
    "UnapprovedBase",
    "Unpinned",
    "Unsigned",
    "UntrustedSigner",
    "Unverifiable",
    "WrongVariant",
]

CODES = (
    "bad-reference",
    "forbidden-image",
    "unpinned",
    "not-found",
    "revoked",
    "malformed-image",
    "invalid-signature",
    "untrusted-signer",
    "unsigned",
    "unapproved-base",
    "revoked-base",
    "end-of-life-base",
    "stale-base",
    "wrong-variant",
    "not-fips",
    "base-modified",
    "forbidden-content",
    "missing-attestation",
    "failed-attestation",
    "runs-as-root",
    "pod-security",
    "unverifiable",
)
"""All reason codes, in the order in which problems are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidReference:
    """The image field does not hold an image reference."""

    code: ClassVar[str] = "bad-reference"
    reference: BadReference


@dataclass(frozen=True, slots=True, kw_only=True)
class ForbiddenImage:
    """The image is not among those that may run under the rule."""

    code: ClassVar[str] = "forbidden-image"
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpinned:
    """The reference has no digest. `resolved` is what its tag points to now, if that is known."""

    code: ClassVar[str] = "unpinned"
    reference: ImageReference
    resolved: Digest | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The registry says that it does not have the image."""

    code: ClassVar[str] = "not-found"
    reference: ImageReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoked:
    """The policy names these very bytes as revoked. Denies in every mode."""

    code: ClassVar[str] = "revoked"
    digest: Digest
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedImage:
    """The image is not well formed."""

    code: ClassVar[str] = "malformed-image"
    what: str
    why: str
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvalidSignature:
    """There is a signature that points at a trusted authority and does not hold."""

    code: ClassVar[str] = "invalid-signature"
    expected: SignatureRequirement
    broken: tuple[BrokenSignature, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UntrustedSigner:
    """There are signatures, but not enough by those whom the rule names.

    `found` are the authorities of the policy that did sign, named by the rule or not; `strangers` counts signatures by
    keys and identities that nobody here knows. `identities` are those of them whose certificates hold, `meant` those
    that would have counted.
    """

    code: ClassVar[str] = "untrusted-signer"
    expected: SignatureRequirement
    found: tuple[str, ...]
    strangers: int
    meant: tuple[Identity, ...] = ()
    identities: tuple[CertificateIdentity, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsigned:
    """There is no signature at all."""

    code: ClassVar[str] = "unsigned"
    expected: SignatureRequirement


@dataclass(frozen=True, slots=True, kw_only=True)
class UnapprovedBase:
    """The image starts with the layers of no approved base.

    `expected` are the approved bases (`dhi.io/python:3.13*`); `unapproved` is the recorded build it does start with,
    if there is one; `closest` the one it comes near to. `built_from` are images that a believed provenance names and
    that are on no record.
    """

    code: ClassVar[str] = "unapproved-base"
    expected: tuple[str, ...]
    unapproved: BaseBuild | None
    closest: Closest | None
    platform: str | None = None
    built_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokedBase:
    """The image starts with a base that is revoked, by the catalog or by the policy."""

    code: ClassVar[str] = "revoked-base"
    revoked: Digest
    reason: str
    build: BaseBuild | None
    by_policy: bool
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOfLifeBase:
    """The base is past its end of life, or will be on that day."""

    code: ClassVar[str] = "end-of-life-base"
    build: BaseBuild
    end_of_life: date
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StaleBase:
    """The base was built too long ago. Both ages are in whole days; `max_age_days` is the rule's, or the default."""

    code: ClassVar[str] = "stale-base"
    build: BaseBuild
    age_days: int
    max_age_days: int
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LaggingBase:
    """A newer build of the base's tag was seen too long ago. Both lags are in whole days."""

    code: ClassVar[str] = "stale-base"
    build: BaseBuild
    lag_days: int
    max_lag_days: int
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongVariant:
    """The base is approved, but of a variant (`dev`) that the rule does not admit."""

    code: ClassVar[str] = "wrong-variant"
    build: BaseBuild
    allowed: tuple[str, ...]
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFips:
    """The base is approved, but nothing that its signer attested says that it is FIPS validated."""

    code: ClassVar[str] = "not-fips"
    build: BaseBuild
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingAttestation:
    """There is no attestation of that type by those whom the rule names.

    `others` are the authorities of the policy that did attest something of that type; `broken` are attestations in a
    named authority's name that do not hold; `strangers` counts those that nobody of the policy vouches for.
    """

    code: ClassVar[str] = "missing-attestation"
    expected: AttestationRequirement
    others: tuple[str, ...] = ()
    broken: tuple[BrokenSignature, ...] = ()
    strangers: int = 0
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttestation:
    """There is one, by those whom the rule names, and it fails the rule. `by` are those of them that vouch for it."""

    code: ClassVar[str] = "failed-attestation"
    expected: AttestationRequirement
    by: tuple[str, ...]
    failure: Failure
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsAsRoot:
    """The image's default user is not provably anyone but root. `user` is what its config says."""

    code: ClassVar[str] = "runs-as-root"
    user: str
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unverifiable:
    """Something stood in the way of finding out. This is never "bad", and never "fine"."""

    code: ClassVar[str] = "unverifiable"
    trouble: Trouble
    platform: str | None = None


Problem = (
    InvalidReference
    | ForbiddenImage
    | Unpinned
    | NotFound
    | Revoked
    | MalformedImage
    | InvalidSignature
    | UntrustedSigner
    | Unsigned
    | UnapprovedBase
    | RevokedBase
    | EndOfLifeBase
    | StaleBase
    | LaggingBase
    | WrongVariant
    | NotFips
    | MissingAttestation
    | FailedAttestation
    | RunsAsRoot
    | Unverifiable
)
