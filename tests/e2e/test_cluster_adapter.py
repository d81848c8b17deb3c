"""The cluster adapter against a real API server: every way to say who one is, what one may not, and long lists."""

import base64
import json
import os
import subprocess
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from tests.contract.cluster_contract import LEASES, ClusterContract, Subject, decoded, lease, refused
from tests.e2e.tools import processes, toolchain
from tests.e2e.tools.processes import ApiServer
from webhook.adapters.clock import SystemClock
from webhook.adapters.cluster.api_server import ApiServerCluster
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.opening import open_api_server
from webhook.adapters.cluster.target import find_target
from webhook.adapters.registry.options import Proxies
from webhook.ports import ApiResource, Cluster, ClusterTroubleKind

pytestmark = pytest.mark.e2e

READER = "reader"
READABLE = "readable"
CROWDED = "crowded"
ROBOT = "robot"
REVIEWS = ApiResource(
    group="authentication.k8s.io",
    version="v1",
    kind="SelfSubjectReview",
    plural="selfsubjectreviews",
    namespaced=False,
)
NUMBERS = count()

UNCACHED = f"--watch-cache-sizes={LEASES.plural}.{LEASES.group}#0"
"""Lists of leases are read from the store, so that a state that it throws away is gone."""

PLUGIN = """#!/bin/sh
echo "$KUBERNETES_EXEC_INFO" | grep -q '"kind": "ExecCredential"' || exit 3
cat <<END
{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "$GIVEN"}}
END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A real API server, its store, and an authority whose certificates it accepts from callers."""

    api: ApiServer
    etcd_url: str
    authority: trustme.CA

    def open(
        self, flags: ClusterFlags, environment: Mapping[str, str] | None = None, *, service_account: Path | None = None
    ) -> AbstractAsyncContextManager[ApiServerCluster]:
        """Open a connection; nothing of the real user's plays a part."""
        nowhere = self.api.folder / "no-service-account"
        return open_api_server(
            flags,
            environment=environment or {},
            proxies=Proxies(),
            clock=SystemClock(),
            service_account=service_account or nowhere,
        )

    def as_admin(self) -> AbstractAsyncContextManager[ApiServerCluster]:
        """Open a connection with the kubeconfig of the user who may do everything."""
        return self.open(ClusterFlags(kubeconfig=self.api.kubeconfig()))

    def anonymous(self, **flags: Any) -> ClusterFlags:  # noqa: ANN401 - the fields of ClusterFlags
        """Return flags that say where the server is, and what else is given."""
        return ClusterFlags(server=self.api.url, certificate_authority=self.api.ca_file, **flags)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Run an API server that knows a user who may read one namespace, and a service account."""
    folder = tmp_path_factory.mktemp("api-server")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "callers.crt"))
    flags = (f"--client-ca-file={folder / 'callers.crt'}", "--etcd-compaction-interval=0", UNCACHED)
    with (
        processes.etcd(folder) as etcd_url,
        processes.kube_apiserver(
            folder, etcd_url=etcd_url, users={READER: ["readers"]}, service_accounts=False, flags=flags
        ) as api,
    ):
        api.apply(*(namespace(name) for name in (READABLE, CROWDED)))
        api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ROBOT, "namespace": READABLE}})
        role = ("--verb=get,list", "--resource=leases")
        api.kubectl("create", "role", READER, f"--namespace={READABLE}", *role)
        binding = (f"--namespace={READABLE}", f"--role={READER}", f"--user={READER}")
        api.kubectl("create", "rolebinding", READER, *binding)
        yield World(api=api, etcd_url=etcd_url, authority=authority)


def namespace(name: str) -> dict[str, Any]:
    """Return the manifest of a namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


async def whoami(cluster: Cluster) -> dict[str, Any]:
    """Return for whom the API server takes the caller."""
    answer = decoded(await cluster.create(REVIEWS, namespace=None, document=b"{}"))
    found: dict[str, Any] = answer["status"]["userInfo"]
    return found


class TestRealApiServer(ClusterContract):
    """The contract, against the real thing."""

    @pytest.fixture
    async def subject(self, world: World) -> AsyncIterator[Subject]:
        """Give two new namespaces."""
        number = next(NUMBERS)
        names = (f"contract-{number}-a", f"contract-{number}-b")
        world.api.apply(*(namespace(name) for name in names))
        async with world.as_admin() as cluster:
            yield Subject(cluster=cluster, namespace=names[0], other_namespace=names[1])


