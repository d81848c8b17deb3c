"""`dhi-gate audit` over files, and what a wrong call gets; clusters are in the tests beside and in those end to end."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cli.given import Workshop, deployment, open_workshop


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Return a workshop whose registry is up."""
    with open_workshop(tmp_path_factory.mktemp("audit")) as workshop:
        yield workshop


def test_files_are_judged_as_check_judges_them(workshop: Workshop) -> None:
    """The same manifests have the same results and the same status, whichever command is asked."""
    manifest = workshop.write("both.yaml", deployment(workshop.good), deployment(workshop.unsigned, name="bad"))
    audited, checked = (workshop.run(command, "-f", manifest, "-o", "json") for command in ("audit", "check"))

    assert audited.exit_code == checked.exit_code == 1
    results = [json.loads(one.stdout)["results"] for one in (audited, checked)]
    told = [[(row["name"], row["result"], row["allowed"]) for row in rows] for rows in results]
    assert told[0] == told[1] == [("api", "pass", True), ("bad", "fail", False)]


def test_standard_input_and_folders(workshop: Workshop) -> None:
    """What `helm template` or `kustomize build` print is read from standard input, and folders with -R."""
    workshop.write("tree/deep/a.yaml", deployment(workshop.unsigned))
    from_input = workshop.run("audit", "-f", "-", stdin=yaml.safe_dump(deployment(workshop.good)).encode())
    from_folder = workshop.run("audit", "-f", str(workshop.folder / "tree"), "-R")

    assert from_input.exit_code == 0, from_input.output
    assert from_folder.exit_code == 1


def test_a_folder_without_manifests_is_no_pass(workshop: Workshop) -> None:
    """Where no manifest is found nothing was judged: status 2, and a hint if there may be some below."""
    workshop.write("nested/deep/a.yaml", deployment(workshop.good))
    result = workshop.run("audit", "-f", str(workshop.folder / "nested"))

    assert result.exit_code == 2
    assert "holds no manifest; -R looks into its folders too" in result.stderr


def test_a_namespace_picks_the_rule(workshop: Workshop) -> None:
    """`-n` is the namespace of what names none, and `--rule` judges by another rule."""
    manifest = workshop.write("one.yaml", deployment(workshop.unsigned))

    assert workshop.run("audit", "-f", manifest, "-n", "watched").exit_code == 0
    assert workshop.run("audit", "-f", manifest, "-n", "watched", "--fail-on", "warn").exit_code == 1
    assert workshop.run("audit", "-f", manifest, "-n", "watched", "--rule", "strict").exit_code == 1
    assert workshop.run("audit", "-f", manifest, "--mode-ceiling", "warn").exit_code == 0


def test_two_policies_are_compared(workshop: Workshop, tmp_path: Path) -> None:
    """Only what the candidate changes is listed, the rest counted; what is newly refused makes the status 1."""
    policy = yaml.safe_load((workshop.folder / "policy.yaml").read_text())
    policy["spec"]["rules"] = [{"name": "strict", "require": {"base": {}}}]
    lenient = tmp_path / "lenient.yaml"
    lenient.write_text(yaml.safe_dump(policy))
    manifest = workshop.write("both.yaml", deployment(workshop.good), deployment(workshop.unsigned, name="bad"))
    result = workshop.run("audit", "-f", manifest, "--compare", str(lenient), "-o", "json")
    report = json.loads(result.stdout)

    assert result.exit_code == 1
    assert [(row["name"], row["change"]) for row in report["results"]] == [("bad", "newly-refused")]
    assert report["summary"]["changes"] == {"newlyRefused": 1, "newlyAdmitted": 0, "same": 1}
    assert report["metadata"]["comparedWith"]["policy"] == "trial"
    same = workshop.run("audit", "-f", manifest, "--compare", str(workshop.folder / "policy.yaml"))
    assert same.exit_code == 0


def test_another_day_is_judged(workshop: Workshop, tmp_path: Path) -> None:
    """What will be too old on that day is refused on it, and the report says which day it is about."""
    policy = yaml.safe_load((workshop.folder / "policy.yaml").read_text())
    policy["spec"]["rules"] = [{"name": "strict", "require": {"base": {"maxAge": "60d"}}}]
    aging = tmp_path / "aging.yaml"
    aging.write_text(yaml.safe_dump(policy))
    manifest = workshop.write("one.yaml", deployment(workshop.good))
    then = workshop.run("audit", "-f", manifest, "--policy", str(aging), "--as-of", "+90d", "-o", "json")
    today = workshop.run("audit", "-f", manifest, "--policy", str(aging), "-o", "json")

    (problem,) = json.loads(then.stdout)["results"][0]["containers"][0]["problems"]
    assert (then.exit_code, problem["code"]) == (1, "stale-base")
    assert "asOf" in json.loads(then.stdout)["metadata"]
    assert today.exit_code == 0
    assert "asOf" not in json.loads(today.stdout)["metadata"]


def test_a_page_is_written_beside_the_output(workshop: Workshop, tmp_path: Path) -> None:
    """`--html` writes a page, and standard output has the table all the same."""
    manifest = workshop.write("one.yaml", deployment(workshop.unsigned))
    result = workshop.run("audit", "-f", manifest, "--html", str(tmp_path / "page.html"))

    assert (tmp_path / "page.html").read_text().lower().startswith("<!doctype html>")
    assert "unsigned" in result.stdout


@pytest.mark.parametrize("form", ["sarif", "json"])
def test_forms_for_programs_are_json(workshop: Workshop, form: str) -> None:
    """What programs read can be read, whatever the verdict."""
    manifest = workshop.write("one.yaml", deployment(workshop.unsigned))

    assert isinstance(json.loads(workshop.run("audit", "-f", manifest, "-o", form).stdout), dict)


