"""`dhi-gate catalog`, as its keeper meets it: a loopback registry, a file, and exit statuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.core.given import build as recorded
from tests.document_sources.artefacts import push_document
from tests.fakes.api_server import LoopbackApiServer
from tests.fakes.clock import ManualClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.registry import FakeRegistry
from tests.loopback import loopback_registry, served
from webhook.catalog_keeping.file import CatalogFile
from webhook.cli.catalog import sync_catalog
from webhook.cli.main import cli
from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import parse_catalog, print_catalog, seal
from webhook.core.document_artifacts import ArtifactKind
from webhook.demo.bases import dhi_base
from webhook.demo.images import BuiltImage, push
from webhook.demo.signer import Signer
from webhook.demo.store import Store
from webhook.document_sources.config_maps import CONFIG_MAPS
from webhook.documents import load_policy
from webhook.ports import ClusterTroubleKind

NOW = datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeper:
    """Someone with a policy and a catalog in a folder, and a registry with a runtime and a development base."""

    folder: Path
    host: str
    store: Store
    docker: Signer
    runtime: BuiltImage
    old: BuiltImage

    def run(self, command: str, *arguments: str, policy: bool = False) -> Result:
        """Run `dhi-gate catalog COMMAND` on the catalog."""
        documents = ["--catalog", str(self.path)]
        documents += ["--policy", str(self.folder / "policy.yaml")] if policy else []
        return CliRunner().invoke(
            cli, ["catalog", command, *documents, *arguments], env={"HOME": str(self.folder), "NO_COLOR": "1"}
        )

    @property
    def path(self) -> Path:
        """Where the catalog lies."""
        return self.folder / "catalog.json"

    @property
    def catalog(self) -> Catalog:
        """The catalog as it is on disk."""
        return parse_catalog(self.path.read_bytes())


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    """Return a keeper whose registry is up and whose catalog is not there yet."""
    store, docker = Store(), Signer.generate()
    runtime, old = dhi_base(created=NOW - timedelta(days=3)), dhi_base(created=NOW - timedelta(days=90))
    for image, tags in ((runtime, ["3.13"]), (dhi_base(variant="dev"), ["3.13-dev"]), (old, [])):
        digest = push(store, "mirror/dhi-python", image)
        docker.sign_oci11(store, "mirror/dhi-python", digest)
        for tag in tags:
            store.put_tag("mirror/dhi-python", tag, digest)
    with loopback_registry(store) as registry:
        policy = policy_document(f"{registry.host}/mirror/dhi-python", docker.public_pem)
        (tmp_path / "policy.yaml").write_text(yaml.safe_dump(policy))
        yield Keeper(folder=tmp_path, host=registry.host, store=store, docker=docker, runtime=runtime, old=old)


def policy_document(mirror: str, key: str) -> dict[str, object]:
    """Return a policy with one base, which lies on a mirror only."""
    return {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "trial"},
        "spec": {
            "authorities": [{"name": "docker-dhi", "key": {"data": key}}],
            "bases": [
                {"repository": "dhi.io/python", "tags": ["3.13"], "signedBy": ["docker-dhi"], "mirrors": [mirror]}
            ],
            "rules": [{"name": "all", "require": {"base": {}}}],
        },
    }


def test_sync_records_and_says_so(keeper: Keeper) -> None:
    """Every verified build is in the file afterwards; the summary goes to standard output."""
    result = keeper.run("sync", policy=True)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == f"dhi.io/python (from {keeper.host}/mirror/dhi-python): 2 new builds, 0 tags unchanged\n"
    assert {"runtime", "dev"} == {build.variant for build in keeper.catalog.builds}


def test_sync_again_changes_nothing_but_the_date(keeper: Keeper) -> None:
    """What is on record is recognised."""
    keeper.run("sync", policy=True)
    result = keeper.run("sync", "--no-progress", policy=True)

    assert result.exit_code == 0
    assert "0 new builds, 2 tags unchanged" in result.stdout
    assert len(keeper.catalog.builds) == 2


def test_a_skipped_tag_is_told_and_is_no_failure(keeper: Keeper) -> None:
    """The reason goes to standard error."""
    keeper.store.put_tag("mirror/dhi-python", "3.14", keeper.runtime.digest)
    result = keeper.run("sync", policy=True)

    assert result.exit_code == 0
    assert "1 skipped" in result.stdout
    assert result.stderr.startswith("skipped: dhi.io/python:3.14: its version is `3.13.9-debian13`")


def test_a_failed_repository_makes_the_status_2(keeper: Keeper) -> None:
    """The catalog stays as it was."""
    keeper.run("sync", policy=True)
    before = keeper.catalog
    keeper.store.delete_tag("mirror/dhi-python", "3.13")
    result = keeper.run("sync", policy=True)

    assert result.exit_code == 2
    assert "; failed" in result.stdout
    assert "--allow-shrink permits that" in result.stderr
    assert before == keeper.catalog
    assert keeper.run("sync", "--allow-shrink", policy=True).exit_code == 0
    assert len(keeper.catalog.builds) == 2


def test_nothing_is_written_where_nothing_was_learnt(keeper: Keeper) -> None:
    """A first sync that fails leaves no empty catalog, which would deny where the gate could not tell."""
    (keeper.folder / "policy.yaml").write_text(
        yaml.safe_dump(policy_document(f"{keeper.host}/none", keeper.docker.public_pem)).replace("dhi.io", keeper.host)
    )
    result = keeper.run("sync", policy=True)

    assert result.exit_code == 2
    assert "there is no" in result.stderr
    assert not keeper.path.exists()


def test_a_policy_without_bases_is_a_wrong_call(keeper: Keeper) -> None:
    """There is nothing to keep a catalog of."""
    document = policy_document("localhost/none", keeper.docker.public_pem)
    spec = document["spec"]
    assert isinstance(spec, dict)
    del spec["bases"]
    spec["rules"] = [{"name": "all", "require": {"signatures": {"from": ["docker-dhi"]}}}]
    (keeper.folder / "policy.yaml").write_text(yaml.safe_dump(document))
    result = keeper.run("sync", policy=True)

    assert result.exit_code == 2
    assert "the policy lists no bases" in result.stderr


def test_add_enrols_an_older_build(keeper: Keeper) -> None:
    """A build that no tag points to is recorded by its digest, under the version that its labels name."""
    keeper.run("sync", policy=True)
    result = keeper.run("add", f"dhi.io/python@{keeper.old.digest}", policy=True)

    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (f"dhi.io/python@{keeper.old.digest} linux/amd64 {keeper.old.chain_id} superseded\n")
    assert len(keeper.catalog.builds) == 3


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("dhi.io/node@sha256:" + "0" * 64, "the policy lists no base dhi.io/node"),
        ("dhi.io/python@sha256:" + "0" * 64, "it is not signed by docker-dhi"),
        ("dhi.io/python:3.13", "it has no digest"),
        ("dhi.io/Python", "is not a repository name"),
    ],
)
def test_what_cannot_be_added_is_explained(keeper: Keeper, image: str, why: str) -> None:
    """The status is 2, and no catalog is made."""
    result = keeper.run("add", image, policy=True)

    assert result.exit_code == 2
    assert why in result.stderr
    assert not keeper.path.exists()


def test_trouble_while_adding_is_told_as_such(keeper: Keeper) -> None:
    """A registry that cannot be reached says nothing about the base."""
    document = policy_document("localhost:1/mirror/dhi-python", keeper.docker.public_pem)
    (keeper.folder / "policy.yaml").write_text(yaml.safe_dump(document))
    result = keeper.run("add", f"dhi.io/python@{keeper.old.digest}", "--timeout", "1s", policy=True)

    assert result.exit_code == 2
    assert "at localhost:1: " in result.stderr


def test_list_shows_every_build_and_whether_it_counts(keeper: Keeper) -> None:
    """The table has a line per build; with a policy, a column tells which are approved."""
    keeper.run("sync", policy=True)
    lines = keeper.run("list", policy=True).stdout.splitlines()

    assert lines[0].split() == ["REPOSITORY", "TAGS", "PLATFORM", "VARIANT", "CREATED", "STATUS", "APPROVED", "CHAIN"]
    approved = {line.split()[1]: line.split()[6] for line in lines[1:]}
    assert approved == {"3.13": "yes", "3.13-dev": "no"}
    assert "APPROVED" not in keeper.run("list").stdout


def test_list_has_other_forms(keeper: Keeper) -> None:
    """Wide for whole digests, JSON for programs, names for scripts; the rest is refused."""
    keeper.run("sync", policy=True)

    assert str(keeper.runtime.chain_id) in keeper.run("list", "-o", "wide").stdout
    assert json.loads(keeper.run("list", "-o", "json").stdout)["kind"] == "BaseCatalog"
    assert f"dhi.io/python@{keeper.runtime.digest}" in keeper.run("list", "-o", "name").stdout.splitlines()
    refused = keeper.run("list", "-o", "sarif")
    assert refused.exit_code == 2
    assert "not supported yet" in refused.stderr


def test_list_can_be_coloured(keeper: Keeper) -> None:
    """Colours are only there when they are asked for."""
    keeper.run("sync", policy=True)

    assert "\x1b[" in keeper.run("list", "--color", "always").stdout
    assert "\x1b[" not in keeper.run("list").stdout


def test_show_tells_everything_about_a_build(keeper: Keeper) -> None:
    """By chain ID, by digest, by tag or by repository."""
    keeper.run("sync", policy=True)
    shown = keeper.run("show", str(keeper.runtime.chain_id)).stdout

    assert "tags            3.13\n" in shown
    assert f"chainID         {keeper.runtime.chain_id}\n" in shown
    assert "supersededAt    -\n" in shown
    assert f"authority docker-dhi, keyFingerprint {keeper.docker.fingerprint}\n" in shown
    assert shown == keeper.run("show", str(keeper.runtime.digest)).stdout
    assert shown == keeper.run("show", "dhi.io/python:3.13").stdout
    assert shown == keeper.run("show", f"dhi.io/python@{keeper.runtime.digest}").stdout
    assert keeper.run("show", "dhi.io/python").stdout.count("repository") == 2


@pytest.mark.parametrize("what", ["dhi.io/node", "sha256:" + "0" * 64, "sha256:1", "dhi.io/python@sha512:1", ":"])
def test_what_is_not_there_cannot_be_shown(keeper: Keeper, what: str) -> None:
    """An unknown name and one that is none both end with status 2 and a reason."""
    keeper.run("sync", policy=True)
    result = keeper.run("show", what)

    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")


def test_revoke_marks_every_record_of_a_chain(keeper: Keeper) -> None:
    """The revocation is in the file, with its reason, and a sync keeps it."""
    keeper.run("sync", policy=True)
    result = keeper.run("revoke", str(keeper.runtime.chain_id), "--reason", "CVE-2026-1")

    assert result.exit_code == 0
    assert result.stdout == f"revoked dhi.io/python@{keeper.runtime.digest} linux/amd64 {keeper.runtime.chain_id}\n"
    keeper.run("sync", policy=True)
    assert {("3.13", "revoked", "CVE-2026-1"), ("3.13-dev", "active", None)} == {
        (build.tags[0], build.status.value, build.reason) for build in keeper.catalog.builds
    }


@pytest.mark.parametrize(
    "arguments", [["sha256:" + "0" * 64, "--reason", "r"], ["CVE", "--reason", "r"], ["sha256:" + "0" * 64]]
)
def test_a_wrong_revocation_is_refused(keeper: Keeper, arguments: list[str]) -> None:
    """An unknown digest, something that is none, or no reason: status 2, and nothing changes."""
    keeper.run("sync", policy=True)
    before = keeper.path.read_bytes()

    assert keeper.run("revoke", *arguments).exit_code == 2
    assert before == keeper.path.read_bytes()


@pytest.mark.parametrize("command", [["list"], ["show", "dhi.io/python"], ["revoke", "sha256:1", "--reason", "r"]])
def test_a_catalog_must_be_there_to_be_read(keeper: Keeper, command: list[str]) -> None:
    """A missing or broken catalog is named, with what to do about it."""
    missing = keeper.run(*command)
    assert missing.exit_code == 2
    assert "`dhi-gate catalog sync` makes it" in missing.stderr

    keeper.path.write_text("{}")
    broken = keeper.run(*command)
    assert broken.exit_code == 2
    assert 'misses the key "apiVersion"' in broken.stderr


def test_a_file_of_the_flags_that_cannot_be_read_is_told(keeper: Keeper) -> None:
    """A CA file that is not there ends the command before anything is asked."""
    result = keeper.run("sync", "--registry-ca", str(keeper.folder / "none.pem"), policy=True)

    assert result.exit_code == 2
    assert "cannot be read" in result.stderr


def test_a_catalog_that_cannot_be_written_is_told(keeper: Keeper) -> None:
    """The folder does not exist."""
    result = CliRunner().invoke(
        cli,
        ["catalog", "sync", "--catalog", "/proc/none/c.json", "--policy", str(keeper.folder / "policy.yaml")],
        env={"HOME": str(keeper.folder)},
    )
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


async def test_a_catalog_that_was_changed_meanwhile_is_left_alone(
    keeper: Keeper, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sync that would undo somebody else's change ends with status 2 and writes nothing."""
    file = CatalogFile.read(keeper.path)
    theirs = print_catalog(seal(policy="trial", synced_at=NOW, builds=(recorded(),)))
    keeper.path.write_bytes(theirs)
    with pytest.raises(SystemExit) as ended:
        await sync_catalog(
            replace(file, catalog=parse_catalog(theirs)),
            load_policy(keeper.folder / "policy.yaml"),
            FakeRegistry(keeper.store),
            ManualClock(),
            seconds=60,
            allow_shrink=False,
            on_progress=lambda _repository, _done, _expected: None,
        )

    assert ended.value.code == 2
    assert "somebody else has changed it" in capsys.readouterr().err
    assert theirs == keeper.path.read_bytes()


