"""`dhi-gate policy validate` and `dhi-gate schema`, as an author meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.core.policies import plain
from webhook.cli.policy import policy
from webhook.cli.schema import schema


def validate(path: Path) -> Result:
    """Run `policy validate` on a file."""
    return CliRunner().invoke(policy, ["validate", str(path)])


def test_a_good_policy_is_said_to_be_good(tmp_path: Path) -> None:
    """A policy that can be used ends with status 0, its digest on standard error and nothing on standard output."""
    path = tmp_path / "policy.yaml"
    path.write_text(json.dumps(plain()))

    result = validate(path)

    assert (result.exit_code, result.stdout) == (0, "")
    assert "policy `production` can be used (sha256:" in result.stderr


def test_warnings_are_printed_and_change_no_status(tmp_path: Path) -> None:
    """What may not be meant is printed, and the policy can be used all the same."""
    document = plain()
    document["spec"]["rules"] = [{"name": "rest", "exempt": {"reason": "trial"}}]
    path = tmp_path / "policy.yaml"
    path.write_text(json.dumps(document))

    result = validate(path)

    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "warning: spec.bases[0]: no rule asks for a base that may be `dhi.io/python`",
        "warning: spec.rules[0]: exempts every namespace that no rule above it speaks about",
    ]


def test_all_errors_are_printed_one_per_line(tmp_path: Path) -> None:
    """A policy that cannot be used ends with status 2, all of its errors on standard output."""
    path = tmp_path / "policy.yaml"
    path.write_text(json.dumps(plain() | {"kind": "Policy", "specs": {}}))

    result = validate(path)

    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        'error: kind: expected "ImagePolicy", found "Policy"',
        'error: unknown key "specs", did you mean "spec"?',
    ]
    assert result.stderr == f"{path}: 2 errors; this policy cannot be used\n"


def test_one_error_is_one_error(tmp_path: Path) -> None:
    """The count on standard error agrees with its noun."""
    path = tmp_path / "policy.yaml"
    path.write_text("")

    assert validate(path).stderr == f"{path}: 1 error; this policy cannot be used\n"


@pytest.mark.parametrize(
    ("name", "expected"), [("missing", "cannot be read: No such file or directory"), ("large", "is larger than")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, expected: str) -> None:
    """A file that is not there, or is too large, ends with status 2 and says so on standard error."""
    (tmp_path / "large").write_bytes(b"#" * (16 * 1024 * 1024 + 1))

    result = validate(tmp_path / name)

    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{tmp_path / name}: {expected}" in result.stderr


@pytest.mark.parametrize(
    ("kind", "title"), [("policy", "ImagePolicy"), ("catalog", "BaseCatalog"), ("report", "DecisionReport")]
)
def test_schemas_are_printed(kind: str, title: str) -> None:
    """The schema of each kind of document is printed as JSON."""
    result = CliRunner().invoke(schema, [kind])

    assert result.exit_code == 0
    assert json.loads(result.stdout)["title"] == title


def test_there_is_no_schema_of_anything_else() -> None:
    """A kind that has no schema is a wrong call."""
    assert CliRunner().invoke(schema, ["pod"]).exit_code == 2
