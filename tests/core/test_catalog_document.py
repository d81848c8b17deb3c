"""The catalog document: read strictly, written the same every time."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import AMD64, ARM64, NOW, PYTHON, digest
from tests.core.given import build as recorded
from webhook.core.bases.catalog import BaseBuild, Catalog, Status, VerifiedBy
from webhook.core.bases.document import parse_catalog, print_catalog, seal
from webhook.core.errors import DocumentError
from webhook.core.manifests import Platform
from webhook.core.references import Repository
from webhook.demo.layers import EMPTY_TAR, Layer

EMPTY = Layer(tar=EMPTY_TAR, blob=EMPTY_TAR, media_type="").diff_id
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2026, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
WORDS = st.text(alphabet='ab1 /"\\\n\x00\u00e9\u2028\U0001f600', max_size=8)
NAMES = st.text(alphabet="ab1 \u00e9", min_size=1, max_size=8)


@st.composite
def builds(draw: st.DrawFn) -> BaseBuild:
    """Draw a record that is consistent in itself."""
    seed = draw(st.integers(min_value=0, max_value=10_000))
    diff_ids = tuple(digest(f"{seed} {n}") for n in range(draw(st.integers(min_value=1, max_value=4))))
    status = draw(st.sampled_from(Status))
    first_seen, superseded_at = draw(INSTANTS), draw(st.none() | INSTANTS)
    return recorded(
        repository=draw(st.sampled_from([PYTHON, Repository.parse("localhost:5000/a/b")])),
        tags=tuple(draw(st.lists(st.sampled_from(["1", "1.2", "1-dev", "latest"]), min_size=1, unique=True))),
        platform=draw(st.sampled_from([AMD64, ARM64, Platform(os="linux", architecture="arm", variant="v7")])),
        index_digest=draw(st.none() | st.just(digest(f"index {seed}"))),
        digest=digest(f"manifest {seed}"),
        diff_ids=diff_ids,
        created=draw(INSTANTS),
        end_of_life=draw(st.none() | st.dates(date(2020, 1, 1), date(2040, 1, 1))),
        variant=draw(NAMES),
        distro=draw(WORDS),
        fips=draw(st.booleans()),
        definition=draw(WORDS),
        user=draw(WORDS),
        first_seen=first_seen,
        last_seen=NOW,
        superseded_at=None if status is Status.ACTIVE else superseded_at,
        status=status,
        reason=draw(NAMES) if status is Status.REVOKED else None,
        verified_by=VerifiedBy(authority=draw(NAMES), key_fingerprint=digest("key")),
    )


def catalog(*found: BaseBuild) -> Catalog:
    """Return a sealed catalog of these, by default of one."""
    return seal(policy="production", synced_at=NOW, builds=found or (recorded(),))


def document(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 - any value of JSON
    """Return a printed catalog of one entry as a document, with fields of the entry changed; `...` removes one."""
    value: dict[str, Any] = json.loads(print_catalog(catalog()))
    value["bases"][0] |= changes
    value["bases"][0] = {key: field for key, field in value["bases"][0].items() if field is not ...}
    return value


def complaints(value: object) -> list[str]:
    """Return everything that is wrong with a document."""
    with pytest.raises(DocumentError) as caught:
        parse_catalog(json.dumps(value).encode())
    return [str(error) for error in caught.value.errors]


@given(st.lists(builds(), max_size=3, unique_by=lambda b: (b.repository, b.root, b.digest)))
def test_what_was_printed_is_read_back(found: list[BaseBuild]) -> None:
    """Reading undoes printing, and printing again gives the same bytes."""
    printed = print_catalog(seal(policy="production", synced_at=NOW, builds=found))
    read = parse_catalog(printed)

    assert seal(policy="production", synced_at=NOW, builds=found) == read
    assert printed == print_catalog(read)


@given(st.permutations([recorded(digest=digest(str(n)), created=NOW - timedelta(days=n % 3)) for n in range(5)]))
def test_the_order_of_the_builds_does_not_matter(found: list[BaseBuild]) -> None:
    """The same builds make the same document and the same revision."""
    ordered = sorted(found, key=lambda build: str(build.digest))

    assert print_catalog(catalog(*ordered)) == print_catalog(catalog(*found))


def test_the_document_has_the_names_of_the_contract() -> None:
    """Keys and forms are those of `BaseCatalog`, one line per field."""
    build = recorded(end_of_life=date(2029, 10, 31))
    text = print_catalog(catalog(build)).decode()
    value = json.loads(text)

    assert list(value) == ["apiVersion", "kind", "metadata", "bases"]
    assert (value["apiVersion"], value["kind"]) == ("dhi-gate.dev/v1alpha1", "BaseCatalog")
    assert value["metadata"] == {
        "policy": "production",
        "syncedAt": "2026-11-23T12:00:00Z",
        "revision": str(catalog(build).revision),
    }
    assert value["bases"] == [
        {
            "repository": "dhi.io/python",
            "tags": ["3.13", "3.13-debian13"],
            "platform": "linux/amd64",
            "indexDigest": str(build.index_digest),
            "digest": str(build.digest),
            "configDigest": str(build.config_digest),
            "layers": [str(layer) for layer in build.layers],
            "diffIDs": [str(diff_id) for diff_id in build.diff_ids],
            "chainID": str(build.chain_id),
            "created": "2026-11-20T12:00:00Z",
            "endOfLife": "2029-10-31",
            "variant": "runtime",
            "distro": "debian-13",
            "fips": False,
            "definition": "image/python/debian-13/3.13",
            "user": "65532",
            "firstSeen": "2026-11-21T12:00:00Z",
            "lastSeen": "2026-11-23T12:00:00Z",
            "supersededAt": None,
            "status": "active",
            "reason": None,
            "verifiedBy": {
                "authority": "docker-dhi",
                "keyFingerprint": str(build.verified_by.key_fingerprint),
            },
        }
    ]
    assert '\n   "status": "active",\n' in text


def test_the_revision_changes_with_the_content_and_nothing_else() -> None:
    """The revision names what is recorded: not the policy's name, the time of the sync or when a base was seen."""
    one = catalog()

    assert one.revision == seal(policy="other", synced_at=NOW - timedelta(days=1), builds=one.builds).revision
    assert one.revision == catalog(recorded(last_seen=NOW + timedelta(days=1))).revision
    assert one.revision != catalog(recorded(user="0")).revision


