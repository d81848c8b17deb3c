"""One ordinary problem of each class, hostile ones of any class, and decisions around them."""

from __future__ import annotations

from datetime import date
from typing import Any

from hypothesis import strategies as st

from tests.core.given import API, SILENCE, build, digest, pod, rule, use
from webhook.core.attestations.failures import (
    Failure,
    FromTheFuture,
    NotPassed,
    NotUnderstood,
    TooOld,
    Undated,
    UntrustedBuilder,
    UntrustedSource,
    Vulnerable,
)
from webhook.core.attestations.findings_of_scanners import Fix, Severity, Vulnerability
from webhook.core.bases.ancestry import Closest
from webhook.core.facts import Trouble
from webhook.core.policy import (
    AttestationRequirement,
    Case,
    Exemption,
    Identity,
    Mode,
    Requirements,
    SignatureRequirement,
)
from webhook.core.problems import (
    EndOfLifeBase,
    FailedAttestation,
    ForbiddenImage,
    InvalidReference,
    InvalidSignature,
    LaggingBase,
    MalformedImage,
    MissingAttestation,
    NotFips,
    NotFound,
    Problem,
    Revoked,
    RevokedBase,
    RunsAsRoot,
    StaleBase,
    UnapprovedBase,
    Unpinned,
    Unsigned,
    UntrustedSigner,
    Unverifiable,
    WrongVariant,
)
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import BadReference, ImageReference
from webhook.core.signatures.findings import BrokenSignature
from webhook.core.signatures.identity import CertificateIdentity
from webhook.core.verdicts import Decision, Verdict
from webhook.core.workloads import ContainerKind, ImageUse, Source

__all__ = ["SAMPLES", "decision", "decisions", "hostile_problems", "verdict"]

RELEASE = SignatureRequirement(authorities=("release",))
PIPELINE = Identity(issuer=TextPattern("https://gitlab.example"), subject=TextPattern("shop/api//ci.yml@main"))
FORK = CertificateIdentity(issuer="https://gitlab.example", subject="sandbox/api//ci.yml@main")
SBOM = AttestationRequirement(type="https://spdx.dev/Document", authorities=("release",))
TAGGED = ImageReference.parse("registry.example/shop/api:1.4.2")

SAMPLES: tuple[Problem, ...] = (
    InvalidReference(reference=BadReference(written="a b", why="`a b` is not a repository name")),
    ForbiddenImage(allowed=("registry.example/**",)),
    Unpinned(reference=TAGGED, resolved=digest("api")),
    NotFound(reference=TAGGED),
    Revoked(digest=digest("api"), reason="leaked token"),
    MalformedImage(what="manifest sha256:abc", why="2 layers and 3 diff IDs", platform="linux/arm64"),
    InvalidSignature(expected=RELEASE, broken=(BrokenSignature(authority="release", why="signs another digest"),)),
    UntrustedSigner(expected=RELEASE, found=("sandbox",), strangers=2),
    UntrustedSigner(expected=RELEASE, meant=(PIPELINE,), found=(), strangers=1, identities=(FORK,)),
    Unsigned(expected=RELEASE),
    UnapprovedBase(expected=("dhi.io/python:3.13*",), unapproved=None, closest=None),
    RevokedBase(revoked=digest("chain"), reason="bad build", build=build(), by_policy=False),
    EndOfLifeBase(build=build(), end_of_life=date(2026, 10, 31)),
    StaleBase(build=build(), age_days=75, max_age_days=60),
    LaggingBase(build=build(), lag_days=20, max_lag_days=14),
    WrongVariant(build=build(tags=("3.13-dev",), variant="dev"), allowed=("runtime",)),
    NotFips(build=build()),
    MissingAttestation(expected=SBOM, others=("sandbox",), strangers=1),
    FailedAttestation(expected=SBOM, by=("release",), failure=TooOld(age_hours=200, max_age_hours=168)),
    RunsAsRoot(user="root"),
    Unverifiable(trouble=SILENCE),
)


def verdict(*problems: Problem, **changes: Any) -> Verdict:  # noqa: ANN401 - any field of Verdict
    """Return the verdict on container `api` under the enforced rule `everywhere`."""
    ordinary: dict[str, Any] = {"use": use(), "rule": rule(), "case": None, "mode": Mode.ENFORCE}
    return Verdict(**{**ordinary, "problems": problems, **changes})


def decision(*verdicts: Verdict, **changes: Any) -> Decision:  # noqa: ANN401 - any field of Workload
    """Return the decision about Pod `shop/api`."""
    never_denies = changes.pop("never_denies", False)
    workload = pod(*(one.use for one in verdicts), **changes)
    return Decision(workload=workload, verdicts=verdicts, never_denies=never_denies)


