"""Judging candidates: what counts as a signature of whom, what is broken, and what is nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any, cast

import pytest

from tests.core.signatures.given import (
    IMAGE,
    OTHER,
    RELEASE,
    STRANGER,
    TRUST,
    authority,
    bundle_by,
    bundle_of,
    digest,
    judged,
    simple_by,
    simple_of,
)
from webhook.core.facts import SignatureCandidate, SignatureSearch, Trouble
from webhook.core.policy import KeyAuthority
from webhook.core.references import Digest, PinnedImage
from webhook.core.signatures.findings import BrokenSignature, SignatureFindings, Voucher
from webhook.core.signatures.judge import MAX_CANDIDATES, judge_signatures
from webhook.core.signatures.keys import PublicKey
from webhook.demo.envelopes import IN_TOTO_PAYLOAD, SIGNATURE_ANNOTATION, SPDX, pre_authentication_encoding
from webhook.demo.envelopes import bundle as pack
from webhook.demo.signer import HONEST, Forgery, Signer

Sign = Callable[..., SignatureCandidate]

NOTHING = SignatureFindings()
A_STRANGER = SignatureFindings(strangers=1)
A_VOUCHER = SignatureFindings(vouchers=(Voucher(authority="release", key=RELEASE.fingerprint),))
both_forms = pytest.mark.parametrize("sign", [bundle_by, simple_by])


def broken(why: str) -> SignatureFindings:
    """Return what is found if the only candidate is a broken signature of `release`."""
    return SignatureFindings(broken=(BrokenSignature(authority="release", why=why),))


def bundle_around(payload: bytes, *, by: Signer = RELEASE, hint: str | None = None) -> SignatureCandidate:
    """Return a bundle with a proper signature over any payload."""
    signature = by.key.sign(pre_authentication_encoding(IN_TOTO_PAYLOAD, payload))
    return bundle_of(pack(payload, signature, hint=by.key.hint if hint is None else hint))


def changed_bundle(change: Callable[[dict[str, Any]], object], *, by: Signer = RELEASE) -> SignatureCandidate:
    """Return a bundle whose JSON was changed after signing."""
    document: dict[str, Any] = json.loads(by.bundle(IMAGE.digest))
    change(document)
    return bundle_of(json.dumps(document).encode())


def statement(**changes: object) -> bytes:
    """Return a signature's statement about IMAGE, with members replaced."""
    ordinary = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": IMAGE.digest.hex}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
    }
    return json.dumps({**ordinary, **changes}).encode()


def simple_signing(**changes: object) -> SignatureCandidate:
    """Return simple signing by `release` of a payload about IMAGE, with members of `critical` replaced."""
    critical = {
        "identity": {"docker-reference": ""},
        "image": {"docker-manifest-digest": str(IMAGE.digest)},
        "type": "cosign container image signature",
    }
    return signed_text(json.dumps({"critical": {**critical, **changes}}).encode())


def signed_text(payload: bytes) -> SignatureCandidate:
    """Return simple signing by `release` of any payload."""
    return simple_of(payload, {SIGNATURE_ANNOTATION: base64.b64encode(RELEASE.key.sign(payload)).decode()})


@both_forms
@pytest.mark.parametrize(
    "signer",
    [
        Signer.generate("ecdsa-p256"),
        Signer.generate("ecdsa-p384"),
        Signer.generate("ecdsa-p384", hash_rule="sha256"),
        Signer.generate("ecdsa-p521"),
        Signer.generate("rsa-2048"),
        Signer.generate("ed25519"),
        Signer.generate("ed25519", prehashed=True),
    ],
    ids=lambda signer: f"{type(signer.key.private).__name__}-{signer.key.hash_rule}-{signer.key.prehashed}",
)
def test_a_genuine_signature_vouches(sign: Sign, signer: Signer) -> None:
    """A signature over the very digest by a key of an authority vouches for that authority, in every form."""
    expected = SignatureFindings(vouchers=(Voucher(authority="release", key=signer.fingerprint),))

    assert judged(sign(signer), by=(authority("release", signer),)) == expected


