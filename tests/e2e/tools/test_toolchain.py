"""Where programs are looked for, and what is said when they cannot be had."""

import stat
from pathlib import Path

import pytest

from tests.e2e.tools import toolchain
from tests.e2e.tools.toolchain import ToolMissingError


@pytest.fixture(autouse=True)
def _bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Pretend that nothing is installed, cached or pointed to."""
    monkeypatch.delenv("DHIGATE_TOOLS", raising=False)
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("DHIGATE_TOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def install(program: Path, *, says: str = "") -> Path:
    """Put a program in place that prints `says`, and return its path."""
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\necho '{says}'\n", encoding="utf-8")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return program


def kubectl_of(version: str) -> str:
    """Return what kubectl of this version says about itself."""
    return f'{{"clientVersion": {{"gitVersion": "{version}"}}}}'


def test_nothing_is_found_on_a_bare_machine() -> None:
    """Looking for a program does not make it."""
    assert all(toolchain.find(name) is None for name in toolchain.TOOLS)


def test_named_folders_come_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """DHIGATE_TOOLS wins over KUBEBUILDER_ASSETS, which wins over PATH."""
    on_path = install(tmp_path / "path" / "etcd")
    assert toolchain.find("etcd") == on_path

    assets = install(tmp_path / "assets" / "etcd")
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets.parent))
    assert toolchain.find("etcd") == assets

    named = install(tmp_path / "named" / "etcd")
    monkeypatch.setenv("DHIGATE_TOOLS", str(named.parent))
    assert toolchain.find("etcd") == named


def test_a_file_that_cannot_run_is_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file of the right name without the right to execute it is passed over."""
    (tmp_path / "etcd").write_text("", encoding="utf-8")
    monkeypatch.setenv("DHIGATE_TOOLS", str(tmp_path))

    assert toolchain.find("etcd") is None


@pytest.mark.parametrize("name", ["kube-apiserver", "cosign", "crane", "helm", "fulcio", "rekor-server"])
def test_pinned_programs_are_not_taken_from_path(name: str, tmp_path: Path) -> None:
    """Of a program whose version matters, the one on PATH, of whatever version, is not used."""
    install(tmp_path / "path" / name)

    assert toolchain.find(name) is None


@pytest.mark.parametrize(
    ("says", "is_found"),
    [
        (kubectl_of("v1.37.2"), True),
        (kubectl_of("v1.31.0-dispatcher"), True),
        (kubectl_of("v1.30.9"), False),
        ("not JSON", False),
        ("[]", False),
    ],
)
def test_kubectl_on_path_must_be_recent(says: str, tmp_path: Path, *, is_found: bool) -> None:
    """A kubectl on PATH is used if it says that it knows image volumes, which is to say 1.31 or newer."""
    install(tmp_path / "path" / "kubectl", says=says)

    assert (toolchain.find("kubectl") is not None) == is_found


def test_a_missing_compiler_is_named() -> None:
    """Without Go, the message says so and what else would help."""
    with pytest.raises(ToolMissingError, match=r"cosign: there is no `go` on PATH .*DHIGATE_TOOLS"):
        toolchain.provide("cosign")


def test_a_missing_package_is_named() -> None:
    """Where there is no apt, the message names the Debian package."""
    with pytest.raises(ToolMissingError, match=r"etcd: this is not Debian, whose package etcd-server has it"):
        toolchain.provide("etcd")


def test_the_command_goes_on_after_a_missing_program(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Standard output has the path of every program there is; the status says that one is missing."""
    there = install(tmp_path / "path" / "etcd")

    status = toolchain.main(["cosign", "etcd"])

    assert (status, capfd.readouterr().out) == (1, f"{there}\n")


def test_the_command_refuses_unknown_names(capfd: pytest.CaptureFixture[str]) -> None:
    """A name that is not known is an error in usage, and the known ones are listed."""
    with pytest.raises(SystemExit) as ended:
        toolchain.main(["kind"])

    assert ended.value.code == 2
    assert "no such tool: kind; known are etcd, " in capfd.readouterr().err
