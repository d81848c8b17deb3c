"""What the official Kubernetes client does for us: exec plugins, and the keys and tokens of one user of a kubeconfig.

Importing it costs 25 MB and 0.2 s besides what a command has loaded anyway, so this module is imported by whoever needs
it when it is needed. Its own reading of kubeconfigs is not used: of several files it takes the last `current-context`
where kubectl takes the first, and it goes on without credentials if a plugin fails. Nor are its connections: they
block, and they follow redirects.
"""

from __future__ import annotations

import ssl
import tempfile
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from kubernetes.client import Configuration
from kubernetes.config.config_exception import ConfigException
from kubernetes.config.exec_provider import ExecProvider
from kubernetes.config.kube_config import ConfigNode, KubeConfigLoader

from webhook.adapters.cluster.kubeconfig import ClusterEntry, ExecEntry, UserEntry
from webhook.core.errors import ParseError
from webhook.core.reading.instants import parse_instant
from webhook.core.reading.plain_text import printable

__all__ = ["Loaded", "PluginCredential", "load", "run_plugin"]

MAX_SHOWN = 300
NAME = "chosen"
ONE_CONTEXT = {"current-context": NAME, "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": NAME}}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginCredential:
    """What an exec plugin handed out: a token, or certificate and key (PEM), or all; empty if it did not."""

    token: str = field(repr=False)
    certificate: str = field(repr=False)
    key: str = field(repr=False)
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """How a request proves who sends it. `authorization` is a whole header, empty if there is none."""

    authorization: str = field(repr=False)
    tls: ssl.SSLContext


class _Status(msgspec.Struct, frozen=True, rename="camel"):
    """The `status` of an ExecCredential."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str | None = None


def run_plugin(plugin: ExecEntry, cluster: ClusterEntry, environment: Mapping[str, str]) -> PluginCredential:
    """Run an exec plugin and return what it hands out. Blocks for as long as the plugin takes: a person may log in.

    The plugin's standard error is the terminal's where there is one. Raises ParseError, with what the plugin said.
    Source: Kubernetes, "client-go credential plugins".
    """
    shown = f"the exec plugin `{printable(plugin.command)}`"
    provider = ExecProvider(  # type: ignore[no-untyped-call]
        ConfigNode("exec", msgspec.to_builtins(plugin)),  # type: ignore[no-untyped-call]
        None,
        ConfigNode("cluster", msgspec.to_builtins(cluster)),  # type: ignore[no-untyped-call]
    )
    provider.env = {**environment, **{variable.name: variable.value for variable in plugin.env or ()}}
    try:
        status = msgspec.convert(provider.run(), type=_Status)  # type: ignore[no-untyped-call]
        expires_at = parse_instant(status.expiration_timestamp) if status.expiration_timestamp else None
    except OSError as error:
        why = f"cannot be run: {error.strerror}"
        hint = f" ({printable(plugin.install_hint, MAX_SHOWN)})" if plugin.install_hint else ""
        raise ParseError("", f"{shown} {why}{hint}") from None
    except ConfigException as error:
        raise ParseError("", f"{shown} failed: {printable(str(error), MAX_SHOWN)}") from None
    except (msgspec.ValidationError, ParseError):
        # What it wrote may hold a secret, so nobody's words about it are shown.
        raise ParseError("", f"{shown} wrote no ExecCredential") from None
    if not (status.token or (status.client_certificate_data and status.client_key_data)):
        raise ParseError("", f"{shown} wrote neither a token nor a certificate with its key")
    return PluginCredential(
        token=status.token,
        certificate=status.client_certificate_data,
        key=status.client_key_data,
        expires_at=expires_at,
    )


def load(cluster: ClusterEntry, user: UserEntry) -> Loaded:
    """Make a header and TLS settings of the entries of a kubeconfig, whose paths are absolute.

    Keys that a kubeconfig holds as data lie in a file of a folder of their own while they are read: the TLS library
    takes nothing else. Without any, as in a pod, nothing is written, so that a full disk is no obstacle. Raises
    ParseError, which names the file that cannot be used.
    """
    entries = {
        **ONE_CONTEXT,
        "clusters": [{"name": NAME, "cluster": msgspec.to_builtins(cluster)}],
        "users": [{"name": NAME, "user": msgspec.to_builtins(user)}],
    }
    configuration = Configuration()
    data = (cluster.certificate_authority_data, user.client_certificate_data, user.client_key_data)
    with tempfile.TemporaryDirectory(prefix="dhi-gate-") if any(data) else nullcontext("") as folder:
        try:
            loader = KubeConfigLoader(entries, config_base_path="", temp_file_path=folder)  # type: ignore[no-untyped-call]
            loader.load_and_set(configuration)  # type: ignore[no-untyped-call]
        except ConfigException as error:
            raise ParseError("", f"the kubeconfig: {printable(str(error), MAX_SHOWN)}") from None
        except ValueError:
            raise ParseError("", "the kubeconfig: a certificate or key is not base64") from None
        return Loaded(
            authorization=configuration.api_key.get("BearerToken", ""), tls=_tls(configuration, cluster, user)
        )


def _tls(configuration: Configuration, cluster: ClusterEntry, user: UserEntry) -> ssl.SSLContext:
    authority, certificate = configuration.ssl_ca_cert, configuration.cert_file
    shown = cluster.certificate_authority or "certificate-authority-data"
    try:
        context = ssl.create_default_context(cafile=authority)
    except OSError as error:  # also what TLS itself cannot read
        raise _unusable(shown, error, "is not a list of certificates (PEM)", "--certificate-authority") from None
    # Newer releases of Python ask for more than many clusters' own authorities have, and than kubectl asks for.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is None:
        return context
    shown = user.client_certificate or "client-certificate-data"
    try:
        context.load_cert_chain(certificate, configuration.key_file, password=_no_password)
    except OSError as error:
        why = "is not a certificate (PEM) whose key is beside it, unencrypted"
        raise _unusable(shown, error, why, "--client-certificate and --client-key") from None
    return context


def _unusable(shown: str, error: OSError, why: str, flag: str) -> ParseError:
    if not isinstance(error, ssl.SSLError):
        why = f"cannot be read: {error.strerror}"
    return ParseError(printable(shown, MAX_SHOWN), f"{why}; name another with {flag}")


def _no_password() -> str:
    """Know no password, rather than ask for one in the middle of a run; what is encrypted then cannot be read."""
    return ""
