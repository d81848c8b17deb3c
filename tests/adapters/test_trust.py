"""Trusted roots from a real TUF repository: what is believed, what is refused, and what stays in force."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest

from tests.adapters.tuf_repository import TufRepository, serving
from tests.fakes.clock import ManualClock
from tests.sigstore_stand.stand import SigstoreStand
from webhook.adapters.trust import REFRESH_SECONDS, RETRY_SECONDS, BackgroundTrust
from webhook.adapters.tuf_mirror import ATTEMPT_SECONDS, fetch_trust_root, mirror_name
from webhook.core.facts import Trouble
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TufMirror
from webhook.ports import RootState
from webhook.server.logs import LogFormat, open_log

FIRST, SECOND = (SigstoreStand.create(name=name).trusted_root() for name in ("one.test", "two.test"))
PATIENCE = 10.0


@pytest.fixture
def repository() -> TufRepository:
    """Return a repository that publishes the first root."""
    made = TufRepository()
    made.publish(FIRST)
    return made


@pytest.fixture
def mirror(repository: TufRepository) -> Iterator[TufMirror]:
    """Serve it."""
    with serving(repository) as served:
        yield served


def fetch(mirror: TufMirror, folder: Path) -> TrustRoot | Trouble:
    """Take one look."""
    return fetch_trust_root(mirror, folder, clock=ManualClock())


def why(mirror: TufMirror, folder: Path) -> str:
    """Return why a look brought nothing."""
    trouble = fetch(mirror, folder)
    assert isinstance(trouble, Trouble)
    assert trouble.doing == "loading the trust root"
    assert trouble.where == mirror_name(mirror)
    return trouble.why


def names_in(folder: Path) -> list[str]:
    """Return what lies in a folder."""
    return [path.name for path in folder.iterdir()]


class TestOneLook:
    """`fetch_trust_root`: what python-tuf refuses becomes words, and nothing is raised."""

    def test_the_published_root_is_loaded(self, repository: TufRepository, mirror: TufMirror, tmp_path: Path) -> None:
        """The newest version counts, also when an older one is in the cache."""
        assert fetch(mirror, tmp_path) == load_trust_root(FIRST)
        assert fetch(mirror, tmp_path) == load_trust_root(FIRST)
        repository.publish(SECOND)
        assert fetch(mirror, tmp_path) == load_trust_root(SECOND)

    def test_going_back_in_time_is_refused(self, repository: TufRepository, mirror: TufMirror, tmp_path: Path) -> None:
        """A mirror that serves an older, properly signed state is refused by what the folder remembers."""
        old = repository.copy()
        repository.publish(SECOND)
        assert fetch(mirror, tmp_path) == load_trust_root(SECOND)
        repository.files = old
        assert why(mirror, tmp_path) == "its metadata does not verify"
        assert fetch(mirror, tmp_path / "without-memory") == load_trust_root(FIRST)

    def test_expired_metadata_is_refused(self, repository: TufRepository, mirror: TufMirror, tmp_path: Path) -> None:
        """A mirror that is frozen in time runs out of trust."""
        repository.expires_in = timedelta(days=-1)
        repository.publish(SECOND)
        assert why(mirror, tmp_path) == "its metadata has expired"

    def test_another_repository_is_refused(self, repository: TufRepository, mirror: TufMirror, tmp_path: Path) -> None:
        """What the policy's root did not sign counts for nothing, wherever it comes from."""
        other = TufRepository()
        other.publish(SECOND)
        repository.files = other.files
        assert why(mirror, tmp_path) == "its metadata does not verify"

    def test_a_changed_target_is_refused(self, repository: TufRepository, mirror: TufMirror, tmp_path: Path) -> None:
        """The bytes must be those that the metadata describes."""
        repository.files["targets/trusted_root.json"] = FIRST[:-2] + b" }"
        assert why(mirror, tmp_path) == "its metadata does not verify"
        repository.files["targets/trusted_root.json"] = FIRST + b" "
        assert why(mirror, tmp_path) == "an answer is larger than its metadata allows"

    def test_a_change_on_disk_is_noticed(self, mirror: TufMirror, tmp_path: Path) -> None:
        """What lies in the folder is hashed each time, and fetched again where it is not what it should be."""
        assert fetch(mirror, tmp_path) == load_trust_root(FIRST)
        (cached,) = tmp_path.glob("*/target")
        cached.write_bytes(SECOND)
        assert fetch(mirror, tmp_path) == load_trust_root(FIRST)

    def test_a_repository_without_a_root(self, repository: TufRepository, mirror: TufMirror, tmp_path: Path) -> None:
        """A repository that publishes other things is none of a Sigstore; names that climb up are only names."""
        repository.publish(FIRST, target="../../trusted_root.json")
        assert why(mirror, tmp_path) == "its trusted_root.json cannot be used: the repository has none"
        assert not list(tmp_path.parent.glob("trusted_root.json"))

    @pytest.mark.parametrize(
        ("document", "reason"),
        [
            (b"{}", "its trusted_root.json cannot be used: mediaType: is missing"),
            (b"[" + b" " * (4 << 20) + b"]", "its trusted_root.json cannot be used: is larger than 4,194,304 bytes"),
        ],
        ids=["not one", "too large"],
    )
    def test_a_signed_document_that_is_no_root(
        self, document: bytes, reason: str, repository: TufRepository, mirror: TufMirror, tmp_path: Path
    ) -> None:
        """A signature does not make a document readable, nor small."""
        repository.publish(document)
        assert why(mirror, tmp_path) == reason

    def test_a_mirror_that_is_down(self, repository: TufRepository, tmp_path: Path) -> None:
        """Nobody there, or nothing there."""
        with serving(repository) as gone:
            pass
        assert why(gone, tmp_path) == "it does not answer in time, or lacks a file"
        with serving(repository) as empty:
            del repository.files["timestamp.json"]
            assert why(empty, tmp_path) == "it does not answer in time, or lacks a file"

    def test_a_look_ends(self, mirror: TufMirror, tmp_path: Path) -> None:
        """However slowly a mirror answers, a look is over when its time is."""
        clock = ManualClock()
        readings = iter([0.0, 0.0, ATTEMPT_SECONDS + 1])

        class Running(ManualClock):
            """A clock that jumps after its second reading."""

            def monotonic(self) -> float:
                """Return the next reading."""
                return clock.monotonic() + next(readings)

        trouble = fetch_trust_root(mirror, tmp_path, clock=Running())
        assert isinstance(trouble, Trouble)
        assert trouble.why == "it does not answer in time, or lacks a file"

    @pytest.mark.parametrize("root", [b"", b"{}", b"\xff", b"[" * 100_000], ids=["empty", "no root", "no text", "deep"])
    def test_a_first_root_that_is_none(self, root: bytes, mirror: TufMirror, tmp_path: Path) -> None:
        """What the policy holds as root metadata may be anything."""
        assert "sense" in why(replace(mirror, root=root), tmp_path) or "verify" in why(
            replace(mirror, root=root), tmp_path
        )

    def test_a_folder_that_cannot_be_written(self, mirror: TufMirror, tmp_path: Path) -> None:
        """A file where the folder should be, as on a file system that is read only, is told and not raised."""
        (tmp_path / "file").write_text("")
        assert why(mirror, tmp_path / "file") == "there is no place for its metadata: Not a directory"

    def test_names_hold_no_secret(self) -> None:
        """Credentials and queries of a URL stay out of logs and metrics."""
        mirror = TufMirror(url="https://user:secret@tuf.example:8443/sigstore/?token=secret", root=b"")
        assert mirror_name(mirror) == "tuf.example:8443/sigstore"


