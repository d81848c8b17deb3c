"""`dhi-gate explain`."""

from __future__ import annotations

from click.testing import CliRunner, Result

from webhook.cli.explain import explain
from webhook.core.problems import CODES


def run(*arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(explain, arguments)


def test_a_code_is_explained() -> None:
    """A code gives its long text, in lines that fit a terminal."""
    for code in CODES:
        result = run(code)

        assert result.exit_code == 0
        assert result.output.startswith(f"{code}\n\n")
        assert max(map(len, result.output.splitlines())) <= 100


def test_without_a_code_all_are_listed() -> None:
    """A bare call lists every code in one line each."""
    result = run()

    assert result.exit_code == 0
    assert list(CODES) == [line.split()[0] for line in result.output.splitlines()]
    assert max(map(len, result.output.splitlines())) <= 100


def test_an_unknown_code_is_a_wrong_call() -> None:
    """A misspelled code ends with status 2 and the likely one."""
    close, strange = run("stale-bas"), run("xyz")

    assert (close.exit_code, strange.exit_code) == (2, 2)
    assert "no such reason code: stale-bas, did you mean stale-base?" in close.output
    assert "did you mean" not in strange.output
