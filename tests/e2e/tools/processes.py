"""Start and stop the real programs of the end-to-end tests on loopback.

Every function here is a context manager: it starts one program (`cluster`: three) on a free port, waits until it
answers, yields how to reach it, and ends it on the way out. Only processes started here are ever ended. What a program
writes to disk, its log included, goes below the `folder` it is given, which the caller owns and removes; pytest's
`tmp_path` and `tmp_path_factory.mktemp(…)` fit.

    @pytest.fixture(scope="session")
    def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
        with processes.cluster(tmp_path_factory.mktemp("cluster"), users={"alice": ["developers"]}) as api:
            yield api

    def test_nobody_else_may_look(api: ApiServer) -> None:
        assert "default" in api.kubectl("get", "namespaces").stdout
        assert "forbidden" in api.kubectl("get", "namespaces", user="alice", check=False).stderr

A program that ends early, or does not answer in time, is a `ProcessFailedError` that shows the end of its log.
"""

import ctypes
import functools
import http.client
import json
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.e2e.tools import toolchain

T = TypeVar("T")

LOOPBACK = "127.0.0.1"
ADMIN = "admin"  # the user who may do everything; always there

# Enough for every kind of workload to reach its Pods, for namespaces to come and go, and for the roles `view`, `edit`
# and `admin` to have content. The others need nodes, a cloud or a network that is not here.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "cronjob-controller",
    "daemonset-controller",
    "deployment-controller",
    "garbage-collector-controller",
    "job-controller",
    "namespace-controller",
    "replicaset-controller",
    "replicationcontroller-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "statefulset-controller",
)

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 10.0
_POLL_INTERVAL_S = 0.05
_LOG_LINES_SHOWN = 25


