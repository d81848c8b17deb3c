"""Where to ask for a repository, and what counts as an answer when there are several places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from webhook.adapters.registry.options import RegistryOptions
from webhook.adapters.registry.question import Endpoint, Question
from webhook.adapters.registry.tokens import HUB_HOST
from webhook.core.references import DOCKER_HUB, Repository
from webhook.ports import Clock, RegistryTrouble, TroubleKind

__all__ = ["Mirrors", "endpoints_for"]

T = TypeVar("T")


class Mirrors:
    """Asks the mirrors of a repository in their order, then the registry itself.

    A mirror is a shortcut: what it does not have, or cannot tell, is asked of the next. Only the registry itself can
    say that something does not exist. Each place gets an equal share of the time that is left.
    """

    def __init__(self, *, options: RegistryOptions, clock: Clock, log: FilteringBoundLogger) -> None:
        self._options = options
        self._clock = clock
        self._log = log

    async def ask(
        self,
        question: Question,
        repository: Repository,
        ask: Callable[[Question, Endpoint], Awaitable[T]],
        *,
        is_answer: Callable[[T], bool] = lambda answer: answer is not None,
    ) -> T:
        """Return what the first mirror with an answer says, else what the registry itself says.

        `is_answer` tells whether what a mirror says settles the question; by default, whatever is not None does.
        """
        if not self._options.may_ask(repository.registry):
            forbidden = question.trouble(TroubleKind.FORBIDDEN_ADDRESS, "not a listed host")
            self._log_trouble(question, forbidden)
            raise forbidden
        *mirrors, upstream = endpoints_for(self._options, repository)
        for number, mirror in enumerate(mirrors):
            now = self._clock.monotonic()
            share = (question.deadline - now) / (len(mirrors) - number + 1)
            try:
                answer = await ask(question.until(now + share), mirror)
            except RegistryTrouble as trouble:
                self._log_trouble(question, trouble, mirror=mirror.host)
                continue
            if is_answer(answer):
                return answer
        try:
            return await ask(question, upstream)
        except RegistryTrouble as trouble:
            self._log_trouble(question, trouble)
            raise

    def _log_trouble(self, question: Question, trouble: RegistryTrouble, **where: str) -> None:
        """Write what the network said to the log, where the requester does not see it."""
        self._log.warning(
            "registry trouble",
            doing=question.doing,
            registry=question.where,
            trouble=trouble.kind.name.lower(),
            detail=trouble.detail,
            **where,
        )


def endpoints_for(options: RegistryOptions, repository: Repository) -> tuple[Endpoint, ...]:
    """Return the mirrors of a repository, in their order, and the registry itself last."""
    name = str(repository)
    prefixes = [prefix for prefix in options.mirrors if name == prefix or name.startswith(f"{prefix}/")]
    longest = max(prefixes, key=len, default=None)
    targets = options.mirrors[longest] if longest is not None else ()
    upstream = HUB_HOST if repository.registry == DOCKER_HUB else repository.registry
    return (
        *(_mirror(f"{target}{name.removeprefix(longest or '')}") for target in targets),
        Endpoint(host=upstream, repository=repository),
    )


def _mirror(name: str) -> Endpoint:
    """Return the endpoint of a repository by its name at a mirror."""
    host, _, path = name.partition("/")
    return Endpoint(host=HUB_HOST if host == DOCKER_HUB else host, repository=Repository(registry=host, path=path))
