"""How a caller proves who they are to an API server, and what happens when that ends or fails."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives import serialization

from tests.adapters.given import Recorder
from tests.adapters.given_cluster import (
    Authority,
    filled,
    kubeconfig,
    open_cluster,
    plugin,
    server_of,
    write_kubeconfig,
)
from tests.contract.cluster_contract import LEASES, refused
from tests.fakes.api_server import LoopbackApiServer
from tests.fakes.clock import ManualClock
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.official_client import _unusable
from webhook.core.errors import DocumentError, ParseError
from webhook.ports import Cluster, ClusterTroubleKind

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
LATER, MUCH_LATER = "2026-11-23T13:00:00Z", "2026-11-23T14:00:00Z"  # the clock begins at twelve


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Return an authority for servers and callers."""
    return Authority(tmp_path)


async def list_leases(cluster: Cluster) -> int:
    """Return how many pages there are, having asked for all of them."""
    return len([page async for page in cluster.pages(LEASES, namespace="shop")])


def sent(server: LoopbackApiServer, header: str = "Authorization") -> list[str | None]:
    """Return what each request said who sends it."""
    return [request.headers.get(header) for request in server.requests]


def config(folder: Path, server: LoopbackApiServer, authority: Authority, user: Mapping[str, Any]) -> ClusterFlags:
    """Return flags that name a kubeconfig with this user."""
    document = kubeconfig(server=server.url, user=user, certificate_authority_data=authority.data)
    return ClusterFlags(kubeconfig=write_kubeconfig(folder, document))


@pytest.mark.parametrize(
    ("user", "header"),
    [
        ({"token": "t"}, "Bearer t"),
        ({"username": "me", "password": "p"}, f"Basic {base64.b64encode(b'me:p').decode()}"),
        ({}, None),
    ],
)
async def test_a_kubeconfig_holds_the_credential(
    tmp_path: Path, authority: Authority, user: dict[str, str], header: str | None
) -> None:
    """A token, a password, or nothing at all, with every request."""
    async with server_of(filled(3), tls=authority.serving()) as server:
        async with open_cluster(config(tmp_path, server, authority, user)) as cluster:
            assert await list_leases(cluster) == 2
        assert sent(server) == [header, header]


async def test_a_server_without_tls_gets_no_credential(tmp_path: Path, authority: Authority) -> None:
    """As with kubectl: nothing that could be overheard is sent, be it a token, a password or a name to act for."""
    async with server_of(filled(1)) as server:
        async with open_cluster(config(tmp_path, server, authority, {"token": "t"})) as cluster:
            assert await list_leases(cluster) == 1
        assert sent(server) == [None]


async def test_a_token_file_is_read_again(tmp_path: Path, authority: Authority) -> None:
    """A minute later it is looked at again, and at once if what it said is not accepted."""
    path, clock = tmp_path / "token", ManualClock()
    path.write_text("one\n")
    async with server_of(filled(1), tls=authority.serving(), tokens={"one", "two"}) as server:
        flags = config(tmp_path, server, authority, {"tokenFile": "token"})
        async with open_cluster(flags, clock=clock) as cluster:
            await list_leases(cluster)
            path.write_text("two")
            await list_leases(cluster)
            clock.advance(61)
            await list_leases(cluster)
            path.write_text("three")
            server.tokens = {"three"}
            await list_leases(cluster)
        assert sent(server) == ["Bearer one", "Bearer one", "Bearer two", "Bearer two", "Bearer three"]


async def test_a_token_file_that_is_gone_later_is_told(tmp_path: Path, authority: Authority) -> None:
    """What cannot be read in the middle of a run is trouble with the credentials, and not a crash."""
    path, clock = tmp_path / "token", ManualClock()
    path.write_text("one")
    async with server_of(filled(1), tls=authority.serving()) as server:
        flags = config(tmp_path, server, authority, {"tokenFile": "token"})
        async with open_cluster(flags, clock=clock) as cluster:
            path.unlink()
            clock.advance(61)
            trouble = await refused(list_leases(cluster), ClusterTroubleKind.UNAUTHORIZED)
    assert trouble.detail == f"{path}: cannot be read: No such file or directory"


