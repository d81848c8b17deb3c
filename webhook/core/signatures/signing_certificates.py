"""Certificates of Fulcio: that an authority of the trust root issued one, logged it, and made it for signing.

Sources: sigstore/fulcio `docs/certificate-specification.md`; RFC 6962, section 3.2, for the log's timestamp. The
timestamp is verified by `sigstore`, the chain by `cryptography`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError
from sigstore._internal.sct import verify_sct
from sigstore._internal.trust import CTKeyring
from sigstore.errors import Error

from webhook.core.errors import ParseError
from webhook.core.signatures.trusted_material import Chain, TrustedMaterial

__all__ = ["check_certificate", "load_certificate"]

CERTIFICATE = "certificate"


def load_certificate(der: bytes) -> x509.Certificate:
    """Read one certificate; a ParseError if it is none."""
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion):
        raise ParseError(CERTIFICATE, "cannot be read") from None


def check_certificate(
    leaf: x509.Certificate,
    between: Sequence[x509.Certificate],
    trusted: TrustedMaterial,
    times: Sequence[datetime],
) -> None:
    """Check that `leaf` was a good signing certificate at every one of `times`, at least one; a ParseError if not.

    1. An authority of the root issued it. `between` may help to find the way up and is not believed: the way ends at
       the authority's own root. All certificates were valid at every time, and the authority counted then.
    2. It carries exactly one timestamp of a certificate log of the root, made while that log counted.
    3. It was made for digital signatures, of code; no certificate above it is kept to other purposes, as that of an
       authority for timestamps or servers below the same root is.
    """
    if not times:
        raise ParseError(CERTIFICATE, "is without a trusted time at which it was used")
    if len({certificate.subject for certificate in between}) != len(between):
        # One way up, not as many as there are combinations: each that is tried costs a signature of any size.
        raise ParseError(CERTIFICATE, "comes with two certificates of one name above it")
    # Step 1
    chain = _chain_to_root(leaf, between, trusted.issuers, times)
    # Step 2
    _check_logged(leaf, chain, trusted)
    # Step 3
    _check_usage(leaf)
    if not all(_may_certify_signers(above) for above in chain):
        raise ParseError(CERTIFICATE, "was issued by an authority that is for another purpose than signing code")


def _chain_to_root(
    leaf: x509.Certificate, between: Sequence[x509.Certificate], issuers: tuple[Chain, ...], times: Sequence[datetime]
) -> list[x509.Certificate]:
    """Return the certificates above the leaf, nearest first. What the library says of them names subjects: left out."""
    if any(not leaf.not_valid_before_utc <= time <= leaf.not_valid_after_utc for time in times):
        raise ParseError(CERTIFICATE, "was not valid when the signature was made")
    for issuer in (each for each in issuers if each.period.holds(times)):
        try:
            return [_way_up(leaf, between, issuer, time) for time in times].pop()
        except (VerificationError, x509.UnsupportedGeneralNameType, ValueError):
            continue
    raise ParseError(CERTIFICATE, "was issued by no certificate authority of the trust root that counted then")


def _way_up(
    leaf: x509.Certificate, between: Sequence[x509.Certificate], issuer: Chain, time: datetime
) -> list[x509.Certificate]:
    """Find the way as for a TLS client, but for the extended usage, which is that of code signing here (step 3)."""
    any_usage = (x509.ExtendedKeyUsage, Criticality.NON_CRITICAL, None)
    verifier = (
        PolicyBuilder()
        .store(Store([issuer.certificates[-1]]))
        .time(time)
        .extension_policies(
            ca_policy=ExtensionPolicy.webpki_defaults_ca().may_be_present(*any_usage),
            ee_policy=ExtensionPolicy.webpki_defaults_ee().may_be_present(*any_usage),
        )
        .build_client_verifier()
    )
    return verifier.verify(leaf, [*between, *issuer.certificates]).chain[1:]


def _check_logged(leaf: x509.Certificate, chain: list[x509.Certificate], trusted: TrustedMaterial) -> None:
    try:
        stamps = leaf.extensions.get_extension_for_class(x509.PrecertificateSignedCertificateTimestamps).value
    except (x509.ExtensionNotFound, ValueError):
        raise ParseError(CERTIFICATE, "has no timestamp of a certificate log") from None
    made_at = [stamp.timestamp.replace(tzinfo=UTC) for stamp in stamps]
    for log in trusted.certificate_logs:
        if all(stamp.log_id in log.ids for stamp in stamps) and log.period.holds(made_at):
            try:
                return verify_sct(leaf, chain, CTKeyring(log.keyring))
            except (Error, ValueError):
                continue
    raise ParseError(CERTIFICATE, "has no timestamp that a certificate log of the trust root made")


def _check_usage(leaf: x509.Certificate) -> None:
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
        extended = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        raise ParseError(CERTIFICATE, "does not say what it was made for") from None
    if not usage.digital_signature or ExtendedKeyUsageOID.CODE_SIGNING not in extended:
        raise ParseError(CERTIFICATE, "was not made for signing code")


def _may_certify_signers(authority: x509.Certificate) -> bool:
    """Tell whether purposes, where an authority has any, include the signing of code, as other verifiers demand."""
    try:
        extended = authority.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return not {ExtendedKeyUsageOID.CODE_SIGNING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}.isdisjoint(extended)
