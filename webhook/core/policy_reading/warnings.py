"""What is allowed in an ImagePolicy and probably not meant: for its author, never for a decision."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from webhook.core.policy import (
    ApprovedBase,
    AttestationRequirement,
    Authority,
    BaseRequirement,
    Case,
    Exemption,
    NotationAuthority,
    Policy,
    Requirements,
    Rule,
)
from webhook.core.references import Glob
from webhook.core.signatures.notation.chain import name_of

__all__ = ["PolicyWarning", "warnings"]

KNOWN_VARIANTS = ("runtime", "dev", "helm")
"""The variants of the DHI catalog (`variant` in its image specifications, 2026)."""
FEW_CHARACTERS = 3
"""A namespace glob with fewer fixed characters than this says little about which namespaces it means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyWarning:
    """Something worth a second look: `path` as in errors, `message` one line without a final stop."""

    path: str
    message: str

    def __str__(self) -> str:
        """Write it as errors are written."""
        return f"{self.path}: {self.message}"


def warnings(policy: Policy, *, as_of: datetime) -> tuple[PolicyWarning, ...]:
    """Return what the author should look at again, in the order of authorities, bases, rules."""
    return tuple(
        PolicyWarning(path=path, message=message)
        for found in (_authorities(policy, as_of), _bases(policy), _rules(policy, as_of))
        for path, message in found
    )


_Found = Iterator[tuple[str, str]]


def _authorities(policy: Policy, as_of: datetime) -> _Found:
    asked = {name for wanted in _requirements(policy) if wanted.signatures for name in wanted.signatures.authorities}
    asked |= {name for one in _attestations(policy) for name in (*one.authorities, *one.vex)}
    used = asked | {name for base in policy.bases for name in base.signed_by}
    for index, authority in enumerate(policy.authorities):
        path = f"spec.authorities[{index}]"
        if authority.name not in used:
            yield path, f"no rule and no base asks for `{authority.name}`"
        for other in policy.authorities[:index]:
            if authority.signers & other.signers:
                yield path, f"shares a key or an identity with `{other.name}`; the two count as one signer"
        if isinstance(authority, NotationAuthority):
            yield from _out_of_force(f"{path}.notation", authority, as_of)


def _out_of_force(path: str, authority: NotationAuthority, as_of: datetime) -> _Found:
    """Name what has ended or not begun: whatever rests on it holds no signature."""
    for certificate in authority.trust_store:
        if not certificate.not_valid_before_utc <= as_of <= certificate.not_valid_after_utc:
            yield f"{path}.trustStore", f"the certificate of `{name_of(certificate.subject)}` is not valid now"
    for number, crl in enumerate(authority.crls):
        if not crl.begins <= as_of <= crl.ends:
            yield f"{path}.crls[{number}]", f"the list of `{name_of(crl.issuer)}` is not in force"


def _bases(policy: Policy) -> _Found:
    wanted = [requirements.base for requirements in _requirements(policy) if requirements.base is not None]
    signers = {authority.name: authority for authority in policy.authorities}
    for index, base in enumerate(policy.bases):
        path = f"spec.bases[{index}]"
        if not any(_admits(requirement, base) for requirement in wanted):
            yield path, f"no rule asks for a base that may be `{base.repository}`"
        for name in base.signed_by:
            if not _can_vouch(signers[name], base):
                yield (
                    f"{path}.signedBy",
                    f"`{name}` cannot vouch for this base: its `repositories` leave it out",
                )


def _admits(requirement: BaseRequirement, base: ApprovedBase) -> bool:
    return requirement.repositories is None or base.repository in requirement.repositories


def _can_vouch(authority: Authority, base: ApprovedBase) -> bool:
    globs = authority.repositories
    return globs is None or any(glob.matches(str(base.repository)) for glob in globs)


def _rules(policy: Policy, as_of: datetime) -> _Found:
    for index, rule in enumerate(policy.rules):
        path = f"spec.rules[{index}]"
        yield from _outcome(f"{path}", rule.outcome, as_of)
        if isinstance(rule.outcome, Exemption):
            yield from _wide_namespaces(path, rule)
        yield from _shadowed(path, rule, policy.rules[:index])
        for position, case in enumerate(rule.cases):
            case_path = f"{path}.except[{position}]"
            yield from _outcome(case_path, case.outcome, as_of)
            if isinstance(case.outcome, Exemption):
                yield from _wide_images(case_path, case)


def _outcome(path: str, outcome: Requirements | Exemption, as_of: datetime) -> _Found:
    if isinstance(outcome, Exemption):
        if not outcome.holds(as_of):
            yield f"{path}.exempt.expires", f"expired on {outcome.expires}; this no longer matches"
        return
    if outcome == Requirements(pinned=False):
        yield f"{path}.require", "asks for nothing: any image that exists may run"
    for variant in outcome.base.variants if outcome.base else ():
        if variant not in KNOWN_VARIANTS:
            yield f"{path}.require.base.variants", f"`{variant}` is none of {', '.join(KNOWN_VARIANTS)}"


def _wide_namespaces(path: str, rule: Rule) -> _Found:
    if rule.namespaces is None:
        yield path, "exempts every namespace that no rule above it speaks about"
        return
    for glob in rule.namespaces:
        if "*" in glob.pattern and len(glob.pattern.replace("*", "")) < FEW_CHARACTERS:
            yield f"{path}.namespaces", f"`{glob.pattern}` is a wide glob for an exemption"


def _wide_images(path: str, case: Case) -> _Found:
    if case.digests is not None:
        return
    if case.images is None:
        yield path, "exempts images without naming any"
    for glob in case.images or ():
        if _names_no_path(glob):
            yield f"{path}.images", f"`{glob.pattern}` is a wide glob for an exemption"


def _names_no_path(glob: Glob) -> bool:
    """Tell whether the glob fixes no character of the path, or leaves the host open."""
    host, _, path = glob.pattern.partition("/")
    return "*" in host or re.fullmatch(r"[*/]*", path) is not None


def _shadowed(path: str, rule: Rule, earlier: Iterable[Rule]) -> _Found:
    taken = {
        glob.pattern: other.name
        for other in earlier
        if not (isinstance(other.outcome, Exemption) and other.outcome.expires)
        for glob in other.namespaces or ()
    }
    for glob in rule.namespaces or ():
        name = taken.get(glob.pattern) or taken.get("*")
        if name is not None:
            yield f"{path}.namespaces", f"`{glob.pattern}` is never reached: rule `{name}` comes first"


def _attestations(policy: Policy) -> Iterator[AttestationRequirement]:
    for wanted in _requirements(policy):
        yield from wanted.attestations


def _requirements(policy: Policy) -> Iterator[Requirements]:
    for rule in policy.rules:
        for outcome in (rule.outcome, *(case.outcome for case in rule.cases)):
            if isinstance(outcome, Requirements):
                yield outcome