WHERE = "configmap:gate/catalog/catalog.json"


def kept_in(cluster: FakeCluster) -> Catalog | None:
    """Return the catalog that a ConfigMap holds."""
    kept = cluster.object(CONFIG_MAPS, "gate", "catalog")
    text = (kept or {}).get("data", {}).get("catalog.json")
    return parse_catalog(text.encode()) if text else None


@pytest.fixture
def cluster(keeper: Keeper) -> FakeCluster:
    """Return a cluster with the keeper's policy in a ConfigMap, and an empty one for the catalog."""
    made = FakeCluster()
    policy = (keeper.folder / "policy.yaml").read_text()
    made.put(CONFIG_MAPS, {"metadata": {"name": "policy", "namespace": "gate"}, "data": {"policy.yaml": policy}})
    made.put(CONFIG_MAPS, {"metadata": {"name": "catalog", "namespace": "gate", "labels": {"of": "us"}}})
    return made


def sync_in(cluster: FakeCluster, keeper: Keeper, *arguments: str) -> Result:
    """Run `dhi-gate catalog sync` on the ConfigMaps of a cluster."""
    with served(LoopbackApiServer(cluster, (CONFIG_MAPS,))) as server:
        documents = ["--catalog", WHERE, "--policy", "configmap:gate/policy/policy.yaml", "-s", server.url]
        environment = {"HOME": str(keeper.folder), "NO_COLOR": "1"}
        return CliRunner().invoke(cli, ["catalog", "sync", *documents, *arguments], env=environment)


