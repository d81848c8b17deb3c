"""The reference of the policy, held against the parser."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from tests.core.json_schema import load_schema, violations
from tests.core.policies import NOTATION, TUF_ROOT, ca_pem, parse, trusted_root
from webhook.core.policy_reading.keys import SECTIONS
from webhook.core.policy_reading.warnings import warnings
from webhook.core.reading.complaints import Complaints
from webhook.core.reading.yaml_documents import load_document

ROOT = Path(__file__).parents[2]
REFERENCE = (ROOT / "docs" / "policy.md").read_text(encoding="utf-8")


def example() -> str:
    """Return the example of the reference."""
    (text,) = re.findall(r"```yaml\n(.*?)```", REFERENCE, re.DOTALL)
    return str(text)


def read_file(name: str) -> bytes:
    """Return the files that the example says lie beside it."""
    beside = {"trusted_root.json": trusted_root(), "root.json": TUF_ROOT}
    if name in beside:
        return beside[name]
    if name == "issuing.crl":
        return NOTATION.joinpath(name).read_bytes()
    return ca_pem().encode() if name == "ca.pem" else (ROOT / "certs" / "dhi" / name).read_bytes()


def test_the_example_can_be_used() -> None:
    """The example of the reference is a policy, and one that nobody need be warned about."""
    policy = parse(example(), read_file=read_file)

    assert [rule.name for rule in policy.rules] == ["production", "system", "everything-else"]
    assert warnings(policy, as_of=datetime(2026, 11, 23, tzinfo=UTC)) == ()


def test_the_example_fits_the_schema() -> None:
    """The example of the reference is valid by the published schema."""
    document = load_document(example().encode(), Complaints(), max_bytes=100_000)

    assert violations(document, load_schema("policy")) == ()


def test_every_key_is_in_the_example_and_explained() -> None:
    """Every key that the parser knows is used in the example and stands in the text of the reference."""
    text = REFERENCE.replace(example(), "")
    keys = {key for section in SECTIONS.values() for key in section.known} - {"apiVersion", "kind", "metadata"}

    assert {key for key in keys if not re.search(rf"`[^`]*\b{key}\b[^`]*`", text)} == set()
    assert {key for key in keys if not re.search(rf"\b{key}:", example())} == set()
