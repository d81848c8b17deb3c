"""Counting signers: distinct authorities, each with a key and an identity of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations, product

from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import DOCKER, RELEASE, SANDBOX, digest, vouched
from webhook.core.evidence import count_signers
from webhook.core.policy import SignatureRequirement
from webhook.core.signatures.findings import SignatureFindings, Voucher

ALL = SignatureRequirement(authorities=("docker-dhi", "release", "sandbox"), at_least=2)


def by_keys(**keys: str) -> SignatureFindings:
    """Return findings in which each authority vouched with the named keys, one letter a key."""
    return SignatureFindings(
        vouchers=tuple(Voucher(authority=a, key=digest(k)) for a, letters in keys.items() for k in letters)
    )


def by_certificate(authority: str, key: str, identity: str) -> Voucher:
    """Return a voucher by a certificate for that key, that names that identity."""
    return Voucher(authority=authority, key=digest(key), identity=digest(identity))


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


def test_a_shared_key_or_identity_makes_one_signer() -> None:
    """A key behind two identities is one signer, as is an identity behind two keys; two of both are two signers."""
    release = by_certificate("release", "k1", "ann")

    def count(*others: Voucher) -> int:
        return count_signers(SignatureFindings(vouchers=(release, *others)), ALL)

    assert count(by_certificate("sandbox", "k1", "bob")) == 1
    assert count(by_certificate("sandbox", "k2", "ann")) == 1
    assert count(Voucher(authority="sandbox", key=digest("k1"))) == 1
    assert count(by_certificate("sandbox", "k2", "bob")) == 2
    assert count(Voucher(authority="sandbox", key=digest("k2"))) == 2


def test_what_one_signature_shows_counts_for_all() -> None:
    """Who is seen to sign in two names is one signer, also where each authority saw another of the names."""
    apart = (by_certificate("release", "k1", "ann"), by_certificate("sandbox", "k2", "bob"))
    joined = (*apart, by_certificate("docker-dhi", "k1", "bob"))

    assert count_signers(SignatureFindings(vouchers=apart), ALL) == 2
    assert count_signers(SignatureFindings(vouchers=joined), ALL) == 1
    assert count_signers(SignatureFindings(vouchers=joined), replace(ALL, authorities=("release", "sandbox"))) == 1


AUTHORITIES = (*ALL.authorities, "fourth")
VOUCHERS = st.builds(
    Voucher,
    authority=st.sampled_from(AUTHORITIES),
    key=st.sampled_from([digest(f"key {number}") for number in range(4)]),
    identity=st.none() | st.sampled_from([digest(f"identity {number}") for number in range(4)]),
)


def share(one: Voucher, other: Voucher) -> bool:
    """Tell whether two vouchers have their key or their identity in common."""
    return one.key == other.key or (one.identity is not None and one.identity == other.identity)


def linked(vouchers: Sequence[Voucher], one: Voucher, other: Voucher) -> bool:
    """Tell whether a way leads from one voucher to the other, by what each step has in common."""
    reached = {one}
    while more := {voucher for voucher in vouchers if any(share(voucher, each) for each in reached)} - reached:
        reached |= more
    return other in reached


def most(vouchers: Sequence[Voucher], same: Callable[[Voucher, Voucher], bool]) -> int:
    """Try every choice of vouchers, one for each authority, and count the most of which no two are the same signer."""
    held = [[None, *(voucher for voucher in vouchers if voucher.authority == name)] for name in AUTHORITIES]
    chosen = ([voucher for voucher in choice if voucher] for choice in product(*held))
    return max(len(one) for one in chosen if not any(same(a, b) for a, b in combinations(one, 2)))


@given(st.lists(VOUCHERS, max_size=7))
def test_the_count_is_what_trying_every_choice_finds(vouchers: list[Voucher]) -> None:
    """The count is that of the largest choice of distinct signers, and never beyond what shares no key or identity."""
    requirement = SignatureRequirement(authorities=AUTHORITIES)
    counted = count_signers(SignatureFindings(vouchers=tuple(vouchers)), requirement)

    assert counted == most(vouchers, lambda one, other: linked(vouchers, one, other))
    assert counted <= most(vouchers, share)