def test_sync_keeps_a_config_map(keeper: Keeper, cluster: FakeCluster) -> None:
    """Policy and catalog are read there; the catalog is written beside what else the object has, and read again."""
    first = sync_in(cluster, keeper)
    assert (first.exit_code, first.stderr) == (0, "")
    found = kept_in(cluster)
    assert found is not None
    assert {"runtime", "dev"} == {build.variant for build in found.builds}
    kept = cluster.object(CONFIG_MAPS, "gate", "catalog")
    assert kept is not None
    assert kept["metadata"]["labels"] == {"of": "us"}
    assert "0 new builds, 2 tags unchanged" in sync_in(cluster, keeper).stdout
    assert {question.split()[0] for question in cluster.asked} == {"get", "update"}


def test_sync_writes_over_nobodys_change(keeper: Keeper, cluster: FakeCluster) -> None:
    """Whoever was faster keeps what they wrote, and the caller is told."""
    cluster.break_down(ClusterTroubleKind.CONFLICT, "update", times=1)
    result = sync_in(cluster, keeper)
    assert result.exit_code == 2
    assert f"error: {WHERE}: somebody else has changed it in the meantime" in result.stderr
    assert kept_in(cluster) is None


@pytest.mark.parametrize(
    ("verb", "said"), [("get", "the API server does not allow it"), ("update", "the API server does not allow it")]
)
def test_sync_says_which_right_is_missing(keeper: Keeper, cluster: FakeCluster, verb: str, said: str) -> None:
    """A right that is missing ends the run with one line."""
    cluster.forbid("configmaps", verb=verb)
    result = sync_in(cluster, keeper)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.output


