"""What follows from evidence: the policy as users experience it, without any network."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from tests.core.given import (
    ARM64,
    DOCKER,
    NOW,
    RELEASE,
    SANDBOX,
    SILENCE,
    build,
    digest,
    evidence,
    platform,
    pod,
    policy,
    revocation,
    rule,
    use,
    vouched,
)
from webhook.core.bases.ancestry import LayerProof
from webhook.core.bases.catalog import BaseBuild, Status
from webhook.core.decision import decide
from webhook.core.facts import Known
from webhook.core.manifests import Malformed
from webhook.core.policy import (
    BaseRequirement,
    Case,
    EndOfLife,
    Exemption,
    Mode,
    Requirements,
    SignatureRequirement,
)
from webhook.core.references import BadReference, Digest, Glob, ImageReference, Repository
from webhook.core.signatures.findings import BrokenSignature
from webhook.core.verdicts import Decision, Result
from webhook.core.workloads import ContainerKind, Requester, Source

SIGNED = SignatureRequirement(authorities=("release",))
TAGGED = ImageReference.parse("registry.example/shop/api:1.4.2")


def codes(decision: Decision) -> list[str]:
    """Return the reason codes of all verdicts, in order."""
    return [problem.code for verdict in decision.verdicts for problem in verdict.problems]


def advice(decision: Decision) -> list[str]:
    """Return the reason codes of all advisories, in order."""
    return [problem.code for verdict in decision.verdicts for problem in verdict.advisories]


def on_base(wanted: BaseRequirement, *builds: BaseBuild, **changes: object) -> Decision:
    """Decide about an image on these builds under a rule that asks only for such a base."""
    asked = policy(rule(Requirements(base=wanted)), **changes)
    return decide(pod(), asked, evidence(platform(*builds)), as_of=NOW)


class TestPassing:
    """Images that fulfil their rule."""

    def test_signed_and_on_an_approved_base(self) -> None:
        """An image that a named authority signed and that stands on an approved base may run."""
        decision = decide(pod(), policy(), evidence(), as_of=NOW)

        assert decision.allowed
        assert [verdict.result for verdict in decision.verdicts] == [Result.PASS]
        assert decision.verdicts[0].signed_by == ("release",)
        assert decision.verdicts[0].standings[0].build == build()
        assert decision.verdicts[0].standings[0].age_days == 3

    def test_nothing_to_judge_needs_a_reason(self) -> None:
        """An object without images is allowed because of what it is, and an empty list of verdicts never allows."""
        assert decide(pod(uses=(), no_images_because="DELETE"), policy(), {}, as_of=NOW).allowed
        assert not Decision(workload=pod(), verdicts=()).allowed
        assert Decision(workload=pod(), verdicts=()).result is Result.ERROR
        assert decide(pod(uses=(), no_images_because="DELETE"), policy(), {}, as_of=NOW).result is Result.PASS

    def test_unchanged_image(self) -> None:
        """An image that an UPDATE does not touch passes without evidence, whatever the rule says of it."""
        decision = decide(pod(use(TAGGED, unchanged=True)), policy(), {}, as_of=NOW)

        assert decision.allowed
        assert decision.verdicts[0].unchanged

    def test_unchanged_image_under_an_exemption(self) -> None:
        """An unchanged image is unchanged first: it is not reported as exempt."""
        exempt = policy(rule(Exemption(reason="PLAT-1")))

        decision = decide(pod(use(unchanged=True)), exempt, {}, as_of=NOW)

        assert decision.verdicts[0].result is Result.PASS

    def test_a_rule_that_asks_for_nothing(self) -> None:
        """A rule that waives even the pin lets a tag through without asking a registry."""
        lax = policy(rule(Requirements(pinned=False)))

        assert decide(pod(use(TAGGED)), lax, {}, as_of=NOW).allowed


class TestReferences:
    """What the reference alone decides."""

    def test_bad_reference(self) -> None:
        """What is no reference is denied as such, and no case inside a rule can speak about it."""
        broken = use().__class__(
            container="api",
            kind=ContainerKind.MAIN,
            field="spec.containers[0].image",
            image=BadReference(written="UPPER", why="not a name"),
        )

        assert codes(decide(pod(broken), policy(), {}, as_of=NOW)) == ["bad-reference"]
        assert decide(pod(broken), policy(rule(Exemption(reason="x"))), {}, as_of=NOW).result is Result.SKIP
        everything = Case(name="everything", outcome=Exemption(reason="x"))
        assert codes(decide(pod(broken), policy(rule(cases=(everything,))), {}, as_of=NOW)) == ["bad-reference"]

    def test_forbidden_image(self) -> None:
        """An image outside the rule's list is forbidden, and nobody asks a registry about it."""
        narrow = policy(rule(images=(Glob("registry.example/other/**"),)))

        assert codes(decide(pod(), narrow, {}, as_of=NOW)) == ["forbidden-image"]

    def test_unpinned_image_names_its_digest(self) -> None:
        """A tag without digest is denied with the digest that it points to, beside all other problems."""
        decision = decide(pod(use(TAGGED)), policy(), evidence(reference=TAGGED, findings=vouched(SANDBOX)), as_of=NOW)

        assert codes(decision) == ["unpinned", "untrusted-signer"]
        assert decision.verdicts[0].problems[0].resolved == digest("resolved")  # type: ignore[union-attr]

    def test_unpinned_alone_does_not_need_the_registry(self) -> None:
        """Where only the pin matters, a silent registry adds nothing to the answer, and a missing image is told."""
        pinned = policy(rule(Requirements()))
        silent = evidence(image=SILENCE, reference=TAGGED)
        missing = evidence(image=Known(value=None), reference=TAGGED)

        assert codes(decide(pod(use(TAGGED)), pinned, silent, as_of=NOW)) == ["unpinned"]
        assert codes(decide(pod(use(TAGGED)), pinned, missing, as_of=NOW)) == ["unpinned", "not-found"]

    @pytest.mark.parametrize(
        ("kind", "source", "expected"),
        [
            ("Deployment", Source.ADMISSION, []),
            ("Pod", Source.MANIFEST, []),
            ("Pod", Source.ADMISSION, ["unpinned"]),
            ("Image", Source.IMAGE, ["unpinned"]),
        ],
    )
    def test_with_the_pinning_webhook(self, kind: str, source: Source, expected: list[str]) -> None:
        """With pinTags a tag is fine where the pods are yet to be pinned, and not where they would have been."""
        decision = decide(
            pod(use(TAGGED), kind=kind, source=source),
            policy(pin_tags=True),
            evidence(reference=TAGGED),
            as_of=NOW,
        )

        assert codes(decision) == expected

    def test_not_found(self) -> None:
        """An image that the registry does not have is not found, and nothing else is asked."""
        assert codes(decide(pod(), policy(), evidence(image=Known(value=None)), as_of=NOW)) == ["not-found"]

    def test_registry_in_the_way(self) -> None:
        """An image that could not be resolved is unverifiable, which denies under enforce and is no failure."""
        decision = decide(pod(), policy(), evidence(image=SILENCE), as_of=NOW)

        assert codes(decision) == ["unverifiable"]
        assert decision.result is Result.ERROR
        assert not decision.allowed


