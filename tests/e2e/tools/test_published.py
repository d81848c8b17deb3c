"""Where published schemas come from, and what is said when they cannot be had."""

import json
from pathlib import Path

import pytest

from tests.e2e.tools.published import JUNIT, junit_schema, report_crds
from tests.e2e.tools.toolchain import ToolMissingError


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Pretend that nothing is cached or installed, and return the folder of what is."""
    monkeypatch.setenv("DHIGATE_TOOLS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    (tmp_path / "path").mkdir()
    return tmp_path / "path"


def install_go(programs: Path, answer: str, *, status: int = 0) -> None:
    """Put a `go` in place that answers so, whatever it is asked."""
    program = programs / "go"
    program.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n", encoding="utf-8")
    program.chmod(0o755)


def test_without_go_nothing_can_be_fetched() -> None:
    """Who lacks `go` is told so."""
    with pytest.raises(ToolMissingError, match=r"^github.com/kyverno/kyverno@v.*: there is no `go` on PATH"):
        report_crds()


def test_a_module_that_cannot_be_fetched(programs: Path) -> None:
    """A download that fails is told with its status."""
    install_go(programs, "", status=1)

    with pytest.raises(ToolMissingError, match="ended with status 1"):
        junit_schema()


def test_a_module_that_is_not_what_was_pinned(programs: Path, tmp_path: Path) -> None:
    """Other bytes than those that were pinned are never used, and never kept."""
    install_go(programs, json.dumps({"Sum": "h1:other", "Dir": str(tmp_path)}))

    with pytest.raises(ToolMissingError, match=r"is not what was pinned: expected h1:\S+, found h1:other"):
        junit_schema()
    assert not [entry for entry in (tmp_path / "cache").iterdir() if not entry.name.startswith(".")]


def test_what_was_fetched_is_kept(programs: Path, tmp_path: Path) -> None:
    """The files are copied once; later nothing is asked any more."""
    source = tmp_path / "module" / JUNIT.files[0]
    source.parent.mkdir(parents=True)
    source.write_text("<schema/>", encoding="utf-8")
    install_go(programs, json.dumps({"Sum": JUNIT.h1, "Dir": str(tmp_path / "module")}))

    fetched = junit_schema()
    (programs / "go").unlink()
    source.unlink()

    assert fetched.read_text(encoding="utf-8") == "<schema/>"
    assert junit_schema() == fetched
