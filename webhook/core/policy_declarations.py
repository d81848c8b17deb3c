"""The part of an ImagePolicy that rules refer to: authorities, bases, registries, revocations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from webhook.core import policy_keys as keys
from webhook.core.complaints import Complaints
from webhook.core.document_reading import Reading, Section, Value, attempt, did_you_mean
from webhook.core.errors import ParseError
from webhook.core.plain_text import printable
from webhook.core.policy import ApprovedBase, Authority, KeyAuthority, RegistrySettings, Revocation
from webhook.core.policy_files import PolicyFiles, certificates, public_keys
from webhook.core.policy_words import parse_host, parse_image_glob, parse_line, parse_name, parse_tag_glob
from webhook.core.references import Digest, Glob, Repository
from webhook.core.signatures.keys import PublicKey

__all__ = [
    "DeclaredNames",
    "authorities",
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

    None if they cannot be told; the declaration is then complained about, and its uses are not.
    """

    authorities: frozenset[str] | None
    bases: frozenset[Repository] | None

    @classmethod
    def of(cls, spec: Section) -> DeclaredNames:
        """Look ahead without complaining: the declarations are read in full elsewhere."""
        return cls(
            authorities=_look_ahead(
                spec, "authorities", lambda item: item.section(keys.AUTHORITY).required("name", _name).value()
            ),
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

    def base(self, value: Value) -> Repository:
        """Read the repository of a declared base."""
        repository = _repository(value)
        if self.bases is not None and repository not in self.bases:
            near = did_you_mean(str(repository), sorted(str(base) for base in self.bases))
            value.refuse(f"spec.bases does not list this repository{near}")
        return repository


def authorities(value: Value, files: PolicyFiles) -> tuple[Authority, ...]:
    """Read who can vouch for images; names are unique."""
    names: set[str] = set()
    return value.items(lambda item: _authority(item, names, files))


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


def _authority(value: Value, names: set[str], files: PolicyFiles) -> Authority:
    section = value.section(keys.AUTHORITY)
    name = section.required("name", lambda item: unique_name(item, names))
    held = _held_keys(section, files)
    repositories = section.optional("repositories", image_globs, None)
    annotations = section.optional("annotations", _annotations, None)
    return KeyAuthority(
        name=name.value(),
        keys=held.value(),
        repositories=repositories.value(),
        annotations=annotations.value(),
    )


def _held_keys(authority: Section, files: PolicyFiles) -> Reading[tuple[PublicKey, ...]]:
    """Read `key`. An authority of a kind that comes later has none; its kind has been refused already."""
    if not authority.has("key") and any(authority.has(kind) for kind in keys.AUTHORITY.later):
        return Reading(())
    return authority.required("key", lambda item: _keys(item, files))


def _keys(value: Value, files: PolicyFiles) -> tuple[PublicKey, ...]:
    section = value.section(keys.KEY)
    held = section.exactly_one(
        {
            "data": lambda item: public_keys(item, item.text().encode()),
            "file": lambda item: public_keys(item, files.read(item)),
        }
    )
    section.optional("transparencyLog", _transparency_log, None).value()
    return held.value()


def _transparency_log(value: Value) -> None:
    """Read what is asked of transparency logs: `ignore` is what the gate does with keys, `require` is not built."""
    if value.one_of({"ignore": False, "require": True}):
        value.refuse_unsupported()


def _annotations(value: Value) -> dict[str, str]:
    annotations = value.entries(line)
    for name in annotations:
        try:
            parse_line(name)
        except ParseError:
            value.refuse(f'"{printable(name)}" is not the name of an annotation')
    return annotations


def _base(value: Value, names: DeclaredNames) -> ApprovedBase:
    section = value.section(keys.BASE)
    repository = section.required("repository", _repository)
    tags = section.required("tags", lambda item: item.distinct(_tag_glob))
    signed_by = section.required("signedBy", lambda item: item.distinct(names.authority))
    mirrors = section.optional("mirrors", lambda item: item.distinct(_repository), ())
    if repository.value() in mirrors.value():
        section["mirrors"].refuse("a repository is no mirror of itself")
    return ApprovedBase(
        repository=repository.value(), tags=tags.value(), signed_by=signed_by.value(), mirrors=mirrors.value()
    )


def _registry(value: Value, files: PolicyFiles) -> RegistrySettings:
    section = value.section(keys.REGISTRY)
    host = section.required("host", _host)
    ca_pem = section.optional("ca", lambda item: _ca(item, files), None)
    mirrors = section.optional("mirrors", lambda item: item.distinct(_host), ())
    if host.value() in mirrors.value():
        section["mirrors"].refuse("a registry is no mirror of itself")
    return RegistrySettings(host=host.value(), ca_pem=ca_pem.value(), mirrors=mirrors.value())


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


def _look_ahead(spec: Section, key: str, reader: Callable[[Value], T]) -> frozenset[T] | None:
    if not spec.has(key):
        return frozenset()
    silently = replace(spec[key], complaints=Complaints())
    found = attempt(lambda value: frozenset(value.items(reader)), silently).found
    return found[0] if found else None
