"""Whom a policy speaks of: registries, which the server may contact even at private addresses, and trusted roots."""

from __future__ import annotations

from collections.abc import Iterator

from webhook.core.policy import Case, Exemption, KeyAuthority, KeylessAuthority, Policy, Rule
from webhook.core.references import Glob, Repository
from webhook.core.signatures.trust_roots import PublicGood, TufMirror

__all__ = ["kept_elsewhere", "leaves_images_open", "listed_hosts", "refreshed_roots"]


def listed_hosts(policy: Policy) -> frozenset[str]:
    """Return every host that the policy names: in images, bases, mirrors, registries, and where signatures lie."""
    bases = (repository.registry for base in policy.bases for repository in (base.repository, *base.mirrors))
    elsewhere = (
        *(base.attestations.registry for base in policy.bases if base.attestations),
        *(registry.signatures.registry for registry in policy.registries if registry.signatures),
    )
    registries = (
        name.partition("/")[0] for registry in policy.registries for name in (registry.host, *registry.mirrors)
    )
    images = (host for glob in _image_globs(policy) if "*" not in (host := _host(glob)))
    return frozenset((*bases, *elsewhere, *registries, *images))


def kept_elsewhere(policy: Policy, repository: Repository) -> tuple[Repository, ...]:
    """Return where else to look for what is attached to the images of a repository, besides the repository itself.

    That is where its base has its attestations, if it is a base or a mirror of one, and where the signatures of its
    registry are kept. Several bases may share a mirror.
    """
    of_bases = (
        base.attestations
        for base in policy.bases
        if base.attestations is not None and repository in (base.repository, *base.mirrors)
    )
    of_registry = (
        registry.signatures
        for registry in policy.registries
        if registry.signatures is not None and registry.host == repository.registry
    )
    return tuple(dict.fromkeys((*of_bases, *of_registry)))


def leaves_images_open(policy: Policy) -> bool:
    """Tell whether some image that the policy judges may come from a host that it does not name."""
    judging = [part for part in _parts(policy) if not isinstance(part.outcome, Exemption)]
    return any(part.images is None or any("*" in _host(glob) for glob in part.images) for part in judging)


def refreshed_roots(policy: Policy) -> frozenset[TufMirror | PublicGood]:
    """Return the trusted roots that are not files of the policy: somebody must load them, and keep them fresh."""
    sources = (each.trust_root for each in policy.authorities if isinstance(each, KeyAuthority | KeylessAuthority))
    return frozenset(source for source in sources if isinstance(source, TufMirror | PublicGood))


def _parts(policy: Policy) -> Iterator[Rule | Case]:
    for rule in policy.rules:
        yield rule
        yield from rule.cases


def _image_globs(policy: Policy) -> Iterator[Glob]:
    return (glob for part in _parts(policy) for glob in part.images or ())


def _host(glob: Glob) -> str:
    return glob.pattern.partition("/")[0]
