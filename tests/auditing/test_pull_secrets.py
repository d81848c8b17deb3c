"""Pull secrets of pods and of their service accounts, as far as the caller may read them."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.auditing.given import Opened, deployment, judging, pod, runs, template_of
from tests.fakes.cluster import FakeCluster
from tests.shop import HOST, Shop
from webhook.core.auditing.rows import Seen
from webhook.core.references import Repository
from webhook.core.verdicts import Result
from webhook.demo.images import push
from webhook.ports import ClusterTroubleKind, TroubleKind
from webhook.pull_secrets import SECRETS, SERVICE_ACCOUNTS, PullSecrets

CONFIG = {"auths": {HOST: {"username": "shop", "password": "hunter2"}}}
API = Repository.parse(f"{HOST}/shop/api")


def secret(name: str, content: object, *, kind: str = "dockerconfigjson") -> dict[str, Any]:
    """Return a Secret of a type for registries."""
    data = base64.b64encode(content if isinstance(content, bytes) else json.dumps(content).encode()).decode()
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "type": f"kubernetes.io/{kind}",
        "data": {f".{kind}": data},
    }


def account(name: str, *secrets: str) -> dict[str, Any]:
    """Return a ServiceAccount that names pull secrets."""
    metadata = {"name": name, "namespace": "shop"}
    return {"metadata": metadata, "imagePullSecrets": [{"name": secret} for secret in secrets]}


def with_secrets(*names: str) -> dict[str, Any]:
    """Return the part of a pod's spec that names pull secrets."""
    return {"imagePullSecrets": [{"name": name} for name in names]}


def cluster(*secrets: dict[str, Any], accounts: tuple[dict[str, Any], ...] = ()) -> FakeCluster:
    """Return a cluster that has these."""
    made = FakeCluster()
    for one in secrets:
        made.put(SECRETS, one)
    for one in accounts:
        made.put(SERVICE_ACCOUNTS, one)
    return made


async def test_a_pods_own_pull_secrets_are_read() -> None:
    """The Docker config in the Secret is given as it is, and the service account is not asked."""
    made = cluster(secret("regcred", CONFIG))
    found = await PullSecrets(made).of(pod("a.example/b", spec=with_secrets("regcred")))

    assert [(name, json.loads(config)) for name, config in found.configs] == [("regcred", CONFIG)]
    assert (found.notes, found.doubts) == ((), ())
    assert made.asked == ["get secrets shop/regcred"]


async def test_the_service_accounts_pull_secrets_count_where_the_pod_names_none() -> None:
    """A pod without pull secrets gets those of its account, by default the account `default`."""
    accounts = (account("default", "one"), account("builder", "two"))
    secrets = PullSecrets(cluster(secret("one", CONFIG), secret("two", CONFIG), accounts=accounts))
    of_default = await secrets.of(pod("a.example/b"))
    of_builder = await secrets.of(pod("a.example/b", spec={"serviceAccountName": "builder"}))

    assert [name for name, _ in of_default.configs] == ["one"]
    assert [name for name, _ in of_builder.configs] == ["two"]


async def test_the_older_form_of_a_pull_secret_is_read() -> None:
    """A `dockercfg` Secret holds the value of `auths`."""
    made = cluster(secret("old", CONFIG["auths"], kind="dockercfg"))
    found = await PullSecrets(made).of(pod("a.example/b", spec=with_secrets("old")))

    assert json.loads(found.configs[0][1]) == CONFIG


async def test_each_secret_is_read_once_in_a_run() -> None:
    """A thousand pods of one namespace read one account and one Secret."""
    made = cluster(secret("one", CONFIG), accounts=(account("default", "one"),))
    secrets = PullSecrets(made)
    for number in range(10):
        await secrets.of(pod("a.example/b", name=f"api-{number}"))

    assert made.asked == ["get serviceaccounts shop/default", "get secrets shop/one"]


@pytest.mark.parametrize(
    ("broken", "note"),
    [
        ({"data": {}}, "pull secret `regcred` is no Docker config"),
        ({"type": "Opaque"}, "pull secret `regcred` is no Docker config"),
        ({"data": {".dockerconfigjson": "%%%"}}, "pull secret `regcred` is no Docker config"),
        ({"data": "text"}, "pull secret `regcred` is no Docker config"),
    ],
)
async def test_a_secret_of_the_wrong_kind_is_noted(broken: dict[str, Any], note: str) -> None:
    """What is no Docker config is not used, and the row says so without showing anything of it."""
    found = await PullSecrets(cluster(secret("regcred", CONFIG) | broken)).of(
        pod("a.example/b", spec=with_secrets("regcred"))
    )

    assert found.configs == ()
    assert found.notes == (note,)


