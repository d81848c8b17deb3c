"""What the loopback registry keeps: blobs, manifests and tags, in memory.

It refuses what a real registry refuses, so that a test which pushes rubbish by accident fails at the push. Whoever
wants rubbish asks for it: `put_manifest(..., checked=False)` and the `overwrite_…` methods.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from http import HTTPStatus

from webhook.core.errors import ParseError
from webhook.core.references import Digest, ImageReference, Repository
from webhook.demo.documents import AnyManifest, DescriptorDocument, read_manifest

__all__ = ["Refusal", "Store", "StoredManifest", "fallback_tag"]


class Refusal(Exception):  # noqa: N818 - the registry refuses; nothing went wrong inside it
    """What a registry answers instead of doing what it was asked.

    `code` is one of the error codes of the OCI Distribution Specification 1.1, `status` the HTTP status that goes with
    it.
    """

    def __init__(self, code: str, message: str, *, status: HTTPStatus = HTTPStatus.BAD_REQUEST) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredManifest:
    """A manifest or index, byte for byte as it was pushed, under the name it is kept by."""

    digest: Digest
    media_type: str
    data: bytes


@dataclass(slots=True, kw_only=True)
class _Contents:
    """One repository."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    manifests: dict[Digest, StoredManifest] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)


class Store:
    """The content of a registry, by repository path (`shop/api`).

    `referrers_api` says whether the registry lists referrers by itself; where it does not, whoever attaches something
    keeps the fallback tag up to date (`webhook.demo.referrers` does).
    """

    def __init__(self, *, referrers_api: bool = True) -> None:
        self.referrers_api = referrers_api
        self._repositories: dict[str, _Contents] = {}

    @property
    def repositories(self) -> tuple[str, ...]:
        """The paths of all repositories, sorted."""
        return tuple(sorted(self._repositories))

    def put_blob(self, repository: str, data: bytes, *, expected: Digest | None = None) -> Digest:
        """Keep a blob under its SHA-256, or under `expected`; a Refusal if it does not hash to that."""
        digest = expected or Digest.of(data)
        _check_hash(data, digest)
        self._writable(repository).blobs[digest] = data
        return digest

    def put_manifest(
        self,
        repository: str,
        data: bytes,
        media_type: str,
        *,
        tag: str | None = None,
        expected: Digest | None = None,
        checked: bool = True,
    ) -> Digest:
        """Keep a manifest or index under its SHA-256, or under `expected`, and let `tag` point to it.

        A Refusal if it does not hash to `expected` or, unless `checked` is false, if it is not JSON of `media_type` or
        points to blobs or children that the repository does not have. A missing subject is no reason (OCI Distribution
        Specification 1.1, "Pushing manifests with subject").
        """
        digest = expected or Digest.of(data)
        _check_hash(data, digest)
        contents = self._writable(repository)
        if checked:
            _check_manifest(contents, data, media_type)
        contents.manifests[digest] = StoredManifest(digest=digest, media_type=media_type, data=data)
        if tag is not None:
            self.put_tag(repository, tag, digest)
        return digest

    def put_tag(self, repository: str, tag: str, digest: Digest) -> None:
        """Let `tag` point to `digest`, there or not; a Refusal if it is not a tag."""
        _parse_name(f"localhost/{repository}:{tag}", "MANIFEST_INVALID")
        self._writable(repository).tags[tag] = digest

    def blob(self, repository: str, digest: Digest) -> bytes | None:
        """Return a blob, None if it is not there."""
        contents = self._repositories.get(repository)
        return contents.blobs.get(digest) if contents else None

    def manifest(self, repository: str, reference: Digest | str) -> StoredManifest | None:
        """Return what a tag or digest names, None if it is not there."""
        contents = self._repositories.get(repository)
        if contents is None:
            return None
        digest = reference if isinstance(reference, Digest) else contents.tags.get(reference)
        return contents.manifests.get(digest) if digest else None

    def tags(self, repository: str) -> tuple[str, ...] | None:
        """Return all tags in the order of the specification (lexical), None if there is no such repository."""
        contents = self._repositories.get(repository)
        return tuple(sorted(contents.tags)) if contents else None

    def referrers(self, repository: str, subject: Digest) -> tuple[DescriptorDocument, ...]:
        """List the manifests whose `subject` is `subject`, in the order of their arrival.

        Source: OCI Distribution Specification 1.1, "Listing Referrers".
        """
        contents = self._repositories.get(repository)
        found = (_referrer(stored, subject) for stored in contents.manifests.values()) if contents else ()
        return tuple(entry for entry in found if entry is not None)

    def delete_blob(self, repository: str, digest: Digest) -> None:
        """Lose a blob; KeyError if it is not there."""
        del self._repositories[repository].blobs[digest]

    def delete_manifest(self, repository: str, digest: Digest) -> None:
        """Lose a manifest; tags that point to it point to nothing. KeyError if it is not there."""
        del self._repositories[repository].manifests[digest]

    def delete_tag(self, repository: str, tag: str) -> None:
        """Forget a tag; KeyError if it is not there."""
        del self._repositories[repository].tags[tag]

    def overwrite_blob(self, repository: str, digest: Digest, data: bytes) -> None:
        """Serve `data` as `digest`, whatever it hashes to, as a broken or lying registry does."""
        self._writable(repository).blobs[digest] = data

    def overwrite_manifest(self, repository: str, digest: Digest, data: bytes, media_type: str) -> None:
        """Serve `data` as `digest`, whatever it hashes to, as a broken or lying registry does."""
        stored = StoredManifest(digest=digest, media_type=media_type, data=data)
        self._writable(repository).manifests[digest] = stored

    def _writable(self, repository: str) -> _Contents:
        """Return a repository, a new one if need be; a Refusal if that is no name for one."""
        if repository not in self._repositories:
            parsed = _parse_name(f"localhost/{repository}", "NAME_INVALID")
            if parsed.path != repository:
                raise Refusal("NAME_INVALID", f"`{repository}` is not a repository")
        return self._repositories.setdefault(repository, _Contents())


