"""What flags, environment and policy together say about registries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.given import Recorder, repository
from tests.core.policies import ca_pem, parse, plain
from tests.fakes.clock import ManualClock
from webhook.adapters.registry.options import Proxies, Reach
from webhook.core.errors import DocumentError
from webhook.core.policy import Policy
from webhook.demo.images import build, push
from webhook.demo.registry import LoopbackRegistry
from webhook.settings import (
    RegistryFlags,
    Surroundings,
    docker_config,
    open_registry,
    registry_options,
    system_clock,
)

NO_FLAGS = RegistryFlags()


def surroundings(*, serving: bool = False, **environment: str) -> Surroundings:
    """Return what a command runs in."""
    return Surroundings(environment=environment, clock=ManualClock(), log=Recorder().log, serving=serving)


def policy(*registries: Mapping[str, Any], images: tuple[str, ...] = ()) -> Policy:
    """Return a policy with these registries, whose one rule names these images, or leaves them open."""
    document = plain()
    if registries:
        document["spec"]["registries"] = list(registries)
    if images:
        document["spec"]["rules"][0]["images"] = list(images)
    return parse(document)


@pytest.mark.parametrize(
    ("serving", "images", "reach", "plain_loopback"),
    [
        (True, ("registry.example/**",), Reach.LISTED, False),
        (True, (), Reach.PUBLIC, False),
        (False, ("registry.example/**",), Reach.ASKED, True),
        (False, (), Reach.ASKED, True),
    ],
)
def test_the_server_reaches_less_than_a_person(
    serving: bool,  # noqa: FBT001
    images: tuple[str, ...],
    reach: Reach,
    plain_loopback: bool,  # noqa: FBT001
) -> None:
    """`serve` asks listed hosts, or public ones under an open rule; a person's command whatever it is asked about."""
    options = registry_options(policy(images=images), NO_FLAGS, surroundings(serving=serving))
    assert options.reach is reach
    assert options.loopback_is_plain is plain_loopback
    assert options.listed_hosts == {"dhi.io", *(glob.partition("/")[0] for glob in images)}


def test_the_mirrors_of_flags_come_first() -> None:
    """What an operator adds on the command line is asked before what the policy names; all in the order written."""
    flags = RegistryFlags(
        mirrors=(("a.example", "one.example"), ("b.example/x", "b.test"), ("a.example", "two.example"))
    )
    spoken = policy({"host": "a.example", "mirrors": ["three.example", "four.example"]}, {"host": "c.example"})
    assert registry_options(spoken, flags, surroundings()).mirrors == {
        "a.example": ("one.example", "two.example", "three.example", "four.example"),
        "b.example/x": ("b.test",),
    }


def test_authorities_belong_to_all_or_to_one(tmp_path: Path) -> None:
    """The flag's authorities are trusted for every host, the policy's for the host that they are written for."""
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(f"# ours\n{ca_pem()}")
    flags = RegistryFlags(ca_file=bundle, insecure_hosts=("lab.example:5000",))
    options = registry_options(
        policy({"host": "a.example", "ca": {"file": "ca.pem"}}, {"host": "b.example"}), flags, surroundings()
    )
    assert options.ca_pem == bundle.read_text()
    assert options.ca_pem_by_host == {"a.example": ca_pem()}
    assert options.insecure_hosts == {"lab.example:5000"}
    assert registry_options(policy(), NO_FLAGS, surroundings()).ca_pem == ""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file or directory"),
        (b"", "is not a list of certificates (PEM)"),
        (b"\x30\x82\xff", "is not a list of certificates (PEM)"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "is not a list of certificates (PEM)"),
    ],
)
def test_unusable_authorities_are_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    """A file of authorities that is not there, or none, is refused with its path."""
    path = tmp_path / "bundle.pem"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        registry_options(policy(), RegistryFlags(ca_file=path), surroundings())
    assert str(caught.value) == f"{path}: {said}"


