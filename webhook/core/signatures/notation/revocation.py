"""Revocation lists, from files of the policy: which certificates their authorities have taken back.

Source: RFC 5280, sections 5 and 6.3.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from webhook.core.errors import ParseError
from webhook.core.facts import Trouble
from webhook.core.signatures.notation.chain import HASHES, name_of

__all__ = ["RevocationList", "check_revocation", "load_revocation_list"]

MAX_LIST_BYTES = 8 * 1024 * 1024
SIGNING_KEYS = (RSAPublicKey, EllipticCurvePublicKey)
PEM_BEGIN = b"-----BEGIN "
DOING = "checking revocation"

_WITHOUT_EFFECT = (x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.AuthorityInformationAccess, x509.FreshestCRL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevocationList:
    """The complete list of one authority, in force from `begins` to `ends`; its signature is still to be checked."""

    issuer: x509.Name
    begins: datetime
    ends: datetime
    document: x509.CertificateRevocationList = field(repr=False)

    def is_signed_by(self, issuer: x509.Certificate) -> bool:
        """Tell whether the list is the issuer's own: it names the issuer, who may sign lists and signed this one.

        A list whose signature cannot be checked is nobody's.
        """
        if self.issuer != issuer.subject:
            return False
        try:
            usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value
            fit = usage.crl_sign and isinstance(self.document.signature_hash_algorithm, HASHES)
            key = issuer.public_key()
            return fit and isinstance(key, SIGNING_KEYS) and self.document.is_signature_valid(key)
        except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension):
            return False


def load_revocation_list(data: bytes) -> RevocationList:
    """Read a revocation list, PEM or DER, of at most 8 MiB; a ParseError if it is none, or not a complete one.

    It must say until when it holds. A list of some certificates or reasons only, or of changes to another list, names
    its limits in an extension: those are refused, and so is every extension that is critical and unknown.
    """
    if len(data) > MAX_LIST_BYTES:
        raise ParseError("", f"is larger than {MAX_LIST_BYTES:,} bytes")
    pem = data.count(PEM_BEGIN)
    if pem > 1:
        raise ParseError("", "holds several PEM blocks; name one file for each list")
    try:
        document = x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)
        extensions = document.extensions
        name_of(document.issuer)
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise ParseError("", "is not a revocation list (PEM or DER)") from None
    for extension in extensions:
        limits = isinstance(extension.value, x509.IssuingDistributionPoint | x509.DeltaCRLIndicator)
        if limits or (extension.critical and not isinstance(extension.value, _WITHOUT_EFFECT)):
            raise ParseError("", "is a list of a part only, or has a critical extension that is unknown here")
    ends = document.next_update_utc
    if ends is None:
        raise ParseError("", "does not say until when it holds (next update)")
    return RevocationList(issuer=document.issuer, begins=document.last_update_utc, ends=ends, document=document)


def check_revocation(
    certificates: tuple[x509.Certificate, ...], lists: tuple[RevocationList, ...], *, authority: str, as_of: datetime
) -> Trouble | None:
    """Look up each certificate but the last in a list of its issuer, which is the next; the chain has been verified.

    Without any lists nobody asked. Otherwise:

    1. A list counts if it names the issuer, the issuer signed it (SHA-256 or better) and may do so (key usage), and it
       is in force at `as_of`. Others say nothing, either way.
    2. A certificate that any list in force names is revoked, since whenever and for whatever reason: a ParseError.
    3. A certificate without a list in force may be revoked or not: a Trouble, since unknown is not no.
    """
    unknown: Trouble | None = None
    for certificate, issuer in pairwise(certificates) if lists else ():
        # Step 1
        signed = tuple(one for one in lists if one.is_signed_by(issuer))
        current = tuple(one for one in signed if one.begins <= as_of <= one.ends)
        # Step 2
        if any(one.document.get_revoked_certificate_by_serial_number(certificate.serial_number) for one in current):
            raise ParseError("", f"the certificate of `{name_of(certificate.subject)}` is revoked")
        # Step 3
        if not current and unknown is None:
            lacking = "not in force" if signed else "missing"
            why = f"the list of `{name_of(issuer.subject)}` is {lacking}"
            unknown = Trouble(doing=DOING, where=f"authority `{authority}`", why=why)
    return unknown
