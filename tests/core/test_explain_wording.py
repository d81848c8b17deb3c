"""What is said about each problem, and what is advised."""

from __future__ import annotations

import pytest

from tests.core.given import build, digest, use
from tests.core.problem_samples import RELEASE, TAGGED, decision, verdict
from webhook.core.bases.ancestry import Closest
from webhook.core.policy import Identity, SignatureRequirement
from webhook.core.problems import (
    ForbiddenImage,
    Problem,
    RevokedBase,
    RunsAsRoot,
    StaleBase,
    UnapprovedBase,
    Unpinned,
    Unsigned,
    UntrustedSigner,
    WrongVariant,
)
from webhook.core.reading.plain_text import clip, clip_bytes, listing, printable
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import Repository
from webhook.core.signatures.identity import CertificateIdentity
from webhook.core.verdicts import Verdict
from webhook.core.wording.problems import Context, words_for
from webhook.core.wording.words import Words
from webhook.core.workloads import ContainerKind

DEBUGGER = use(container="debugger", kind=ContainerKind.EPHEMERAL)


def words(problem: Problem, on: Verdict | None = None, namespace: str | None = "shop") -> Words:
    """Return the words for a problem of one container of Pod `shop/api`."""
    met = on or verdict(problem)
    return words_for(problem, Context(workload=decision(met, namespace=namespace).workload, verdict=met))


def unapproved(*expected: str, closest: Closest | None = None) -> UnapprovedBase:
    """Return the problem of an image that stands on no recorded base."""
    return UnapprovedBase(expected=expected, unapproved=None, closest=closest)


def test_an_unpinned_image_gets_the_whole_digest_to_copy() -> None:
    """The reference to write is complete if the tag could be resolved, and a pattern for it if not."""
    known = words(Unpinned(reference=TAGGED, resolved=digest("api")))
    unknown = words(Unpinned(reference=TAGGED, resolved=None))

    assert known.help == f"write `registry.example/shop/api:1.4.2@{digest('api')}`"
    assert unknown.help == "write the digest too: `registry.example/shop/api:1.4.2@sha256:DIGEST`"


@pytest.mark.parametrize(
    ("problem", "line"),
    [
        (unapproved("dhi.io/go:1*", "dhi.io/python:3.13*", closest=Closest(build=build(), shared=1)), "python:3.13"),
        (unapproved("dhi.io/python:3.13*"), "python:3.13"),
        (unapproved("dhi.io/python:3.13.*"), "python:3.13"),
        (unapproved("dhi.io/python:*"), "python:TAG"),
        (unapproved("dhi.io/python:3*-dev"), "python:TAG"),
        (
            unapproved(
                "dhi.io/go:1",
                "dhi.io/python:3.14",
                closest=Closest(build=build(repository=Repository.parse("docker.io/library/python")), shared=1),
            ),
            "python:3.14",
        ),
        (
            unapproved(
                "dhi.io/go:1", closest=Closest(build=build(repository=Repository.parse("docker.io/a/b")), shared=1)
            ),
            "go:1",
        ),
        (
            UnapprovedBase(expected=("dhi.io/python:3.13*",), unapproved=build(tags=("3.12",)), closest=None),
            "python:3.13",
        ),
    ],
)
def test_the_from_line_of_the_best_base(problem: UnapprovedBase, line: str) -> None:
    """The suggestion is what the image nearly stands on if that is approved, else its namesake, else the first."""
    assert words(problem).help == f"start the Dockerfile with `FROM dhi.io/{line}`"


def test_without_any_approved_base_none_is_suggested() -> None:
    """A list that the rule's `repositories` left empty suggests nothing in particular."""
    assert words(unapproved()).help == "start the Dockerfile with `FROM an approved base`"