async def test_what_may_not_be_read_is_noted() -> None:
    """A named Secret that is missing or forbidden is a note; an account that is, only a doubt."""
    made = cluster()
    named = pod("a.example/b", spec=with_secrets("regcred"))
    missing = await PullSecrets(made).of(named)
    made.forbid("secrets")
    made.forbid("serviceaccounts")
    forbidden = await PullSecrets(made).of(named)
    of_account = await PullSecrets(made).of(pod("a.example/b"))

    why = ClusterTroubleKind.FORBIDDEN.value
    assert missing.notes == ("pull secret `regcred` does not exist",)
    assert forbidden.notes == (f"pull secret `regcred` is not used: {why}",)
    assert of_account.notes == ()
    assert of_account.doubts == (f"pull secrets that the service account `default` may name are not used: {why}",)


async def test_an_image_is_asked_about_with_the_secrets_of_its_registry() -> None:
    """Registries are opened with a Secret only for images that it has credentials for."""
    shop = Shop()
    good = shop.push(shop.app(), shop.release)
    opened = Opened(shop.registry)
    made = cluster(
        secret("ours", CONFIG), secret("other", {"auths": {"other.example": {"username": "a", "password": "b"}}})
    )
    async with judging(shop, secrets=PullSecrets(made), opened=opened) as judge:
        for name, named in (("a", ("ours",)), ("b", ("other",)), ("c", ()), ("d", ("ours", "other"))):
            row = await judge(template_of(deployment(good, name=name, spec=with_secrets(*named))))
            assert row.allowed
            assert row.notes == ()

    ours, own = [await config.current() for config in opened.configs]
    assert own.matching(API) == ()
    assert [credential.source for credential in ours.matching(API)] == [f"auths[{HOST}]"]


async def test_programs_that_a_pull_secret_names_are_not_run() -> None:
    """A Secret that anybody in the namespace can write names no credential helper to the one who audits."""
    shop = Shop()
    opened = Opened(shop.registry)
    evil = CONFIG | {"credsStore": "evil", "credHelpers": {HOST: "evil"}}
    made = cluster(secret("regcred", evil))
    async with judging(shop, secrets=PullSecrets(made), opened=opened) as judge:
        await judge(template_of(deployment(shop.push(shop.app()), spec=with_secrets("regcred"))))

    (config,) = [await config.current() for config in opened.configs]
    assert config.matching(API)
    assert config.helper_for(HOST) == ""


async def test_a_secret_that_cannot_be_read_as_a_config_is_noted_in_the_row() -> None:
    """What the Secret holds is not shown."""
    shop = Shop()
    made = cluster(secret("regcred", b'{"auths": {"hunter2": 7}}'))
    async with judging(shop, secrets=PullSecrets(made)) as judge:
        row = await judge(template_of(deployment(shop.push(shop.app()), spec=with_secrets("regcred"))))

    (note,) = row.notes
    assert note.startswith("pull secret `regcred` is not used: not a Docker config")


async def test_doubts_about_credentials_are_told_where_an_image_could_not_be_read() -> None:
    """An account that may not be read is worth a line where the registry did not answer, and nowhere else."""
    shop = Shop()
    made = cluster()
    made.forbid("serviceaccounts")
    good = shop.push(shop.app(), shop.release)
    async with judging(shop, secrets=PullSecrets(made)) as judge:
        fine = await judge(template_of(deployment(good)))
    shop.registry.break_down(TroubleKind.UNAUTHORIZED)
    async with judging(shop, secrets=PullSecrets(made)) as judge:
        silent = await judge(template_of(deployment(good)))

    assert fine.notes == ()
    assert silent.notes[0].startswith("pull secrets that the service account `default` may name are not used")


async def test_what_runs_is_compared_by_the_pods_own_credentials() -> None:
    """A pod that is pulled by other credentials than its template is judged by these, and its drift is told."""
    shop = Shop(require="{pinned: false, signatures: {from: [release]}}")
    store = shop.registry.store
    ran = push(store, "shop/api", shop.app(name="old"), tag="1.0")
    now = push(store, "shop/api", shop.app(name="new"), tag="1.0")
    shop.release.sign_bundle(store, "shop/api", now)
    tag = f"{HOST}/shop/api:1.0"
    live = runs(pod(tag, spec=with_secrets("regcred")), f"{HOST}/shop/api@{ran}")
    async with judging(shop, secrets=PullSecrets(cluster(secret("regcred", CONFIG)))) as judge:
        row = await judge(template_of(deployment(tag), live))

    assert [judged.seen for judged in row.judged] == [Seen.SPEC, Seen.POD, Seen.RUNNING]
    assert row.result is Result.FAIL
