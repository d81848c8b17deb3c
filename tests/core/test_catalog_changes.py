"""The life of a build in the catalog: seen, superseded, revoked, and never removed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import AMD64, ARM64, NOW, PYTHON, digest
from tests.core.given import build as recorded
from webhook.core.bases.catalog import BaseBuild, Status, VerifiedBy
from webhook.core.bases.changes import Shrinkage, Sighting, observe, revoke, shrinkage, turned_back
from webhook.core.errors import ParseError
from webhook.core.references import Digest, Repository

DAY = timedelta(days=1)
NODE = Repository.parse("dhi.io/node")


def fresh(name: str, *tags: str, age: int = 3, **changes: object) -> BaseBuild:
    """Return a build that was verified just now: its index is named after it, it was created `age` days ago."""
    facts: dict[str, object] = {
        "tags": tags,
        "index_digest": root(name),
        "digest": digest(f"{name} {changes.get('platform', AMD64)}"),
        "diff_ids": (digest("os"), digest(name)),
        "created": NOW - age * DAY,
        "first_seen": NOW,
        "last_seen": NOW,
        "definition": "",
    }
    return recorded(**{**facts, **changes})


def root(name: str) -> Digest:
    """Return the digest of the index of a build."""
    return digest(f"index {name}")


def see(
    builds: tuple[BaseBuild, ...] = (),
    *verified: BaseBuild,
    carried: Mapping[str, str] | None = None,
    absent: tuple[str, ...] = (),
    on: datetime = NOW,
) -> tuple[BaseBuild, ...]:
    """Observe `dhi.io/python`; without `carried`, every tag of a verified build points to that build."""
    pointed = {tag: build.root for build in verified for tag in build.tags}
    named = {tag: root(name) for tag, name in (carried or {}).items()}
    sighting = Sighting(repository=PYTHON, verified=verified, carried={**pointed, **named}, absent=frozenset(absent))
    return observe(builds, sighting, now=on)


def states(builds: tuple[BaseBuild, ...]) -> dict[str, tuple[str, datetime | None]]:
    """Return status and supersession of each build by the name of its last layer, and its platform if not amd64."""
    names = {digest(name): name for name in NAMES}
    return {
        names[build.diff_ids[-1]] + ("" if build.platform == AMD64 else " arm64"): (
            build.status.value,
            build.superseded_at,
        )
        for build in builds
    }


NAMES = ("old", "new", "newer", "twin")
ACTIVE = ("active", None)


def test_a_first_sighting_is_active() -> None:
    """A build that a tag points to is active, and was first and last seen now."""
    (build,) = see((), fresh("old", "3.13", first_seen=NOW - DAY, status=Status.SUPERSEDED))

    assert (build.first_seen, build.last_seen, build.status, build.superseded_at) == (NOW, NOW, Status.ACTIVE, None)


def test_a_newer_build_supersedes() -> None:
    """When the tag moves on, the former build stays on record and is superseded from that moment."""
    builds = see(see((), fresh("old", "3.13")), fresh("new", "3.13", age=1), on=NOW + DAY)

    assert states(builds) == {"old": ("superseded", NOW + DAY), "new": ACTIVE}


def test_a_build_is_active_while_one_tag_points_to_it() -> None:
    """The exact version keeps the former build active after the short tag has moved on."""
    builds = see(see((), fresh("old", "3.13", "3.13.8")), fresh("new", "3.13", "3.13.9", age=1), on=NOW + DAY)
    assert states(builds) == {"old": ACTIVE, "new": ACTIVE}

    builds = see(builds, carried={"3.13": "new", "3.13.9": "new"}, absent=("3.13.8",), on=NOW + 2 * DAY)
    assert states(builds) == {"old": ("superseded", NOW + 2 * DAY), "new": ACTIVE}


def test_a_tag_that_is_gone_supersedes_without_a_date() -> None:
    """No tag points to the build, but nobody could move to a newer one."""
    assert states(see(see((), fresh("old", "3.13")), absent=("3.13",))) == {"old": ("superseded", None)}


def test_the_date_comes_with_the_newer_build() -> None:
    """A tag that comes back with a newer build dates the supersession then."""
    gone = see(see((), fresh("old", "3.13")), absent=("3.13",), on=NOW + DAY)
    builds = see(gone, fresh("new", "3.13", age=1), on=NOW + 2 * DAY)

    assert states(builds) == {"old": ("superseded", NOW + 2 * DAY), "new": ACTIVE}
    later = see(builds, carried={"3.13": "new"}, on=NOW + 3 * DAY)
    assert states(later) == {"old": ("superseded", NOW + 2 * DAY), "new": ACTIVE}


def test_a_tag_that_comes_back_makes_active_again() -> None:
    """A build that is still the newest of its tag is active as soon as the tag points to it again."""
    gone = see(see((), fresh("old", "3.13")), absent=("3.13",))

    assert states(see(gone, carried={"3.13": "old"})) == {"old": ACTIVE}


def test_a_tag_of_which_nothing_was_learnt_stays() -> None:
    """Trouble with one tag, or a signature that does not verify, changes nothing on record."""
    builds = see((), fresh("old", "3.13"))

    assert builds == see(builds, on=NOW + DAY)


def test_a_tag_that_is_turned_back_changes_nothing() -> None:
    """An older build replayed under the tag neither becomes active nor supersedes the newest one, and is told."""
    builds = see(see((), fresh("old", "3.13")), fresh("new", "3.13", age=1))
    sighting = Sighting(repository=PYTHON, carried={"3.13": root("old")})
    after = observe(builds, sighting, now=NOW + DAY)

    assert states(after) == {"old": ("superseded", NOW), "new": ACTIVE}
    assert turned_back(after, sighting) == ("3.13",)
    assert turned_back(after, Sighting(repository=PYTHON, carried={"3.13": root("new")})) == ()


def test_an_older_build_that_was_never_seen_is_born_superseded() -> None:
    """It is a verified fact, so it is recorded; its lag counts from the first sight of the newer one."""
    builds = see(see((), fresh("new", "3.13", age=1)), fresh("old", "3.13", age=9), on=NOW + 5 * DAY)

    assert states(builds) == {"old": ("superseded", NOW), "new": ACTIVE}


def test_an_enrolled_build_lags_by_its_definition() -> None:
    """A build under its exact version only is behind the newer builds of the same definition."""
    newer = see((), fresh("new", "3.13", age=1, definition="image/python/debian-13/3.13"))
    enrolled = fresh("old", "3.13.7-debian13", age=90, definition="image/python/debian-13/3.13")
    builds = see(newer, enrolled, carried={"3.13.7-debian13": "nothing"}, on=NOW + DAY)

    assert states(builds) == {"old": ("superseded", NOW), "new": ACTIVE}


def test_enrolling_changes_nobody_else() -> None:
    """A build that no tag points to is on record, superseded; even a newer one does not push the active one out."""
    active = see((), fresh("old", "3.13"))
    enrolled = Sighting(repository=PYTHON, verified=(fresh("new", "3.13", age=1),), carried={})
    builds = observe(active, enrolled, now=NOW + DAY)

    assert states(builds) == {"old": ACTIVE, "new": ("superseded", None)}


def test_platforms_have_lives_of_their_own() -> None:
    """A newer build that leaves a platform out supersedes only the platforms that it has."""
    both = see((), fresh("old", "3.13"), fresh("old", "3.13", platform=ARM64))
    builds = see(both, fresh("new", "3.13", age=1), on=NOW + DAY)

    assert states(builds) == {
        "old": ("superseded", NOW + DAY),
        "old arm64": ("superseded", None),
        "new": ACTIVE,
    }


def test_two_children_for_one_platform_are_both_active() -> None:
    """An index may offer a platform twice: neither child supersedes the other, whichever is older."""
    builds = see((), fresh("old", "3.13"), fresh("twin", "3.13", index_digest=root("old"), age=9))

    assert states(builds) == {"old": ACTIVE, "twin": ACTIVE}


def test_a_known_build_is_verified_anew() -> None:
    """The key and the tags are renewed; the dates of the record stay."""
    known = see((), fresh("old", "3.13"))
    rotated = VerifiedBy(authority="docker-dhi", key_fingerprint=digest("dhi-3"))
    (build,) = see(known, fresh("old", "3", verified_by=rotated, created=NOW), on=NOW + DAY)

    assert (("3", "3.13"), rotated) == (build.tags, build.verified_by)
    assert (build.first_seen, build.last_seen, build.created) == (NOW, NOW + DAY, NOW - 3 * DAY)


def test_a_development_tag_makes_a_development_base() -> None:
    """A base without labels that is seen under a development tag is one from then on."""
    known = see((), fresh("old", "1"))
    (build,) = see(known, fresh("old", "1-dev", variant="dev"))
    assert build.variant == "dev"

    (build,) = see((build,), fresh("old", "1"))
    assert build.variant == "dev"


def test_other_repositories_stay_as_they_are() -> None:
    """What happens to one repository does not touch another, the same tags and layers included."""
    node = fresh("old", "3.13", repository=NODE)

    assert node in see((node,), fresh("new", "3.13", age=1))


def test_a_revocation_holds_for_the_chain() -> None:
    """Every record of the chain is revoked, under any name, and so are those still to come."""
    copy = fresh("old", "x", repository=NODE, digest=digest("copy"), index_digest=None)
    builds = revoke((*see((), fresh("old", "3.13"), fresh("new", "3.12")), copy), copy.chain_id, reason="CVE-2026-1")
    assert sorted(
        ((build.reason, build.status.value) for build in builds), key=lambda state: state[1], reverse=True
    ) == [("CVE-2026-1", "revoked"), ("CVE-2026-1", "revoked"), (None, "active")]

    again = see(builds, fresh("old", "latest", digest=digest("rebuilt"), index_digest=root("newer")))
    (born,) = (build for build in again if build.digest == digest("rebuilt"))
    assert (born.status, born.reason) == (Status.REVOKED, "CVE-2026-1")


def test_a_revoked_build_stays_revoked() -> None:
    """No tag makes it active again, and nothing supersedes it."""
    builds = revoke(see((), fresh("old", "3.13")), root("old"), reason="leaked")
    builds = see(builds, carried={"3.13": "old"}, on=NOW + DAY)
    builds = see(builds, fresh("new", "3.13", age=1), on=NOW + 2 * DAY)

    assert states(builds) == {"old": ("revoked", None), "new": ACTIVE}


@pytest.mark.parametrize("by", ["chain_id", "digest", "index_digest"])
def test_a_build_can_be_revoked_by_each_of_its_names(by: str) -> None:
    """The chain, the manifest and the index lead to the same chains."""
    builds = see((), fresh("old", "3.13"))

    assert revoke(builds, getattr(builds[0], by), reason="r")[0].status is Status.REVOKED


@pytest.mark.parametrize(("of", "reason"), [("nothing", "leaked"), ("index old", " ")])
def test_a_revocation_needs_a_build_and_a_reason(of: str, reason: str) -> None:
    """What is not on record cannot be revoked here, and nothing without saying why."""
    with pytest.raises(ParseError):
        revoke(see((), fresh("old", "3.13")), digest(of), reason=reason)


def test_shrinkage_counts_pairs_that_lost_their_active_build() -> None:
    """Each tag counts on each platform, by the newest build that was seen under it."""
    both = see((), fresh("old", "3.13", "3"), fresh("old", "3.13", "3", platform=ARM64))
    moved = see(both, fresh("new", "3.13", age=1), absent=("3",), on=NOW + DAY)

    assert Shrinkage(active_before=4, lost=(("3", AMD64), ("3", ARM64), ("3.13", ARM64))) == shrinkage(
        both, moved, PYTHON
    )
    assert Shrinkage(active_before=0, lost=()) == shrinkage(both, moved, NODE)


TAGS = st.sampled_from(["3", "3.13", "3.13.9"])


@given(
    st.lists(
        st.tuples(
            st.dictionaries(TAGS, st.sampled_from(["old", "new", "newer"]), max_size=3),
            st.frozensets(TAGS),
        ),
        max_size=6,
    )
)
def test_whatever_is_seen_nothing_is_lost_and_nothing_turns_back(
    story: list[tuple[dict[str, str], frozenset[str]]],
) -> None:
    """Over any history: records only grow, superseded ones are dated once, and a tag's holder never gets older."""
    ages = {"old": 9, "new": 5, "newer": 1}
    builds: tuple[BaseBuild, ...] = ()
    for day, (carried, absent) in enumerate(story):
        verified = tuple(
            fresh(name, *(tag for tag, to in carried.items() if to == name), age=ages[name])
            for name in sorted(set(carried.values()))
        )
        before = {build.digest: build for build in builds}
        newest = {
            tag: max((b.created for b in builds if tag in b.tags and b.status is Status.ACTIVE), default=None)
            for tag in ("3", "3.13", "3.13.9")
        }
        builds = see(builds, *verified, absent=tuple(absent - set(carried)), on=NOW + day * DAY)
        assert set(before) <= {build.digest for build in builds}
        for build in builds:
            known = before.get(build.digest, build)
            assert set(known.tags) <= set(build.tags)
            assert build.first_seen == known.first_seen
            if build.status is Status.SUPERSEDED and known.status is Status.SUPERSEDED and known.superseded_at:
                assert build.superseded_at == known.superseded_at
            if build.status is Status.ACTIVE and known.status is not Status.ACTIVE:
                assert any((newest[tag] or build.created) <= build.created for tag in build.tags)


def test_a_record_keeps_its_own_digest_of_the_platform() -> None:
    """The same child under two indexes is two records: each index was signed by itself."""
    one = fresh("old", "3.13")
    two = replace(one, index_digest=root("new"), tags=("3.13.9",))

    assert len(see(see((), one), two)) == 2