def test_what_the_image_does_stand_on_is_told() -> None:
    """A recorded but unapproved base is named as found, a near miss as closest with the layers it shares."""
    closest = Closest(build=build(), shared=1)
    recorded = UnapprovedBase(expected=("dhi.io/go:1",), unapproved=build(tags=()), closest=closest)

    assert words(unapproved("dhi.io/go:1", closest=closest)).facts == (
        ("expected", "dhi.io/go:1"),
        ("closest", "dhi.io/python:3.13 (shares 1 of its 2 layers)"),
    )
    assert words(recorded).facts == (
        ("expected", "dhi.io/go:1"),
        ("found", f"dhi.io/python@{build().digest.short}, which is not approved"),
    )


@pytest.mark.parametrize(
    ("problem", "image"),
    [
        (unapproved("dhi.io/python:3.13*", "dhi.io/busybox:1*"), "dhi.io/busybox:1"),
        (unapproved("dhi.io/python:3.13*"), "dhi.io/python:3.13"),
        (ForbiddenImage(allowed=("dhi.io/**", "dhi.io/busybox")), "dhi.io/busybox"),
    ],
)
def test_a_refused_ephemeral_container_gets_a_command(problem: Problem, image: str) -> None:
    """Whoever debugs is told an approved image to debug with; nobody else is."""
    refused = verdict(problem, use=DEBUGGER)

    assert words(problem, refused).help == f"kubectl debug -n shop api -it --image={image}@sha256:DIGEST"
    assert words(problem, refused, None).help == f"kubectl debug api -it --image={image}@sha256:DIGEST"
    assert "kubectl" not in words(problem).help


def test_without_a_name_to_suggest_an_ephemeral_container_gets_the_usual_help() -> None:
    """A glob is no image."""
    forbidden = ForbiddenImage(allowed=("dhi.io/**",))

    assert words(forbidden, verdict(forbidden, use=DEBUGGER)).help == (
        "use an image from there, or have its place listed in rule `everywhere`"
    )
    assert words(unapproved(), verdict(unapproved(), use=DEBUGGER)).help == (
        "start the Dockerfile with `FROM an approved base`"
    )


@pytest.mark.parametrize(
    ("tags", "allowed", "advice"),
    [
        (("3.13-debian13", "3.13-dev"), ("runtime",), "end the Dockerfile with a stage `FROM dhi.io/python:3.13`"),
        (("3.13",), ("runtime",), "build on a runtime variant of `dhi.io/python`"),
        (("3.13-dev",), ("fips", "sfw"), "build on a fips, sfw variant of `dhi.io/python`"),
    ],
)
def test_a_wrong_variant_gets_the_runtime_tag(tags: tuple[str, ...], allowed: tuple[str, ...], advice: str) -> None:
    """The tag of the runtime image beside a `dev` tag is suggested where the rule admits it."""
    assert words(WrongVariant(build=build(tags=tags, variant="dev"), allowed=allowed)).help == advice


def test_who_revokes_is_told() -> None:
    """A base may be revoked by policy or catalog, and need not be recorded to be revoked."""
    recorded = RevokedBase(revoked=digest("c"), reason="bad", build=build(), by_policy=False, platform="linux/arm64")
    unknown = RevokedBase(revoked=digest("c"), reason="bad", build=None, by_policy=True)

    assert words(recorded).statement == "stands on a base that the catalog revokes (linux/arm64)"
    assert words(recorded).facts[0] == ("found", f"dhi.io/python:3.13, {digest('c').short}")
    assert words(recorded).help == "rebuild on the current build: `docker build --pull` with `FROM dhi.io/python:3.13`"
    assert words(unknown).says == "stands on a base that the policy revokes"
    assert words(unknown).facts[0] == ("found", digest("c").short)
    assert words(unknown).help == "rebuild on a current build of an approved base"


def test_a_build_without_tags_is_rebuilt_on_some_tag() -> None:
    """A build that lost all its tags is named by digest, but nobody is told to start from a shortened one."""
    said = words(StaleBase(build=build(tags=()), age_days=75, max_age_days=60))

    assert said.facts[1] == ("found", f"dhi.io/python@{build().digest.short}, built 75 days ago")
    assert said.help == "rebuild on the current build: `docker build --pull` with `FROM dhi.io/python:TAG`"


