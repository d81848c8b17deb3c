"""The policy that ships as an example: it can be used as it is, and speaks of images that exist."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from webhook.cli.policy import policy as policy_command
from webhook.core.bases.approval import base_authorities
from webhook.core.policy import KeyAuthority
from webhook.documents import load_policy

EXAMPLE = Path(__file__).parent.parent / "docs" / "examples" / "policy.yaml"
DOCKER_KEY = "sha256:118ba556dd52f4aec67018efd316c285c783cd3e54cc0f4527605715c643887c"
# Beside the folder with the conformance suite's vectors lies a list of the public images of August 2026.
ASSETS = os.environ.get("DHIGATE_CONFORMANCE_ASSETS")
TAGS = Path(ASSETS).parent / "dhi-tags.jsonl" if ASSETS else None


def test_it_can_be_used_without_a_warning() -> None:
    """`policy validate` finds nothing wrong with the example and nothing that is probably not meant."""
    result = CliRunner().invoke(policy_command, ["validate", str(EXAMPLE)])

    assert result.exit_code == 0
    assert result.stdout == ""


def test_every_base_is_signed_by_dockers_published_key() -> None:
    """The example trusts the key of `certs/` for its bases, and no other."""
    policy = load_policy(EXAMPLE)
    signers = [signer for base in policy.bases for signer in base_authorities(base, policy)]

    assert all(isinstance(signer, KeyAuthority) for signer in signers)
    assert {str(fingerprint) for signer in signers for fingerprint in signer.signers} == {DOCKER_KEY}


@pytest.mark.skipif(
    TAGS is None or not TAGS.is_file(),
    reason="DHIGATE_CONFORMANCE_ASSETS names no folder that dhi-tags.jsonl lies beside",
)
def test_every_glob_means_a_tag_that_exists() -> None:
    """Each repository of the example is published, and each of its globs fits one of the tags at least."""
    assert TAGS is not None
    published: dict[str, set[str]] = {}
    for line in TAGS.read_text(encoding="utf-8").splitlines():
        definition = json.loads(line)
        published.setdefault(definition["image"], set()).update(definition["tags"])

    for base in load_policy(EXAMPLE).bases:
        for glob in base.tags:
            assert any(glob.matches(tag) for tag in published[str(base.repository)]), f"{base.repository}:{glob}"
