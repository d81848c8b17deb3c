"""OpenVEX: which statement excuses which finding, and which does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.attestations.given import PURL, openvex
from tests.core.given import NOW, digest
from webhook.core.attestations.findings_of_scanners import Fix, Severity, Vulnerability
from webhook.core.attestations.openvex import is_excused, read_openvex
from webhook.core.errors import ParseError
from webhook.core.reading.strict_json import JsonObject
from webhook.core.references import Digest

IMAGE, INDEX = digest("image"), digest("index")
FOUND = Vulnerability(
    id="CVE-1", severity=Severity.CRITICAL, fix=Fix.AVAILABLE, aliases=("GHSA-1",), package="openssl", purl=PURL
)


def excused(*documents: dict[str, Any], finding: Vulnerability = FOUND) -> bool:
    """Tell whether these documents together excuse a finding in the image."""
    statements = [one for document in documents for one in read_openvex(JsonObject.of(document))]
    return is_excused(finding, statements, (IMAGE, INDEX))


def changed(document: dict[str, Any], **changes: object) -> dict[str, Any]:
    """Return a document whose one statement is changed; None removes a key."""
    statement = document["statements"][0] | changes
    return document | {"statements": [{key: value for key, value in statement.items() if value is not None}]}


ORDINARY = openvex("CVE-1", IMAGE, at=NOW)


def test_excuses() -> None:
    """A statement about the finding and the image excuses it, by the platform's digest and by the index's."""
    assert excused(ORDINARY)
    assert excused(openvex("CVE-1", INDEX, at=NOW))
    assert excused(openvex("GHSA-1", IMAGE, at=NOW))
    assert excused(changed(ORDINARY, vulnerability={"name": "OTHER-1", "aliases": ["CVE-1"]}))
    assert excused(openvex("CVE-1", IMAGE, status="fixed", at=NOW))
    assert excused(changed(ORDINARY, justification=None, impact_statement="never loaded"))
    assert not excused()


@pytest.mark.parametrize(
    "product",
    [
        {"@id": f"registry.example/shop/api@{IMAGE}"},
        {"@id": f"pkg:docker/shop/api?digest={IMAGE.algorithm}%3A{IMAGE.hex}&platform=linux%2Famd64#x"},
        {"@id": "api", "identifiers": {"purl": f"pkg:oci/api@{IMAGE}?repository_url=registry.example"}},
        {"hashes": {"sha-256": IMAGE.hex}},
    ],
)
def test_products(product: dict[str, Any]) -> None:
    """An image may be named by a reference, by purls, or by its hash."""
    assert excused(changed(ORDINARY, products=[product]))


@pytest.mark.parametrize(
    "changes",
    [
        {"products": None},
        {"products": [{"@id": "pkg:oci/api"}]},
        {"products": [{"@id": f"pkg:oci/api@sha256%3A{'0' * 64}"}]},
        {"products": [{"@id": f"pkg:oci/x{IMAGE}x@1"}]},
        {"vulnerability": {"name": "CVE-2"}},
        {"justification": None},
        {"status": "affected"},
        {"status": "under_investigation"},
    ],
)
def test_what_excuses_nothing(changes: dict[str, Any]) -> None:
    """Other products, other findings, other statuses and claims without a reason excuse nothing."""
    assert not excused(changed(ORDINARY, **changes))


@pytest.mark.parametrize(
    ("subcomponent", "expected"),
    [
        (PURL, True),
        ("pkg:deb/debian/openssl", True),
        ("pkg:deb/debian/openssl@3.0.1", True),
        ("pkg:deb/debian/openssl@3.0.1?arch=amd64", True),
        ("pkg:deb/debian/openssl@3.0.0", False),
        ("pkg:deb/debian/openssl@3.0.1?arch=arm64", False),
        ("pkg:deb/debian/curl@3.0.1", False),
        ("openssl", False),
    ],
)
def test_subcomponents(subcomponent: str, expected: bool) -> None:  # noqa: FBT001 - a column of the table
    """Where a product lists subcomponents, the finding's package must be one of them."""
    document = openvex("CVE-1", IMAGE, at=NOW, subcomponents=[{"@id": subcomponent}])

    assert excused(document) is expected
    unnamed = Vulnerability(id="CVE-1", severity=Severity.CRITICAL, fix=Fix.NONE)
    assert not excused(document, finding=unnamed)


def test_latest_word_counts() -> None:
    """A later statement takes an earlier one back; of two at one instant the strict one counts."""
    later = NOW + timedelta(hours=1)
    affected = openvex("CVE-1", IMAGE, status="affected", at=later)

    assert not excused(ORDINARY, affected)
    assert excused(affected, openvex("CVE-1", IMAGE, at=later + timedelta(hours=1)))
    assert not excused(affected, openvex("CVE-1", IMAGE, at=later))
    assert excused(affected, changed(ORDINARY, timestamp=(later + timedelta(hours=2)).isoformat()))
    assert excused(affected, changed(ORDINARY, last_updated=(later + timedelta(hours=2)).isoformat()))


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"timestamp": NOW.isoformat()},
        changed(ORDINARY, status="fine"),
        changed(ORDINARY, timestamp="yesterday"),
        changed(ORDINARY, vulnerability="CVE-1"),
        changed(ORDINARY, products=["image"]),
    ],
)
def test_what_is_no_document(document: dict[str, Any]) -> None:
    """What OpenVEX 0.2.0 does not have is refused."""
    with pytest.raises(ParseError):
        read_openvex(JsonObject.of(document))


def test_sha512_images_are_named_in_full() -> None:
    """The hash of a product is a SHA-256, so it names no image of another algorithm."""
    other = Digest(algorithm="sha512", hex="0" * 128)
    (statement,) = read_openvex(JsonObject.of(changed(ORDINARY, products=[{"hashes": {"sha-256": "0" * 128}}])))

    assert not statement.concerns(FOUND, (other,))
