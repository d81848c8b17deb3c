"""A Docker `config.json` that is rewritten while it is in use, as whatever refreshes the tokens of a cloud does.

1. What cannot be read at the start is an error of whoever named the file.
2. Later the file is looked at before credentials are taken from it, at most every few seconds. A mounted Secret is
   replaced by turning a link, so links are followed.
3. A rewrite that cannot be read leaves the last good content in force, and the log says so.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, assert_never

from structlog.typing import FilteringBoundLogger

from webhook.adapters.registry.credentials import MAX_CONFIG_BYTES, DockerConfig
from webhook.core.errors import DocumentError, ParseError
from webhook.documents import DocumentFile, Loaded, Rejected
from webhook.ports import Clock

__all__ = ["ConfigSource", "DockerConfigFile", "FixedConfig"]

RECHECK_SECONDS = 2.0


class ConfigSource(Protocol):
    """Where the Docker config comes from."""

    async def current(self) -> DockerConfig:
        """Return the config that is in force now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedConfig:
    """Implements `ConfigSource`: a config that never changes, by default one that knows nothing."""

    config: DockerConfig = field(default_factory=DockerConfig)

    async def current(self) -> DockerConfig:
        """Return the config."""
        return self.config


class DockerConfigFile:
    """Implements `ConfigSource`: what lies at `path`.

    Construction reads the file: DocumentError with everything that is wrong with it, each with the path and without
    anything that an entry holds.
    """

    def __init__(self, path: Path, *, clock: Clock, log: FilteringBoundLogger) -> None:
        self._file = DocumentFile(
            path, lambda data, _read_file: DockerConfig.parse(data), clock=clock, max_bytes=MAX_CONFIG_BYTES
        )
        self._clock = clock
        self._log = log
        first = self._file.reload()
        if isinstance(first, Rejected):
            raise DocumentError(tuple(ParseError(str(path), line) for line in first.errors))
        self._in_force = self._file.current or DockerConfig()
        self._looked_at = clock.monotonic()

    async def current(self) -> DockerConfig:
        """Return what the file says, or said when it last made sense; whoever asks during a look does not wait."""
        if self._clock.monotonic() - self._looked_at < RECHECK_SECONDS:
            return self._in_force
        self._looked_at = self._clock.monotonic()
        result = await asyncio.to_thread(self._file.reload)
        match result:
            case None:
                pass
            case Rejected():
                self._log.error("registry credentials refused", file=str(self._file.path), errors=result.errors)
            case Loaded():
                self._in_force = result.value
                self._log.info("registry credentials in force", file=str(self._file.path))
            case _:
                assert_never(result)
        return self._in_force
