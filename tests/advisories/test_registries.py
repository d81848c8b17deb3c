"""A registry, its answers and its bytes; and where the gate goes for them."""

from __future__ import annotations

import json

import pytest
from aiohttp import web

from tests.adapters.given import LoopbackNames, open_registry, passwords, repository, trouble_of
from tests.advisories.given import REPOSITORY, SIGNED, asked_for, codes_of, envelope, hang
from tests.core.reviews import object_of, pod_spec, review
from tests.fakes.registry import FakeRegistry
from tests.shop import HOST, Shop
from webhook.adapters.clock import SystemClock
from webhook.core.references import Digest, Repository
from webhook.demo.envelopes import COSIGN_SIGN
from webhook.demo.images import build
from webhook.demo.layers import File
from webhook.demo.registry import LoopbackRegistry
from webhook.ports import TroubleKind


class MovingTag(FakeRegistry):
    """A registry whose tags point to something else every time."""

    def __init__(self, *answers: Digest) -> None:
        super().__init__()
        self._answers = list(answers)

    async def resolve(self, repository: Repository, tag: str, *, deadline: float) -> Digest | None:
        """Return the next answer, and what is there once there are none left."""
        found = await super().resolve(repository, tag, deadline=deadline)
        return self._answers.pop(0) if self._answers and not tag.startswith("sha256-") else found


class TestTheRegistryLies:
    """What a registry says is believed only as far as it hashes."""

    async def test_a_registry_that_answers_differently_the_second_time(self, shop: Shop) -> None:
        """The digest that was judged is the one that is reported: CVE-2022-47633, CVE-2023-47630, CVE-2023-33959."""
        good, bad = shop.app(), shop.app(name="bad")
        for answers, expected in (((good.digest, bad.digest), []), ((bad.digest, good.digest), ["unsigned"])):
            shop.registry = MovingTag(*answers)
            shop.push(good, shop.release)
            shop.push(bad)
            shop.registry.store.put_tag(REPOSITORY, "1.0", good.digest)

            decision = await shop.review(f"{HOST}/{REPOSITORY}:1.0", policy=shop.policy_that(loose(SIGNED)))

            assert codes_of(decision) == expected
            image = decision.verdicts[0].image
            assert image is not None
            assert image.digest == answers[0]

    async def test_bytes_that_are_not_what_was_asked_for(self, shop: Shop) -> None:
        """An image served under the digest of a signed one is not judged at all: CVE-2022-47633."""
        good, bad = shop.app(), shop.app(name="bad")
        reference = shop.push(good, shop.release)
        shop.push(bad)
        shop.registry.store.overwrite_manifest(REPOSITORY, good.digest, bad.manifest, good.media_type)

        assert await shop.codes(reference, policy=shop.policy_that("{signatures: {from: [release]}, base: {}}")) == [
            "unverifiable"
        ]

    async def test_a_manifest_that_two_readers_read_differently(self, shop: Shop) -> None:
        """Keys that stand twice, or twice but for case, are refused, whoever signed them."""
        image = shop.app()
        for twist in (b'"layers":[],"layers"', b'"Layers":[],"layers"', b'"layer\\u017f":[],"layers"'):
            twisted = image.manifest.replace(b'"layers"', twist, 1)
            digest = shop.registry.store.put_manifest(REPOSITORY, twisted, image.media_type, checked=False)
            shop.release.sign_bundle(shop.registry.store, REPOSITORY, digest)
            policy = shop.policy_that("{signatures: {from: [release]}, user: nonRoot}")

            assert await shop.codes(f"{HOST}/{REPOSITORY}@{digest}", policy=policy) == ["malformed-image"], twist


def loose(require: str) -> str:
    """Return a requirement that takes tags as well."""
    return require.replace("{", "{pinned: false, ", 1)


