"""Policy and catalog as a doctor sees them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.core.policies import public_pem
from tests.diagnosing.given import CRON_JOBS, DEPLOYMENTS, METRICS_PATH, NAME, PLACE, POLICY, House
from tests.fakes.cluster import Manifest
from webhook.core.diagnosis.metric_text import samples
from webhook.document_sources.config_maps import CONFIG_MAPS
from webhook.ports import ClusterTroubleKind

HEAD = "apiVersion: dhi-gate.dev/v1alpha1\nkind: ImagePolicy\nmetadata: {name: production}\nspec:\n"
WITH_BASE = (
    HEAD
    + """
  authorities: [{name: docker, key: {file: docker.pem}}]
  bases: [{repository: dhi.io/python, tags: ["3.13*"], signedBy: [docker]}]
  rules:
    - {name: system, namespaces: [kube-system], exempt: {reason: "add-ons"}}
    - {name: everything, require: {base: {}}}
"""
)


def rules(text: str) -> str:
    """Return a policy with these rules before one for everything else."""
    return f"{HEAD}  rules:\n{text}\n    - {{name: everything-else, require: {{pinned: true}}}}\n"


def told(deployment: Manifest, flag: str, value: str | None) -> None:
    """Tell the server something else by a flag, or nothing."""
    server = deployment["spec"]["template"]["spec"]["containers"][0]
    server["args"] = [each for each in server["args"] if not each.startswith(flag)]
    if value is not None:
        server["args"].append(f"{flag}={value}")


def needing_a_base() -> House:
    """Return an installation whose policy asks for a base."""
    house = House()
    house.write_policy(WITH_BASE, files={"docker.pem": public_pem("docker")})
    return house


async def test_a_policy_with_its_files_is_read() -> None:
    """What it names is beside it in the ConfigMap."""
    assert await needing_a_base().degree("policy") == ""


async def test_a_policy_whose_file_is_missing() -> None:
    """It cannot be used, and that is said before the gate restarts."""
    house = House()
    house.write_policy(WITH_BASE, in_force=False)
    ((severity, what),) = await house.found("policy")
    assert severity == "high"
    assert "docker.pem" in what


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda house: house.cluster.remove(CONFIG_MAPS, PLACE, f"{NAME}-policy"), "critical"),
        (
            lambda house: house.cluster.put(CONFIG_MAPS, {"metadata": {"name": f"{NAME}-policy", "namespace": PLACE}}),
            "critical",
        ),
        (lambda house: house.write_policy("spec: {", in_force=False), "high"),
        (
            lambda house: house.change(DEPLOYMENTS, lambda one: told(one, "--policy", "oci:registry.example/p:1")),
            "medium",
        ),
        (lambda house: house.change(DEPLOYMENTS, lambda one: told(one, "--policy", "configmap:a")), "medium"),
        (lambda house: house.cluster.break_down(ClusterTroubleKind.FORBIDDEN, plural="configmaps"), "medium"),
    ],
)
async def test_a_policy_that_cannot_be_had(edit: Callable[[House], object], expected: str) -> None:
    """It is gone, broken, elsewhere or forbidden: each is told."""
    house = House()
    edit(house)
    assert await house.degree("policy") == expected


async def test_a_policy_in_binary_data_is_read() -> None:
    """A ConfigMap may hold it as base64."""
    house = House()
    encoded = base64.b64encode(POLICY.encode()).decode()
    metadata = {"name": f"{NAME}-policy", "namespace": PLACE}
    house.cluster.put(CONFIG_MAPS, {"metadata": metadata, "binaryData": {"policy.yaml": encoded}})
    assert await house.degree("policy") == ""


@pytest.mark.parametrize("metrics", ["", 'dhi_gate_policy_info{digest="sha256:other",name="production"} 1\n'])
async def test_a_policy_that_is_not_in_force(metrics: str) -> None:
    """The running gate says by which policy it decides."""
    house = House()
    house.cluster.texts[METRICS_PATH] = metrics
    assert await house.degree("policy-in-force") == "high"


async def test_a_gate_that_cannot_be_asked() -> None:
    """Whether the policy is in force is then not known."""
    house = House()
    del house.cluster.texts[METRICS_PATH]
    ((severity, what),) = await house.found("policy-in-force")
    assert severity == "low"
    assert what.startswith("not checked")


async def test_exemptions_are_listed() -> None:
    """What holds is told, with what is about to end; what has ended is no exemption any more."""
    house = House()
    house.write_policy(
        rules("""
    - {name: system, namespaces: [kube-system], exempt: {reason: "add-ons", expires: 2026-11-30}}
    - {name: old, namespaces: [old], exempt: {reason: "gone", expires: 2026-11-01}}
    - name: shop
      namespaces: [shop]
      require: {pinned: true}
      except: [{name: agent, images: ["vendor.example/agent"], exempt: {reason: "PLAT-112", expires: 2027-03-31}}]""")
    )
    assert await house.found("exemptions") == [("info", "let through unjudged: rule system, rule shop, except agent")]
    assert await house.found("exemption-expires") == [
        ("medium", "the exemption of rule system ends on 2026-11-30 (add-ons)")
    ]
    assert await house.found("policy-warning") == [
        ("low", "spec.rules[1].exempt.expires: expired on 2026-11-01; this no longer matches")
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('    - {name: wide, namespaces: ["*"], exempt: {reason: "all"}}', "medium"),
        ('    - {name: empty, namespaces: ["shop"], require: {pinned: false}}', "low"),
        (
            """
    - name: shop
      namespaces: [shop]
      require: {pinned: true}
      except:
        - {name: debugging, containers: [ephemeral], require: {pinned: true}}
        - {name: any, containers: [volume], exempt: {reason: "all"}}""",
            "medium",
        ),
    ],
)
async def test_what_is_probably_not_meant(text: str, expected: str) -> None:
    """A wide exemption weighs more than other oddities."""
    house = House()
    house.write_policy(rules(text))
    assert (await house.found("policy-warning"))[0][0] == expected


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        (timedelta(hours=47), ""),
        (timedelta(hours=49), "medium"),
        (timedelta(days=13), "medium"),
        (timedelta(days=15), "critical"),
    ],
)
async def test_the_age_of_the_catalog(age: timedelta, expected: str) -> None:
    """Two days are too old, two weeks far too old."""
    house = House()
    house.write_catalog(age=age)
    assert await house.degree("catalog-age") == expected


@pytest.mark.parametrize(("make", "expected"), [(House, "info"), (needing_a_base, "high")])
async def test_a_catalog_that_is_not_there(make: Callable[[], House], expected: str) -> None:
    """It is missed where a rule asks for a base."""
    house = make()
    house.cluster.remove(CONFIG_MAPS, PLACE, f"{NAME}-catalog")
    assert await house.degree("catalog") == expected
    house.change(DEPLOYMENTS, lambda one: told(one, "--catalog", None))
    assert await house.degree("catalog") == expected


async def test_a_catalog_that_is_broken() -> None:
    """It cannot be used."""
    house = House()
    metadata = {"name": f"{NAME}-catalog", "namespace": PLACE}
    house.cluster.put(CONFIG_MAPS, {"metadata": metadata, "data": {"catalog.json": "{}"}})
    assert await house.degree("catalog") == "high"


@pytest.mark.parametrize(
    ("metrics", "check", "expected"),
    [
        ("dhi_gate_catalog_age_seconds 3e5\n", "catalog-age", "medium"),
        ("dhi_gate_catalog_age_seconds 60\n", "catalog-age", ""),
        ("dhi_gate_catalog_age_seconds NaN\n", "catalog", "medium"),
        (None, "catalog", "medium"),
    ],
)
async def test_a_catalog_in_a_registry(metrics: str | None, check: str, expected: str) -> None:
    """Its age is what the gate says; without that, nobody knows."""
    house = House()
    house.change(DEPLOYMENTS, lambda one: told(one, "--catalog", "oci:registry.example/catalog:1"))
    house.cluster.texts.pop(METRICS_PATH)
    if metrics is not None:
        house.cluster.texts[METRICS_PATH] = metrics
    assert await house.degree(check) == expected
    assert await house.degree("sync") == ""


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda one: one["spec"].update(suspend=True), "medium"),
        (lambda one: one.update(status={}), "medium"),
        (lambda one: one.update(status={"lastSuccessfulTime": "2026-11-20T02:00:00Z"}), "medium"),
        (lambda one: one.update(status={"lastSuccessfulTime": "2026-11-23T02:00:00Z"}), ""),
    ],
)
async def test_the_run_that_keeps_the_catalog(edit: Callable[[Manifest], object], expected: str) -> None:
    """It has to succeed, and within two days."""
    house = House()
    house.change(CRON_JOBS, edit, name=f"{NAME}-sync")
    assert await house.degree("sync") == expected


async def test_nobody_keeps_the_catalog() -> None:
    """Somebody else may."""
    house = House()
    house.remove(CRON_JOBS, name=f"{NAME}-sync")
    assert await house.degree("sync") == "low"


async def test_a_server_that_cannot_be_seen_has_the_documents_of_the_chart() -> None:
    """They are looked at where the chart puts them."""
    house = House()
    house.remove(DEPLOYMENTS)
    house.write_policy("spec: {", in_force=False)
    assert await house.degree("policy") == "high"


def test_a_sample_is_read_with_its_labels() -> None:
    """Labels, a time behind the value, and lines that are none."""
    text = '# TYPE a counter\na{x="1",y="a\\"}"} 2.5 1700000000\nab 3\na\na {\n'
    assert [(dict(each.labels), each.value) for each in samples(text, "a")] == [({"x": "1", "y": 'a\\"}'}, 2.5)]
