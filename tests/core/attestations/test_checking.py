"""One verified statement against a rule: its age, its form, who built what from where."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.core.attestations.given import (
    BUILDER,
    COSIGN_VULN,
    SLSA_02,
    SLSA_1,
    SOURCE,
    SPDX,
    VSA,
    cosign_vuln,
    provenance,
)
from tests.core.given import NOW, digest
from webhook.core.attestations.checking import Surroundings, age_failure, content_failure
from webhook.core.attestations.failures import (
    FromTheFuture,
    NotPassed,
    NotUnderstood,
    TooOld,
    Undated,
    UntrustedBuilder,
    UntrustedSource,
)
from webhook.core.attestations.forms import stated_time
from webhook.core.attestations.predicate_types import FIPS, OPENVEX
from webhook.core.attestations.provenance import read_provenance
from webhook.core.attestations.statements import VerifiedStatement
from webhook.core.errors import ParseError
from webhook.core.policy import AttestationRequirement
from webhook.core.reading.strict_json import JsonObject
from webhook.core.references import Glob
from webhook.core.signatures.findings import Voucher

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
IMAGE = digest("image")
AROUND = Surroundings(as_of=NOW, short_lived=frozenset({"pipeline"}), images=(IMAGE,))
CUSTOM = "https://example.com/custom/v1"


def vouch(authority: str = "release", signed_at: datetime | None = None) -> Voucher:
    """Return somebody's word."""
    return Voucher(authority=authority, key=digest(authority), signed_at=signed_at)


def statement(kind: str, predicate: Any, *vouchers: Voucher) -> VerifiedStatement:  # noqa: ANN401 - any JSON
    """Return a verified statement about the image, by default one by the key of the release pipeline."""
    return VerifiedStatement(
        predicate_type=kind,
        predicate=predicate,
        subjects=frozenset({IMAGE}),
        vouchers=vouchers or (vouch(),),
        manifest=digest("manifest"),
    )


def wanted(kind: str, **changes: Any) -> AttestationRequirement:  # noqa: ANN401 - any field
    """Return a requirement of that type by either authority."""
    return AttestationRequirement(type=kind, authorities=("release", "pipeline"), **changes)


def age(found: VerifiedStatement, days: int = 7) -> object:
    """Return what is wrong with a statement's time."""
    return age_failure(found, wanted(found.predicate_type, max_age=days * DAY), AROUND)


