"""Every key of an ImagePolicy, mapping by mapping: those that are decided on, and those that come later.

The names of `SECTIONS` are those of the definitions in `schemas/policy.json`; a test holds the two together.
"""

from __future__ import annotations

from webhook.core.reading.documents import Keys

__all__ = [
    "ATTESTATION",
    "AUTHORITY",
    "BASE",
    "BASE_REQUIREMENT",
    "CASE",
    "DENY",
    "DOCUMENT",
    "EXEMPTION",
    "FILE",
    "IDENTITY",
    "KEY",
    "KEYLESS",
    "METADATA",
    "NOTATION",
    "REGISTRY",
    "REQUIREMENTS",
    "REVOCATION",
    "RULE",
    "SECTIONS",
    "SIGNATURES",
    "SPEC",
    "TRUST_ROOT",
    "TUF",
    "VEX",
]

DOCUMENT = Keys(known=("apiVersion", "kind", "metadata", "spec"))
METADATA = Keys(known=("name",))
SPEC = Keys(known=("authorities", "bases", "registries", "revoked", "pinTags", "rules"))
AUTHORITY = Keys(known=("name", "key", "keyless", "notation", "repositories", "annotations"))
KEY = Keys(known=("data", "file", "transparencyLog", "trustRoot", "validFrom", "validUntil"))
KEYLESS = Keys(known=("trustRoot", "identities"))
IDENTITY = Keys(known=("issuer", "issuerRegExp", "subject", "subjectRegExp"))
TRUST_ROOT = Keys(known=("file", "tuf"))
TUF = Keys(known=("mirror", "root"))
NOTATION = Keys(known=("trustStore", "trustedIdentities", "crls"))
BASE = Keys(known=("repository", "tags", "signedBy", "mirrors", "attestations"))
REGISTRY = Keys(known=("host", "ca", "mirrors", "signatures"))
FILE = Keys(known=("file",))
REVOCATION = Keys(known=("digest", "reason"))
RULE = Keys(known=("name", "namespaces", "mode", "images", "require", "except", "exempt"))
CASE = Keys(known=("name", "containers", "images", "digests", "groups", "require", "exempt"))
REQUIREMENTS = Keys(known=("pinned", "signatures", "base", "attestations", "user"), later=("content", "pod"))
SIGNATURES = Keys(known=("from", "atLeast"))
BASE_REQUIREMENT = Keys(
    known=("repositories", "variants", "maxAge", "maxLag", "endOfLife", "fips", "intact", "evidence")
)
ATTESTATION = Keys(known=("type", "from", "maxAge", "deny", "vex", "builders", "sources"))
DENY = Keys(known=("severities", "fixedOnly"))
VEX = Keys(known=("from",))
EXEMPTION = Keys(known=("reason", "expires"))

SECTIONS = {
    "document": DOCUMENT,
    "metadata": METADATA,
    "spec": SPEC,
    "authority": AUTHORITY,
    "key": KEY,
    "keyless": KEYLESS,
    "identity": IDENTITY,
    "trustRoot": TRUST_ROOT,
    "tuf": TUF,
    "notation": NOTATION,
    "base": BASE,
    "registry": REGISTRY,
    "file": FILE,
    "revocation": REVOCATION,
    "rule": RULE,
    "case": CASE,
    "requirements": REQUIREMENTS,
    "signatures": SIGNATURES,
    "baseRequirement": BASE_REQUIREMENT,
    "attestation": ATTESTATION,
    "deny": DENY,
    "vex": VEX,
    "exemption": EXEMPTION,
}
