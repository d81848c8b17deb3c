"""The ImagePolicy as values: who can vouch, which bases are approved, which rule a namespace gets.

`webhook.core.policy_reading` makes these of YAML; nothing can be built wrong from there: lists are not empty, names are
resolved, the last rule names no namespaces.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, IntEnum

from cryptography import x509

from webhook.core.attestations.findings_of_scanners import Severity
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import Digest, Glob, ImageReference, Repository
from webhook.core.signatures.keys import PublicKey
from webhook.core.signatures.notation.revocation import RevocationList
from webhook.core.signatures.notation.subjects import TrustedSubject
from webhook.core.signatures.trust_roots import TrustRootSource
from webhook.core.workloads import ContainerKind, ImageUse, Requester

__all__ = [
    "ApprovedBase",
    "AttestationRequirement",
    "Authority",
    "BaseEvidence",
    "BaseRequirement",
    "Case",
    "EndOfLife",
    "Exemption",
    "Identity",
    "KeyAuthority",
    "KeylessAuthority",
    "Mode",
    "NotationAuthority",
    "Policy",
    "RegistrySettings",
    "Requirements",
    "Revocation",
    "Rule",
    "SignatureRequirement",
    "TransparencyLog",
    "VulnerabilityLimit",
]


class Mode(IntEnum):
    """How strictly a rule acts; the greater value is the stricter mode."""

    AUDIT = 0
    WARN = 1
    ENFORCE = 2

    @property
    def word(self) -> str:
        """The word of the policy document."""
        return self.name.lower()


class EndOfLife(IntEnum):
    """What a base past its end of life does to an image."""

    WARN = 0
    DENY = 1


class TransparencyLog(Enum):
    """What an authority asks of the transparency log for its signatures."""

    IGNORE = "ignore"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAuthority:
    """Someone who can vouch for images by a key. Any one of `keys` speaks for the authority (rotation).

    With `transparency_log` REQUIRE, an entry in a log of `trust_root` must be there; with a `trust_root`, an entry that
    is there must hold. A signature counts only if a trusted timestamp lies within `valid_from` and `valid_until`, where
    these are given. With `repositories`, the authority can vouch only for those; with `annotations`, a signature counts
    only if it signed these.
    """

    name: str
    keys: tuple[PublicKey, ...]
    transparency_log: TransparencyLog = TransparencyLog.IGNORE
    trust_root: TrustRootSource | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    repositories: tuple[Glob, ...] | None = None
    annotations: Mapping[str, str] | None = None

    @property
    def signers(self) -> frozenset[object]:
        """Who speaks for the authority; two authorities with one in common are one signer."""
        return frozenset(key.fingerprint for key in self.keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a certificate must name: both the issuer of the token and the subject."""

    issuer: TextPattern
    subject: TextPattern


@dataclass(frozen=True, slots=True, kw_only=True)
class KeylessAuthority:
    """Someone who can vouch for images by a short-lived certificate that names one of `identities`."""

    name: str
    identities: tuple[Identity, ...]
    trust_root: TrustRootSource
    repositories: tuple[Glob, ...] | None = None
    annotations: Mapping[str, str] | None = None

    @property
    def signers(self) -> frozenset[object]:
        """Who speaks for the authority; two authorities with one in common are one signer."""
        return frozenset(self.identities)

    def is_meant_by(self, issuer: str, subject: str) -> bool:
        """Tell whether a certificate that names both speaks for the authority."""
        return any(each.issuer.matches(issuer) and each.subject.matches(subject) for each in self.identities)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotationAuthority:
    """Someone who can vouch for images by a certificate that names one of `identities` and chains to `trust_store`.

    With `crls`, every certificate below the trusted one must stand in no list, and its issuer must have one.
    """

    name: str
    trust_store: tuple[x509.Certificate, ...]
    identities: tuple[TrustedSubject, ...]
    crls: tuple[RevocationList, ...] = ()
    repositories: tuple[Glob, ...] | None = None
    annotations: Mapping[str, str] | None = None

    @property
    def signers(self) -> frozenset[object]:
        """Who speaks for the authority; two authorities with one in common are one signer."""
        return frozenset(self.identities)


Authority = KeyAuthority | KeylessAuthority | NotationAuthority


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedBase:
    """A base repository, the tags of it that are approved, and who must have signed it.

    `mirrors` hold the same images; `attestations` holds what is attached to those, where the mirrors do not.
    """

    repository: Repository
    tags: tuple[Glob, ...]
    signed_by: tuple[str, ...]
    mirrors: tuple[Repository, ...] = ()
    attestations: Repository | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """How to reach one registry: its CA (PEM), its mirrors, tried in order, and where else its signatures lie."""

    host: str
    ca_pem: str | None = None
    mirrors: tuple[str, ...] = ()
    signatures: Repository | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revocation:
    """Bytes that must not run: an image, or a base's manifest, index or chain ID."""

    digest: Digest
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureRequirement:
    """At least `at_least` distinct ones of the named `authorities` must have signed."""

    authorities: tuple[str, ...]
    at_least: int = 1


