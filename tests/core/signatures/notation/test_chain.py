"""The certificates of a signature: each must be what its place in the chain demands."""

from __future__ import annotations

from datetime import timedelta

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.core.signatures.notation.artefacts import content
from tests.core.signatures.notation.der import SEQUENCE, members, resigned, tlv
from tests.core.signatures.notation.signer import (
    AUTHORITY,
    CA,
    CHAIN,
    ISSUING,
    LEAF,
    NOW,
    RELEASE,
    ROOT,
    Extensions,
    Holder,
    Words,
    authority,
    judged,
    make_root,
    usage,
)
from webhook.core.errors import ParseError
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.notation.chain import MAX_CERTIFICATE_BYTES, read_chain

NAME = "CN=release,O=Example"
LEAF_USAGE = (usage("digital_signature"), True)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
NOT_AN_AUTHORITY = "is not that of an authority (basic constraints)"


def check(*chain: Holder) -> None:
    """Check a chain as it is now."""
    read_chain(tuple(one.certificate.public_bytes(Encoding.DER) for one in chain)).check(NOW)


def test_a_complete_chain_holds() -> None:
    """The chain that every case below changes in one place holds as it is."""
    check(*CHAIN)
    check(ROOT.issue(NAME, LEAF), ROOT)


def test_a_certificate_has_one_spelling() -> None:
    """Nobody signs how many bits of a signature count: where the last is zero, there could be two spellings."""
    chain = cbor2.loads(content("ecdsa-p256.cose")).value[1][33]
    genuine = next(der for der in chain if der[-1] % 2 == 0)
    signature = x509.load_der_x509_certificate(genuine).signature
    damaged = bytearray(genuine)
    damaged[-len(signature) - 1] = 1

    assert read_chain((genuine,)).leaf.signature == signature
    assert x509.load_der_x509_certificate(bytes(damaged)).signature == signature
    with pytest.raises(ParseError, match="no whole number of bytes"):
        read_chain((bytes(damaged),))


def test_a_signer_may_be_nobodys() -> None:
    """A chain of one, whose certificate signed itself, must meet what is asked of a signer."""
    check(make_root(NAME, LEAF))
    with pytest.raises(ParseError, match="`CN=release,OU=Team,O=Example` is not signed by"):
        check(RELEASE)
    with pytest.raises(ParseError, match="is that of an authority, not of a signer"):
        check(ROOT)


@pytest.mark.parametrize(
    ("extensions", "why"),
    [
        ((), "does not say critically what its key is for (key usage)"),
        (((usage("digital_signature"), False),), "does not say critically what its key is for (key usage)"),
        (((usage("content_commitment"), True),), "is not for signatures alone (key usage)"),
        (((usage("digital_signature", "key_cert_sign"), True),), "is not for signatures alone (key usage)"),
        (((usage("digital_signature", "crl_sign"), True),), "is not for signatures alone (key usage)"),
        (((usage("digital_signature", "key_agreement", "encipher_only"), True),), "is not for signatures alone"),
        (((usage("digital_signature", "key_encipherment"), True),), "is not for signatures alone (key usage)"),
        (((usage("digital_signature", "data_encipherment"), True),), "is not for signatures alone (key usage)"),
        ((LEAF_USAGE, (CA, True)), "is that of an authority, not of a signer"),
        *(
            ((LEAF_USAGE, (x509.ExtendedKeyUsage([purpose]), False)), "is for another purpose than signing code")
            for purpose in (
                ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
                ExtendedKeyUsageOID.SERVER_AUTH,
                ExtendedKeyUsageOID.TIME_STAMPING,
            )
        ),
        ((LEAF_USAGE, (UNKNOWN, True)), "has a critical extension that is unknown here"),
    ],
)
def test_the_signer_may_sign_and_nothing_else(extensions: Extensions, why: str) -> None:
    """Key usage, purposes and constraints of the first certificate are those of a signer of code."""
    with pytest.raises(ParseError) as caught:
        check(ISSUING.issue(NAME, extensions), ISSUING, ROOT)

    assert str(caught.value).startswith(f"the certificate of `{NAME}` {why}")