def test_signers_are_named() -> None:
    """One of one, one of several and several of many are each said in their own way."""
    either = SignatureRequirement(authorities=("release", "security"))
    both = SignatureRequirement(authorities=("release", "security"), at_least=2)

    assert words(Unsigned(expected=RELEASE)).facts == (("expected", "a signature by `release`"),)
    assert words(Unsigned(expected=either)).facts == (("expected", "a signature by one of `release`, `security`"),)
    assert words(Unsigned(expected=both)).facts == (("expected", "signatures by 2 of `release`, `security`"),)
    assert words(UntrustedSigner(expected=both, found=("release",), strangers=0)) == Words(
        says="is signed, but not by enough of those whom this namespace trusts",
        facts=(("expected", "signatures by 2 of `release`, `security`"), ("found", "signed by `release`")),
        help="deploy the digest that 2 of `release`, `security` signed",
    )
    strangers = words(UntrustedSigner(expected=RELEASE, found=(), strangers=1))
    assert strangers.says == "is signed, but not by anyone this namespace trusts"
    assert strangers.facts[1] == ("found", "1 signature by a key that nobody here knows")


def test_who_should_have_signed_is_named_as_the_policy_writes_it() -> None:
    """Identities of the expected authorities stand beside their names, once each and two at most."""
    subjects = (TextPattern("ci.yml"), TextPattern("c.*", is_expression=True), TextPattern("third"))
    ci, loose, third = (Identity(issuer=TextPattern("https://gitlab.example"), subject=subject) for subject in subjects)
    one = words(UntrustedSigner(expected=RELEASE, meant=(ci, ci), found=(), strangers=1))
    many = words(UntrustedSigner(expected=RELEASE, meant=(ci, loose, third), found=(), strangers=1))

    assert one.facts[0] == ("expected", "a signature by `release`: `ci.yml` via `https://gitlab.example`")
    assert many.facts[0] == (
        "expected",
        "a signature by `release`: `ci.yml` via `https://gitlab.example`, `c.*` via `https://gitlab.example`, 1 more",
    )


def test_strangers_whose_certificates_hold_are_named() -> None:
    """A subject is named with its issuer, two at most, in one line and without what could not be printed."""
    ci, other, third = (
        CertificateIdentity(issuer="https://gitlab.example", subject=subject) for subject in ("ci.yml", "b\nc", "third")
    )
    named = words(UntrustedSigner(expected=RELEASE, found=(), strangers=3, identities=(ci, ci)))
    many = words(UntrustedSigner(expected=RELEASE, found=(), strangers=3, identities=(ci, other, third)))

    assert named.facts[1] == (
        "found",
        "`ci.yml` via `https://gitlab.example`, 1 signature by a key that nobody here knows",
    )
    assert many.facts[1] == (
        "found",
        "`ci.yml` via `https://gitlab.example`, `b c` via `https://gitlab.example`, 1 more",
    )


def test_a_missing_user_is_told_as_such() -> None:
    """An image without a default user runs as root, and says so in no words of its own."""
    assert words(RunsAsRoot(user="")).facts[1] == ("found", "no user")
    assert words(RunsAsRoot(user="app\n")).facts[1] == ("found", "user `app`")


def test_foreign_text_is_made_printable_and_clipped() -> None:
    """Control characters, text that reorders itself and broken halves of characters become `?`; ends are marked."""
    assert printable("a\n b\tc\x1b[31m\u202e\ud800") == "a b c?[31m??"
    assert printable("x" * 200, 10) == "xxxxxxx..."
    assert clip("abcd", 4) == "abcd"
    assert clip_bytes("äöü", 6) == "äöü"
    assert clip_bytes("äöüä", 6) == "ä..."


def test_listings_are_counted_where_they_end() -> None:
    """A list that is too long is cut between items and says how many are missing; the first is always there."""
    assert listing(("a", "b")) == "a, b"
    assert listing(()) == ""
    assert listing(("a" * 30, "b" * 30, "c"), limit=40) == f"{'a' * 30} and 2 more"
    assert listing(("a" * 30,), limit=3) == "a" * 30
