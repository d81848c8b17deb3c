"""Keys sign as cosign signs, checked with the verifiers of the libraries."""

import base64
import hashlib

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from nacl import bindings

from webhook.demo.keys import KeyKind, SigningKey

MESSAGE = b"message"


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [("ecdsa-p256", hashes.SHA256()), ("ecdsa-p384", hashes.SHA384()), ("ecdsa-p521", hashes.SHA512())],
)
def test_a_curve_signs_with_its_hash(kind: KeyKind, algorithm: hashes.HashAlgorithm) -> None:
    """Each curve uses the hash of its size, unless told to use SHA-256 as older clients do."""
    key = SigningKey.generate(kind)
    public = serialization.load_pem_public_key(key.public_pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(key.sign(MESSAGE), MESSAGE, ec.ECDSA(algorithm))
    older = SigningKey(private=key.private, hash_rule="sha256")
    public.verify(older.sign(MESSAGE), MESSAGE, ec.ECDSA(hashes.SHA256()))


def test_rsa_signs_as_pkcs1() -> None:
    """RSA signatures are PKCS #1 v1.5 with SHA-256."""
    key = SigningKey.generate("rsa-2048")
    public = serialization.load_pem_public_key(key.public_pem.encode())
    assert isinstance(public, rsa.RSAPublicKey)
    public.verify(key.sign(MESSAGE), MESSAGE, padding.PKCS1v15(), hashes.SHA256())


def test_ed25519_signs_purely_or_prehashed() -> None:
    """The pure form verifies as such; the prehashed form verifies as Ed25519ph and not as pure."""
    key = SigningKey.generate("ed25519")
    public = serialization.load_pem_public_key(key.public_pem.encode())
    assert isinstance(public, ed25519.Ed25519PublicKey)
    public.verify(key.sign(MESSAGE), MESSAGE)
    prehashed = SigningKey(private=key.private, prehashed=True).sign(MESSAGE)
    with pytest.raises(InvalidSignature):
        public.verify(prehashed, MESSAGE)
    state = bindings.crypto_sign_ed25519ph_state()
    bindings.crypto_sign_ed25519ph_update(state, MESSAGE)
    assert bindings.crypto_sign_ed25519ph_final_verify(state, prehashed, public.public_bytes_raw())


def test_only_ed25519_can_be_prehashed() -> None:
    """Other keys refuse to be asked."""
    with pytest.raises(ValueError, match="only Ed25519"):
        SigningKey.generate("ecdsa-p256", prehashed=True)


def test_fingerprint_and_hint_are_over_the_public_key() -> None:
    """Both are the SHA-256 of the DER, one in hexadecimal and one in base64."""
    key = SigningKey.generate()
    der = base64.b64decode("".join(key.public_pem.splitlines()[1:-1]))
    assert key.fingerprint.hex == hashlib.sha256(der).hexdigest()
    assert base64.b64decode(key.hint) == hashlib.sha256(der).digest()


def test_the_private_key_is_not_shown() -> None:
    """The repr of a key says how it signs and nothing about the key."""
    assert repr(SigningKey.generate()) == "SigningKey(hash_rule='curve', prehashed=False)"