def test_what_is_optional_may_be_there_or_not() -> None:
    """No purposes, no constraints, both, and extensions that are unknown and not critical are all in order."""
    plain = (x509.BasicConstraints(ca=False, path_length=None), False)
    for extensions in ((LEAF_USAGE,), (LEAF_USAGE, plain), (*LEAF, plain, (UNKNOWN, False))):
        check(ISSUING.issue(NAME, extensions), ISSUING, ROOT)


@pytest.mark.parametrize(
    ("extensions", "why"),
    [
        ((), NOT_AN_AUTHORITY),
        (((CA, False), AUTHORITY[1]), NOT_AN_AUTHORITY),
        (((x509.BasicConstraints(ca=False, path_length=None), True), AUTHORITY[1]), NOT_AN_AUTHORITY),
        (((CA, True),), "does not say critically what its key is for (key usage)"),
        (((CA, True), (usage("crl_sign"), True)), "may not sign certificates (key usage)"),
        ((*AUTHORITY, (UNKNOWN, True)), "has a critical extension that is unknown here"),
    ],
)
def test_all_others_may_certify(extensions: Extensions, why: str) -> None:
    """Constraints and key usage of the certificates above the signer's are those of an authority, the root's too."""
    issuing, root = ROOT.issue("CN=Issuing", extensions), make_root("CN=Root", extensions)
    with pytest.raises(ParseError, match="`CN=Issuing`") as caught:
        check(issuing.issue(NAME, LEAF), issuing, ROOT)

    assert why in str(caught.value)
    with pytest.raises(ParseError, match="`CN=Root`"):
        check(root.issue(NAME, LEAF), root)


def test_the_length_of_the_path_is_counted() -> None:
    """An authority that allows none below it may certify signers, and no further authority."""
    narrow = make_root("CN=Root", ((x509.BasicConstraints(ca=True, path_length=0), True), AUTHORITY[1]))
    between = narrow.issue("CN=Issuing", AUTHORITY)

    check(narrow.issue(NAME, LEAF), narrow)
    with pytest.raises(ParseError, match="has more authorities below it than it allows"):
        check(between.issue(NAME, LEAF), between, narrow)


def test_each_is_signed_by_the_next() -> None:
    """A certificate of another authority of the same name, a gap, and a root that did not sign itself are found."""
    namesake = make_root("CN=Issuing,O=Example")
    with pytest.raises(ParseError, match="`CN=release,OU=Team,O=Example` is not signed by `CN=Issuing,O=Example`"):
        check(RELEASE, namesake)
    with pytest.raises(ParseError, match="is not signed by `CN=Root,O=Example`"):
        check(RELEASE, ROOT)
    with pytest.raises(ParseError, match="`CN=Issuing,O=Example` is not signed by `CN=Issuing,O=Example`"):
        check(RELEASE, ISSUING)


@pytest.mark.parametrize(
    "weak",
    [bytes.fromhex("2a8648ce3d040301"), bytes.fromhex("2a8648ce3d04037f")],
    ids=["ecdsa-with-SHA224", "unknown"],
)
def test_weak_hashes_are_refused(weak: bytes) -> None:
    """A certificate that is signed with a hash that is not listed proves nothing, and neither does an unknown one."""
    first, *others = Words().ders()
    changed = first.replace(bytes.fromhex("2a8648ce3d040302"), weak)
    with pytest.raises(ParseError, match="is signed with a hash other than SHA-256"):
        read_chain((changed, *others)).check(NOW)


def test_sha1_is_refused() -> None:
    """A certificate that is signed with SHA-1 proves nothing."""
    root = make_root("CN=Root", key=rsa.generate_private_key(65537, 2048))
    leaf = root.issue(NAME, LEAF).certificate.public_bytes(Encoding.DER)
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    with pytest.raises(ParseError, match="is signed with a hash other than SHA-256"):
        read_chain((leaf.replace(sha256, sha1), root.certificate.public_bytes(Encoding.DER))).check(NOW)


