"""Which API server is asked, and as whom: the kubeconfig, what the flags put in its place, or the pod's own account.

Source: client-go `tools/clientcmd`, "ClientConfig" and "inClusterClientConfig". Where kubectl is lenient without use
this is not: there is no server that is asked if nobody names one, and none that is named without a scheme is plain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from yarl import URL

from webhook.adapters.cluster.flags import ClusterFlags
from webhook.adapters.cluster.kubeconfig import (
    ClusterEntry,
    ContextEntry,
    Kubeconfig,
    UserEntry,
    find_kubeconfigs,
    read_kubeconfigs,
)
from webhook.core.errors import DocumentError, ParseError
from webhook.core.reading.plain_text import listing, printable

__all__ = ["SERVICE_ACCOUNT", "Target", "find_target"]

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where a pod finds the token of its service account, its namespace, and the authorities of the API server."""

DEFAULT_NAMESPACE = "default"
SCHEMES = frozenset({"http", "https"})

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One API server and one caller. `server` has no query and no trailing slash; `namespace` is the default one."""

    server: URL
    namespace: str
    cluster: ClusterEntry
    user: UserEntry = field(repr=False)


def find_target(
    flags: ClusterFlags, environment: Mapping[str, str], *, service_account: Path = SERVICE_ACCOUNT
) -> Target:
    """Return what is to be asked. Raises DocumentError, with what to do, if that cannot be known or makes no sense."""
    kubeconfigs = find_kubeconfigs(flags.kubeconfig, environment)
    if kubeconfigs or flags.server or flags.context or flags.cluster or flags.user:
        context, cluster, user = _from_kubeconfig(read_kubeconfigs(kubeconfigs), flags)
        namespace = context.namespace or DEFAULT_NAMESPACE
    elif environment.get("KUBERNETES_SERVICE_HOST") and (service_account / "token").exists():
        cluster, user = _in_cluster(environment, service_account)
        namespace = environment.get("POD_NAMESPACE") or _read_namespace(service_account)
    else:
        raise _refused("", "no kubeconfig is found and this is no pod: name one with --kubeconfig or KUBECONFIG")
    cluster, user = _overridden_cluster(cluster, flags), _overridden_user(user, flags)
    server = _parse_server(cluster.server)
    _check(server, cluster, user, flags)
    cluster = msgspec.structs.replace(cluster, server=str(server))
    return Target(server=server, namespace=namespace, cluster=cluster, user=user)


def _from_kubeconfig(kubeconfig: Kubeconfig, flags: ClusterFlags) -> tuple[ContextEntry, ClusterEntry, UserEntry]:
    name = flags.context or kubeconfig.current_context
    if name:
        context = _named(kubeconfig.contexts, name, what="context", how="--context")
    elif flags.server or flags.cluster:
        context = ContextEntry()
    else:
        known = listing(tuple(sorted(kubeconfig.contexts))) or "there is none"
        raise _refused("", f"the kubeconfig has no current context: choose one with --context ({known})")
    cluster_name, user_name = flags.cluster or context.cluster, flags.user or context.user
    cluster, user = ClusterEntry(), UserEntry()
    if cluster_name:
        cluster = _named(kubeconfig.clusters, cluster_name, what="cluster", how="--cluster")
    if user_name:
        user = _named(kubeconfig.users, user_name, what="user", how="--user")
    return context, cluster, user


def _named(entries: Mapping[str, _Entry], name: str, *, what: str, how: str) -> _Entry:
    if name not in entries:
        known = listing(tuple(sorted(entries))) or "there is none"
        raise _refused("", f"the kubeconfig has no {what} `{printable(name)}`: choose one with {how} ({known})")
    return entries[name]


def _in_cluster(environment: Mapping[str, str], service_account: Path) -> tuple[ClusterEntry, UserEntry]:
    host = environment["KUBERNETES_SERVICE_HOST"]
    port = environment.get("KUBERNETES_SERVICE_PORT") or "443"
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    return (
        ClusterEntry(server=server, certificate_authority=str(service_account / "ca.crt")),
        UserEntry(token_file=str(service_account / "token")),
    )


def _read_namespace(service_account: Path) -> str:
    """Return the pod's namespace, `default` if the account does not say."""
    try:
        return (service_account / "namespace").read_text(encoding="ascii").strip() or DEFAULT_NAMESPACE
    except (OSError, ValueError):
        return DEFAULT_NAMESPACE


