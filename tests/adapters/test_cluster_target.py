"""Which API server is asked, and as whom: kubeconfigs, flags over them, and the pod's own account."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.given_cluster import kubeconfig, write_kubeconfig
from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.target import Target, find_target
from webhook.core.errors import DocumentError

NOWHERE = Path("/not-there")


def target_of(
    folder: Path, document: object, flags: ClusterFlags | None = None, *, environment: Mapping[str, str] | None = None
) -> Target:
    """Return what a kubeconfig and flags lead to."""
    path = write_kubeconfig(folder, document)
    return find_target(
        flags or ClusterFlags(), {"KUBECONFIG": str(path), **(environment or {})}, service_account=NOWHERE
    )


def refusal(
    flags: ClusterFlags, environment: Mapping[str, str] | None = None, *, service_account: Path = NOWHERE
) -> str:
    """Return why nothing can be asked, in one line."""
    with pytest.raises(DocumentError) as caught:
        find_target(flags, environment or {}, service_account=service_account)
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_of_several_files_the_first_word_counts(tmp_path: Path) -> None:
    """Names and the current context are those of the first file that has them; a file that is not there is no error."""
    first = write_kubeconfig(
        tmp_path,
        {"clusters": [{"name": "c", "cluster": {"server": "https://first.example"}}], "users": None, "contexts": None},
        "first",
    )
    second = write_kubeconfig(tmp_path, kubeconfig(server="https://second.example", namespace="shop"), "second")
    third = write_kubeconfig(tmp_path, {"current-context": "other", "contexts": [{"name": "other"}]}, "third")
    listed = os.pathsep.join(str(path) for path in (first, tmp_path / "absent", second, third))
    target = find_target(ClusterFlags(), {"KUBECONFIG": listed, "HOME": "/not-there"}, service_account=NOWHERE)
    assert (str(target.server), target.namespace) == ("https://first.example", "shop")


def test_of_two_entries_of_one_name_the_first_counts(tmp_path: Path) -> None:
    """The same holds within a file."""
    document = kubeconfig(server="https://first.example")
    document["clusters"].append({"name": "c", "cluster": {"server": "https://second.example"}})
    assert str(target_of(tmp_path, document).server) == "https://first.example"


def test_a_named_file_counts_alone(tmp_path: Path) -> None:
    """`--kubeconfig` wins over KUBECONFIG, and over the file in the home directory."""
    (tmp_path / ".kube").mkdir()
    write_kubeconfig(tmp_path / ".kube", kubeconfig(server="https://home.example"))
    listed = write_kubeconfig(tmp_path, kubeconfig(server="https://listed.example"), "listed")
    named = write_kubeconfig(tmp_path, kubeconfig(server="https://named.example"), "named")
    home = {"HOME": str(tmp_path)}
    seen = [
        find_target(flags, environment, service_account=NOWHERE).server.host
        for flags, environment in (
            (ClusterFlags(), home),
            (ClusterFlags(), {**home, "KUBECONFIG": str(listed)}),
            (ClusterFlags(kubeconfig=named), {**home, "KUBECONFIG": str(listed)}),
        )
    ]
    assert seen == ["home.example", "listed.example", "named.example"]


def test_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    """Certificates, token files and plugins lie beside the file that names them, wherever the command runs."""
    user = {
        "client-certificate": "me.crt",
        "client-key": "/keys/me.key",
        "tokenFile": "token",
        "exec": {"command": "bin/login", "apiVersion": "v1", "args": None, "env": None},
    }
    target = target_of(tmp_path, kubeconfig(user=user, certificate_authority="ca.crt"))
    assert target.cluster.certificate_authority == str(tmp_path / "ca.crt")
    assert target.user.client_certificate == str(tmp_path / "me.crt")
    assert target.user.client_key == "/keys/me.key"
    assert target.user.token_file == str(tmp_path / "token")
    assert target.user.exec is not None
    assert target.user.exec.command == str(tmp_path / "bin" / "login")


def test_a_plugin_without_a_path_is_looked_for(tmp_path: Path) -> None:
    """A plain name stays one, for PATH to say where it lies."""
    target = target_of(tmp_path, kubeconfig(user={"exec": {"command": "login", "apiVersion": "v1"}}))
    assert target.user.exec is not None
    assert target.user.exec.command == "login"


def test_flags_choose_among_what_is_there(tmp_path: Path) -> None:
    """Context, cluster and user are named one by one."""
    document = kubeconfig(user={"token": "one"}, namespace="shop")
    document["clusters"].append({"name": "c2", "cluster": {"server": "https://two.example/"}})
    document["users"].append({"name": "u2", "user": {"token": "two"}})
    document["contexts"].append({"name": "x2", "context": {"cluster": "c2", "user": "u"}})
    other = target_of(tmp_path, document, ClusterFlags(context="x2", user="u2"))
    assert (str(other.server), other.user.token, other.namespace) == ("https://two.example", "two", "default")
    same = target_of(tmp_path, document, ClusterFlags(cluster="c2"))
    assert (str(same.server), same.user.token, same.namespace) == ("https://two.example", "one", "shop")
    del document["current-context"]
    without = target_of(tmp_path, document, ClusterFlags(cluster="c2"))
    assert (str(without.server), without.user.token) == ("https://two.example", "")


def test_a_token_wins_over_every_other_way_to_get_one(tmp_path: Path) -> None:
    """`--token` replaces token, file, password, plugin and provider; certificates stay."""
    user = {
        "tokenFile": "token",
        "username": "me",
        "password": "secret",
        "exec": {"command": "login", "apiVersion": "v1"},
        "auth-provider": {"name": "oidc"},
        "client-certificate": "me.crt",
    }
    given = target_of(tmp_path, kubeconfig(user=user), ClusterFlags(token="given")).user
    assert (given.token, given.token_file, given.username, given.exec, given.auth_provider) == (
        "given",
        "",
        "",
        None,
        None,
    )
    assert given.client_certificate == str(tmp_path / "me.crt")
    assert "given" not in repr(given)
    assert "given" not in repr(ClusterFlags(token="given"))


def test_certificates_of_flags_replace_data(tmp_path: Path) -> None:
    """A file that a flag names counts, and not what the kubeconfig holds as data."""
    user = {"client-certificate-data": "QQ==", "client-key-data": "QQ=="}
    document = kubeconfig(user=user, certificate_authority_data="QQ==", insecure_skip_tls_verify=True)
    flags = ClusterFlags(
        client_certificate=Path("/me.crt"), client_key=Path("/me.key"), certificate_authority=Path("/ca.crt")
    )
    target = target_of(tmp_path, document, flags)
    assert (target.user.client_certificate, target.user.client_certificate_data) == ("/me.crt", "")
    assert (target.user.client_key, target.user.client_key_data) == ("/me.key", "")
    assert (target.cluster.certificate_authority, target.cluster.certificate_authority_data) == ("/ca.crt", "")
    assert target.cluster.insecure_skip_tls_verify is False


def test_giving_up_verification_forgets_the_authority(tmp_path: Path) -> None:
    """`--insecure-skip-tls-verify` wins over the kubeconfig's authority; together with a flag's it makes no sense."""
    document = kubeconfig(certificate_authority="ca.crt", certificate_authority_data="QQ==")
    cluster = target_of(tmp_path, document, ClusterFlags(insecure_skip_tls_verify=True)).cluster
    assert (cluster.insecure_skip_tls_verify, cluster.certificate_authority) == (True, "")
    assert cluster.certificate_authority_data == ""
    both = ClusterFlags(server="https://a", insecure_skip_tls_verify=True, certificate_authority=Path("/ca.crt"))
    assert refusal(both).startswith("a certificate authority and --insecure-skip-tls-verify exclude each other")


def test_a_tls_name_belongs_to_its_server(tmp_path: Path) -> None:
    """Another server is not expected to have the name of the kubeconfig's; a flag's counts for either."""
    document = kubeconfig(tls_server_name="inner.example")
    assert target_of(tmp_path, document).cluster.tls_server_name == "inner.example"
    assert target_of(tmp_path, document, ClusterFlags(server="https://b")).cluster.tls_server_name == ""
    named = target_of(tmp_path, document, ClusterFlags(server="https://b", tls_server_name="b.example"))
    assert named.cluster.tls_server_name == "b.example"


def test_acting_for_somebody_else(tmp_path: Path) -> None:
    """Flags win over the kubeconfig, each for itself; a key of the attributes may return."""
    user = {"as": "ann", "as-uid": "1", "as-groups": ["a"], "as-user-extra": {"k": ["v"]}}
    kept = target_of(tmp_path, kubeconfig(user=user)).user
    assert (kept.as_user, kept.as_uid, kept.as_groups, kept.as_user_extra) == ("ann", "1", ("a",), {"k": ("v",)})
    flags = ClusterFlags(as_user="bob", as_groups=("b", "c"), as_user_extra=(("k", "1"), ("l", "2"), ("k", "3")))
    said = target_of(tmp_path, kubeconfig(user=user), flags).user
    assert (said.as_user, said.as_uid, said.as_groups) == ("bob", "1", ("b", "c"))
    assert said.as_user_extra == {"k": ("1", "3"), "l": ("2",)}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("https://api.example:6443", "https://api.example:6443"),
        ("https://rancher.example/k8s/clusters/c-1/", "https://rancher.example/k8s/clusters/c-1"),
        ("api.example:6443", "https://api.example:6443"),
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001"),
        ("https://[::1]:6443", "https://[::1]:6443"),
    ],
)
def test_servers(tmp_path: Path, written: str, meant: str) -> None:
    """What names no scheme is asked over TLS, and a path stays; the client that reads keys sees the same URL."""
    target = target_of(tmp_path, kubeconfig(server=written))
    assert (str(target.server), target.cluster.server) == (meant, meant)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "the kubeconfig names no server"),
        ("ftp://api.example", "is not the URL of an API server"),
        ("https://", "is not the URL of an API server"),
        ("https://api.example:port", "is not the URL of an API server"),
        ("https://api.example?watch=1", "is not the URL of an API server"),
        ("https://api.example#x", "is not the URL of an API server"),
        ("https://me:secret@api.example", "holds a user name"),
        ("https://api.example\n\x1b[2J?", "is not the URL of an API server"),
    ],
)
def test_what_is_no_server(tmp_path: Path, written: str, said: str) -> None:
    """It is refused with what to say instead, and without a password."""
    path = write_kubeconfig(tmp_path, kubeconfig(server=written))
    text = refusal(ClusterFlags(kubeconfig=path))
    assert said in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (ClusterFlags(context="prod"), "no context `prod`: choose one with --context (x, y)"),
        (ClusterFlags(cluster="prod"), "no cluster `prod`: choose one with --cluster (c)"),
        (ClusterFlags(user="\x1b[31mann"), "no user `?[31mann`: choose one with --user (u)"),
        (ClusterFlags(context="y"), "no cluster `gone`"),
        (ClusterFlags(as_uid="1"), "need a user: add --as"),
        (ClusterFlags(as_groups=("a",)), "need a user: add --as"),
        (ClusterFlags(as_user_extra=(("k", "v"),)), "need a user: add --as"),
        (ClusterFlags(server="http://a", token="secret-token"), "not sent to a server without TLS"),
        (ClusterFlags(server="http://a", as_user="ann"), "not sent to a server without TLS"),
    ],
)
def test_what_a_kubeconfig_does_not_have(tmp_path: Path, flags: ClusterFlags, said: str) -> None:
    """A name that is not there is told with those that are, and what cannot be done with what to do."""
    document = kubeconfig()
    document["contexts"].append({"name": "y", "context": {"cluster": "gone"}})
    path = write_kubeconfig(tmp_path, document)
    text = refusal(flags, {"KUBECONFIG": str(path)})
    assert said in text
    assert "secret-token" not in text


def test_a_provider_of_old_is_refused(tmp_path: Path) -> None:
    """It would be asked by code that verifies nobody; the line says what to use instead."""
    path = write_kubeconfig(tmp_path, kubeconfig(user={"auth-provider": {"name": "oidc", "config": {"id-token": "s"}}}))
    assert "auth-provider `oidc` is not supported: use an exec plugin" in refusal(ClusterFlags(kubeconfig=path))


def test_no_context_is_chosen(tmp_path: Path) -> None:
    """The line lists what there is to choose from."""
    document = kubeconfig()
    del document["current-context"]
    path = write_kubeconfig(tmp_path, document)
    assert refusal(ClusterFlags(kubeconfig=path)).endswith("choose one with --context (x)")
    empty = write_kubeconfig(tmp_path, {}, "empty")
    assert refusal(ClusterFlags(kubeconfig=empty)).endswith("choose one with --context (there is none)")
    (tmp_path / "blank").write_text("")
    assert refusal(ClusterFlags(kubeconfig=tmp_path / "blank")).endswith("is empty")


def test_neither_kubeconfig_nor_pod() -> None:
    """The line says how to name one; the name of a context is not ignored for want of a kubeconfig."""
    for environment in ({}, {"KUBECONFIG": "/not-there"}, {"HOME": "/not-there"}):
        assert refusal(ClusterFlags(), environment).endswith("name one with --kubeconfig or KUBECONFIG")
    assert "no context `prod`" in refusal(ClusterFlags(context="prod"))


def test_a_named_file_has_to_be_there(tmp_path: Path) -> None:
    """Unlike those that KUBECONFIG lists."""
    path = tmp_path / "absent"
    assert refusal(ClusterFlags(kubeconfig=path)) == f"{path}: cannot be read: No such file or directory"


def test_a_place_where_nobody_may_look() -> None:
    """A file that was named is an error there; a home directory that cannot be looked into has no kubeconfig."""
    nobody_knows = "/" + "x" * 300
    assert "cannot be read: File name too long" in refusal(ClusterFlags(), {"KUBECONFIG": nobody_knows})
    assert "no kubeconfig is found" in refusal(ClusterFlags(), {"HOME": nobody_knows})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("users: [{name: u, user: {token: 4711}}]", "users[0].user.token: expected string, found number"),
        ("users: [{name: u, user: {token: [secret]}}]", "users[0].user.token: expected string, found array"),
        ("clusters: {a: b}", "clusters: expected array, found object"),
        ("users: [{user: {}}]", "users[0].name: is missing"),
        ("a: 1\na: 2", "stands twice"),
        ("a:\n\t- secret", "line 2"),
        ("[]", "expected object, found array"),
    ],
)
def test_what_is_no_kubeconfig(tmp_path: Path, text: str, said: str) -> None:
    """The line names file and place, and shows nothing that stands there."""
    path = tmp_path / "config"
    path.write_text(text)
    found = refusal(ClusterFlags(kubeconfig=path))
    assert found.startswith(str(path))
    assert said in found
    assert "secret" not in found
    assert "4711" not in found


def in_pod(folder: Path, **files: str) -> dict[str, Any]:
    """Write the files of a service account and return the variables that a pod has."""
    for name, text in files.items():
        (folder / name).write_text(text)
    return {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}


def test_a_pod_asks_its_own_cluster(tmp_path: Path) -> None:
    """Address, authority, token and namespace are those that are mounted; flags add to them."""
    environment = in_pod(tmp_path, token="t", namespace="shop\n")
    target = find_target(ClusterFlags(as_user="ann"), environment, service_account=tmp_path)
    assert (str(target.server), target.namespace) == ("https://10.0.0.1:6443", "shop")
    assert target.cluster.certificate_authority == str(tmp_path / "ca.crt")
    assert (target.user.token_file, target.user.as_user) == (str(tmp_path / "token"), "ann")
    said = find_target(ClusterFlags(), {**environment, "POD_NAMESPACE": "garage"}, service_account=tmp_path)
    assert said.namespace == "garage"


def test_a_pod_of_another_kind(tmp_path: Path) -> None:
    """An address of IPv6, the usual port, and an account that does not say its namespace."""
    in_pod(tmp_path, token="t")
    target = find_target(ClusterFlags(), {"KUBERNETES_SERVICE_HOST": "fd00::1"}, service_account=tmp_path)
    assert (str(target.server), target.namespace) == ("https://[fd00::1]", "default")
    (tmp_path / "namespace").write_bytes(b"\xff")
    assert find_target(ClusterFlags(), in_pod(tmp_path), service_account=tmp_path).namespace == "default"


def test_a_kubeconfig_wins_over_the_pod(tmp_path: Path) -> None:
    """Whoever names a server or a file does not mean the pod's account, whose token goes nowhere else."""
    environment = in_pod(tmp_path, token="t")
    path = write_kubeconfig(tmp_path, kubeconfig())
    named = find_target(ClusterFlags(kubeconfig=path), environment, service_account=tmp_path)
    assert (str(named.server), named.user.token_file) == ("https://api.example", "")
    other = find_target(ClusterFlags(server="https://other.example"), environment, service_account=tmp_path)
    assert (str(other.server), other.user.token_file) == ("https://other.example", "")


def test_a_pod_without_a_token(tmp_path: Path) -> None:
    """A pod that mounts no account has no way to say who it is."""
    environment = in_pod(tmp_path)
    assert "no kubeconfig is found" in refusal(ClusterFlags(), environment, service_account=tmp_path)


def test_json_is_read_too(tmp_path: Path) -> None:
    """What kubectl accepts as YAML includes JSON with a context that holds nothing."""
    path = tmp_path / "config"
    document = {"current-context": "x", "contexts": [{"name": "x", "context": None}]}
    path.write_text(json.dumps(document))
    assert "names no server" in refusal(ClusterFlags(kubeconfig=path))
