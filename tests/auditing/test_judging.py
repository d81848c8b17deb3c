"""What an audit makes of objects, of their live pods, and of what their nodes run."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.auditing.given import deployment, judging, pod, runs, subject, template_of
from tests.shop import HOST, Shop
from webhook.core.auditing.rows import Change, Row, Seen
from webhook.core.inventory.live_objects import Subject
from webhook.core.manifest_objects import bare_image
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.core.verdicts import Result
from webhook.demo.images import BuiltIndex, index, push
from webhook.ports import TroubleKind


async def row_of(shop: Shop, thing: Subject, **options: Policy) -> Row:
    """Judge one thing by the shop's policy."""
    async with judging(shop, **options) as judge:  # type: ignore[arg-type]
        return await judge(thing)


def seen(row: Row) -> Sequence[tuple[Seen, int, Result]]:
    """Return what was judged: where it was seen, of how many pods, and how it fared."""
    return [(judged.seen, judged.pods, judged.decision.result) for judged in row.judged]


def codes(row: Row) -> set[str]:
    """Return every code in the row."""
    return {p.code for judged in row.judged for verdict in judged.decision.verdicts for p in verdict.problems}


def tagged(shop: Shop, name: str, *, signed: bool = True, tag: str = "1.0") -> str:
    """Push an image under a tag, and return its digest as a runtime names it."""
    image = shop.app(name=name)
    digest = push(shop.registry.store, "shop/api", image, tag=tag)
    if signed:
        shop.release.sign_bundle(shop.registry.store, "shop/api", digest)
    return f"{HOST}/shop/api@{digest}"


UNPINNED = "{pinned: false, signatures: {from: [release]}, base: {}}"
TAG = f"{HOST}/shop/api:1.0"


async def test_a_deployment_is_judged_once_with_all_its_pods() -> None:
    """Forty pods that are as their template says are one decision that speaks of forty pods."""
    shop = Shop()
    good = shop.push(shop.app(), shop.release)
    row = await row_of(shop, template_of(deployment(good), runs(pod(good), good, pods=40)))

    assert seen(row) == [(Seen.SPEC, 40, Result.PASS)]
    assert (row.kind, row.namespace, row.name, row.pods, row.allowed) == ("Deployment", "shop", "api", 40, True)


async def test_a_workload_without_pods_is_judged() -> None:
    """A Deployment that is scaled to zero is judged by its template."""
    shop = Shop()
    row = await row_of(shop, template_of(deployment(shop.push(shop.app()))))

    assert seen(row) == [(Seen.SPEC, 0, Result.FAIL)]
    assert row.pods == 0
    assert not row.allowed


async def test_an_injected_container_is_judged() -> None:
    """What live pods name beside their template makes the row worse, although the template is good."""
    shop = Shop()
    good, bad = shop.push(shop.app(), shop.release), shop.push(shop.app(name="sidecar"))
    row = await row_of(shop, template_of(deployment(good), runs(pod(good, bad), pods=3)))

    assert seen(row) == [(Seen.SPEC, 0, Result.PASS), (Seen.POD, 3, Result.FAIL)]
    assert row.result is Result.FAIL
    assert not row.allowed


async def test_an_owner_that_cannot_be_read_is_judged_by_its_pods() -> None:
    """The pods of an Argo Rollout make up its row."""
    shop = Shop()
    row = await row_of(shop, subject("Rollout", "api", runs(pod(shop.push(shop.app())), pods=2)))

    assert seen(row) == [(Seen.POD, 2, Result.FAIL)]
    assert (row.kind, row.pods) == ("Rollout", 2)


async def test_an_owner_of_nothing_is_no_approval() -> None:
    """A row without a template and without pods is an error, not a pass."""
    row = await row_of(Shop(), subject("Rollout", "api"))

    assert row.result is Result.ERROR
    assert not row.allowed


async def test_a_tag_that_moved_is_drift() -> None:
    """Pods run the digest that the tag had when they started; it is judged beside what the tag has now."""
    shop = Shop(require=UNPINNED)
    before = tagged(shop, "old", signed=False)
    tagged(shop, "new")
    row = await row_of(shop, template_of(deployment(TAG), runs(pod(TAG), before, pods=3)))

    assert seen(row) == [(Seen.SPEC, 3, Result.PASS), (Seen.RUNNING, 3, Result.FAIL)]
    (drifted,) = row.judged[1].decision.verdicts
    assert drifted.use.image.written == f"{TAG}@{before.partition('@')[2]}"
    assert drifted.use.field == "status.containerStatuses"
    assert codes(row) == {"unsigned"}


