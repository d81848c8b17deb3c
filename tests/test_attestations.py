"""Required attestations, story by story: from what hangs in the registry to what the gate says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.core.attestations.given import (
    BUILDER,
    COSIGN_VULN,
    IN_TOTO_VULN,
    SLSA_1,
    SPDX,
    VEX,
    cosign_vuln,
    finding,
    openvex,
    provenance,
)
from tests.shop import HOST, Shop
from webhook.collecting.attestations import MAX_SIGNED_MANIFESTS
from webhook.core.facts import Trouble
from webhook.core.policy import BaseEvidence, Revocation
from webhook.core.problems import FailedAttestation, MissingAttestation, UnapprovedBase, Unverifiable
from webhook.core.references import Digest
from webhook.demo.attestations import attach_statement, attestation_child
from webhook.demo.bases import dhi_base
from webhook.demo.documents import OCI_CONFIG, OCI_MANIFEST, ManifestDocument, descriptor, encode
from webhook.demo.images import ARM64, build, index
from webhook.demo.layers import File
from webhook.demo.signer import Forgery, Signer
from webhook.demo.store import fallback_tag
from webhook.demo.variations import squashed
from webhook.ports import TroubleKind

REPOSITORY = "shop/api"
SBOM = {"spdxVersion": "SPDX-2.3"}
WANTS_SBOM = f'{{attestations: [{{type: "{SPDX}", from: [release]}}]}}'
WANTS_SCAN = (
    f'{{attestations: [{{type: "{COSIGN_VULN}", from: [release], maxAge: 7d, '
    "deny: {severities: [CRITICAL], fixedOnly: true}, vex: {from: [release]}}]}"
)
BY_PROVENANCE = (
    "{base: {evidence: [layers, provenance]}, attestations: "
    f'[{{type: "{SLSA_1}", from: [release], builders: ["{BUILDER}"], sources: ["https://git.example/shop/*"]}}]}}'
)


@pytest.fixture
def shop() -> Shop:
    """Return a world whose rule asks for a bill of materials."""
    return Shop(require=WANTS_SBOM)


def attest(shop: Shop, digest: Digest, kind: str, predicate: Mapping[str, Any], *, by: Signer | None = None) -> None:
    """Attest something of an image in a bundle, by default in the name of the release pipeline."""
    (by or shop.release).attest(shop.registry.store, REPOSITORY, digest, predicate, predicate_type=kind)


def attest_classic(shop: Shop, signer: Signer, image: Digest, *bundles: bytes) -> None:
    """Put the envelopes of these bundles behind the `.att` tag, as cosign before version 3 does."""
    store = shop.registry.store
    envelopes = [encode(json.loads(bundle)["dsseEnvelope"]) for bundle in bundles]
    layers = tuple(descriptor("application/vnd.dsse.envelope.v1+json", envelope) for envelope in envelopes)
    for blob in (*envelopes, b"{}"):
        store.put_blob(REPOSITORY, blob)
    config = descriptor(OCI_CONFIG, b"{}")
    manifest = ManifestDocument(schema_version=2, media_type=OCI_MANIFEST, config=config, layers=layers)
    store.put_manifest(REPOSITORY, encode(manifest), OCI_MANIFEST, tag=f"{fallback_tag(image)}.att")


class TestPlaces:
    """The same verdict wherever the statement is stored."""

    async def test_bundle(self, shop: Shop) -> None:
        """A bundle that hangs on the image is found."""
        image = shop.app()
        reference = shop.push(image)
        assert await shop.codes(reference) == ["missing-attestation"]

        attest(shop, image.digest, SPDX, SBOM)
        assert await shop.codes(reference) == []

    async def test_classic_tag(self, shop: Shop) -> None:
        """A DSSE envelope behind the `.att` tag is found, also as one of several."""
        image, other = shop.app(), shop.app(name="other")
        reference = shop.push(image)
        foreign = shop.release.bundle(other.digest, SPDX, SBOM)
        attest_classic(shop, shop.release, image.digest, foreign, shop.release.bundle(image.digest, SPDX, SBOM))

        assert await shop.codes(reference) == []

    async def test_signed_manifest_around_a_plain_statement(self, shop: Shop) -> None:
        """Docker's layout counts once the manifest that carries the statement is signed, and not before."""
        image = shop.app()
        reference = shop.push(image)
        carrier = attach_statement(shop.registry.store, REPOSITORY, image.digest, SPDX, SBOM)
        assert await shop.codes(reference) == ["missing-attestation"]

        shop.sandbox.sign_oci11(shop.registry.store, REPOSITORY, carrier)
        (problem,) = (await shop.review(reference)).verdicts[0].problems
        assert isinstance(problem, MissingAttestation)
        assert problem.others == ("sandbox",)

        shop.release.sign_oci11(shop.registry.store, REPOSITORY, carrier)
        assert await shop.codes(reference) == []

    async def test_plain_statement_of_another_type_costs_nothing(self, shop: Shop) -> None:
        """Signatures over manifests with statements that nobody asked for are not even looked for."""
        image = shop.app()
        reference = shop.push(image)
        carrier = attach_statement(shop.registry.store, REPOSITORY, image.digest, VEX, {})

        assert await shop.codes(reference) == ["missing-attestation"]
        assert f"referrers:{carrier}" not in shop.registry.asked

    async def test_buildkit_in_the_index(self, shop: Shop) -> None:
        """BuildKit's statements inside an index count if somebody signed the index, or the manifest itself."""
        image = shop.app()
        child = attestation_child(image, {SPDX: SBOM})
        reference = shop.push(index([image, child]))
        assert await shop.codes(reference) == ["missing-attestation"]

        shop.release.sign_bundle(shop.registry.store, REPOSITORY, Digest.parse(reference.partition("@")[2]))
        assert await shop.codes(reference) == []

        again = shop.push(index([image, child], annotations={"copy": "2"}))
        shop.release.sign_bundle(shop.registry.store, REPOSITORY, child.image.digest)
        assert await shop.codes(again) == []

    async def test_signed_index_vouches_for_nothing_beside_it(self, shop: Shop) -> None:
        """A plain statement that merely hangs on a signed index is vouched for by nobody."""
        image = shop.app()
        reference = shop.push(image, shop.release)
        attach_statement(shop.registry.store, REPOSITORY, image.digest, SPDX, SBOM)

        assert await shop.codes(reference) == ["missing-attestation"]

    async def test_registry_is_asked_once(self, shop: Shop) -> None:
        """What hangs on an image is listed once, for its signatures and its attestations."""
        image = shop.app()
        policy = shop.policy_that(
            f'{{signatures: {{from: [release]}}, attestations: [{{type: "{SPDX}", from: [release]}}]}}'
        )
        reference = shop.push(image, shop.release)
        attest(shop, image.digest, SPDX, SBOM)

        assert await shop.codes(reference, policy=policy) == []
        assert shop.registry.asked.count(f"referrers:{image.digest}") == 1

    async def test_nothing_is_fetched_that_no_rule_asks_for(self, shop: Shop) -> None:
        """A rule without attestations looks at no `.att` tag."""
        reference = shop.push(shop.app(), shop.release)

        assert await shop.codes(reference, policy=shop.policy_that("{signatures: {from: [release]}}")) == []
        assert not [question for question in shop.registry.asked if question.endswith(".att")]


