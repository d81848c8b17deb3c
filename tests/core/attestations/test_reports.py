"""Vulnerability reports: what each format says, and that nothing else passes for a clean one."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.attestations.given import COSIGN_VULN, IN_TOTO_VULN, PURL, cosign_vuln, finding
from webhook.core.attestations import findings_of_scanners
from webhook.core.attestations.findings_of_scanners import Fix, Severity, Vulnerability
from webhook.core.attestations.vulnerabilities import read_vulnerabilities
from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject


def grype(*, state: str = "fixed", severity: str = "High", **changes: object) -> dict[str, Any]:
    """Return a report by Grype with one match."""
    match: dict[str, Any] = {
        "vulnerability": {"id": "GHSA-1", "severity": severity, "fix": {"state": state, "versions": []}},
        "relatedVulnerabilities": [{"id": "CVE-1"}],
        "artifact": {"name": "openssl", "purl": PURL},
    }
    return {"matches": [match], "descriptor": {"name": "grype", "version": "0.90"}} | changes


def read(report: object, *, scanners: bool = False) -> tuple[Vulnerability, ...]:
    """Read a scanner's report in cosign's predicate, by its program or by its specification."""
    result = {"result": report}
    predicate: Any = {"scanners": [result, result]} if scanners else {"scanner": result}
    return read_vulnerabilities(COSIGN_VULN, JsonObject.of(predicate))


def read_in_toto(*results: object) -> tuple[Vulnerability, ...]:
    """Read findings in in-toto's format."""
    predicate: Any = {"scanner": {"result": list(results)}}
    return read_vulnerabilities(IN_TOTO_VULN, JsonObject.of(predicate))


def test_trivy() -> None:
    """A finding of Trivy has its severity, its package, and a fix if a fixed version is named."""
    found = read_vulnerabilities(
        COSIGN_VULN, JsonObject.of(cosign_vuln(finding("CVE-1", "CRITICAL"), finding("CVE-2", "LOW", fixed="")))
    )

    assert found == (
        Vulnerability(id="CVE-1", severity=Severity.CRITICAL, fix=Fix.AVAILABLE, package="openssl", purl=PURL),
        Vulnerability(id="CVE-2", severity=Severity.LOW, fix=Fix.NONE, package="openssl", purl=PURL),
    )


def test_trivy_without_identifiers() -> None:
    """Older reports name no purl, and no severity at all is an unknown one."""
    report = {"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-1"}]}]}

    assert read(report) == (Vulnerability(id="CVE-1", severity=Severity.UNKNOWN, fix=Fix.NONE),)


@pytest.mark.parametrize(
    ("state", "fix"),
    [("fixed", Fix.AVAILABLE), ("not-fixed", Fix.NONE), ("wont-fix", Fix.NONE), ("unknown", Fix.UNKNOWN)],
)
def test_grype(state: str, fix: Fix) -> None:
    """A match of Grype has its aliases, its package and the state of its fix."""
    (found,) = read(grype(state=state))

    assert found == Vulnerability(
        id="GHSA-1", severity=Severity.HIGH, fix=fix, aliases=("CVE-1",), package="openssl", purl=PURL
    )
    assert found.names == {"GHSA-1", "CVE-1"}


def test_grype_with_little() -> None:
    """A match without package, aliases and fix is still a finding."""
    report = grype(matches=[{"vulnerability": {"id": "CVE-1", "severity": "Negligible"}}])

    assert read(report) == (Vulnerability(id="CVE-1", severity=Severity.NEGLIGIBLE, fix=Fix.UNKNOWN),)


def test_several_scanners() -> None:
    """The findings of all scanners count."""
    assert len(read(grype(), scanners=True)) == 2


@pytest.mark.parametrize(
    "report",
    [
        {},
        "clean",
        {"version": "2.1.0", "runs": []},
        {"SchemaVersion": 2},
        {"SchemaVersion": 2, "Results": []},
        {"SchemaVersion": 1, "Results": [{"Target": "debian"}]},
        {"SchemaVersion": 2, "Results": [{"Vulnerabilities": [{"VulnerabilityID": "CVE-1", "Severity": "AWFUL"}]}]},
        {"SchemaVersion": 2, "Results": [{"vulnerabilities": []}]},
        {"matches": []},
        {"matches": [], "descriptor": {"name": "other"}},
        grype(state="perhaps"),
        grype(severity="awful"),
    ],
)
def test_what_is_not_understood(report: object) -> None:
    """A report that is unknown, empty or strange is refused, and no clean one."""
    with pytest.raises(ParseError):
        read(report)


def test_no_scanner() -> None:
    """Cosign's predicate without a scanner is none."""
    with pytest.raises(ParseError):
        read_vulnerabilities(COSIGN_VULN, JsonObject.of({}))


def test_bound_over_all_targets() -> None:
    """Findings are counted over all targets of a report."""
    many: list[Any] = [finding("CVE-1", "LOW")] * (findings_of_scanners.MAX_VULNERABILITIES // 2 + 1)
    with pytest.raises(ParseError, match="more than"):
        read({"SchemaVersion": 2, "Results": [{"Vulnerabilities": many}] * 2})


@pytest.mark.parametrize(
    ("severity", "expected"),
    [
        ([{"method": "nvd", "score": "medium"}, {"method": "cvss_score", "score": "5.2"}], Severity.MEDIUM),
        ([{"method": "CVSS_V3", "score": "9.0"}], Severity.CRITICAL),
        ([{"method": "cvss", "score": "0.0"}], Severity.NEGLIGIBLE),
        ({"method": "nvd", "score": "High"}, Severity.HIGH),
        ([], Severity.UNKNOWN),
        (None, Severity.UNKNOWN),
    ],
)
def test_in_toto_severities(severity: object, expected: Severity) -> None:
    """The worst rating counts, in words or as a CVSS score; without any it is unknown, and so is the fix."""
    found = Vulnerability(id="CVE-1", severity=expected, fix=Fix.UNKNOWN)

    assert read_in_toto({"id": "CVE-1", "severity": severity}) == (found,)
    assert read_in_toto({"vulnerability": {"id": "CVE-1", "severity": severity}}) == (found,)


@pytest.mark.parametrize(
    ("method", "score"), [("epss", "0.9"), ("cvss", "nan"), ("cvss", "11"), ("cvss", "CVSS:3.1/AV:N"), ("", "awful")]
)
def test_in_toto_scores_that_mean_nothing_here(method: str, score: str) -> None:
    """A score that the gate cannot place may be the worst one."""
    with pytest.raises(ParseError):
        read_in_toto({"id": "CVE-1", "severity": [{"method": method, "score": score}]})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "scanner",
                    "scanners",
                    "result",
                    "SchemaVersion",
                    "Results",
                    "matches",
                    "descriptor",
                    "name",
                    "severity",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from([COSIGN_VULN, IN_TOTO_VULN]), st.dictionaries(st.sampled_from(["scanner", "scanners"]), json_values)
)
def test_nothing_but_a_parse_error(kind: str, predicate: Any) -> None:  # noqa: ANN401 - any JSON
    """Whatever a predicate holds, reading it gives findings or a ParseError."""
    with contextlib.suppress(ParseError):
        read_vulnerabilities(kind, JsonObject.of(predicate))
