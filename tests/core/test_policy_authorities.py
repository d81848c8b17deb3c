"""Authorities in an ImagePolicy: what may be said about keys and identities, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.core.policies import TUF_ROOT, errors, files, parse, plain, public_pem, trusted_root
from tests.sigstore_stand.stand import SigstoreStand
from webhook.core.policy import KeyAuthority, KeylessAuthority, TransparencyLog
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import PublicGood, TufMirror

KEY = "spec.authorities[0].key"
KEYLESS = "spec.authorities[0].keyless"
IDENTITY = {"issuer": "https://gitlab.example", "subject": "builder@example.com"}
ROOT_FILE = {"file": "trusted_root.json"}


def with_key(**options: object) -> dict[str, Any]:
    """Return a policy whose one authority holds a key, with options."""
    document = plain()
    document["spec"]["authorities"] = [{"name": "release", "key": {"data": public_pem("release"), **options}}]
    return document


def with_identities(*identities: object, **options: object) -> dict[str, Any]:
    """Return a policy whose one authority is keyless."""
    document = plain()
    document["spec"]["authorities"] = [{"name": "release", "keyless": {"identities": list(identities), **options}}]
    del document["spec"]["bases"]
    document["spec"]["rules"] = [{"name": "all", "require": {"signatures": {"from": ["release"]}}}]
    return document


def key_authority(**options: object) -> KeyAuthority:
    """Return the authority of `with_key`."""
    (authority,) = parse(with_key(**options)).authorities
    assert isinstance(authority, KeyAuthority)
    return authority


def keyless_authority(*identities: object, **options: object) -> KeylessAuthority:
    """Return the authority of `with_identities`."""
    (authority,) = parse(with_identities(*identities, **options)).authorities
    assert isinstance(authority, KeylessAuthority)
    return authority


def test_a_key_may_require_the_log() -> None:
    """The log that is required is one of the trusted root."""
    authority = key_authority(transparencyLog="require", trustRoot=ROOT_FILE)

    assert authority.transparency_log is TransparencyLog.REQUIRE
    assert authority.trust_root == load_trust_root(trusted_root())


def test_a_window_of_days_includes_both() -> None:
    """A day begins a window at its beginning and ends one at its end; an instant is itself."""
    days = key_authority(trustRoot=ROOT_FILE, validFrom="2026-01-01", validUntil="2026-01-01")
    instants = key_authority(trustRoot=ROOT_FILE, validFrom="2026-01-01T12:00:00+02:00")

    assert days.valid_from == datetime(2026, 1, 1, tzinfo=UTC)
    assert days.valid_until == datetime(2026, 1, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert (instants.valid_from, instants.valid_until) == (datetime(2026, 1, 1, 10, tzinfo=UTC), None)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"transparencyLog": "require"}, f'{KEY}: "transparencyLog" needs the key "trustRoot"'),
        ({"validFrom": "2026-01-01"}, f'{KEY}: "validFrom" needs the key "trustRoot"'),
        ({"validUntil": "2026-01-01"}, f'{KEY}: "validUntil" needs the key "trustRoot"'),
        (
            {"trustRoot": ROOT_FILE, "validFrom": "2026-01-02", "validUntil": "2026-01-01"},
            f"{KEY}.validUntil: lies before",
        ),
        ({"trustRoot": ROOT_FILE, "validFrom": "tomorrow"}, f"{KEY}.validFrom: is not a date and time"),
        ({"trustRoot": ROOT_FILE, "validFrom": "2026-02-30"}, f"{KEY}.validFrom: `2026-02-30` is not a day"),
        ({"trustRoot": {"file": "absent.json"}}, f"{KEY}.trustRoot.file: `absent.json` cannot be read"),
        ({"trustRoot": {"tuf": {}}}, f'{KEY}.trustRoot: unknown key "tuf"'),
        ({"trustRoot": {"file": "ca.pem"}}, f"{KEY}.trustRoot.file: is not a trusted root that can be used"),
    ],
)
def test_what_nobody_could_verify_is_refused(options: dict[str, object], expected: str) -> None:
    """Times and entries need somebody who is trusted to have seen them, and a window has a beginning before its end."""
    assert any(error.startswith(expected) for error in errors(with_key(**options)))


def test_identities_are_exact_or_expressions() -> None:
    """Each part is met exactly, or wholly by an expression."""
    expression = {"issuerRegExp": "https://[a-z]+[.]example", "subjectRegExp": "[a-z]+@example[.]com"}
    exact, pattern = keyless_authority(IDENTITY, trustRoot=ROOT_FILE), keyless_authority(expression)

    assert exact.is_meant_by("https://gitlab.example", "builder@example.com")
    assert not exact.is_meant_by("https://gitlabXexample", "builder@example.com")
    assert pattern.is_meant_by("https://forge.example", "someone@example.com")
    assert not pattern.is_meant_by("https://forge.example", "someone@example.com.evil.test")


def test_a_root_is_a_file_a_mirror_or_the_public_one() -> None:
    """Without a root the public-good Sigstore is meant; a mirror is known by its URL and by what is trusted first."""
    mirror = {"tuf": {"mirror": "https://tuf.example/sigstore", "root": "root.json"}}

    assert keyless_authority(IDENTITY).trust_root == PublicGood()
    assert keyless_authority(IDENTITY, trustRoot=ROOT_FILE).trust_root == load_trust_root(trusted_root())
    assert keyless_authority(IDENTITY, trustRoot=mirror).trust_root == TufMirror(
        url="https://tuf.example/sigstore", root=TUF_ROOT
    )


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ({"issuer": "https://gitlab.example"}, 'has none of "subject" and "subjectRegExp"'),
        ({"subject": "a@b.example"}, 'has none of "issuer" and "issuerRegExp"'),
        ({**IDENTITY, "issuerRegExp": ".*"}, 'has more than one of "issuer" and "issuerRegExp"'),
        ({"issuer": "x", "subjectRegExp": "(a"}, "is no regular expression"),
        ({"issuer": "x", "subjectRegExp": "a" * 1025}, "has at most 1,024 characters"),
    ],
)
def test_both_parts_of_an_identity_are_needed_once(identity: dict[str, object], expected: str) -> None:
    """An identity without issuer would believe every issuer, so both parts are asked for."""
    found = errors(with_identities(identity))

    assert len(found) == 1
    assert found[0].startswith(f"{KEYLESS}.identities[0]")
    assert expected in found[0]


@pytest.mark.parametrize(
    ("mirror", "expected"),
    [
        ("ftp://tuf.example", "begins with https://"),
        ("https://", "names a host"),
        ("https://user:secret@tuf.example", "without user"),
        ("https://tuf.example?x=1", "without user"),
        ("https://tuf.example/a b", "without user"),
        ("https://[tuf", "without user"),
        ("https://tuf.example/" + "a" * 512, "without user"),
    ],
)
def test_a_mirror_is_named_by_a_plain_url(mirror: str, expected: str) -> None:
    """What is no URL of a repository is refused, and a secret in one is not repeated."""
    (error,) = errors(with_identities(IDENTITY, trustRoot={"tuf": {"mirror": mirror, "root": "root.json"}}))

    assert error.startswith(f"{KEYLESS}.trustRoot.tuf.mirror: ")
    assert expected in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [(b"x", "is not the root metadata"), (b'{"signed": {"_type": "targets"}}', "but not of its root")],
)
def test_a_mirror_begins_with_root_metadata(metadata: bytes, expected: str) -> None:
    """What is trusted to begin with is the metadata of a root."""
    options = {"tuf": {"mirror": "https://tuf.example", "root": "other.json"}}
    (error,) = errors(with_identities(IDENTITY, trustRoot=options), read_file=files(other_json=metadata))

    assert error.startswith(f"{KEYLESS}.trustRoot.tuf.root: ")
    assert expected in error


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("certificateAuthorities", "certificateAuthorities: is empty"),
        ("ctlogs", "without a certificate log is not supported"),
        ("tlogs", "tlogs: is empty"),
    ],
)
def test_a_root_for_certificates_lists_all_that_they_need(part: str, expected: str) -> None:
    """A private Sigstore without a certificate log is not supported, and that is said when the policy is read."""
    root = json.loads(trusted_root()) | {part: []}
    read_file = files(partial_json=json.dumps(root).encode())
    (error,) = errors(with_identities(IDENTITY, trustRoot={"file": "partial.json"}), read_file=read_file)

    assert error.startswith(f"{KEYLESS}.trustRoot.file: is not a trusted root that can be used: ")
    assert expected in error


def test_a_root_for_keys_lists_somebody_who_saw_them() -> None:
    """A root with neither logs nor timestamp authorities can say nothing about a signature by key."""
    root = json.loads(trusted_root()) | {"tlogs": [], "timestampAuthorities": []}
    read_file = files(partial_json=json.dumps(root).encode())
    (error,) = errors(with_key(trustRoot={"file": "partial.json"}), read_file=read_file)

    assert "lists neither transparency logs nor timestamp authorities" in error


def test_the_digest_of_the_policy_covers_the_root() -> None:
    """Another root makes another policy."""
    document = with_key(trustRoot={"file": "own.json"})
    digests = {
        parse(document, read_file=files(own_json=SigstoreStand.create().trusted_root())).digest for _ in range(2)
    }

    assert len(digests) == 2


def test_a_base_is_vouched_for_by_keys() -> None:
    """The catalog records by which key a base was verified, so another kind of authority cannot sign bases yet."""
    document = with_identities(IDENTITY)
    document["spec"]["bases"] = [{"repository": "dhi.io/python", "tags": ["*"], "signedBy": ["release"]}]

    assert errors(document) == ("not supported yet: spec.bases[0].signedBy[0]",)


def test_two_authorities_with_one_identity_are_one_signer() -> None:
    """A threshold that only one identity could meet is refused."""
    document = with_identities(IDENTITY)
    document["spec"]["authorities"].append({"name": "other", "keyless": {"identities": [IDENTITY]}})
    document["spec"]["rules"][0]["require"]["signatures"] = {"from": ["release", "other"], "atLeast": 2}

    assert any("2 can never be reached" in error for error in errors(document))
