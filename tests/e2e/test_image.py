"""The gate's own image: built twice from nothing, looked through, run as a cluster would, and judged by itself."""

import gzip
import io
import json
import secrets
import signal
import ssl
import stat
import tarfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.e2e.clients import ClientHome, Cosign
from tests.e2e.gate import Certificates, Gate, dhi_gate, make_certificates
from tests.e2e.own_image.bases import REPOSITORY, find_python, publish_bases
from tests.e2e.own_image.building import SOURCE_DATE_EPOCH, Builder, copy_carelessly, copy_sources
from tests.e2e.own_image.container import FILES, Container, unpack
from tests.e2e.own_image.wheels import download, served
from tests.e2e.tools import processes
from tests.e2e.tools.processes import LOOPBACK
from tests.fakes.api_server import LoopbackApiServer
from tests.fakes.cluster import FakeCluster
from tests.loopback import served as loopback
from webhook.core.inventory.resources import POD_HOLDERS

pytestmark = pytest.mark.e2e

PLACE = PurePosixPath("opt/dhi-gate")
SHELLS = frozenset({"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "sh", "tcsh", "zsh"})
MOST_BYTES = 130_000_000  # of our own layer, unpacked
MOST_PACKED_BYTES = 45_000_000

POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {{name: own-image}}
spec:
  authorities:
    - {{name: publisher, key: {{file: publisher.pub}}}}
    - {{name: release, key: {{file: release.pub}}}}
  bases:
    - {{repository: "{hub}/dhi/python", tags: ["3*"], signedBy: [publisher]}}
  rules:
    - name: everything
      images: ["{hub}/**"]
      require: {{signatures: {{from: [release]}}, base: {{variants: [runtime]}}, user: nonRoot}}
"""

# A plugin as clouds have them, written in the one language that the image has.
EXEC_KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{{name: c, cluster: {{server: "https://nowhere.example"}}}}]
contexts:
  - {{name: good, context: {{cluster: c, user: good}}}}
  - {{name: bad, context: {{cluster: c, user: bad}}}}
current-context: good
users:
  - name: good
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        interactiveMode: Never
        command: /opt/dhi-gate/bin/python3
        args: [-c, "import json; print(json.dumps({credential}))"]
  - name: bad
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        interactiveMode: Never
        command: /opt/dhi-gate/bin/python3
        args: [-c, "raise SystemExit('the sun is too low')"]
"""
TOKEN = "from-the-plugin"
CREDENTIAL = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "kind": "ExecCredential",
    "status": {"token": TOKEN},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """The image, signed, in a registry beside its bases; `again` is the digest of a second build."""

    home: ClientHome
    hub: str
    name: str  # HOST/PATH@DIGEST
    again: str
    base: str  # HOST/PATH@DIGEST of the runtime variant
    password: str  # of the index that both were built from
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    layer: bytes  # what we put on the base, unpacked
    container: Container
    certificates: Certificates

    @property
    def flags(self) -> tuple[str, ...]:
        """The flags by which any command judges by the policy and the catalog inside the container."""
        documents = (f"--policy={FILES}/policy.yaml", f"--catalog={FILES}/catalog.json")
        return (*documents, f"--insecure-registry={self.hub}")

    def members(self) -> Iterator[tarfile.TarInfo]:
        """Return every entry of our layer."""
        with tarfile.open(fileobj=io.BytesIO(self.layer)) as archive:
            yield from archive


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """Publish the bases, build twice, sign, record the bases, and unpack the image."""
    folder = tmp_path_factory.mktemp("own-image")
    certificates = make_certificates(folder / "certificates")
    python, password = find_python(), secrets.token_urlsafe()
    with processes.oci_registry(folder) as hub, served(download(python), password) as pip_conf:
        (folder / "pip.conf").write_text(pip_conf, encoding="utf-8")
        home = ClientHome.furnish(folder, ca_file=certificates.ca, passwords={})
        cosign = Cosign(home)
        bases = publish_bases(home, hub, python)
        for base in (bases.runtime, bases.development):
            cosign.sign(f"{hub}/{REPOSITORY}@{base}", key="publisher", form="oci11")
        builder = Builder(home=home, registry=hub, bases=bases, pip_conf=folder / "pip.conf")
        sources = copy_sources(folder / "sources")
        digest = builder.build_and_push(sources, folder / "storage", "gate/dhi-gate:1.0")
        careless = copy_carelessly(sources, folder / "careless")
        again = builder.build_and_push(careless, folder / "other-storage", "gate/dhi-gate:again")
        name = f"{hub}/gate/dhi-gate@{digest}"
        cosign.sign(name, key="release", form="bundle")
        manifest = json.loads(home.run("crane", "manifest", name))
        container = unpack(home, name, _folder(folder / "container"))
        _fill(container.files, hub, cosign, certificates)
        yield Built(
            home=home,
            hub=hub,
            name=name,
            again=again,
            base=f"{hub}/{REPOSITORY}@{bases.runtime}",
            password=password,
            manifest=manifest,
            config=json.loads(home.run("crane", "config", name)),
            layer=_layer(hub, manifest["layers"][-1]["digest"]),
            container=container,
            certificates=certificates,
        )


def _folder(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _layer(hub: str, digest: str) -> bytes:
    """Return a layer, unpacked."""
    with urllib.request.urlopen(f"http://{hub}/v2/gate/dhi-gate/blobs/{digest}", timeout=30) as answer:
        return gzip.decompress(answer.read())


def _fill(files: Path, hub: str, cosign: Cosign, certificates: Certificates) -> None:
    """Lay what the gate is given into the folder that the container sees, for every user to read."""
    for key in ("publisher", "release"):
        (files / f"{key}.pub").write_bytes(cosign.public_key(key).read_bytes())
    (files / "policy.yaml").write_text(POLICY.format(hub=hub), encoding="utf-8")
    (files / "kubeconfig").write_text(EXEC_KUBECONFIG.format(credential=CREDENTIAL), encoding="utf-8")
    dhi_gate("catalog", "sync", f"--policy={files / 'policy.yaml'}", f"--catalog={files / 'catalog.json'}")
    for source in (certificates.ca, certificates.certificate, certificates.key):
        (files / source.name).write_bytes(source.read_bytes())
    for path in files.iterdir():
        path.chmod(0o644)


def test_two_builds_are_the_same_bytes(built: Built) -> None:
    """Two builds from nothing have one digest, whoever's umask, clock and stray files were there."""
    assert built.name.partition("@")[2] == built.again


def test_it_stands_on_the_base_with_one_layer_of_its_own(built: Built) -> None:
    """All layers of the runtime variant come first, as they are; the development variant has left nothing."""
    base = json.loads(built.home.run("crane", "config", "--platform=linux/amd64", built.base))

    below = base["rootfs"]["diff_ids"]
    assert built.config["rootfs"]["diff_ids"][:-1] == below
    assert built.config["config"]["Labels"]["com.docker.dhi.variant"] == "runtime"


def test_how_it_starts(built: Built) -> None:
    """The gate itself is started, as nobody's user, in no folder of anybody's, and stopped by SIGTERM; no shell."""
    config = built.config["config"]

    assert config["Entrypoint"] == ["dhi-gate"]
    assert config["Cmd"] == ["--help"]
    assert config["User"] == "65532:65532"
    assert config["WorkingDir"] == "/"
    assert config["StopSignal"] == "SIGTERM"
    assert "Healthcheck" not in config
    assert not config.get("Volumes")
    assert not config.get("ExposedPorts")


def test_what_it_says_of_itself(built: Built) -> None:
    """The labels are those of the gate, in its own version, beside those of its base."""
    prefix = "org.opencontainers.image."
    labels = {
        key.removeprefix(prefix): value
        for key, value in built.config["config"]["Labels"].items()
        if key.startswith(prefix)
    }

    assert labels["title"] == "dhi-gate"
    assert labels["version"] == metadata.version("dhi-gate")
    assert labels["licenses"] == metadata.metadata("dhi-gate")["License-Expression"]
    assert labels["description"] == metadata.metadata("dhi-gate")["Summary"]
    assert set(labels) == {"title", "description", "licenses", "version", "revision", "source"}


def test_nothing_of_it_can_be_written_or_raised(built: Built) -> None:
    """Every file is root's, of one time, without a right to write for others, and none gives its caller more rights."""
    for member in built.members():
        path = PurePosixPath(member.name)
        assert path == PLACE or PLACE in path.parents or path in PLACE.parents, member.name
        assert (member.uid, member.gid) == (0, 0), member.name
        assert member.mtime == SOURCE_DATE_EPOCH, member.name
        assert member.isdir() or member.isreg() or member.issym(), member.name
        assert not member.mode & (stat.S_ISUID | stat.S_ISGID), member.name
        assert member.issym() or not member.mode & 0o022, member.name
        assert not member.pax_headers, member.name  # such as capabilities of files


def test_only_what_is_needed_is_in_it(built: Built) -> None:
    """No shell, no pip, no other program, no tests, nobody's key, no bytecode of another Python: a bounded size."""
    members = list(built.members())
    paths = {PurePosixPath(member.name) for member in members}
    packages = {path.name for path in paths if path.parent.name == "site-packages"}

    programs = {path.name for path in paths if path.parent == PLACE / "bin"}
    assert {name for name in programs if not name.startswith("python")} == {"dhi-gate", "kubectl-dhi_gate"}
    assert not {path for path in paths if path.name in SHELLS}
    assert not packages & {"pip", "setuptools", "wheel", "hatchling", "pytest", "tests", "benchmarks"}
    assert not {path for path in paths if path.suffix in {".key", ".whl"} or "cpython-30" in path.name}
    assert sum(member.size for member in members) < MOST_BYTES
    assert built.manifest["layers"][-1]["size"] < MOST_PACKED_BYTES


def test_every_module_of_it_has_its_bytecode(built: Built) -> None:
    """Whatever the gate is made of starts without being compiled, which a read-only root would not let it keep."""
    paths = {PurePosixPath(member.name) for member in built.members()}
    modules = {path for path in paths if path.suffix == ".py" and "webhook" in path.parts}
    bytecode = {path.parent.parent / f"{path.name.split('.')[0]}.py" for path in paths if path.suffix == ".pyc"}

    assert modules
    assert not modules - bytecode


def test_the_index_is_not_in_it(built: Built) -> None:
    """Neither the layers nor the config tell where packages came from, or by which password."""
    told = built.layer + json.dumps([built.config, built.manifest]).encode()

    assert built.password.encode() not in told
    assert b"find-links" not in json.dumps(built.config).encode()


def test_the_container_is_one(built: Built) -> None:
    """What these tests run it in is as strict as the chart: not root, no privileges, only /tmp can be written."""
    probe = """
import os
def can_write(path):
    try:
        open(path, "w").close()
    except OSError as error:
        return os.strerror(error.errno)
    return "yes"
status = open("/proc/self/status").read()
print(os.getuid(), os.getgid(), os.getgroups(), os.getcwd())
print([line.split()[1] for line in status.splitlines() if line.startswith(("CapEff", "NoNewPrivs"))])
print(can_write("/x"), can_write("/opt/dhi-gate/x"), can_write("/tmp/x"), sep=", ")
"""
    said = built.container.run("-c", probe, entrypoint=["python3"])

    assert said.splitlines() == [
        "65532 65532 [65532] /",
        "['0000000000000000', '1']",
        "Read-only file system, Read-only file system, yes",
    ]


def test_every_command_is_there(built: Built) -> None:
    """Both names of the program start, and tell the versions that the lock names."""
    said = built.container.run("version")

    assert said.splitlines()[0] == f"dhi-gate {metadata.version('dhi-gate')}"
    assert f"kubernetes {metadata.version('kubernetes')}" in said.splitlines()
    assert built.container.run("version", entrypoint=["kubectl-dhi_gate"]) == said
    assert "serve" in built.container.run("--help")


def test_the_trial_runs_in_it(built: Built) -> None:
    """`dhi-gate demo` gives every verdict that it has to give, with nothing but /tmp to write to."""
    built.container.run("demo", "--color=never")


def test_a_credential_plugin_is_heard(built: Built) -> None:
    """What was left out of the Kubernetes client is not missed where it is used: exec plugins of a kubeconfig."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(built.certificates.certificate, built.certificates.key)
    with loopback(LoopbackApiServer(FakeCluster(), POD_HOLDERS, tls=tls, tokens=[TOKEN])) as api:
        where = (f"--server={api.url}", f"--kubeconfig={FILES}/kubeconfig", f"--certificate-authority={FILES}/ca.crt")
        command = ("audit", "--all-namespaces", *where, *built.flags)
        built.container.run(*command, "--context=good")
        answered = len(api.requests)
        said = built.container.run(*command, "--context=bad", status=2)

    assert {request.headers.get("Authorization") for request in api.requests} == {f"Bearer {TOKEN}"}
    assert len(api.requests) == answered
    assert "the sun is too low" in said


def test_it_passes_its_own_check(built: Built) -> None:
    """Signed, and on an approved base: the image lets itself in, and not its base, which has another signature."""
    said = built.container.run("check", built.name, built.base, "--output=json", *built.flags, status=1)

    results = {each["name"]: each for each in json.loads(said)["results"]}
    assert results[built.name]["allowed"]
    assert [problem["code"] for problem in results[built.base]["containers"][0]["problems"]] == ["untrusted-signer"]


def test_it_serves(built: Built, tmp_path: Path) -> None:
    """The server starts on a read-only root, answers an AdmissionReview over TLS, and ends well when it is stopped."""
    with _serving(built, tmp_path / "gate.log") as gate:
        assert _review(built, gate, built.name) == (True, "")
        allowed, message = _review(built, gate, f"{built.hub}/gate/dhi-gate@{built.base.partition('@')[2]}")
        assert not allowed
        assert "not-found" in message
        gate.process.send(signal.SIGTERM)
        processes.wait_until(lambda: gate.process.status() is not None, "the end of the gate")
        assert gate.process.status() == 0


@contextmanager
def _serving(built: Built, log: Path) -> Iterator[Gate]:
    """Run the server on free ports of loopback."""
    flags = (
        *(f"--tls-cert={FILES}/tls.crt", f"--tls-key={FILES}/tls.key"),
        *(f"--host={LOOPBACK}", "--port=0", f"--metrics-host={LOOPBACK}", "--metrics-port=0", "--drain-seconds=0"),
    )
    with built.container.running("serve", *built.flags, *flags, log=log) as process:

        def started() -> Gate | None:
            lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines() if line[:1] == "{"]
            said = next((line for line in lines if line["event"] == "serving"), None)
            return said and Gate(address=said["admission"], metrics_address=said["metrics"], process=process, log=log)

        yield process.wait_until(started)


def _review(built: Built, gate: Gate, image: str) -> tuple[bool, str]:
    """Ask as the API server does; return whether the pod is allowed, and the message."""
    metadata_and_spec = {"metadata": {"name": "app"}, "spec": {"containers": [{"name": "app", "image": image}]}}
    request = {
        "uid": "review-1",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": "shop",
        "name": "app",
        "object": {"apiVersion": "v1", "kind": "Pod", **metadata_and_spec},
    }
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    asked = urllib.request.Request(  # noqa: S310 - ours
        gate.url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    trusted = ssl.create_default_context(cafile=str(built.certificates.ca))
    with urllib.request.urlopen(asked, timeout=15, context=trusted) as answer:  # noqa: S310 - ours
        response = json.loads(answer.read())["response"]
    return response["allowed"], response.get("status", {}).get("message", "")
