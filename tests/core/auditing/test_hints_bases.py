"""Which approved base is proposed for an image, and from which of the things that it says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import AMD64, API, ARM64, NOW, RELEASE, digest, policy, revocation
from tests.core.given import build as recorded
from tests.core.given import platform as evidence_of
from tests.core.problem_samples import SAMPLES, verdict
from webhook.core.auditing.base_choice import ApprovedBases, ProposedBase
from webhook.core.auditing.base_hints import BaseHint, base_hints, base_problems, build_version
from webhook.core.bases.ancestry import Closest, chain_ids
from webhook.core.bases.approval import approved
from webhook.core.bases.catalog import BaseBuild, Status, VerifiedBy
from webhook.core.bases.document import seal
from webhook.core.evidence import PlatformEvidence
from webhook.core.manifests import Platform
from webhook.core.policy import ApprovedBase, BaseRequirement, EndOfLife, Policy
from webhook.core.problems import RevokedBase, StaleBase, UnapprovedBase
from webhook.core.references import Glob, ImageReference, Repository
from webhook.core.rules.bases import judge_base

PYTHON, NODE = Repository.parse("dhi.io/python"), Repository.parse("dhi.io/node")
TEMURIN, CORRETTO = Repository.parse("dhi.io/eclipse-temurin"), Repository.parse("dhi.io/amazoncorretto")
ONLY_AMD64 = frozenset({AMD64})
BOTH = frozenset({AMD64, ARM64})


def base(name: str, *tags: str, on: Platform = AMD64, **changes: Any) -> BaseBuild:  # noqa: ANN401 - any field
    """Return a recorded build of `dhi.io/NAME` with these tags, with layers and digests of its own."""
    seed = f"{name} {tags} {changes.get('created', '')}"
    return recorded(
        **{
            "repository": Repository.parse(f"dhi.io/{name}"),
            "tags": tags,
            "platform": on,
            "index_digest": digest(f"index {seed}"),
            "digest": digest(f"manifest {seed} {on}"),
            "diff_ids": (digest("system"), digest(f"program {seed} {on}")),
            **changes,
        }
    )


def approving(*globs: str, **changes: Any) -> Policy:  # noqa: ANN401 - any field of Policy
    """Return a policy that approves these tags (`python:3.13*`), signed by Docker."""
    bases = tuple(
        ApprovedBase(
            repository=Repository.parse(f"dhi.io/{glob.partition(':')[0]}"),
            tags=(Glob(glob.partition(":")[2]),),
            signed_by=("docker-dhi",),
        )
        for glob in globs
    )
    return policy(bases=bases, **changes)


ANY = approving("python:*", "node:*", "eclipse-temurin:*", "amazoncorretto:*")


def proposed(
    *builds: BaseBuild,
    hint: BaseHint,
    under: Policy = ANY,
    wanted: BaseRequirement = BaseRequirement(),  # noqa: B008 - a frozen value
    platforms: frozenset[Platform] = ONLY_AMD64,
) -> ProposedBase | None:
    """Return what is proposed from a catalog of these builds."""
    bases = ApprovedBases(policy=under, catalog=seal(policy="p", synced_at=NOW, builds=builds), as_of=NOW)
    return bases.propose((hint,), platforms, wanted)


def named(*builds: BaseBuild, **changes: Any) -> str | None:  # noqa: ANN401 - any argument of `proposed`
    """Return the repository and the tag that are proposed."""
    found = proposed(*builds, **changes)
    return f"{found.repository}:{found.tag}" if found else None


def node(*version: int, **changes: Any) -> BaseHint:  # noqa: ANN401 - any field of BaseHint
    """Return the guess that an image stands on some node."""
    return BaseHint(software="node", version=version, **changes)


class TestChoice:
    """The nearest approved base, written whole."""

    def test_it_is_written_whole(self) -> None:
        """Repository, tag and the digest of the index over all platforms."""
        build = base("node", "22", "22-debian13")
        found = proposed(build, hint=node(22))

        assert str(found) == f"dhi.io/node:22-debian13@{build.index_digest}"

    def test_a_base_without_an_index_is_written_by_its_manifest(self) -> None:
        """What a tag points to is what is pinned."""
        build = base("node", "22", index_digest=None)

        assert str(proposed(build, hint=node(22))) == f"dhi.io/node:22@{build.digest}"

    @pytest.mark.parametrize(
        ("wanted", "tag"),
        [
            ((20, 11), "20"),
            ((20, 11, 1), "20"),
            ((22, 11), "22.11"),
            ((18, 2), "24"),
            ((26,), "24"),
            ((), "24"),
        ],
    )
    def test_the_nearest_version(self, wanted: tuple[int, ...], tag: str) -> None:
        """The same major version if there is one, by the tag that says most of it; else the newest."""
        builds = (base("node", "20", "20.18"), base("node", "22", "22.11"), base("node", "24", "24.1"))

        assert named(*builds, hint=node(*wanted)) == f"dhi.io/node:{tag}"

    @pytest.mark.parametrize(
        ("wanted", "tag"), [((3, 12, 4), "3.13"), ((3, 14), "3.14"), ((3, 15), "3.14"), ((3, 9), "3.11")]
    )
    def test_the_nearest_minor_version(self, wanted: tuple[int, ...], tag: str) -> None:
        """Of one major version the next later one, and only if there is none the last earlier one."""
        builds = (base("python", "3.11"), base("python", "3.13"), base("python", "3.14"))

        assert named(*builds, hint=BaseHint(software="python", version=wanted)) == f"dhi.io/python:{tag}"

    def test_the_current_build_of_a_line(self) -> None:
        """The exact patch release is not proposed where the line has a newer one."""
        builds = (base("python", "3.13", "3.13.9"), base("python", "3.13.1"))

        assert named(*builds, hint=BaseHint(software="python", version=(3, 13, 1))) == "dhi.io/python:3.13"

    def test_the_repository_of_the_present_base_comes_first(self) -> None:
        """Of two hardened images with one software, the one that the image stands on is kept."""
        builds = (base("eclipse-temurin", "21"), base("amazoncorretto", "25"))

        for hint in (BaseHint(software="java", repository=TEMURIN, version=(25,)), BaseHint(software="java")):
            expected = "dhi.io/eclipse-temurin:21" if hint.repository else "dhi.io/amazoncorretto:25"
            assert named(*builds, hint=hint) == expected

    def test_the_first_variant_of_the_rule_comes_first(self) -> None:
        """A rule that admits both is proposed the one that it names first."""
        builds = (base("node", "22-dev", variant="dev"), base("node", "22"))

        assert named(*builds, hint=node(22), wanted=BaseRequirement(variants=("runtime", "dev"))) == "dhi.io/node:22"
        assert (
            named(*builds, hint=node(22), wanted=BaseRequirement(variants=("dev", "runtime"))) == "dhi.io/node:22-dev"
        )

    def test_the_distribution_is_kept(self) -> None:
        """What stands on Alpine is proposed Alpine, and nothing else is."""
        builds = (base("node", "22"), base("node", "22-alpine3.22", distro="alpine-3.22"))

        assert named(*builds, hint=node(22, distro="alpine")) == "dhi.io/node:22-alpine3.22"
        assert named(*builds, hint=node(22)) == "dhi.io/node:22"

    def test_the_release_of_the_distribution_is_kept(self) -> None:
        """What stands on Debian 12 is proposed Debian 12, even if Debian 13 has the plainer tags."""
        builds = (base("node", "22-debian12", distro="debian-12"), base("node", "22", "22-debian13"))

        assert named(*builds, hint=node(22, distro="debian-12")) == "dhi.io/node:22-debian12"
        assert named(*builds, hint=node(22)) == "dhi.io/node:22-debian13"

    def test_the_newest_comes_first(self) -> None:
        """The newest version by its numbers; of one version the newest build."""
        later, earlier = NOW - timedelta(days=1), NOW - timedelta(days=2)
        builds = (base("python", "8-debian12", created=later), base("python", "8-debian13", created=earlier))

        assert named(base("node", "9.1"), base("node", "10.1"), hint=node()) == "dhi.io/node:10.1"
        assert named(*builds, hint=BaseHint(software="python")) == "dhi.io/python:8-debian12"

    def test_a_tag_with_a_version_comes_first(self) -> None:
        """`latest` says nothing to whoever reads the Dockerfile."""
        assert named(base("node", "latest", "22"), hint=node()) == "dhi.io/node:22"

    def test_fips_is_kept_and_not_imposed(self) -> None:
        """An entitlement is asked for only where the rule or the present base has it."""
        builds = (base("node", "22-fips", fips=True), base("node", "22"))

        assert named(*builds, hint=node(22)) == "dhi.io/node:22"
        assert named(*builds, hint=node(22, fips=True)) == "dhi.io/node:22-fips"
        assert named(*builds, hint=node(22), wanted=BaseRequirement(fips=True)) == "dhi.io/node:22-fips"

    def test_the_plain_flavour_comes_first(self) -> None:
        """A flavour that nobody asked for is not proposed beside the plain base, however new."""
        builds = (base("node", "22", "22-debian13"), base("node", "22-debian13-compat", created=NOW))

        assert named(*builds, hint=node(22)) == "dhi.io/node:22-debian13"

    def test_what_will_soon_be_wrong_comes_last(self) -> None:
        """Of two builds of one version, the one that will not be refused next week."""
        aging = base("node", "22-debian12", created=NOW - timedelta(days=50))
        fresh = base("node", "22-debian13-compat")

        found = named(aging, fresh, hint=node(22), wanted=BaseRequirement(max_age=timedelta(days=60)))
        assert found == "dhi.io/node:22-debian13-compat"

    def test_a_tag_of_the_present_base_is_kept(self) -> None:
        """Whoever wrote `3.13` is shown `3.13` again, by its current digest."""
        builds = (base("python", "3.13", "3.13-debian13"),)
        hint = BaseHint(software="python", version=(3, 13), tags=("3.13",))

        assert named(*builds, hint=hint) == "dhi.io/python:3.13"

    def test_the_first_guess_that_leads_to_a_base_counts(self) -> None:
        """Software that nobody approves is passed over."""
        catalog = seal(policy="p", synced_at=NOW, builds=(base("node", "22"), base("python", "3.13")))
        bases = ApprovedBases(policy=ANY, catalog=catalog, as_of=NOW)
        hints = (BaseHint(software="ruby"), BaseHint(software="python"), BaseHint(software="node"))

        for _ in range(2):  # the second time from memory
            found = bases.propose(hints, ONLY_AMD64, BaseRequirement())
            assert found is not None
            assert found.repository == PYTHON
        assert bases.propose(hints[:1], ONLY_AMD64, BaseRequirement()) is None


class TestFitness:
    """What is refused under an image is not proposed."""

    @pytest.mark.parametrize(
        "changes",
        [
            {"status": Status.SUPERSEDED},
            {"status": Status.REVOKED, "reason": "bad"},
            {"variant": "dev"},
            {"end_of_life": date(2026, 10, 31)},
            {"created": NOW - timedelta(days=61)},
            {"superseded_at": NOW - timedelta(days=20)},
            {"platform": ARM64},
            {"tags": ("20",)},
            {"tags": ()},
            {"verified_by": VerifiedBy(authority="docker-dhi", key_fingerprint=RELEASE.keys[0].fingerprint)},
        ],
    )
    def test_unfit_bases(self, changes: dict[str, Any]) -> None:
        """Superseded, revoked, of another variant, past its end, too old, for another platform, not approved."""
        wanted = BaseRequirement(max_age=timedelta(days=60), max_lag=timedelta(days=14))
        fit = base("node", "22")

        assert named(fit, hint=node(22), under=approving("node:22*"), wanted=wanted) == "dhi.io/node:22"
        assert named(replace(fit, **changes), hint=node(22), under=approving("node:22*"), wanted=wanted) is None

    def test_the_rule_narrows_the_repositories(self) -> None:
        """A base that is approved elsewhere does not help here."""
        wanted = BaseRequirement(repositories=(PYTHON,))

        assert named(base("node", "22"), hint=node(22), wanted=wanted) is None

    def test_every_platform_must_be_there(self) -> None:
        """An image for two platforms is proposed a base for both or none, one for no known platform none."""
        both = (base("node", "22"), base("node", "22", on=ARM64))

        assert named(*both, hint=node(22), platforms=BOTH) == "dhi.io/node:22"
        assert named(both[0], hint=node(22), platforms=BOTH) is None
        assert named(*both, hint=node(22), platforms=frozenset()) is None

    def test_what_the_policy_revokes_is_not_proposed(self) -> None:
        """By whichever of its digests the policy names it, or by the chain that it stands on."""
        build = base("node", "22")
        index = build.index_digest
        assert index is not None
        for name in (index, build.digest, build.chain_id, chain_ids(build.diff_ids)[0]):
            assert named(build, hint=node(22), under=approving("node:*", revoked=(revocation(name),))) is None

    def test_what_stands_on_a_revoked_base_is_not_proposed(self) -> None:
        """A revoked chain that the base contains condemns it, as it condemns every image on it."""
        build = base("node", "22")
        below = base("static", "1", diff_ids=build.diff_ids[:1], status=Status.REVOKED, reason="bad")

        assert named(build, below, hint=node(22)) is None

    def test_another_name_of_the_same_layers_does_not_help(self) -> None:
        """A name that is past its end of life is not proposed because the same layers have a better one."""
        good, bad = base("node", "22"), base("node", "24", end_of_life=date(2026, 10, 31))
        twin = replace(bad, diff_ids=good.diff_ids, layers=good.layers, chain_id=good.chain_id)

        assert named(good, twin, hint=node(24)) == "dhi.io/node:22"

    def test_a_contradictory_catalog_proposes_nothing(self) -> None:
        """A base whose layers are on record with other content, too, condemns the images that stand on it."""
        build = base("node", "22")
        liar = base("python", "3.13", layers=build.layers)

        assert named(build, liar, hint=node(22)) is None

    def test_a_tag_that_is_not_approved_is_not_written(self) -> None:
        """A build may carry other tags beside the approved one."""
        build = base("node", "22", "22-debian13")

        assert named(build, hint=node(22), under=approving("node:22")) == "dhi.io/node:22"


requirements = st.builds(
    BaseRequirement,
    repositories=st.sampled_from([None, (NODE,), (PYTHON, NODE)]),
    variants=st.sampled_from([("runtime",), ("dev",), ("dev", "runtime")]),
    max_age=st.sampled_from([None, timedelta(days=5), timedelta(days=60)]),
    max_lag=st.sampled_from([None, timedelta(days=2)]),
    end_of_life=st.sampled_from(EndOfLife),
    fips=st.booleans(),
)
builds = st.builds(
    base,
    st.sampled_from(["node", "python"]),
    st.sampled_from(["22", "22-dev", "20.11.1", "3.13-debian13", "latest", "24-alpine3.22"]),
    on=st.sampled_from([AMD64, ARM64]),
    status=st.sampled_from(Status),
    reason=st.just("r"),
    variant=st.sampled_from(["runtime", "dev"]),
    distro=st.sampled_from(["debian-13", "alpine-3.22", ""]),
    fips=st.booleans(),
    created=st.integers(0, 100).map(lambda days: NOW - timedelta(days=days)),
    end_of_life=st.none() | st.dates(date(2026, 10, 1), date(2027, 1, 1)),
    superseded_at=st.none() | st.just(NOW - timedelta(days=3)),
)
hints = st.builds(
    BaseHint,
    software=st.sampled_from(["node", "python", "ruby"]),
    version=st.lists(st.integers(0, 30), max_size=4).map(tuple),
    repository=st.none() | st.just(NODE),
    distro=st.sampled_from(["", "alpine", "debian-13"]),
    fips=st.booleans(),
)


@given(st.lists(builds, max_size=8), hints, requirements, st.sampled_from([ONLY_AMD64, BOTH]))
def test_every_proposal_passes_the_rule_it_is_made_for(
    found: list[BaseBuild], hint: BaseHint, wanted: BaseRequirement, platforms: frozenset[Platform]
) -> None:
    """On each platform the base is approved under the tag that is written, and the rule finds nothing wrong with it."""
    # One root has one build for each platform.
    unique = tuple({(one.repository, one.root, one.platform): one for one in found}.values())
    under = approving("python:3*", "node:2*")
    catalog = seal(policy="p", synced_at=NOW, builds=unique)
    proposal = ApprovedBases(policy=under, catalog=catalog, as_of=NOW).propose((hint,), platforms, wanted)
    if proposal is None:
        return
    for platform in platforms:
        (build,) = (b for b in unique if (b.root, b.platform) == (proposal.digest, platform))
        assert approved(replace(build, tags=(proposal.tag,)), under)
        assert wanted.repositories is None or build.repository in wanted.repositories
        judged = judge_base(evidence_of(build, on=platform), wanted, under, NOW, layers_read=True)
        assert judged.problems == ()


def said(
    labels: dict[str, str] | None = None,
    versions: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
) -> PlatformEvidence:
    """Return what was found out about an image that says this of itself."""
    plain = evidence_of()
    config = replace(plain.image.config, labels=labels or {}, versions=versions or {})
    manifest = replace(plain.image.manifest, annotations=annotations or {})
    return replace(plain, image=replace(plain.image, config=config, manifest=manifest))


UNAPPROVED = UnapprovedBase(expected=(), unapproved=None, closest=None)
BASE_NAME = "org.opencontainers.image.base.name"


class TestGuesses:
    """What an image says of itself, read as guesses."""

    @pytest.mark.parametrize(
        ("platform", "expected"),
        [
            (said(versions={"NODE_VERSION": "20.11"}), node(20, 11)),
            (said(versions={"JAVA_VERSION": "jdk-21.0.5+11"}), BaseHint(software="java", version=(21, 0, 5))),
            (said({BASE_NAME: "docker.io/library/python:3.12-slim"}), BaseHint(software="python", version=(3, 12))),
            (said({BASE_NAME: "python:3.12-alpine"}), BaseHint(software="python", version=(3, 12), distro="alpine")),
            (said(annotations={BASE_NAME: "node:20@sha256:abc"}), node(20)),
            (
                said({"com.docker.dhi.name": "dhi/python", "com.docker.dhi.version": "3.13.9-debian13"}),
                BaseHint(software="python", version=(3, 13, 9)),
            ),
            (said({"com.docker.dhi.name": "dhi/python"}), BaseHint(software="python")),
            (said(), BaseHint(software="api", version=(1, 4, 2))),
        ],
    )
    def test_what_is_read(self, platform: PlatformEvidence, expected: BaseHint) -> None:
        """Environment, labels and annotations each name the software and its version; the image's own name is last."""
        assert base_hints([UNAPPROVED], API, [platform])[0] == expected

    @pytest.mark.parametrize(
        ("written", "expected"),
        [
            ("node:20-slim", node(20)),
            ("registry.example/base/python-3.13", BaseHint(software="python", version=(3, 13))),
            ("registry.example:5000/node:latest", node()),
            ("node:20-alpine3.20", node(20, distro="alpine")),
        ],
    )
    def test_the_own_name(self, written: str, expected: BaseHint) -> None:
        """An image that is run as it was pulled is called what it is."""
        assert base_hints([], ImageReference.parse(written), []) == (expected,)

    @pytest.mark.parametrize(
        ("uri", "expected"),
        [
            ("pkg:docker/python@3.12?digest=sha256:abc&platform=linux%2Famd64", "python"),
            ("oci://docker.io/library/node:20", "node"),
        ],
    )
    def test_the_provenance(self, uri: str, expected: str) -> None:
        """An image that a believed provenance names, as a purl or as a reference."""
        assert base_hints([replace(UNAPPROVED, built_from=(uri,))], API, [])[0].software == expected

    def test_what_is_proven_comes_before_what_is_said(self) -> None:
        """The recorded build, labels, provenance, the environment, the closest build, the name."""
        build, other = base("ruby", "3.4"), base("php", "8.4")
        problem = replace(
            UNAPPROVED, unapproved=build, closest=Closest(build=other, shared=1), built_from=("pkg:docker/golang@1",)
        )
        platform = said({BASE_NAME: "python:3.12"}, {"NODE_VERSION": "20.11"})

        order = [hint.software for hint in base_hints([problem], API, [platform])]
        assert order == ["ruby", "python", "golang", "node", "php", "api"]

    def test_a_recorded_base_tells_everything(self) -> None:
        """Repository, tags, distribution and FIPS are those of the catalog."""
        build = base("python", "3", "3.13", "3.13-debian13", "latest", fips=True)
        stale = StaleBase(build=build, age_days=75, max_age_days=60)

        assert base_hints([stale], API, [])[0] == BaseHint(
            software="python", version=(3, 13), repository=PYTHON, tags=build.tags, distro="debian-13", fips=True
        )

    def test_a_revoked_base_need_not_be_recorded(self) -> None:
        """Then only what the image says is left."""
        problem = RevokedBase(revoked=digest("c"), reason="bad", build=None, by_policy=True)

        assert [hint.software for hint in base_hints([problem], API, [])] == ["api"]

    def test_alpine_holds_for_the_guesses_that_tell_no_distribution(self) -> None:
        """An environment names no distribution; the tag of the image may."""
        hints = base_hints([UNAPPROVED], ImageReference.parse("a/b:1.4.2-alpine"), [said(versions={"GO_VERSION": "1"})])

        assert hints[0] == BaseHint(software="golang", version=(1,), distro="alpine")

    def test_a_recorded_base_knows_its_distribution(self) -> None:
        """Whatever the image calls itself."""
        stale = StaleBase(build=base("python", "3.13"), age_days=75, max_age_days=60)

        assert base_hints([stale], ImageReference.parse("a/b:1.4.2-alpine"), [])[0].distro == "debian-13"

    def test_which_problems_are_about_the_base(self) -> None:
        """Every problem with a base, whether it denies or only warns, and no other."""
        codes = [problem.code for problem in base_problems(verdict(*SAMPLES))]

        assert codes == [
            *("unapproved-base", "revoked-base", "end-of-life-base", "stale-base", "stale-base"),
            *("wrong-variant", "not-fips"),
        ]
        assert base_problems(verdict(advisories=SAMPLES)) == base_problems(verdict(*SAMPLES))

    def test_the_version_of_a_build(self) -> None:
        """The most precise of its tags; a build without any version has none."""
        assert build_version(base("node", "22", "22.11.0-debian13", "latest")) == (22, 11, 0)
        assert build_version(base("node", "latest")) == ()


texts = st.text(max_size=300) | st.sampled_from(["\x1b[31m", "a:@:@", "://", "?", "pkg:docker/", "\ud800", "x" * 5000])


@given(texts, texts, texts)
def test_every_guess_is_read(label: str, name: str, uri: str) -> None:
    """Whatever an image says of itself, there are guesses, and they are as short as names are."""
    platform = said({BASE_NAME: label, "com.docker.dhi.name": name}, {"A_VERSION": "1"})
    found = base_hints([replace(UNAPPROVED, built_from=(uri,))], API, [platform])

    assert all(len(hint.software) <= 512 for hint in found)
    assert (
        ApprovedBases(policy=ANY, catalog=seal(policy="p", synced_at=NOW, builds=()), as_of=NOW).propose(
            found, ONLY_AMD64, BaseRequirement()
        )
        is None
    )