@pytest.mark.parametrize(
    ("environment", "proxies"),
    [
        ({}, Proxies()),
        ({"HTTPS_PROXY": "http://upper:1"}, Proxies(https="http://upper:1")),
        ({"HTTPS_PROXY": "http://upper:1", "https_proxy": "http://lower:1"}, Proxies(https="http://lower:1")),
        ({"http_proxy": "http://p:1", "https_proxy": ""}, Proxies(http="http://p:1")),
        ({"NO_PROXY": " a.example, ,.b.example,10.0.0.0/8"}, Proxies(direct=("a.example", ".b.example", "10.0.0.0/8"))),
        ({"NO_PROXY": "upper", "no_proxy": "lower"}, Proxies(direct=("lower",))),
    ],
)
def test_proxies_come_from_the_environment(environment: dict[str, str], proxies: Proxies) -> None:
    """The usual variables count, the lower-case spelling first; an empty one says nothing."""
    assert registry_options(policy(), NO_FLAGS, replace(surroundings(), environment=environment)).proxies == proxies


def write_config(path: Path, *, password: str) -> Path:
    """Write a Docker config with one entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"auths": {"registry.example": {"username": "u", "password": password}}}))
    return path


async def source_of(flags: RegistryFlags, around: Surroundings) -> tuple[str, ...]:
    """Return the passwords that the config in force holds for a registry."""
    config = await docker_config(flags, around).current()
    return tuple(credential.password for credential in config.matching(repository("registry.example")))  # type: ignore[union-attr]


async def test_the_config_of_a_flag_comes_before_the_usual_places(tmp_path: Path) -> None:
    """The flag's file alone counts; else the first that is there; none is no error."""
    home = surroundings(HOME=str(tmp_path), REGISTRY_AUTH_FILE=str(tmp_path / "auth.json"))
    assert await source_of(NO_FLAGS, home) == ()
    write_config(tmp_path / "auth.json", password="podman")
    assert await source_of(NO_FLAGS, home) == ("podman",)
    write_config(tmp_path / ".docker" / "config.json", password="docker")
    assert await source_of(NO_FLAGS, home) == ("docker",)
    flags = RegistryFlags(config_file=write_config(tmp_path / "given.json", password="given"))
    assert await source_of(flags, home) == ("given",)


async def test_a_usual_place_that_is_closed_is_passed_by(tmp_path: Path) -> None:
    """What may not be looked into, or cannot be, like a name that no file can have, holds no config."""
    around = surroundings(
        HOME=str(tmp_path / ("x" * 300)), REGISTRY_AUTH_FILE=str(write_config(tmp_path / "a.json", password="p"))
    )
    assert await source_of(NO_FLAGS, around) == ("p",)


def test_a_broken_config_is_named(tmp_path: Path) -> None:
    """A config that a flag names, or that lies in a usual place, has to make sense."""
    flags = RegistryFlags(config_file=tmp_path / "none.json")
    with pytest.raises(DocumentError, match=r"none\.json: cannot be read: No such file or directory"):
        docker_config(flags, surroundings())
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DocumentError, match=r"config\.json: not a Docker config"):
        docker_config(NO_FLAGS, surroundings(DOCKER_CONFIG=str(tmp_path)))


async def test_what_is_opened_answers_and_remembers() -> None:
    """The parts fit: a registry is asked once and counted, and a second question is answered from memory."""
    observed: list[tuple[str, str]] = []
    around = replace(
        surroundings(), clock=system_clock(), observe=lambda registry, outcome: observed.append((registry, outcome))
    )
    deadline = around.clock.monotonic() + 5
    async with LoopbackRegistry() as server, open_registry(policy(), NO_FLAGS, around) as registry:
        digest = push(server.store, "shop/api", build(None, [{"a": b"a"}]), tag="1")
        where = repository(server.host)
        assert await registry.resolve(where, "1", deadline=deadline) == digest
        assert await registry.resolve(where, "1", deadline=deadline) == digest
        assert observed == [("other", "200")]