def _overridden_cluster(entry: ClusterEntry, flags: ClusterFlags) -> ClusterEntry:
    """Put the flags in place. Verifying and not verifying exclude each other, so the one that a flag says wins.

    A name for TLS that the kubeconfig has belongs to the server there, not to the one of a flag.
    """
    if flags.server:
        entry = msgspec.structs.replace(entry, server=flags.server, tls_server_name="")
    if flags.tls_server_name:
        entry = msgspec.structs.replace(entry, tls_server_name=flags.tls_server_name)
    if flags.certificate_authority is not None:
        authority = str(flags.certificate_authority)
        entry = msgspec.structs.replace(
            entry, certificate_authority=authority, certificate_authority_data="", insecure_skip_tls_verify=False
        )
    if flags.insecure_skip_tls_verify:
        said = "" if flags.certificate_authority is None else entry.certificate_authority
        entry = msgspec.structs.replace(
            entry, certificate_authority=said, certificate_authority_data="", insecure_skip_tls_verify=True
        )
    return entry


def _overridden_user(entry: UserEntry, flags: ClusterFlags) -> UserEntry:
    """Put the flags in place; a token wins over every other way to get one."""
    if flags.token:
        entry = msgspec.structs.replace(
            entry, token=flags.token, token_file="", username="", password="", exec=None, auth_provider=None
        )
    if flags.client_certificate is not None:
        certificate = str(flags.client_certificate)
        entry = msgspec.structs.replace(entry, client_certificate=certificate, client_certificate_data="")
    if flags.client_key is not None:
        entry = msgspec.structs.replace(entry, client_key=str(flags.client_key), client_key_data="")
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in flags.as_user_extra:
        extra[key] = (*extra.get(key, ()), value)
    return msgspec.structs.replace(
        entry,
        as_user=flags.as_user or entry.as_user,
        as_uid=flags.as_uid or entry.as_uid,
        as_groups=flags.as_groups or entry.as_groups,
        as_user_extra=extra or entry.as_user_extra,
    )


def _check(server: URL, cluster: ClusterEntry, user: UserEntry, flags: ClusterFlags) -> None:
    """Refuse what contradicts itself or what cannot be done.

    Without TLS nothing is sent that says who the caller is, as kubectl has it; who asked for just that is told.
    """
    if server.scheme == "http" and (flags.token or user.as_user):
        raise _refused("", "--token and --as are not sent to a server without TLS: say https:// in --server")
    if cluster.insecure_skip_tls_verify and (cluster.certificate_authority or cluster.certificate_authority_data):
        raise _refused("", "a certificate authority and --insecure-skip-tls-verify exclude each other: drop one")
    if not user.as_user and (user.as_uid or user.as_groups or user.as_user_extra):
        raise _refused("", "--as-uid, --as-group and --as-user-extra need a user: add --as")
    if user.auth_provider is not None and not user.token:
        name = printable(str(user.auth_provider.get("name", "")))
        raise _refused("", f"the kubeconfig's auth-provider `{name}` is not supported: use an exec plugin or --token")


def _parse_server(text: str) -> URL:
    if not text:
        raise _refused("", "the kubeconfig names no server: say --server https://HOST:PORT")
    try:
        server = URL(text if "://" in text else f"https://{text}")
    except ValueError:
        server = URL()
    if server.scheme not in SCHEMES or not server.raw_host or server.raw_query_string or server.raw_fragment:
        raise _refused("", f"`{printable(text)}` is not the URL of an API server: say --server https://HOST:PORT")
    if server.raw_user is not None or server.raw_password is not None:
        raise _refused("", "the server's URL holds a user name: say --user or --token instead")
    return server.with_path(server.raw_path.rstrip("/"), encoded=True)


def _refused(path: str, message: str) -> DocumentError:
    return DocumentError((ParseError(path, message),))