class TestRevocations:
    """`revoked` beats all."""

    @pytest.mark.parametrize("mode", list(Mode))
    def test_image_in_every_mode(self, mode: Mode) -> None:
        """A revoked digest is denied in every mode of its rule."""
        decision = decide(pod(), policy(rule(mode=mode), revoked=(revocation(digest("api")),)), {}, as_of=NOW)

        assert codes(decision) == ["revoked"]
        assert not decision.allowed
        assert decision.result is Result.FAIL

    def test_written_digest_under_an_exemption(self) -> None:
        """An exemption does not cover a revoked digest that is written in the reference."""
        exempt = policy(rule(Exemption(reason="PLAT-1")), revoked=(revocation(digest("api")),))

        assert codes(decide(pod(), exempt, {}, as_of=NOW)) == ["revoked"]

    def test_resolved_digest(self) -> None:
        """A tag that resolves to a revoked digest is revoked, even where the rule asks for nothing."""
        lax = policy(rule(Requirements(pinned=False)), revoked=(revocation(digest("resolved")),))

        assert codes(decide(pod(use(TAGGED)), lax, evidence(reference=TAGGED), as_of=NOW)) == ["revoked"]

    def test_child_of_an_index(self) -> None:
        """A revoked child condemns the index that offers it."""
        revoked = policy(revoked=(revocation(digest(f"child {ARM64}")),))
        offered = evidence(platform(build()), platform(build(platform=ARM64), on=ARM64))

        assert codes(decide(pod(), revoked, offered, as_of=NOW)) == ["revoked"]

    @pytest.mark.parametrize("revoked", [build().chain_id, build().digest, build().index_digest])
    def test_base_by_any_of_its_names(self, revoked: Digest) -> None:
        """A base is revoked by its chain, its manifest or its index; that denies even under audit."""
        decision = decide(pod(), policy(rule(mode=Mode.AUDIT), revoked=(revocation(revoked),)), evidence(), as_of=NOW)

        assert codes(decision) == ["revoked-base"]
        assert not decision.allowed

    @pytest.mark.parametrize("mode", list(Mode))
    def test_base_beside_a_malformed_platform(self, mode: Mode) -> None:
        """A platform that is not well formed does not hide a revoked base below another one."""
        revoked = policy(rule(Requirements(base=BaseRequirement()), mode=mode), revoked=(revocation(build().chain_id),))
        broken = platform(build(platform=ARM64), on=ARM64, proof=Malformed(what="layer", why="it is not"))

        decision = decide(pod(), revoked, evidence(platform(build()), broken), as_of=NOW)

        assert "revoked-base" in codes(decision)
        assert not decision.allowed

    def test_chain_that_no_catalog_records(self) -> None:
        """A revoked chain is recognised in any image that starts with it, with or without a catalog."""
        stranger = platform(catalog=False)
        revoked = policy(rule(Requirements(pinned=False)), revoked=(revocation(stranger.chain_ids[0]),))

        assert codes(decide(pod(), revoked, evidence(stranger), as_of=NOW)) == ["revoked-base"]

    def test_by_the_catalog(self) -> None:
        """A build that the catalog revokes denies under the rule's mode only, and only where a base is asked for."""
        dead = build(status=Status.REVOKED, reason="CVE-2026-1")

        assert codes(on_base(BaseRequirement(), dead)) == ["revoked-base"]
        assert codes(on_base(BaseRequirement(), build(status=Status.REVOKED))) == ["revoked-base"]
        warned = decide(
            pod(),
            policy(rule(Requirements(base=BaseRequirement()), mode=Mode.WARN)),
            evidence(platform(dead)),
            as_of=NOW,
        )
        assert warned.allowed
        assert warned.result is Result.WARN
        unasked = policy(rule(Requirements(signatures=SIGNED)))
        assert decide(pod(), unasked, evidence(platform(dead)), as_of=NOW).allowed

    def test_contained_in_a_longer_chain(self) -> None:
        """An image that merely contains a revoked base's layers below an approved one is condemned as well."""
        dead = build(status=Status.REVOKED, diff_ids=(digest("base-1"),))

        decision = decide(pod(), policy(), evidence(platform(build(), contained=(dead,))), as_of=NOW)

        assert codes(decision) == ["revoked-base"]


