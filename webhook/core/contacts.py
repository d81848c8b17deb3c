"""Which registries a policy speaks of: the hosts that the server may contact even at private addresses."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.core.policy import Case, Exemption, Policy, Rule
from webhook.core.references import Glob

__all__ = ["leaves_images_open", "listed_hosts"]


def listed_hosts(policy: Policy) -> frozenset[str]:
    """Return every host that the policy names: in images, bases, mirrors and registries."""
    bases = (repository.registry for base in policy.bases for repository in (base.repository, *base.mirrors))
    registries = (
        name.partition("/")[0] for registry in policy.registries for name in (registry.host, *registry.mirrors)
    )
    images = (host for glob in _image_globs(policy) if "*" not in (host := _host(glob)))
    return frozenset((*bases, *registries, *images))


def leaves_images_open(policy: Policy) -> bool:
    """Tell whether some image that the policy judges may come from a host that it does not name."""
    judging = [part for part in _parts(policy) if not isinstance(part.outcome, Exemption)]
    return any(part.images is None or any("*" in _host(glob) for glob in part.images) for part in judging)


def _parts(policy: Policy) -> Iterator[Rule | Case]:
    for rule in policy.rules:
        yield rule
        yield from rule.cases


def _image_globs(policy: Policy) -> Iterator[Glob]:
    return (glob for part in _parts(policy) for glob in part.images or ())


def _host(glob: Glob) -> str:
    return glob.pattern.partition("/")[0]