class BaseEvidence(Enum):
    """What may show on which base an image stands; the value is the word of the policy and of the report."""

    LAYERS = "layers"
    PROVENANCE = "provenance"


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseRequirement:
    """The image must start with the layers of an approved base that satisfies the rest.

    `max_age` counts since the base was built, `max_lag` since a newer build of the same tag was seen.
    `repositories` narrows the policy's bases; None leaves them all. With PROVENANCE among the `evidence`, an image
    whose layers show no base may be admitted on the provenance that the same rule requires.
    """

    repositories: tuple[Repository, ...] | None = None
    variants: tuple[str, ...] = ("runtime",)
    max_age: timedelta | None = None
    max_lag: timedelta | None = None
    end_of_life: EndOfLife = EndOfLife.DENY
    fips: bool = False
    evidence: tuple[BaseEvidence, ...] = (BaseEvidence.LAYERS,)


@dataclass(frozen=True, slots=True, kw_only=True)
class VulnerabilityLimit:
    """Which findings of a scanner keep an image out. With `fixed_only`, those for which no fix is known do not."""

    severities: frozenset[Severity]
    fixed_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AttestationRequirement:
    """A statement of that predicate type about the image must be there, signed by one of `authorities`.

    `max_age` counts since it was signed. `deny` is for vulnerability reports; findings that an OpenVEX statement by one
    of `vex` excuses do not count. `builders` and `sources` are for provenance: globs that the builder's id and every
    source repository must fit.
    """

    type: str
    authorities: tuple[str, ...]
    max_age: timedelta | None = None
    deny: VulnerabilityLimit | None = None
    vex: tuple[str, ...] = ()
    builders: tuple[Glob, ...] | None = None
    sources: tuple[Glob, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirements:
    """What a rule, or a case inside it, asks of an image. What is None, or empty, is not asked."""

    pinned: bool = True
    signatures: SignatureRequirement | None = None
    base: BaseRequirement | None = None
    attestations: tuple[AttestationRequirement, ...] = ()
    non_root: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Images that are let through unjudged, and why. It holds through the day `expires`, UTC."""

    reason: str
    expires: date | None = None

    def holds(self, as_of: datetime) -> bool:
        """Tell whether the exemption is in force at that instant."""
        return self.expires is None or as_of.date() <= self.expires


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A narrower case inside a rule (`except`): for images in it the rule's own outcome does not apply.

    `digests` holds for references that are written with one of these digests, whatever a tag beside it points to.
    """

    name: str
    outcome: Requirements | Exemption
    containers: frozenset[ContainerKind] | None = None
    images: tuple[Glob, ...] | None = None
    digests: frozenset[Digest] | None = None
    groups: frozenset[str] | None = None

    def covers(self, use: ImageUse, requester: Requester, as_of: datetime) -> bool:
        """Tell whether the case speaks about this use of an image. A reference that does not parse is in no case."""
        if not isinstance(use.image, ImageReference):
            return False
        if isinstance(self.outcome, Exemption) and not self.outcome.holds(as_of):
            return False
        if self.containers is not None and use.kind not in self.containers:
            return False
        if self.groups is not None and not self.groups & requester.groups:
            return False
        if self.digests is not None and use.image.digest not in self.digests:
            return False
        return self.images is None or any(glob.matches(str(use.image.repository)) for glob in self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What holds in some namespaces; None in `namespaces` means all. `images` limits what may run there at all."""

    name: str
    outcome: Requirements | Exemption
    mode: Mode = Mode.ENFORCE
    namespaces: tuple[Glob, ...] | None = None
    images: tuple[Glob, ...] | None = None
    cases: tuple[Case, ...] = ()

    def covers(self, namespace: str | None, as_of: datetime) -> bool:
        """Tell whether the rule speaks about that namespace. An expired exemption speaks about none."""
        if isinstance(self.outcome, Exemption) and not self.outcome.holds(as_of):
            return False
        if self.namespaces is None:
            return True
        return namespace is not None and any(glob.matches(namespace) for glob in self.namespaces)

    def permits(self, reference: ImageReference) -> bool:
        """Tell whether the image is one of those that may run here at all."""
        return self.images is None or any(glob.matches(str(reference.repository)) for glob in self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The whole ImagePolicy. `digest` is that of the document and of the files it refers to."""

    name: str
    digest: Digest
    authorities: tuple[Authority, ...]
    bases: tuple[ApprovedBase, ...]
    registries: tuple[RegistrySettings, ...]
    revoked: tuple[Revocation, ...]
    pin_tags: bool
    rules: tuple[Rule, ...]

    def rule_for(self, namespace: str | None, as_of: datetime) -> Rule:
        """Return the first rule that speaks about the namespace. The last rule always does: it has no expiry."""
        return next(rule for rule in self.rules if rule.covers(namespace, as_of))

    def rule_named(self, name: str) -> Rule | None:
        """Return the rule of that name."""
        return next((rule for rule in self.rules if rule.name == name), None)
