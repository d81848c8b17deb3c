"""What an operator's words about registries mean."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from tests.adapters.given import LOOPBACK, trouble_of
from tests.fakes.clock import ManualClock
from webhook.adapters.registry.limits import HostLimits
from webhook.adapters.registry.options import Proxies, Reach, RegistryOptions, host_of
from webhook.adapters.registry.question import Question, clip
from webhook.ports import TroubleKind

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("entry", "url", "is_direct"),
    [
        ("*", "https://a.example/", True),
        ("a.example", "https://a.example/", True),
        ("A.Example ", "https://a.example/", True),
        ("a.example", "https://b.a.example/", True),
        (".a.example", "https://b.a.example/", True),
        ("*.a.example", "https://b.a.example/", True),
        ("a.example", "https://ba.example/", False),
        ("a.example:5000", "https://a.example:5000/", True),
        ("a.example:5000", "https://a.example/", False),
        ("10.0.0.0/8", "https://10.1.2.3/", True),
        ("10.0.0.0/8", "https://11.1.2.3/", False),
        ("10.0.0.1", "https://10.0.0.1:5000/", True),
        ("fd00::/8", "https://[fd00::1]:5000/", True),
        ("[fd00::1]:5000", "https://[fd00::1]:5000/", True),
        ("", "https://a.example/", False),
        (".", "https://a.example/", False),
    ],
)
def test_exceptions_of_a_proxy(entry: str, url: str, is_direct: bool) -> None:  # noqa: FBT001
    """The usual entries of `NO_PROXY` are understood."""
    proxies = Proxies(https=PROXY, direct=(entry,))
    assert proxies.proxy_for(URL(url)) == (None if is_direct else PROXY)


def test_a_proxy_serves_one_scheme() -> None:
    """Each scheme has its own proxy, or none."""
    assert Proxies(https=PROXY).proxy_for(URL("http://a.example/")) is None
    assert Proxies(http=PROXY).proxy_for(URL("http://a.example/")) == PROXY


@given(st.text(max_size=30))
def test_any_exception_is_answered(entry: str) -> None:
    """No entry makes the gate fail."""
    Proxies(https=PROXY, direct=(entry,)).proxy_for(URL("https://a.example/"))


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://A.Example/x", "a.example"),
        ("https://a.example:443/", "a.example"),
        ("https://a.example:5000/", "a.example:5000"),
        ("http://a.example/", "a.example"),
        ("http://[::1]:5000/", "[::1]:5000"),
    ],
)
def test_hosts_are_named_as_in_references(url: str, host: str) -> None:
    """A URL's host is spelled as `Repository.registry` spells it."""
    assert host_of(URL(url)) == host


def test_who_is_listed() -> None:
    """A host is listed by the policy or by any flag that names it."""
    options = RegistryOptions(
        listed_hosts=frozenset({"a.example"}),
        insecure_hosts=frozenset({"b.example"}),
        ca_pem_by_host={"c.example": ""},
        mirrors={"d.example/shop": ("e.example/shop", "f.example")},
    )
    assert all(options.is_listed(f"{letter}.example") for letter in "abcdef")
    assert not options.is_listed("g.example")
    assert not options.is_listed("a.example:5000")


def test_what_a_person_asks_about_may_be_private_and_what_it_leads_to_may_not() -> None:
    """A redirect or realm gains nothing by the freedom of whoever sits at the keyboard."""
    assert LOOPBACK.may_be_private("10.0.0.1", asked="10.0.0.1")
    assert not LOOPBACK.may_be_private("10.0.0.2", asked="10.0.0.1")
    assert not LOOPBACK.may_be_private("127.0.0.1:80", asked="registry.example")
    assert LOOPBACK.may_be_private("127.0.0.1:80", asked="localhost:5000")
    assert not replace(LOOPBACK, reach=Reach.PUBLIC).may_be_private("10.0.0.1", asked="10.0.0.1")


def test_plain_http_is_for_insecure_hosts_and_for_loopback_where_that_is_so() -> None:
    """`serve` speaks plain HTTP with listed insecure hosts only; other commands with loopback too."""
    assert LOOPBACK.may_be_plain("localhost:5000", asked="localhost:5000")
    assert not LOOPBACK.may_be_plain("localhost:5000", asked="registry.example")
    assert not LOOPBACK.may_be_plain("registry.example", asked="registry.example")
    assert not RegistryOptions().may_be_plain("localhost:5000", asked="localhost:5000")
    insecure = RegistryOptions(insecure_hosts=frozenset({"a.example"}))
    assert insecure.may_be_plain("a.example", asked="b.example")


async def test_limits_are_kept_for_so_many_hosts() -> None:
    """A flood of host names costs no more than so much memory, and frees no slot that is taken."""

    async def sleep(_seconds: float) -> None:
        raise AssertionError("nothing asks to wait")

    clock = ManualClock()
    limits = HostLimits(options=RegistryOptions(requests_per_registry=1), clock=clock, sleep=sleep, random=lambda: 0.5)
    question = Question(doing="testing", where="x", deadline=clock.monotonic() + 0.06)
    leave = await limits.enter(question, "busy.example")
    for number in range(1030):
        limits.pause(f"h{number}.example", 0)
    assert len(limits._hosts) == 1024
    assert (await trouble_of(limits.enter(question, "busy.example"))).kind is TroubleKind.OVERLOADED
    leave()
    (await asyncio.wait_for(limits.enter(question, "busy.example"), 1))()


@given(st.text())
def test_what_the_network_said_is_made_harmless(text: str) -> None:
    """A detail is printable and short."""
    assert clip(text).isprintable()
    assert len(clip(text)) <= 200
