"""The registry adapter keeps its contract with registries that others wrote."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email.message import Message
from pathlib import Path
from ssl import create_default_context
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import Request, urlopen
from uuid import uuid4

import msgspec
import pytest

from tests.adapters.given import LOOPBACK, open_registry, passwords
from tests.contract.registry_contract import RegistryContract, Subject
from tests.e2e.gate import Certificates, make_certificates
from tests.e2e.tools import processes
from webhook.adapters.clock import SystemClock
from webhook.core.references import Digest, Repository
from webhook.demo.documents import (
    OCI_INDEX,
    OCI_MANIFEST,
    IndexDocument,
    descriptor,
    encode,
    read_manifest,
)

pytestmark = pytest.mark.e2e

USER, PASSWORD = "robot", "wide-open sesame"
CLOCK = SystemClock()
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpShelf:
    """Pushes as a client does that knows OCI 1.1: what has a subject is listed where the registry does not list it.

    `headers` go with every request; `ca_file` (PEM) is whom to trust, None for plain HTTP.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    ca_file: Path | None = None

    async def put_blob(self, path: str, data: bytes) -> Digest:
        """Push a blob by POST and PUT."""
        digest = Digest.of(data)
        begun = await self._ask("POST", f"{self.url}/v2/{path}/blobs/uploads/")
        location = urljoin(self.url, begun["Location"])
        await self._ask("PUT", f"{location}{'&' if '?' in location else '?'}digest={digest}", data)
        return digest

    async def put_manifest(self, path: str, data: bytes, media_type: str, *, tag: str | None = None) -> Digest:
        """Push a manifest; one with a subject is put behind the subject's fallback tag, alone, if need be.

        Source: OCI Distribution Specification 1.1, "Pushing Manifests with Subject".
        """
        digest = Digest.of(data)
        await self._ask("PUT", f"{self.url}/v2/{path}/manifests/{tag or digest}", data, media_type)
        document = read_manifest(data)
        if document.subject is not None and not await self._lists(path, document.subject.digest):
            entry = msgspec.structs.replace(descriptor(media_type, data), artifact_type=document.artifact_type)
            index = IndexDocument(schema_version=2, media_type=OCI_INDEX, manifests=(entry,))
            await self.put_manifest(path, encode(index), OCI_INDEX, tag=document.subject.digest.replace(":", "-"))
        return digest

    async def _lists(self, path: str, subject: str) -> bool:
        """Tell whether the registry has a referrers API."""
        try:
            await self._ask("GET", f"{self.url}/v2/{path}/referrers/{subject}")
        except HTTPError as error:
            error.close()
            return False
        return True

    async def _ask(
        self, method: str, url: str, data: bytes | None = None, media_type: str = "application/octet-stream"
    ) -> Message:
        """Return the headers of the answer, which must be a success; `HTTPError` if not."""
        headers = {**self.headers, "Content-Type": media_type}
        request = Request(url, data, headers, method=method)  # noqa: S310 - a registry of these tests
        context = create_default_context(cafile=self.ca_file)

        def send() -> Message:
            with urlopen(request, timeout=30, context=context) as answer:  # noqa: S310 - as above
                received: Message = answer.headers
                return received

        return await asyncio.to_thread(send)


@asynccontextmanager
async def plain_subject(address: str) -> AsyncIterator[Subject]:
    """Give an empty repository of a registry that speaks plain HTTP and asks for nothing."""
    async with open_registry() as registry:
        yield Subject(
            registry=registry,
            shelf=HttpShelf(url=f"http://{address}"),
            repository=Repository(registry=address, path=f"contract/{uuid4().hex}"),
            clock=CLOCK,
        )


@pytest.fixture(scope="module")
def go_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the registry of go-containerregistry."""
    with processes.oci_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture(scope="module")
def go_registry_without_referrers_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run it without the referrers API."""
    with processes.oci_registry(tmp_path_factory.mktemp("registry"), referrers=False) as address:
        yield address


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarded:
    """A registry with TLS that asks for a password."""

    address: str
    certificates: Certificates


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Run Debian's docker-registry with a certificate of an authority of its own."""
    folder = tmp_path_factory.mktemp("registry")
    certificates = make_certificates(folder / "certificates")
    with processes.debian_registry(
        folder, htpasswd={USER: PASSWORD}, tls=(certificates.certificate, certificates.key)
    ) as address:
        yield Guarded(address=address, certificates=certificates)


class TestGoRegistry(RegistryContract):
    """A registry with a referrers API."""

    @pytest.fixture
    async def subject(self, go_registry: str) -> AsyncIterator[Subject]:
        """Give an empty repository."""
        async with plain_subject(go_registry) as subject:
            yield subject

    async def test_what_is_attached_is_listed(self, subject: Subject) -> None:
        """This registry lists what is attached under the type of its config, whatever artefact type it has."""
        image = await subject.push_image()
        signature = await subject.push_image(subject=descriptor(OCI_MANIFEST, image))

        listing = await subject.registry.referrers(subject.pinned(Digest.of(image)), deadline=subject.deadline)

        assert [entry.digest for entry in listing.descriptors] == [Digest.of(signature)]
        assert [entry.artifact_type for entry in listing.descriptors] == [EMPTY_CONFIG]


class TestGoRegistryWithoutReferrersApi(RegistryContract):
    """A registry without: clients keep to the fallback tag."""

    @pytest.fixture
    async def subject(self, go_registry_without_referrers_api: str) -> AsyncIterator[Subject]:
        """Give an empty repository."""
        async with plain_subject(go_registry_without_referrers_api) as subject:
            yield subject


class TestDebianRegistry(RegistryContract):
    """The registry that many people run, with TLS and a password for everything."""

    @pytest.fixture
    async def subject(self, guarded: Guarded) -> AsyncIterator[Subject]:
        """Give an empty repository to somebody who knows the password."""
        options = replace(LOOPBACK, ca_pem_by_host={guarded.address: guarded.certificates.ca.read_text()})
        config = passwords(**{guarded.address: f"{USER}:{PASSWORD}"})
        credentials = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        async with open_registry(options, config=config) as registry:
            yield Subject(
                registry=registry,
                shelf=HttpShelf(
                    url=f"https://{guarded.address}",
                    headers={"Authorization": f"Basic {credentials}"},
                    ca_file=guarded.certificates.ca,
                ),
                repository=Repository(registry=guarded.address, path=f"contract/{uuid4().hex}"),
                clock=CLOCK,
            )
