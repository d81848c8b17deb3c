"""`dhi-gate doctor` of an installation that is served on loopback in the wire format of the real API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.diagnosing.given import NAME, RESOURCES, House
from tests.fakes.api_server import LoopbackApiServer
from tests.fakes.cluster import Manifest
from tests.loopback import served
from webhook.cli.main import cli
from webhook.core.inventory.resources import PODS
from webhook.diagnosing.looking import VALIDATING

IMAGE = "registry.invalid/dhi-gate-probe:never"


class Practice:
    """A doctor and a patient."""

    def __init__(self, house: House, url: str, folder: Path) -> None:
        self.house = house
        self.url = url
        self.folder = folder

    def doctor(self, *arguments: str, namespace: str = "dhi-gate") -> Result:
        """Run `dhi-gate doctor`."""
        environment = {"HOME": str(self.folder), "KUBECONFIG": None, "KUBERNETES_SERVICE_HOST": None}
        command = ["doctor", "-s", self.url, *(["-n", namespace] if namespace else []), *arguments]
        return CliRunner().invoke(cli, command, env=environment)


@pytest.fixture
def practice(tmp_path: Path) -> Iterator[Practice]:
    """Serve a healthy installation whose clock is of no matter here."""
    house = House()
    with served(LoopbackApiServer(house.cluster, (*RESOURCES, PODS))) as server:
        yield Practice(house, server.url, tmp_path)


def test_the_gravest_is_first_and_the_status_is_one(practice: Practice) -> None:
    """People read from the top."""
    practice.house.remove(VALIDATING)
    done = practice.doctor()
    assert done.exit_code == 1
    first, second, *_ = done.stdout.splitlines()
    assert first == f"critical  validatingwebhookconfiguration/{NAME}"
    assert second == "          there is no such object"
    assert "because: the API server asks the gate about nothing" in done.stdout
    assert "do: run `helm upgrade" in done.stdout
    assert "1 check could not be made" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_programs_get_a_document(practice: Practice, form: str) -> None:
    """The same in JSON and YAML, with counts."""
    practice.house.remove(VALIDATING)
    document = yaml.safe_load(practice.doctor("-o", form).stdout)
    assert (document["apiVersion"], document["kind"]) == ("dhi-gate.dev/v1alpha1", "Diagnosis")
    assert document["metadata"]["name"] == NAME
    assert document["findings"][0]["check"] == "validating-webhook"
    counted = {key: value for key, value in document["summary"].items() if key != "notChecked"}
    assert sum(counted.values()) == len(document["findings"])
    assert document["summary"]["critical"] >= 1


def test_whom_one_trusts_is_not_told(practice: Practice) -> None:
    """Subjects may be named several times."""
    rule = {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}
    practice.house.bind({"kind": "User", "name": "ann"}, rule)
    assert "user:ann can" in practice.doctor().stdout
    assert "user:ann can" not in practice.doctor("--trusted=user:ann", "--trusted=group:sre").stdout


def test_another_release_is_another_name(practice: Practice) -> None:
    """`--release` names as the chart does, `--fullname` says it outright."""
    for flags, expected in ((("--release", "prod"), "prod-dhi-gate"), (("--fullname", "gate"), "gate")):
        document = json.loads(practice.doctor("-o", "json", *flags).stdout)
        assert document["metadata"]["name"] == expected
        assert document["findings"][0]["severity"] == "critical"


def test_the_namespace_is_that_of_the_context(practice: Practice) -> None:
    """Without `-n`, as for kubectl."""
    document = json.loads(practice.doctor("-o", "json", namespace="").stdout)
    assert document["metadata"]["namespace"] == "default"


def test_a_probe_says_what_the_gate_did(practice: Practice) -> None:
    """With --probe-image nothing else is looked at, and nothing is created."""

    def admission(pod: Manifest) -> tuple[str, ...]:
        return (f'unpinned: container probe: {pod["spec"]["containers"][0]["image"]} (rule everything, "warn")',)

    practice.house.cluster.admission = admission
    assert practice.doctor(f"--probe-image={IMAGE}").exit_code == 0
    done = practice.doctor(f"--probe-image={IMAGE}", "--mode=enforce")
    assert done.exit_code == 1
    assert 'rule everything, "warn"' in done.stdout
    assert practice.house.cluster.objects(PODS) == []


def test_an_api_server_that_does_not_answer_is_status_two(practice: Practice) -> None:
    """Nothing is known, and that is said."""
    practice.url = "http://127.0.0.1:1"
    done = practice.doctor("--probe-image", IMAGE)
    assert (done.exit_code, done.stdout) == (2, "")
    assert "could not be reached" in done.stderr
    assert practice.doctor().exit_code == 2


@pytest.mark.parametrize("subject", ["ann", "serviceaccount:ci", "role:admin", "user:"])
def test_a_subject_is_written_with_its_kind(practice: Practice, subject: str) -> None:
    """Anything else could never match, and would be a mistake unnoticed."""
    done = practice.doctor("--trusted", subject)
    assert done.exit_code == 2
    assert "--trusted is user:U" in done.stderr


def test_a_kubeconfig_that_is_not_there_is_status_two(practice: Practice) -> None:
    """A wrong call is told before anything is asked."""
    done = practice.doctor("--kubeconfig", str(practice.folder / "missing"))
    assert done.exit_code == 2
    assert "missing" in done.stderr