def test_sync_makes_no_config_map(keeper: Keeper, cluster: FakeCluster) -> None:
    """It has to be there, so that nobody needs the right to create one; what is to be done is said."""
    cluster.remove(CONFIG_MAPS, "gate", "catalog")
    result = sync_in(cluster, keeper)
    assert (result.exit_code, result.stderr) == (
        2,
        f"error: {WHERE}: there is no such ConfigMap; make an empty one first\n",
    )


def test_a_catalog_that_does_not_fit_is_refused(keeper: Keeper, cluster: FakeCluster) -> None:
    """Above 1 MiB nothing is written, and the way out is named."""
    cluster.put(
        CONFIG_MAPS, {"metadata": {"name": "catalog", "namespace": "gate"}, "data": {"other": "x" * (1024 * 1024 - 10)}}
    )
    result = sync_in(cluster, keeper)
    assert result.exit_code == 2
    assert "and a ConfigMap takes 1,048,576" in result.stderr
    assert "--catalog oci:" in result.stderr
    assert kept_in(cluster) is None


def test_a_catalog_in_a_registry_is_not_kept_by_sync(keeper: Keeper) -> None:
    """An artefact is pushed afterwards; the call is refused and says so."""
    policy = str(keeper.folder / "policy.yaml")
    name = f"oci:{keeper.host}/catalog@sha256:{'0' * 64}"
    result = CliRunner().invoke(cli, ["catalog", "sync", "--policy", policy, "--catalog", name])
    assert result.exit_code == 2
    assert "sync keeps a file or a ConfigMap" in result.output


