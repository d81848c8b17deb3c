"""What holds for all modules, read off their syntax trees, and what the documents must not forget."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

from tests.auditing.report_samples import report, workload
from tests.fakes.clock import ManualClock
from webhook.auditing.run_metrics import RunMetrics
from webhook.cli.main import COMMANDS, UNBUILT, cli
from webhook.cli.serve import serve
from webhook.server.metrics import Metrics

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "webhook").rglob("*.py"))
CORE = [path for path in MODULES if path.is_relative_to(ROOT / "webhook" / "core")]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()

FORBIDDEN_CALLS = frozenset({"open", "print", "input", "exec", "eval", "breakpoint", "__import__"})
FORBIDDEN_ATTRIBUTES = frozenset(
    {
        *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
        *("os.environ", "os.getenv", "sys.argv", "sys.stdout", "sys.stderr", "sys.stdin"),
    }
)
FORBIDDEN_MODULES = frozenset(
    {
        *("asyncio", "logging", "os", "random", "secrets", "shutil", "socket", "structlog", "subprocess", "sys"),
        *("tempfile", "threading", "time", "urllib.request", "uuid"),
    }
)
EXCLUDED_OPTIONS = frozenset(
    {
        "--version",  # asks a question
        "--reason",  # belongs to one revocation
    }
)


@cache
def tree(path: Path) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(path.read_text(), filename=str(path))


def name_of(path: Path) -> str:
    """Return how a module is shown in test names."""
    return str(path.relative_to(ROOT))


def imports(module: ast.Module) -> Iterator[str]:
    """Yield the modules that are imported, each with the packages that it is in."""
    for node in ast.walk(module):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def test_the_core_does_nothing_but_think() -> None:
    """No file, output, clock, chance or environment: what the core believes depends on its arguments alone."""
    assert {name_of(path): found for path in CORE if (found := _reaches_outside(tree(path)))} == {}


def test_every_module_says_what_it_is_for() -> None:
    """Every module has a docstring, and a list of what others may use, which holds nothing that is not there."""
    assert [name_of(path) for path in MODULES if not ast.get_docstring(tree(path))] == []
    listing = [path for path in MODULES if path.name != "__init__.py"]
    assert {name_of(path): fault for path in listing if (fault := _fault_of_all(tree(path)))} == {}


def test_nothing_is_left_for_later() -> None:
    """No module holds a marker of unfinished work."""
    marker = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    assert [name_of(path) for path in MODULES if marker.search(path.read_text())] == []


def _reaches_outside(module: ast.Module) -> set[str]:
    """Return what a module calls, reads or imports that a pure function has no use for."""
    nodes = tuple(ast.walk(module))
    called = {node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    reached = {
        f"{node.value.id}.{node.attr}"
        for node in nodes
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return (called & FORBIDDEN_CALLS) | (reached & FORBIDDEN_ATTRIBUTES) | (FORBIDDEN_MODULES & {*imports(module)})


def _fault_of_all(module: ast.Module) -> str:
    """Say what is wrong with the `__all__` of a module; empty if nothing is."""
    public = [value for name, value in _assignments(module) if name == "__all__"]
    if len(public) != 1:
        return "has no __all__"
    exported = ast.literal_eval(public[0])
    missing = set(exported) - _defined(module)
    return f"exports what is not there: {missing}" if missing or len(exported) != len(set(exported)) else ""


def _assignments(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    for node in module.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value


def _defined(module: ast.Module) -> set[str]:
    """Return the names that a module defines or imports at its top."""
    found = {name for name, _ in _assignments(module)}
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ImportFrom | ast.Import):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def commands() -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its name as it is typed."""

    def walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
        yield name, command
        if isinstance(command, click.Group):
            context = click.Context(command)
            for inner in command.list_commands(context):
                found = command.get_command(context, inner)
                assert found is not None
                yield from walk(f"{name} {inner}", found)

    return walk("dhi-gate", cli)


