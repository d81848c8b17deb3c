"""`guard.enabled`: whoever may edit webhook configurations by their role still may not edit these."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.chart.conftest import DEPLOYER, DEVELOPER
from tests.e2e.chart.helm import VALUES, Helm
from tests.e2e.chart.installed import CONFIGURATIONS, Release, publish
from tests.e2e.tools.processes import ADMIN, ApiServer, ProcessFailedError, wait_until

pytestmark = pytest.mark.e2e

GUARDED = {**VALUES, "guard": {"enabled": True, "users": [DEPLOYER]}}
REFUSAL = "only the users and groups in guard.users and guard.groups of the release dhi-gate"


@pytest.fixture(scope="module")
def guarded(chart_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Install the chart with its guard, and wait until that is in force."""
    helm = Helm(api=chart_api, folder=tmp_path_factory.mktemp("helm"))
    helm.install("dhi-gate", "guarded", GUARDED, "--create-namespace")
    release = Release(api=chart_api, name="dhi-gate", namespace="guarded")
    wait_until(lambda: REFUSAL in deleting(release, CONFIGURATIONS[0], DEVELOPER), "the guard")
    yield release
    helm.uninstall("dhi-gate", "guarded")


def deleting(release: Release, kind: str, user: str) -> str:
    """Return what the API server objects to a deletion by this user, who has the right to it."""
    return release.api.kubectl("delete", kind, release.name, "--dry-run=server", user=user, check=False).stderr


def widen(configuration: Any) -> None:  # noqa: ANN401 - an object of Kubernetes
    """Let an outage of the gate let everything in, or keep everything out."""
    for webhook in configuration["webhooks"]:
        webhook["failurePolicy"] = {"Fail": "Ignore", "Ignore": "Fail"}[webhook["failurePolicy"]]


def narrow(configuration: Any) -> None:  # noqa: ANN401 - an object of Kubernetes
    """Stop asking about a namespace."""
    for webhook in configuration["webhooks"]:
        webhook["namespaceSelector"]["matchExpressions"][0]["values"].append("shop")


def skip(configuration: Any) -> None:  # noqa: ANN401 - an object of Kubernetes
    """Add a condition under which the gate is not asked."""
    for webhook in configuration["webhooks"]:
        webhook.setdefault("matchConditions", []).append({"name": "never", "expression": "false"})


def divert(configuration: Any) -> None:  # noqa: ANN401 - an object of Kubernetes
    """Ask somebody else."""
    for webhook in configuration["webhooks"]:
        webhook["clientConfig"]["service"]["name"] = "other"


def choose(configuration: Any) -> None:  # noqa: ANN401 - an object of Kubernetes
    """Let users opt out by a label."""
    for webhook in configuration["webhooks"]:
        webhook["objectSelector"] = {"matchLabels": {"judged": "yes"}}


def empty(configuration: Any) -> None:  # noqa: ANN401 - an object of Kubernetes
    """Take every entry away."""
    configuration["webhooks"] = []


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_a_right_is_not_enough(guarded: Release, kind: str) -> None:
    """Somebody who may do everything by their role can neither delete nor change the configuration."""
    assert REFUSAL in deleting(guarded, kind, DEVELOPER)
    for edit in (widen, publish):
        with pytest.raises(ProcessFailedError, match=REFUSAL):
            change(guarded, kind, edit, user=DEVELOPER)


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_deleting_all_of_a_kind_is_a_deletion_too(guarded: Release, kind: str) -> None:
    """A deletion of the whole collection names no object, and is refused for this one all the same."""
    path = f"/apis/admissionregistration.k8s.io/v1/{kind}s?dryRun=All"

    refused = guarded.api.kubectl("delete", "--raw", path, user=DEVELOPER, check=False)

    assert REFUSAL in refused.stderr


@pytest.mark.parametrize("kind", CONFIGURATIONS)
@pytest.mark.parametrize("user", [DEPLOYER, ADMIN])
def test_those_who_are_named_may(guarded: Release, kind: str, user: str) -> None:
    """Users and groups of the values change and delete it as ever: Helm does both."""
    assert deleting(guarded, kind, user) == ""
    change(guarded, kind, widen, user=user)
    change(guarded, kind, widen, user=user)


@pytest.mark.parametrize("kind", CONFIGURATIONS)
def test_the_gate_keeps_its_bundle(guarded: Release, kind: str) -> None:
    """The gate's own account writes `caBundle`."""
    guarded.change(kind, guarded.name, publish, user=guarded.account())


@pytest.mark.parametrize("kind", CONFIGURATIONS)
@pytest.mark.parametrize("edit", [widen, narrow, skip, divert, choose, empty], ids=lambda edit: edit.__name__)
def test_the_gate_changes_nothing_else(guarded: Release, kind: str, edit: Callable[[Any], None]) -> None:
    """Whoever has the gate's token cannot take the gate out of the way with it."""
    with pytest.raises(ProcessFailedError, match=REFUSAL):
        guarded.change(kind, guarded.name, edit, user=guarded.account())


def test_others_are_not_concerned(guarded: Release) -> None:
    """Webhook configurations of others are edited by whoever has the right to."""
    other = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "other"},
        "webhooks": [],
    }

    guarded.api.apply(other, user=DEVELOPER)
    guarded.api.kubectl("delete", CONFIGURATIONS[0], "other", user=DEVELOPER)


def change(release: Release, kind: str, edit: Callable[[Any], None], *, user: str) -> None:
    """Edit a configuration with one's own credentials; dry run, so that nothing is really let loose."""
    document = release.get(kind, release.name)
    edit(document)
    release.api.kubectl("replace", "--dry-run=server", "-f", "-", stdin=json.dumps(document), user=user)
