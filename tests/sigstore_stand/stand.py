"""All parts of one Sigstore, and the trusted root by which clients know them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sigstore_stand.certificates import CertificateAuthority, CertificateLog, der_of, spki_of
from tests.sigstore_stand.logs import SignatureLog, text64
from tests.sigstore_stand.timestamps import TimestampAuthority
from webhook.demo.documents import encode, timestamp

__all__ = ["STAND_NOW", "SigstoreStand"]

STAND_NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
"""When everything of a stand is signed, unless a test says otherwise."""
PARTS_AGE = timedelta(days=365)
"""How long before that keys and authorities began to be valid."""

Json = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigstoreStand:
    """A private Sigstore without a network. Two stands share nothing, so each is a stranger to the other."""

    authority: CertificateAuthority
    first_log: SignatureLog
    second_log: SignatureLog
    clock: TimestampAuthority
    now: datetime = STAND_NOW

    @classmethod
    def create(cls, *, name: str = "stand.test", now: datetime = STAND_NOW, log_size: int = 5) -> SigstoreStand:
        """Make all parts with new keys. Both logs hold `log_size` entries of others."""
        not_before = now - PARTS_AGE
        stand = cls(
            authority=CertificateAuthority.create(log=CertificateLog.create(), not_before=not_before),
            first_log=SignatureLog.create(1, origin=f"rekor.{name}"),
            second_log=SignatureLog.create(2, origin=f"log2026.rekor.{name}"),
            clock=TimestampAuthority.create(not_before=not_before),
            now=now,
        )
        stand.first_log.grow(log_size)
        stand.second_log.grow(log_size)
        return stand

    def trusted_root(
        self,
        *,
        valid_from: datetime | None = None,
        valid_until: datetime | None = None,
        certificate_logs: bool = True,
        timestamp_authorities: bool = True,
    ) -> bytes:
        """Return the `trusted_root.json` of this stand.

        `valid_from` and `valid_until` bound every key and authority in it (default: from a year before `now`, no end).
        Without its certificate logs or timestamp authorities it is the root of a Sigstore that runs none.
        Source: sigstore/protobuf-specs `sigstore_trustroot.proto`.
        """
        valid = _validity(valid_from or self.now - PARTS_AGE, valid_until)
        return encode(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [
                    _log("https://rekor.stand.test", self.first_log.public_key, self.first_log.log_id, valid),
                    _log("https://log2026.rekor.stand.test", self.second_log.public_key, self.second_log.log_id, valid),
                ],
                "certificateAuthorities": [_authority("https://fulcio.stand.test", self.authority.chain, valid)],
                "ctlogs": [
                    _log("https://ct.stand.test", spki_of(self.authority.log.key), self.authority.log.log_id, valid)
                ]
                if certificate_logs
                else [],
                "timestampAuthorities": [_authority("https://clock.stand.test", self.clock.chain, valid)]
                if timestamp_authorities
                else [],
            }
        )


def _log(url: str, public_key: bytes, log_id: bytes, valid: Json) -> Json:
    is_ecdsa = isinstance(serialization.load_der_public_key(public_key), ec.EllipticCurvePublicKey)
    details = "PKIX_ECDSA_P256_SHA_256" if is_ecdsa else "PKIX_ED25519"
    return {
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {"rawBytes": text64(public_key), "keyDetails": details, "validFor": valid},
        "logId": {"keyId": text64(log_id)},
    }


def _authority(url: str, chain: tuple[x509.Certificate, ...], valid: Json) -> Json:
    return {
        "subject": {"organization": "stand.test", "commonName": "stand"},
        "uri": url,
        "certChain": {"certificates": [{"rawBytes": text64(der_of(certificate))} for certificate in chain]},
        "validFor": valid,
    }


def _validity(start: datetime, end: datetime | None) -> Json:
    return {"start": timestamp(start)} if end is None else {"start": timestamp(start), "end": timestamp(end)}
