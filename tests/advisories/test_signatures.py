"""What is no signature over this image, by this signer, for this purpose."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.advisories.given import REPOSITORY, envelope, hang
from tests.shop import Shop
from webhook.core.errors import ParseError
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import Digest
from webhook.demo.envelopes import COSIGN_SIGN
from webhook.demo.signer import Forgery


class TestSignatures:
    """What is no signature over this image, by this signer, for this purpose."""

    async def test_an_attestation_passed_off_as_a_signature(self, shop: Shop) -> None:
        """Who attests says what an image is, not that it may run: CVE-2022-35930, GHSA-w6c6-c85g-mmv6."""
        image = shop.app()
        reference = shop.push(image)
        shop.release.attest(shop.registry.store, REPOSITORY, image.digest, {}, predicate_type="https://slsa.dev/x")
        shop.release.attest(shop.registry.store, REPOSITORY, image.digest, {"spdxVersion": "SPDX-2.3"})

        assert await shop.codes(reference) == ["unsigned"]

    async def test_a_key_that_takes_half_an_hour_to_read(self, shop: Shop) -> None:
        """Anyone can hang junk on an image; none of it may cost more than reading it, or hide what is genuine."""
        image = shop.app()
        reference = shop.push(image)
        hang(shop, image.digest, json.dumps({"\u0315\u0300" * 500_000: 1}, ensure_ascii=False).encode())
        assert await shop.codes(reference) == ["unsigned"]

        shop.release.sign_bundle(shop.registry.store, REPOSITORY, image.digest)
        assert await shop.codes(reference) == []

    @pytest.mark.parametrize(
        "forgery",
        [
            Forgery(digest=Digest(algorithm="sha256", hex="0" * 64)),
            Forgery(payload_type="text/plain"),
            Forgery(flipped=True),
        ],
    )
    async def test_a_signature_that_speaks_of_something_else(self, shop: Shop, forgery: Forgery) -> None:
        """A wrong subject, type or bit is a refusal, never success for want of a parser: CVE-2022-35929."""
        image = shop.app()
        reference = shop.push(image)
        shop.release.sign_bundle(shop.registry.store, REPOSITORY, image.digest, forgery=forgery)

        assert await shop.codes(reference) == ["invalid-signature"]

    @pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"\xff", b'{"_type":', b'"text"', b"{}"])
    async def test_a_payload_that_cannot_be_parsed(self, shop: Shop, payload: bytes) -> None:
        """A well signed envelope around nonsense is no success: CVE-2026-39395."""
        image = shop.app()
        reference = shop.push(image)
        hang(shop, image.digest, envelope(shop.release, payload))

        assert await shop.codes(reference) in (["invalid-signature"], ["unsigned"])

    @pytest.mark.parametrize("subjects", [[], [{}], [{"digest": {}}], [{"digest": {"sha256": ""}}], None, "all"])
    async def test_a_statement_without_a_subject(self, shop: Shop, subjects: object) -> None:
        """A statement about nothing is not about this image: CVE-2022-35930."""
        image = shop.app()
        reference = shop.push(image)
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": subjects,
            "predicateType": COSIGN_SIGN,
            "predicate": {},
        }
        hang(shop, image.digest, envelope(shop.release, json.dumps(statement).encode()))

        assert await shop.codes(reference) == ["invalid-signature"]

    async def test_duplicate_keys_in_what_was_signed(self, shop: Shop) -> None:
        """A statement that names two digests under one key is about neither."""
        image = shop.app()
        reference = shop.push(image)
        honest = base64.b64decode(json.loads(shop.release.bundle(image.digest))["dsseEnvelope"]["payload"])
        twice = honest.replace(b'"sha256":', b'"sha256":"' + b"0" * 64 + b'","sha256":', 1)
        hang(shop, image.digest, envelope(shop.release, twice))

        assert await shop.codes(reference) == ["invalid-signature"]

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda text: f"{text}\n",
            lambda text: f" {text}",
            lambda text: f"{text[:8]}*{text[8:]}",
            lambda text: f"{text[:8]}={text[8:]}",
            lambda text: f"{text}====",
        ],
    )
    @pytest.mark.parametrize("member", ["payload", "sig"])
    async def test_lenient_base64(self, shop: Shop, member: str, spoil: Callable[[str], str]) -> None:
        """Two spellings of the same bytes are not both accepted, so nobody can add what another reader sees."""
        image = shop.app()
        reference = shop.push(image)
        document = json.loads(shop.release.bundle(image.digest))
        holder = document["dsseEnvelope"] if member == "payload" else document["dsseEnvelope"]["signatures"][0]
        holder[member] = spoil(holder[member])
        hang(shop, image.digest, json.dumps(document).encode())

        assert await shop.codes(reference) in (["invalid-signature"], ["unsigned"])

    async def test_a_signature_that_was_moved_to_another_image(self, shop: Shop) -> None:
        """A genuine signature over other bytes proves nothing about these: CVE-2022-36056."""
        signed, other = shop.app(), shop.app(name="other")
        reference = shop.push(other)
        hang(shop, other.digest, shop.release.bundle(signed.digest))

        assert await shop.codes(reference) == ["invalid-signature"]

    async def test_a_threshold_met_by_one_signer(self, shop: Shop) -> None:
        """One key under two names, or two signatures by one key, are one signer: CVE-2026-49834."""
        policy = two_names_for_one_key(shop)
        reference = shop.push(shop.app())
        image = shop.app().digest
        for sign in (shop.release.sign_bundle, shop.release.sign_classic, shop.release.sign_oci11):
            sign(shop.registry.store, REPOSITORY, image)

        assert await shop.codes(reference, policy=policy) == ["untrusted-signer"]

        shop.sandbox.sign_bundle(shop.registry.store, REPOSITORY, image)
        assert await shop.codes(reference, policy=policy) == []

    async def test_junk_candidates_before_the_good_one(self, shop: Shop) -> None:
        """Look-alikes that a stranger pushed first hide nothing, and take bounded work: CVE-2023-46737."""
        image = shop.app()
        reference = shop.push(image)
        for number in range(150):
            junk, note = Forgery(flipped=True), {"n": str(number)}
            shop.sandbox.sign_bundle(shop.registry.store, REPOSITORY, image.digest, annotations=note, forgery=junk)
        shop.release.sign_bundle(shop.registry.store, REPOSITORY, image.digest)

        assert await shop.codes(reference) == []


def two_names_for_one_key(shop: Shop) -> Policy:
    """Return a policy in which `docker` has the key of `release`, and two of three must have signed."""
    shop.docker = shop.release
    return shop.policy_that("{signatures: {from: [docker-dhi, release, sandbox], atLeast: 2}}")


class TestNames:
    """Who and what is matched, as a whole and by its own host."""

    @pytest.mark.parametrize(
        "image",
        [
            "attacker.example/registry.example/shop/api",
            "registry.example.attacker.example/shop/api",
            "registry.example:5000/shop/api",
            "registry.example/shop-evil/api",
            "registry.example/other/shop/api",
        ],
    )
    async def test_a_name_that_only_contains_the_allowed_one(self, shop: Shop, image: str) -> None:
        """A glob speaks about one host and whole path elements: Portieris before 0.14.2; CVE-2025-29778."""
        policy = allowing_only(shop.policy, "registry.example/shop/*")

        assert await shop.codes(f"{image}@sha256:{'0' * 64}", policy=policy) == ["forbidden-image"]
        assert shop.registry.asked == []

    @pytest.mark.parametrize(
        "subject",
        [
            "https://github.example/acme/api@refs/heads/main-evil",
            "https://evil.example/?https://github.example/acme/api@refs/heads/main",
            "https://github.example/acme/api@refs/heads/main\n",
            "https://githubXexample/acme/api@refs/heads/main",
        ],
    )
    def test_an_identity_that_matches_only_a_prefix(self, subject: str) -> None:
        """An expression has to match the whole value, and a plain text is no expression: CVE-2025-29778."""
        allowed = "https://github.example/acme/api@refs/heads/main"

        assert not TextPattern(allowed).matches(subject)
        assert not TextPattern(allowed.replace(".", r"\."), is_expression=True).matches(subject)

    def test_an_expression_that_explodes(self) -> None:
        """Expressions take linear time: CVE-2025-47281, CVE-2026-23881, Connaisseur up to 3.3.0."""
        assert not TextPattern("(a+)+$", is_expression=True).matches("a" * 100_000 + "!")
        with pytest.raises(ParseError, match="regular expression"):
            TextPattern(r"(a)\1", is_expression=True)


def allowing_only(policy: Policy, glob: str) -> Policy:
    """Return a policy whose rule takes no other images."""
    allowed = parse_policy(
        json.dumps(
            {
                "apiVersion": "dhi-gate.dev/v1alpha1",
                "kind": "ImagePolicy",
                "metadata": {"name": "names"},
                "spec": {"rules": [{"name": "all", "images": [glob], "require": {"user": "nonRoot"}}]},
            }
        ).encode(),
        read_file=lambda _name: b"",
    )
    return replace(policy, rules=(replace(policy.rules[0], images=allowed.rules[0].images),))
