"""The predicate types whose content the gate reads. A statement of any other type counts by being there."""

from __future__ import annotations

__all__ = [
    "COSIGN_VULNERABILITIES",
    "CYCLONEDX_PREFIX",
    "FIPS",
    "IN_TOTO_VULNERABILITIES",
    "OPENVEX",
    "PROVENANCE",
    "SLSA_PROVENANCE_02",
    "SLSA_PROVENANCE_1",
    "SPDX",
    "VERIFICATION_SUMMARY",
    "VULNERABILITIES",
    "is_cyclonedx",
]

COSIGN_VULNERABILITIES = frozenset(
    {"https://cosign.sigstore.dev/attestation/vuln/v1", "cosign.sigstore.dev/attestation/vuln/v1"}
)
"""cosign's own, as its current version writes it and as versions before 2.0 did."""
IN_TOTO_VULNERABILITIES = frozenset(
    {"https://in-toto.io/attestation/vulns/v0.1", "https://in-toto.io/attestation/vulns/v0.2"}
)
VULNERABILITIES = COSIGN_VULNERABILITIES | IN_TOTO_VULNERABILITIES

SLSA_PROVENANCE_02 = "https://slsa.dev/provenance/v0.2"
SLSA_PROVENANCE_1 = "https://slsa.dev/provenance/v1"
PROVENANCE = frozenset({SLSA_PROVENANCE_02, SLSA_PROVENANCE_1})

SPDX = "https://spdx.dev/Document"
CYCLONEDX_PREFIX = "https://cyclonedx.org/bom"

OPENVEX = "https://openvex.dev/ns/v0.2.0"
VERIFICATION_SUMMARY = "https://slsa.dev/verification_summary/v1"
FIPS = "https://docker.com/dhi/fips/v0.1"


def is_cyclonedx(predicate_type: str) -> bool:
    """Tell whether statements of this type hold CycloneDX: the bare URI, or one with the version after a slash."""
    return predicate_type == CYCLONEDX_PREFIX or predicate_type.startswith(f"{CYCLONEDX_PREFIX}/")
