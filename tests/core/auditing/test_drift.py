"""What a runtime says that it runs, compared with what is written."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import API, digest, evidence, policy, revocation
from webhook.core.auditing.drift import Drift, Moved, compare_running
from webhook.core.facts import Known, Trouble
from webhook.core.references import BadReference, ImageReference, PinnedImage

TAGGED = ImageReference.parse("registry.example/shop/api:1.4.2")
FOUND = evidence()[API]
POLICY = policy()


def moved_to(text: str) -> Moved:
    """Return the drift to this image."""
    return Moved(image=ImageReference.parse(text))


@pytest.mark.parametrize(
    "image_id",
    [
        f"registry.example/shop/api@{digest('api')}",
        f"docker-pullable://registry.example/shop/api@{digest('api')}",
        f"elsewhere.example/other@{digest('api')}",
    ],
)
def test_the_digest_of_the_image_is_no_drift(image_id: str) -> None:
    """A runtime that names the bytes of the spec runs them, whatever it calls the repository."""
    assert compare_running(API, image_id, FOUND, POLICY) is Drift.NONE


def test_a_platform_and_its_config_are_no_drift() -> None:
    """A runtime that names the manifest of a platform, or the ID of its config, runs the same image."""
    assert isinstance(FOUND.platforms, Known)
    (platform,) = FOUND.platforms.value
    config = platform.image.manifest.config.digest

    assert compare_running(TAGGED, f"a.example/b@{platform.image.digest}", FOUND, POLICY) is Drift.NONE
    assert compare_running(TAGGED, str(config), FOUND, POLICY) is Drift.NONE
    assert compare_running(TAGGED, config.hex, FOUND, POLICY) is Drift.NONE


def test_other_bytes_are_drift() -> None:
    """What runs is told as the image of the spec at the digest that runs."""
    drift = compare_running(TAGGED, f"a.example/b@{digest('old')}", FOUND, POLICY)

    assert drift == moved_to(f"registry.example/shop/api:1.4.2@{digest('old')}")


def test_a_silent_registry_does_not_hide_what_runs() -> None:
    """Where the tag could not be resolved, or is gone, the digest that runs is judged."""
    trouble = Trouble(doing="resolving", where="registry.example", why="no answer in time")
    gone: Known[PinnedImage | None] = Known(value=None)
    for image in (trouble, gone):
        found = replace(FOUND, image=image, platforms=None)
        assert isinstance(compare_running(TAGGED, f"a.example/b@{digest('old')}", found, POLICY), Moved)


@pytest.mark.parametrize("image_id", ["", "nonsense", "a.example/b:tag", "sha256:abc", "x" * 5_000, str(digest("old"))])
def test_what_names_no_manifest_is_unknown(image_id: str) -> None:
    """Neither a name without a digest nor the ID of an unknown config can be asked about."""
    assert compare_running(TAGGED, image_id, FOUND, POLICY) is Drift.UNKNOWN


def test_without_a_question_only_revoked_bytes_count() -> None:
    """Under an exemption nothing was found out, and running bytes matter if the policy revokes them."""
    revoking = policy(revoked=(revocation(digest("old")),))
    running = f"a.example/b@{digest('old')}"

    assert compare_running(TAGGED, running, None, POLICY) is Drift.NONE
    assert isinstance(compare_running(TAGGED, running, None, revoking), Moved)
    written = ImageReference.parse(f"registry.example/shop/api@{digest('old')}")
    assert compare_running(written, running, None, revoking) is Drift.NONE


def test_a_bad_reference_runs_nothing() -> None:
    """What is no reference is told by the spec already."""
    assert compare_running(BadReference(written="a b", why="c"), f"a@{digest('old')}", None, POLICY) is Drift.NONE


@given(st.text(max_size=200))
def test_any_word_of_a_runtime_is_compared(image_id: str) -> None:
    """No text makes the comparison fail, and what moved is pinned and printable."""
    drift = compare_running(TAGGED, image_id, FOUND, POLICY)

    if isinstance(drift, Moved):
        assert drift.image.digest is not None
        assert drift.image.written.isprintable()
