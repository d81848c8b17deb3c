"""The chart's values: described, held by a schema that knows no others, and never with a secret in them."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import yaml

from tests.chart.readme import CHART, README, described_values, with_table

VALUES = (CHART / "values.yaml").read_text(encoding="utf-8")
DEFAULTS: Mapping[str, Any] = yaml.safe_load(VALUES)
SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))


def merged(defaults: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values over defaults, map into map, as Helm does it."""
    return {
        **defaults,
        **{
            key: merged(defaults[key], value)
            if isinstance(value, dict) and isinstance(defaults.get(key), dict)
            else value
            for key, value in values.items()
        },
    }


def at(path: str, value: object) -> dict[str, Any]:
    """Return values in which this dotted path has this value."""
    first, _, rest = path.partition(".")
    return {first: at(rest, value) if rest else value}


def refused(values: Mapping[str, Any]) -> list[str]:
    """Return the paths of what the schema refuses in values over the defaults."""
    faults = jsonschema.Draft7Validator(SCHEMA).iter_errors(merged(DEFAULTS, values))
    return sorted(".".join(map(str, fault.absolute_path)) for fault in faults)


def objects(schema: object, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every part of the schema that names the keys of an object."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("type") == "object":
            yield path, schema
        for key, inner in schema.items():
            yield from objects(inner, f"{path}/{key}")


def test_the_readme_has_the_values() -> None:
    """The table in the README is what `make chart-docs` makes of the comments."""
    readme = README.read_text(encoding="utf-8")

    assert readme == with_table(readme, described_values(VALUES))


def test_every_value_is_described() -> None:
    """Every key is described itself, or is a group whose keys all are."""
    described = {value.path for value in described_values(VALUES)}

    def undescribed(values: Mapping[str, Any], above: str) -> Iterator[str]:
        for key, value in values.items():
            path = f"{above}{key}"
            if path in described:
                continue
            if isinstance(value, dict) and value:
                yield from undescribed(value, f"{path}.")
            else:
                yield path

    assert list(undescribed(DEFAULTS, "")) == []


def test_a_description_without_a_key_is_an_error() -> None:
    """A comment that describes nothing does not vanish."""
    with pytest.raises(ValueError, match="line 1 describes no key"):
        list(described_values("# -- (int) How many.\n\nreplicas: 2\n"))


def test_the_schema_knows_the_defaults() -> None:
    """The defaults pass, and so do the values that each example gives."""
    assert refused({}) == []
    assert [path.name for path in EXAMPLES if refused(yaml.safe_load(path.read_text(encoding="utf-8")))] == []


def test_the_schema_has_the_values_and_no_others() -> None:
    """Groups of the schema and of the values have the same keys; `global` is Helm's own."""

    def different(schema: Mapping[str, Any], values: Mapping[str, Any], path: str) -> Iterator[str]:
        known = schema["properties"].keys() - {"global"}
        yield from (f"{path}{key}" for key in known ^ values.keys())
        for key in known & values.keys():
            inner = schema["properties"][key]
            if "properties" in inner:
                yield from different(inner, values[key], f"{path}{key}.")

    assert list(different(SCHEMA, DEFAULTS, "")) == []


def test_the_schema_is_closed() -> None:
    """No object whose keys are listed takes another key."""
    assert [path for path, schema in objects(SCHEMA) if schema.get("additionalProperties") is not False] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("mode", "block"),
        ("mode", None),
        ("replicas", 0),
        ("replicas", "2"),
        ("webhook.timeoutSeconds", 60),
        ("webhook.timeoutSeconds", 0),
        ("mutation.timeoutSeconds", 31),
        ("webhook.failurePolicy", "fail"),
        ("webhook.matchConditions", []),
        ("webhook.objectSelector", {}),
        ("image.digest", "sha256:abc"),
        ("image.repository", "registry.example/a@sha256:abc"),
        ("policyArtifact", "registry.example/policy:latest"),
        ("policyFiles", {"policy.yaml": "kind: ImagePolicy"}),
        ("policyFiles", {"../policy": "x"}),
        ("policyFiles", {"key.pem": "-----BEGIN PRIVATE KEY-----\n"}),
        ("policyFiles", {"key.pem": "-----BEGIN EC PRIVATE KEY-----\n"}),
        ("catalog.source", "file"),
        ("certs.mode", "helm"),
        ("certs.certManager.issuerRef", {"kind": "ClusterIssuer"}),
        ("certs.provided.key", "x"),
        ("registry.auths", {}),
        ("registry.insecure", ["http://registry.example"]),
        ("registry.mirrors", ["registry.example"]),
        ("sync.schedule", "daily"),
        ("sync.timeout", "1h30m"),
        ("audit.reports", "sarif"),
        ("networkPolicy.egressPorts", []),
        ("ports.webhook", 443),
        ("unknown", 1),
    ],
)
def test_bad_values_are_refused(path: str, value: object) -> None:
    """What is unknown, of another kind or out of bounds is refused by its path, or by the group it is not in."""
    (fault,) = {fault.split(".")[0] for fault in refused(at(path, value))}

    assert fault in {"", path.split(".", maxsplit=1)[0]}