def test_an_empty_catalog_is_a_catalog() -> None:
    """Nothing verified yet: it reads, and approves nothing."""
    empty = seal(policy="production", synced_at=NOW, builds=())

    assert empty == parse_catalog(print_catalog(empty))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"repository": "DHI.io/python"}, "bases[0].repository: is not canonical; write dhi.io/python"),
        ({"tags": []}, "bases[0].tags: is an empty list"),
        ({"tags": ["1", "1"]}, "bases[0].tags[1]: stands in this list twice"),
        ({"tags": ["a b"]}, "bases[0].tags[0]: `a b` is not a tag"),
        ({"platform": "linux"}, "bases[0].platform: architecture: is missing"),
        ({"platform": "linux/x86_64"}, "bases[0].platform: is not in its usual spelling; write linux/amd64"),
        ({"platform": "linux/amd64/v2/x"}, "bases[0].platform: is not in its usual spelling; write linux/amd64/v2"),
        ({"indexDigest": "sha256:1"}, "bases[0].indexDigest: `sha256:1` is not 64 lower-case"),
        ({"layers": []}, "bases[0].layers: is an empty list"),
        ({"diffIDs": []}, "bases[0].diffIDs: is an empty list"),
        ({"layers": [str(digest("1"))]}, "bases[0]: 1 layers do not go with 2 diffIDs"),
        ({"chainID": str(digest("1"))}, "bases[0]: the chainID is not that of the diffIDs"),
        (
            {"diffIDs": [str(EMPTY)], "layers": [str(EMPTY)], "chainID": str(EMPTY)},
            "bases[0]: holds nothing but empty layers",
        ),
        ({"created": "2026-11-23T12:11:00Z"}, "bases[0]: was created after it was last seen"),
        ({"created": "2026-11-23T12:00:00+00:00"}, "bases[0].created: is not an instant in UTC"),
        ({"created": "2026-11-31T12:00:00Z"}, "bases[0].created: is not an instant in UTC"),
        ({"firstSeen": "2026-11-23T12:00:01Z"}, "bases[0]: was first seen after it was last seen"),
        ({"endOfLife": "2029-10"}, "bases[0].endOfLife: is not a day"),
        ({"endOfLife": ""}, "bases[0].endOfLife: is empty"),
        ({"variant": ""}, "bases[0].variant: is empty"),
        ({"fips": "no"}, "bases[0].fips: expected true or false, found text"),
        ({"user": 0}, "bases[0].user: expected text, found the number 0"),
        ({"status": "Active"}, 'bases[0].status: expected "active", "superseded" or "revoked"'),
        ({"status": "revoked"}, "bases[0]: a revoked build has a reason, and no other has one"),
        ({"reason": "why not"}, "bases[0]: a revoked build has a reason, and no other has one"),
        ({"supersededAt": "2026-11-23T12:00:00Z"}, "bases[0]: an active build has not been superseded"),
        ({"verifiedBy": {"authority": "docker-dhi"}}, 'bases[0].verifiedBy: misses the key "keyFingerprint"'),
        ({"reason": ...}, 'bases[0]: misses the key "reason"'),
        ({"chain": ""}, 'bases[0]: unknown key "chain", did you mean "chainID"?'),
        ({"chainId": ""}, "has the keys `chainID` and `chainId`, which some readers take for one"),
    ],
)
def test_what_is_wrong_is_said_with_its_path(changes: dict[str, Any], complaint: str) -> None:
    """Every field is checked by itself, and against the others."""
    found = complaints(document(**changes))

    assert any(each.startswith(complaint) for each in found), found


