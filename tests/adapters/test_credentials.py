"""Matching the entries of a Docker config, as the kubelet does."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.adapters.registry.credentials import BearerToken, DockerConfig, IdentityToken, Password, usual_config_paths
from webhook.core.errors import DocumentError
from webhook.core.references import Repository


def encoded(text: str) -> str:
    """Return base64 of text."""
    return base64.b64encode(text.encode()).decode()


def config(**keys: object) -> DockerConfig:
    """Parse a config with these keys."""
    return DockerConfig.parse(json.dumps(keys).encode())


def users(auths: list[str], image: str) -> list[str]:
    """Return the keys of those entries that match an image, in the order in which they are tried."""
    parsed = config(auths={key: {"auth": encoded(f"{key}:secret")} for key in auths})
    return [one.username for one in parsed.matching(Repository.parse(image)) if isinstance(one, Password)]


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("registry.example", "registry.example/shop/api"),
        ("https://registry.example", "registry.example/shop/api"),
        ("https://registry.example/v2/", "registry.example/shop/api"),
        ("registry.example/shop", "registry.example/shop/api"),
        ("registry.example/sho", "registry.example/shop/api"),
        ("registry.example/v1/shop", "registry.example/shop/api"),
        ("registry.example:5000", "registry.example:5000/shop/api"),
        ("registry.example:443", "registry.example/shop/api"),
        ("*.example", "registry.example/shop/api"),
        ("r?gistry.ex[a-c]mple", "registry.example/shop/api"),
        ("https://index.docker.io/v1/", "nginx"),
        ("docker.io", "nginx"),
        ("[::1]:5000", "[::1]:5000/shop/api"),
    ],
)
def test_an_entry_matches(key: str, image: str) -> None:
    """Hosts are globs by label, paths are prefixes, schemes and API versions do not count."""
    assert users([key], image) != []


@pytest.mark.parametrize(
    ("key", "image"),
    [
        ("registry.example:5000", "registry.example/shop/api"),
        ("registry.example", "registry.example:5000/shop/api"),
        ("*.example", "a.registry.example/shop/api"),
        ("*", "registry.example/shop/api"),
        ("registry.example/web", "registry.example/shop/api"),
        ("registry.example.attacker.test", "registry.example/shop/api"),
        ("https://index.docker.io/v1/", "registry.example/shop/api"),
        ("index.docker.io.attacker.test", "nginx"),
    ],
)
def test_an_entry_does_not_match(key: str, image: str) -> None:
    """Another port, number of labels, path or host is another place."""
    assert users([key], image) == []


def test_the_longest_path_is_tried_first() -> None:
    """All matches are tried, in the reverse order of their spelling."""
    keys = ["registry.example", "registry.example/shop", "*.example", "registry.example/shop/api"]
    assert users(keys, "registry.example/shop/api") == [keys[3], keys[1], keys[0], keys[2]]


def test_docker_hubs_entry_serves_if_no_other_does() -> None:
    """The well-known entry of Docker Hub gives way to one for `docker.io`."""
    assert users(["https://index.docker.io/v1/", "docker.io"], "nginx") == ["docker.io"]


@given(st.text(alphabet="ab*?[]-.:/", max_size=20))
def test_no_key_matches_a_host_with_another_number_of_labels(key: str) -> None:
    """However a key is written, it never covers a host with more labels than it has itself."""
    image = "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w/x"
    assert users([key], image) == []


def test_the_kinds_of_credentials() -> None:
    """Passwords with colons, identity tokens in both forms and registry tokens are told apart; empty ones vanish."""
    parsed = config(
        auths={
            "a.example": {"auth": encoded("user:pass:word")},
            "b.example": {"username": "user", "password": "secret"},
            "c.example": {"auth": encoded("user:"), "identitytoken": "refresh"},
            "d.example": {"auth": encoded("<token>:refresh")},
            "e.example": {"registrytoken": "bearer"},
            "f.example": {},
        },
        HttpHeaders={"ignored": "here"},
    )
    expected = {
        "a.example": (Password(source="auths[a.example]", username="user", password="pass:word"),),
        "b.example": (Password(source="auths[b.example]", username="user", password="secret"),),
        "c.example": (IdentityToken(source="auths[c.example]", token="refresh"),),
        "d.example": (IdentityToken(source="auths[d.example]", token="refresh"),),
        "e.example": (BearerToken(source="auths[e.example]", token="bearer"),),
        "f.example": (),
    }
    assert {host: parsed.matching(Repository.parse(f"{host}/x")) for host in expected} == expected


def test_no_secret_is_shown() -> None:
    """A config can be printed without giving anything away."""
    parsed = config(
        auths={
            "a.example": {"auth": encoded("s3cret-user:s3cret")},
            "b.example": {"identitytoken": "s3cret"},
            "c.example": {"registrytoken": "s3cret"},
        }
    )
    assert "s3cret" not in repr(parsed)


def test_everything_that_is_wrong_is_told_without_secrets() -> None:
    """All bad entries are named together, and what they hold is not."""
    document = {
        "auths": {"a.example": {"auth": "!s3cret"}, "b.example": {"auth": encoded("s3cret")}},
        "credHelpers": {"c.example": "../evil"},
        "credsStore": "a/b",
    }
    with pytest.raises(DocumentError) as raised:
        DockerConfig.parse(json.dumps(document).encode())
    paths = [error.path for error in raised.value.errors]
    assert paths == ["auths[b.example].auth", "auths[a.example].auth", "credHelpers[c.example]", "credsStore"]
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    "data", [b"", b"[]", b'{"auths": {"a": {"auth": 1}}}', b"\xff", b"[" * 100_000, b" " * 1048577]
)
def test_what_is_no_config_is_refused(data: bytes) -> None:
    """Rubbish, deep nesting and too much of it are errors of the document."""
    with pytest.raises(DocumentError):
        DockerConfig.parse(data)


def test_helpers_are_found_by_host() -> None:
    """A helper for a host comes before the one for all hosts."""
    parsed = config(credHelpers={"https://index.docker.io/v1/": "hub", "r.example:5000": "five"}, credsStore="all")
    assert [parsed.helper_for(host) for host in ("docker.io", "r.example:5000", "other.example")] == [
        "hub",
        "five",
        "all",
    ]


def test_the_usual_places() -> None:
    """Docker's variable stands alone; else the home directory comes before Podman's places."""
    assert usual_config_paths({"DOCKER_CONFIG": "/d", "HOME": "/h"}) == (Path("/d/config.json"),)
    assert usual_config_paths({"HOME": "/h", "REGISTRY_AUTH_FILE": "/a.json", "XDG_RUNTIME_DIR": "/run"}) == (
        Path("/h/.docker/config.json"),
        Path("/a.json"),
        Path("/run/containers/auth.json"),
    )
    assert usual_config_paths({}) == ()