class Alarm:
    """A way of sleeping that ends when the test says so; `asleep` says how long was asked for."""

    def __init__(self) -> None:
        self._asleep: asyncio.Queue[tuple[float, asyncio.Event]] = asyncio.Queue()
        self._waiting: asyncio.Event | None = None

    async def sleep(self, seconds: float) -> None:
        """Sleep until woken."""
        woken = asyncio.Event()
        await self._asleep.put((seconds, woken))
        await woken.wait()

    async def asleep(self) -> float:
        """Wait until somebody sleeps; return for how long."""
        async with asyncio.timeout(PATIENCE):
            seconds, self._waiting = await self._asleep.get()
        return seconds

    async def next_look(self) -> float:
        """Wake the sleeper, and return how long it sleeps after the look."""
        assert self._waiting is not None
        self._waiting.set()
        return await self.asleep()


class Keeper:
    """A background keeper with a clock, an alarm and a log of its own."""

    def __init__(self, folder: Path | None = None) -> None:
        self.clock, self.alarm, self.output = ManualClock(), Alarm(), StringIO()
        self.trust = BackgroundTrust(
            clock=self.clock,
            log=open_log(LogFormat.JSON, self.output),
            directory=folder,
            sleep=self.alarm.sleep,
        )

    def events(self) -> list[tuple[str, str]]:
        """Return what was logged about which source."""
        lines = (json.loads(line) for line in self.output.getvalue().splitlines())
        return [(line["event"], line["source"]) for line in lines]


@asynccontextmanager
async def following(keeper: Keeper, *sources: TufMirror | PublicGood) -> AsyncIterator[BackgroundTrust]:
    """Follow sources until the end of the block, each tried once when it begins."""
    async with keeper.trust as trust:
        trust.follow(frozenset(sources))
        await trust.settled(deadline=keeper.clock.monotonic() + PATIENCE)
        yield trust


