"""Running `docker-credential-*` programs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.adapters.given import repository, trouble_of
from tests.fakes.clock import ManualClock
from webhook.adapters.registry.credential_files import FixedConfig
from webhook.adapters.registry.credential_helpers import DockerCredentials
from webhook.adapters.registry.credentials import DockerConfig, IdentityToken, Password
from webhook.adapters.registry.question import Question
from webhook.ports import TroubleKind

QUESTION = Question(doing="fetching a manifest", where="registry.example", deadline=2000.0)


class Helper:
    """A helper program made of a few lines of shell, and the credentials that come from it."""

    def __init__(self, directory: Path, script: str, *, written: str = "{}", seconds: float = 5.0) -> None:
        self.clock = ManualClock()
        self.calls = directory / "calls"
        path = directory / "docker-credential-test"
        path.write_text(f'#!/bin/sh\nread server\necho "$1 $server" >> {self.calls}\n{script}\n')
        path.chmod(0o755)
        config = DockerConfig.parse(f'{{"auths": {written}, "credHelpers": {{"registry.example": "test"}}}}'.encode())
        environment = {"PATH": f"{directory}:/usr/bin:/bin"}
        self.credentials = DockerCredentials(
            FixedConfig(config=config), environment=environment, clock=self.clock, helper_seconds=seconds
        )

    async def ask(self, host: str = "registry.example") -> tuple[object, ...]:
        """Return the credentials for a repository."""
        return await self.credentials.matching(repository(host), QUESTION)


async def test_a_helper_is_asked_once_for_a_while(tmp_path: Path) -> None:
    """A helper gets the server on its input, and is asked again only after five minutes."""
    helper = Helper(tmp_path, """echo '{"ServerURL":"x","Username":"u","Secret":"s"}'""")
    expected = (Password(source="credential helper test", username="u", password="s"),)
    assert set(await asyncio.gather(helper.ask(), helper.ask())) == {expected}
    assert await helper.ask() == expected
    assert helper.calls.read_text() == "get registry.example\n"
    helper.clock.advance(301)
    await helper.ask()
    assert len(helper.calls.read_text().splitlines()) == 2


async def test_a_helper_comes_before_what_is_written(tmp_path: Path) -> None:
    """What a helper knows is tried first, then the entries of the file."""
    written = '{"registry.example": {"username": "w", "password": "x"}}'
    helper = Helper(tmp_path, """echo '{"Username":"<token>","Secret":"refresh"}'""", written=written)
    assert await helper.ask() == (
        IdentityToken(source="credential helper test", token="refresh"),
        Password(source="auths[registry.example]", username="w", password="x"),
    )


async def test_other_hosts_need_no_helper(tmp_path: Path) -> None:
    """A host without a helper starts no program."""
    helper = Helper(tmp_path, "exit 1")
    assert await helper.ask("other.example") == ()
    assert not helper.calls.exists()


@pytest.mark.parametrize(
    "script", ["echo credentials not found in native keychain; exit 1", """echo '{"Username":"","Secret":""}'"""]
)
async def test_a_helper_may_know_nothing(tmp_path: Path, script: str) -> None:
    """That a helper has no credential is an answer."""
    assert await Helper(tmp_path, script).ask() == ()


@pytest.mark.parametrize(
    "script",
    [
        "echo s3cret; exit 3",
        "echo s3cret",
        'echo \'{"Username": "s3cret"}\'',
        "head -c 100000 /dev/zero",
        "rm -f $0; exec false",
    ],
)
async def test_a_broken_helper_is_trouble(tmp_path: Path, script: str) -> None:
    """Failures, rubbish and floods are trouble that repeats nothing of what the helper wrote."""
    trouble = await trouble_of(Helper(tmp_path, script).ask())
    assert trouble.kind is TroubleKind.UNAUTHORIZED
    assert "s3cret" not in str(trouble)


async def test_a_missing_helper_is_trouble(tmp_path: Path) -> None:
    """A helper that is not installed is trouble, since nobody knows what it would have said."""
    helper = Helper(tmp_path, "")
    (tmp_path / "docker-credential-test").unlink()
    assert (await trouble_of(helper.ask())).kind is TroubleKind.UNAUTHORIZED


async def test_a_helper_that_hangs_is_ended(tmp_path: Path) -> None:
    """A helper that still runs when its time is over is killed."""
    helper = Helper(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600", seconds=0.5)
    trouble = await trouble_of(helper.ask())
    assert trouble.kind is TroubleKind.UNAUTHORIZED
    assert trouble.detail == "credential helper test: TimeoutError"
    assert not (Path("/proc") / (tmp_path / "pid").read_text().strip()).exists()


async def test_closing_ends_a_helper(tmp_path: Path) -> None:
    """Nothing runs on after closing."""
    helper = Helper(tmp_path, "exec sleep 600")
    waiting = asyncio.create_task(helper.ask())
    await asyncio.sleep(0)
    await helper.credentials.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