@pytest.mark.parametrize("days", [-2, 2])
def test_every_certificate_is_valid_now(days: int) -> None:
    """One certificate that has ended, or not begun, is enough."""
    begins, ends = NOW + timedelta(days=days - 1), NOW + timedelta(days=days + 1)
    issuing = ROOT.issue("CN=Issuing", AUTHORITY, begins=begins, ends=ends)
    with pytest.raises(ParseError, match=f"`CN=Issuing` is valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d} only"):
        check(issuing.issue(NAME, LEAF), issuing, ROOT)


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - to be refused
        ec.generate_private_key(ec.SECP256K1()),
    ],
    ids=["rsa-1024", "secp256k1"],
)
def test_weak_keys_of_authorities_are_refused(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    """An authority whose key could be broken certifies nobody."""
    root = make_root("CN=Root", key=key)
    with pytest.raises(ParseError, match="`CN=Root` has a key that is neither RSA"):
        check(root.issue(NAME, LEAF), root)


def test_authorities_may_have_rsa_keys() -> None:
    """RSA and ECDSA may alternate along a chain."""
    root = make_root("CN=Root", key=rsa.generate_private_key(65537, 2048))

    check(root.issue(NAME, LEAF), root)


@pytest.mark.parametrize(
    "key",
    [
        ed25519.Ed25519PrivateKey.generate(),
        ec.generate_private_key(ec.SECP224R1()),
        rsa.generate_private_key(65537, 1024),  # noqa: S505 - to be refused
    ],
    ids=["ed25519", "p224", "rsa-1024"],
)
def test_keys_that_have_no_algorithm_are_refused(
    key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
) -> None:
    """Keys that the specification does not list sign nothing here."""
    leaf = ISSUING.issue(NAME, LEAF, key=key)
    with pytest.raises(ParseError, match="the key is neither RSA of 2,048"):
        check(leaf, ISSUING, ROOT)


def test_certificates_that_cannot_be_read_are_a_strangers() -> None:
    """No certificate, junk, and one of more than 32 KiB point at nobody."""
    huge = ISSUING.issue(
        NAME, (*LEAF, (x509.UnrecognizedExtension(UNKNOWN.oid, b"\x04" * MAX_CERTIFICATE_BYTES), False))
    )
    for ders in ((), (b"junk",), (RELEASE.certificate.public_bytes(Encoding.DER) + b"\x00",)):
        with pytest.raises(ParseError):
            read_chain(ders)
    found = judged(Words(chain=(huge, ISSUING, ROOT)).cose(), authority())

    assert found == SignatureFindings(strangers=1)


def test_an_extension_that_stands_twice_is_refused() -> None:
    """A certificate that says something twice cannot be read in one way only, though its issuer signed it."""

    def double(inner: list[bytes]) -> None:
        extensions = members(members(inner[-1])[0])
        inner[-1] = tlv(0xA3, tlv(SEQUENCE, b"".join([*extensions, extensions[0]])))

    assert isinstance(ISSUING.key, ec.EllipticCurvePrivateKey)
    first, *others = Words().ders()
    twice = resigned(first, ISSUING.key, double)
    with pytest.raises(ParseError, match="has extensions that cannot be read"):
        read_chain((twice, *others)).check(NOW)


def retagged(tag: int) -> Holder:
    """Return the signer with a certificate whose subject has strings of another kind, signed by its issuer."""

    def change(inner: list[bytes]) -> None:
        assert inner[5].count(b"\x0c\x07release") == 1
        inner[5] = inner[5].replace(b"\x0c\x07release", bytes([tag]) + b"\x07release")

    assert isinstance(ISSUING.key, ec.EllipticCurvePrivateKey)
    der = resigned(Words().ders()[0], ISSUING.key, change)
    return Holder(key=RELEASE.key, certificate=x509.load_der_x509_certificate(der))


def test_a_name_that_no_library_reads_is_a_strangers() -> None:
    """A bit string in a subject makes the library raise what it raises nowhere else; judging goes on."""
    assert judged(Words(chain=(retagged(0x03), ISSUING, ROOT)).jws()) == SignatureFindings(strangers=1)


def test_a_subject_is_one_signer_however_it_is_encoded() -> None:
    """An authority that issues a certificate anew, with strings of another kind, makes no second signer of it."""
    again = judged(Words(chain=(retagged(0x13), ISSUING, ROOT)).jws())

    assert again.vouchers
    assert again == judged(Words().jws())
