"""How documents are named on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from webhook.core.errors import ParseError
from webhook.core.references import ImageReference
from webhook.document_sources.names import ConfigMapKey, parse_document_name

DIGEST = "sha256:" + "0" * 64


def test_a_file_is_what_has_no_prefix() -> None:
    """A path stays as it is written."""
    assert parse_document_name("folder/policy.yaml") == Path("folder/policy.yaml")


def test_a_key_of_a_config_map() -> None:
    """Namespace, name and key are parted, and written again as they were."""
    name = parse_document_name("configmap:gate/gate.policy/policy.yaml")
    assert name == ConfigMapKey(namespace="gate", name="gate.policy", key="policy.yaml")
    assert str(name) == "configmap:gate/gate.policy/policy.yaml"


@pytest.mark.parametrize("text", ["registry.example/catalog@" + DIGEST, "registry.example:5000/catalog:latest"])
def test_an_artefact(text: str) -> None:
    """An artefact is named as an image is."""
    assert parse_document_name(f"oci:{text}") == ImageReference.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "configmap:",
        "configmap:gate/policy",
        "configmap:gate/policy/a/b",
        "configmap:Gate/policy/key",
        "configmap:gate/../key",
        "configmap:gate/policy/key\n",
        "configmap:ga.te/policy/key",
        "oci:registry.example/catalog",
        "oci:registry.example/catalog@sha256:abc",
        "oci:",
    ],
)
def test_what_names_nothing_is_refused(text: str) -> None:
    """Neither a guess nor a path is made of it."""
    with pytest.raises(ParseError):
        parse_document_name(text)