async def test_a_long_list_comes_in_pages_and_outlives_its_state(world: World) -> None:
    """1,200 objects are three pages, and none is missing if the state at which the list began is thrown away."""
    async with world.as_admin() as cluster:
        names = [f"lease-{number:04}" for number in range(1200)]
        for name in names:
            document = msgspec.json.encode(lease(name, holder="somebody"))
            await cluster.create(LEASES, namespace=CROWDED, document=document)
        pages = [decoded(page) async for page in cluster.pages(LEASES, namespace=CROWDED)]
        assert [len(page["items"]) for page in pages] == [500, 500, 200]
        assert [item["metadata"]["name"] for page in pages for item in page["items"]] == names

        late = cluster.pages(LEASES, namespace=CROWDED)
        first = decoded(await anext(late))
        document = msgspec.json.encode(lease("lease-9999", holder="somebody"))
        await cluster.create(LEASES, namespace=CROWDED, document=document)
        compact(world.etcd_url)
        path = (
            f"/apis/{LEASES.api_version}/namespaces/{CROWDED}/leases?limit=500&continue={first['metadata']['continue']}"
        )
        assert world.api.get(path)[0] == 410
        rest = [item["metadata"]["name"] async for page in late for item in decoded(page)["items"]]
        assert [item["metadata"]["name"] for item in first["items"]] + rest == [*names, "lease-9999"]


def compact(etcd_url: str) -> None:
    """Throw away every state but the present one."""

    def ask(path: str, document: Mapping[str, object]) -> dict[str, Any]:
        data = json.dumps(document).encode()
        with urllib.request.urlopen(f"{etcd_url}/v3/{path}", data=data, timeout=10) as answer:  # noqa: S310 - ours
            return msgspec.json.decode(answer.read(), type=dict[str, Any])

    revision = ask("kv/range", {"key": base64.b64encode(b"any").decode()})["header"]["revision"]
    ask("kv/compaction", {"revision": revision, "physical": True})


async def test_a_user_of_one_namespace_is_told_what_they_may_not(world: World) -> None:
    """Their own namespace is listed; another one, and all at once, are forbidden, in the server's words."""
    async with world.open(ClusterFlags(kubeconfig=world.api.kubeconfig(READER))) as cluster:
        assert [decoded(page)["items"] async for page in cluster.pages(LEASES, namespace=READABLE)] == [[]]
        for place in (CROWDED, None):
            trouble = await refused(anext(cluster.pages(LEASES, namespace=place)), ClusterTroubleKind.FORBIDDEN)
            assert f'User "{READER}" cannot list resource "leases"' in trouble.detail
        document = msgspec.json.encode(lease("a", holder="me"))
        await refused(cluster.create(LEASES, namespace=READABLE, document=document), ClusterTroubleKind.FORBIDDEN)


async def test_a_token_that_is_not_known_is_told(world: World) -> None:
    """One line says what happened and what to do, without the token."""
    async with world.open(world.anonymous(token="expired-token")) as cluster:
        trouble = await refused(whoami(cluster), ClusterTroubleKind.UNAUTHORIZED)
    assert str(trouble) == (
        "creating selfsubjectreviews: the API server does not accept the credentials "
        "(Unauthorized; log in again, or give a valid --token)"
    )


async def test_an_exec_plugin_hands_out_a_token(world: World, tmp_path: Path) -> None:
    """The plugin of the kubeconfig is run, with its variables, and its token is the caller's."""
    plugin = tmp_path / "plugin"
    plugin.write_text(PLUGIN, encoding="utf-8")
    plugin.chmod(0o755)
    run = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": "./plugin",
        "env": [{"name": "GIVEN", "value": world.api.tokens[READER]}],
        "args": None,
        "interactiveMode": "Never",
    }
    kubeconfig = write_kubeconfig(tmp_path, world, {"exec": run}, namespace=READABLE)
    async with world.open(ClusterFlags(), {"KUBECONFIG": str(kubeconfig), "PATH": "/usr/bin:/bin"}) as cluster:
        assert (await whoami(cluster))["username"] == READER
        assert cluster.default_namespace == READABLE


