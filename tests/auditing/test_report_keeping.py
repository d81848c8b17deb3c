"""What an audit found → report objects in a cluster."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from tests.auditing.report_samples import container, problem, report, workload
from tests.core.given import digest
from tests.fakes.cluster import FakeCluster, Manifest
from webhook.auditing.report_keeping import REPORTS, Audited, Kept, keep_reports
from webhook.core.reporting.document import ComparedDocument, WorkloadDocument
from webhook.core.reporting.policy_reports import ReportApi, policy_reports
from webhook.ports import ApiResource, ClusterTroubleKind

API = ReportApi.POLICYREPORT
RESOURCE = REPORTS[API]
SHOP = frozenset({"shop"})
WRITES = ("create", "update", "delete")


def numbered(number: int, *, refused: bool = False, namespace: str = "shop", **changes: Any) -> WorkloadDocument:  # noqa: ANN401 - any field
    """Return Deployment number so-and-so, which passes unless it is refused."""
    use = container(problems=(problem("unsigned"),), result="fail") if refused else container()
    uid = f"00000000-0000-4000-9000-{number:012d}"
    return workload(use, name=f"api-{number}", namespace=namespace, uid=uid, **changes)


def in_whole(*namespaces: str) -> Audited:
    """Return an audit that saw all of these namespaces; without any, of all there are."""
    return Audited(namespaces=frozenset(namespaces) or None, whole=lambda _: True)


async def keep(
    cluster: FakeCluster,
    *workloads: WorkloadDocument,
    audited: Audited | None = None,
    **metadata: Any,  # noqa: ANN401 - any field
) -> Kept:
    """Keep the reports about these objects, in a namespace `shop` that was seen whole unless told otherwise."""
    return await keep_reports(cluster, report(*workloads, **metadata), API, audited=audited or in_whole("shop"))


def name_of(wanted: WorkloadDocument) -> str:
    """Return the name of the report about an object."""
    (document,) = policy_reports(report(wanted), API)
    return str(document["metadata"]["name"])


def stored(cluster: FakeCluster, wanted: WorkloadDocument) -> dict[str, Any]:
    """Return the report about an object as it is in the cluster."""
    found = cluster.object(RESOURCE, wanted.namespace, name_of(wanted))
    assert found is not None
    return found


def about(cluster: FakeCluster) -> list[str]:
    """Return the objects that have reports, by name."""
    return sorted(one["scope"]["name"] for one in cluster.objects(RESOURCE))


def writes(cluster: FakeCluster) -> list[str]:
    """Return what was asked for that changes anything."""
    return [asked for asked in cluster.asked if asked.startswith(WRITES)]


@pytest.fixture
def cluster() -> FakeCluster:
    """Return a cluster with a namespace `shop`."""
    return cluster_with("shop")


def cluster_with(*namespaces: str, kind: Callable[[], FakeCluster] = FakeCluster) -> FakeCluster:
    """Return a cluster that has these namespaces, and nothing in them that matters."""
    cluster = kind()
    for namespace in namespaces:
        cluster.put(
            ApiResource(group="", version="v1", kind="ConfigMap", plural="configmaps"),
            {"metadata": {"name": "ca", "namespace": namespace}},
        )
    return cluster


@pytest.mark.parametrize("api", ReportApi)
async def test_each_workload_gets_a_report_that_it_owns(cluster: FakeCluster, api: ReportApi) -> None:
    """The reports are in the namespaces of their objects, say what was found, and go with their owners."""
    wanted = (numbered(1), numbered(2, refused=True))

    kept = await keep_reports(cluster, report(*wanted), api, audited=in_whole("shop"))

    assert kept == Kept(created=2)
    one, two = sorted(cluster.objects(REPORTS[api]), key=lambda found: str(found["scope"]["name"]))
    assert [(found["metadata"]["namespace"], found["summary"]["fail"]) for found in (one, two)] == [
        ("shop", 0),
        ("shop", 1),
    ]
    assert one["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "dhi-gate"
    assert [owner["uid"] for owner in one["metadata"]["ownerReferences"]] == [wanted[0].uid]


async def test_what_says_the_same_is_not_written_again(cluster: FakeCluster) -> None:
    """A later run that finds the same asks for one list and writes nothing."""
    await keep(cluster, numbered(1), numbered(2))
    cluster.asked.clear()

    kept = await keep(cluster, numbered(1), numbered(2), generated_at="2026-11-24T12:00:00Z")

    assert kept == Kept(unchanged=2)
    assert cluster.asked == ["list policyreports shop"]
    assert set(cluster.selectors) == {"app.kubernetes.io/managed-by=dhi-gate"}


async def test_what_says_something_else_is_replaced_and_nothing_else(cluster: FakeCluster) -> None:
    """One workload of two is refused now: one report is written."""
    await keep(cluster, numbered(1), numbered(2))
    before = stored(cluster, numbered(1))
    cluster.asked.clear()

    kept = await keep(cluster, numbered(1), numbered(2, refused=True))

    assert kept == Kept(replaced=1, unchanged=1)
    assert writes(cluster) == [f"update policyreports shop/{name_of(numbered(2))}"]
    assert stored(cluster, numbered(1)) == before
    assert stored(cluster, numbered(2))["summary"]["fail"] == 1


async def test_what_somebody_changed_is_put_right_and_what_they_added_stays(cluster: FakeCluster) -> None:
    """The findings are ours; labels, annotations and finalizers of others are theirs."""
    await keep(cluster, numbered(1, refused=True))
    edited = stored(cluster, numbered(1))
    edited["results"][0]["result"] = "pass"
    edited["metadata"]["labels"] |= {"team": "shop"}
    edited["metadata"] |= {"annotations": {**edited["metadata"]["annotations"], "seen": "yes"}, "finalizers": ["x/y"]}
    cluster.put(RESOURCE, edited)

    kept = await keep(cluster, numbered(1, refused=True))

    found = stored(cluster, numbered(1))
    assert kept == Kept(replaced=1)
    assert found["results"][0]["result"] == "fail"
    assert found["metadata"]["labels"]["team"] == "shop"
    assert found["metadata"]["annotations"]["seen"] == "yes"
    assert found["metadata"]["finalizers"] == ["x/y"]


async def test_a_label_that_others_add_is_no_reason_to_write(cluster: FakeCluster) -> None:
    """What a report says decides, not what else stands on it."""
    await keep(cluster, numbered(1))
    edited = stored(cluster, numbered(1))
    edited["metadata"]["labels"]["team"] = "shop"
    cluster.put(RESOURCE, edited)

    assert await keep(cluster, numbered(1)) == Kept(unchanged=1)


async def test_a_report_goes_with_its_workload(cluster: FakeCluster) -> None:
    """In a namespace that was seen whole, what the audit does not speak of is gone."""
    await keep(cluster, numbered(1), numbered(2))

    assert await keep(cluster, numbered(1)) == Kept(unchanged=1, removed=1)
    assert about(cluster) == ["api-1"]


@pytest.mark.parametrize(
    "audited",
    [
        Audited(namespaces=SHOP, whole=lambda _: False),
        Audited(namespaces=None, whole=lambda namespace: namespace != "shop"),
        Audited(namespaces=frozenset({"other"}), whole=lambda _: True),
    ],
)
async def test_nothing_is_removed_where_not_everything_was_seen(cluster: FakeCluster, audited: Audited) -> None:
    """A selector, a list that broke off, an excluded namespace, another namespace: silence then says nothing."""
    await keep(cluster, numbered(1), numbered(2))

    kept = await keep(cluster, numbered(1), audited=audited)

    assert kept == Kept(unchanged=1)
    assert about(cluster) == ["api-1", "api-2"]


async def test_all_namespaces_are_one_list(cluster: FakeCluster) -> None:
    """Reports are found in namespaces of which the audit says nothing at all, and removed there."""
    both = cluster_with("shop", "left")
    await keep(both, numbered(1), numbered(2, namespace="left"), audited=in_whole())
    both.asked.clear()

    kept = await keep(both, numbered(1), audited=in_whole())

    assert kept == Kept(unchanged=1, removed=1)
    assert [asked for asked in both.asked if asked.startswith("list")] == ["list policyreports *"]


async def test_the_reports_of_others_are_left_alone(cluster: FakeCluster) -> None:
    """Neither a report without our label nor one that another program manages is ours to remove."""
    for name, labels in (("bare", {}), ("other", {"app.kubernetes.io/managed-by": "kyverno"})):
        cluster.put(RESOURCE, {"metadata": {"name": name, "namespace": "shop", "labels": labels}})

    assert await keep(cluster) == Kept()
    assert len(cluster.objects(RESOURCE)) == 2


class Careless(FakeCluster):
    """A cluster whose lists hold everything, whatever was selected."""

    def page(self, resource: ApiResource, **asked: Any) -> Manifest:  # noqa: ANN401 - those of the fake
        """Return one page."""
        return super().page(resource, **{**asked, "selector": ""})


async def test_a_list_that_holds_too_much_removes_nothing_of_others() -> None:
    """Whose a report is, is told by the report itself and not by what was asked for."""
    cluster = cluster_with("shop", kind=Careless)
    theirs = {"name": "theirs", "namespace": "shop", "labels": {"app.kubernetes.io/managed-by": "kyverno"}}
    cluster.put(RESOURCE, {"metadata": theirs})
    await keep(cluster, numbered(1))

    assert await keep(cluster) == Kept(removed=1)
    assert [one["metadata"]["name"] for one in cluster.objects(RESOURCE)] == ["theirs"]


async def test_a_report_of_others_under_our_name_is_told_and_not_touched(cluster: FakeCluster) -> None:
    """One line says which, and the other reports are written."""
    theirs = {"metadata": {"name": name_of(numbered(1)), "namespace": "shop", "labels": {"team": "shop"}}}
    cluster.put(RESOURCE, theirs)

    kept = await keep(cluster, numbered(1), numbered(2))

    assert (kept.created, kept.failed) == (1, 1)
    why = "somebody else has a report of that name, without the label app.kubernetes.io/managed-by=dhi-gate"
    assert kept.troubles == (f"writing policyreports in shop: {why} ({name_of(numbered(1))})",)
    assert not kept.complete
    assert "results" not in stored(cluster, numbered(1))


async def test_whoever_is_faster_wins_once(cluster: FakeCluster) -> None:
    """After a conflict the report is read again and written on top of what is there now."""
    await keep(cluster, numbered(1))
    cluster.break_down(ClusterTroubleKind.CONFLICT, "update", times=1)
    cluster.asked.clear()

    kept = await keep(cluster, numbered(1, refused=True))

    place = f"policyreports shop/{name_of(numbered(1))}"
    assert kept == Kept(replaced=1)
    assert cluster.asked == ["list policyreports shop", f"update {place}", f"get {place}", f"update {place}"]


async def test_a_second_conflict_is_trouble(cluster: FakeCluster) -> None:
    """Nobody runs in circles."""
    await keep(cluster, numbered(1))
    cluster.break_down(ClusterTroubleKind.CONFLICT, "update")

    kept = await keep(cluster, numbered(1, refused=True))

    assert kept == Kept(
        failed=1, troubles=("writing policyreports in shop: somebody else changed it at the same time",)
    )


class Crowded(FakeCluster):
    """A cluster in which somebody does something to a report just before we write or remove it, once."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], object] | None = None

    def interfere(self) -> None:
        """Let the other one go first."""
        act, self.before = self.before, None
        if act is not None:
            act()

    async def create(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> bytes:
        """Create an object after the other one."""
        self.interfere()
        return await super().create(resource, namespace=namespace, document=document)

    async def replace(self, resource: ApiResource, *, namespace: str | None, name: str, document: bytes) -> bytes:
        """Replace an object after the other one."""
        self.interfere()
        return await super().replace(resource, namespace=namespace, name=name, document=document)

    async def delete(self, resource: ApiResource, *, namespace: str | None, name: str, uid: str) -> bool:
        """Delete an object after the other one."""
        self.interfere()
        return await super().delete(resource, namespace=namespace, name=name, uid=uid)


def crowded() -> Crowded:
    """Return such a cluster with a namespace `shop`."""
    cluster = cluster_with("shop", kind=Crowded)
    assert isinstance(cluster, Crowded)
    return cluster


async def test_what_changes_while_it_is_written_is_not_lost() -> None:
    """A label that somebody adds between the list and the write is there afterwards."""
    cluster = crowded()
    await keep(cluster, numbered(1))
    edited = stored(cluster, numbered(1))
    edited["metadata"]["labels"]["team"] = "shop"
    cluster.before = lambda: cluster.put(RESOURCE, edited)

    assert await keep(cluster, numbered(1, refused=True)) == Kept(replaced=1)
    assert stored(cluster, numbered(1))["metadata"]["labels"]["team"] == "shop"


async def test_another_run_that_wrote_the_same_has_done_our_work() -> None:
    """Two audits at the same time: the second finds the report there, and leaves it."""
    cluster = crowded()
    (document,) = policy_reports(report(numbered(1)), API)
    cluster.before = lambda: cluster.put(RESOURCE, document)

    assert await keep(cluster, numbered(1)) == Kept(unchanged=1)


async def test_a_report_that_goes_while_it_is_written_is_made_anew() -> None:
    """Somebody deletes it between the list and the write."""
    cluster = crowded()
    await keep(cluster, numbered(1))
    cluster.before = lambda: cluster.remove(RESOURCE, "shop", name_of(numbered(1)))

    assert await keep(cluster, numbered(1, refused=True)) == Kept(created=1)
    assert stored(cluster, numbered(1))["summary"]["fail"] == 1


async def test_the_garbage_collector_may_be_faster() -> None:
    """A report that is gone by itself is neither counted nor trouble, and what has its name by then is not ours."""
    cluster = crowded()
    await keep(cluster, numbered(1))
    (document,) = policy_reports(report(numbered(1)), API)

    def made_anew() -> None:
        cluster.remove(RESOURCE, "shop", name_of(numbered(1)))
        cluster.put(RESOURCE, document)

    cluster.before = made_anew

    assert await keep(cluster) == Kept()
    assert about(cluster) == ["api-1"]


async def test_rights_that_are_missing_are_one_line_and_the_rest_goes_on() -> None:
    """Where nothing may be created, the line says how often it was tried; other namespaces are served."""
    cluster = cluster_with("shop", "store")
    cluster.forbid("policyreports", verb="create", namespace="shop")
    wanted = (numbered(1), numbered(2), numbered(3, namespace="store"))

    kept = await keep(cluster, *wanted, audited=in_whole("shop", "store"))

    assert (kept.created, kept.failed) == (1, 2)
    said = 'User "somebody" cannot create resource "policyreports"'
    assert kept.troubles == (f"writing policyreports in shop: the API server does not allow it ({said}), 2 times",)
    assert not [asked for asked in cluster.asked if asked.startswith("get")]


async def test_where_reports_may_not_be_listed_nothing_is_written() -> None:
    """What is there is not known, so nothing is done to it; other namespaces are served."""
    cluster = cluster_with("shop", "store")
    cluster.forbid("policyreports", verb="list", namespace="shop")
    wanted = (numbered(1), numbered(2), numbered(3, namespace="store"))

    kept = await keep(cluster, *wanted, audited=in_whole("shop", "store"))

    assert (kept.created, kept.failed) == (1, 2)
    assert [line.partition(" (")[0] for line in kept.troubles] == [
        "listing policyreports in shop: the API server does not allow it"
    ]
    assert writes(cluster) == ["create policyreports store"]


async def test_a_list_that_breaks_off_removes_and_writes_nothing(cluster: FakeCluster) -> None:
    """Half a list does not tell what is missing."""
    cluster.page_size = 1
    await keep(cluster, numbered(1), numbered(2))
    cluster.break_down(ClusterTroubleKind.UNREACHABLE, "list", after=1)
    cluster.asked.clear()

    kept = await keep(cluster, numbered(3), audited=in_whole())

    assert kept == Kept(
        failed=1, troubles=("listing policyreports in all namespaces: the API server could not be reached",)
    )
    assert writes(cluster) == []


async def test_a_report_that_may_not_be_removed_is_told(cluster: FakeCluster) -> None:
    """It says something about a workload that is gone, which somebody should know."""
    await keep(cluster, numbered(1))
    cluster.forbid("policyreports", verb="delete")

    kept = await keep(cluster)

    assert kept.failed == 1
    assert kept.troubles[0].startswith("removing policyreports in shop: the API server does not allow it")


@pytest.mark.parametrize(("api", "source"), [(API, "wg-policy-prototypes"), (ReportApi.OPENREPORTS, "reports-api")])
async def test_a_cluster_without_the_kind_is_one_line_with_the_way_out(api: ReportApi, source: str) -> None:
    """It names the kind and where its definition is to be had, once for all namespaces."""
    cluster = cluster_with("shop", "store")
    cluster.lack(REPORTS[api])
    found = report(numbered(1), numbered(2, namespace="store"))

    kept = await keep_reports(cluster, found, api, audited=in_whole("shop", "store"))

    assert kept.failed == 2
    (line,) = kept.troubles
    told = rf"keeping {REPORTS[api].qualified}/v1alpha\d: the API server does not know this kind; "
    assert re.match(rf"{told}install the CustomResourceDefinition from github.com/\S+/{source}, \S+$", line)


async def test_what_does_not_live_in_a_namespace_has_no_report(cluster: FakeCluster) -> None:
    """A namespace that could not be listed, or an object from a file, is nobody's owner."""
    unlisted = workload(kind="Namespace", name="shop", uid=UNSET, api_version=UNSET, trouble="may not be listed")
    without = workload(kind="Node", namespace=None)

    assert await keep(cluster, unlisted, without) == Kept()
    assert writes(cluster) == []


@pytest.mark.parametrize(
    "metadata",
    [
        {"as_of": "2026-12-23T00:00:00Z"},
        {"compared_with": ComparedDocument(policy="current", policy_digest=str(digest("current")))},
    ],
)
async def test_what_would_be_is_not_kept(cluster: FakeCluster, metadata: dict[str, Any]) -> None:
    """A comparison lists only what changes: all other reports would be taken for left over."""
    with pytest.raises(ValueError, match="what is, not about what would be"):
        await keep(cluster, numbered(1), **metadata)

    assert cluster.asked == []


class Odd(FakeCluster):
    """A cluster whose lists of reports are what a test says."""

    answer = b""

    async def pages(self, *_: object, **__: object) -> Any:  # noqa: ANN401 - an async generator, as the port has it
        """Yield the answer."""
        yield self.answer


@pytest.mark.parametrize(
    "answer", [b"", b"{}", b"[]", b'{"items": [{}]}', b'{"items": [{"metadata": {"name": "\xff"}}]}', b"[" * 100_000]
)
async def test_an_answer_that_makes_no_sense_is_told(answer: bytes) -> None:
    """It is one line, and nothing is written on the strength of it."""
    cluster = cluster_with("shop", kind=Odd)
    assert isinstance(cluster, Odd)
    cluster.answer = answer

    kept = await keep(cluster, numbered(1))

    assert kept.failed == 1
    assert "the API server gave an answer that makes no sense" in kept.troubles[0]
    assert writes(cluster) == []


class Counting(FakeCluster):
    """A cluster that counts how many questions are under way, and answers when all others had their turn."""

    def __init__(self) -> None:
        super().__init__()
        self.under_way = 0
        self.most = 0

    async def create(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> bytes:
        """Create an object."""
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(0)
        self.under_way -= 1
        return await super().create(resource, namespace=namespace, document=document)


async def test_eight_reports_are_written_at_a_time() -> None:
    """An API server has others to serve."""
    cluster = cluster_with("shop", kind=Counting)
    assert isinstance(cluster, Counting)

    kept = await keep(cluster, *(numbered(number) for number in range(50)))

    assert kept.created == 50
    assert cluster.most == 8


Deployments = dict[int, tuple[bool, str]]
"""Whether each is refused, and its namespace, by number."""

deployments = st.dictionaries(st.integers(0, 6), st.tuples(st.booleans(), st.sampled_from(["shop", "store"])))


def by_place(documents: list[dict[str, Any]]) -> dict[tuple[str, str], list[object]]:
    """Return what reports say, by namespace and name."""
    return {(one["metadata"]["namespace"], one["metadata"]["name"]): one["results"] for one in documents}


@given(st.lists(deployments, min_size=1, max_size=4), st.integers(1, 3))
@settings(max_examples=60)
async def test_after_each_run_the_cluster_says_what_the_run_said(runs: list[Deployments], page_size: int) -> None:
    """Whatever came before: our reports are those of the last run, and doing it again writes nothing."""
    cluster = cluster_with("shop", "store")
    cluster.page_size = page_size
    for found in runs:
        said = report(*(numbered(number, refused=bad, namespace=place) for number, (bad, place) in found.items()))

        kept = await keep_reports(cluster, said, API, audited=in_whole())

        assert kept.complete
        assert kept.created + kept.replaced + kept.unchanged == len(found)
        assert by_place(cluster.objects(RESOURCE)) == by_place(policy_reports(said, API))
        assert await keep_reports(cluster, said, API, audited=in_whole()) == Kept(unchanged=len(found))
