"""A recorded build counts only while the policy in force lists its repository, a tag of it, and the key it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.core.given import DOCKER, PYTHON, RELEASE, digest, policy
from tests.core.given import build as recorded
from webhook.core.bases.approval import approved
from webhook.core.bases.catalog import BaseBuild, VerifiedBy
from webhook.core.policy import ApprovedBase, Policy
from webhook.core.references import Glob, Repository


def test_a_listed_and_verified_build_is_approved() -> None:
    """One matching tag among those under which it was seen is enough."""
    assert approved(recorded(tags=("latest", "3.13.9")), policy())


@pytest.mark.parametrize(
    "build",
    [
        recorded(repository=Repository.parse("dhi.io/node")),
        recorded(repository=Repository.parse("registry.example/mirror/dhi-python")),
        recorded(tags=("3.12", "latest")),
        recorded(verified_by=VerifiedBy(authority="docker-dhi", key_fingerprint=digest("retired"))),
        recorded(verified_by=VerifiedBy(authority="release", key_fingerprint=RELEASE.keys[0].fingerprint)),
    ],
)
def test_other_builds_are_not(build: BaseBuild) -> None:
    """Another repository, a tag that is not approved, a key that left the policy or signs something else."""
    assert not approved(build, policy())


def test_the_key_counts_and_not_the_name() -> None:
    """An authority may be renamed; one that took its name without the key does not count."""
    renamed = replace(DOCKER, name="docker")
    base = ApprovedBase(repository=PYTHON, tags=(Glob("3.13*"),), signed_by=("docker",))

    assert approved(recorded(), policy(authorities=(renamed,), bases=(base,)))
    assert not approved(recorded(), policy(authorities=(replace(RELEASE, name="docker-dhi"),)))


def test_one_entry_must_hold_it_all() -> None:
    """The tag of one entry and the signer of another approve nothing together."""
    tag_only = ApprovedBase(repository=PYTHON, tags=(Glob("3.13*"),), signed_by=("release",))
    key_only = ApprovedBase(repository=PYTHON, tags=(Glob("3.12*"),), signed_by=("docker-dhi",))

    assert not approved(recorded(), policy(bases=(tag_only, key_only)))


@pytest.mark.parametrize(("glob", "expected"), [("dhi.io/**", True), ("registry.example/**", False)])
def test_an_authority_vouches_within_its_repositories(glob: str, expected: bool) -> None:  # noqa: FBT001
    """An authority that was limited to other repositories since no longer speaks for the base."""
    limited: Policy = policy(authorities=(replace(DOCKER, repositories=(Glob(glob),)),))

    assert expected == approved(recorded(), limited)


def test_no_bases_approve_nothing() -> None:
    """Empty is not yes."""
    assert not approved(recorded(), policy(bases=()))
