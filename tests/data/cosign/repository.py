"""One repository of a registry on loopback: push tiny images into it, save it whole as an OCI image layout."""

import gzip
import hashlib
import io
import json
import tarfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, TypeAlias

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
TAG_ANNOTATION = "org.opencontainers.image.ref.name"

CREATED = "2026-11-01T00:00:00Z"  # fixed, so that the images are the same bytes in every run

Json: TypeAlias = dict[str, Any]


class Repository:
    """A repository of a plain HTTP registry; `urllib.error.URLError` if it is not content."""

    def __init__(self, address: str, name: str) -> None:
        self._base = f"http://{address}/v2/{name}"

    def push_blob(self, content: bytes) -> str:
        """Push a config or a layer and return its digest."""
        digest = digest_of(content)
        self._call("POST", f"/blobs/uploads/?digest={digest}", content, "Content-Type", "application/octet-stream")
        return digest

    def push_manifest(self, content: bytes, media_type: str, tag: str | None = None) -> str:
        """Push a manifest or an index, with or without a tag, and return its digest."""
        digest = digest_of(content)
        self._call("PUT", f"/manifests/{tag or digest}", content, "Content-Type", media_type)
        return digest

    def tags(self) -> list[str]:
        """Return all tags, sorted."""
        return sorted(json.loads(self._get("/tags/list")[0])["tags"])

    def manifest(self, name: str) -> tuple[bytes, str]:
        """Return the bytes and the media type of the manifest with this tag or digest."""
        return self._get(f"/manifests/{name}", accept=f"{INDEX}, {MANIFEST}, {DOCKER_MANIFEST}")

    def blob(self, digest: str) -> bytes:
        """Return the bytes of a config or a layer."""
        return self._get(f"/blobs/{digest}")[0]

    def referrers(self, digest: str) -> list[str]:
        """Return the digests of all manifests whose subject is `digest`, sorted; none where the API is off."""
        try:
            listing = json.loads(self._get(f"/referrers/{digest}")[0])
        except urllib.error.HTTPError as error:
            with error:
                return []
        return sorted(entry["digest"] for entry in listing["manifests"])

    def _get(self, path: str, *, accept: str = "*/*") -> tuple[bytes, str]:
        return self._call("GET", path, None, "Accept", accept)

    def _call(self, method: str, path: str, body: bytes | None, header: str, value: str) -> tuple[bytes, str]:
        """Return body and Content-Type of the answer."""
        request = urllib.request.Request(self._base + path, data=body, method=method, headers={header: value})  # noqa: S310
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return answer.read(), answer.headers.get("Content-Type", "")


def digest_of(content: bytes) -> str:
    """Return the digest, `sha256:` and 64 hexadecimal digits, of `content`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def push_image(repository: Repository, architecture: str, tag: str | None = None) -> Json:
    """Push an image of two tiny layers and return its descriptor, with platform."""
    layers, diff_ids = [], []
    for path, text in (("etc/os-release", "NAME=tiny\n"), ("app", f"for {architecture}\n")):
        unpacked = _tar_of(path, text.encode())
        packed = gzip.compress(unpacked, mtime=0)
        diff_ids.append(digest_of(unpacked))
        layers.append({"mediaType": LAYER, "digest": repository.push_blob(packed), "size": len(packed)})
    config = _to_json(
        {
            "created": CREATED,
            "architecture": architecture,
            "os": "linux",
            "config": {"User": "65532", "Entrypoint": ["/app"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    )
    described = {"mediaType": CONFIG, "digest": repository.push_blob(config), "size": len(config)}
    manifest = _to_json({"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": layers})
    digest = repository.push_manifest(manifest, MANIFEST, tag)
    platform = {"architecture": architecture, "os": "linux"}
    return {"mediaType": MANIFEST, "digest": digest, "size": len(manifest), "platform": platform}


def push_index(repository: Repository, tag: str) -> Json:
    """Push an index of two tiny images, amd64 and arm64, and return its descriptor."""
    children = [push_image(repository, architecture) for architecture in ("amd64", "arm64")]
    index = _to_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": children})
    return {"mediaType": INDEX, "digest": repository.push_manifest(index, INDEX, tag), "size": len(index)}


def _tar_of(path: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo(path)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()


def _to_json(document: Json) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def save_layout(repository: Repository, layout: Path) -> None:
    """Save all that can be reached from the tags of `repository` as an OCI image layout in the new folder `layout`."""
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    untagged: list[Json] = []
    seen: set[str] = set()

    def save(content: bytes) -> None:
        (blobs / hashlib.sha256(content).hexdigest()).write_bytes(content)

    def visit(name: str) -> Json:
        """Save the manifest with this tag or digest and what it leads to; return its descriptor."""
        content, media_type = repository.manifest(name)
        descriptor: Json = {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}
        if descriptor["digest"] in seen:
            return descriptor
        seen.add(descriptor["digest"])
        save(content)
        document = json.loads(content)
        for child in document.get("manifests", []):
            visit(child["digest"])
        for part in ([document["config"]] if "config" in document else []) + document.get("layers", []):
            save(repository.blob(part["digest"]))
        # Nothing but the referrers API leads to these, so the layout has to list them.
        untagged.extend(visit(referrer) for referrer in repository.referrers(descriptor["digest"]))
        return descriptor

    tagged = [{**visit(tag), "annotations": {TAG_ANNOTATION: tag}} for tag in repository.tags()]
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}\n', encoding="utf-8")
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": tagged + untagged}
    (layout / "index.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")
