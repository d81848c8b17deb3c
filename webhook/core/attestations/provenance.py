"""SLSA provenance: who built an image, from which source, and from which other images.

Sources: SLSA provenance predicate, versions 0.2 and 1; moby/buildkit `docs/attestations/slsa-definitions.md` and
GitHub's build type for where the source stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from webhook.core.attestations.predicate_types import SLSA_PROVENANCE_02
from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject
from webhook.core.references import Digest

__all__ = ["Dependency", "Provenance", "read_provenance"]

MAX_DEPENDENCIES = 10_000

_NO_IMAGES = ("git+", "git:", "https:", "http:", "ssh:", "file:")
_IMAGE_PACKAGES = ("pkg:docker/", "pkg:oci/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Something that went into the build; `digest` is None where none is named that an image can have."""

    uri: str
    digest: Digest | None

    @property
    def may_be_image(self) -> bool:
        """Whether this may be an image: everything but sources, downloads and packages of other kinds."""
        if self.uri.startswith("pkg:"):
            return self.uri.startswith(_IMAGE_PACKAGES)
        return not self.uri.startswith(_NO_IMAGES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What a provenance says. `sources` are repositories without scheme prefix, revision and `.git`, as declared."""

    builder: str
    sources: tuple[str, ...]
    dependencies: tuple[Dependency, ...]

    @property
    def images(self) -> tuple[Dependency, ...]:
        """The dependencies that may be images."""
        return tuple(dependency for dependency in self.dependencies if dependency.may_be_image)


def read_provenance(predicate_type: str, predicate: JsonObject) -> Provenance:
    """Read a provenance of version 0.2 or 1; a ParseError for what is none."""
    if predicate_type == SLSA_PROVENANCE_02:
        return _read_version_02(predicate)
    return _read_version_1(predicate)


def _read_version_02(predicate: JsonObject) -> Provenance:
    predicate.refuse_variants(("builder", "invocation", "materials"))
    invocation = predicate.object_or_empty("invocation")
    return Provenance(
        builder=predicate.object("builder").text("id"),
        sources=_declared((invocation.object_or_empty("configSource").text_or("uri", ""),)),
        dependencies=_dependencies(predicate, "materials"),
    )


def _read_version_1(predicate: JsonObject) -> Provenance:
    predicate.refuse_variants(("buildDefinition", "runDetails"))
    definition = predicate.object("buildDefinition")
    definition.refuse_variants(("externalParameters", "resolvedDependencies"))
    details = predicate.object("runDetails")
    details.refuse_variants(("builder",))
    dependencies = _dependencies(definition, "resolvedDependencies")
    return Provenance(
        builder=details.object("builder").text("id"),
        sources=_sources_of_version_1(definition.object_or_empty("externalParameters"), dependencies),
        dependencies=dependencies,
    )


def _sources_of_version_1(parameters: JsonObject, dependencies: tuple[Dependency, ...]) -> tuple[str, ...]:
    """Return where the build was told to take its source from, in whichever of the usual places that stands.

    1. `source`: text, or an object with a `uri` (GitLab, and SLSA's generic builders).
    2. `workflow.repository` (GitHub).
    3. `configSource.uri` (BuildKit).
    4. Where none of these is there, every git repository among the dependencies.
    """
    parameters.refuse_variants(("source", "workflow", "configSource"))
    source = parameters.members.get("source")
    declared = _declared(
        (
            source if isinstance(source, str) else "",
            parameters.object("source").text_or("uri", "") if isinstance(source, dict) else "",
            parameters.object_or_empty("workflow").text_or("repository", ""),
            parameters.object_or_empty("configSource").text_or("uri", ""),
        )
    )
    return declared or _declared(d.uri for d in dependencies if d.uri.startswith(("git+", "git:")))


def _declared(uris: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_repository(uri) for uri in uris if uri))


def _repository(uri: str) -> str:
    """Take from a source URI what is not the repository: `git+`, the revision, and a final `.git`.

    A revision follows `#`, or an `@` after the last slash of the path; `@` before it belongs to the host.
    """
    bare = uri.removeprefix("git+").partition("#")[0]
    scheme, separator, rest = bare.partition("://")
    host, slash, path = rest.partition("/")
    bare = f"{scheme}{separator}{host}{slash}{path.partition('@')[0]}" if separator else bare
    return bare.removesuffix("/").removesuffix(".git")


def _dependencies(source: JsonObject, key: str) -> tuple[Dependency, ...]:
    if not source.has(key):
        return ()
    return tuple(_dependency(item) for item in source.objects(key, at_most=MAX_DEPENDENCIES))


def _dependency(item: JsonObject) -> Dependency:
    item.refuse_variants(("uri", "digest", "name"))
    uri = item.text_or("uri", "") or item.text_or("name", "")
    return Dependency(uri=uri, digest=_digest(item))


def _digest(item: JsonObject) -> Digest | None:
    """Return the SHA-256 of a dependency, None if it has none that is one."""
    hexadecimal = item.object_or_empty("digest").text_or("sha256", "")
    try:
        return Digest.parse(f"sha256:{hexadecimal}")
    except ParseError:
        return None