class TestSignatures:
    """Who signed."""

    def test_nobody(self) -> None:
        """An image without any signature is unsigned."""
        assert codes(decide(pod(), policy(), evidence(findings=vouched()), as_of=NOW)) == ["unsigned"]

    def test_somebody_else(self) -> None:
        """A signature by an authority that the rule does not name, or by a stranger, is untrusted."""
        assert codes(decide(pod(), policy(), evidence(findings=vouched(SANDBOX)), as_of=NOW)) == ["untrusted-signer"]
        assert codes(decide(pod(), policy(), evidence(findings=vouched(strangers=2)), as_of=NOW)) == [
            "untrusted-signer"
        ]

    def test_broken(self) -> None:
        """A signature that points at a named authority and does not hold is invalid; at another, untrusted."""
        ours = vouched(broken=(BrokenSignature(authority="release", why="altered"),))
        theirs = vouched(broken=(BrokenSignature(authority="sandbox", why="altered"),))

        assert codes(decide(pod(), policy(), evidence(findings=ours), as_of=NOW)) == ["invalid-signature"]
        assert codes(decide(pod(), policy(), evidence(findings=theirs), as_of=NOW)) == ["untrusted-signer"]

    def test_incomplete_search(self) -> None:
        """If not everything could be seen, a missing signature is unverifiable, and a found one is enough."""
        assert codes(decide(pod(), policy(), evidence(findings=vouched(incomplete=SILENCE)), as_of=NOW)) == [
            "unverifiable"
        ]
        assert decide(pod(), policy(), evidence(findings=vouched(RELEASE, incomplete=SILENCE)), as_of=NOW).allowed

    def test_threshold_counts_authorities(self) -> None:
        """Two of two needs two distinct authorities, however often one of them signed."""
        both = policy(
            rule(Requirements(signatures=SignatureRequirement(authorities=("release", "sandbox"), at_least=2)))
        )
        twice = vouched(RELEASE, RELEASE)

        assert codes(decide(pod(), both, evidence(findings=twice), as_of=NOW)) == ["untrusted-signer"]
        assert decide(pod(), both, evidence(findings=vouched(RELEASE, SANDBOX)), as_of=NOW).allowed


