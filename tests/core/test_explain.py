"""Decisions → words."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings

from tests.core.given import API, build, digest, policy, rule, use
from tests.core.problem_samples import RELEASE, SAMPLES, TAGGED, decision, decisions, verdict
from webhook.core.explain import audit_annotations, causes, full_text, shown_image, status_message, warnings
from webhook.core.facts import Trouble
from webhook.core.policy import Case, Exemption, Mode, Requirements
from webhook.core.problems import (
    CODES,
    EndOfLifeBase,
    LaggingBase,
    Problem,
    Revoked,
    StaleBase,
    Unpinned,
    Unsigned,
    Unverifiable,
)
from webhook.core.references import BadReference, ImageReference
from webhook.core.verdicts import Decision
from webhook.core.workloads import ContainerKind, Source

UNSIGNED = Unsigned(expected=RELEASE)
POLICY = policy()


@given(decisions)
@settings(max_examples=80)
def test_every_text_is_bounded_and_printable(found: Decision) -> None:
    """Whatever the decision and whoever wrote its texts, nothing raises and everything fits where it goes."""
    message = status_message(found)

    assert len(message.encode()) <= 1024
    assert all(line.isprintable() for line in message.split("\n"))
    assert all(line.isprintable() for line in full_text(found).split("\n"))
    assert len(warnings(found)) <= 21
    for warning in warnings(found):
        assert len(warning) <= 120
        assert warning.isprintable()
    for value in audit_annotations(found, POLICY).values():
        assert value.isprintable()
    for cause in causes(found):
        assert cause.message.isprintable()
        assert len(cause.message) <= 1024


@given(decisions)
def test_the_words_follow_the_decision(found: Decision) -> None:
    """A denial says `may not run` and has causes if anything was judged; an approval has neither."""
    assert ("may not run" in status_message(found).split("\n")[0]) is not found.allowed
    assert bool(causes(found)) is (bool(found.verdicts) and not found.allowed)
    assert (audit_annotations(found, POLICY)["decision"] == "allow") is found.allowed


@pytest.mark.parametrize("problem", SAMPLES, ids=lambda problem: type(problem).__name__)
def test_every_problem_is_told_in_full(problem: Problem) -> None:
    """A single problem fits into a status message with heading, image, facts, help and the closing line."""
    message = status_message(decision(verdict(problem)))

    assert message == full_text(decision(verdict(problem)))
    first, heading, image, *_, help_line, blank, closing = _lines(message)
    assert first == f"1 of 1 container in Pod shop/api may not run: api ({problem.code})"
    assert heading.startswith(f"error[{problem.code}]: `api` ")
    assert image.startswith("  image:    ")
    assert help_line.startswith("  help:     ")
    assert (blank, closing) == (
        "",
        f"rule: everywhere; why and what now: dhi-gate explain {problem.code}",
    )


def _lines(message: str) -> list[str]:
    """Return the lines without the blank one after the first."""
    lines = message.split("\n")
    assert lines[1] == ""
    return [lines[0], *lines[2:]]


def test_what_does_not_fit_is_counted() -> None:
    """The message of an object with many problems says how many more there are and which command tells them."""
    verdicts = [verdict(*SAMPLES[:10], use=use(container=f"container-{i:03}")) for i in range(1000)]
    message = status_message(decision(*verdicts))
    first, *_ = lines = message.split("\n")

    assert len(message.encode()) <= 1024
    assert first.startswith("1000 of 1000 containers in Pod shop/api may not run: container-000 (bad-reference, ")
    assert first.endswith(" and 999 more")
    (more,) = (line for line in lines if line.startswith("and "))
    shown = sum(line.startswith("error[") for line in lines)
    assert shown > 0
    assert more == f"and {10_000 - shown} more: dhi-gate check -n shop -f FILE"
    assert len(causes(decision(*verdicts))) == 100
    assert full_text(decision(*verdicts)).count("error[") == 10_000


def test_without_a_namespace_the_command_names_none() -> None:
    """An object without a namespace is checked without one."""
    verdicts = [verdict(*SAMPLES) for _ in range(3)]

    assert " more: dhi-gate check -f FILE" in status_message(decision(*verdicts, namespace=None))


def test_a_block_that_is_too_long_is_told_in_brief() -> None:
    """The first problem is never left out: if its block does not fit, its heading and its help do."""
    long = ImageReference.parse("registry.example/" + "a" * 200 + "/b:" + "t" * 128)
    trouble = Trouble(doing="d" * 300, where="w" * 300, why="y" * 300)
    problems = (Unpinned(reference=long, resolved=digest("x")), Unverifiable(trouble=trouble))
    names = [use(container="c" * 63, image=long) for _ in range(5)]
    message = status_message(decision(*(verdict(*problems * 3, use=name) for name in names), name="n" * 253))

    assert len(message.encode()) <= 1024
    assert "error[unpinned]" in message
    assert "help:" in message


def test_the_first_line_counts_containers() -> None:
    """The first line says how many of how many, where, which and why."""
    fine, bad = verdict(use=use(container="fine")), verdict(UNSIGNED, Unpinned(reference=TAGGED, resolved=None))
    volume = verdict(UNSIGNED, use=use(container="data", kind=ContainerKind.VOLUME))

    assert _first(decision(fine, bad, kind="Deployment")) == (
        "1 of 2 containers in Deployment shop/api may not run: api (unsigned, unpinned)"
    )
    assert _first(decision(fine, volume, namespace=None)) == (
        "1 of 2 containers and image volumes in Pod api may not run: data (unsigned)"
    )
    assert _first(decision(fine)) == "1 container in Pod shop/api may run"
    assert _first(decision(fine, fine)) == "all of 2 containers in Pod shop/api may run"
    assert _first(decision(verdict(UNSIGNED, mode=Mode.WARN))) == (
        "1 of 1 container in Pod shop/api may run, with warnings: api (unsigned)"
    )


def test_volumes_are_counted_as_what_they_are() -> None:
    """An object in which only image volumes were judged speaks of no container."""
    volume = verdict(use=use(container="data", kind=ContainerKind.VOLUME))

    assert _first(decision(volume)) == "1 image volume in Pod shop/api may run"
    assert _first(decision(volume, volume)) == "all of 2 image volumes in Pod shop/api may run"


def _first(found: Decision) -> str:
    return status_message(found).split("\n")[0]


def test_the_first_line_of_a_bare_image() -> None:
    """A bare image is named by itself."""
    bad = decision(verdict(UNSIGNED), source=Source.IMAGE, kind="Image", name="nginx")

    assert _first(bad) == "nginx may not run: unsigned"
    assert "error[unsigned]: the image has no signature at all" in full_text(bad)
    assert full_text(decision(verdict(), source=Source.IMAGE, name="nginx")) == "nginx may run"


def test_an_object_without_verdicts() -> None:
    """Nothing judged is no approval, unless the object says why it has nothing to judge."""
    service = decision(no_images_because="Service is not a kind that holds a pod", kind="Service")
    nothing = decision()

    assert status_message(service) == "Service shop/api may pass: Service is not a kind that holds a pod"
    assert status_message(nothing) == "Pod shop/api may not run: nothing in it was judged"
    assert audit_annotations(nothing, POLICY)["decision"] == "error"
    assert audit_annotations(service, POLICY) == {
        "decision": "allow",
        "mode": "none",
        "rule": "none",
        "codes": "",
        "policy-digest": str(POLICY.digest),
    }


def test_the_kind_of_container_is_named() -> None:
    """Main containers go by their name alone; the others say what they are."""
    messages = [status_message(decision(verdict(UNSIGNED, use=use(kind=kind)))) for kind in ContainerKind]

    assert [message.split("\n")[2].partition(" no ")[0] for message in messages] == [
        "error[unsigned]: `api` has",
        "error[unsigned]: init container `api` has",
        "error[unsigned]: ephemeral container `api` has",
        "error[unsigned]: volume `api` has",
    ]


def test_the_image_is_shown_with_what_was_judged() -> None:
    """The tag is what the user wrote, the digest what was judged; neither is invented."""
    tagged = use(image=TAGGED)

    assert shown_image(verdict(use=tagged)) == "registry.example/shop/api:1.4.2"
    assert shown_image(verdict(use=tagged, image=TAGGED.pinned(digest("x")))) == (
        f"registry.example/shop/api:1.4.2 @ {digest('x').short}"
    )
    assert shown_image(verdict()) == f"registry.example/shop/api:1.4.2 @ {digest('api').short}"
    assert shown_image(verdict(use=replace(use(), image=BadReference(written="a\x1bb", why="")))) == "`a?b`"


def test_warnings_are_for_what_does_not_deny() -> None:
    """Under `warn` problems are warnings, under `audit` nothing is said, under `enforce` only advice is."""
    aging = StaleBase(build=build(), age_days=55, max_age_days=60)

    assert warnings(decision(verdict(UNSIGNED, mode=Mode.WARN))) == (
        "unsigned: `api` has no signature at all (rule everywhere, warn)",
    )
    assert warnings(decision(verdict(UNSIGNED, mode=Mode.AUDIT, advisories=(aging,)))) == ()
    assert warnings(decision(verdict(UNSIGNED, advisories=(aging,)))) == (
        "stale-base: `api` stands on a base that will be refused in 5 days (rule everywhere, enforce)",
    )


def test_what_never_denies_warns() -> None:
    """Advice about templates and mirror pods never denies: what would have been denied is a warning."""
    advised = decision(verdict(UNSIGNED), never_denies=True)

    assert advised.allowed
    assert warnings(advised) == ("unsigned: `api` has no signature at all (rule everywhere, enforce)",)
    assert causes(advised) == ()
    assert full_text(advised).startswith("1 of 1 container in Pod shop/api may run, with warnings: api (unsigned)")
    assert "\nwarning[unsigned]: `api`" in full_text(advised)


def test_a_revocation_is_loud_in_every_mode() -> None:
    """What the policy revokes denies under `audit` too, and is told."""
    revoked = Revoked(digest=digest("api"), reason="leaked")
    denied = decision(verdict(revoked, mode=Mode.AUDIT))

    assert "error[revoked]: `api` is revoked by the policy" in status_message(denied)
    assert [cause.reason for cause in causes(denied)] == ["revoked"]
    assert warnings(denied) == ()
    assert warnings(decision(verdict(revoked, mode=Mode.AUDIT), never_denies=True)) == (
        "revoked: `api` is revoked by the policy (rule everywhere, audit)",
    )


def test_warnings_are_counted_beyond_twenty() -> None:
    """The API server has a budget for warnings; equal ones, which it drops, are given once."""
    many = decision(*(verdict(UNSIGNED, mode=Mode.WARN, use=use(container=f"c{i}")) for i in range(25)))
    twice = decision(verdict(UNSIGNED, mode=Mode.WARN), verdict(UNSIGNED, mode=Mode.WARN))

    assert (len(warnings(many)), warnings(many)[-1]) == (21, "...and 5 more")
    assert len(warnings(twice)) == 1


@pytest.mark.parametrize(
    ("advice", "says"),
    [
        (StaleBase(build=build(), age_days=59, max_age_days=60), "will be refused in 1 day"),
        (StaleBase(build=build(), age_days=60, max_age_days=60), "will be refused within a day"),
        (StaleBase(build=build(), age_days=120, max_age_days=90), "is too old"),
        (LaggingBase(build=build(), lag_days=10, max_lag_days=14), "will be refused in 4 days"),
        (EndOfLifeBase(build=build(), end_of_life=date(2026, 12, 1)), "whose life ends on 2026-12-01"),
    ],
)
def test_advice_says_when(advice: Problem, says: str) -> None:
    """What will be refused soon says when."""
    (line,) = warnings(decision(verdict(advisories=(advice,))))

    assert says in line
    assert f"warning[{advice.code}]" in full_text(decision(verdict(advisories=(advice,))))


def test_audit_annotations_hold_what_was_decided() -> None:
    """The annotations tell a definite denial from one for lack of knowledge, and list all codes in their order."""
    unknown = Unverifiable(trouble=Trouble(doing="a", where="b", why="c"))
    case = Case(name="debugging", outcome=Requirements())
    exempt = verdict(exemption=Exemption(reason="PLAT-112"), mode=Mode.ENFORCE)

    denied = audit_annotations(decision(verdict(unknown, UNSIGNED), verdict(case=case)), POLICY)
    unchecked = audit_annotations(decision(verdict(unknown), exempt), POLICY)
    quiet = audit_annotations(decision(verdict(UNSIGNED, mode=Mode.AUDIT)), POLICY)

    assert denied == {
        "decision": "deny",
        "mode": "enforce",
        "rule": "everywhere and everywhere, except debugging",
        "codes": "unsigned,unverifiable",
        "policy-digest": str(POLICY.digest),
    }
    assert (unchecked["decision"], unchecked["codes"]) == ("error", "unverifiable")
    assert (quiet["decision"], quiet["mode"], quiet["codes"]) == ("allow", "audit", "unsigned")


def test_causes_name_field_code_and_facts() -> None:
    """Each cause holds the field of the image, the code, and the problem in one line."""
    (cause,) = causes(decision(verdict(UNSIGNED)))

    assert (cause.field, cause.reason) == ("spec.containers[0].image", "unsigned")
    assert cause.message == "`api` has no signature at all: expected a signature by `release`"


def test_the_samples_cover_what_is_produced() -> None:
    """Every class of problem has a sample; the codes are those of the contract."""
    assert {type(sample) for sample in SAMPLES} == set(Problem.__args__)
    assert {sample.code for sample in SAMPLES} < set(CODES)


def test_the_rule_is_named() -> None:
    """The closing line names the rule, and the `except` that applied."""
    case = Case(name="debugging", outcome=Requirements())
    message = status_message(decision(verdict(UNSIGNED, rule=rule(name="production"), case=case)))

    assert "\nrule: production, except debugging; why and what now: dhi-gate explain unsigned" in message
    assert API.written not in message