@both_forms
def test_a_signature_by_an_unknown_key_is_a_strangers(sign: Sign) -> None:
    """Whoever signs with a key that no authority holds is a stranger."""
    assert judged(sign(STRANGER)) == A_STRANGER
    assert judged(sign(STRANGER), by=()) == A_STRANGER


@both_forms
def test_a_signature_over_another_image_is_broken(sign: Sign) -> None:
    """A genuine signature that was hung on another image does not hold there, and is no stranger's."""
    (finding,) = judged(sign(RELEASE, forgery=Forgery(digest=OTHER))).broken

    assert finding.authority == "release"
    assert "another image" in finding.why


@both_forms
def test_one_broken_candidate_spoils_no_other(sign: Sign) -> None:
    """Junk, strangers and broken signatures beside it take nothing from a genuine one."""
    findings = judged(
        bundle_of(b"\xff" * 100),
        simple_of(b"{", {}),
        sign(STRANGER),
        sign(RELEASE, forgery=Forgery(digest=OTHER)),
        sign(RELEASE),
    )

    assert findings.vouchers == A_VOUCHER.vouchers
    assert len(findings.broken) == 1
    assert findings.strangers == 1
    assert findings.incomplete is None


@both_forms
def test_the_same_signature_twice_is_one_voucher(sign: Sign) -> None:
    """Repeating a signature, or giving it in both forms, adds nothing."""
    assert judged(sign(RELEASE), sign(RELEASE), simple_by(RELEASE), bundle_by(RELEASE)) == A_VOUCHER


@both_forms
def test_every_authority_with_the_key_gets_a_voucher(sign: Sign) -> None:
    """Authorities that share a key are named all, with the fingerprint by which to count them once."""
    findings = judged(sign(RELEASE), by=(authority("a"), authority("b", STRANGER), authority("c", STRANGER, RELEASE)))

    assert [voucher.authority for voucher in findings.vouchers] == ["a", "c"]
    assert {voucher.key for voucher in findings.vouchers} == {RELEASE.fingerprint}


@both_forms
def test_an_authority_vouches_only_for_its_repositories(sign: Sign) -> None:
    """Outside its repositories a genuine signature counts as a stranger's; inside, as the authority's."""
    inside = authority(repositories=("other.example/**", "registry.example/shop/*"))
    outside = authority(repositories=("registry.example/shop", "registry.example/shop/api/**"))

    assert judged(sign(RELEASE), by=(inside,)) == A_VOUCHER
    assert judged(sign(RELEASE), by=(outside,)) == A_STRANGER
    assert judged(sign(RELEASE), by=(outside, inside)) == A_VOUCHER


@both_forms
def test_an_authority_must_sign_its_annotations(sign: Sign) -> None:
    """Required annotations count only if they were signed, each with exactly that value."""
    demanding = (authority(annotations={"env": "production", "team": "shop"}),)
    signed = {"env": "production", "team": "shop", "more": "x"}

    assert judged(sign(RELEASE, annotations=signed), by=demanding) == A_VOUCHER
    assert judged(sign(RELEASE, annotations={"env": "production"}), by=demanding) == A_STRANGER
    assert judged(sign(RELEASE, annotations={**signed, "env": "staging"}), by=demanding) == A_STRANGER
    assert judged(sign(RELEASE), by=demanding) == A_STRANGER


def test_unsigned_annotations_are_not_the_signed_ones() -> None:
    """Annotations of the layer do not stand in for those that were signed."""
    genuine = simple_by(RELEASE)
    dressed = simple_of(genuine.payload, {**genuine.annotations, "env": "production"})

    assert judged(dressed, by=(authority(annotations={"env": "production"}),)) == A_STRANGER


def test_a_flipped_bit_is_broken_where_a_hint_points_to_the_key() -> None:
    """A bundle that points at an authority and does not verify is broken; simple signing points at nobody."""
    flipped = Forgery(flipped=True)

    assert judged(bundle_by(RELEASE, forgery=flipped)) == broken("the signature does not verify")
    assert judged(simple_by(RELEASE, forgery=flipped)) == A_STRANGER


