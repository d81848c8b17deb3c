"""Counting signers: distinct authorities, each with a key of its own."""

from __future__ import annotations

from dataclasses import replace

from tests.core.given import DOCKER, RELEASE, SANDBOX, digest, vouched
from webhook.core.evidence import count_signers
from webhook.core.policy import SignatureRequirement
from webhook.core.signatures.findings import SignatureFindings, Voucher

ALL = SignatureRequirement(authorities=("docker-dhi", "release", "sandbox"), at_least=2)


def by_keys(**keys: str) -> SignatureFindings:
    """Return findings in which each authority vouched with the named keys, one letter a key."""
    return SignatureFindings(
        vouchers=tuple(Voucher(authority=a, signer=digest(k)) for a, letters in keys.items() for k in letters)
    )


def test_distinct_authorities_count() -> None:
    """Each named authority counts once, however often it signed; others do not count."""
    named = SignatureRequirement(authorities=("release",))

    assert count_signers(vouched(DOCKER, RELEASE, SANDBOX), ALL) == 3
    assert count_signers(vouched(RELEASE, RELEASE), ALL) == 1
    assert count_signers(vouched(DOCKER, SANDBOX), named) == 0
    assert count_signers(vouched(), ALL) == 0


def test_a_shared_key_counts_once() -> None:
    """Two authorities that hold the same key are one signer."""
    twin = replace(SANDBOX, keys=RELEASE.keys)

    assert count_signers(vouched(RELEASE, twin), ALL) == 1


def test_keys_are_dealt_out_as_well_as_they_can_be() -> None:
    """An authority that signed with two keys gives up the one that another needs."""
    assert count_signers(by_keys(release="ab", sandbox="a"), ALL) == 2
    assert count_signers(by_keys(sandbox="a", release="ab"), ALL) == 2
    assert count_signers(by_keys(release="ab", sandbox="ab", **{"docker-dhi": "ab"}), ALL) == 2
