"""The wheel carries the whole package, and nothing else."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

PROJECT = Path(__file__).resolve().parents[1]


def build_wheel(folder: Path) -> Path:
    """Build the wheel into `folder`, with the build tools that are installed; return the file."""
    command = (sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(PROJECT))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> frozenset[str]:
    """Return the names of all files in the wheel."""
    with ZipFile(build_wheel(tmp_path_factory.mktemp("wheel"))) as wheel:
        return frozenset(wheel.namelist())


def test_every_file_of_the_package_is_in_the_wheel(names: frozenset[str]) -> None:
    """Modules, schemas, templates and the marker of types: what the source tree has, the installation has."""
    files = (path for path in (PROJECT / "webhook").rglob("*") if path.is_file() and "__pycache__" not in path.parts)

    assert {str(path.relative_to(PROJECT)) for path in files} <= names


def test_nothing_else_is_in_the_wheel(names: frozenset[str]) -> None:
    """Tests, requirements and keys for development stay behind."""
    others = {name.partition("/")[0] for name in names} - {"webhook"}

    assert {name.rpartition(".")[2] for name in others} <= {"dist-info"}


def test_both_commands_are_installed(tmp_path: Path) -> None:
    """The wheel makes `dhi-gate`, and the name by which kubectl finds it."""
    with ZipFile(build_wheel(tmp_path)) as wheel:
        [listing] = [name for name in wheel.namelist() if name.endswith(".dist-info/entry_points.txt")]
        lines = wheel.read(listing).decode().splitlines()

    assert {"dhi-gate = webhook.cli.main:main", "kubectl-dhi_gate = webhook.cli.main:main"} <= set(lines)