class TestAge:
    """Age counts from when the statement was signed, and that must be known."""

    def test_certificate(self) -> None:
        """Under a certificate that lives for minutes, the trusted time is that of the signature."""
        assert age(statement(CUSTOM, "any", vouch("pipeline", NOW - DAY))) is None
        assert age(statement(CUSTOM, "any", vouch("pipeline", NOW - 8 * DAY))) == TooOld(
            age_hours=192, max_age_hours=168
        )
        assert age(statement(CUSTOM, "any", vouch("pipeline"))) == Undated()

    def test_new_timestamp_makes_no_old_statement_young(self) -> None:
        """Under a key, a trusted time bounds the age from one side only: anybody can stamp an old signature again."""
        old = cosign_vuln(at=NOW - 8 * DAY)

        assert isinstance(age(statement(COSIGN_VULN, old, vouch("release", NOW))), TooOld)
        assert age(statement(CUSTOM, {}, vouch("release", NOW))) == Undated()
        early = cosign_vuln(at=NOW)
        assert isinstance(age(statement(COSIGN_VULN, early, vouch("release", NOW - 8 * DAY))), TooOld)

    def test_best_voucher_counts(self) -> None:
        """Of several who vouch, the freshest word counts, and the word of others does not."""
        assert age(statement(CUSTOM, {}, vouch("release", NOW), vouch("pipeline", NOW - HOUR))) is None
        assert age(statement(CUSTOM, {}, vouch("sandbox", NOW), vouch("release"))) == Undated()

    def test_future(self) -> None:
        """A time beyond what clocks may differ is refused, and one within is not."""
        assert age(statement(COSIGN_VULN, cosign_vuln(at=NOW + timedelta(minutes=9)))) is None
        assert age(statement(COSIGN_VULN, cosign_vuln(at=NOW + 2 * HOUR))) == FromTheFuture(minutes=120)

    def test_time_that_is_none(self) -> None:
        """A time that cannot be read is not understood."""
        report = cosign_vuln() | {"metadata": {"scanFinishedOn": "yesterday"}}

        assert isinstance(age(statement(COSIGN_VULN, report)), NotUnderstood)
        assert isinstance(age(statement(COSIGN_VULN, "text")), NotUnderstood)

    @pytest.mark.parametrize(
        ("kind", "predicate"),
        [
            (SLSA_02, {"metadata": {"buildFinishedOn": "2026-11-23T12:00:00Z"}}),
            (SLSA_1, {"runDetails": {"metadata": {"finishedOn": "2026-11-23T12:00:00Z"}}}),
            (OPENVEX, {"timestamp": "2026-11-23T12:00:00Z"}),
            (VSA, {"timeVerified": "2026-11-23T13:00:00+01:00"}),
            (SPDX, {"creationInfo": {"created": "2026-11-23T12:00:00.000Z"}}),
            ("https://cyclonedx.org/bom", {"metadata": {"timestamp": "2026-11-23T12:00:00Z"}}),
            ("https://cyclonedx.org/bom/v1.6", {"metadata": {"timestamp": "2026-11-23T12:00:00Z"}}),
        ],
    )
    def test_where_the_time_stands(self, kind: str, predicate: Any) -> None:  # noqa: ANN401 - any JSON
        """Every known type says at its own place when it was made."""
        assert stated_time(kind, predicate) == NOW
        assert stated_time(kind, {}) is None

    def test_no_limit(self) -> None:
        """A rule without `maxAge` asks for no time."""
        assert age_failure(statement(CUSTOM, "any"), wanted(CUSTOM), AROUND) is None


@pytest.mark.parametrize(
    ("kind", "predicate"),
    [
        (SPDX, {"spdxVersion": "SPDX-2.3"}),
        (SPDX, {"@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld", "@graph": []}),
        ("https://cyclonedx.org/bom", {"bomFormat": "CycloneDX"}),
        ("https://cyclonedx.org/bom/v1.6", {"bomFormat": "CycloneDX"}),
        (FIPS, {"certification": "CMVP"}),
        (VSA, {"verificationResult": "PASSED"}),
        (CUSTOM, None),
        (CUSTOM, "text"),
        (COSIGN_VULN, cosign_vuln()),
        (SLSA_1, provenance()),
    ],
)
def test_well_formed(kind: str, predicate: Any) -> None:  # noqa: ANN401 - any JSON
    """A predicate that is what its type says satisfies a rule that asks for no more; of other types anything does."""
    assert content_failure(statement(kind, predicate), wanted(kind), AROUND) is None


@pytest.mark.parametrize(
    ("kind", "predicate"),
    [
        (SPDX, None),
        (SPDX, "SPDXVersion: SPDX-2.3"),
        (SPDX, {}),
        (SPDX, {"@context": "x"}),
        ("https://cyclonedx.org/bom", {"bomFormat": "SPDX"}),
        (FIPS, {}),
        (VSA, {"verificationResult": "MAYBE"}),
        (VSA, []),
        (COSIGN_VULN, {}),
        (SLSA_1, {}),
        (SLSA_02, {"builder": "me"}),
    ],
)
def test_not_understood(kind: str, predicate: Any) -> None:  # noqa: ANN401 - any JSON
    """A predicate that is not what its type says fails."""
    assert isinstance(content_failure(statement(kind, predicate), wanted(kind), AROUND), NotUnderstood)


def test_verification_that_failed() -> None:
    """A summary of a verification that failed fails."""
    found = statement(VSA, {"verificationResult": "FAILED"})

    assert content_failure(found, wanted(VSA), AROUND) == NotPassed()


BUILDERS, SOURCES = (Glob(BUILDER),), (Glob("https://git.example/shop/*"),)


