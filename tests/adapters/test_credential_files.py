"""A Docker config that is rewritten while the gate runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.adapters.given import LOOPBACK, Recorder, repository, trouble_of
from tests.fakes.clock import ManualClock
from webhook.adapters.clock import SystemClock
from webhook.adapters.registry.credential_files import RECHECK_SECONDS, DockerConfigFile, FixedConfig
from webhook.adapters.registry.credential_helpers import DockerCredentials
from webhook.adapters.registry.credentials import DockerConfig
from webhook.adapters.registry.distribution import DistributionRegistry
from webhook.core.errors import DocumentError
from webhook.demo.authentication import Authentication, BasicAuthentication, TokenAuthentication
from webhook.demo.images import build, push
from webhook.demo.registry import LoopbackRegistry
from webhook.ports import TroubleKind


def write(path: Path, **auths: str) -> None:
    """Write a config of `user:password` by host, as a mounted Secret is written: beside it, then put in its place."""
    entries = {host: dict(zip(("username", "password"), text.split(":"), strict=True)) for host, text in auths.items()}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"auths": entries}))
    fresh.replace(path)


class Rotating:
    """A config file with a clock of its own, and what is logged about it."""

    def __init__(self, folder: Path, clock: ManualClock) -> None:
        self.path = folder / "config.json"
        self.clock = clock
        self.recorder = Recorder()
        write(self.path, **{"registry.example": "u:first"})
        self.file = DockerConfigFile(self.path, clock=clock, log=self.recorder.log)

    async def passwords(self) -> list[str]:
        """Return the passwords that are written for the registry now."""
        return [c.password for c in (await self.file.current()).matching(repository("registry.example"))]  # type: ignore[union-attr]


@pytest.fixture
def rotating(tmp_path: Path) -> Rotating:
    """Return a config that has just been read."""
    return Rotating(tmp_path, ManualClock())


async def test_a_rewritten_config_counts_after_a_moment(rotating: Rotating) -> None:
    """The file is looked at every two seconds, not with every question."""
    write(rotating.path, **{"registry.example": "u:second"})
    assert await rotating.passwords() == ["first"]
    rotating.clock.advance(RECHECK_SECONDS)
    assert await rotating.passwords() == ["second"]
    rotating.clock.advance(RECHECK_SECONDS)
    assert await rotating.passwords() == ["second"]
    assert [line["event"] for line in rotating.recorder.logged] == ["registry credentials in force"]


async def test_nobody_waits_for_a_look(rotating: Rotating) -> None:
    """While one question has the file read, others go on with what was in force."""
    write(rotating.path, **{"registry.example": "u:second"})
    rotating.clock.advance(RECHECK_SECONDS)
    looking, beside = await asyncio.gather(rotating.passwords(), rotating.passwords())
    assert (looking, beside) == (["second"], ["first"])


@pytest.mark.parametrize("broken", ['{"auths": {"registry.example": {"auth": "s3cret"}}}', "{s3cret", "", None])
async def test_a_broken_rewrite_changes_nothing(rotating: Rotating, broken: str | None) -> None:
    """The last good content stays in force; the log names the file and repeats nothing of it. Mending it helps."""
    if broken is None:
        rotating.path.unlink()
    else:
        rotating.path.write_text(broken)
    rotating.clock.advance(RECHECK_SECONDS)
    assert await rotating.passwords() == ["first"]
    (line,) = rotating.recorder.logged
    assert line["event"] == "registry credentials refused"
    assert line["file"] == str(rotating.path)
    assert line["errors"]
    assert "s3cret" not in str(line)

    write(rotating.path, **{"registry.example": "u:second"})
    rotating.clock.advance(RECHECK_SECONDS)
    assert await rotating.passwords() == ["second"]


@pytest.mark.parametrize("content", ["[]", '{"auths": {"a": {"auth": "!"}}, "credsStore": "../x"}', None])
def test_what_cannot_be_read_at_the_start_is_an_error(tmp_path: Path, content: str | None) -> None:
    """At the start every error is told, each with the path of the file."""
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(DocumentError) as caught:
        DockerConfigFile(path, clock=ManualClock(), log=Recorder().log)
    assert caught.value.errors
    assert {error.path for error in caught.value.errors} == {str(path)}


async def test_a_fixed_config_stays() -> None:
    """Where no file is, nothing is known, now and later."""
    assert await FixedConfig().current() == DockerConfig()


@pytest.mark.parametrize("tokens", [False, True])
async def test_a_registry_that_changes_its_password_is_asked_with_the_new_one(tmp_path: Path, tokens: bool) -> None:  # noqa: FBT001
    """Over open connections: the old password is refused, the file is rewritten, and the next question is answered."""
    path, clock, recorder = tmp_path / "config.json", ManualClock(), Recorder()

    def demand(password: str) -> Authentication:
        if tokens:
            return TokenAuthentication(username="u", password=password)
        return BasicAuthentication(username="u", password=password)

    async with LoopbackRegistry(authentication=demand("first")) as server:
        push(server.store, "shop/api", build(None, [{"a": b"a"}]), tag="1")
        write(path, **{server.host: "u:first"})
        source = DockerConfigFile(path, clock=clock, log=recorder.log)
        real = SystemClock()
        async with DistributionRegistry(
            options=LOOPBACK,
            credentials=DockerCredentials(source, environment={}, clock=clock),
            clock=real,
            log=recorder.log,
            observe=recorder.observe,
        ) as registry:
            where = repository(server.host)
            assert await registry.resolve(where, "1", deadline=real.monotonic() + 5)

            server.authenticator._authentication = demand("second")
            server.authenticator.forget_tokens()
            refused = await trouble_of(registry.resolve(where, "1", deadline=real.monotonic() + 5))
            assert refused.kind is TroubleKind.UNAUTHORIZED

            write(path, **{server.host: "u:second"})
            clock.advance(RECHECK_SECONDS)
            assert await registry.resolve(where, "1", deadline=real.monotonic() + 5)
