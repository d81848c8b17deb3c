"""Credentials from the `docker-credential-*` programs that a Docker config names.

Source: the protocol of the docker-credential-helpers project: `docker-credential-NAME get`, the server on standard
input, JSON with `Username` and `Secret` on standard output; a failure with "credentials not found" means that there
are none.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from webhook.adapters.expiring import ExpiringStore
from webhook.adapters.registry.credential_files import ConfigSource
from webhook.adapters.registry.credentials import TOKEN_USER, Credential, IdentityToken, Password
from webhook.adapters.registry.question import Question
from webhook.adapters.single_flight import SingleFlight
from webhook.core.references import DOCKER_HUB, Repository
from webhook.ports import Clock, TroubleKind

__all__ = ["DockerCredentials"]

MAX_ANSWER_BYTES = 64 * 1024
HELPER_SECONDS = 10.0
REMEMBERED_SECONDS = 300.0
REMEMBERED_ANSWERS = 1024
HUB_SERVER = "https://index.docker.io/v1/"
NOT_FOUND = b"credentials not found"

_Asked = tuple[str, str]
"""A helper's name, and the server it is asked about."""


class DockerCredentials:
    """The credentials of one Docker config as it is at the moment, those of its helpers first.

    `environment` is what helpers run in, and whose `PATH` they are looked for in; each has `helper_seconds`. Their
    answers are remembered for five minutes; a helper that fails is trouble, since nobody then knows whether there is
    a credential.
    """

    def __init__(
        self,
        source: ConfigSource,
        *,
        environment: Mapping[str, str],
        clock: Clock,
        helper_seconds: float = HELPER_SECONDS,
    ) -> None:
        self._source = source
        self._helper_seconds = helper_seconds
        self._environment = environment
        self._answers: ExpiringStore[_Asked, Credential | None] = ExpiringStore(
            clock=clock, max_entries=REMEMBERED_ANSWERS
        )
        self._flights: SingleFlight[_Asked, Credential | None] = SingleFlight()

    async def matching(self, repository: Repository, question: Question) -> tuple[Credential, ...]:
        """Return the credentials for a repository, in the order in which they are to be tried."""
        config = await self._source.current()
        written = config.matching(repository)
        helper = config.helper_for(repository.registry)
        if not helper:
            return written
        asked = (helper, HUB_SERVER if repository.registry == DOCKER_HUB else repository.registry)
        remembered = self._answers.get(asked)
        if remembered is None:
            found = await self._flights.run(asked, lambda: self._ask(asked, question))
        else:
            found = remembered.value
        return written if found is None else (found, *written)

    async def close(self) -> None:
        """End the helpers that are still running."""
        await self._flights.close()

    async def _ask(self, asked: _Asked, question: Question) -> Credential | None:
        """Ask a helper for the credential of a server and remember what it says."""
        helper, server = asked
        try:
            async with asyncio.timeout(self._helper_seconds):
                status, output = await self._run(f"docker-credential-{helper}", server)
        except (OSError, TimeoutError) as error:
            detail = f"credential helper {helper}: {type(error).__name__}"
            raise question.trouble(TroubleKind.UNAUTHORIZED, detail) from error
        if status != 0 and NOT_FOUND not in output:
            raise question.trouble(TroubleKind.UNAUTHORIZED, f"credential helper {helper} failed with status {status}")
        found = None if status != 0 else _read_answer(helper, output, question)
        self._answers.put(asked, found, seconds=REMEMBERED_SECONDS)
        return found

    async def _run(self, program: str, server: str) -> tuple[int, bytes]:
        """Run a helper and return its status and output; one that is cut short ends with whatever it started."""
        path = shutil.which(program, path=self._environment.get("PATH", os.defpath))
        if path is None:
            raise FileNotFoundError(program)
        process = await asyncio.create_subprocess_exec(
            path,
            "get",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
            start_new_session=True,
        )
        try:
            return await _converse(process, f"{server}\n".encode())
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()


class _Answer(msgspec.Struct, frozen=True):
    """What a helper writes, spelled as it spells it."""

    Username: str
    Secret: str


async def _converse(process: asyncio.subprocess.Process, request: bytes) -> tuple[int, bytes]:
    """Write to a process and read what it answers, at most 64 KiB; OSError if there is more."""
    if process.stdin is None or process.stdout is None:
        raise BrokenPipeError
    with suppress(ConnectionError):  # a helper may answer, or fail, without reading
        process.stdin.write(request)
        await process.stdin.drain()
        process.stdin.close()
    output = bytearray()
    while piece := await process.stdout.read(MAX_ANSWER_BYTES):
        output += piece
        if len(output) > MAX_ANSWER_BYTES:
            raise OSError("too much output")
    return await process.wait(), bytes(output)


def _read_answer(helper: str, output: bytes, question: Question) -> Credential | None:
    """Read the JSON that a helper wrote; an answer without a secret means that it knows none."""
    try:
        answer = msgspec.json.decode(output, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # What the helper wrote may hold the secret, so the decoder's words stay out of the trouble.
        raise question.trouble(TroubleKind.UNAUTHORIZED, f"credential helper {helper} wrote no credential") from None
    source = f"credential helper {helper}"
    if not answer.Secret:
        return None
    if answer.Username == TOKEN_USER:
        return IdentityToken(source=source, token=answer.Secret)
    return Password(source=source, username=answer.Username, password=answer.Secret)
