"""Every vector of sigstore-conformance, by the suite's own protocol."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conformance.command import main
from tests.conformance.vectors import ASSETS, Vector, vectors

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(ASSETS is None, reason="DHIGATE_CONFORMANCE_ASSETS names no folder with the suite's vectors"),
]

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VECTORS = vectors()
ENTRYPOINT = Path(__file__).parent / "entrypoint"

NOT_DONE: Mapping[str, str] = {}
"""Vectors that must hold and are refused, by name, each with its reason: none. One that must fail never stands here."""


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_vector_behaves_as_expected(vector: Vector, capsys: pytest.CaptureFixture[str]) -> None:
    """What must be refused is refused, and what must hold holds but for the exceptions that are listed by name."""
    expected = vector.must_hold and vector.name not in NOT_DONE
    assert (main(vector.arguments, now=NOW) == 0) is expected, capsys.readouterr().err


def test_all_vectors_are_there() -> None:
    """A folder that is empty or half copied proves nothing."""
    assert len(VECTORS) == 70


def test_no_exception_is_an_acceptance() -> None:
    """The list of exceptions names vectors that exist, and none that must be refused."""
    known = {vector.name: vector for vector in VECTORS}
    assert all(known[name].must_hold and reason for name, reason in NOT_DONE.items())


@pytest.mark.parametrize("name", ["happy-path-v0.3", "managed-key-happy-path", "rekor2-no-timestamp_fail"])
def test_the_entrypoint_is_a_command(name: str, tmp_path: Path) -> None:
    """The executable behaves as the function does, from any folder."""
    (vector,) = (vector for vector in VECTORS if vector.name == name)
    run = subprocess.run([ENTRYPOINT, *vector.arguments], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode == 0) is vector.must_hold, run.stderr
