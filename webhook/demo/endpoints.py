"""The endpoints of OCI Distribution 1.1 over a store: pull, push, list tags, list referrers.

Numbers such as `end-3` are those of the specification's table of endpoints. Not there: deleting (the store does that)
and byte ranges.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote, urlencode

from aiohttp import web

from webhook.core.errors import ParseError
from webhook.core.references import Digest
from webhook.demo.documents import OCI_INDEX, IndexDocument, encode, read_manifest
from webhook.demo.store import Refusal, Store, StoredManifest

__all__ = ["Endpoints", "refused"]

_NAME = r"{name:[a-z0-9]+(?:[._\-/]+[a-z0-9]+)*}"
_BINARY = "application/octet-stream"


def refused(refusal: Refusal, *, headers: dict[str, str] | None = None) -> web.Response:
    """Answer with an error in the form of the specification."""
    errors = [{"code": refusal.code, "message": refusal.message}]
    return web.json_response({"errors": errors}, status=refusal.status, headers=headers)


class Endpoints:
    """Handlers over one store; uploads that were begun and not ended are kept here.

    `page_size` is how many tags or referrers an answer holds at most; None: as many as there are.
    """

    def __init__(self, store: Store, *, page_size: int | None) -> None:
        self._store = store
        self._page_size = page_size
        self._uploads: dict[str, bytes] = {}

    def routes(self) -> tuple[web.RouteDef, ...]:
        """Return all routes; HEAD is answered wherever GET is."""
        return (
            web.get("/v2/", self.version),
            web.get(f"/v2/{_NAME}/manifests/{{reference}}", self.manifest),
            web.put(f"/v2/{_NAME}/manifests/{{reference}}", self.put_manifest),
            web.get(f"/v2/{_NAME}/tags/list", self.tags),
            web.get(f"/v2/{_NAME}/referrers/{{digest}}", self.referrers),
            web.post(f"/v2/{_NAME}/blobs/uploads/", self.begin_upload),
            web.patch(f"/v2/{_NAME}/blobs/uploads/{{upload}}", self.continue_upload),
            web.put(f"/v2/{_NAME}/blobs/uploads/{{upload}}", self.end_upload),
            web.get(f"/v2/{_NAME}/blobs/{{digest}}", self.blob),
        )

    async def version(self, _request: web.Request) -> web.Response:
        """end-1: say that this is a registry."""
        return web.json_response({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})

    async def manifest(self, request: web.Request) -> web.Response:
        """end-3: a manifest by tag or digest. There is no negotiation: the one that is there is sent."""
        name, reference = request.match_info["name"], request.match_info["reference"]
        stored = self._store.manifest(name, _digest(reference) if ":" in reference else reference)
        if stored is None:
            raise Refusal("MANIFEST_UNKNOWN", f"no {reference} in {name}", status=HTTPStatus.NOT_FOUND)
        return web.Response(
            body=stored.data,
            headers={"Content-Type": stored.media_type, "Docker-Content-Digest": str(stored.digest)},
        )

    async def blob(self, request: web.Request) -> web.Response:
        """end-2: a blob."""
        name, digest = request.match_info["name"], _digest(request.match_info["digest"])
        data = self._store.blob(name, digest)
        if data is None:
            raise Refusal("BLOB_UNKNOWN", f"no {digest} in {name}", status=HTTPStatus.NOT_FOUND)
        return web.Response(body=data, content_type=_BINARY, headers={"Docker-Content-Digest": str(digest)})

    async def begin_upload(self, request: web.Request) -> web.Response:
        """end-4a, end-4b, end-11: begin an upload, end it at once with `digest`, or mount a blob from elsewhere."""
        name = request.match_info["name"]
        if "digest" in request.query:
            return self._keep(name, await request.read(), _digest(request.query["digest"]))
        if {"mount", "from"} <= request.query.keys():
            digest = _digest(request.query["mount"])
            data = self._store.blob(request.query["from"], digest)
            if data is not None:
                return self._keep(name, data, digest)
        upload = secrets.token_hex(8)
        self._uploads[upload] = b""
        return self._accepted(name, upload)

    async def continue_upload(self, request: web.Request) -> web.Response:
        """end-5: add a chunk."""
        upload = self._begun(request)
        self._uploads[upload] += await request.read()
        return self._accepted(request.match_info["name"], upload)

    async def end_upload(self, request: web.Request) -> web.Response:
        """end-6: add the last chunk, which may be all or nothing, and keep the blob."""
        upload = self._begun(request)
        digest = _digest(request.query.get("digest", ""))
        data = self._uploads.pop(upload) + await request.read()
        return self._keep(request.match_info["name"], data, digest)

    async def put_manifest(self, request: web.Request) -> web.Response:
        """end-7: keep a manifest; `OCI-Subject` tells the client that its subject will list it."""
        name, reference = request.match_info["name"], request.match_info["reference"]
        by_digest = ":" in reference
        digest = self._store.put_manifest(
            name,
            await request.read(),
            request.content_type,
            tag=None if by_digest else reference,
            expected=_digest(reference) if by_digest else None,
        )
        headers = {"Location": f"/v2/{name}/manifests/{digest}", "Docker-Content-Digest": str(digest)}
        subject = self._subject(self._store.manifest(name, digest))
        if subject is not None:
            headers["OCI-Subject"] = subject
        return web.Response(status=HTTPStatus.CREATED, headers=headers)

    async def tags(self, request: web.Request) -> web.Response:
        """end-8a, end-8b: the tags after `last`, at most `n`."""
        name = request.match_info["name"]
        tags = self._store.tags(name)
        if tags is None:
            raise Refusal("NAME_UNKNOWN", f"no repository {name}", status=HTTPStatus.NOT_FOUND)
        following = [tag for tag in tags if tag > request.query.get("last", "")]
        page, headers = self._page(request, following)
        return web.json_response({"name": name, "tags": page}, headers=headers)

    async def referrers(self, request: web.Request) -> web.Response:
        """end-12a, end-12b: what refers to a digest, all or of one `artifactType`."""
        if not self._store.referrers_api:
            raise Refusal("UNSUPPORTED", "there is no referrers API here", status=HTTPStatus.NOT_FOUND)
        found = self._store.referrers(request.match_info["name"], _digest(request.match_info["digest"]))
        wanted = request.query.get("artifactType")
        entries = {entry.digest: entry for entry in found if wanted in {None, entry.artifact_type}}
        page, headers = self._page(request, _after(tuple(entries), request.query.get("last")))
        if wanted is not None:
            headers["OCI-Filters-Applied"] = "artifactType"
        document = IndexDocument(
            schema_version=2, media_type=OCI_INDEX, manifests=tuple(entries[digest] for digest in page)
        )
        return web.Response(body=encode(document), content_type=OCI_INDEX, headers=headers)

    def _page(self, request: web.Request, following: Sequence[str]) -> tuple[Sequence[str], dict[str, str]]:
        """Cut a page off, and say where the next begins if there is one."""
        asked = request.query.get("n", "")
        sizes = [size for size in (self._page_size, int(asked) if asked.isdecimal() else None) if size is not None]
        page = following[: min(sizes)] if sizes else following
        if len(page) == len(following) or not page:
            return page, {}
        query = {**request.query, "last": page[-1]}
        return page, {"Link": f'<{quote(request.path)}?{urlencode(query)}>; rel="next"'}

    def _keep(self, name: str, data: bytes, digest: Digest) -> web.Response:
        self._store.put_blob(name, data, expected=digest)
        headers = {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": str(digest)}
        return web.Response(status=HTTPStatus.CREATED, headers=headers)

    def _accepted(self, name: str, upload: str) -> web.Response:
        end = max(len(self._uploads[upload]) - 1, 0)
        headers = {"Location": f"/v2/{name}/blobs/uploads/{upload}", "Range": f"0-{end}"}
        return web.Response(status=HTTPStatus.ACCEPTED, headers=headers)

    def _begun(self, request: web.Request) -> str:
        upload = request.match_info["upload"]
        if upload not in self._uploads:
            raise Refusal("BLOB_UPLOAD_UNKNOWN", "no such upload", status=HTTPStatus.NOT_FOUND)
        return upload

    def _subject(self, stored: StoredManifest | None) -> str | None:
        """Return the subject that the referrers API will list `stored` under, if any."""
        if stored is None or not self._store.referrers_api:
            return None
        subject = read_manifest(stored.data).subject
        return subject.digest if subject else None


def _digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except ParseError as error:
        raise Refusal("DIGEST_INVALID", error.message) from error


def _after(digests: tuple[str, ...], last: str | None) -> tuple[str, ...]:
    """Return what stands behind `last`; all if it is not there."""
    return digests[digests.index(last) + 1 :] if last in digests else digests
