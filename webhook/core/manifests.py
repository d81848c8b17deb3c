"""Index, manifest and config bytes, read strictly into values.

What two programs could read differently is refused as `Malformed`: keys that stand twice or differ in case only, counts
that do not agree, unknown layer types, nested indexes, a platform that the config contradicts.

Reading (`parse_manifest`, `parse_config`) says what a document is; `runnable_problem` says whether an image of that
shape may run. They are apart because signatures and attestations are manifests too, with layers of any type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from webhook.core.descriptors import Descriptor, Platform, read_descriptor, read_digest, read_platform
from webhook.core.errors import ParseError
from webhook.core.reading.instants import parse_instant
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, parse_json
from webhook.core.references import Digest

__all__ = [
    "MAX_CONFIG_BYTES",
    "MAX_MANIFEST_BYTES",
    "Descriptor",
    "ImageConfig",
    "Index",
    "Malformed",
    "Manifest",
    "Platform",
    "attestation_contradiction",
    "is_attestation",
    "parse_config",
    "parse_manifest",
    "platform_contradiction",
    "runnable_problem",
]

MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_CONFIG_BYTES = 4 * 1024 * 1024
MAX_LAYERS = 1000
MAX_CHILDREN = 250
MAX_VARIABLES = 1000
"""How many environment variables are looked at."""

INDEX_TYPES = frozenset(
    {"application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"}
)
MANIFEST_TYPES = frozenset(
    {"application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"}
)
SCHEMA1_TYPES = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
CONFIG_TYPES = frozenset({"application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"})
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
IN_TOTO_TYPE = "application/vnd.in-toto+json"
NO_PLATFORM = Platform(os="unknown", architecture="unknown")
"""What BuildKit writes beside what cannot run; no node asks for it."""
LAYER_TYPES = frozenset(
    {
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.v1.tar+gzip",
        "application/vnd.oci.image.layer.v1.tar+zstd",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.diff.tar.gzip",
        "application/vnd.docker.image.rootfs.diff.tar.zstd",
    }
)

# All fields of all documents that a registry may call a manifest: whoever reads one kind may be shown another.
_MANIFEST_KEYS = frozenset(
    {"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "subject", "annotations"}
)
_CONFIG_KEYS = frozenset(
    {"created", "author", "architecture", "variant", "os", "os.version", "os.features", "config", "rootfs", "history"}
)
_ROOT_FILESYSTEM_KEYS = frozenset({"type", "diff_ids"})
_RUNTIME_KEYS = frozenset(
    {
        "User",
        "ExposedPorts",
        "Env",
        "Entrypoint",
        "Cmd",
        "Volumes",
        "WorkingDir",
        "Labels",
        "StopSignal",
        "ArgsEscaped",
        "Healthcheck",
        "OnBuild",
        "Shell",
    }
)
_VERSION_VARIABLE = re.compile(r"([A-Z][A-Z0-9_]{0,62}_VERSION)=([0-9A-Za-z.+_-]{1,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """An image that is not well formed: `what` names the document ("manifest sha256:…"), `why` what is wrong."""

    what: str
    why: str
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """An OCI index or Docker manifest list."""

    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """An OCI or Docker image manifest; `layers` are base first, top last."""

    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageConfig:
    """An image config; `diff_ids` are base first, top last, and only what the config claims.

    `versions` are environment variables such as `NODE_VERSION`, in their order: the author's words, which choose what
    to propose. The other variables are not kept, for they may hold secrets.
    """

    digest: Digest
    platform: Platform
    diff_ids: tuple[Digest, ...]
    user: str
    created: datetime | None
    labels: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)


def parse_manifest(digest: Digest, media_type: str, data: bytes) -> Index | Manifest | Malformed:
    """Read a manifest or an index of at most 4 MiB whose bytes were found to hash to `digest`.

    `media_type` is the answer's Content-Type, without parameters. An index holds at most 250 manifests and no indexes,
    a manifest at most 1,000 layers, of any type.
    Source: OCI Image Specification 1.1, `manifest.md` and `image-index.md`; Docker Image Manifest Version 2, Schema 2;
    CVE-2021-41190 for documents that are index and manifest at once.
    """
    try:
        source = JsonObject.of(parse_json(data, max_bytes=MAX_MANIFEST_BYTES))
        _check_kind(source, media_type)
        return _read_index(source, media_type) if media_type in INDEX_TYPES else _read_manifest(source, media_type)
    except ParseError as error:
        kind = "index" if media_type in INDEX_TYPES else "manifest"
        return Malformed(what=f"{kind} {digest.short}", why=str(error))


def runnable_problem(manifest: Manifest) -> Malformed | None:
    """Say why no container may be made of `manifest`, None if its shape is that of a well-formed image.

    Layers must be of a type whose content the gate can hash. Foreign and encrypted layers are refused, and so is
    anything that names `urls`: runtimes fetch from there what no registry was asked for.
    """
    problem = _config_problem(manifest.config)
    for number, layer in enumerate(manifest.layers):
        problem = problem or _layer_problem(number, layer)
    return Malformed(what=f"manifest with config {manifest.config.digest.short}", why=problem) if problem else None


def is_attestation(manifest: Manifest) -> bool:
    """Tell whether `manifest` carries in-toto statements and nothing else, by its own config and layer types.

    The types are claims, and not every runtime looks at them: see `attestation_contradiction`.
    Source: moby/buildkit `docs/attestations/attestation-storage.md`.
    """
    return (
        manifest.config.media_type in CONFIG_TYPES | {EMPTY_TYPE}
        and bool(manifest.layers)
        and all(layer.media_type == IN_TOTO_TYPE for layer in manifest.layers)
    )


def attestation_contradiction(descriptor: Descriptor) -> Malformed | None:
    """Say that an index offers what holds attestations only for a platform on which it may be run, or for any.

    A node takes a child by the platform that the index names, else by that of the child's config. Behind in-toto types
    containers/storage (CRI-O, Podman) unpacks what it finds, and containerd starts a container without any files.
    """
    if descriptor.platform == NO_PLATFORM:
        return None
    return Malformed(
        what=f"manifest {descriptor.digest.short}",
        why=f"holds attestations only, but is offered for {descriptor.platform or 'any platform'}",
        platform=str(descriptor.platform) if descriptor.platform else None,
    )


def parse_config(manifest: Manifest, data: bytes) -> ImageConfig | Malformed:
    """Read the config of `manifest` from bytes that were found to hash to the digest it names; at most 4 MiB.

    It must claim one SHA-256 diff ID for each layer. `created` is cut to microseconds; a date that is there must be
    one, since Go refuses the whole config otherwise.
    Source: OCI Image Specification 1.1, `config.md`.
    """
    try:
        return _read_config(manifest, data)
    except ParseError as error:
        return Malformed(what=f"config {manifest.config.digest.short}", why=str(error))


def platform_contradiction(descriptor: Descriptor, config: ImageConfig) -> Malformed | None:
    """Say that an index offers an image for another platform than the image's own config names.

    An index that names no platform claims nothing. One that says `unknown/unknown` of an image which can run claims
    something false: whoever skips it by that name would miss what a node may be told to run.
    """
    if descriptor.platform is None or descriptor.platform == config.platform:
        return None
    return Malformed(
        what=f"manifest {descriptor.digest.short}",
        why=f"is offered for {descriptor.platform}, but its config is for {config.platform}",
        platform=str(config.platform),
    )


def _check_kind(source: JsonObject, media_type: str) -> None:
    """Refuse what is not clearly one kind of document of schema 2."""
    source.refuse_variants(_MANIFEST_KEYS)
    if media_type in SCHEMA1_TYPES or source.has("fsLayers"):
        raise ParseError("", "is of Docker's schema 1, which names no content")
    if media_type not in INDEX_TYPES | MANIFEST_TYPES:
        raise ParseError("", f"is of type `{printable(media_type)}`, which is neither index nor image manifest")
    if source.text_or("mediaType", media_type) != media_type:
        raise ParseError(
            "mediaType", f"is `{printable(source.text('mediaType'))}`, but it was served as `{media_type}`"
        )
    if source.integer("schemaVersion") != 2:  # noqa: PLR2004 - the only version there is
        raise ParseError("schemaVersion", "is not 2")
    if "manifests" in source.members and {"config", "layers"} & source.members.keys():
        raise ParseError("", "is an index and an image manifest at once")


def _read_index(source: JsonObject, media_type: str) -> Index:
    manifests = tuple(read_descriptor(item) for item in source.objects("manifests", at_most=MAX_CHILDREN))
    for number, child in enumerate(manifests):
        path = f"manifests[{number}]"
        if child.media_type in INDEX_TYPES:
            raise ParseError(path, "is an index inside an index")
        if child.media_type not in MANIFEST_TYPES:
            raise ParseError(path, f"is of type `{printable(child.media_type)}`, which is no image manifest")
        if child.urls:
            raise ParseError(path, "names urls to fetch it from")
    return Index(media_type=media_type, manifests=manifests, annotations=source.text_map("annotations"))


def _read_manifest(source: JsonObject, media_type: str) -> Manifest:
    return Manifest(
        media_type=media_type,
        config=read_descriptor(source.object("config")),
        layers=tuple(read_descriptor(item) for item in source.objects("layers", at_most=MAX_LAYERS)),
        subject=read_descriptor(source.object("subject")) if source.has("subject") else None,
        artifact_type=source.text_or("artifactType", "") or None,
        annotations=source.text_map("annotations"),
    )


def _config_problem(config: Descriptor) -> str | None:
    if config.media_type not in CONFIG_TYPES:
        return f"config is of type `{printable(config.media_type)}`, which is no image config"
    return "config names urls to fetch it from" if config.urls else None


def _layer_problem(number: int, layer: Descriptor) -> str | None:
    where = f"layers[{number}]"
    if layer.urls:
        return f"{where} names urls to fetch it from"
    if layer.media_type.endswith("+encrypted"):
        return f"{where} is encrypted"
    if ".foreign." in layer.media_type or ".nondistributable." in layer.media_type:
        return f"{where} is a foreign layer, which registries do not hold"
    if layer.media_type not in LAYER_TYPES:
        return f"{where} is of type `{printable(layer.media_type)}`, which is no known layer type"
    return None


def _read_config(manifest: Manifest, data: bytes) -> ImageConfig:
    if manifest.config.media_type not in CONFIG_TYPES:
        raise ParseError("", f"is of type `{printable(manifest.config.media_type)}`, which is no image config")
    if len(data) != manifest.config.size:
        raise ParseError("", f"has {len(data):,} bytes where the manifest says {manifest.config.size:,}")
    source = JsonObject.of(parse_json(data, max_bytes=MAX_CONFIG_BYTES))
    source.refuse_variants(_CONFIG_KEYS)
    root = source.object("rootfs")
    root.refuse_variants(_ROOT_FILESYSTEM_KEYS)
    if root.text("type") != "layers":
        raise ParseError(root.at("type"), "is not `layers`")
    diff_ids = root.texts("diff_ids", at_most=MAX_LAYERS) if root.has("diff_ids") else ()
    if len(diff_ids) != len(manifest.layers):
        raise ParseError(root.at("diff_ids"), f"has {len(diff_ids)} entries for {len(manifest.layers)} layers")
    runtime = source.object_or_empty("config")
    runtime.refuse_variants(_RUNTIME_KEYS)
    return ImageConfig(
        digest=manifest.config.digest,
        platform=read_platform(source),
        diff_ids=tuple(
            _read_diff_id(text, path=f"{root.at('diff_ids')}[{number}]") for number, text in enumerate(diff_ids)
        ),
        user=runtime.text_or("User", ""),
        created=_read_instant(source, "created") if source.has("created") else None,
        labels=runtime.text_map("Labels"),
        versions=_read_versions(runtime),
    )


def _read_versions(runtime: JsonObject) -> Mapping[str, str]:
    """Read the variables that name versions. Nothing is refused for what else `Env` holds: no verdict hangs on it."""
    variables = runtime.members.get("Env")
    if not isinstance(variables, list):
        return {}
    found = (_VERSION_VARIABLE.fullmatch(entry) for entry in variables[:MAX_VARIABLES] if isinstance(entry, str))
    return {match[1]: match[2] for match in found if match}


def _read_diff_id(text: str, *, path: str) -> Digest:
    digest = read_digest(text, path=path)
    if digest.algorithm != "sha256":
        raise ParseError(path, "is not a sha256 digest")
    return digest


def _read_instant(source: JsonObject, key: str) -> datetime:
    """Read a field that holds an instant."""
    try:
        return parse_instant(source.text(key))
    except ParseError as error:
        raise ParseError(source.at(key), error.message) from None