class TestBase:
    """What the image stands on."""

    def test_no_catalog(self) -> None:
        """Without a catalog nobody knows the base: unverifiable, not unapproved."""
        assert codes(decide(pod(), policy(), evidence(platform(catalog=False)), as_of=NOW)) == ["unverifiable"]

    def test_unknown_base(self) -> None:
        """An image on no recorded chain is refused, with the approved bases named."""
        decision = decide(pod(), policy(), evidence(platform()), as_of=NOW)

        assert codes(decision) == ["unapproved-base"]
        assert decision.verdicts[0].problems[0].expected == ("dhi.io/python:3.13*",)  # type: ignore[union-attr]

    def test_recorded_and_not_approved(self) -> None:
        """A recorded build whose tag no policy approves does not carry an image."""
        assert codes(on_base(BaseRequirement(), build(tags=("3.12",)))) == ["unapproved-base"]

    def test_one_chain_under_two_names(self) -> None:
        """One approved name of a chain is enough, whichever is recorded first."""
        assert codes(on_base(BaseRequirement(), build(tags=("3.12",)), build())) == []

    def test_rule_narrows_the_bases(self) -> None:
        """A rule may admit some of the approved bases only."""
        node = Repository.parse("dhi.io/node")

        decision = on_base(BaseRequirement(repositories=(node,)), build())

        assert codes(decision) == ["unapproved-base"]
        assert decision.verdicts[0].problems[0].expected == ()  # type: ignore[union-attr]

    def test_every_platform_counts(self) -> None:
        """One platform on an unknown base refuses the image, by name."""
        mixed = evidence(platform(build()), platform(on=ARM64))

        decision = decide(pod(), policy(), mixed, as_of=NOW)

        assert [p.platform for p in decision.verdicts[0].problems] == ["linux/arm64"]  # type: ignore[union-attr]

    def test_layers_not_read_yet(self) -> None:
        """A base whose bytes nobody has hashed yet is unverifiable, unless the signatures failed anyway."""
        pending = platform(build(), proof=LayerProof(pending=(digest("zstd " + str(digest("base-1"))),)))

        assert codes(decide(pod(), policy(), evidence(pending), as_of=NOW)) == ["unverifiable"]
        assert codes(decide(pod(), policy(), evidence(pending, findings=vouched()), as_of=NOW)) == ["unsigned"]

    def test_layers_that_are_not_what_the_config_claims(self) -> None:
        """Layers that hash to something else make the image malformed."""
        forged = platform(build(), proof=Malformed(what="layer sha256:1", why="not what the config claims"))

        assert codes(decide(pod(), policy(), evidence(forged), as_of=NOW)) == ["malformed-image"]

    def test_what_ends_the_questioning_stands_alone(self) -> None:
        """Of an image whose layers are not what it claims, or with a revoked child, nothing else is said."""
        forged = platform(build(), proof=Malformed(what="layer sha256:1", why="not what the config claims"), user="")
        both = policy(rule(Requirements(signatures=SIGNED, base=BaseRequirement(), non_root=True)))
        gone = policy(rule(Requirements(non_root=True)), revoked=(revocation(digest(f"child {ARM64}")),))
        offered = evidence(platform(build(), user=""), platform(build(platform=ARM64), on=ARM64))

        assert codes(decide(pod(), both, evidence(forged, findings=vouched()), as_of=NOW)) == ["malformed-image"]
        assert codes(decide(pod(), gone, offered, as_of=NOW)) == ["revoked"]

    def test_variant(self) -> None:
        """A development base is refused unless the rule admits it."""
        dev = build(variant="dev")

        assert codes(on_base(BaseRequirement(), dev)) == ["wrong-variant"]
        assert codes(on_base(BaseRequirement(variants=("runtime", "dev")), dev)) == []

    def test_end_of_life(self) -> None:
        """A base denies from the day after its end of life, warns two weeks ahead, and only warns if told so."""
        deny, warn = BaseRequirement(), BaseRequirement(end_of_life=EndOfLife.WARN)
        last_day, day_after = build(end_of_life=NOW.date()), build(end_of_life=NOW.date() - timedelta(days=1))

        assert codes(on_base(deny, day_after)) == ["end-of-life-base"]
        assert codes(on_base(warn, day_after)) == []
        assert advice(on_base(warn, day_after)) == ["end-of-life-base"]
        assert on_base(warn, day_after).result is Result.WARN
        assert codes(on_base(deny, last_day)) == []
        assert advice(on_base(deny, last_day)) == ["end-of-life-base"]
        assert advice(on_base(deny, build(end_of_life=date(2029, 10, 31)))) == []

    @pytest.mark.parametrize(
        ("age", "problems", "advisories"),
        [(20, [], []), (50, [], ["stale-base"]), (60, [], ["stale-base"]), (61, ["stale-base"], [])],
    )
    def test_age(self, age: int, problems: list[str], advisories: list[str]) -> None:
        """A base older than the rule's maxAge denies; within two weeks of it there is advice."""
        decision = on_base(BaseRequirement(max_age=timedelta(days=60)), build(created=NOW - timedelta(days=age)))

        assert codes(decision) == problems
        assert advice(decision) == advisories

    def test_age_without_a_rule(self) -> None:
        """Without maxAge a base of more than ninety days is advice, never a denial."""
        assert advice(on_base(BaseRequirement(), build(created=NOW - timedelta(days=91)))) == ["stale-base"]
        assert advice(on_base(BaseRequirement(), build(created=NOW - timedelta(days=90)))) == []

    def test_lag(self) -> None:
        """A base that was superseded longer ago than maxLag denies; one that is current never lags."""
        wanted = BaseRequirement(max_lag=timedelta(days=14))

        assert codes(on_base(wanted, build(superseded_at=NOW - timedelta(days=15)))) == ["stale-base"]
        assert advice(on_base(wanted, build(superseded_at=NOW - timedelta(days=1)))) == ["stale-base"]
        assert advice(on_base(wanted, build())) == []
        assert codes(on_base(BaseRequirement(), build(superseded_at=NOW - timedelta(days=99)))) == []


