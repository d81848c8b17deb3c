"""`dhi-gate check`, as a developer or a pipeline meets it: a loopback registry, files, and exit statuses."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.cli.given import Workshop, deployment, open_workshop
from webhook.cli.main import cli


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Return a workshop whose registry is up."""
    with open_workshop(tmp_path_factory.mktemp("check")) as workshop:
        yield workshop


def test_good_image(workshop: Workshop) -> None:
    """An image that would be admitted ends with 0, and `wide` shows on what evidence."""
    result = workshop.check(workshop.good, "-o", "wide")

    assert result.exit_code == 0, result.output
    assert "pass" in result.stdout
    assert "release" in result.stdout
    assert "dhi.io/python" in result.stdout
    assert "strict" in result.stdout


def test_denied_image(workshop: Workshop) -> None:
    """An image that would be denied ends with 1 and says why in full."""
    result = workshop.check(workshop.unsigned)

    assert result.exit_code == 1
    assert "error[unsigned]" in result.stdout
    assert "help:" in result.stdout


def test_missing_and_malformed_references_are_verdicts(workshop: Workshop) -> None:
    """What is not in its registry, and what is no reference at all, is denied, not undecidable."""
    assert workshop.check(workshop.missing).exit_code == 1
    assert workshop.check("NO_SUCH:::thing").exit_code == 1


def test_unreachable_registry(workshop: Workshop) -> None:
    """A registry that cannot be reached ends with 2, also beside a denial, and blames nobody."""
    result = workshop.check(f"127.0.0.1:1/shop/api@{workshop.good.partition('@')[2]}", workshop.unsigned)

    assert result.exit_code == 2
    assert "error[unverifiable]" in result.stdout
    assert "127.0.0.1:1" in result.stdout


def test_json(workshop: Workshop) -> None:
    """`-o json` is the report document, whatever the verdict."""
    result = workshop.check(workshop.good, workshop.unsigned, "-o", "json")
    report = json.loads(result.stdout)

    assert result.exit_code == 1
    assert report["kind"] == "DecisionReport"
    assert report["metadata"]["complete"] is True
    assert report["metadata"]["catalogRevision"].startswith("sha256:")
    assert report["summary"]["pass"] == 1
    assert report["summary"]["fail"] == 1
    assert [entry["kind"] for entry in report["results"]] == ["Image", "Image"]
    assert report["results"][0]["containers"][0]["base"]["repository"] == "dhi.io/python"
    assert [p["code"] for p in report["results"][1]["containers"][0]["problems"]] == ["unsigned"]


def test_yaml_and_name(workshop: Workshop) -> None:
    """`-o yaml` is the same document, `-o name` lists what would be denied."""
    manifest = workshop.write("named.yaml", deployment(workshop.good), deployment(workshop.unsigned, name="bad"))

    assert yaml.safe_load(workshop.check("-f", manifest, "-o", "yaml").stdout)["summary"]["fail"] == 1
    assert workshop.check("-f", manifest, "-o", "name").stdout == "deployment/bad\n"


def test_no_progress(workshop: Workshop) -> None:
    """`--no-progress` is understood, and without a terminal there is no progress anyway."""
    assert workshop.check(workshop.good, "--no-progress").stderr == workshop.check(workshop.good).stderr == ""


def test_output_file(workshop: Workshop, tmp_path: Path) -> None:
    """`--output-file` takes the output; a folder that is not there ends with 2."""
    target = tmp_path / "report.json"
    result = workshop.check(workshop.good, "-o", "json", "--output-file", str(target))

    assert result.exit_code == 0
    assert result.stdout == ""
    assert json.loads(target.read_text())["summary"]["pass"] == 1
    assert workshop.check(workshop.good, "--output-file", str(tmp_path / "none" / "x")).exit_code == 2