def test_a_hint_is_not_believed() -> None:
    """A stranger's bundle that points to the authority's key is broken; a wrong or odd hint hides no genuine one."""
    assert judged(bundle_by(STRANGER, forgery=Forgery(hint=RELEASE.key.hint))) == broken(
        "the signature does not verify"
    )
    for hint in (STRANGER.key.hint, "my-key", "", "AAAA"):
        assert judged(bundle_around(statement(), hint=hint)) == A_VOUCHER


def test_an_attestation_is_no_signature() -> None:
    """An attestation of the image counts as nothing, whoever made it and whether it verifies or not."""
    for forgery in (HONEST, Forgery(flipped=True)):
        for signer in (RELEASE, STRANGER):
            attestation = bundle_of(signer.bundle(IMAGE.digest, SPDX, {"spdxVersion": "SPDX-2.3"}, forgery=forgery))
            assert judged(attestation) == NOTHING


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"{}", "_type: is missing"),
        (b"[]", "is not an object"),
        (b'{"_type": 1, "_type": 1}', "has the key `_type` twice in one object"),
        (statement(_type="https://in-toto.io/Statement/v2"), "not an in-toto statement"),
        (statement(predicateType=None), "predicateType: is missing"),
        (statement(subject=[]), "subject: is another image"),
        (statement(subject=[{"digest": {"sha256": OTHER.hex}}]), "subject: is another image"),
        (statement(subject=[{"digest": {"sha256": IMAGE.digest.hex.upper()}}]), "subject: is another image"),
        (statement(subject=[{"digest": {"sha512": IMAGE.digest.hex}}]), "subject: is another image"),
        (statement(subject=[{"digest": {"sha256": IMAGE.digest.hex}}] * 2), "subject: names this image twice"),
        (statement(subject=[{"digest": {}}] * 1025), "subject: has more than 1,024 items"),
        (statement(subject=[{"Digest": {"sha256": IMAGE.digest.hex}}]), "some readers take for `digest`"),
        (statement(predicatetype="x"), "some readers take for one"),
        (statement(subject=[{"digest": {"sha256": IMAGE.digest.hex}, "annotations": []}]), "is not an object"),
    ],
)
def test_a_signed_statement_that_says_something_else_is_broken(payload: bytes, why: str) -> None:
    """A genuine signature over a statement that is not about exactly this image does not hold."""
    (finding,) = judged(bundle_around(payload)).broken

    assert why in finding.why


def test_statements_of_both_versions_hold() -> None:
    """The older statement type counts too, and other subjects beside the image do no harm."""
    subjects = [{"name": "x", "digest": {"sha256": OTHER.hex}}, {"digest": {"sha256": IMAGE.digest.hex}}]
    payload = statement(_type="https://in-toto.io/Statement/v0.1", subject=subjects)

    assert judged(bundle_around(payload)) == A_VOUCHER


def test_annotations_of_another_subject_do_not_count() -> None:
    """What was signed about another subject is not signed about this image; neither is what is no string."""
    demanding = (authority(annotations={"env": "production"}),)
    image, other = {"sha256": IMAGE.digest.hex}, {"sha256": OTHER.hex}
    about_other = [{"digest": image}, {"digest": other, "annotations": {"env": "production"}}]
    no_text = [{"digest": image, "annotations": {"env": ["production"]}}]

    for subjects in (about_other, no_text):
        assert judged(bundle_around(statement(subject=subjects)), by=demanding) == A_STRANGER


def test_a_wrong_payload_type_is_broken() -> None:
    """The type under which the payload was signed must be in-toto's."""
    (finding,) = judged(bundle_by(RELEASE, forgery=Forgery(payload_type="text/plain"))).broken

    assert finding.why == "payloadType: is `text/plain`, not `application/vnd.in-toto+json`"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda e: e.pop("payload"), "dsseEnvelope.payload: is missing"),
        (lambda e: e.update(payload=e["payload"] + "\n"), "dsseEnvelope.payload: is not base64"),
        (lambda e: e.update(payload=e["payload"].rstrip("=")[:-1]), "dsseEnvelope.payload: is not base64"),
        (lambda e: e.update(signatures=[]), "dsseEnvelope.signatures: is empty"),
        (lambda e: e.update(signatures=e["signatures"] * 2), "dsseEnvelope.signatures: has more than 1 items"),
        (lambda e: e["signatures"][0].pop("sig"), "dsseEnvelope.signatures[0].sig: is missing"),
        (lambda e: e.update(payload=base64.b64encode(b"x").decode()), "the signature does not verify"),
    ],
)
def test_a_spoilt_envelope_is_broken_only_if_it_points_at_an_authority(
    change: Callable[[dict[str, Any]], object], why: str
) -> None:
    """An envelope that cannot be verified is broken where the bundle points at an authority's key, else nothing."""
    assert judged(changed_bundle(lambda b: change(b["dsseEnvelope"]))) == broken(why)
    assert judged(changed_bundle(lambda b: change(b["dsseEnvelope"]), by=STRANGER)) == NOTHING


