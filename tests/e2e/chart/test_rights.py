"""The service accounts may do what they must, and nothing else."""

import re
from collections.abc import Iterator

import pytest

from tests.e2e.chart.helm import VALUES, Helm, Object
from tests.e2e.chart.installed import Release
from tests.e2e.tools.processes import ApiServer

pytestmark = pytest.mark.e2e

Right = tuple[str, str, str]  # resource, names, verbs; as `kubectl auth can-i --list` prints them


def documents(verbs: str, *, release: str = "dhi-gate") -> set[Right]:
    """Return rights to the ConfigMaps of policy and catalog."""
    return {("configmaps", f"[{release}-{document}]", verbs) for document in ("policy", "catalog")}


CONFIGURATIONS = {
    (f"{kind}webhookconfigurations.admissionregistration.k8s.io", "[dhi-gate]", "[get update]")
    for kind in ("validating", "mutating")
}
OWN = {
    ("secrets", "[dhi-gate-ca]", "[get update]"),
    ("leases.coordination.k8s.io", "[dhi-gate-ca]", "[get update]"),
}
LISTED = {
    (kind, "[]", "[list]")
    for kind in (
        *("pods", "podtemplates", "replicationcontrollers"),
        *("daemonsets.apps", "deployments.apps", "replicasets.apps", "statefulsets.apps"),
        *("cronjobs.batch", "jobs.batch"),
    )
}
REPORTS = ("policyreports.wgpolicyk8s.io", "[]", "[get list create update delete]")
SECRETS = {("secrets", "[]", "[get]"), ("serviceaccounts", "[]", "[get]")}

EVERYTHING: Object = {
    **VALUES,
    "audit": {"enabled": True, "pullSecrets": True},
    "pullSecrets": {"enabled": True, "withoutClientCA": True},
}
LITTLE: Object = {
    **VALUES,
    "certs": {"mode": "certManager"},
    "audit": {"enabled": True, "reports": "none"},
    "pullSecrets": {"enabled": True, "withoutClientCA": True, "namespaces": ["shop"]},
}


@pytest.fixture(scope="module", autouse=True)
def shop(chart_api: ApiServer) -> None:
    """Make a namespace with pull secrets, and an account that nobody gave anything."""
    chart_api.create_namespace("shop")


@pytest.fixture(scope="module")
def everything(chart_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Install the chart with all that asks for rights."""
    helm = Helm(api=chart_api, folder=tmp_path_factory.mktemp("helm"))
    helm.install("dhi-gate", "rights", EVERYTHING, "--create-namespace")
    yield Release(api=chart_api, name="dhi-gate", namespace="rights")
    helm.uninstall("dhi-gate", "rights")


@pytest.fixture(scope="module")
def plain(chart_api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """Install the chart as it is, beside the other."""
    helm = Helm(api=chart_api, folder=tmp_path_factory.mktemp("helm"))
    helm.install("plain", "plain", {**VALUES, "fullnameOverride": "plain"}, "--create-namespace")
    yield Release(api=chart_api, name="plain", namespace="plain")
    helm.uninstall("plain", "plain")


def rights(api: ApiServer, user: str, namespace: str) -> set[Right]:
    """Return what a user may do to objects in a namespace, or of the cluster, beyond what every account may."""
    return _printed(api, user, namespace) - _printed(api, "system:serviceaccount:shop:default", namespace)


def _printed(api: ApiServer, user: str, namespace: str) -> set[Right]:
    groups = ("--as-group=system:serviceaccounts", "--as-group=system:authenticated")
    listed = api.kubectl("auth", "can-i", "--list", "-n", namespace, f"--as={user}", *groups).stdout
    rows = [re.split(r"\s{2,}", line) for line in listed.splitlines()[1:]]
    return {(row[0], row[2], row[3]) for row in rows if row[0]}


@pytest.mark.parametrize(
    ("suffix", "at_home", "elsewhere"),
    [
        ("", documents("[get list watch]") | OWN | CONFIGURATIONS | SECRETS, CONFIGURATIONS | SECRETS),
        (
            "-sync",
            {("configmaps", "[dhi-gate-policy]", "[get]"), ("configmaps", "[dhi-gate-catalog]", "[get update]")},
            set(),
        ),
        ("-audit", documents("[get]") | {REPORTS} | LISTED | SECRETS, {REPORTS} | LISTED | SECRETS),
    ],
)
def test_nobody_may_more_than_they_must(
    everything: Release, suffix: str, at_home: set[Right], elsewhere: set[Right]
) -> None:
    """Each account has exactly these rights in the release's namespace, and these in another."""
    user = everything.account(suffix)

    assert rights(everything.api, user, "rights") == at_home
    assert rights(everything.api, user, "shop") == elsewhere


@pytest.mark.parametrize(
    "forbidden",
    [
        ("create", "secrets"),
        ("create", "leases"),
        ("create", "pods"),
        ("get", "secrets/other"),
        ("update", "secrets/other"),
        ("list", "secrets"),
        ("update", "configmaps/plain-policy"),
        ("update", "configmaps/plain-catalog"),
        ("delete", "validatingwebhookconfigurations/plain"),
        ("update", "validatingwebhookconfigurations/other"),
        ("create", "validatingwebhookconfigurations"),
    ],
    ids=" ".join,
)
def test_the_gate_may_not(plain: Release, forbidden: tuple[str, str]) -> None:
    """Without `pullSecrets`, the gate reads one Secret, creates nothing, and cannot change its own policy."""
    asked = plain.api.kubectl(
        "auth", "can-i", *forbidden, f"--as={plain.account()}", "-n", plain.namespace, check=False
    )

    assert asked.stdout.startswith("no")


def test_a_watch_of_one_object_is_allowed(everything: Release) -> None:
    """A right that names an object covers lists and watches of it by field selector, and no others."""
    account = f"--as={everything.account()}"
    ask = ("get", "configmaps", "-n", "rights", "-o", "name", account)

    one = everything.api.kubectl(*ask, "--field-selector=metadata.name=dhi-gate-policy")
    watched = everything.api.kubectl(
        *ask, "--field-selector=metadata.name=dhi-gate-policy", "--watch", "--request-timeout=2s", check=False
    )
    all_of_them = everything.api.kubectl(*ask, check=False)

    assert one.stdout == "configmap/dhi-gate-policy\n"
    assert watched.stdout == "configmap/dhi-gate-policy\n"
    assert "forbidden" in all_of_them.stderr.lower()


def test_rights_follow_the_values(chart_api: ApiServer, helm: Helm) -> None:
    """Certificates of others need no right to webhooks, reports that are not kept none to them, and so on."""
    helm.install("little", "little", {**LITTLE, "fullnameOverride": "dhi-gate-2"}, "--create-namespace")
    gate, audit = (f"system:serviceaccount:little:dhi-gate-2{suffix}" for suffix in ("", "-audit"))
    try:
        at_home, in_the_shop, elsewhere = (rights(chart_api, gate, place) for place in ("little", "shop", "default"))
        audited = rights(chart_api, audit, "default")
    finally:
        helm.uninstall("little", "little")

    watched = documents("[get list watch]", release="dhi-gate-2")
    assert (at_home, in_the_shop, elsewhere, audited) == (watched, SECRETS, set(), LISTED)