class ProcessFailedError(RuntimeError):
    """A program ended early, did not answer in time, or refused what it was asked; the message has its own words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServer:
    """A running API server and how to reach it as each of its users."""

    url: str  # https://127.0.0.1:PORT, which is also the issuer of its service account tokens
    ca_file: Path  # PEM; what to trust when connecting to `url`
    service_account_key: Path  # PEM; the private key that signs service account tokens
    tokens: Mapping[str, str]  # bearer token by user name, `ADMIN` among them
    folder: Path

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """Return a kubeconfig file of `user`, one of the names in `tokens`."""
        path = self.folder / "kubeconfigs" / f"{list(self.tokens).index(user)}.json"
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(self._kubeconfig_document(user), indent=2), encoding="utf-8")
        return path

    def _kubeconfig_document(self, user: str) -> object:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [
                {"name": "e2e", "cluster": {"server": self.url, "certificate-authority": str(self.ca_file)}},
            ],
            "users": [{"name": user, "user": {"token": self.tokens[user]}}],
            "contexts": [{"name": user, "context": {"cluster": "e2e", "user": user}}],
            "current-context": user,
        }

    def kubectl(
        self, *arguments: str, user: str = ADMIN, stdin: str = "", check: bool = True, timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run `kubectl ARGUMENTS…` as `user` and return what it printed and its exit status.

        Errors: `ProcessFailedError` with its standard error if it fails, unless `check` is false;
        `subprocess.TimeoutExpired` after `timeout_s` seconds.
        """
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig(user)),
            # The usual place is shared by all clusters and keyed by address, and addresses come round again here.
            "KUBECACHEDIR": str(self.folder / "kubectl-cache"),
        }
        done = subprocess.run(
            [_kubectl(), *arguments],
            env=environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if check and done.returncode != 0:
            raise ProcessFailedError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done

    def apply(self, *objects: Mapping[str, object], user: str = ADMIN) -> None:
        """Apply `objects`, each a manifest; errors are those of `kubectl`."""
        document = {"apiVersion": "v1", "kind": "List", "items": objects}
        self.kubectl("apply", "-f", "-", user=user, stdin=json.dumps(document))

    def create_namespace(self, name: str, *, labels: Mapping[str, str] | None = None) -> None:
        """Create a namespace and wait until the controllers have made it ready for Pods."""
        metadata = {"name": name, "labels": dict(labels or {})}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        self.wait_for_service_account(name)

    def add_node(self, name: str) -> None:
        """Add a node, which nothing stands behind, so that DaemonSets get Pods; they stay `Pending` as all others."""
        self.apply({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})
        self.kubectl("taint", "nodes", name, "node.kubernetes.io/not-ready-")

    def wait_for_service_account(self, namespace: str) -> None:
        """Wait for the `default` ServiceAccount, without which no Pod is admitted to `namespace`."""
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        wait_until(lambda: self.get(path)[0] == http.client.OK, f"the service account of namespace {namespace}")

    def get(self, path: str, *, user: str = ADMIN) -> tuple[int, bytes]:
        """Return status and body of `GET path` as `user`, for what kubectl would cache, wrap or slow down.

        Errors: `OSError` if the server cannot be reached.
        """
        context = ssl.create_default_context(cafile=self.ca_file)
        return _http_get(self.url + path, context, {"Authorization": f"Bearer {self.tokens[user]}"})


@functools.cache
def _kubectl() -> Path:
    return toolchain.provide("kubectl")


def wait_until(condition: Callable[[], T | None], what: str, *, timeout_s: float = 30) -> T:
    """Ask `condition` again and again until it returns something true, and return that.

    Errors: `ProcessFailedError`, which names `what` was awaited, after `timeout_s` seconds.
    """
    deadline = time.monotonic() + timeout_s
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise ProcessFailedError(f"{what}: not there after {timeout_s:.0f} s")
        time.sleep(_POLL_INTERVAL_S)
    return result


@contextmanager
def cluster(
    folder: Path, *, users: Mapping[str, Sequence[str]] | None = None, api_server_flags: Sequence[str] = ()
) -> Iterator[ApiServer]:
    """Run etcd, an API server and a controller manager: a cluster in which workloads get Pods, but no Pod a node.

    `users` are further users by name, each with its groups; they may do what RBAC objects later say. `folder` should be
    new. On the way in, Pods can be created in the namespace `default`.
    """
    with (
        etcd(folder) as etcd_url,
        kube_apiserver(folder, etcd_url=etcd_url, users=users, flags=api_server_flags) as api,
        kube_controller_manager(folder, api),
    ):
        yield api


@contextmanager
def etcd(folder: Path) -> Iterator[str]:
    """Run an empty etcd of one member and yield its client URL."""
    client, peer = (f"http://{LOOPBACK}:{free_port()}" for _ in range(2))
    command: list[str | Path] = [
        toolchain.provide("etcd"),
        f"--data-dir={folder / 'etcd-data'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]
    with running(command, log=folder / "etcd.log") as process:
        process.wait_until(lambda: _http_status(f"{client}/health") == http.client.OK)
        yield client


@contextmanager
def kube_apiserver(
    folder: Path,
    *,
    etcd_url: str,
    users: Mapping[str, Sequence[str]] | None = None,
    service_accounts: bool = True,
    flags: Sequence[str] = (),
) -> Iterator[ApiServer]:
    """Run an API server with RBAC and yield it.

    `users` are further users by name, each with its groups. Without a controller manager nobody makes service accounts:
    `service_accounts=False` then admits Pods that have none. `flags` are further flags of kube-apiserver.
    """
    port = free_port()
    certificates = folder / "apiserver-certificates"
    api = ApiServer(
        url=f"https://{LOOPBACK}:{port}",
        ca_file=certificates / "apiserver.crt",  # self-signed by the server itself
        service_account_key=_make_private_key(folder / "service-account.key"),
        tokens={name: secrets.token_urlsafe(24) for name in (ADMIN, *(users or {}))},
        folder=folder,
    )
    groups = {ADMIN: ("system:masters",), **(users or {})}
    command: list[str | Path] = [
        toolchain.provide("kube-apiserver"),
        f"--etcd-servers={etcd_url}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--cert-dir={certificates}",
        f"--token-auth-file={_write_token_file(folder / 'tokens.csv', api.tokens, groups)}",
        f"--service-account-issuer={api.url}",
        f"--service-account-key-file={api.service_account_key}",
        f"--service-account-signing-key-file={api.service_account_key}",
        "--authorization-mode=RBAC",
        "--service-cluster-ip-range=10.0.0.0/24",
        # A loopback address is not valid among a Service's endpoints, and nobody here asks for them.
        "--endpoint-reconciler-type=none",
        *([] if service_accounts else ["--disable-admission-plugins=ServiceAccount"]),
        *flags,
    ]
    with running(command, log=folder / "kube-apiserver.log") as process:
        process.wait_until(lambda: api.ca_file.exists() and api.get("/readyz")[0] == http.client.OK)
        yield api


@contextmanager
def kube_controller_manager(
    folder: Path, api: ApiServer, *, controllers: Sequence[str] = CONTROLLERS
) -> Iterator[None]:
    """Run the controllers against `api`, each as its own service account, as in a real cluster."""
    command: list[str | Path] = [
        toolchain.provide("kube-controller-manager"),
        f"--kubeconfig={api.kubeconfig()}",
        f"--controllers={','.join(controllers)}",
        f"--service-account-private-key-file={api.service_account_key}",
        f"--root-ca-file={api.ca_file}",
        "--use-service-account-credentials",
        "--leader-elect=false",
        "--secure-port=0",
        # The defaults are meant to be gentle to large clusters; tests wait for every step.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]
    with running(command, log=folder / "kube-controller-manager.log") as process:
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        process.wait_until(lambda: api.get(account)[0] == http.client.OK)
        yield


@contextmanager
def oci_registry(folder: Path, *, referrers: bool = True) -> Iterator[str]:
    """Run an empty registry (plain HTTP, in memory) and yield its `host:port`.

    With `referrers=False` it does not know the OCI 1.1 referrers API, so clients keep to the fallback tag.
    """
    log = folder / f"ociregistry-{secrets.token_hex(4)}.log"
    command: list[str | Path] = [toolchain.provide("ociregistry"), f"--referrers={str(referrers).lower()}"]

    def address() -> str | None:
        """Return what the program prints first, once it has."""
        line = re.match(r"(\S+:\d+)\n", log.read_text(encoding="utf-8"))
        return line and line[1]

    with running(command, log=log) as process:
        yield process.wait_until(address)


@contextmanager
def debian_registry(
    folder: Path, *, htpasswd: Mapping[str, str] | None = None, tls: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """Run an empty Docker registry 2.8, the one many people run, and yield its `host:port`.

    It has no referrers API. `htpasswd` are passwords by user name, asked for by Basic authentication; without it
    everybody may pull and push. `tls` are the PEM files of certificate chain and key; without it, plain HTTP.
    """
    home = folder / f"docker-registry-{secrets.token_hex(4)}"
    home.mkdir()
    address = f"{LOOPBACK}:{free_port()}"
    configuration = home / "config.json"
    document = _debian_registry_configuration(home, address, htpasswd, tls)
    configuration.write_text(json.dumps(document, indent=2), encoding="utf-8")
    answers = (http.client.OK, http.client.UNAUTHORIZED)
    url = f"{'https' if tls else 'http'}://{address}/v2/"
    command: list[str | Path] = [toolchain.provide("docker-registry"), "serve", configuration]
    with running(command, log=home / "docker-registry.log") as process:
        process.wait_until(lambda: _http_status(url) in answers)
        yield address


@contextmanager
def pushgateway(folder: Path) -> Iterator[str]:
    """Run a Prometheus Pushgateway that remembers nothing beyond its life, and yield its URL."""
    address = f"{LOOPBACK}:{free_port()}"
    command: list[str | Path] = [toolchain.provide("pushgateway"), f"--web.listen-address={address}"]
    with running(command, log=folder / f"pushgateway-{secrets.token_hex(4)}.log") as process:
        process.wait_until(lambda: _http_status(f"http://{address}/-/ready") == http.client.OK)
        yield f"http://{address}"


def _debian_registry_configuration(
    home: Path, address: str, htpasswd: Mapping[str, str] | None, tls: tuple[Path, Path] | None
) -> object:
    """Return the registry's configuration; it is read as YAML, of which JSON is a part."""
    listen: dict[str, object] = {"addr": address, "secret": secrets.token_hex(16)}
    if tls:
        listen["tls"] = {"certificate": str(tls[0]), "key": str(tls[1])}
    document: dict[str, object] = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(home / "storage")}, "delete": {"enabled": True}},
        "http": listen,
    }
    if htpasswd is not None:
        file = home / "htpasswd"
        lines = (f"{user}:{_bcrypt(password)}\n" for user, password in htpasswd.items())
        file.write_text("".join(lines), encoding="utf-8")
        document["auth"] = {"htpasswd": {"realm": "e2e", "path": str(file)}}
    return document


def free_port() -> int:
    """Return a TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A program that runs, and its log."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen = popen
        self._log = log

    def wait_until(self, ready: Callable[[], T | None]) -> T:
        """Wait until `ready`, which may raise `OSError` for "not yet", returns something true; return that."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                result = ready()
            except OSError:
                result = None
            if result:
                return result
            if self._popen.poll() is not None:
                raise ProcessFailedError(self._story(f"ended with status {self._popen.returncode}"))
            if time.monotonic() > deadline:
                raise ProcessFailedError(self._story(f"gave no answer within {_START_TIMEOUT_S:.0f} s"))
            time.sleep(_POLL_INTERVAL_S)

    def _story(self, event: str) -> str:
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join([f"{self._log.stem} {event}; the end of {self._log}:", *lines[-_LOG_LINES_SHOWN:]])

    def send(self, number: signal.Signals) -> None:
        """Send the program a signal."""
        self._popen.send_signal(number)

    def status(self) -> int | None:
        """Return the exit status, None while the program runs."""
        return self._popen.poll()

    def stop(self) -> None:
        """Ask the program to end, and make it end if it does not."""
        self._popen.terminate()
        try:
            self._popen.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


@contextmanager
def running(
    command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """Run `command` with its output going to `log`, and end it on the way out; by default in our own environment."""
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
    process = Process(popen, log)
    try:
        yield process
    finally:
        process.stop()


def _http_status(url: str) -> int:
    """Return the status of `GET url`, whoever the server is; `OSError` if there is no answer."""
    anyone = ssl.create_default_context()
    anyone.check_hostname = False
    anyone.verify_mode = ssl.CERT_NONE
    return _http_get(url, anyone, {})[0]


def http_get(url: str) -> tuple[int, bytes]:
    """Return status and body of a plain `GET url` on loopback; `OSError` if there is no answer."""
    return _http_get(url, ssl.create_default_context(), {})


def _http_get(url: str, context: ssl.SSLContext, headers: Mapping[str, str]) -> tuple[int, bytes]:
    # No proxy has a part in what happens on loopback.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(urllib.request.Request(url, headers=dict(headers)), timeout=5) as answer:  # noqa: S310
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def _write_token_file(path: Path, tokens: Mapping[str, str], groups: Mapping[str, Sequence[str]]) -> Path:
    """Write the CSV of kube-apiserver's static tokens: token, user, uid and the quoted, comma-separated groups."""
    lines = (f'{token},{name},{name},"{",".join(groups[name])}"\n' for name, token in tokens.items())
    path.write_text("".join(lines), encoding="utf-8")
    return path


def _make_private_key(path: Path) -> Path:
    """Make an ECDSA P-256 key as PEM in its older form (SEC 1), which kube-apiserver reads as public key too."""
    command = ["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ProcessFailedError(f"openssl genpkey: {done.stderr.strip()}")
    return path


def _bcrypt(password: str) -> str:
    """Return the bcrypt hash of `password`, the only kind of hash the registry takes."""
    # The crypt module is gone from newer Pythons; the C library it called is on every Debian, which the registry is
    # from. Cost 4 is the cheapest: the registry computes it for every request.
    libcrypt = ctypes.CDLL("libcrypt.so.1")
    libcrypt.crypt.restype = ctypes.c_char_p
    salt = secrets.token_hex(11)  # 22 characters of the bcrypt alphabet
    hashed: bytes | None = libcrypt.crypt(password.encode(), f"$2b$04${salt}".encode())
    if hashed is None or not hashed.startswith(b"$2b$"):
        raise ProcessFailedError("libcrypt.so.1 knows no bcrypt")
    return hashed.decode()