def options(command: click.Command) -> Iterator[click.Option]:
    """Yield the options of a command."""
    return (parameter for parameter in command.params if isinstance(parameter, click.Option))


def long_name(option: click.Option) -> str:
    """Return the name by which an option is documented."""
    return max(option.opts, key=len)


def variable_of(option: click.Option) -> str:
    """Return the environment variable that an option must have, by the contract."""
    return "DHIGATE_" + long_name(option).removeprefix("--").replace("-", "_").upper()


@pytest.mark.parametrize(("name", "command"), tuple(commands()))
def test_every_flag_has_a_variable_and_help(name: str, command: click.Command) -> None:
    """`--some-flag` is `DHIGATE_SOME_FLAG`, and nothing goes unexplained."""
    assert command.help, name
    for option in options(command):
        assert option.help, f"{name} {long_name(option)}"
        if long_name(option) not in EXCLUDED_OPTIONS:
            assert option.envvar == variable_of(option), f"{name} {long_name(option)}"


def test_every_command_of_the_contract_is_there_or_refused() -> None:
    """What this version does not have is known by name, and is not a typing error."""
    named = "serve check audit catalog dockerfile inspect scan refresh policy schema explain doctor certs demo version"
    assert set(named.split()) == COMMANDS.keys() | UNBUILT
    assert COMMANDS.keys().isdisjoint(UNBUILT)


def documented(first_column: str) -> dict[str, list[str]]:
    """Return the rows of operations.md whose first cell matches, by that cell; of a name that returns, the first."""
    rows = [line.strip("| ").split(" | ") for line in OPERATIONS.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in row] for row in rows]
    return {row[0].strip("`"): row[1:] for row in reversed(cells) if re.fullmatch(f"`{first_column}`", row[0])}


def test_the_flags_of_the_server_are_documented() -> None:
    """operations.md has every flag of `serve`, with its variable and its default, and no other."""
    rows = documented("--[a-z-]+")
    assert rows.keys() == {long_name(option) for option in options(serve)}
    for option in options(serve):
        variable, default, *_ = rows[long_name(option)]
        assert variable == f"`{variable_of(option)}`"
        if option.required:
            assert default == "needed"
        elif isinstance(option.default, str | int | float) and option.default != "":
            assert default == f"`{option.default}`"


def metrics() -> Iterator[tuple[str, set[str]]]:
    """Yield every metric of ours, those of the server and those that an audit leaves behind, with its labels."""
    for collector, names in Metrics(clock=ManualClock(), version="1").registry._collector_to_names.items():
        shown = next((name for name in names if name.endswith("_total")), min(names, key=len, default=""))
        if shown.startswith("dhi_gate_"):
            yield shown, set(getattr(collector, "_labelnames", ()))
    for family in RunMetrics(report(workload()), duration_seconds=1.0, finished_at=ManualClock().now()).collect():
        yield family.name, {label for sample in family.samples for label in sample.labels} - {"le"}


def test_the_metrics_are_documented() -> None:
    """operations.md has every metric of ours, with its labels, and no other; what alerts ask for exists."""
    found = dict(metrics())
    rows = documented("dhi_gate_[a-z_]+")
    assert rows.keys() == found.keys()
    for name, labels in found.items():
        assert set(re.findall(r"`([a-z_]+)`", rows[name][0])) == labels, name
    mentioned = set(re.findall(r"dhi_gate_[a-z_]+", OPERATIONS))
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in mentioned} == found.keys()


def test_the_events_of_the_log_are_documented() -> None:
    """Every event that a part of the server logs by name is in operations.md."""
    levels = {"info", "warning", "error", "exception"}
    events = {
        constant.value
        for path in MODULES
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in levels
        and node.args
        for constant in ast.walk(node.args[0])
        if isinstance(constant, ast.Constant) and isinstance(constant.value, str)
    }
    assert "decision" in events
    assert {event for event in events if f"`{event}`" not in OPERATIONS} == set()
