"""Every key of an ImagePolicy, mapping by mapping: those that are decided on, and those that come later.

The names of `SECTIONS` are those of the definitions in `schemas/policy.json`; a test holds the two together.
"""

from __future__ import annotations

from webhook.core.document_reading import Keys

__all__ = [
    "AUTHORITY",
    "BASE",
    "BASE_REQUIREMENT",
    "CASE",
    "DOCUMENT",
    "EXEMPTION",
    "FILE",
    "KEY",
    "METADATA",
    "REGISTRY",
    "REQUIREMENTS",
    "REVOCATION",
    "RULE",
    "SECTIONS",
    "SIGNATURES",
    "SPEC",
]

DOCUMENT = Keys(known=("apiVersion", "kind", "metadata", "spec"))
METADATA = Keys(known=("name",))
SPEC = Keys(known=("authorities", "bases", "registries", "revoked", "pinTags", "rules"))
AUTHORITY = Keys(known=("name", "key", "repositories", "annotations"), later=("keyless", "notation"))
KEY = Keys(known=("data", "file", "transparencyLog"), later=("validFrom", "validUntil", "trustRoot"))
BASE = Keys(known=("repository", "tags", "signedBy", "mirrors"), later=("attestations",))
REGISTRY = Keys(known=("host", "ca", "mirrors"), later=("signatures",))
FILE = Keys(known=("file",))
REVOCATION = Keys(known=("digest", "reason"))
RULE = Keys(known=("name", "namespaces", "mode", "images", "require", "except", "exempt"))
CASE = Keys(known=("name", "containers", "images", "groups", "require", "exempt"))
REQUIREMENTS = Keys(known=("pinned", "signatures", "base", "user"), later=("attestations", "content", "pod"))
SIGNATURES = Keys(known=("from", "atLeast"))
BASE_REQUIREMENT = Keys(
    known=("repositories", "variants", "maxAge", "maxLag", "endOfLife", "fips", "intact", "evidence")
)
EXEMPTION = Keys(known=("reason", "expires"))

SECTIONS = {
    "document": DOCUMENT,
    "metadata": METADATA,
    "spec": SPEC,
    "authority": AUTHORITY,
    "key": KEY,
    "base": BASE,
    "registry": REGISTRY,
    "file": FILE,
    "revocation": REVOCATION,
    "rule": RULE,
    "case": CASE,
    "requirements": REQUIREMENTS,
    "signatures": SIGNATURES,
    "baseRequirement": BASE_REQUIREMENT,
    "exemption": EXEMPTION,
}
