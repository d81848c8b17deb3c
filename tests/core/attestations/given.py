"""Predicates for tests: each maker gives something ordinary, and its arguments say what is special."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from webhook.core.references import Digest

SPDX = "https://spdx.dev/Document"
COSIGN_VULN = "https://cosign.sigstore.dev/attestation/vuln/v1"
IN_TOTO_VULN = "https://in-toto.io/attestation/vulns/v0.2"
SLSA_02 = "https://slsa.dev/provenance/v0.2"
SLSA_1 = "https://slsa.dev/provenance/v1"
VEX = "https://openvex.dev/ns/v0.2.0"
VSA = "https://slsa.dev/verification_summary/v1"
BUILDER = "https://git.example/runners/7"
SOURCE = "https://git.example/shop/api"
PURL = "pkg:deb/debian/openssl@3.0.1?arch=amd64&distro=debian-13"


def finding(name: str, severity: str, *, fixed: str = "3.0.2", purl: str = PURL) -> dict[str, Any]:
    """Return one finding of Trivy, in OpenSSL."""
    return {
        "VulnerabilityID": name,
        "PkgName": "openssl",
        "PkgIdentifier": {"PURL": purl},
        "InstalledVersion": "3.0.1",
        "FixedVersion": fixed,
        "Severity": severity,
    }


def cosign_vuln(*findings: dict[str, Any], at: datetime | None = None) -> dict[str, Any]:
    """Return a scan by Trivy, as `trivy --format cosign-vuln` writes it, finished at that time."""
    target: dict[str, Any] = {"Target": "debian", "Class": "os-pkgs"}
    if findings:
        target["Vulnerabilities"] = list(findings)
    return {
        "scanner": {"uri": "pkg:github/aquasecurity/trivy@0.60.0", "result": {"SchemaVersion": 2, "Results": [target]}},
        "metadata": {"scanFinishedOn": at.isoformat()} if at else {},
    }


def openvex(
    name: str, image: Digest, *, status: str = "not_affected", at: datetime, **product: object
) -> dict[str, Any]:
    """Return an OpenVEX document with one statement about an image; `product` adds to the product."""
    return {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "timestamp": at.isoformat(),
        "statements": [
            {
                "vulnerability": {"name": name},
                "products": [{"@id": f"pkg:oci/api@{image.algorithm}%3A{image.hex}", **product}],
                "status": status,
                "justification": "vulnerable_code_not_in_execute_path",
            }
        ],
    }


def provenance(*images: Digest, builder: str = BUILDER, source: str = SOURCE) -> dict[str, Any]:
    """Return a provenance of version 1 by a builder, from a source and from these images."""
    dependencies = [{"uri": f"git+{source}@refs/heads/main", "digest": {"gitCommit": "0" * 40}}]
    dependencies += [{"uri": "pkg:docker/dhi.io/python@3.13", "digest": {"sha256": image.hex}} for image in images]
    return {
        "buildDefinition": {"externalParameters": {"source": source}, "resolvedDependencies": dependencies},
        "runDetails": {"builder": {"id": builder}},
    }