def test_a_pipeline_reads_junit(workshop: Workshop) -> None:
    """What is refused is a failure."""
    manifest = workshop.write("one.yaml", deployment(workshop.unsigned))
    suites = ET.fromstring(workshop.run("audit", "-f", manifest, "-o", "junit").stdout)  # noqa: S314 - our own output

    assert suites.findall(".//failure")


def test_metrics_of_a_run_are_left_in_a_file(workshop: Workshop, tmp_path: Path) -> None:
    """A node exporter finds how many objects fared how."""
    manifest = workshop.write("one.yaml", deployment(workshop.unsigned))
    workshop.run("audit", "-f", manifest, "--metrics-file", str(tmp_path / "audit.prom"))

    assert 'dhi_gate_audit_workloads{result="fail"} 1' in (tmp_path / "audit.prom").read_text()


def test_a_silent_gateway_is_trouble(workshop: Workshop) -> None:
    """The verdicts are printed, one line says that the metrics did not arrive, and the status is 2."""
    manifest = workshop.write("one.yaml", deployment(workshop.good))
    result = workshop.run("audit", "-f", manifest, "--push-gateway", "http://127.0.0.1:1")

    assert result.exit_code == 2
    assert "the metrics could not be pushed" in result.stderr
    assert "1 pass" in result.stdout or "pass" in result.stdout


def test_an_unreadable_object_makes_the_run_incomplete(workshop: Workshop) -> None:
    """What is wrong with a manifest is one line, and the rest is judged."""
    path = Path(workshop.write("tab.yaml", deployment(workshop.good)))
    path.write_text(path.read_text() + "---\nkind:\t[\n")
    result = workshop.run("audit", "-f", str(path), "-o", "json")

    assert result.exit_code == 2
    assert json.loads(result.stdout)["metadata"]["complete"] is False
    assert json.loads(result.stdout)["summary"]["pass"] == 1
    assert [line for line in result.stderr.splitlines() if line.startswith("error: ")] != []


def test_an_unreachable_registry_is_told(workshop: Workshop) -> None:
    """What could not be looked up is no verdict: status 2, and the registry is named."""
    manifest = workshop.write("one.yaml", deployment(f"127.0.0.1:1/shop/api@{workshop.good.partition('@')[2]}"))
    result = workshop.run("audit", "-f", manifest)

    assert result.exit_code == 2
    assert "127.0.0.1:1" in result.stdout


def test_the_time_of_a_run_is_bounded(workshop: Workshop) -> None:
    """A registry that says nothing holds nobody up for longer than --timeout."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        manifest = workshop.write("silent.yaml", deployment(f"127.0.0.1:{silent.getsockname()[1]}/shop/api:1"))
        result = workshop.run("audit", "-f", manifest, "--timeout", "1s")

    assert result.exit_code == 2
    assert "error: the run took longer than --timeout allows" in result.stderr or "unverifiable" in result.stdout


def test_an_interrupted_run_prints_what_it_has(workshop: Workshop) -> None:
    """Ctrl-C in the middle: the rows that were judged are printed, one line says so, and the status is 2."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = f"127.0.0.1:{silent.getsockname()[1]}/shop/api:1"
        manifest = workshop.write("hang.yaml", deployment(workshop.good), deployment(hanging, name="hangs"))

        silent.settimeout(30)  # a run that never comes must not hold up the test

        def interrupt() -> None:
            with silent.accept()[0] as asked:
                asked.recv(1)  # the registry is being asked, so the run is under way
                os.kill(os.getpid(), signal.SIGINT)
                asked.recv(65_536)

        thread = threading.Thread(target=interrupt)
        thread.start()
        result = workshop.run("audit", "-f", manifest, "-o", "json")
        thread.join()
    report = json.loads(result.stdout)

    assert result.exit_code == 2
    assert "error: the run was interrupted" in result.stderr
    assert report["metadata"]["complete"] is False
    assert {row["name"] for row in report["results"]} <= {"api"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-f", "x.yaml", "-A"], "--filename audits files"),
        (["-f", "x.yaml", "-l", "app=x"], "--filename audits files"),
        (["-f", "x.yaml", "--write-reports"], "--filename audits files"),
        (["-n", "shop", "-A"], "either --namespace or --all-namespaces"),
        (["--as-of", "+30d", "--write-reports"], "--compare and --as-of tell what would be"),
        (["-n", "shop", "--exclude-namespace", "shop"], "--exclude-namespace goes with --all-namespaces"),
        (["--exclude-namespace", "shop"], "--exclude-namespace goes with --all-namespaces"),
        (["--as-of", "soon"], "--as-of: expected a day"),
        (["-A", "--exclude-namespace", "UPPER"], "--exclude-namespace: "),
        (["--push-gateway", "nonsense"], "--push-gateway: "),
        (["--rule", "lax", "-f", "x.yaml"], "the policy has no rule `lax`"),
        (["-f", "none.yaml"], "No such file"),
        (["-o", "html"], "'html' is not one of 'table', 'wide', 'json'"),
        (["--compare", "/nonexistent/policy.yaml"], "No such file"),
    ],
)
def test_wrong_calls(workshop: Workshop, arguments: list[str], words: str) -> None:
    """A wrong call ends with 2 and says what is wrong."""
    result = workshop.run("audit", *arguments)

    assert result.exit_code == 2
    assert words in result.stderr


def test_no_cluster_is_one_line(workshop: Workshop) -> None:
    """Without a kubeconfig and outside a cluster, one line says what to do."""
    result = workshop.run("audit", "-n", "shop")

    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "kubeconfig" in result.stderr.lower()