@pytest.mark.parametrize(
    "change",
    [
        lambda b: b.pop("mediaType"),
        lambda b: b.update(mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"),
        lambda b: b.pop("dsseEnvelope"),
        lambda b: b.update(messageSignature={"signature": "AAAA"}),
        lambda b: b.pop("verificationMaterial"),
        lambda b: b.update(verificationMaterial={}),
        lambda b: b["verificationMaterial"].update(certificate={"rawBytes": "AAAA"}),
        lambda b: b.update(DsseEnvelope={}),
    ],
)
def test_what_is_no_key_bundle_is_nothing(change: Callable[[dict[str, Any]], object]) -> None:
    """JSON that is not one bundle with one DSSE envelope is no signature, though its parts be genuine."""
    assert judged(changed_bundle(change)) == NOTHING


def test_a_certificate_bundle_is_a_strangers() -> None:
    """A bundle with a certificate instead of a key is a signature by somebody whom no key of the policy is."""
    material = {"verificationMaterial": {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": [{"logIndex": "1"}]}}

    assert judged(changed_bundle(lambda b: b.update(material), by=STRANGER)) == A_STRANGER


def test_log_entries_are_not_judged() -> None:
    """What stands beside a key's signature about a log changes nothing while the policy ignores logs."""
    entries = {"tlogEntries": [{"logIndex": "1"}], "timestampVerificationData": {}}

    assert judged(changed_bundle(lambda b: b["verificationMaterial"].update(entries))) == A_VOUCHER


@pytest.mark.parametrize(
    ("candidate", "why"),
    [
        (simple_signing(type="atomic container signature"), "critical.type: is `atomic container signature`"),
        (simple_signing(type=None), "critical.type: is missing"),
        (simple_signing(Type="cosign container image signature"), "some readers take for one"),
        (simple_signing(image={}), "critical.image.docker-manifest-digest: is missing"),
        (simple_signing(image={"docker-manifest-digest": "sha256:00"}), "is not 64 lower-case hexadecimal digits"),
        (
            simple_signing(image={"Docker-Manifest-Digest": str(IMAGE.digest)}),
            "critical.image: has the key `Docker-Manifest-Digest`, which some readers take for",
        ),
        (simple_signing(image={"docker-manifest-digest": str(OTHER)}), f"is {OTHER.short}: it signs another image"),
        (signed_text(b"{}"), "critical: is missing"),
        (signed_text(b"release notes"), "is not JSON"),
        (signed_text(b'{"critical": {}, "Optional": {}}'), "which some readers take for `optional`"),
    ],
)
def test_a_signed_text_that_says_something_else_is_broken(candidate: SignatureCandidate, why: str) -> None:
    """A genuine signature over a text that is no signature of exactly this image does not hold."""
    (finding,) = judged(candidate).broken

    assert why in finding.why


def test_annotations_in_simple_signing_must_be_text() -> None:
    """A signed annotation that is no string is there, and satisfies nothing; so may names differ in case."""
    text = json.loads(simple_signing().payload)
    text["optional"] = {"env": 1, "Env": "production"}
    candidate = signed_text(json.dumps(text).encode())

    assert judged(candidate) == A_VOUCHER
    assert judged(candidate, by=(authority(annotations={"env": "1"}),)) == A_STRANGER
    assert judged(candidate, by=(authority(annotations={"Env": "production"}),)) == A_VOUCHER


@pytest.mark.parametrize("signature", [None, "", "!", "QUJD\n"])
def test_a_layer_without_a_signature_is_nothing(signature: str | None) -> None:
    """A signed text whose annotation holds no signature is no signature."""
    annotations = {} if signature is None else {SIGNATURE_ANNOTATION: signature}

    assert judged(simple_of(simple_by(RELEASE).payload, annotations)) == NOTHING


def test_oversized_candidates_are_nothing() -> None:
    """A payload larger than its form allows is not looked into."""
    assert judged(signed_text(b" " * (1024 * 1024 + 1))) == NOTHING
    assert judged(bundle_of(RELEASE.bundle(IMAGE.digest) + b" " * (4 * 1024 * 1024))) == NOTHING


def test_no_candidates_are_no_findings() -> None:
    """Where nothing was found there is nothing, and nobody vouched."""
    assert judged() == NOTHING


def test_an_incomplete_search_stays_incomplete() -> None:
    """Trouble of the search is passed on, beside what was found."""
    trouble = Trouble(doing="listing signatures", where="registry.example", why="no answer in time")
    search = SignatureSearch(candidates=(bundle_by(RELEASE),), incomplete=trouble)
    findings = judge_signatures(search, IMAGE, (authority(),), TRUST)

    assert findings == SignatureFindings(vouchers=A_VOUCHER.vouchers, incomplete=trouble)


@pytest.mark.parametrize("position", [0, 1, 600, 1200])
def test_junk_does_not_starve_the_genuine_one(position: int) -> None:
    """A bundle that points to the key is judged among any number of others, and the cut is told."""
    junk = [bundle_of(b"{}")] * 1200
    findings = judged(*junk[:position], bundle_by(RELEASE), *junk[position:])

    assert findings.vouchers == A_VOUCHER.vouchers
    assert findings.incomplete == Trouble(
        doing="judging signatures", where="registry.example", why="more candidates than the gate looks at"
    )


@pytest.mark.parametrize("first", [True, False])
def test_look_alikes_do_not_starve_what_was_there_before_or_comes_after(*, first: bool) -> None:
    """Among look-alikes the first and the last candidate are judged before those between."""
    look_alikes = (simple_by(STRANGER),) * MAX_CANDIDATES
    genuine = simple_by(RELEASE)
    findings = judged(*((genuine, *look_alikes) if first else (*look_alikes, genuine)))

    assert findings.vouchers == A_VOUCHER.vouchers
    assert findings.incomplete is not None


def test_all_candidates_within_the_bound_are_judged() -> None:
    """As many candidates as are looked at make a complete judgement."""
    findings = judged(*[bundle_of(b"{}")] * MAX_CANDIDATES)

    assert findings == NOTHING


def test_the_bytes_of_all_candidates_are_bounded() -> None:
    """Large candidates together are cut off too, and small ones still fit beside them."""
    large = bundle_of(b" " * (5 * 1024 * 1024))
    findings = judged(*[large] * 7, bundle_of(RELEASE.bundle(IMAGE.digest)))

    assert findings.vouchers == A_VOUCHER.vouchers
    assert findings.incomplete is not None


@both_forms
def test_a_failure_while_judging_is_neither_yes_nor_no(sign: Sign) -> None:
    """If judging one candidate fails unexpectedly, the others count and the findings are incomplete."""
    unusable = PublicKey(key=cast("Any", None), fingerprint=digest("unusable"))
    spoilt = KeyAuthority(name="spoilt", keys=(unusable,))
    findings = judged(sign(STRANGER), sign(RELEASE), by=(authority(), spoilt))

    assert findings.vouchers == A_VOUCHER.vouchers
    assert findings.incomplete == Trouble(
        doing="judging signatures", where="registry.example", why="a signature that the gate could not judge"
    )


def test_images_named_by_sha512_can_be_signed() -> None:
    """A digest is compared with its algorithm."""
    long = Digest(algorithm="sha512", hex="0" * 128)
    image = PinnedImage(repository=IMAGE.repository, digest=long)
    candidate = bundle_of(RELEASE.bundle(long))

    assert judge_signatures(SignatureSearch(candidates=(candidate,)), image, (authority(),), TRUST) == A_VOUCHER
