"""Registries asked by the pull secrets of pods, each set of secrets with connections and a memory of its own.

What one set of credentials was shown must not be shown to another, so nothing is shared between two sets.
Source: kubernetes `pkg/credentialprovider/secrets`: pull secrets come before the credentials of the node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from functools import lru_cache

from webhook.adapters.registry.credential_files import ConfigSource
from webhook.adapters.registry.credentials import DockerConfig
from webhook.core.references import Repository
from webhook.ports import Registry

__all__ = ["PullSecretRegistries"]

MAX_PARSED_SECRETS = 4_096
OpenRegistry = Callable[[ConfigSource], Awaitable[Registry]]


class PullSecretRegistries:
    """Implements `webhook.ports.Registries`.

    `open_registry` opens what asks by the credentials of a config; `own` is the caller's own config. Of at most
    `max_parsed` secrets the content is remembered.
    """

    def __init__(self, open_registry: OpenRegistry, own: ConfigSource, *, max_parsed: int = MAX_PARSED_SECRETS) -> None:
        self._open_registry = open_registry
        self._own = own
        self._opened: dict[tuple[bytes, ...], Registry] = {}
        self._opening = asyncio.Lock()
        self._parse = lru_cache(maxsize=max_parsed)(DockerConfig.parse)

    def covers(self, pull_secret: bytes, repositories: Collection[Repository]) -> bool:
        """Tell whether the secret holds credentials for any of the repositories."""
        secret = self._parse(pull_secret)
        return any(secret.matching(repository) for repository in repositories)

    async def opened(self, pull_secrets: tuple[bytes, ...]) -> Registry:
        """Return the registries as they are asked with these pull secrets before the caller's own credentials."""
        async with self._opening:
            if pull_secrets not in self._opened:
                self._opened[pull_secrets] = await self._open_registry(self._config(pull_secrets))
            return self._opened[pull_secrets]

    def _config(self, pull_secrets: tuple[bytes, ...]) -> ConfigSource:
        if not pull_secrets:
            return self._own
        return _SecretsFirst(secrets=tuple(map(self._parse, pull_secrets)), own=self._own)


@dataclass(frozen=True, slots=True, kw_only=True)
class _SecretsFirst:
    """Implements `ConfigSource`: the entries of secrets before the caller's own.

    Programs that a secret names are not run: whoever writes a Secret is not who runs the audit.
    """

    secrets: tuple[DockerConfig, ...]
    own: ConfigSource

    async def current(self) -> DockerConfig:
        """Return the joined config."""
        own = await self.own.current()
        entries = tuple(entry for secret in self.secrets for entry in secret.entries)
        return replace(own, entries=(*entries, *own.entries))