async def test_a_token_that_is_refused_is_not_sent_again(tmp_path: Path, authority: Authority) -> None:
    """Nothing would come of asking a second time with what the kubeconfig says."""
    async with server_of(filled(1), tls=authority.serving(), tokens={"good"}) as server:
        async with open_cluster(config(tmp_path, server, authority, {"token": "bad"})) as cluster:
            trouble = await refused(list_leases(cluster), ClusterTroubleKind.UNAUTHORIZED)
        assert len(server.requests) == 1
    assert str(trouble) == (
        "listing leases in shop: the API server does not accept the credentials "
        "(Unauthorized; log in again, or give a valid --token)"
    )


async def test_a_plugin_is_asked_once_for_many_requests(tmp_path: Path, authority: Authority) -> None:
    """It is told what kubectl tells it, and its token serves until it ends."""
    login, clock = plugin(tmp_path, status={"token": "t", "expirationTimestamp": LATER}), ManualClock()
    run = {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1", "provideClusterInfo": True}
    async with server_of(filled(1), tls=authority.serving()) as server:
        flags = config(tmp_path, server, authority, {"exec": run})
        async with open_cluster(flags, ENVIRONMENT, clock=clock) as cluster:
            await asyncio.gather(*(list_leases(cluster) for _ in range(5)))
            assert login.runs == 1
            plugin(tmp_path, status={"token": "t", "expirationTimestamp": MUCH_LATER})
            clock.advance(3600)
            await asyncio.gather(*(list_leases(cluster) for _ in range(5)))
            assert login.runs == 2
        assert set(sent(server)) == {"Bearer t"}
        assert login.asked["apiVersion"] == "client.authentication.k8s.io/v1"
        assert login.asked["spec"]["cluster"]["server"] == server.url


async def test_a_plugin_is_asked_again_if_its_token_is_refused(tmp_path: Path, authority: Authority) -> None:
    """Once for all requests under way that were refused; if the new one is refused too, that is said."""
    login = plugin(tmp_path, commands=
        'echo \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "\''
        '$(wc -l < "$0.runs" | tr -d " ")\'"}}\''
    )  # fmt: skip
    run = {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1"}
    async with server_of(filled(1), tls=authority.serving(), tokens={"2"}) as server:
        flags = config(tmp_path, server, authority, {"exec": run})
        async with open_cluster(flags, ENVIRONMENT) as cluster:
            assert await asyncio.gather(*(list_leases(cluster) for _ in range(5))) == [1] * 5
            assert login.runs == 2
            server.tokens = {"nothing"}
            await refused(list_leases(cluster), ClusterTroubleKind.UNAUTHORIZED)
            assert login.runs == 3


async def test_a_plugin_hands_out_a_certificate(tmp_path: Path, authority: Authority) -> None:
    """It counts in place of what the kubeconfig has, and stays on disk no longer than it is read."""
    certificate, key = authority.caller()
    status = {"clientCertificateData": certificate.decode(), "clientKeyData": key.decode()}
    plugin(tmp_path, status=status)
    run = {"command": "./plugin", "apiVersion": "client.authentication.k8s.io/v1"}
    user = {"exec": run, "client-certificate": "absent.crt", "client-key": "absent.key"}
    seen: list[bool] = []

    async def look(request: web.Request) -> None:
        assert request.transport is not None
        seen.append(bool(request.transport.get_extra_info("peercert")))

    async with server_of(filled(1), tls=authority.serving(), interceptor=look) as server:
        async with open_cluster(config(tmp_path, server, authority, user), ENVIRONMENT) as cluster:
            await list_leases(cluster)
        assert sent(server) == [None]
    assert seen == [True]


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ("echo 'no \x1b[31mlogin' >&2; exit 4", "failed: exec: process returned 4. no ?[31mlogin"),
        ("echo 'the secret-token is this'", "failed: exec: failed to decode process output"),
        ("echo '{}'", "failed: exec: malformed response. missing key 'apiVersion'"),
        ('echo \'{"apiVersion": "v0", "kind": "", "status": {}}\'', "plugin api version v0 does not match"),
        ('echo \'{"apiVersion": "v1", "kind": "", "status": {}}\'', "wrote neither a token nor a certificate"),
        (
            'echo \'{"apiVersion": "v1", "kind": "", "status": {"clientCertificateData": "secret-token"}}\'',
            "wrote neither a token nor a certificate",
        ),
        (
            'echo \'{"apiVersion": "v1", "kind": "", "status": {"token": ["secret-token"]}}\'',
            "wrote no ExecCredential",
        ),
        (
            'echo \'{"apiVersion": "v1", "kind": "", "status": {"token": "secret", "expirationTimestamp": "-"}}\'',
            "wrote no ExecCredential",
        ),
        (
            'printf \'{"apiVersion": "v1", "kind": "", "status": {"token": "secret-token\\\\u000aHost: a"}}\'',
            "the value for Authorization holds control characters",
        ),
    ],
)
async def test_a_plugin_that_fails(tmp_path: Path, commands: str, said: str) -> None:
    """One line says which plugin and why, before anything is asked, and shows nothing that may be secret."""
    plugin(tmp_path, commands=commands)
    document = kubeconfig(user={"exec": {"command": "./plugin", "apiVersion": "v1"}})
    text = await refusal_to_open(ClusterFlags(kubeconfig=write_kubeconfig(tmp_path, document)))
    assert said in text
    assert "secret-token" not in text