async def test_what_runs_under_a_deleted_tag_is_judged_by_its_digest() -> None:
    """The spec names a tag that is gone, and what runs is still told for what it is."""
    shop = Shop(require=UNPINNED)
    ran = tagged(shop, "old", tag="other")
    row = await row_of(shop, template_of(deployment(TAG), runs(pod(TAG), ran)))

    assert seen(row) == [(Seen.SPEC, 1, Result.FAIL), (Seen.RUNNING, 1, Result.PASS)]
    assert codes(row) == {"not-found"}


async def test_the_same_bytes_are_no_drift_whatever_the_runtime_calls_them() -> None:
    """The digest of the index, of the platform's manifest and of its config all name what the tag points to."""
    shop = Shop(require=UNPINNED)
    image = shop.app()
    several: BuiltIndex = index([image])
    digest = push(shop.registry.store, "shop/api", several, tag="1.0")
    shop.release.sign_bundle(shop.registry.store, "shop/api", digest)
    names = (
        f"{HOST}/shop/api@{digest}",
        f"docker-pullable://{HOST}/shop/api@{digest}",
        f"mirror.example/elsewhere@{digest}",
        f"{HOST}/shop/api@{image.digest}",
        f"docker://{image.config_digest}",
        image.config_digest.hex,
    )
    row = await row_of(shop, template_of(deployment(TAG), *(runs(pod(TAG), name) for name in names)))

    assert seen(row) == [(Seen.SPEC, 6, Result.PASS)]
    assert row.notes == ()


async def test_an_image_id_that_nobody_knows_is_noted() -> None:
    """A runtime's own image ID of other bytes can be compared with nothing, and the row says so."""
    shop = Shop(require=UNPINNED)
    tagged(shop, "api")
    row = await row_of(shop, template_of(deployment(TAG), runs(pod(TAG), f"sha256:{'0' * 64}")))

    (note,) = row.notes
    assert note.startswith("what `c0` runs could not be compared: its node calls it `sha256:0000")
    assert seen(row) == [(Seen.SPEC, 1, Result.PASS)]
    assert row.unknown
    assert row.result is Result.ERROR


async def test_a_revoked_digest_that_runs_under_an_exemption_is_told() -> None:
    """Nothing is fetched for an exempt image, but what its node says it runs is compared with the revocations."""
    shop = Shop()
    ran = tagged(shop, "leak")
    document = f"""
        apiVersion: dhi-gate.dev/v1alpha1
        kind: ImagePolicy
        metadata: {{name: lenient}}
        spec:
          revoked: [{{digest: "{ran.partition("@")[2]}", reason: leaked token}}]
          rules: [{{name: everywhere, exempt: {{reason: PLAT-112}}}}]
    """
    policy = parse_policy(document.encode(), read_file=lambda name: name.encode())
    row = await row_of(shop, template_of(deployment(TAG), runs(pod(TAG), ran)), policy=policy)

    assert seen(row) == [(Seen.SPEC, 1, Result.SKIP), (Seen.RUNNING, 1, Result.FAIL)]
    assert codes(row) == {"revoked"}
    assert shop.registry.asked == []


async def test_drift_is_judged_by_what_the_same_rule_found_out() -> None:
    """What another rule was told about a tag, before it moved, does not make what runs look like what was judged."""
    shop = Shop()
    keys = "{signatures: {from: [release]}}"
    document = f"""
        apiVersion: dhi-gate.dev/v1alpha1
        kind: ImagePolicy
        metadata: {{name: two}}
        spec:
          authorities: [{{name: release, key: {{data: {json.dumps(shop.release.public_pem)}}}}}]
          rules:
            - {{name: lax, namespaces: [lab], require: {{pinned: false, user: nonRoot}}}}
            - {{name: strict, require: {{pinned: false, **}}}}
    """.replace("**", keys[1:-1])
    policy = parse_policy(document.encode(), read_file=lambda name: name.encode())
    ran = tagged(shop, "old", signed=False)
    async with judging(shop, policy=policy) as judge:
        await judge(bare_image(TAG, "lab"))
        tagged(shop, "new")
        row = await judge(template_of(deployment(TAG), runs(pod(TAG), ran)))

    assert seen(row) == [(Seen.SPEC, 1, Result.PASS), (Seen.RUNNING, 1, Result.FAIL)]