def test_all_errors_come_together() -> None:
    """A document is judged as a whole, in its own order."""
    value = document(fips=1, status="gone", created="now")
    value["metadata"]["extra"] = 1
    paths = [found.split(":")[0] for found in complaints(value)]

    assert paths == ["metadata", "bases[0].created", "bases[0].fips", "bases[0].status"]


def test_an_entry_stands_once() -> None:
    """The same manifest under the same root in the same repository is one record."""
    value = document()
    value["bases"].append({**value["bases"][0], "tags": ["other"]})

    assert complaints(value) == ["bases[1]: stands in this list twice"]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"apiVersion": "v1"}, 'apiVersion: expected "dhi-gate.dev/v1alpha1", found "v1"'),
        ({"kind": "ImagePolicy"}, 'kind: expected "BaseCatalog", found "ImagePolicy"'),
        ({"bases": {}}, "bases: expected a list, found a mapping"),
        ({"base": []}, 'unknown key "base", did you mean "bases"?'),
        ({"metadata": {"policy": "p"}}, 'metadata: misses the key "syncedAt"'),
    ],
)
def test_the_frame_is_checked_too(changes: dict[str, Any], complaint: str) -> None:
    """Another kind or version of document is not a catalog."""
    assert complaint in complaints({**document(), **changes})


def test_the_revision_of_a_document_that_was_edited_is_computed_anew() -> None:
    """The revision that reports name is that of the entries in force, whatever the document says."""
    edited = parse_catalog(json.dumps(document(user="0")).encode())

    assert edited.revision == seal(policy="x", synced_at=NOW, builds=edited.builds).revision
    assert str(edited.revision) != document(user="0")["metadata"]["revision"]


@pytest.mark.parametrize("data", [b"", b"[]", b'{"a":1,"a":2}', b"\xff", b"{" * 100])
def test_what_is_no_document_is_refused(data: bytes) -> None:
    """Broken, ambiguous or deeply nested JSON ends in a DocumentError."""
    with pytest.raises(DocumentError):
        parse_catalog(data)


@given(st.binary(max_size=300))
def test_reading_raises_nothing_else(data: bytes) -> None:
    """Whatever the bytes, the one error is DocumentError."""
    with pytest.raises(DocumentError):
        parse_catalog(data)


def test_printing_computes_the_revision() -> None:
    """A catalog that was changed without being sealed is still printed as one that reads."""
    changed = replace(catalog(), builds=(recorded(user="0"),))

    assert parse_catalog(print_catalog(changed)).builds == changed.builds