async def refusal_to_open(flags: ClusterFlags) -> str:
    """Return why a cluster cannot be opened, in one printable line."""
    with pytest.raises((DocumentError, ParseError)) as caught:
        async with open_cluster(flags, ENVIRONMENT):
            pass
    assert str(caught.value).isprintable()
    return str(caught.value)


async def test_a_plugin_that_is_not_there(tmp_path: Path) -> None:
    """The line says how to get it, if the kubeconfig does."""
    run = {"command": "cloud-login", "apiVersion": "v1", "installHint": "install\nthe cloud's tools"}
    flags = ClusterFlags(kubeconfig=write_kubeconfig(tmp_path, kubeconfig(user={"exec": run})))
    assert await refusal_to_open(flags) == (
        "the exec plugin `cloud-login` cannot be run: No such file or directory (install the cloud's tools)"
    )


async def test_a_certificate_is_a_credential(tmp_path: Path, authority: Authority) -> None:
    """Data in the kubeconfig and files that flags name are the same; no key is left behind."""
    certificate, key = authority.caller()
    (tmp_path / "me.crt").write_bytes(certificate)
    (tmp_path / "me.key").write_bytes(key)
    user = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(key).decode(),
    }
    seen: list[bool] = []

    async def look(request: web.Request) -> None:
        assert request.transport is not None
        seen.append(bool(request.transport.get_extra_info("peercert")))

    async with server_of(filled(1), tls=authority.serving(), interceptor=look) as server:
        named = ClusterFlags(
            server=server.url,
            certificate_authority=authority.file,
            client_certificate=tmp_path / "me.crt",
            client_key=tmp_path / "me.key",
        )
        for flags in (named, config(tmp_path, server, authority, user), config(tmp_path, server, authority, user)):
            async with open_cluster(flags) as cluster:
                await list_leases(cluster)
    assert seen == [True, True, True]


async def test_what_cannot_be_used_is_named(tmp_path: Path, authority: Authority) -> None:
    """The line names the file, says what is wrong with it, and the flag by which another one is named."""
    certificate, key = authority.caller()
    encrypted = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"password"),
    )
    files = {"me.crt": certificate, "me.key": key, "locked.key": encrypted, "other.key": authority.caller()[1]}
    for name, data in {**files, "nonsense": b"nonsense"}.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "empty").touch()

    async def opened(**given: str) -> str:
        paths: dict[str, Any] = {name: tmp_path / file for name, file in given.items()}
        return (await refusal_to_open(ClusterFlags(server="https://a", **paths))).replace(f"{tmp_path}/", "")

    authorities = "is not a list of certificates (PEM); name another with --certificate-authority"
    pair = "is not a certificate (PEM) whose key is beside it, unencrypted; name another with --client-certificate"
    assert await opened(certificate_authority="nonsense") == f"nonsense: {authorities}"
    assert await opened(certificate_authority="empty") == f"empty: {authorities}"
    assert "File does not exist: absent" in await opened(certificate_authority="absent")
    assert await opened(client_certificate="nonsense", client_key="me.key") == f"nonsense: {pair} and --client-key"
    assert await opened(client_certificate="me.crt", client_key="other.key") == f"me.crt: {pair} and --client-key"
    assert await opened(client_certificate="me.crt", client_key="locked.key") == f"me.crt: {pair} and --client-key"
    assert await opened(client_certificate="me.crt") == f"me.crt: {pair} and --client-key"
    assert "File does not exist: absent" in await opened(client_certificate="me.crt", client_key="absent")


