"""The loopback trial: every verdict is as its own table says, and the table would notice if one were not."""

from __future__ import annotations

import asyncio
import json
import stat
from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest

from tests.fakes.clock import ManualClock
from webhook.core.bases.catalog import Catalog, Status
from webhook.core.bases.document import parse_catalog
from webhook.core.policy_reading.warnings import warnings
from webhook.core.problems import CODES
from webhook.demo import trial_server
from webhook.demo.images import build, push
from webhook.demo.registry import LoopbackRegistry
from webhook.demo.trial import Outcome, TrialFiles, TrialSetupError, open_trial
from webhook.demo.trial import _keep_catalog as keep_catalog
from webhook.demo.trial import _server_context as server_context
from webhook.demo.trial import _write_certificates as write_certificates
from webhook.demo.trial import _write_policy as write_policy
from webhook.demo.trial_images import BASE_REPOSITORY, CASES, Case, Workshop
from webhook.demo.trial_server import Answer, UnexpectedAnswer, calling
from webhook.documents import load_policy
from webhook.server.logs import LogFormat, open_log
from webhook.settings import system_clock

BY_NAME = {case.name: case for case in CASES}


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedTrial:
    """What a whole trial left behind."""

    files: TrialFiles
    outcomes: tuple[Outcome, ...]
    catalog: Catalog
    log: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinishedTrial:
    """Run the trial once for all tests that look at it."""
    files = TrialFiles(folder=tmp_path_factory.mktemp("trial"))
    output = StringIO()

    async def run() -> FinishedTrial:
        async with open_trial(files, clock=system_clock(), log=open_log(LogFormat.JSON, output)) as trial:
            outcomes = [await trial.judge(case) for case in CASES]
        return FinishedTrial(files=files, outcomes=tuple(outcomes), catalog=trial.catalog, log=output.getvalue())

    return asyncio.run(run())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_verdict_is_as_expected(finished: FinishedTrial, case: Case) -> None:
    """The gate lets in what it has to without a word, and refuses the rest for exactly the stated reasons."""
    outcome = finished.outcomes[CASES.index(case)]

    assert outcome.as_expected, outcome.answer


@pytest.mark.parametrize("case", [case for case in CASES if case.codes], ids=lambda case: case.name)
def test_a_denial_is_complete_in_its_first_line(finished: FinishedTrial, case: Case) -> None:
    """The first line of a message names the pod and all codes, and each code heads a section of its own."""
    message = finished.outcomes[CASES.index(case)].answer.message
    first = message.splitlines()[0]

    assert first == f"1 of 1 container in Pod prod-shop/{case.name} may not run: api ({', '.join(case.codes)})"
    assert all(f"error[{code}]: `api` " in message for code in case.codes)


def test_a_bad_platform_is_named(finished: FinishedTrial) -> None:
    """Of an image for two platforms the message names the one that failed, and not the other."""
    message = finished.outcomes[CASES.index(BY_NAME["two-platforms"])].answer.message

    assert "(linux/arm64)" in message
    assert "amd64" not in message


def test_the_table_covers_what_the_gate_is_for() -> None:
    """There are at most ten cases under names of their own, some are let in, and all codes are codes of the gate."""
    codes = Counter(code for case in CASES for code in case.codes)

    assert len({case.name for case in CASES}) == len(CASES) <= 10
    assert sum(not case.codes for case in CASES) >= 2
    assert set(codes) <= set(CODES)
    assert {"unsigned", "untrusted-signer", "unapproved-base", "malformed-image", "wrong-variant"} <= set(codes)


def test_the_policy_is_one_that_nobody_would_warn_about(finished: FinishedTrial) -> None:
    """The policy of the trial can be read again and holds nothing that its author should look at twice."""
    policy = load_policy(finished.files.policy)

    assert warnings(policy, as_of=system_clock().now()) == ()


def test_the_catalog_knows_both_builds_of_the_base(finished: FinishedTrial) -> None:
    """Two builds of two variants for two platforms are on record; the older build is superseded on the later sync."""
    catalog = parse_catalog(finished.files.catalog.read_bytes())
    lives = [build.superseded_at - build.last_seen for build in catalog.builds if build.superseded_at is not None]

    assert catalog == finished.catalog
    assert Counter(build.status for build in catalog.builds) == {Status.ACTIVE: 4, Status.SUPERSEDED: 4}
    assert len(lives) == 4
    assert all(timedelta(days=20) <= life < timedelta(days=20, minutes=1) for life in lives)


