"""The loopback registry speaks OCI Distribution 1.1 to a plain HTTP client."""

import json
import ssl
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import pytest
import trustme
import yarl
from aiohttp import web

from tests.demo.upload import upload, upload_blob
from webhook.core.references import Digest
from webhook.demo.bases import dhi_base
from webhook.demo.documents import OCI_INDEX, OCI_MANIFEST
from webhook.demo.images import build, push
from webhook.demo.registry import LoopbackRegistry
from webhook.demo.signer import Signer
from webhook.demo.store import Store

IMAGE = build(dhi_base(), [{"app": b"1"}])


async def test_an_upload_can_be_fetched_by_tag_and_digest(session: aiohttp.ClientSession) -> None:
    """Pushed over HTTP and fetched again, manifest, config and layers are the same bytes under the same names."""
    async with LoopbackRegistry() as registry:
        assert await upload(session, registry.url, "shop/api", IMAGE, tag="1") == IMAGE.digest
        for reference in ("1", str(IMAGE.digest)):
            async with session.get(f"{registry.url}/v2/shop/api/manifests/{reference}") as answer:
                assert await answer.read() == IMAGE.manifest
                assert answer.headers["Content-Type"] == OCI_MANIFEST
                assert answer.headers["Docker-Content-Digest"] == str(IMAGE.digest)
        for layer in IMAGE.layers:
            async with session.get(f"{registry.url}/v2/shop/api/blobs/{layer.digest}") as answer:
                assert await answer.read() == layer.blob


async def test_head_tells_size_and_digest(session: aiohttp.ClientSession) -> None:
    """HEAD answers as GET does, without the body."""
    async with LoopbackRegistry() as registry:
        push(registry.store, "shop/api", IMAGE, tag="1")
        async with session.head(f"{registry.url}/v2/shop/api/manifests/1") as answer:
            assert answer.headers["Content-Length"] == str(len(IMAGE.manifest))
            assert answer.headers["Docker-Content-Digest"] == str(IMAGE.digest)
        async with session.head(f"{registry.url}/v2/shop/api/blobs/{IMAGE.config_digest}") as answer:
            assert answer.status == HTTPStatus.OK
            assert await answer.read() == b""


async def test_the_version_endpoint_answers(session: aiohttp.ClientSession) -> None:
    """`/v2/` says that this is a registry."""
    async with LoopbackRegistry() as registry, session.get(f"{registry.url}/v2/") as answer:
        assert (answer.status, await answer.json()) == (200, {})


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("shop/api/manifests/none", "MANIFEST_UNKNOWN"),
        (f"shop/api/manifests/{Digest.of(b'')}", "MANIFEST_UNKNOWN"),
        (f"shop/api/blobs/{Digest.of(b'')}", "BLOB_UNKNOWN"),
        ("shop/none/tags/list", "NAME_UNKNOWN"),
    ],
)
async def test_what_is_not_there_is_404(session: aiohttp.ClientSession, path: str, code: str) -> None:
    """A missing manifest, blob or repository is a 404 with the code of the specification."""
    async with LoopbackRegistry() as registry:
        push(registry.store, "shop/api", IMAGE, tag="1")
        async with session.get(f"{registry.url}/v2/{path}") as answer:
            assert answer.status == HTTPStatus.NOT_FOUND
            assert (await answer.json())["errors"][0]["code"] == code


async def test_a_wrong_digest_is_refused(session: aiohttp.ClientSession) -> None:
    """Bytes that do not hash to the digest of the upload, and digests that are none, are 400."""
    async with LoopbackRegistry() as registry:
        uploads = f"{registry.url}/v2/shop/api/blobs/uploads/"
        async with session.post(uploads, params={"digest": str(Digest.of(b"a"))}, data=b"b") as answer:
            assert answer.status == HTTPStatus.BAD_REQUEST
            assert (await answer.json())["errors"][0]["code"] == "DIGEST_INVALID"
        async with session.get(f"{registry.url}/v2/shop/api/blobs/md5:00") as answer:
            assert answer.status == HTTPStatus.BAD_REQUEST


