"""Authorities of Notation in a policy: what is read, and every way in which it is refused."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.core.policies import NOTATION, errors, files, parse, plain, replaced
from webhook.core.policy import NotationAuthority
from webhook.core.policy_reading.warnings import warnings
from webhook.core.signatures.notation.subjects import parse_trusted_subject


def pem_of_version_6(pem: bytes) -> bytes:
    """Return a certificate of a version that does not exist."""
    der = base64.b64decode(b"".join(pem.splitlines()[1:-1]))
    changed = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05", 1)
    return b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(changed) + b"-----END CERTIFICATE-----\n"


IDENTITY = "x509.subject: CN=release,O=Example"
CONTENTS = {
    "other_pem": NOTATION.joinpath("other-root.pem").read_bytes(),
    "issuing_crl": NOTATION.joinpath("issuing.crl").read_bytes(),
    "version6_pem": pem_of_version_6(NOTATION.joinpath("root.pem").read_bytes()),
    "two_pem": NOTATION.joinpath("root.pem").read_bytes() * 101,
}


def written(**notation: object) -> dict[str, Any]:
    """Return a policy whose second authority is of Notation, with some keys said otherwise."""
    usual = {"trustStore": {"file": "root.pem"}, "trustedIdentities": [IDENTITY]}
    document = plain()
    document["spec"]["authorities"].append({"name": "notary", "notation": usual | notation})
    return document


def test_an_authority_is_read_into_values() -> None:
    """Trust store, identities and lists arrive, with the limits that every authority may have."""
    document = written(crls=[{"file": "root.crl"}, {"file": "issuing.crl"}])
    document["spec"]["authorities"][1] |= {
        "repositories": ["registry.example/**"],
        "annotations": {"env": "production"},
    }
    _, authority = parse(document, read_file=files(**CONTENTS)).authorities

    assert isinstance(authority, NotationAuthority)
    assert len(authority.trust_store) == 1
    assert authority.identities == (parse_trusted_subject("x509.subject:O=Example, CN=release"),)
    assert [str(crl.issuer.rfc4514_string()).split(",")[0] for crl in authority.crls] == [
        "CN=Example Root CA",
        "CN=Example Issuing CA",
    ]
    assert authority.signers == frozenset(authority.identities)
    assert authority.annotations == {"env": "production"}
    assert authority.repositories


def test_two_authorities_that_share_an_identity_are_one_signer() -> None:
    """A threshold of two cannot be met by two names for one subject."""
    document = written()
    twin = {"name": "twin", "notation": {"trustStore": {"file": "other.pem"}, "trustedIdentities": [IDENTITY]}}
    document["spec"]["authorities"].append(twin)
    signatures = ("spec", "rules", 0, "require", "signatures")
    document = replaced(document, signatures, {"from": ["notary", "twin"], "atLeast": 2})

    assert "2 can never be reached" in errors(document, read_file=files(**CONTENTS))[0]


@pytest.mark.parametrize(
    ("notation", "expected"),
    [
        ({"trustStore": {}}, 'notation.trustStore: misses the key "file"'),
        ({"trustStore": {"file": "missing.pem"}}, "trustStore.file: `missing.pem` cannot be read: No such file"),
        ({"trustStore": {"file": "release.pem"}}, "trustStore.file: is not a list of certificates (PEM)"),
        ({"trustStore": {"file": "key.pem"}}, "trustStore.file: holds a private key"),
        ({"trustStore": {"file": "version6.pem"}}, "trustStore.file: is not a list of certificates (PEM)"),
        ({"trustStore": {"file": "two.pem"}}, "trustStore.file: holds more than 100 certificates"),
        ({"trustedIdentities": []}, "trustedIdentities: is an empty list"),
        ({"trustedIdentities": ["*"]}, "trustedIdentities[0]: `*` trusts everyone"),
        ({"trustedIdentities": [IDENTITY, "x509.subject: O=Example, CN=release"]}, "[1]: stands in this list twice"),
        ({"trustedIdentities": ["CN=release"]}, "[0]: `CN=release` is not an identity such as"),
        ({"crls": [{"file": "root.pem"}]}, "crls[0].file: is not a revocation list (PEM or DER)"),
        ({"crls": [{"file": "root.crl"}, {"file": "root.crl"}]}, "crls[1]: stands in this list twice"),
        ({"crls": [{"file": "forged.crl"}]}, "crls[0].file: is not signed by the authority of the trust store"),
        ({"revocation": "strict"}, 'notation: unknown key "revocation"'),
    ],
)
def test_each_mistake_is_told_with_its_path(notation: dict[str, object], expected: str) -> None:
    """What cannot be used is refused where it stands."""
    crl = bytearray(NOTATION.joinpath("root.crl").read_bytes())
    crl[-1] ^= 1
    more = CONTENTS | {"key_pem": b"-----BEGIN PRIVATE KEY-----\n", "forged_crl": bytes(crl)}
    found = errors(written(**notation), read_file=files(**more))

    assert len(found) == 1
    assert found[0].startswith("spec.authorities[1].notation")
    assert expected in found[0]


def test_a_mistake_in_the_trust_store_does_not_hide_one_in_the_lists() -> None:
    """All that is wrong is told at once."""
    found = errors(written(trustStore={"file": "x"}, trustedIdentities=["x"], crls=[{"file": "y"}]))

    assert [error.split(":")[0].removeprefix("spec.authorities[1].notation.") for error in found] == [
        "trustStore.file",
        "trustedIdentities[0]",
        "crls[0].file",
    ]


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2026, []),
        (
            2025,
            ["crls[0]: the list of `CN=Example Root CA,O=Example,ST=WA,C=US` is not in force"],
        ),
        (
            2121,
            [
                "trustStore: the certificate of `CN=Example Root CA,O=Example,ST=WA,C=US` is not valid now",
                "crls[0]: the list of `CN=Example Root CA,O=Example,ST=WA,C=US` is not in force",
            ],
        ),
    ],
)
def test_what_has_ended_is_warned_about(year: int, expected: list[str]) -> None:
    """A certificate or a list that has ended, or not begun, holds no signature: its author is told."""
    document = written(crls=[{"file": "root.crl"}])
    document["spec"]["rules"][0]["require"]["signatures"]["from"].append("notary")
    found = warnings(parse(document), as_of=datetime(year, 11, 23, tzinfo=UTC))

    assert [str(warning).removeprefix("spec.authorities[1].notation.") for warning in found] == expected