async def test_a_root_is_refreshed_in_the_background(
    repository: TufRepository, mirror: TufMirror, tmp_path: Path
) -> None:
    """The mirror is looked at again and again, and what it publishes is in force after that."""
    keeper = Keeper(tmp_path)
    async with following(keeper, mirror) as trust:
        assert trust.roots() == {mirror: load_trust_root(FIRST)}
        assert await keeper.alarm.asleep() == REFRESH_SECONDS
        repository.publish(SECOND)
        keeper.clock.advance(REFRESH_SECONDS)
        assert await keeper.alarm.next_look() == REFRESH_SECONDS
        assert trust.roots() == {mirror: load_trust_root(SECOND)}
        assert trust.states() == (
            RootState(source=mirror_name(mirror), loaded=True, refreshed_at=keeper.clock.now(), trouble=None),
        )
    assert keeper.events() == [("trust root in force", mirror_name(mirror))] * 2


async def test_the_last_good_root_stays(repository: TufRepository, mirror: TufMirror) -> None:
    """A mirror that fails takes nothing away: the root and its age stay, the reason is told, and it is soon retried."""
    keeper = Keeper()
    async with following(keeper, mirror) as trust:
        loaded_at = keeper.clock.now()
        await keeper.alarm.asleep()
        repository.expires_in = timedelta(days=-1)
        repository.publish(SECOND)
        keeper.clock.advance(REFRESH_SECONDS)
        assert await keeper.alarm.next_look() == RETRY_SECONDS
        assert trust.roots() == {mirror: load_trust_root(FIRST)}
        (state,) = trust.states()
        assert state.refreshed_at == loaded_at
        assert state.trouble is not None
        assert state.trouble.why == "its metadata has expired"

        repository.expires_in = timedelta(days=1)
        repository.publish(SECOND)
        assert await keeper.alarm.next_look() == REFRESH_SECONDS
        assert trust.roots() == {mirror: load_trust_root(SECOND)}
    assert [event for event, _ in keeper.events()] == [
        "trust root in force",
        "trust root not refreshed",
        "trust root in force",
    ]


async def test_a_mirror_that_is_down_at_the_start(repository: TufRepository, mirror: TufMirror) -> None:
    """There is trouble instead of a root, and nothing is raised; when the mirror is back, so is the root."""
    keeper = Keeper()
    kept, repository.files = repository.files, {}
    async with following(keeper, mirror) as trust:
        trouble = trust.roots()[mirror]
        assert isinstance(trouble, Trouble)
        assert trouble.where == mirror_name(mirror)
        assert trust.states()[0].loaded is False
        assert await keeper.alarm.asleep() == RETRY_SECONDS
        repository.files = kept
        await keeper.alarm.next_look()
        assert trust.roots() == {mirror: load_trust_root(FIRST)}


async def test_the_public_good_root_needs_no_network() -> None:
    """It came with the library; nobody confirms it, so it has no age."""
    async with following(Keeper(), PublicGood()) as trust:
        root = trust.roots()[PublicGood()]
        assert isinstance(root, TrustRoot)
        assert b"fulcio.sigstore.dev" in root.document
        assert trust.states() == (RootState(source="public-good", loaded=True, refreshed_at=None, trouble=None),)


async def test_sources_come_and_go(mirror: TufMirror) -> None:
    """A policy that names other sources has those followed and no others; one that stays keeps its root."""
    keeper = Keeper()
    async with following(keeper, mirror) as trust:
        root = trust.roots()[mirror]
        trust.follow(frozenset({mirror, PublicGood()}))
        assert trust.roots()[mirror] is root
        assert isinstance(trust.roots()[PublicGood()], Trouble)
        await trust.settled(deadline=keeper.clock.monotonic() + PATIENCE)
        assert isinstance(trust.roots()[PublicGood()], TrustRoot)
        trust.follow(frozenset())
        assert trust.roots() == {}
        assert trust.states() == ()


async def test_nobody_waits_for_ever(mirror: TufMirror) -> None:
    """Waiting for first attempts ends with its deadline; until then a root that is not there is trouble."""
    keeper = Keeper()
    async with keeper.trust as trust:
        trust.follow(frozenset({mirror}))
        await trust.settled(deadline=keeper.clock.monotonic())
        trouble = trust.roots()[mirror]
        assert isinstance(trouble, Trouble)
        assert trouble.why == "it has not been loaded yet"


async def test_without_a_writable_folder_there_is_trouble(
    mirror: TufMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a read-only file system without a folder for temporary files the gate starts, and says what is missing."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    async with following(Keeper(), mirror) as trust:
        trouble = trust.roots()[mirror]
        assert isinstance(trouble, Trouble)
        assert trouble.why == "there is no place for its metadata: No such file or directory"


async def test_the_temporary_folder_goes(mirror: TufMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was made for the life of the process does not outlive it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    async with following(Keeper(), mirror):
        (name,) = names_in(tmp_path)
        assert name.startswith("dhi-gate-trust-")
    assert names_in(tmp_path) == []
