"""The certificates of a signature: from the signer's, by way of authorities, to a root that signed itself.

Source: Notary Project `signature-specification.md`, "Certificate Requirements"; RFC 5280, sections 4.2 and 6.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.x509.oid import ExtendedKeyUsageOID

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.signatures.notation.algorithms import LeafKey

__all__ = ["HASHES", "Chain", "name_of", "read_chain"]

MAX_CERTIFICATE_BYTES = 32 * 1024
RSA_BITS = range(2048, 8192 + 1)
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
HASHES = (SHA256, SHA384, SHA512)

_UNFIT_PURPOSES = frozenset(
    {
        ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.CLIENT_AUTH,
        ExtendedKeyUsageOID.EMAIL_PROTECTION,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.OCSP_SIGNING,
    }
)
_EXTENSIONS = (x509.BasicConstraints, x509.KeyUsage, x509.ExtendedKeyUsage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """Certificates as they came, the signer's first: they can be read, and nothing about them has been verified."""

    certificates: tuple[x509.Certificate, ...]
    leaf_key: LeafKey

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate of the signer."""
        return self.certificates[0]

    def check(self, as_of: datetime) -> None:
        """Check the whole chain; a ParseError says which certificate fails, and in what.

        1. Every certificate is signed by the next one, the last by itself, with SHA-256, SHA-384 or SHA-512.
        2. Every certificate is valid at `as_of`: timestamps are not read, so nothing else says when it was used.
        3. Nothing in it is critical that is not looked at here (RFC 5280, section 4.2).
        4. The first may sign, and may do nothing else that the specification excludes.
        5. All others may certify, and so many authorities may stand below them; their keys are strong enough.

        A chain of one, a signer who is nobody's, must meet what is asked of the first.
        """
        issuers = (*self.certificates[1:], self.certificates[-1])
        for depth, (certificate, issuer) in enumerate(zip(self.certificates, issuers, strict=True)):
            # Step 1
            _check_issued(certificate, issuer)
            # Step 2
            if not certificate.not_valid_before_utc <= as_of <= certificate.not_valid_after_utc:
                began, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
                raise _at_fault(certificate, f"is valid from {began:%Y-%m-%d} to {ends:%Y-%m-%d} only")
            # Step 3
            extensions = _extensions(certificate)
            if any(known.critical and not isinstance(known.value, _EXTENSIONS) for known in extensions):
                raise _at_fault(certificate, "has a critical extension that is unknown here")
            # Steps 4 and 5
            if depth == 0:
                _check_leaf(certificate, extensions)
            else:
                _check_authority(certificate, extensions, below=depth - 1)


def read_chain(certificates: tuple[bytes, ...]) -> Chain:
    """Read certificates (DER, each at most 32 KiB) in their order; a ParseError for none, and for what is none."""
    if not certificates:
        raise ParseError("certificates", "are missing")
    chain = tuple(_read(der) for der in certificates)
    return Chain(certificates=chain, leaf_key=LeafKey.of(_public_key(chain[0])))


def name_of(name: x509.Name) -> str:
    """Write a subject or an issuer for people, the most specific part first (RFC 4514)."""
    return printable(name.rfc4514_string(), 100)


def _public_key(certificate: x509.Certificate) -> object:
    """Return the key of a certificate; a ParseError if nobody here can use it."""
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise _at_fault(certificate, "has a key that cannot be read") from None


def _read(der: bytes) -> x509.Certificate:
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise ParseError("certificates", f"have one of more than {MAX_CERTIFICATE_BYTES:,} bytes")
    try:
        certificate = x509.load_der_x509_certificate(der)
        # Names are read when they are asked for; those that cannot be are found here.
        name_of(certificate.subject)
        name_of(certificate.issuer)
    except (TypeError, ValueError, x509.InvalidVersion):
        raise ParseError("certificates", "have one that cannot be read") from None
    # The count of unused bits before the signature is signed by nobody; a certificate has one spelling (X.690, 11.2).
    if not der.endswith(b"\x00" + certificate.signature):
        raise ParseError("certificates", "have one whose signature is no whole number of bytes")
    return certificate


def _check_issued(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """Check that `issuer` signed `certificate`, and is named in it."""
    try:
        fit = isinstance(certificate.signature_hash_algorithm, HASHES)
    except UnsupportedAlgorithm:
        fit = False
    if not fit:
        raise _at_fault(certificate, "is signed with a hash other than SHA-256, SHA-384 and SHA-512")
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
        raise _at_fault(certificate, f"is not signed by `{name_of(issuer.subject)}`") from None


def _extensions(certificate: x509.Certificate) -> x509.Extensions:
    try:
        return certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise _at_fault(certificate, "has extensions that cannot be read") from None


def _check_leaf(certificate: x509.Certificate, extensions: x509.Extensions) -> None:
    """Check that a certificate is that of a signer and of nobody else."""
    for extension in extensions:
        if isinstance(extension.value, x509.BasicConstraints) and extension.value.ca:
            raise _at_fault(certificate, "is that of an authority, not of a signer")
        if isinstance(extension.value, x509.ExtendedKeyUsage) and _UNFIT_PURPOSES & set(extension.value):
            raise _at_fault(certificate, "is for another purpose than signing code")
    usage = _key_usage(certificate, extensions)
    excluded = (
        usage.key_encipherment,
        usage.data_encipherment,
        usage.key_agreement,
        usage.key_cert_sign,
        usage.crl_sign,
    )
    if not usage.digital_signature or any(excluded):
        raise _at_fault(certificate, "is not for signatures alone (key usage)")


def _check_authority(certificate: x509.Certificate, extensions: x509.Extensions, *, below: int) -> None:
    """Check that a certificate may certify, with `below` authorities between it and the signer."""
    constraints = next((one for one in extensions if isinstance(one.value, x509.BasicConstraints)), None)
    if constraints is None or not constraints.critical or not constraints.value.ca:
        raise _at_fault(certificate, "is not that of an authority (basic constraints)")
    if constraints.value.path_length is not None and constraints.value.path_length < below:
        raise _at_fault(certificate, "has more authorities below it than it allows (path length)")
    if not _key_usage(certificate, extensions).key_cert_sign:
        raise _at_fault(certificate, "may not sign certificates (key usage)")
    match _public_key(certificate):
        case RSAPublicKey(key_size=bits) if bits in RSA_BITS:
            pass
        case EllipticCurvePublicKey() as key if key.curve.name in CURVES:
            pass
        case _:
            raise _at_fault(certificate, "has a key that is neither RSA of 2,048 to 8,192 bits nor ECDSA")


def _key_usage(certificate: x509.Certificate, extensions: x509.Extensions) -> x509.KeyUsage:
    for extension in extensions:
        if isinstance(extension.value, x509.KeyUsage) and extension.critical:
            return extension.value
    raise _at_fault(certificate, "does not say critically what its key is for (key usage)")


def _at_fault(certificate: x509.Certificate, why: str) -> ParseError:
    return ParseError("", f"the certificate of `{name_of(certificate.subject)}` {why}")