@pytest.mark.parametrize(
    ("user", "cluster", "said"),
    [
        ({}, {"certificate_authority_data": "***"}, "certificate-authority-data: is not a list of certificates"),
        ({}, {"certificate_authority_data": "A"}, "a certificate or key is not base64"),
        ({"client-certificate-data": "QQ==", "client-key-data": "QQ=="}, {}, "client-certificate-data: is not a"),
        ({"tokenFile": "absent"}, {}, "absent: cannot be read: No such file or directory"),
        ({"tokenFile": "blank"}, {}, "blank: holds no token"),
        ({"tokenFile": "bytes"}, {}, "bytes: holds no token"),
        ({"token": "a\x1bb"}, {}, "the value for Authorization holds control characters"),
        ({"as": "a\nImpersonate-Group: system:masters"}, {}, "the value for Impersonate-User holds control"),
    ],
)
async def test_what_a_kubeconfig_holds_wrongly(
    tmp_path: Path, user: dict[str, str], cluster: dict[str, str], said: str
) -> None:
    """It is told before anything is asked; no value can become another header."""
    (tmp_path / "blank").write_text(" \n")
    (tmp_path / "bytes").write_bytes(b"\xff")
    path = write_kubeconfig(tmp_path, kubeconfig(user=user, **cluster))
    assert said in await refusal_to_open(ClusterFlags(kubeconfig=path))


def test_a_file_that_may_not_be_read_is_told_as_such() -> None:
    """It is not taken for one that holds the wrong thing."""
    error = _unusable("/keys/me.key\n", PermissionError(13, "Permission denied"), "is nonsense", "--client-key")
    assert str(error) == "/keys/me.key: cannot be read: Permission denied; name another with --client-key"


def test_only_a_cluster_costs_the_official_client() -> None:
    """Commands that ask no cluster do not load it, though they may load all that could."""
    loaded = "import sys, webhook.settings, webhook.cli.cluster_options; print('kubernetes' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_one_acts_for_somebody_else(tmp_path: Path, authority: Authority) -> None:
    """The headers are those of the API, the keys of attributes encoded; who really asks stays who they are."""
    async with server_of(filled(1), tls=authority.serving()) as server:
        flags = ClusterFlags(
            server=server.url,
            certificate_authority=authority.file,
            token="t",
            as_user="ann",
            as_uid="1",
            as_groups=("a",),
            as_user_extra=(("example.com/k%: x", "v"),),
        )
        async with open_cluster(flags) as cluster:
            await list_leases(cluster)
        [headers] = [request.headers for request in server.requests]
    assert headers["Authorization"] == "Bearer t"
    assert {name: value for name, value in headers.items() if name.startswith("Impersonate-")} == {
        "Impersonate-User": "ann",
        "Impersonate-Uid": "1",
        "Impersonate-Group": "a",
        "Impersonate-Extra-example.com%2Fk%25%3A%20x": "v",
    }


async def test_a_server_has_to_be_who_it_says(tmp_path: Path, authority: Authority) -> None:
    """Another authority, or another name, and nothing is sent; a name for TLS is what is expected instead."""
    async with server_of(filled(1), tls=authority.serving("inner.example"), tokens={"t"}) as server:
        other = tmp_path / "other"
        other.mkdir()
        stranger = ClusterFlags(server=server.url, token="t", certificate_authority=Authority(other).file)
        unnamed = ClusterFlags(server=server.url, token="t", certificate_authority=authority.file)
        for flags in (stranger, unnamed):
            async with open_cluster(flags) as cluster:
                trouble = await refused(list_leases(cluster), ClusterTroubleKind.UNREACHABLE)
            assert "its certificate is not accepted" in trouble.detail
        assert server.requests == []
        named = ClusterFlags(
            server=server.url, token="t", certificate_authority=authority.file, tls_server_name="inner.example"
        )
        async with open_cluster(named) as cluster:
            assert await list_leases(cluster) == 1
        unverified = ClusterFlags(server=server.url, token="t", insecure_skip_tls_verify=True)
        async with open_cluster(unverified) as cluster:
            assert await list_leases(cluster) == 1


async def test_a_pod_says_who_it_is(tmp_path: Path, authority: Authority) -> None:
    """The mounted token and authority serve where there is no kubeconfig."""
    (tmp_path / "token").write_text("mounted")
    async with server_of(filled(1), tls=authority.serving(), tokens={"mounted"}) as server:
        port = server.url.rpartition(":")[2]
        environment = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": port}
        async with open_cluster(ClusterFlags(), environment, service_account=tmp_path, recorder=Recorder()) as cluster:
            assert await list_leases(cluster) == 1
