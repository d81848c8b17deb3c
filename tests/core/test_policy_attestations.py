"""Required attestations as the policy writes them, and what is refused about them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.policies import errors, parse, plain, replaced
from webhook.core.attestations.findings_of_scanners import Severity
from webhook.core.policy import AttestationRequirement, Requirements, VulnerabilityLimit
from webhook.core.references import Glob

REQUIRE = ("spec", "rules", 0, "require")
SPDX = {"type": "https://spdx.dev/Document", "from": ["release"]}
SCAN = {"type": "https://in-toto.io/attestation/vulns/v0.2", "from": ["release"], "deny": {"severities": ["HIGH"]}}
ANOTHER = "and this is another type"
BUILD = {"type": "https://slsa.dev/provenance/v1", "from": ["release"]}


def wrong(*attestations: dict[str, Any], base: dict[str, Any] | None = None) -> tuple[str, ...]:
    """Return what is wrong with a policy that requires these, below `spec.rules[0].require`."""
    document = replaced(plain(), (*REQUIRE, "attestations"), list(attestations))
    if base is not None:
        document = replaced(document, (*REQUIRE, "base"), base)
    return tuple(error.removeprefix("spec.rules[0].require.") for error in errors(document))


def test_everything_is_read() -> None:
    """Types, signers and conditions arrive as values."""
    scan = {**SCAN, "maxAge": "7d", "vex": {"from": ["release"]}}
    scan["deny"] = {"severities": ["CRITICAL", "HIGH"], "fixedOnly": True}
    build = {**BUILD, "builders": ["https://git.example/**"], "sources": ["https://git.example/shop/*"]}
    outcome = parse(replaced(plain(), (*REQUIRE, "attestations"), [SPDX, scan, build])).rules[0].outcome

    assert isinstance(outcome, Requirements)
    assert outcome.attestations == (
        AttestationRequirement(type="https://spdx.dev/Document", authorities=("release",)),
        AttestationRequirement(
            type="https://in-toto.io/attestation/vulns/v0.2",
            authorities=("release",),
            max_age=timedelta(days=7),
            deny=VulnerabilityLimit(severities=frozenset({Severity.CRITICAL, Severity.HIGH}), fixed_only=True),
            vex=("release",),
        ),
        AttestationRequirement(
            type="https://slsa.dev/provenance/v1",
            authorities=("release",),
            builders=(Glob("https://git.example/**"),),
            sources=(Glob("https://git.example/shop/*"),),
        ),
    )


@pytest.mark.parametrize(
    ("attestation", "complaint"),
    [
        ({**SPDX, "deny": {"severities": ["HIGH"]}}, f"deny: is for vulnerability reports, {ANOTHER}"),
        (
            {**SPDX, "builders": ["https://a.b/c"]},
            f"builders: is for SLSA provenance 0.2 and 1, {ANOTHER}",
        ),
        ({**SCAN, "sources": ["https://a.b/c"]}, f"sources: is for SLSA provenance 0.2 and 1, {ANOTHER}"),
        (
            {"type": SCAN["type"], "from": ["release"], "vex": {"from": ["release"]}},
            "vex: excuses findings, but without `deny` no finding counts",
        ),
        (
            {"type": "https://sigstore.dev/cosign/sign/v1", "from": ["release"]},
            "type: is a signature and no attestation; ask for it under `signatures`",
        ),
        ({"type": "spdx", "from": ["release"]}, "type: `spdx` is not the URI of a predicate type"),
        ({**SPDX, "from": ["relaese"]}, 'from[0]: no authority has this name, did you mean "release"?'),
        (
            {**SCAN, "deny": {"severities": ["SEVERE"]}},
            (
                'deny.severities[0]: expected "CRITICAL", "HIGH", "MEDIUM", "LOW", "NEGLIGIBLE" or "UNKNOWN", '
                'found "SEVERE"'
            ),
        ),
    ],
)
def test_refused(attestation: dict[str, Any], complaint: str) -> None:
    """A condition that its type cannot meet is refused, and so is what means nothing."""
    assert wrong(attestation) == (f"attestations[0].{complaint}",)


@pytest.mark.parametrize(
    "glob", ["https://*.example/x", "https://git.example*", "git.example/x", "https://a/***", "https://é.example/"]
)
def test_globs_leave_no_host_open(glob: str) -> None:
    """A glob over URIs names its host in full."""
    (error,) = wrong({**BUILD, "builders": [glob]})

    assert error.startswith("attestations[0].builders[0]: ")


def test_evidence() -> None:
    """Provenance as evidence needs a requirement that names its builders, and never stands alone."""
    both = {"evidence": ["layers", "provenance"]}
    builders = {**BUILD, "builders": ["https://git.example/**"]}
    complaint = "base: takes provenance as evidence, but `attestations` asks for none with `builders`"

    assert wrong(builders, base=both) == ()
    assert wrong(BUILD, base=both) == (complaint,)
    assert wrong(SPDX, base=both) == (complaint,)
    assert wrong(builders, base={"evidence": ["provenance"]}) == (
        'base.evidence: misses "layers": provenance may be added to it, and replaces nothing',
    )
