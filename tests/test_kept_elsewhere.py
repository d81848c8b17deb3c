"""Signatures and attestations that the policy says lie in another repository than the image (COSIGN_REPOSITORY)."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, assert_never

import pytest

from tests.shop import HOST, Shop
from webhook.collecting.attachments import MAX_REFERRERS_READ
from webhook.core.attestations.predicate_types import SPDX
from webhook.core.policy import Policy, RegistrySettings
from webhook.core.references import Digest, Repository
from webhook.demo.attestations import attach_statement, attestation_child
from webhook.demo.images import index
from webhook.demo.signer import HONEST, Forgery
from webhook.ports import TroubleKind

REPOSITORY = "shop/api"
ELSEWHERE = "signatures"
SIGNED = "{signatures: {from: [release]}}"
WANTS_SBOM = f'{{attestations: [{{type: "{SPDX}", from: [release]}}]}}'
Form = Literal["classic", "oci11", "bundle"]
FORMS: tuple[Form, ...] = ("classic", "oci11", "bundle")
SBOM = {"spdxVersion": "SPDX-2.3"}


class Place:
    """A shop whose release pipeline keeps what it signs in a repository of its own, and an image that nobody signed."""

    def __init__(self, require: str, *, referrers_api: bool = True) -> None:
        self.shop = Shop(require=require)
        self.shop.registry.store.referrers_api = referrers_api
        self.store = self.shop.registry.store
        self.release = replace(self.shop.release, moved_to=ELSEWHERE)
        self.content = self.shop.app()
        self.image = self.content.digest
        self.reference = self.shop.push(self.content)

    def policy(self, *, host: str = HOST) -> Policy:
        """Return the policy with the word about where the signatures of a host lie."""
        settings = RegistrySettings(host=host, signatures=Repository.parse(f"sigs.example/{ELSEWHERE}"))
        return replace(self.shop.policy, registries=(settings,))

    def sign(self, form: Form, forgery: Forgery = HONEST) -> None:
        """Have the pipeline sign the image."""
        match form:
            case "classic":
                self.release.sign_classic(self.store, REPOSITORY, self.image, forgery=forgery)
            case "oci11":
                self.release.sign_oci11(self.store, REPOSITORY, self.image, forgery=forgery)
            case "bundle":
                self.release.sign_bundle(self.store, REPOSITORY, self.image, forgery=forgery)
            case _:
                assert_never(form)

    async def codes(self, policy: Policy | None = None) -> list[str]:
        """Review the image under a policy, by default the one that knows the repository."""
        return list(await self.shop.codes(self.reference, policy=policy or self.policy()))


@pytest.mark.parametrize("referrers_api", [True, False], ids=["referrers", "fallback"])
@pytest.mark.parametrize("form", FORMS)
async def test_a_signature_that_was_moved_is_found(form: Form, referrers_api: bool) -> None:  # noqa: FBT001
    """Whatever its form and the registry, a signature in the other repository counts once the policy names that."""
    place = Place(SIGNED, referrers_api=referrers_api)
    place.sign(form)

    assert await place.codes(place.shop.policy) == ["unsigned"]
    assert await place.codes() == []


async def test_signatures_beside_the_image_still_count() -> None:
    """The other repository is asked too, not instead; each of two signers may keep to a place of its own."""
    place = Place("{signatures: {from: [release, sandbox], atLeast: 2}}")
    place.release.sign_bundle(place.store, REPOSITORY, place.image)
    place.shop.sandbox.sign_classic(place.store, REPOSITORY, place.image)

    assert await place.codes() == []


async def test_it_is_asked_about_the_images_of_its_host_only() -> None:
    """The signatures of one host's images are not looked for where another's are."""
    place = Place(SIGNED)
    place.release.sign_bundle(place.store, REPOSITORY, place.image)

    assert await place.codes(place.policy(host="other.example")) == ["unsigned"]


@pytest.mark.parametrize("form", FORMS)
async def test_what_lies_there_is_about_one_digest(form: Form) -> None:
    """A repository of signatures over many images lends none of them to another, not even under its name."""
    place = Place(SIGNED)
    other = Forgery(digest=place.shop.app(name="other").digest)
    place.sign(form, other)

    assert await place.codes() == ["invalid-signature"]


async def test_silence_there_is_no_absence() -> None:
    """Where the other repository does not answer, an unsigned image is one that nobody knows about."""
    place = Place(SIGNED)
    place.shop.registry.break_down(TroubleKind.UNAUTHORIZED, repository=ELSEWHERE)
    assert await place.codes() == ["unverifiable"]

    place.shop.release.sign_bundle(place.store, REPOSITORY, place.image)
    assert await place.codes() == []


async def test_junk_beside_the_image_does_not_crowd_it_out() -> None:
    """Each repository is read on its own: whoever may write beside the image cannot hide what lies elsewhere."""
    place = Place(SIGNED)
    for number in range(MAX_REFERRERS_READ + 1):
        place.shop.sandbox.sign_oci11(place.store, REPOSITORY, place.image, annotations={"n": str(number)})
    assert await place.codes() == ["unverifiable"]

    place.release.sign_bundle(place.store, REPOSITORY, place.image)
    assert await place.codes() == []


async def test_an_attestation_that_was_moved_is_found() -> None:
    """A bundle with a bill of materials in the other repository counts, and is no signature there either."""
    place = Place(WANTS_SBOM)
    place.release.attest(place.store, REPOSITORY, place.image, SBOM)

    assert await place.codes(place.shop.policy) == ["missing-attestation"]
    assert await place.codes() == []
    assert await place.codes(replace(place.policy(), rules=place.shop.policy_that(SIGNED).rules)) == ["unsigned"]


@pytest.mark.parametrize("carried", [REPOSITORY, ELSEWHERE], ids=["beside", "elsewhere"])
@pytest.mark.parametrize("signed", [REPOSITORY, ELSEWHERE], ids=["signed-beside", "signed-elsewhere"])
async def test_a_plain_statement_and_its_signature_may_lie_apart(carried: str, signed: str) -> None:
    """The manifest around a plain statement and the signature over that manifest are looked for in both places."""
    place = Place(WANTS_SBOM)
    carrier = attach_statement(place.store, REPOSITORY, place.image, SPDX, SBOM, into=carried)
    assert await place.codes() == ["missing-attestation"]

    replace(place.shop.release, moved_to=signed).sign_oci11(place.store, carried, carrier)
    assert await place.codes() == []


async def test_a_signature_over_the_index_may_lie_elsewhere() -> None:
    """BuildKit's statements inside an index count by a signature over the index, wherever that lies."""
    place = Place(WANTS_SBOM)
    place.reference = place.shop.push(index([place.content, attestation_child(place.content, {SPDX: SBOM})]))
    assert await place.codes() == ["missing-attestation"]

    place.release.sign_classic(place.store, REPOSITORY, Digest.parse(place.reference.partition("@")[2]))
    assert await place.codes() == []