class TestPlatforms:
    """Every platform must have what is required."""

    async def test_index_or_each_platform(self, shop: Shop) -> None:
        """A statement about the index is one about its platforms; one about a platform is about that one."""
        children = [shop.app(), shop.app(dhi_base(platform=ARM64))]
        reference = shop.push(index(children))
        attest(shop, children[0].digest, SPDX, SBOM)

        (problem,) = (await shop.review(reference)).verdicts[0].problems
        assert isinstance(problem, MissingAttestation)
        assert problem.platform == "linux/arm64"

        attest(shop, children[1].digest, SPDX, SBOM)
        assert await shop.codes(reference) == []

        whole = shop.push(index(children, annotations={"copy": "2"}), repository="shop/whole")
        digest = Digest.parse(whole.partition("@")[2])
        shop.release.attest(shop.registry.store, "shop/whole", digest, SBOM, predicate_type=SPDX)
        assert await shop.codes(whole) == []
        assert await shop.codes(f"{HOST}/shop/whole@{children[0].digest}") == ["missing-attestation"]


class TestForgeries:
    """What hangs in the right place and is not what it seems."""

    @pytest.mark.parametrize(
        "forgery",
        [
            Forgery(flipped=True),
            Forgery(digest=Digest(algorithm="sha256", hex="0" * 64)),
            Forgery(predicate_type=VEX),
            Forgery(payload_type="text/plain"),
        ],
        ids=["flipped bit", "another image", "another type", "announced as something else"],
    )
    async def test_forged(self, shop: Shop, forgery: Forgery) -> None:
        """Altered bytes, another image's statement and another type are no bill of materials of this image."""
        image = shop.app()
        reference = shop.push(image)
        shop.release.attest(shop.registry.store, REPOSITORY, image.digest, SBOM, predicate_type=SPDX, forgery=forgery)

        assert await shop.codes(reference) == ["missing-attestation"]

    async def test_another_signer(self, shop: Shop) -> None:
        """A statement by another authority of the policy is told of, and does not count."""
        image = shop.app()
        reference = shop.push(image)
        attest(shop, image.digest, SPDX, SBOM, by=shop.sandbox)
        attest(shop, image.digest, SPDX, SBOM, by=Signer.generate())

        (problem,) = (await shop.review(reference)).verdicts[0].problems
        assert isinstance(problem, MissingAttestation)
        assert (problem.others, problem.strangers) == (("sandbox",), 1)

    async def test_signature_is_no_attestation(self, shop: Shop) -> None:
        """A signature over the image attests nothing."""
        assert await shop.codes(shop.push(shop.app(), shop.release)) == ["missing-attestation"]

    async def test_predicate_that_is_a_string(self, shop: Shop) -> None:
        """A predicate that is no object fails, and is no exception."""
        image = shop.app()
        reference = shop.push(image)
        attest(shop, image.digest, SPDX, "SPDXVersion: SPDX-2.3")  # type: ignore[arg-type]

        assert await shop.codes(reference) == ["failed-attestation"]

    async def test_junk_does_not_hide_it(self, shop: Shop) -> None:
        """A hundred statements by strangers before and after do not keep the genuine one from being found."""
        image = shop.app()
        reference = shop.push(image)
        stranger = Signer.generate()
        for number in range(100):
            attest(shop, image.digest, SPDX, {"n": number}, by=stranger)
            if number == 50:
                attest(shop, image.digest, SPDX, SBOM)

        assert await shop.codes(reference) == []

    async def test_more_manifests_than_the_gate_follows(self, shop: Shop) -> None:
        """Where more plain statements hang on an image than signatures are looked for, nobody knows what is missing."""
        image = shop.app()
        reference = shop.push(image)
        for number in range(MAX_SIGNED_MANIFESTS + 1):
            attach_statement(shop.registry.store, REPOSITORY, image.digest, SPDX, {"n": number})

        assert await shop.codes(reference) == ["unverifiable"]

    async def test_registry_that_cannot_tell(self, shop: Shop) -> None:
        """A registry that fails leaves it open whether there is one: that is never missing, and never there."""
        reference = shop.push(shop.app())
        shop.registry.break_down(TroubleKind.TIMEOUT, "referrers")

        (problem,) = (await shop.review(reference)).verdicts[0].problems
        assert isinstance(problem, Unverifiable)
        assert isinstance(problem.trouble, Trouble)


