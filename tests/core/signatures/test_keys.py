"""Keys: which ones a policy may hold, and what each verifies."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.signatures.keys import PublicKey, load_public_keys
from webhook.demo.keys import SigningKey

SPKI = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
MESSAGE = b"message"
RSA = SigningKey.generate("rsa-2048")
P256 = SigningKey.generate("ecdsa-p256")
WEAK_RSA = rsa.generate_private_key(65537, 1024)  # noqa: S505 - the weak key that must be refused
SIGNING_KEYS = (
    RSA,
    P256,
    SigningKey.generate("ecdsa-p384"),
    SigningKey.generate("ecdsa-p384", hash_rule="sha256"),
    SigningKey.generate("ecdsa-p521"),
    SigningKey.generate("ecdsa-p521", hash_rule="sha256"),
    SigningKey.generate("ed25519"),
    SigningKey.generate("ed25519", prehashed=True),
)
DHI_KEY = b"""-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEKdROmntRJFBrOJOQF5ww6gDBJqGm
Fxa4333s1KsL9ISjtmRzGNih9lNRsqfRVjgFgJIdL6EQ9dohdanvn7r2cg==
-----END PUBLIC KEY-----
"""


def load(pem: str) -> PublicKey:
    """Load one key."""
    (key,) = load_public_keys(pem.encode())
    return key


@pytest.mark.parametrize("signing", SIGNING_KEYS, ids=lambda key: f"{type(key.private).__name__}-{key.hash_rule}")
def test_verifies_its_own_signatures_only(signing: SigningKey) -> None:
    """A key verifies what its private half signed, and neither another message nor an altered signature."""
    key = load(signing.public_pem)
    signature = signing.sign(MESSAGE)
    altered = signature[:-1] + bytes([signature[-1] ^ 1])

    assert key.verifies(signature, MESSAGE)
    assert not key.verifies(signature, MESSAGE + b".")
    assert not key.verifies(altered, MESSAGE)
    assert not key.verifies(b"", MESSAGE)
    assert not any(
        load(other.public_pem).verifies(signature, MESSAGE) for other in SIGNING_KEYS if other is not signing
    )


@given(st.sampled_from(SIGNING_KEYS), st.binary(max_size=300), st.binary(max_size=64))
def test_hostile_bytes_verify_nothing(signing: SigningKey, signature: bytes, message: bytes) -> None:
    """Bytes that are no signature verify nothing and raise nothing."""
    assert not load(signing.public_pem).verifies(signature, message)


def test_no_signature_chooses_its_hash() -> None:
    """SHA-1, hashes that are not the curve's and PSS padding are not tried."""
    curve, rsa_key = P256.private, RSA.private
    assert isinstance(curve, ec.EllipticCurvePrivateKey)
    assert isinstance(rsa_key, rsa.RSAPrivateKey)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)

    assert not load(P256.public_pem).verifies(curve.sign(MESSAGE, ec.ECDSA(hashes.SHA384())), MESSAGE)
    assert not load(RSA.public_pem).verifies(rsa_key.sign(MESSAGE, pss, hashes.SHA256()), MESSAGE)
    assert not load(RSA.public_pem).verifies(rsa_key.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA512()), MESSAGE)


@pytest.mark.parametrize("signing", SIGNING_KEYS, ids=lambda key: f"{type(key.private).__name__}-{key.hash_rule}")
def test_fingerprint_is_that_of_the_der(signing: SigningKey) -> None:
    """The fingerprint is the SHA-256 of the key's SubjectPublicKeyInfo."""
    assert load(signing.public_pem).fingerprint == signing.fingerprint


def test_knows_the_fingerprint_of_dockers_key() -> None:
    """The key that signs Docker Hardened Images has the fingerprint that is on record for it."""
    (key,) = load_public_keys(DHI_KEY)

    assert key.fingerprint.hex == "118ba556dd52f4aec67018efd316c285c783cd3e54cc0f4527605715c643887c"


def test_reads_several_keys_and_explanations() -> None:
    """Keys come in the order of their blocks, with Windows line ends and text between them too."""
    text = f"# the new one\n{P256.public_pem}\r\nand the old one\r\n{RSA.public_pem}".replace("\n", "\r\n")
    keys = load_public_keys(text.encode())

    assert tuple(key.fingerprint for key in keys) == (P256.fingerprint, RSA.fingerprint)


def test_reads_rsa_keys_in_their_old_form() -> None:
    """A PKCS #1 block is the same key as its SubjectPublicKeyInfo."""
    old = RSA.private.public_key().public_bytes(Encoding.PEM, PublicFormat.PKCS1)
    (key,) = load_public_keys(old)

    assert key.fingerprint == RSA.fingerprint


def private_pem() -> str:
    """Return a private key."""
    return P256.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed448.Ed448PrivateKey) -> str:
    """Return the public half of a key."""
    return key.public_key().public_bytes(*SPKI).decode()


@pytest.mark.parametrize(
    ("pem", "why"),
    [
        ("", "holds 0 PEM blocks"),
        ("ssh-ed25519 AAAA", "holds 0 PEM blocks"),
        (P256.public_pem * 33, "holds 33 PEM blocks"),
        (P256.public_pem * 2, "holds the same key twice"),
        (" " * 300_000, "is larger than"),
        (P256.public_pem + "-----BEGIN PUBLIC KEY-----\nAAAA\n", "does not begin or end properly"),
        (P256.public_pem.replace("END PUBLIC", "END RSA PUBLIC"), "does not begin or end properly"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "key 1 is a PEM block of type `CERTIFICATE`"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "key 1 cannot be read as a public key"),
        (public_pem(ec.generate_private_key(ec.SECP256K1())), "key 1 is on the curve secp256k1; use P-256"),
        (public_pem(WEAK_RSA), "key 1 is RSA with 1024 bits; use 2,048 to 8,192"),
        (public_pem(ed448.Ed448PrivateKey.generate()), "key 1 is of the kind Ed448; use ECDSA, RSA or Ed25519"),
    ],
)
def test_refuses_other_keys_by_name(pem: str, why: str) -> None:
    """What is no supported public key is refused, and the message says what it is."""
    with pytest.raises(ParseError, match=why):
        load_public_keys(pem.encode())


def test_never_repeats_a_private_key() -> None:
    """A private key is refused, in every wrapping, without any of it in the message."""
    plain = private_pem()
    for pem in (plain, P256.public_pem + plain, plain.replace("PRIVATE", "ENCRYPTED SIGSTORE PRIVATE")):
        with pytest.raises(ParseError, match="holds a private key") as caught:
            load_public_keys(pem.encode())
        assert plain.splitlines()[1] not in str(caught.value)