async def test_an_exempt_image_has_no_drift_whoever_else_asks_about_it() -> None:
    """A row does not depend on what other namespaces wanted to know before."""
    shop = Shop()
    document = f"""
        apiVersion: dhi-gate.dev/v1alpha1
        kind: ImagePolicy
        metadata: {{name: two}}
        spec:
          authorities: [{{name: release, key: {{data: {json.dumps(shop.release.public_pem)}}}}}]
          rules:
            - {{name: strict, namespaces: [lab], require: {{pinned: false, signatures: {{from: [release]}}}}}}
            - {{name: free, exempt: {{reason: PLAT-112}}}}
    """
    policy = parse_policy(document.encode(), read_file=lambda name: name.encode())
    ran = tagged(shop, "old")
    tagged(shop, "new")
    async with judging(shop, policy=policy) as judge:
        await judge(bare_image(TAG, "lab"))
        row = await judge(template_of(deployment(TAG), runs(pod(TAG), ran)))

    assert seen(row) == [(Seen.SPEC, 1, Result.SKIP)]


async def test_what_was_asked_about_an_owner_counts_for_a_pod_that_names_less() -> None:
    """A pod of a rollout that names one of the template's images runs other bytes, and that is still drift."""
    shop = Shop(require=UNPINNED)
    ran = tagged(shop, "old", signed=False)
    tagged(shop, "new")
    other = shop.push(shop.app(), shop.release)
    row = await row_of(shop, template_of(deployment(TAG, other), runs(pod(TAG), ran)))

    assert seen(row) == [(Seen.SPEC, 1, Result.PASS), (Seen.RUNNING, 1, Result.FAIL)]


async def test_each_image_is_asked_about_once_in_a_run() -> None:
    """However many objects name an image, the registry is asked as often as for one."""
    shop = Shop()
    good = shop.push(shop.app(), shop.release)
    async with judging(shop) as judge:
        await judge(template_of(deployment(good)))
        once = len(shop.registry.asked)
        for number in range(20):
            await judge(template_of(deployment(good, name=f"api-{number}"), runs(pod(good), good)))

    assert once > 0
    assert len(shop.registry.asked) == once


async def test_trouble_is_the_same_for_all_objects_of_a_run() -> None:
    """A registry that recovers in the middle does not make two rows about one image disagree."""
    shop = Shop()
    good = shop.push(shop.app(), shop.release)
    shop.registry.break_down(TroubleKind.UNREACHABLE)
    async with judging(shop) as judge:
        first = await judge(template_of(deployment(good)))
        shop.registry.mend()
        second = await judge(template_of(deployment(good, name="other")))

    assert first.result is second.result is Result.ERROR


async def test_a_candidate_policy_is_compared_with_the_present_one() -> None:
    """Rows tell what the candidate newly refuses, newly admits, and leaves as it is."""
    shop = Shop()
    good, unsigned = shop.push(shop.app(), shop.release), shop.push(shop.app(name="other"))
    loose = shop.policy_that("{base: {}}")

    async def change(image: str, policy: Policy, before: Policy) -> Change | None:
        return (await row_of(shop, template_of(deployment(image)), policy=policy, before=before)).change

    assert await change(unsigned, shop.policy, loose) is Change.NEWLY_REFUSED
    assert await change(unsigned, loose, shop.policy) is Change.NEWLY_ADMITTED
    assert await change(good, shop.policy, loose) is Change.SAME
    assert await change(unsigned, shop.policy, shop.policy) is Change.SAME


async def test_what_the_present_policy_makes_of_an_object_may_be_unknown() -> None:
    """Whether a candidate newly refuses an object is unknown where the present policy could not be evaluated."""
    shop = Shop()
    present = shop.policy_that("{pinned: false, signatures: {from: [release]}}")
    candidate = shop.policy_that("{}")
    shop.registry.break_down(TroubleKind.UNREACHABLE)
    row = await row_of(shop, template_of(deployment(TAG)), policy=candidate, before=present)

    assert codes(row) == {"unpinned"}
    assert row.change is Change.SAME
    assert row.unknown
    assert row.notes == ("what the policy in force makes of it could not be found out",)


async def test_a_file_is_judged_as_check_does() -> None:
    """An object that stands in a file has a row without pods."""
    shop = Shop()
    async with judging(shop) as judge:
        row = await judge(bare_image(shop.push(shop.app(), shop.release), "shop"))

    assert (row.result, row.pods, row.key) == (Result.PASS, None, None)


@given(st.lists(st.sampled_from(["good", "bad"]), min_size=1, max_size=4), st.booleans())
async def test_a_row_is_the_worst_of_its_parts(kinds: list[str], template_is_good: bool) -> None:  # noqa: FBT001
    """Whatever runs, a row is admitted only if the object and each of its pods would be."""
    shop = Shop()
    images = {"good": shop.push(shop.app(), shop.release), "bad": shop.push(shop.app(name="other"))}
    template = deployment(images["good" if template_is_good else "bad"])
    row = await row_of(shop, template_of(template, *(runs(pod(images[kind])) for kind in kinds)))

    assert row.allowed == (template_is_good and set(kinds) == {"good"})
    assert row.result is (Result.PASS if row.allowed else Result.FAIL)
