"""Trusted roots: which documents are one, and what is read from them."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.signatures.given_keyless import ROOT, STAND
from tests.sigstore_stand.certificates import der_of
from webhook.core.errors import ParseError
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trusted_material import Period, trusted_material

DOCUMENT: dict[str, Any] = json.loads(STAND.trusted_root())
VERSION_6 = base64.b64encode(
    der_of(STAND.authority.chain[0]).replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05")
).decode()
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def encoded(document: object) -> bytes:
    """Return a document as JSON."""
    return json.dumps(document).encode()


def test_a_root_is_read_with_all_its_parts() -> None:
    """Authorities, certificate logs, logs and timestamp authorities arrive, each with its period."""
    trusted = trusted_material(ROOT)

    assert [len(chain.certificates) for chain in trusted.issuers] == [len(STAND.authority.chain)]
    assert [STAND.authority.log.log_id in log.ids for log in trusted.certificate_logs] == [True]
    assert [STAND.first_log.log_id in log.ids for log in trusted.logs] == [True, False]
    assert len(trusted.timestampers) == 1
    assert trusted.logs[0].period.start == STAND.now - timedelta(days=365)
    assert trusted.logs[0].period.end is None


def test_a_client_trust_config_holds_a_root() -> None:
    """The root inside a client's configuration is the same root; order and spacing make no difference."""
    kind = "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"
    config = {"mediaType": kind, "trustedRoot": dict(reversed(DOCUMENT.items())), "signingConfig": {}}

    assert load_trust_root(encoded(config)) == load_trust_root(encoded(DOCUMENT)) == ROOT
    assert load_trust_root(json.dumps(DOCUMENT, indent=2).encode()).document == ROOT.document


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"{}",
        encoded({"mediaType": "x"}),
        encoded({"mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json"}),
        encoded(DOCUMENT | {"tlogs": None}),
        encoded(DOCUMENT | {"tlogs": [{}]}),
        encoded(DOCUMENT | {"surplus": 1}),
        encoded(
            DOCUMENT
            | {"certificateAuthorities": [DOCUMENT["certificateAuthorities"][0] | {"certChain": {"certificates": []}}]}
        ),
        encoded(
            DOCUMENT
            | {
                "timestampAuthorities": [
                    DOCUMENT["timestampAuthorities"][0] | {"certChain": {"certificates": [{"rawBytes": "AAAA"}]}}
                ]
            }
        ),
        encoded(
            DOCUMENT
            | {
                "timestampAuthorities": [
                    DOCUMENT["timestampAuthorities"][0] | {"certChain": {"certificates": [{"rawBytes": VERSION_6}]}}
                ]
            }
        ),
        STAND.trusted_root().replace(b'"tlogs"', b'"tlogs": [], "tlogs"'),
    ],
)
def test_what_is_no_root_is_refused(document: bytes) -> None:
    """A document that is something else, or holds what cannot be read, is refused with a reason."""
    with pytest.raises(ParseError):
        load_trust_root(document)


def test_a_key_without_a_period_is_refused() -> None:
    """Since when a key counts must be said."""
    log = json.loads(encoded(DOCUMENT["tlogs"][0]))
    del log["publicKey"]["validFor"]
    with pytest.raises(ParseError, match="since when"):
        load_trust_root(encoded(DOCUMENT | {"tlogs": [log]}))


@given(st.binary(max_size=200))
def test_hostile_bytes_are_refused_in_one_way(data: bytes) -> None:
    """Whatever stands in a file of the policy, reading it as a root raises nothing but the one error."""
    with pytest.raises(ParseError):
        load_trust_root(data)


def test_a_period_includes_its_ends() -> None:
    """A period holds only if all times lie inside, and without an end it does not end."""
    hour = timedelta(hours=1)
    bounded = Period(start=NOON, end=NOON + hour)

    assert bounded.holds((NOON, NOON + hour))
    assert not bounded.holds((NOON, NOON + 2 * hour))
    assert not bounded.holds((NOON - hour,))
    assert Period(start=NOON, end=None).holds((NOON + 1000 * hour,))