async def test_a_manifest_without_its_blobs_is_refused(session: aiohttp.ClientSession) -> None:
    """A manifest that arrives before its blobs is 400, by tag and by digest."""
    async with LoopbackRegistry() as registry:
        for reference in ("1", str(IMAGE.digest)):
            async with session.put(
                f"{registry.url}/v2/shop/api/manifests/{reference}",
                data=IMAGE.manifest,
                headers={"Content-Type": IMAGE.media_type},
            ) as answer:
                assert answer.status == HTTPStatus.BAD_REQUEST
                assert (await answer.json())["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


async def test_a_blob_can_come_in_chunks(session: aiohttp.ClientSession) -> None:
    """POST, several PATCHes and an empty PUT make one blob; an upload that was not begun is unknown."""
    async with LoopbackRegistry() as registry:
        async with session.post(f"{registry.url}/v2/shop/api/blobs/uploads/") as begun:
            location = registry.url + begun.headers["Location"]
        for piece, range_ in ((b"ab", "0-1"), (b"c", "0-2")):
            async with session.patch(location, data=piece) as answer:
                assert (answer.status, answer.headers["Range"]) == (HTTPStatus.ACCEPTED, range_)
        digest = Digest.of(b"abc")
        async with session.put(location, params={"digest": str(digest)}) as answer:
            assert answer.status == HTTPStatus.CREATED
        assert registry.store.blob("shop/api", digest) == b"abc"
        async with session.patch(location, data=b"d") as answer:
            assert (await answer.json())["errors"][0]["code"] == "BLOB_UPLOAD_UNKNOWN"


async def test_a_blob_can_be_mounted(session: aiohttp.ClientSession) -> None:
    """A blob of another repository is taken over; one that is not there has to be uploaded."""
    async with LoopbackRegistry() as registry:
        digest = registry.store.put_blob("shop/api", b"data")
        for mount, status in ((digest, HTTPStatus.CREATED), (Digest.of(b"x"), HTTPStatus.ACCEPTED)):
            query = {"mount": str(mount), "from": "shop/api"}
            async with session.post(f"{registry.url}/v2/shop/web/blobs/uploads/", params=query) as answer:
                assert answer.status == status
        assert registry.store.blob("shop/web", digest) == b"data"


async def test_a_manifest_with_a_subject_is_acknowledged(session: aiohttp.ClientSession) -> None:
    """A registry with the referrers API says `OCI-Subject`; one without says nothing, so that clients fall back."""
    subject = {"mediaType": OCI_MANIFEST, "digest": str(IMAGE.digest), "size": 1}
    data = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "layers": [], "subject": subject}).encode()
    for api, expected in ((True, str(IMAGE.digest)), (False, None)):
        async with LoopbackRegistry(Store(referrers_api=api)) as registry:
            url = f"{registry.url}/v2/shop/api/manifests/{Digest.of(data)}"
            async with session.put(url, data=data, headers={"Content-Type": OCI_MANIFEST}) as answer:
                assert answer.status == HTTPStatus.CREATED
                assert answer.headers.get("OCI-Subject") == expected


async def pages(session: aiohttp.ClientSession, registry: LoopbackRegistry, path: str, key: str) -> list[list[object]]:
    """Follow `Link` from the first page to the last."""
    found: list[list[object]] = []
    following: str | yarl.URL | None = registry.url + path
    while following is not None:
        async with session.get(following) as answer:
            found.append((await answer.json())[key])
            following = answer.links["next"]["url"] if "next" in answer.links else None
    return found


async def test_tags_are_paged(session: aiohttp.ClientSession) -> None:
    """The registry's own page size and the client's `n` both cut, and `Link` leads through everything."""
    async with LoopbackRegistry(page_size=2) as registry:
        for tag in ("a", "b", "c", "d", "e"):
            push(registry.store, "shop/api", IMAGE, tag=tag)
        assert await pages(session, registry, "/v2/shop/api/tags/list", "tags") == [["a", "b"], ["c", "d"], ["e"]]
        assert await pages(session, registry, "/v2/shop/api/tags/list?n=1&last=c", "tags") == [["d"], ["e"]]
        assert await pages(session, registry, "/v2/shop/api/tags/list?n=0", "tags") == [[]]