def test_only_the_key_of_the_servers_is_on_disk(finished: FinishedTrial) -> None:
    """The folder holds one private key, which only its owner may read."""
    files = [path for path in finished.files.folder.rglob("*") if path.is_file()]
    keys = [path for path in files if b"PRIVATE KEY" in path.read_bytes()]

    assert keys == [finished.files.tls.key]
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600


def test_the_reviews_on_disk_are_those_that_were_sent(finished: FinishedTrial) -> None:
    """Each case has an AdmissionReview on disk whose uid the gate logged with its decision."""
    logged = [json.loads(line) for line in finished.log.splitlines()]
    decided = {line["uid"]: line["decision"] for line in logged if line["event"] == "decision"}
    reviews = {case: json.loads(finished.files.review(case).read_bytes())["request"] for case in CASES}

    assert decided == {review["uid"]: "deny" if case.codes else "allow" for case, review in reviews.items()}


def answer(**changes: object) -> Answer:
    """Return an approval without a word, but for the changes."""
    plain = Answer(allowed=True, codes=(), message="", warnings=(), milliseconds=1.0)
    return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("hardened", answer(allowed=False, codes=("unverifiable",))),
        ("hardened", answer(warnings=("stale-base: api …",))),
        ("unsigned", answer()),
        ("unsigned", answer(allowed=False, codes=("unverifiable",))),
        ("development", answer(allowed=False, codes=("wrong-variant",))),
        ("development", answer(codes=("wrong-variant", "runs-as-root"))),
    ],
)
def test_another_verdict_is_noticed(name: str, given: Answer) -> None:
    """A verdict, a reason or a warning that the table does not know is not as expected."""
    assert not Outcome(case=BY_NAME[name], answer=given).as_expected


async def test_a_server_that_is_no_webhook_gives_no_verdict(tmp_path: Path) -> None:
    """Whoever answers without an AdmissionReview, or not at all, is an error and never a verdict."""
    files = TrialFiles(folder=tmp_path)
    write_certificates(files, now=system_clock().now())
    async with LoopbackRegistry(tls=server_context(files.tls)) as registry:
        async with calling(registry.url, ca=files.ca, clock=ManualClock()) as caller:
            with pytest.raises(UnexpectedAnswer, match="HTTP 404"):
                await caller.ask(b"{}")
        url = registry.url
    async with calling(url, ca=files.ca, clock=ManualClock()) as caller:
        with pytest.raises(UnexpectedAnswer, match="no answer"):
            await caller.ask(b"{}")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"fine", "no AdmissionReview"),
        (b"\xff", "no AdmissionReview"),
        (b'{"response": {"uid": "1", "allowed": "yes"}}', "no AdmissionReview"),
        (b'{"response": {"uid": "2", "allowed": true}}', "another review"),
    ],
)
def test_an_answer_must_be_the_one_to_the_question(body: bytes, why: str) -> None:
    """What is no AdmissionReview, or has the uid of another one, is no verdict."""
    with pytest.raises(UnexpectedAnswer, match=why):
        trial_server._answer(b'{"request": {"uid": "1"}}', body, 1.0)


async def test_a_base_that_cannot_be_verified_ends_the_trial(tmp_path: Path) -> None:
    """If a sync does not record every tag, or cannot read the base at all, the trial ends and says why."""
    files = TrialFiles(folder=tmp_path)
    write_certificates(files, now=system_clock().now())
    clock, log = system_clock(), open_log(LogFormat.JSON, StringIO())
    async with LoopbackRegistry(tls=server_context(files.tls)) as registry:
        workshop = Workshop.equip(registry.store, now=clock.now())
        policy = write_policy(files, workshop, registry_host=registry.host)
        push(registry.store, BASE_REPOSITORY, build(None, [{"etc/motd": b"hello\n"}]), tag="3.13-debian13")
        with pytest.raises(TrialSetupError, match=r"3\.13-debian13 was skipped: it is not signed by publisher"):
            await keep_catalog(workshop, policy, clock=clock, log=log)
    with pytest.raises(TrialSetupError, match="dhi/python could not be read while listing tags"):
        await keep_catalog(workshop, policy, clock=clock, log=log)