class TestEndlessData:
    """Whatever there is too much of is bounded, and never approved for that."""

    async def test_more_signatures_than_anybody_reads(self, shop: Shop) -> None:
        """Five hundred referrers are a verdict in bounded work: CVE-2023-46737, CVE-2023-42813, CVE-2023-33957."""
        image = shop.app()
        reference = shop.push(image)
        for number in range(500):
            hang(shop, image.digest, json.dumps({"junk": number}).encode())

        assert await shop.codes(reference) == ["unverifiable"]
        assert len([question for question in shop.registry.asked if question.startswith("manifest")]) <= 202

    async def test_a_signature_of_a_gigabyte(self, shop: Shop) -> None:
        """What calls itself enormous is not fetched: CVE-2024-29902, CVE-2024-29903."""
        image = shop.app()
        reference = shop.push(image)
        enormous = b"x" * (5 * 1024 * 1024)
        hang(shop, image.digest, enormous)

        assert await shop.codes(reference) == ["unsigned"]
        assert f"blob:{Digest.of(enormous)}" not in shop.registry.asked

    async def test_a_statement_about_everything(self, shop: Shop) -> None:
        """A hundred thousand subjects are not walked through: CVE-2024-45395, CVE-2025-66506."""
        image = shop.app()
        reference = shop.push(image)
        subjects = [{"digest": {"sha256": image.digest.hex}}] * 40_000
        kind = "https://in-toto.io/Statement/v1"
        statement = {"_type": kind, "subject": subjects, "predicateType": COSIGN_SIGN, "predicate": {}}
        hang(shop, image.digest, envelope(shop.release, json.dumps(statement).encode()))

        assert await shop.codes(reference) in (["invalid-signature"], ["unsigned"])

    @pytest.mark.parametrize("data", [b"[" * 100_000, b'{"a":' * 100_000, b"9" * 100_000, b'"' + b"\\u0000" * 10_000])
    async def test_documents_that_exhaust_a_parser(self, shop: Shop, data: bytes) -> None:
        """Nesting and numbers without end are junk like any other: CVE-2023-30551, CVE-2026-48702."""
        image = shop.app()
        reference = shop.push(image, shop.release)
        hang(shop, image.digest, data)

        assert await shop.codes(reference) == []


SOON = SystemClock().monotonic() + 3600


class TestWhereTheGateGoes:
    """The gate asks whom its operator listed, and tells nobody a secret of somebody else."""

    async def test_a_base_that_an_image_names_is_not_fetched(self, shop: Shop) -> None:
        """Labels, annotations and history lead nowhere: CVE-2025-27403, CVE-2026-4789."""
        inside = "http://169.254.169.254/latest/meta-data"
        names = ("org.opencontainers.image.base.name", "com.docker.dhi.chain-id", "org.opencontainers.image.source")
        lies = dict.fromkeys(names, inside)
        image = build(shop.base, [{"app": File(content=b"x")}], labels=lies, annotations=lies)
        shop.registry = places = Places()
        reference = shop.push(image, shop.release)

        await shop.codes(reference, policy=shop.policy_that("{signatures: {from: [release]}, base: {}}"))

        assert places.seen == {Repository(registry=HOST, path=REPOSITORY)}

    @pytest.mark.parametrize("way", ["realm", "redirect"])
    async def test_a_registry_that_points_inside(self, way: str) -> None:
        """Neither a token service nor a redirect leads to an inner address: CVE-2026-24845, CVE-2026-40868."""
        inside = "https://169.254.169.254/latest"

        async def answer(_request: web.Request) -> web.StreamResponse:
            if way == "redirect":
                return web.Response(status=307, headers={"Location": inside})
            return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer realm="{inside}",service="s"'})

        async with LoopbackRegistry() as server, open_registry(resolver=LoopbackNames()) as registry:
            server.interceptor = answer
            trouble = await trouble_of(registry.tags(repository(server.host), deadline=SOON))

        assert trouble.kind is TroubleKind.FORBIDDEN_ADDRESS

    async def test_a_secret_that_is_sent_elsewhere(self) -> None:
        """A credential stays with its registry, whoever is named as token service: CVE-2025-27403, CVE-2026-24845."""
        async with LoopbackRegistry() as server, LoopbackRegistry() as thief:

            async def answer(_request: web.Request) -> web.StreamResponse:
                challenge = f'Bearer realm="{thief.url}/token",service="s"'
                return web.Response(status=401, headers={"WWW-Authenticate": challenge})

            server.interceptor = answer
            async with open_registry(config=passwords(**{server.host: "user:s3cret"})) as registry:
                trouble = await trouble_of(registry.tags(repository(server.host), deadline=SOON))

        assert "s3cret" not in str(trouble)
        assert thief.requests
        assert not [request for request in thief.requests if "Authorization" in request.headers]

    async def test_a_pod_that_names_a_secret_of_another_namespace(self, shop: Shop) -> None:
        """No object makes the gate read a secret: it asks the same with pull secrets as without: CVE-2026-22039."""
        reference = shop.push(shop.app(), shop.release)
        spec = pod_spec(containers=[{"name": "api", "image": reference}])
        stealing = {**spec, "imagePullSecrets": [{"name": "theirs", "namespace": "kube-system"}]}
        asked = []
        for each in (spec, stealing):
            shop.registry.asked.clear()
            assert codes_of(await shop.review(asked_for(review(object_of("Pod", each))))) == []
            asked.append(sorted(shop.registry.asked))

        assert asked[0] == asked[1]


class Places(FakeRegistry):
    """A registry that knows which repositories it was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[Repository] = set()

    async def _begin(self, method: str, repository: Repository, name: str, deadline: float) -> None:
        self.seen.add(repository)
        await super()._begin(method, repository, name, deadline)