class TestUser:
    """As whom the image runs."""

    WANTED = policy(rule(Requirements(non_root=True)))

    @pytest.mark.parametrize(("user", "expected"), [("65532", []), ("", ["runs-as-root"]), ("app", ["runs-as-root"])])
    def test_user_alone(self, user: str, expected: list[str]) -> None:
        """A number is proof, an empty user and a name of the image's own are not."""
        assert codes(decide(pod(), self.WANTED, evidence(platform(build(), user=user)), as_of=NOW)) == expected

    def test_the_base_s_own_user(self) -> None:
        """A name is accepted if it is, to the letter, the user of the proven base."""
        named = platform(build(user="nonroot"), user="nonroot")

        assert codes(decide(pod(), self.WANTED, evidence(named), as_of=NOW)) == []

    def test_the_user_of_a_base_that_is_not_proven(self) -> None:
        """While the base's layers are unread, its user is nobody's: unverifiable, said once."""
        pending = LayerProof(pending=(digest("zstd " + str(digest("base-1"))),))
        named = platform(build(user="nonroot"), user="nonroot", proof=pending)
        both = policy(rule(Requirements(base=BaseRequirement(), non_root=True)))

        assert codes(decide(pod(), self.WANTED, evidence(named), as_of=NOW)) == ["unverifiable"]
        assert codes(decide(pod(), both, evidence(named), as_of=NOW)) == ["unverifiable"]