def fallback_tag(digest: Digest) -> str:
    """Return the tag under which referrers are listed where the registry does not list them by itself.

    Source: OCI Distribution Specification 1.1, "Referrers Tag Schema".
    """
    return f"{digest.algorithm}-{digest.hex}"


def _parse_name(text: str, code: str) -> Repository:
    try:
        return ImageReference.parse(text).repository
    except ParseError as error:
        raise Refusal(code, error.message) from error


def _check_hash(data: bytes, digest: Digest) -> None:
    if hashlib.new(digest.algorithm, data).hexdigest() != digest.hex:
        raise Refusal("DIGEST_INVALID", f"the content does not hash to {digest}")


def _check_manifest(contents: _Contents, data: bytes, media_type: str) -> None:
    """Refuse a manifest that is not one, that calls itself something else, or that points to what is not there."""
    try:
        document = read_manifest(data)
    except ParseError as error:
        raise Refusal("MANIFEST_INVALID", error.message) from error
    if document.media_type not in {"", media_type}:
        raise Refusal("MANIFEST_INVALID", f"pushed as {media_type}, but calls itself {document.media_type}")
    known_blobs = {str(digest) for digest in contents.blobs}
    known_manifests = {str(digest) for digest in contents.manifests}
    blobs = (*((document.config,) if document.config else ()), *document.layers)
    missing = [entry.digest for entry in blobs if entry.digest not in known_blobs]
    missing += [entry.digest for entry in document.manifests if entry.digest not in known_manifests]
    if missing:
        raise Refusal("MANIFEST_BLOB_UNKNOWN", f"not in this repository: {', '.join(missing)}")


def _referrer(stored: StoredManifest, subject: Digest) -> DescriptorDocument | None:
    """Describe `stored` for the list of what refers to `subject`; None if it does not."""
    try:
        document = read_manifest(stored.data)
    except ParseError:
        return None
    if document.subject is None or document.subject.digest != str(subject):
        return None
    return DescriptorDocument(
        media_type=stored.media_type,
        digest=str(stored.digest),
        size=len(stored.data),
        artifact_type=_artifact_type(document),
        annotations=document.annotations,
    )


def _artifact_type(document: AnyManifest) -> str | None:
    """Tell what kind of artefact it is: its own word, else the media type of its config."""
    return document.artifact_type or (document.config.media_type if document.config else None)
