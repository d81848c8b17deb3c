"""The part of an ImagePolicy that rules refer to: names of authorities, bases, registries, revocations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from webhook.core.policy import ApprovedBase, RegistrySettings, Revocation
from webhook.core.policy_reading import keys
from webhook.core.policy_reading.files import PolicyFiles, certificates
from webhook.core.policy_reading.words import parse_host, parse_image_glob, parse_line, parse_name, parse_tag_glob
from webhook.core.reading.complaints import Complaints
from webhook.core.reading.documents import Section, Value, attempt, did_you_mean
from webhook.core.references import Digest, Glob, Repository

__all__ = [
    "DeclaredNames",
    "bases",
    "image_globs",
    "line",
    "registries",
    "revocations",
    "unique_name",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredNames:
    """The names that one part of the document may use because another declares them.

    None if they cannot be told; the declaration is then complained about, and its uses are not. `certified` are those
    authorities that vouch by certificates.
    """

    authorities: frozenset[str] | None
    certified: frozenset[str]
    bases: frozenset[Repository] | None

    @classmethod
    def of(cls, spec: Section) -> DeclaredNames:
        """Look ahead without complaining: the declarations are read in full elsewhere."""
        declared = _look_ahead(spec, "authorities", _declared_authority)
        return cls(
            authorities=None if declared is None else frozenset(name for name, _ in declared),
            certified=frozenset(name for name, by_certificate in declared or () if by_certificate),
            bases=_look_ahead(
                spec, "bases", lambda item: item.section(keys.BASE).required("repository", _repository).value()
            ),
        )

    def authority(self, value: Value) -> str:
        """Read the name of a declared authority."""
        name = value.text()
        if self.authorities is not None and name not in self.authorities:
            value.refuse(f"no authority has this name{did_you_mean(name, sorted(self.authorities))}")
        return name

    def base_signer(self, value: Value) -> str:
        """Read the name of a declared authority that may vouch for a base: the catalog records keys."""
        name = self.authority(value)
        if name in self.certified:
            value.refuse_unsupported()
        return name

    def base(self, value: Value) -> Repository:
        """Read the repository of a declared base."""
        repository = _repository(value)
        if self.bases is not None and repository not in self.bases:
            near = did_you_mean(str(repository), sorted(str(base) for base in self.bases))
            value.refuse(f"spec.bases does not list this repository{near}")
        return repository


def bases(value: Value, names: DeclaredNames) -> tuple[ApprovedBase, ...]:
    """Read the approved bases; repositories are unique."""
    return value.distinct(lambda item: _base(item, names), by=lambda base: base.repository)


def registries(value: Value, files: PolicyFiles) -> tuple[RegistrySettings, ...]:
    """Read how to reach registries; hosts are unique."""
    return value.distinct(lambda item: _registry(item, files), by=lambda registry: registry.host)


def revocations(value: Value) -> tuple[Revocation, ...]:
    """Read what must not run; digests are unique."""
    return value.distinct(_revocation, by=lambda revocation: revocation.digest)


def unique_name(value: Value, names: set[str]) -> str:
    """Read a name that none of its siblings has; `names` are those met so far."""
    name = _name(value)
    if name in names:
        value.refuse(f'another one is named "{name}" already')
    names.add(name)
    return name


def image_globs(value: Value) -> tuple[Glob, ...]:
    """Read a list of globs over canonical image names."""
    return value.distinct(lambda item: item.parsed(parse_image_glob))


def line(value: Value) -> str:
    """Read a line for people."""
    return value.parsed(parse_line)


def _base(value: Value, names: DeclaredNames) -> ApprovedBase:
    section = value.section(keys.BASE)
    repository = section.required("repository", _repository)
    tags = section.required("tags", lambda item: item.distinct(_tag_glob))
    signed_by = section.required("signedBy", lambda item: item.distinct(names.base_signer))
    mirrors = section.optional("mirrors", lambda item: item.distinct(_repository), ())
    if repository.value() in mirrors.value():
        section["mirrors"].refuse("a repository is no mirror of itself")
    attestations = section.optional("attestations", _repository, None)
    return ApprovedBase(
        repository=repository.value(),
        tags=tags.value(),
        signed_by=signed_by.value(),
        mirrors=mirrors.value(),
        attestations=attestations.value(),
    )


def _registry(value: Value, files: PolicyFiles) -> RegistrySettings:
    section = value.section(keys.REGISTRY)
    host = section.required("host", _host)
    ca_pem = section.optional("ca", lambda item: _ca(item, files), None)
    mirrors = section.optional("mirrors", lambda item: item.distinct(_host), ())
    if host.value() in mirrors.value():
        section["mirrors"].refuse("a registry is no mirror of itself")
    signatures = section.optional("signatures", _repository, None)
    return RegistrySettings(
        host=host.value(), ca_pem=ca_pem.value(), mirrors=mirrors.value(), signatures=signatures.value()
    )


def _ca(value: Value, files: PolicyFiles) -> str:
    section = value.section(keys.FILE)
    return section.required("file", lambda item: certificates(item, files.read(item))).value()


def _revocation(value: Value) -> Revocation:
    section = value.section(keys.REVOCATION)
    digest = section.required("digest", lambda item: item.parsed(Digest.parse))
    reason = section.required("reason", line)
    return Revocation(digest=digest.value(), reason=reason.value())


def _name(value: Value) -> str:
    return value.parsed(parse_name)


def _repository(value: Value) -> Repository:
    return value.parsed(Repository.parse)


def _tag_glob(value: Value) -> Glob:
    return value.parsed(parse_tag_glob)


def _host(value: Value) -> str:
    return value.parsed(parse_host)


def _declared_authority(value: Value) -> tuple[str, bool]:
    """Read the name of an authority, and whether it vouches by certificates instead of keys."""
    section = value.section(keys.AUTHORITY)
    return section.required("name", _name).value(), section.has("keyless") or section.has("notation")


def _look_ahead(spec: Section, key: str, reader: Callable[[Value], T]) -> frozenset[T] | None:
    if not spec.has(key):
        return frozenset()
    silently = replace(spec[key], complaints=Complaints())
    found = attempt(lambda value: frozenset(value.items(reader)), silently).found
    return found[0] if found else None