class TestRulesAndCases:
    """Which outcome applies."""

    def test_malformed_image(self) -> None:
        """An image that is not well formed is refused as that alone."""
        twisted = evidence(
            unread=Malformed(what="manifest sha256:1", why="`Layers` beside `layers`"), findings=vouched()
        )

        assert codes(decide(pod(), policy(), twisted, as_of=NOW)) == ["malformed-image"]

    def test_content_that_could_not_be_read(self) -> None:
        """If the manifests could not be read, that is said beside what is known of the signatures."""
        assert codes(decide(pod(), policy(), evidence(unread=SILENCE, findings=vouched()), as_of=NOW)) == [
            "unsigned",
            "unverifiable",
        ]

    def test_exempt_case(self) -> None:
        """An exempt case skips its images, and only those."""
        agent = Case(name="agent", outcome=Exemption(reason="PLAT-112"), images=(Glob("registry.example/shop/*"),))
        elsewhere = Case(name="agent", outcome=Exemption(reason="PLAT-112"), images=(Glob("vendor.example/agent"),))

        assert decide(pod(), policy(rule(cases=(agent,))), {}, as_of=NOW).result is Result.SKIP
        assert decide(pod(), policy(rule(cases=(elsewhere,))), evidence(), as_of=NOW).result is Result.PASS

    def test_expired_exemption_does_not_match(self) -> None:
        """The day after it expires, an exemption no longer speaks, so what follows applies."""
        expired = Case(name="agent", outcome=Exemption(reason="PLAT-112", expires=NOW.date() - timedelta(days=1)))
        system = rule(Exemption(reason="add-ons", expires=NOW.date() - timedelta(days=1)), name="system")
        holding = rule(Exemption(reason="add-ons", expires=NOW.date()), name="system")

        assert decide(pod(), policy(rule(cases=(expired,))), evidence(), as_of=NOW).result is Result.PASS
        assert decide(pod(), policy(system, rule()), evidence(), as_of=NOW).verdicts[0].rule.name == "everywhere"
        assert decide(pod(), policy(holding, rule()), {}, as_of=NOW).result is Result.SKIP

    def test_case_by_container_and_group(self) -> None:
        """A case for ephemeral containers of some group covers neither other containers nor other people."""
        debugging = Case(
            name="debugging",
            containers=frozenset({ContainerKind.EPHEMERAL}),
            groups=frozenset({"sre"}),
            outcome=Requirements(base=BaseRequirement(variants=("dev",))),
        )
        asked = policy(rule(cases=(debugging,)))
        sre = Requester(username="ann", groups=frozenset({"sre"}))
        shell = use(kind=ContainerKind.EPHEMERAL)
        unsigned_dev = evidence(platform(build(variant="dev")), findings=vouched())

        assert decide(pod(shell, requester=sre), asked, unsigned_dev, as_of=NOW).allowed
        assert not decide(pod(shell), asked, unsigned_dev, as_of=NOW).allowed
        assert not decide(pod(use(), requester=sre), asked, unsigned_dev, as_of=NOW).allowed

    def test_case_by_digest(self) -> None:
        """A case that lists digests covers references written with one of them, and no tag that may point there."""
        listed = Case(name="listed", digests=frozenset({digest("api")}), outcome=Exemption(reason="PLAT-112"))
        asked = policy(rule(cases=(listed,)))
        tagged = ImageReference.parse("registry.example/shop/api:1.4.2")
        other = ImageReference.parse(f"registry.example/shop/api@{digest('other')}")

        assert decide(pod(), asked, {}, as_of=NOW).result is Result.SKIP
        for image in (tagged, other):
            found = decide(pod(use(image=image)), asked, evidence(reference=image, findings=vouched()), as_of=NOW)
            assert found.result is Result.FAIL

    def test_namespaces_pick_the_rule(self) -> None:
        """The first rule whose namespaces fit applies; an object without namespace gets the last."""
        strict = rule(name="strict", namespaces=(Glob("prod-*"),))
        last = rule(Requirements(pinned=False), name="last")

        assert (
            decide(pod(namespace="prod-shop"), policy(strict, last), evidence(), as_of=NOW).verdicts[0].rule == strict
        )
        assert decide(pod(namespace=None), policy(strict, last), {}, as_of=NOW).verdicts[0].rule == last
        assert decide(pod(), policy(strict, last), evidence(), as_of=NOW, rule=strict).verdicts[0].rule == strict
        assert policy(strict, last).rule_named("strict") == strict
        assert policy(strict, last).rule_named("none") is None

    def test_ceiling(self) -> None:
        """The ceiling makes every rule at most that strict."""
        decision = decide(pod(), policy(), evidence(findings=vouched()), as_of=NOW, ceiling=Mode.WARN)

        assert decision.allowed
        assert decision.result is Result.WARN
        assert decision.verdicts[0].mode.word == "warn"

    def test_answers_that_never_deny(self) -> None:
        """Advice and mirror pods tell every problem and deny nothing."""
        unsigned = evidence(findings=vouched())

        assert decide(pod(), policy(), unsigned, as_of=NOW, never_denies=True).allowed
        assert decide(pod(mirror_pod=True), policy(), unsigned, as_of=NOW).allowed
        assert codes(decide(pod(mirror_pod=True), policy(), unsigned, as_of=NOW)) == ["unsigned"]

    def test_one_image_in_two_places(self) -> None:
        """Two containers with one image get a verdict each, on the same evidence."""
        decision = decide(pod(use(), use(kind=ContainerKind.INIT)), policy(), evidence(), as_of=NOW)

        assert [verdict.result for verdict in decision.verdicts] == [Result.PASS, Result.PASS]

    def test_docker_alone_does_not_vouch_for_applications(self) -> None:
        """The signature of the base's maker is not that of the application's."""
        assert codes(decide(pod(), policy(), evidence(findings=vouched(DOCKER)), as_of=NOW)) == ["untrusted-signer"]