def write_kubeconfig(folder: Path, world: World, user: Mapping[str, Any], *, namespace: str = "") -> Path:
    """Write a kubeconfig in which the authority of the server is data, and return its path."""
    authority = base64.b64encode(world.api.ca_file.read_bytes()).decode()
    document = {
        "clusters": [{"name": "c", "cluster": {"server": world.api.url, "certificate-authority-data": authority}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        "current-context": "x",
    }
    path = folder / "config"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


async def test_one_acts_for_somebody_else(world: World) -> None:
    """`--as` with uid, groups and attributes is whom the server sees, and what that one may."""
    flags = ClusterFlags(
        kubeconfig=world.api.kubeconfig(),
        as_user="system:serviceaccount:shop:ci",
        as_uid="0815",
        as_groups=("readers", "büro"),
        as_user_extra=(("example.com/Teäm", "a"), ("example.com/Teäm", "b")),
    )
    async with world.open(flags) as cluster:
        seen = await whoami(cluster)
        await refused(anext(cluster.pages(LEASES, namespace=READABLE)), ClusterTroubleKind.FORBIDDEN)
    assert (seen["username"], seen["uid"]) == ("system:serviceaccount:shop:ci", "0815")
    assert {"readers", "büro"} <= set(seen["groups"])
    assert seen["extra"] == {"example.com/teäm": ["a", "b"]}


async def test_a_client_certificate_is_a_credential(world: World, tmp_path: Path) -> None:
    """Name and group are those of the certificate, be it data in the kubeconfig or files that flags name."""
    issued = world.authority.issue_cert("carol@shop.example", common_name="carol", organization_name="developers")
    certificate = issued.cert_chain_pems[0].bytes()
    key = issued.private_key_pem.bytes()
    user = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(key).decode(),
    }
    kubeconfig = write_kubeconfig(tmp_path, world, user)
    (tmp_path / "carol.crt").write_bytes(certificate)
    (tmp_path / "carol.key").write_bytes(key)
    named = world.anonymous(client_certificate=tmp_path / "carol.crt", client_key=tmp_path / "carol.key")
    for flags in (ClusterFlags(kubeconfig=kubeconfig), named):
        async with world.open(flags) as cluster:
            seen = await whoami(cluster)
        assert seen["username"] == "carol"
        assert "developers" in seen["groups"]


async def test_a_pod_uses_its_service_account(world: World, tmp_path: Path) -> None:
    """Without a kubeconfig the mounted token counts, and the pod's namespace is the default one."""
    token = world.api.kubectl("create", "token", ROBOT, f"--namespace={READABLE}").stdout
    (tmp_path / "token").write_text(token, encoding="ascii")
    (tmp_path / "ca.crt").write_bytes(world.api.ca_file.read_bytes())
    (tmp_path / "namespace").write_text(READABLE, encoding="ascii")
    host, _, port = world.api.url.removeprefix("https://").partition(":")
    environment = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
    async with world.open(ClusterFlags(), environment, service_account=tmp_path) as cluster:
        assert (await whoami(cluster))["username"] == f"system:serviceaccount:{READABLE}:{ROBOT}"
        assert cluster.default_namespace == READABLE


async def test_a_server_that_proves_nothing_is_not_asked(world: World) -> None:
    """Without its authority the connection ends before the token is sent; verification can be given up by name."""
    token = world.api.tokens[READER]
    async with world.open(ClusterFlags(server=world.api.url, token=token)) as cluster:
        trouble = await refused(whoami(cluster), ClusterTroubleKind.UNREACHABLE)
    assert "is --certificate-authority the right one?" in trouble.detail
    unverified = ClusterFlags(server=world.api.url, token=token, insecure_skip_tls_verify=True)
    async with world.open(unverified) as cluster:
        assert (await whoami(cluster))["username"] == READER


def entries(kind: str, **by_name: Mapping[str, object]) -> list[dict[str, object]]:
    """Return a list of a kubeconfig."""
    return [{"name": name, kind: entry} for name, entry in by_name.items()]


FIRST = {
    "clusters": entries("cluster", shared={"server": "https://first.example", "certificate-authority": "/keys/ca.crt"}),
    "users": entries("user", ann={"client-certificate": "/keys/ann.crt", "tokenFile": "/tokens/ann"}),
    "contexts": entries("context", one={"cluster": "shared", "user": "ann"}),
}
SECOND = {
    "clusters": entries("cluster", shared={"server": "https://second.example", "tls-server-name": "inner.example"}),
    "users": entries("user", ann={"token": "other"}, bob={"token": "b", "as": "carol", "as-groups": ["g"]}),
    "contexts": entries("context", two={"cluster": "shared", "user": "bob", "namespace": "shop"}),
    "current-context": "two",
}
THIRD = {
    "clusters": entries("cluster", far={"server": "https://third.example/path", "insecure-skip-tls-verify": True}),
    "contexts": entries("context", two={"cluster": "far"}, three={"cluster": "far", "user": "ann"}),
    "current-context": "three",
}


@pytest.mark.parametrize("context", ["", "one", "two", "three"])
@pytest.mark.parametrize("order", [(FIRST, SECOND, THIRD), (THIRD, SECOND, FIRST), (SECOND, THIRD, FIRST)])
def test_several_kubeconfigs_are_read_as_kubectl_reads_them(
    world: World, tmp_path: Path, order: tuple[Mapping[str, object], ...], context: str
) -> None:
    """Server, authority, caller and namespace are those that `kubectl config view` has for the same files."""
    paths = []
    for number, document in enumerate(order):
        path = tmp_path / str(number) / "config"
        path.parent.mkdir()
        path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **document}), encoding="utf-8")
        paths.append(str(path))
    environment = {"KUBECONFIG": os.pathsep.join([*paths, str(tmp_path / "absent")]), "HOME": str(tmp_path)}
    kubectl = str(toolchain.provide("kubectl"))
    command = [kubectl, "config", "view", "--minify", "--raw", "-o", "json", f"--context={context}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    expected = json.loads(done.stdout)

    target = find_target(ClusterFlags(context=context), environment)

    assert expected["contexts"][0]["context"].get("namespace", "default") == target.namespace
    assert expected["clusters"][0]["cluster"] == as_json(target.cluster)
    assert (expected["users"] or [{"user": {}}])[0]["user"] == as_json(target.user)


def as_json(entry: msgspec.Struct) -> dict[str, Any]:
    """Return what an entry of a kubeconfig says, without what it leaves open."""
    found = msgspec.json.decode(msgspec.json.encode(entry), type=dict[str, Any])
    return {name: value for name, value in found.items() if value is not None}
