"""`dhi-gate check` and the webhook agree, in every kind of registry."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.answers import create
from tests.e2e.applications import APPLICATIONS, BAD, GOOD
from tests.e2e.conftest import Namespaces
from tests.e2e.gate import dhi_gate
from tests.e2e.objects import pod, pod_spec, workload
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer

pytestmark = pytest.mark.e2e

COPIED = ("api", "web", "two-platforms", "unsigned", "stranger", "other-base", "nothing-right")


@pytest.fixture(scope="module", params=["hub", "plain", "guarded"])
def images(request: pytest.FixtureRequest, site: Site) -> Mapping[str, str]:
    """Return pinned references by name: all of the first registry, or copies of some in another."""
    if request.param == "hub":
        return {application.name: site.images[application.name] for application in (*GOOD, *BAD)}
    registry: str = getattr(site.registries, request.param)
    return {name: APPLICATIONS[name].copy(site.home, site.cosign, site.images[name], registry) for name in COPIED}


def flags(site: Site) -> list[str]:
    """Return the flags that every call needs."""
    return [f"--policy={site.policy}", f"--catalog={site.catalog}", *site.registry_flags]


def test_they_find_the_same(api: ApiServer, site: Site, shop: str, images: Mapping[str, str]) -> None:
    """The report has for every image the very codes for which the API server refuses it."""
    done = dhi_gate("check", *images.values(), f"--namespace={shop}", "--output=json", *flags(site), status=1)
    report = json.loads(done.stdout)

    checked = {
        result["name"]: (result["allowed"], [p["code"] for p in result["containers"][0]["problems"]])
        for result in report["results"]
    }
    answered = {image: create(api, pod("checked", shop, pod_spec(image)), dry_run=True) for image in images.values()}
    assert {image: (each.allowed, list(each.codes)) for image, each in answered.items()} == checked
    assert {image: list(APPLICATIONS[name].codes) for name, image in images.items()} == {
        image: codes for image, (_, codes) in checked.items()
    }


@pytest.mark.parametrize(("name", "status"), [("api", 0), ("web", 0), ("two-platforms", 0), ("stranger", 1)])
def test_the_exit_status(site: Site, shop: str, images: Mapping[str, str], name: str, status: int) -> None:
    """A good image ends the check with 0, a bad one with 1."""
    dhi_gate("check", images[name], f"--namespace={shop}", *flags(site), status=status)


def test_a_registry_that_asks_for_a_password_gets_none(site: Site, shop: str) -> None:
    """Without credentials nothing can be said about an image, which is status 2."""
    image = f"{site.registries.guarded}/shop/api:1.0@sha256:{'2' * 64}"
    documents = (f"--policy={site.policy}", f"--catalog={site.catalog}")

    done = dhi_gate("check", image, f"--namespace={shop}", *documents, status=2)

    assert "unverifiable" in done.stdout


def test_manifests_are_checked_as_they_will_be_applied(
    tmp_path: Path, api: ApiServer, site: Site, shop: str, namespaces: Namespaces
) -> None:
    """A file of manifests fails for the object that the API server would refuse, and names it."""
    good = workload("Deployment", "good", shop, pod_spec(site.images["api"]))
    bad = workload("CronJob", "bad", shop, pod_spec(site.images["copied"]))
    file = tmp_path / "shop.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [good, bad]}), encoding="utf-8")

    done = dhi_gate("check", f"--filename={file}", "--output=json", *flags(site), status=1)

    allowed = {result["kind"]: result["allowed"] for result in json.loads(done.stdout)["results"]}
    assert allowed == {"Deployment": True, "CronJob": False}
    assert allowed == {each["kind"]: create(api, each, dry_run=True).allowed for each in (good, bad)}