class TestScans:
    """Builds with critical vulnerabilities stay out."""

    @pytest.fixture
    def shop(self) -> Shop:
        """Return a world whose rule asks for a fresh scan without critical findings that have a fix."""
        return Shop(require=WANTS_SCAN)

    async def test_clean_and_vulnerable(self, shop: Shop) -> None:
        """A clean scan lets the image in; a critical finding with a fix keeps it out, one without does not."""
        expected: list[tuple[tuple[dict[str, str], ...], list[str]]] = [
            ((), []),
            ((finding("CVE-1", "HIGH"),), []),
            ((finding("CVE-1", "CRITICAL", fixed=""),), []),
            ((finding("CVE-1", "CRITICAL"),), ["failed-attestation"]),
        ]
        for number, (found, codes) in enumerate(expected):
            image = shop.app(name=f"app{number}")
            reference = shop.push(image)
            attest(shop, image.digest, COSIGN_VULN, cosign_vuln(*found, at=shop.clock.now()))

            assert await shop.codes(reference) == codes, number

    async def test_old_clean_report_does_not_cover_the_new_one(self, shop: Shop) -> None:
        """Of two fresh reports the one that fails decides, whichever the registry lists first."""
        now = shop.clock.now()
        for order in (1, -1):
            image = shop.app(name=f"app{order}")
            reference = shop.push(image)
            reports = [cosign_vuln(at=now - timedelta(days=2)), cosign_vuln(finding("CVE-1", "CRITICAL"), at=now)]
            for report in reports[::order]:
                attest(shop, image.digest, COSIGN_VULN, report)

            assert await shop.codes(reference) == ["failed-attestation"]

    async def test_age(self, shop: Shop) -> None:
        """A scan is too old after a week, and one from tomorrow, or from no time at all, does not count."""
        now = shop.clock.now()
        for number, (at, codes) in enumerate(
            [
                (now - timedelta(days=6, hours=23), []),
                (now - timedelta(days=8), ["failed-attestation"]),
                (now + timedelta(days=1), ["failed-attestation"]),
                (None, ["failed-attestation"]),
            ]
        ):
            image = shop.app(name=f"app{number}")
            reference = shop.push(image)
            attest(shop, image.digest, COSIGN_VULN, cosign_vuln(at=at))

            assert await shop.codes(reference) == codes, at

    async def test_hidden_report_may_be_the_one_that_fails(self, shop: Shop) -> None:
        """A clean report is not enough where others could not be seen."""
        image = shop.app()
        reference = shop.push(image)
        attest_classic(
            shop,
            shop.release,
            image.digest,
            shop.release.bundle(image.digest, COSIGN_VULN, cosign_vuln(at=shop.clock.now())),
        )
        assert await shop.codes(reference) == []

        shop.registry.break_down(TroubleKind.TIMEOUT, "referrers")
        assert await shop.codes(reference) == ["unverifiable"]

    async def test_excused(self, shop: Shop) -> None:
        """An OpenVEX statement by a signer that the rule believes excuses a finding; by another, it does not."""
        image, now = shop.app(), shop.clock.now()
        reference = shop.push(image)
        attest(shop, image.digest, COSIGN_VULN, cosign_vuln(finding("CVE-1", "CRITICAL"), at=now))
        attest(shop, image.digest, VEX, openvex("CVE-1", image.digest, at=now), by=shop.sandbox)
        assert await shop.codes(reference) == ["failed-attestation"]

        attest(shop, image.digest, VEX, openvex("CVE-1", image.digest, at=now))
        assert await shop.codes(reference) == []

        later = openvex("CVE-1", image.digest, status="affected", at=now + timedelta(minutes=1))
        attest(shop, image.digest, VEX, later)
        assert await shop.codes(reference) == ["failed-attestation"]

    async def test_exception_that_cannot_be_read(self, shop: Shop) -> None:
        """A trusted OpenVEX document that cannot be read may take the others back, so that none of them excuses."""
        image, now = shop.app(), shop.clock.now()
        reference = shop.push(image)
        attest(shop, image.digest, COSIGN_VULN, cosign_vuln(finding("CVE-1", "CRITICAL"), at=now))
        attest(shop, image.digest, VEX, openvex("CVE-1", image.digest, at=now))
        attest(shop, image.digest, VEX, {"statements": "withdrawn"})

        assert await shop.codes(reference) == ["failed-attestation"]

    async def test_report_of_another_scanner(self, shop: Shop) -> None:
        """A report that the gate cannot read is no clean one."""
        image = shop.app()
        reference = shop.push(image)
        report = cosign_vuln(at=shop.clock.now())
        report["scanner"]["result"] = {"version": "2.1.0", "runs": []}
        attest(shop, image.digest, COSIGN_VULN, report)

        (problem,) = (await shop.review(reference)).verdicts[0].problems
        assert isinstance(problem, FailedAttestation)

    async def test_in_toto_report(self, shop: Shop) -> None:
        """in-toto's format says nothing about fixes, so a critical finding counts as one that may have some."""
        image = shop.app()
        reference = shop.push(image)
        result = [{"id": "CVE-1", "severity": [{"method": "cvss_v3", "score": "9.8"}]}]
        attest(shop, image.digest, IN_TOTO_VULN, {"scanner": {"result": result}})
        policy = shop.policy_that(WANTS_SCAN.replace(COSIGN_VULN, IN_TOTO_VULN).replace(" maxAge: 7d,", ""))

        assert await shop.codes(reference, policy=policy) == ["failed-attestation"]