def test_manifests_with_many_documents(workshop: Workshop) -> None:
    """Files with many documents, lists and kinds without pods are read; each object is judged in its namespace."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [deployment(workshop.unsigned, namespace="watched")]}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"}}
    manifest = workshop.write("many.yaml", deployment(workshop.good), listed, service)

    report = json.loads(workshop.check("-f", manifest, "-o", "json").stdout)

    assert [entry["result"] for entry in report["results"]] == ["pass", "warn", "pass"]
    assert report["results"][1]["namespace"] == "watched"
    assert workshop.check("-f", manifest).exit_code == 0
    assert workshop.check("-f", manifest, "--fail-on", "warn").exit_code == 1


def test_standard_input(workshop: Workshop) -> None:
    """`-f -` reads standard input."""
    result = workshop.check("-f", "-", stdin=yaml.safe_dump(deployment(workshop.unsigned)).encode())

    assert result.exit_code == 1
    assert "Deployment" in result.stdout


def test_folders(workshop: Workshop) -> None:
    """A folder is read in order; with -R the folders below it too."""
    workshop.write("tree/a.yaml", deployment(workshop.good, name="a"))
    workshop.write("tree/deep/b.yaml", deployment(workshop.good, name="b"))
    (workshop.folder / "tree" / "notes.txt").write_text("not a manifest")
    tree = str(workshop.folder / "tree")

    assert len(json.loads(workshop.check("-f", tree, "-o", "json").stdout)["results"]) == 1
    assert len(json.loads(workshop.check("-f", tree, "-R", "-o", "json").stdout)["results"]) == 2


def test_namespace_and_rule(workshop: Workshop) -> None:
    """`-n` picks the rule for what names no namespace, `--rule` overrides it, and an unknown rule is a wrong call."""
    assert workshop.check(workshop.unsigned, "-n", "watched").exit_code == 0
    assert workshop.check(workshop.unsigned, "-n", "watched", "--rule", "strict").exit_code == 1
    unknown = workshop.check(workshop.unsigned, "--rule", "lax")
    assert unknown.exit_code == 2
    assert "strict" in unknown.stderr


def test_unpinned_tag_names_the_digest(workshop: Workshop) -> None:
    """A tag is refused with the digest to write."""
    result = workshop.check(workshop.tagged)

    assert result.exit_code == 1
    assert "error[unpinned]" in result.stdout
    assert workshop.good.partition("@")[2] in result.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name an image"),
        (["-f", "none.yaml"], "No such file"),
        (["x", "-o", "html"], "'html' is not one of 'table', 'wide', 'json'"),
        (["x", "--timeout", "soon"], "a duration is"),
        (["x", "--registry-mirror", "nonsense"], "FROM=TO"),
        (["x", "--registry-config", "/nonexistent/config.json"], "No such file"),
    ],
)
def test_wrong_calls(workshop: Workshop, arguments: list[str], words: str) -> None:
    """A wrong call ends with 2 and says what is wrong."""
    result = workshop.check(*arguments)

    assert result.exit_code == 2
    assert words in result.stderr


def test_unreadable_objects(workshop: Workshop) -> None:
    """An object that should hold a pod and does not makes the run incomplete; the rest is judged all the same."""
    hollow = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "hollow"}, "spec": {}}
    manifest = workshop.write("hollow.yaml", hollow, deployment(workshop.good))
    result = workshop.check("-f", manifest, "-o", "json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["metadata"]["complete"] is False
    assert json.loads(result.stdout)["summary"]["pass"] == 1
    assert "template" in result.stderr
    empty = workshop.write("empty.yaml", None)
    assert "holds no object" in workshop.check("-f", empty).stderr


def test_bad_policy(workshop: Workshop, tmp_path: Path) -> None:
    """A policy with errors ends with 2 and every one of them."""
    bad = tmp_path / "bad.yaml"
    bad.write_text((workshop.folder / "policy.yaml").read_text().replace("signedBy", "signedby"))
    result = CliRunner().invoke(cli, ["check", "--policy", str(bad), "x"])

    assert result.exit_code == 2
    assert 'did you mean "signedBy"' in result.stderr


def test_no_answer_in_time(workshop: Workshop) -> None:
    """What is not decided when the time is up is unverifiable: status 2, in time."""
    silent = socket.create_server(("127.0.0.1", 0))
    with silent:
        result = workshop.check(f"127.0.0.1:{silent.getsockname()[1]}/shop/api:1", "--timeout", "1s")

    assert result.exit_code == 2
    assert "error[unverifiable]" in result.stdout
