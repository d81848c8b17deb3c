"""What comes with a signature, as bundles and annotations spell it: read strictly, within bounds, or not at all."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.signatures.given import bundle_of, simple_of
from tests.core.signatures.given_keyless import KEY, PIPELINE, STAND, found, keyless, logged_key, signed
from tests.sigstore_stand.certificates import der_of, pem_of
from tests.sigstore_stand.signer import StandSigner
from webhook.core.errors import ParseError
from webhook.core.signatures.bundle import parse_bundle
from webhook.core.signatures.cosign_annotations import material_beside
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.signed_bytes import Material, Unreadable
from webhook.core.signatures.verifying import SignatureVerifier
from webhook.core.trust import Trust

BUNDLE: dict[str, Any] = json.loads(signed(witness="rekor-v1-tsa").payload)
CLASSIC = signed("simple", "rekor-v1-tsa")
LARGE = base64.b64encode(b"x" * 1024 * 1024).decode()
PREFIX = "dev.sigstore.cosign"
BY = (keyless(), logged_key())


def changed(*path: str | int, to: object) -> bytes:
    """Return the bundle with something else at a path of its material."""
    document = json.loads(json.dumps(BUNDLE))
    inner = document["verificationMaterial"]
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "data",
    [
        changed("certificate", "rawBytes", to=LARGE),
        changed("certificate", "rawBytes", to="=="),
        changed("certificate", to={}),
        changed("tlogEntries", to=[{}]),
        changed("tlogEntries", to=BUNDLE["verificationMaterial"]["tlogEntries"] * 5),
        changed("tlogEntries", to="x"),
        changed("tlogEntries", 0, "logIndex", to="-1"),
        changed("tlogEntries", 0, "logIndex", to=str(2**64)),
        changed("tlogEntries", 0, "logIndex", to="1" * 30),
        changed("tlogEntries", 0, "logIndex", to=-1),
        changed("tlogEntries", 0, "inclusionProof", "hashes", to=["AAAA"] * 10_000),
        changed("tlogEntries", 0, "inclusionProof", "hashes", to=["not base64!"]),
        changed("tlogEntries", 0, "inclusionProof", "checkpoint", "envelope", to="x" * 20_000),
        changed("tlogEntries", 0, "inclusionProof", "treeSize", to=True),
        changed("timestampVerificationData", "rfc3161Timestamps", to=[{"signedTimestamp": "AAAA"}] * 9),
        changed("timestampVerificationData", "rfc3161Timestamps", 0, "signedTimestamp", to=LARGE),
    ],
)
def test_what_is_no_material_is_told_as_unreadable(data: bytes) -> None:
    """A bundle whose material is out of bounds or malformed is one that nobody vouches by, in little time."""
    bundle = parse_bundle(data)
    findings = found(bundle_of(data), by=BY)

    assert isinstance(bundle.material, Unreadable)
    assert (findings.vouchers, findings.incomplete) == ((), None)


def test_an_unreadable_rest_still_points_at_its_subject() -> None:
    """A certificate that can be read says at whom a signature points whose entry cannot be read."""
    (broken,) = found(bundle_of(changed("tlogEntries", to=[{}]))).broken

    assert broken.why.startswith("verificationMaterial.tlogEntries[0].")


def test_numbers_may_be_numbers() -> None:
    """Integers are strings in a bundle, and some writers write numbers."""
    index = BUNDLE["verificationMaterial"]["tlogEntries"][0]["logIndex"]

    assert found(bundle_of(changed("tlogEntries", 0, "logIndex", to=int(index)))).vouchers


def test_the_first_bundles_may_lack_a_proof() -> None:
    """Version 0.1 asks for a promise, and passes over a proof without a checkpoint; later versions do not."""
    document = json.loads(signed(version="0.1").payload)
    entry = document["verificationMaterial"]["tlogEntries"][0]
    del entry["inclusionProof"]["checkpoint"]
    first = json.dumps(document).encode()
    document["mediaType"] = document["mediaType"].replace("0.1", "0.2")

    assert found(bundle_of(first)).vouchers
    assert found(bundle_of(json.dumps(document).encode())).broken
    del entry["inclusionPromise"]
    document["mediaType"] = document["mediaType"].replace("0.2", "0.1")
    assert found(bundle_of(json.dumps(document).encode())).broken


def test_a_root_may_not_come_with_a_bundle() -> None:
    """A chain may bring certificates between, and no root: roots come from the policy."""
    document = json.loads(signed(version="0.2").payload)
    chain = document["verificationMaterial"]["x509CertificateChain"]["certificates"]
    encoded = [{"rawBytes": base64.b64encode(der_of(one)).decode()} for one in STAND.authority.chain]
    chain.append(encoded[0])
    assert found(bundle_of(json.dumps(document).encode())).vouchers
    chain.append(encoded[-1])
    (broken,) = found(bundle_of(json.dumps(document).encode())).broken

    assert "root certificate" in broken.why


def test_an_empty_chain_is_none() -> None:
    """A chain without certificates names nobody."""
    document = json.loads(signed(version="0.2").payload)
    document["verificationMaterial"]["x509CertificateChain"]["certificates"] = []

    assert isinstance(parse_bundle(json.dumps(document).encode()).material, Unreadable)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("certificate", "x"),
        ("certificate", pem_of(*STAND.authority.chain).decode()),
        ("certificate", "x" * 100_000),
        ("chain", "x"),
        ("chain", pem_of(*STAND.authority.chain * 5).decode()),
        ("bundle", "[]"),
        ("bundle", "{}"),
        ("bundle", '{"SignedEntryTimestamp": "AAAA", "Payload": {}}'),
        (
            "bundle",
            '{"SignedEntryTimestamp": "", "Payload": {"logID": "zz", "logIndex": 1, "integratedTime": 1, "body": ""}}',
        ),
        (
            "bundle",
            '{"SignedEntryTimestamp": "", "Payload": {"logID": "", "logIndex": -1, "integratedTime": 1, "body": ""}}',
        ),
        ("bundle", '{"SignedEntryTimestamp": "", "payload": {}}'),
        ("rfc3161timestamp", "{}"),
        ("rfc3161timestamp", json.dumps({"SignedRFC3161Timestamp": LARGE})),
    ],
)
def test_annotations_that_cannot_be_read_are_no_material(name: str, value: str) -> None:
    """A damaged annotation makes a signature by certificate hold for nobody."""
    annotations = {**CLASSIC.annotations, f"{PREFIX}/{name}": value}
    findings = found(replace(CLASSIC, annotations=annotations), by=BY)

    assert isinstance(material_beside(annotations), Unreadable)
    assert (findings.vouchers, findings.incomplete) == ((), None)


def test_empty_annotations_are_none() -> None:
    """Real cosign writes empty annotations for what is not there; a chain without its certificate is not read."""
    empty = {f"{PREFIX}/{name}": "" for name in ("certificate", "chain", "bundle", "rfc3161timestamp")}

    assert material_beside(empty) == material_beside({}) == material_beside({f"{PREFIX}/chain": "x"}) == Material()


def test_a_root_in_the_chain_annotation_is_passed_over() -> None:
    """Real cosign writes the whole chain beside a classic signature; the root among it is not believed, nor needed."""
    assert pem_of(STAND.authority.chain[-1]).decode().strip() in CLASSIC.annotations[f"{PREFIX}/chain"]
    assert found(CLASSIC).vouchers


def test_a_signature_over_a_file_is_verified_the_same_way() -> None:
    """A bare message signature is over the file, which the digest beside it must name, and no other."""
    bundle = parse_bundle(StandSigner(stand=STAND, who=PIPELINE).message_bundle(b"content"))
    verifier = SignatureVerifier.of((keyless(),), Trust(catalog=None, as_of=STAND.now))

    assert [one.authority.name for one in verifier.verify(bundle.over_file(b"content")).signers] == ["release"]
    with pytest.raises(ParseError, match="not that of the file"):
        bundle.over_file(b"other")


def test_a_file_without_a_named_digest_is_verified_by_its_signature() -> None:
    """The digest may be left out; the signature is over the content then as before."""
    document = json.loads(StandSigner(stand=STAND, who=KEY).message_bundle(b"content"))
    del document["messageSignature"]["messageDigest"]
    bundle = parse_bundle(json.dumps(document).encode())
    verifier = SignatureVerifier.of((logged_key(),), Trust(catalog=None, as_of=STAND.now))

    assert verifier.verify(bundle.over_file(b"content")).signers
    assert verifier.verify(bundle.over_file(b"other")).broken


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["AAAA", "1", "", KEY.hint]) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["rawBytes", "certificates", "logId", "keyId", "inclusionProof", "checkpoint", "envelope", "hashes"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
PLACES = st.sampled_from(
    [
        ("certificate",),
        ("certificate", "rawBytes"),
        ("tlogEntries",),
        ("tlogEntries", 0, "logId"),
        ("tlogEntries", 0, "integratedTime"),
        ("tlogEntries", 0, "canonicalizedBody"),
        ("tlogEntries", 0, "inclusionPromise"),
        ("tlogEntries", 0, "inclusionProof"),
        ("tlogEntries", 0, "inclusionProof", "checkpoint"),
        ("timestampVerificationData",),
        ("timestampVerificationData", "rfc3161Timestamps"),
    ]
)


@given(PLACES, json_values)
def test_hostile_material_raises_nothing(path: tuple[str | int, ...], value: object) -> None:
    """Any JSON in place of any part is judged without an error; where it is still vouched for, it was not needed."""
    findings = found(bundle_of(changed(*path, to=value)), by=BY)

    assert findings.incomplete is None
    assert not findings.vouchers or path[0] == "timestampVerificationData" or path[-1] == "inclusionPromise"


@given(
    st.dictionaries(
        st.sampled_from([f"{PREFIX}/{name}" for name in ("certificate", "chain", "bundle", "rfc3161timestamp")]),
        st.text(max_size=60) | json_values.map(json.dumps),
        min_size=1,
    )
)
def test_hostile_annotations_raise_nothing(annotations: dict[str, str]) -> None:
    """Whatever stands in the annotations of a signature by certificate, judging it raises nothing."""
    assert found(simple_of(CLASSIC.payload, {**CLASSIC.annotations, **annotations}), by=BY).incomplete is None


def test_a_bare_message_is_no_statement_about_an_image() -> None:
    """A bundle over a file, hung on an image, is no signature of it, whoever made it."""
    bundle = StandSigner(stand=STAND, who=PIPELINE).message_bundle(b"content")

    assert found(bundle_of(bundle), by=BY) == SignatureFindings()


@pytest.mark.parametrize(
    ("written", "instead"),
    [(b"stand.test", b"stand\xfftest"), (b"\x0c\x0astand.test", b"\x03\x0astand.test")],
)
def test_a_chain_may_hold_what_cannot_be_read(written: bytes, instead: bytes) -> None:
    """A certificate in the chain annotation whose names are broken makes the rest unreadable, and raises nothing."""
    der = der_of(STAND.authority.chain[0])
    assert written in der
    broken = der.replace(written, instead)
    pem = f"-----BEGIN CERTIFICATE-----\n{base64.b64encode(broken).decode()}\n-----END CERTIFICATE-----\n"
    annotations = {**CLASSIC.annotations, f"{PREFIX}/chain": pem}

    assert not found(replace(CLASSIC, annotations=annotations)).vouchers
    assert isinstance(material_beside(annotations), Unreadable)