def audited(keeper: Keeper, *documents: str) -> Result:
    """Run `dhi-gate audit` over a manifest of an image that does not start from a base."""
    manifest = keeper.folder / "pod.yaml"
    image = f"{keeper.host}/shop/api@sha256:{'0' * 64}"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    manifest.write_text(yaml.safe_dump({**pod, "spec": {"containers": [{"name": "a", "image": image}]}}))
    environment = {"HOME": str(keeper.folder), "NO_COLOR": "1"}
    return CliRunner().invoke(cli, ["audit", "-f", str(manifest), *documents], env=environment)


def test_documents_of_a_run_come_from_a_registry(keeper: Keeper) -> None:
    """A policy by its digest, and a catalog behind a tag that the named authority has signed."""
    keeper.run("sync", policy=True)
    text = (keeper.folder / "policy.yaml").read_bytes()
    policy = push_document(keeper.store, "gate/policy", ArtifactKind.POLICY, text)
    catalog = push_document(keeper.store, "gate/catalog", ArtifactKind.CATALOG, keeper.path.read_bytes(), tag="1")
    documents = (
        "--policy",
        f"oci:{keeper.host}/gate/policy@{policy}",
        "--catalog",
        f"oci:{keeper.host}/gate/catalog:1",
    )
    unsigned = audited(keeper, *documents, "--catalog-authority", "docker-dhi")
    assert unsigned.exit_code == 2
    assert "it is not signed by docker-dhi" in unsigned.stderr
    keeper.docker.sign_bundle(keeper.store, "gate/catalog", catalog)
    signed = audited(keeper, *documents, "--catalog-authority", "docker-dhi")
    assert signed.exit_code == 1, signed.output
    assert "not in the registry" in signed.output or "not-found" in signed.output


def test_a_document_that_cannot_be_had_ends_the_run(keeper: Keeper) -> None:
    """The source is named as it was written, and what is wrong with it; nothing is judged without it."""
    absent = f"oci:{keeper.host}/gate/policy@sha256:{'0' * 64}"
    missing = audited(keeper, "--policy", absent)
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    assert missing.stderr.startswith(f"error: {absent}: there is no artefact")
    unreachable = audited(keeper, "--policy", "configmap:gate/policy/policy.yaml", "-s", "http://127.0.0.1:1")
    assert unreachable.exit_code == 2
    assert "the API server could not be reached" in unreachable.stderr
    nowhere = audited(keeper, "--policy", "configmap:gate/policy/policy.yaml", "--kubeconfig", "absent")
    assert nowhere.exit_code == 2
    assert "absent" in nowhere.stderr
    policy = str(keeper.folder / "policy.yaml")
    without = audited(keeper, "--policy", policy, "--catalog", str(keeper.folder / "none.json"))
    assert "none.json: cannot be read: No such file or directory" in without.stderr
