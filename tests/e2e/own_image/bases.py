"""Stand-ins for the two bases of the gate's image that really run: a Python of this machine, with its libraries.

What they hold is what `image/python/debian-13/3.13.yaml` and `3.13-dev.yaml` of docker-hardened-images/catalog list,
in short: the runtime variant has Python and certificate authorities, and no shell; the development variant adds a
shell, a few tools and pip. (The real runtime variant has pip as well.)
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.e2e.clients import ClientHome
from webhook.core.references import Digest
from webhook.demo.bases import dhi_base, dhi_index
from webhook.demo.images import BuiltImage, build, chain_id, push
from webhook.demo.layers import Compression, Entry, File, Layer, Link
from webhook.demo.registry import LoopbackRegistry

__all__ = ["REPOSITORY", "PublishedBases", "Python", "find_python", "publish_bases"]

REPOSITORY = "dhi/python"
WANTED = "python3.13"  # what the Dockerfile names; without it, the Python that runs the tests has to do
TOOLS = ("sh", "chmod", "find", "rm")
# What the packages libc6, libgcc-s1 and libstdc++6 have besides what Python itself loads; wheels need some of them.
RUNTIME_LIBRARIES = (
    *("libdl.so.2", "libnss_dns.so.2", "libnss_files.so.2", "libpthread.so.0", "libresolv.so.2", "librt.so.1"),
    *("libgcc_s.so.1", "libstdc++.so.6"),
)
LEFT_OUT = frozenset({"__pycache__", "ensurepip", "idlelib", "site-packages", "test", "tests", "tkinter", "turtledemo"})
CERTIFICATES = "etc/ssl/certs/ca-certificates.crt"
_AGE = timedelta(days=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Python:
    """A Python of this machine."""

    program: Path  # the file itself, not a link to it
    library: Path  # where its standard library is
    version: str  # major and minor

    @property
    def name(self) -> str:
        """What it is called in `/usr/bin`."""
        return f"python{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedBases:
    """Digests of the indexes of both variants."""

    runtime: Digest
    development: Digest


def find_python() -> Python:
    """Return the Python that the Dockerfile names if it is on PATH and starts, else the one that runs the tests."""
    for program in (shutil.which(WANTED), sys.executable):
        if program and (python := _ask(program)):
            return python
    raise FileNotFoundError(f"neither {WANTED} nor {sys.executable} starts")


def publish_bases(home: ClientHome, registry: str, python: Python) -> PublishedBases:
    """Push both variants under the tags `VERSION` and `VERSION-dev`, unsigned."""
    created = datetime.now(UTC).replace(microsecond=0) - _AGE
    runtime = Layer.of(dict(_runtime_files(python)), compression=Compression.ZSTD)
    tools = Layer.of(dict(_tools(python)), compression=Compression.ZSTD)
    variants = {"runtime": (runtime,), "dev": (runtime, tools)}
    images = {name: _labelled(python, name, layers, created=created) for name, layers in variants.items()}
    return asyncio.run(_push(home, registry, python, images))


async def _push(home: ClientHome, registry: str, python: Python, images: Mapping[str, BuiltImage]) -> PublishedBases:
    """Serve the stand-ins on loopback for as long as crane needs to copy them."""
    async with LoopbackRegistry() as source:
        digests: list[Digest] = []
        for variant, tag in (("runtime", python.version), ("dev", f"{python.version}-dev")):
            digests.append(push(source.store, REPOSITORY, dhi_index([images[variant]]), tag=tag))
            names = (f"{source.host}/{REPOSITORY}:{tag}", f"{registry}/{REPOSITORY}:{tag}")
            await asyncio.to_thread(home.run, "crane", "copy", *names)
    return PublishedBases(runtime=digests[0], development=digests[1])


def _labelled(python: Python, variant: str, layers: tuple[Layer, ...], *, created: datetime) -> BuiltImage:
    """Give `layers` the labels, the user and the environment that such an image has."""
    example = dhi_base(version=python.version, variant=variant, created=created)
    labels = {**example.labels, "com.docker.dhi.chain-id": str(chain_id([layer.diff_id for layer in layers]))}
    config = {
        "User": example.user,
        "Env": [f"PATH={os.defpath.lstrip(':')}", f"SSL_CERT_FILE=/{CERTIFICATES}"],
        "Cmd": ["python3"],
        "Labels": labels,
    }
    return build(None, layers, created=created, overrides={"config": config})


def _runtime_files(python: Python) -> Iterator[tuple[str, Entry]]:
    """Return what Python needs to run, by path."""
    yield "etc/passwd", b"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n"
    yield "home/nonroot/", File(mode=0o700, uid=65532, gid=65532)
    yield "tmp/", File(mode=0o1777)
    yield CERTIFICATES, (_pip() / "_vendor" / "certifi" / "cacert.pem").read_bytes()
    yield f"usr/bin/{python.name}", _program(python.program)
    yield "usr/bin/python3", Link(target=python.name)
    yield from _tree(python.library, f"usr/lib/{python.name}")
    yield from _libraries([python.program, *python.library.glob("lib-dynload/*.so")])


def _tools(python: Python) -> Iterator[tuple[str, Entry]]:
    """Return what the development variant adds, by path."""
    programs = [Path(found) for name in TOOLS if (found := shutil.which(name))]
    for program in programs:
        yield f"bin/{program.name}", _program(program.resolve())
    yield from _tree(_pip(), f"usr/lib/{python.name}/site-packages/pip")
    yield from _libraries(programs)


def _program(path: Path) -> File:
    return File(content=path.read_bytes(), mode=0o755)


def _tree(folder: Path, target: str) -> Iterator[tuple[str, Entry]]:
    """Return every file below `folder`, by its path below `target`; tests, caches and windows stay out."""
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in LEFT_OUT and not name.startswith("config-"))
        for name in sorted(files):
            path = Path(root, name)
            yield f"{target}/{path.relative_to(folder)}", path.read_bytes()


def _libraries(programs: Iterable[Path]) -> Iterator[tuple[str, Entry]]:
    """Return the shared libraries that `programs` load, where the dynamic linker looks without being told."""
    listed = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
    found = {Path(path) for path in re.findall(r"(/\S+\.so[.\d]*) \(0x", listed)}
    beside = next(path.parent for path in found if path.name == "libc.so.6")
    for path in sorted(found | {beside / name for name in RUNTIME_LIBRARIES}):
        system = path.parts[1].startswith("lib") or path.parts[1:3] == ("usr", "lib")
        yield (str(path.relative_to("/")) if system else f"usr/lib/{path.name}"), _program(path)


def _pip() -> Path:
    """Return the folder of pip's package."""
    spec = importlib.util.find_spec("pip")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("pip is not installed where the tests run; requirements/dev.in asks for it")
    return Path(spec.origin).parent


def _ask(program: str) -> Python | None:
    """Ask a Python about itself; None if it does not start."""
    question = (
        "import json, os, sys, sysconfig; print(json.dumps({'program': os.path.realpath(sys.executable),"
        " 'library': sysconfig.get_path('stdlib'), 'version': '%d.%d' % sys.version_info[:2]}))"
    )
    done = subprocess.run([program, "-I", "-c", question], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return None
    said = json.loads(done.stdout)
    return Python(program=Path(said["program"]), library=Path(said["library"]), version=said["version"])