async def test_referrers_are_listed_filtered_and_paged(session: aiohttp.ClientSession) -> None:
    """All referrers come in pages of OCI index type; a filter is applied and said to be."""
    async with LoopbackRegistry(page_size=2) as registry:
        push(registry.store, "shop/api", IMAGE)
        signer = Signer.generate()
        signed = [signer.sign_bundle(registry.store, "shop/api", IMAGE.digest) for _ in range(2)]
        signed.append(signer.sign_oci11(registry.store, "shop/api", IMAGE.digest))
        path = f"/v2/shop/api/referrers/{IMAGE.digest}"
        listed = await pages(session, registry, path, "manifests")
        assert [len(page) for page in listed] == [2, 1]
        digests = [entry["digest"] for page in listed for entry in page if isinstance(entry, dict)]
        assert digests == [str(digest) for digest in signed]
        wanted = quote("application/vnd.dev.cosign.artifact.sig.v1+json", safe="")
        async with session.get(f"{registry.url}{path}?artifactType={wanted}") as answer:
            assert answer.headers["Content-Type"] == OCI_INDEX
            assert answer.headers["OCI-Filters-Applied"] == "artifactType"
            assert [entry["digest"] for entry in (await answer.json())["manifests"]] == [str(signed[2])]


async def test_a_digest_without_referrers_has_an_empty_list(session: aiohttp.ClientSession) -> None:
    """With the API, "nothing" is an empty index; without it, 404."""
    for api, status in ((True, HTTPStatus.OK), (False, HTTPStatus.NOT_FOUND)):
        async with (
            LoopbackRegistry(Store(referrers_api=api)) as registry,
            session.get(f"{registry.url}/v2/shop/api/referrers/{IMAGE.digest}") as answer,
        ):
            assert answer.status == status


async def test_requests_are_recorded_without_showing_secrets(session: aiohttp.ClientSession) -> None:
    """What was asked can be counted afterwards; headers are kept and not shown."""
    async with LoopbackRegistry() as registry:
        async with session.get(f"{registry.url}/v2/a/tags/list?n=1", headers={"Authorization": "Bearer hush"}):
            pass
        (request,) = registry.requests
    assert (request.method, request.path, request.query) == ("GET", "/v2/a/tags/list", "n=1")
    assert request.headers["Authorization"] == "Bearer hush"
    assert "hush" not in repr(request)


async def test_an_interceptor_plays_the_broken_registry(session: aiohttp.ClientSession) -> None:
    """What the interceptor answers is sent; where it says nothing the registry answers."""

    async def unwell(request: web.Request) -> web.Response | None:
        return web.Response(status=HTTPStatus.TOO_MANY_REQUESTS) if "manifests" in request.path else None

    async with LoopbackRegistry(interceptor=unwell) as registry:
        async with session.get(f"{registry.url}/v2/a/manifests/1") as answer:
            assert answer.status == HTTPStatus.TOO_MANY_REQUESTS
        registry.interceptor = None
        async with session.get(f"{registry.url}/v2/a/manifests/1") as answer:
            assert answer.status == HTTPStatus.NOT_FOUND


async def test_tls_is_real(session: aiohttp.ClientSession) -> None:
    """With a certificate the registry is HTTPS: trusted by its authority, by nobody else."""
    authority = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    async with LoopbackRegistry(tls=server) as registry:
        assert registry.url.startswith("https://127.0.0.1:")
        async with session.get(f"{registry.url}/v2/", ssl=client) as answer:
            assert answer.status == HTTPStatus.OK
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(f"{registry.url}/v2/")


def test_there_is_no_address_before_the_start() -> None:
    """The host is known only while the registry runs."""
    with pytest.raises(RuntimeError, match="async with"):
        _ = LoopbackRegistry().host


async def test_a_repository_name_that_is_none_is_refused(session: aiohttp.ClientSession) -> None:
    """A name with an empty part is no repository."""
    async with LoopbackRegistry() as registry, session.post(f"{registry.url}/v2/a//b/blobs/uploads/?digest=") as answer:
        assert answer.status == HTTPStatus.BAD_REQUEST
        assert await upload_blob(session, registry.url, "a//b", b"x") == HTTPStatus.BAD_REQUEST