class TestProvenanceOfTheBase:
    """An image without the layers of its base, admitted on what a trusted builder signed."""

    @pytest.fixture
    def shop(self) -> Shop:
        """Return a world whose rule takes provenance as evidence for the base."""
        return Shop(require=BY_PROVENANCE)

    async def test_squashed(self, shop: Shop) -> None:
        """A squashed image stands on the base that its signed provenance names, and the verdict says so."""
        image = squashed(shop.app())
        reference = shop.push(image)
        assert sorted(await shop.codes(reference)) == ["missing-attestation", "unapproved-base"]

        attest(shop, image.digest, SLSA_1, provenance(shop.base.digest))
        decision = await shop.review(reference)
        assert decision.allowed
        (standing,) = decision.verdicts[0].standings
        assert (standing.build.digest, standing.evidence) == (shop.base.digest, BaseEvidence.PROVENANCE)

    async def test_layers_decide_where_they_show_a_base(self, shop: Shop) -> None:
        """An image on an unapproved base cannot be talked onto an approved one."""
        dev = dhi_base(variant="dev", created=shop.clock.now())
        shop.builds += (shop.record(dev, "4.0-dev"),)
        image = shop.app(dev)
        reference = shop.push(image)
        attest(shop, image.digest, SLSA_1, provenance(shop.base.digest))

        assert await shop.codes(reference) == ["unapproved-base"]

    async def test_unused_base_launders_nothing(self, shop: Shop) -> None:
        """An approved base beside an image that nobody knows approves nothing, and the stranger is named."""
        image = squashed(shop.app())
        reference = shop.push(image)
        other = build(None, [{"bin/sh": File(content=b"sh")}], user="1000")
        attest(shop, image.digest, SLSA_1, provenance(shop.base.digest, other.digest))

        (problem,) = (await shop.review(reference)).verdicts[0].problems
        assert isinstance(problem, UnapprovedBase)
        assert len(problem.built_from) == 1

    async def test_every_image_must_satisfy_the_rule(self, shop: Shop) -> None:
        """A development build among the images is judged as if it were the base; a revoked one condemns."""
        dev = dhi_base(variant="dev", created=shop.clock.now())
        shop.builds += (shop.record(dev, "3.13-dev"),)
        image = squashed(shop.app())
        reference = shop.push(image)
        attest(shop, image.digest, SLSA_1, provenance(shop.base.digest, dev.digest))
        assert await shop.codes(reference) == ["wrong-variant"]

        shop.revoke(dev.chain_id)
        assert await shop.codes(reference) == ["revoked-base"]

    async def test_policy_revokes_what_went_in(self, shop: Shop) -> None:
        """An image that the policy revokes, by its digest or by its chain, condemns what was built from it."""
        image = squashed(shop.app())
        reference = shop.push(image)
        other = build(None, [{"bin/sh": File(content=b"sh")}], user="1000")
        attest(shop, image.digest, SLSA_1, provenance(shop.base.digest, other.digest))
        for revoked in (other.digest, shop.base.chain_id):
            entry = Revocation(digest=revoked, reason="leaked token")
            (verdict,) = (await shop.review(reference, policy=replace(shop.policy, revoked=(entry,)))).verdicts

            assert [problem.code for problem in verdict.problems] == ["revoked-base"]
            assert verdict.revoked

    async def test_provenance_that_cannot_be_read(self, shop: Shop) -> None:
        """A provenance without a builder fails, and shows no base."""
        image = squashed(shop.app())
        reference = shop.push(image)
        attest(shop, image.digest, SLSA_1, {"buildDefinition": {}})

        assert await shop.codes(reference) == ["unapproved-base", "failed-attestation"]

    async def test_no_image_is_no_evidence(self, shop: Shop) -> None:
        """A provenance that names no image shows no base."""
        image = squashed(shop.app())
        reference = shop.push(image)
        attest(shop, image.digest, SLSA_1, provenance())

        assert await shop.codes(reference) == ["unapproved-base"]

    @pytest.mark.parametrize("changes", [{"builder": "https://evil.example/b"}, {"source": "https://git.example/x/y"}])
    async def test_untrusted_build(self, shop: Shop, changes: dict[str, str]) -> None:
        """The word of a builder that the rule does not list, or about another source, counts for nothing."""
        image = squashed(shop.app())
        reference = shop.push(image)
        attest(shop, image.digest, SLSA_1, provenance(shop.base.digest, **changes))

        assert await shop.codes(reference) == ["unapproved-base", "failed-attestation"]

    async def test_another_signer(self, shop: Shop) -> None:
        """Provenance that the sandbox signed shows no base."""
        image = squashed(shop.app())
        reference = shop.push(image)
        attest(shop, image.digest, SLSA_1, provenance(shop.base.digest), by=shop.sandbox)

        assert await shop.codes(reference) == ["unapproved-base", "missing-attestation"]


async def test_fips_needs_the_catalog(shop: Shop) -> None:
    """A base without a FIPS attestation on record is not FIPS, whatever its name is."""
    reference = shop.push(shop.app())

    assert await shop.codes(reference, policy=shop.policy_that("{base: {fips: true}}")) == ["not-fips"]