@pytest.mark.parametrize(
    "source",
    [
        "https://git.example/shop/api",
        "git+https://git.example/shop/api@refs/heads/main",
        "https://git.example/shop/api.git#main:sub",
        {"uri": "git+https://git.example/shop/api.git", "digest": {}},
    ],
)
def test_listed_source(source: object) -> None:
    """A source is compared without its scheme prefix, its revision and `.git`."""
    predicate = provenance()
    predicate["buildDefinition"]["externalParameters"] = {"source": source}
    found = statement(SLSA_1, predicate)

    assert content_failure(found, wanted(SLSA_1, builders=BUILDERS, sources=SOURCES), AROUND) is None


@pytest.mark.parametrize(
    "source",
    [
        "https://git.example/shopping/api",
        "https://git.example@evil.example/shop/api",
        "https://evil.example/?https://git.example/shop/api",
        "https://git.example/shop/..",
        "https://git.example/shop/%2E%2e",
        "https://git.example/shop/a/b",
    ],
)
def test_unlisted_source(source: str) -> None:
    """Another repository is another source, however its address is written."""
    found = statement(SLSA_1, provenance(source=source))

    assert isinstance(content_failure(found, wanted(SLSA_1, sources=SOURCES), AROUND), UntrustedSource)


@pytest.mark.parametrize(
    ("parameters", "sources"),
    [
        ({"workflow": {"repository": SOURCE, "path": ".github/workflows/ci.yml"}}, (SOURCE,)),
        ({"configSource": {"uri": f"{SOURCE}.git#main"}}, (SOURCE,)),
        ({}, (SOURCE,)),
        ({"source": "https://a.example/x", "configSource": {"uri": SOURCE}}, ("https://a.example/x", SOURCE)),
    ],
)
def test_where_the_source_stands(parameters: dict[str, Any], sources: tuple[str, ...]) -> None:
    """Builders declare the source at places of their own; where none does, the git dependencies are the sources."""
    predicate = provenance()
    predicate["buildDefinition"]["externalParameters"] = parameters

    assert read_provenance(SLSA_1, JsonObject.of(predicate)).sources == sources


def test_no_source() -> None:
    """Where the rule lists sources, a provenance that names none fails."""
    found = statement(SLSA_02, {"builder": {"id": BUILDER}})

    assert content_failure(found, wanted(SLSA_02, sources=SOURCES), AROUND) == UntrustedSource(
        sources=(), allowed=("https://git.example/shop/*",)
    )


def test_version_02() -> None:
    """Version 0.2 has its source in `invocation` and its images among the materials."""
    predicate: dict[str, Any] = {
        "builder": {"id": "https://evil.example/"},
        "invocation": {"configSource": {"uri": f"git+{SOURCE}@refs/heads/main"}},
        "materials": [
            {"uri": "pkg:docker/dhi.io/python@3.13?platform=linux%2Famd64", "digest": {"sha256": IMAGE.hex}},
            {"uri": "pkg:npm/left-pad@1.0.0", "digest": {"sha256": IMAGE.hex}},
            {"uri": "https://files.example/a.tar", "digest": {"sha256": IMAGE.hex}},
            {"uri": "dhi.io/python:3.13", "digest": {"sha256": "short"}},
        ],
    }
    found = read_provenance(SLSA_02, JsonObject.of(predicate))

    assert found.sources == (SOURCE,)
    assert [(image.uri[:10], image.digest) for image in found.images] == [("pkg:docker", IMAGE), ("dhi.io/pyt", None)]
    failure = content_failure(statement(SLSA_02, predicate), wanted(SLSA_02, builders=BUILDERS), AROUND)
    assert failure == UntrustedBuilder(builder="https://evil.example/", allowed=(BUILDER,))


def test_dependencies_are_bounded() -> None:
    """A provenance with more dependencies than anybody has is refused."""
    with pytest.raises(ParseError):
        read_provenance(SLSA_02, JsonObject.of({"builder": {"id": "x"}, "materials": [{"uri": "a"}] * 10_001}))