texts = st.text(max_size=400) | st.sampled_from(["", "\x1b[31mred", "a\nb", "\u202eevil", "\ud800", "x" * 5000])
references = st.just(API) | st.just(TAGGED) | st.just(ImageReference.parse("h.example/" + "a" * 200 + ":" + "t" * 128))
builds = st.builds(
    lambda tags, reason, variant: build(tags=tuple(tags), reason=reason, variant=variant),
    st.lists(texts, max_size=3),
    st.none() | texts,
    texts,
)
requirements = st.builds(
    SignatureRequirement, authorities=st.lists(texts, min_size=1, max_size=9).map(tuple), at_least=st.integers(1, 3)
)
platforms = st.none() | texts
many = st.lists(texts, max_size=30).map(tuple)
days = st.integers(0, 10_000)
broken_signatures = st.lists(st.builds(BrokenSignature, authority=texts, why=texts), max_size=5).map(tuple)
attestations = st.builds(
    AttestationRequirement,
    type=texts | st.sampled_from(["https://cyclonedx.org/bom", "https://slsa.dev/provenance/v1"]),
    authorities=st.lists(texts, min_size=1, max_size=3).map(tuple),
)
vulnerabilities = st.builds(
    Vulnerability, id=texts, severity=st.sampled_from(Severity), fix=st.sampled_from(Fix), package=texts
)
failures: st.SearchStrategy[Failure] = st.one_of(
    st.builds(NotUnderstood, why=texts),
    st.just(Undated()),
    st.builds(FromTheFuture, minutes=days),
    st.builds(TooOld, age_hours=days, max_age_hours=days),
    st.builds(Vulnerable, found=st.lists(vulnerabilities, min_size=1, max_size=9).map(tuple)),
    st.builds(UntrustedBuilder, builder=texts, allowed=many),
    st.builds(UntrustedSource, sources=many, allowed=many),
    st.just(NotPassed()),
)

hostile_problems: st.SearchStrategy[Problem] = st.one_of(
    st.builds(InvalidReference, reference=st.builds(BadReference, written=texts, why=texts)),
    st.builds(ForbiddenImage, allowed=many),
    st.builds(Unpinned, reference=references, resolved=st.none() | st.just(digest("x"))),
    st.builds(NotFound, reference=references),
    st.builds(Revoked, digest=st.just(digest("x")), reason=texts),
    st.builds(MalformedImage, what=texts, why=texts, platform=platforms),
    st.builds(
        InvalidSignature,
        expected=requirements,
        broken=st.lists(st.builds(BrokenSignature, authority=texts, why=texts), max_size=5).map(tuple),
    ),
    st.builds(UntrustedSigner, expected=requirements, found=many, strangers=st.integers(0, 10**6)),
    st.builds(Unsigned, expected=requirements),
    st.builds(
        UnapprovedBase,
        expected=many,
        unapproved=st.none() | builds,
        closest=st.none() | st.builds(Closest, build=builds, shared=days),
        platform=platforms,
        built_from=many,
    ),
    st.builds(
        RevokedBase,
        revoked=st.just(digest("x")),
        reason=texts,
        build=st.none() | builds,
        by_policy=st.booleans(),
        platform=platforms,
    ),
    st.builds(EndOfLifeBase, build=builds, end_of_life=st.dates(), platform=platforms),
    st.builds(StaleBase, build=builds, age_days=days, max_age_days=days, platform=platforms),
    st.builds(LaggingBase, build=builds, lag_days=days, max_lag_days=days, platform=platforms),
    st.builds(WrongVariant, build=builds, allowed=many, platform=platforms),
    st.builds(NotFips, build=builds, platform=platforms),
    st.builds(
        MissingAttestation,
        expected=attestations,
        others=many,
        broken=broken_signatures,
        strangers=st.integers(0, 10**6),
        platform=platforms,
    ),
    st.builds(FailedAttestation, expected=attestations, by=many, failure=failures, platform=platforms),
    st.builds(RunsAsRoot, user=texts, platform=platforms),
    st.builds(Unverifiable, trouble=st.builds(Trouble, doing=texts, where=texts, why=texts), platform=platforms),
)

uses = st.builds(
    ImageUse,
    container=texts,
    kind=st.sampled_from(ContainerKind),
    field=st.just("spec.containers[0].image"),
    image=references | st.builds(BadReference, written=texts, why=texts),
)
verdicts = st.builds(
    verdict,
    use=uses,
    rule=st.builds(lambda name: rule(name=name), texts),
    mode=st.sampled_from(Mode),
    case=st.none() | st.builds(lambda name: Case(name=name, outcome=Requirements()), texts),
    problems=st.lists(hostile_problems, max_size=4).map(tuple),
    advisories=st.lists(hostile_problems, max_size=2).map(tuple),
    exemption=st.none() | st.builds(Exemption, reason=texts),
    image=st.none() | st.just(API.pinned(digest("x"))),
    unchanged=st.booleans(),
)
decisions = st.builds(
    lambda found, source, never_denies, namespace, because: decision(
        *found,
        source=source,
        never_denies=never_denies,
        namespace=namespace,
        no_images_because=None if found else because,
    ),
    st.lists(verdicts, max_size=5),
    st.sampled_from(Source),
    st.booleans(),
    st.none() | st.just("shop"),
    st.none() | st.just("DELETE brings no image in"),
)
