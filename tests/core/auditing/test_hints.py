"""The fixes, word by word, and which of them are worth looking for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import API, digest, rule, use
from tests.core.problem_samples import SAMPLES, TAGGED, hostile_problems, verdict
from webhook.core.auditing.base_choice import ProposedBase
from webhook.core.auditing.base_hints import BaseHint
from webhook.core.auditing.hints import (
    asked_base,
    base_fix,
    newest_fix,
    newest_helps,
    pin_fix,
    retagged,
    written_name,
)
from webhook.core.auditing.rows import Fix, FixKind
from webhook.core.policy import BaseRequirement, Case, Exemption, Mode, Requirements
from webhook.core.problems import ForbiddenImage, InvalidReference, NotFips, Revoked, Unpinned, Unsigned, Unverifiable
from webhook.core.references import BadReference, ImageReference, Repository

PROBLEM = {type(problem): problem for problem in SAMPLES}
UNSIGNED, UNKNOWN, NOT_FIPS = PROBLEM[Unsigned], PROBLEM[Unverifiable], PROBLEM[NotFips]
UNPINNED = Unpinned(reference=TAGGED, resolved=digest("api"))
NEWEST = ImageReference.parse(f"registry.example/shop/api:1.5.0@{digest('newest')}")
RESOLVED: dict[str, Any] = {"image": TAGGED.pinned(digest("api")), "use": use(TAGGED)}


@pytest.mark.parametrize(
    ("version", "wanted", "says"),
    [
        ((20, 18), (20,), "the nearest approved base for `node` 20"),
        ((20, 18, 1), (20, 18), "the nearest approved base for `node` 20.18"),
        ((22,), (20, 11), "the nearest approved base for `node` 20.11: version 22, a newer major version"),
        ((22, 1), (24,), "the nearest approved base for `node` 24: version 22.1, an older major version"),
        ((20, 18), (20, 11), "the nearest approved base for `node` 20.11: version 20.18, a newer minor version"),
        ((20, 11, 2), (20, 11, 1), "the nearest approved base for `node` 20.11.1"),
        ((22,), (), "the nearest approved base for `node`"),
        ((), (20,), "the nearest approved base for `node` 20"),
    ],
)
def test_a_base_is_proposed_whole(version: tuple[int, ...], wanted: tuple[int, ...], says: str) -> None:
    """The line to write is complete, and another major or minor version is told."""
    base = ProposedBase(
        repository=Repository.parse("dhi.io/node"),
        tag="22-debian13",
        digest=digest("index"),
        version=version,
        hint=BaseHint(software="node", version=wanted),
    )

    assert base_fix(base) == Fix(kind=FixKind.BASE, write=f"dhi.io/node:22-debian13@{digest('index')}", says=says)


def test_the_newest_tag_would_pass() -> None:
    """Then it is what to write; advice about it changes nothing."""
    expected = Fix(kind=FixKind.NEWEST, write=NEWEST.written, says="the newest tag `1.5.0` would pass")

    assert newest_fix(NEWEST, verdict()) == expected
    assert newest_fix(NEWEST, verdict(advisories=(NOT_FIPS,))) == expected


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        (Mode.ENFORCE, "the newest tag `1.5.0` would be refused too: unsigned, not-fips"),
        (Mode.WARN, "the newest tag `1.5.0` would not pass either: unsigned, not-fips"),
    ],
)
def test_the_newest_tag_would_not_pass(mode: Mode, says: str) -> None:
    """Then nothing is proposed to write, and what is wrong is said once, unknowns aside."""
    found = newest_fix(NEWEST, verdict(UNSIGNED, NOT_FIPS, UNKNOWN, UNSIGNED, mode=mode))

    assert found == Fix(kind=FixKind.NEWEST, write="", says=says)


def test_of_what_could_not_be_found_out_nothing_is_said() -> None:
    """Unknown is neither pass nor refusal."""
    assert newest_fix(NEWEST, verdict(UNKNOWN)) is None


@pytest.mark.parametrize(
    ("problems", "mode", "says"),
    [
        ((UNPINNED,), Mode.ENFORCE, "pins what `1.4.2` points to, which passes"),
        ((UNPINNED, UNKNOWN), Mode.ENFORCE, "pins what `1.4.2` points to, which could not be checked"),
        (
            (UNPINNED, UNSIGNED, UNKNOWN),
            Mode.ENFORCE,
            "pins what `1.4.2` points to, which is refused all the same: unsigned",
        ),
        ((UNPINNED, UNSIGNED), Mode.WARN, "pins what `1.4.2` points to, which has other problems: unsigned"),
    ],
)
def test_a_digest_to_pin(problems: tuple[Any, ...], mode: Mode, says: str) -> None:
    """The digest that was judged, and how these bytes fare but for the missing digest."""
    found = pin_fix(verdict(*problems, mode=mode, **RESOLVED), moved=False)

    assert found == Fix(kind=FixKind.PIN, write=f"registry.example/shop/api:1.4.2@{digest('api')}", says=says)


def test_a_tag_that_moved_is_pinned() -> None:
    """Where a rule asks for no digest, a tag that moved is a reason; what runs is called so."""
    spec = pin_fix(verdict(**RESOLVED), moved=True)
    running = pin_fix(verdict(image=API.pinned(digest("api"))), moved=True)
    untagged = ImageReference.parse("nginx")
    plain = pin_fix(verdict(image=untagged.pinned(digest("n")), use=use(untagged)), moved=True)

    assert spec is not None
    assert spec.says == "pins what `1.4.2` points to, which passes"
    assert running == Fix(kind=FixKind.PIN, write=API.written, says="pins what runs, which passes")
    assert plain == Fix(
        kind=FixKind.PIN, write=f"nginx@{digest('n')}", says="pins what `latest` points to, which passes"
    )


@pytest.mark.parametrize(
    "judged",
    [
        verdict(**RESOLVED),
        verdict(UNSIGNED, **RESOLVED),
        verdict(Unpinned(reference=TAGGED, resolved=None), use=use(TAGGED)),
        verdict(UNPINNED, image=API.pinned(digest("api")), use=use(BadReference(written="a b", why="no"))),  # type: ignore[arg-type]
    ],
)
def test_nothing_to_pin(judged: Any) -> None:  # noqa: ANN401 - a Verdict
    """Not where nobody asked for it, not where nothing was resolved, not what is no reference."""
    assert pin_fix(judged, moved=False) is None


def test_what_is_not_worth_pinning() -> None:
    """What runs and is refused, and what the policy revokes."""
    revoked = Revoked(digest=digest("api"), reason="leaked token")

    assert pin_fix(verdict(UNSIGNED, image=API.pinned(digest("api"))), moved=True) is None
    assert pin_fix(verdict(UNPINNED, revoked, **RESOLVED), moved=False) is None


@pytest.mark.parametrize("problem", SAMPLES)
def test_where_the_newest_tag_may_help(problem: Any) -> None:  # noqa: ANN401 - a Problem
    """Where bytes are wrong, beside whatever else; not where their name is, or where nothing is known."""
    helps = not isinstance(problem, ForbiddenImage | InvalidReference | Unpinned | Unverifiable)

    assert newest_helps(verdict(problem)) == helps
    assert newest_helps(verdict(problem, UNPINNED)) == helps
    assert not newest_helps(verdict(advisories=(problem,)))


def test_an_exempt_image_is_not_asked_about() -> None:
    """Not even if the policy revokes it: an exemption says that its registry is left alone."""
    exemption = Exemption(reason="PLAT-112")
    revoked = PROBLEM[Revoked]

    assert newest_helps(verdict(revoked))
    assert not newest_helps(verdict(revoked, rule=rule(exemption)))
    assert not newest_helps(verdict(revoked, case=Case(name="vendor", outcome=exemption)))


def test_what_is_asked_of_the_base() -> None:
    """The requirement of the case if one applied, else of the rule; the defaults where neither has one."""
    strict, loose = BaseRequirement(fips=True), BaseRequirement(variants=("dev",))
    case = Case(name="debugging", outcome=Requirements(base=loose))
    asking = rule(Requirements(base=strict))

    assert asked_base(verdict(rule=asking)) == strict
    assert asked_base(verdict(rule=asking, case=case)) == loose
    assert asked_base(verdict(rule=rule(Requirements()))) == BaseRequirement()
    assert asked_base(verdict(rule=rule(Exemption(reason="PLAT-112")))) == BaseRequirement()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("node", "node:22"),
        ("node:20", "node:22"),
        (f"node:20@{digest('old')}", "node:22"),
        ("localhost:5000/node", "localhost:5000/node:22"),
        (f"localhost:5000/node@{digest('old')}", "localhost:5000/node:22"),
    ],
)
def test_another_tag_is_written_as_the_image_was(written: str, expected: str) -> None:
    """The name stays as it was typed, with the new tag and its digest."""
    found = retagged(ImageReference.parse(written), "22", digest("new"))

    assert found is not None
    assert found.written == f"{expected}@{digest('new')}"
    assert (found.tag, found.digest) == ("22", digest("new"))
    assert written_name(found) == expected


def test_what_makes_no_reference_is_not_proposed() -> None:
    """A name that is too long with a digest at its end."""
    long = ImageReference.parse(f"{'.'.join(['a' * 60] * 16)}/b:1")

    assert retagged(long, "2", digest("new")) is None


@given(st.lists(hostile_problems, max_size=4), st.booleans(), st.sampled_from(Mode))
def test_whatever_is_wrong_the_words_are_plain(problems: list[Any], moved: bool, mode: Mode) -> None:  # noqa: FBT001
    """No text of an author gets into what is said, and what is to be written is a reference."""
    judged = verdict(*problems, mode=mode, **RESOLVED)
    found = [fix for fix in (newest_fix(NEWEST, judged), pin_fix(judged, moved=moved)) if fix]

    for fix in found:
        assert fix.says.isascii()
        assert fix.says.isprintable()
        assert not fix.write or ImageReference.parse(fix.write).digest
