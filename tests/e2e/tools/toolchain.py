"""Find or build the real programs that the end-to-end tests run.

Where a program is looked for, in this order:

1. the folder named by `DHIGATE_TOOLS`;
2. the folder named by `KUBEBUILDER_ASSETS`;
3. the cache: `$DHIGATE_TOOLS_CACHE`, else `${XDG_CACHE_HOME:-~/.cache}/dhi-gate/tools`;
4. `PATH`, for those programs of which any version will do, or any recent one;
5. nowhere: it is built, or fetched from the Debian archive, into the cache.

Go programs are built from the modules in the folders beside this file. Their `go.mod` pins the versions and their
`go.sum` locks every source by hash. The name of a cache entry contains a hash of all that, so a changed pin is a new
entry and never a stale program.

    python -m tests.e2e.tools.toolchain              # provide all that `make e2e` cannot do without
    python -m tests.e2e.tools.toolchain cosign crane # provide these two; standard output has one path per line
"""

import argparse
import fcntl
import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

MODULES = Path(__file__).resolve().parent

# Image volumes, one of the ways an image enters a pod, are known to kubectl from this version on.
OLDEST_KUBECTL = (1, 31)

# Static, without symbols or machine paths, and without a commit: the same sources give the same bytes.
GO_BUILD = ("go", "build", "-trimpath", "-buildvcs=false")
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}

_OTHER_WAYS = "; install it, or let DHIGATE_TOOLS name a folder that holds the program"
_STANDARD_ERROR = 2  # the file descriptor; sys.stderr may have been replaced by something without one


class ToolMissingError(RuntimeError):
    """A program is neither there nor can it be made here; the message says what would help."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoProgram:
    """A main package of one of the Go modules beside this file."""

    module: str  # folder that holds go.mod and go.sum
    package: str  # import path of the main package
    release: str  # the required module whose version is the version of the program
    # Linker variables and their values, in which {version}, {major} and {minor} are filled in. Programs that are built
    # as a dependency do not know their own version otherwise.
    stamps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianProgram:
    """A program of a Debian package."""

    package: str
    # True: the package is only unpacked into the cache, which needs no root and starts none of its system services.
    # False: it needs its dependencies and /etc, so it is installed.
    unpack: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A program, where it comes from, and when a copy of it on PATH will do."""

    name: str
    origin: GoProgram | DebianProgram
    accept_from_path: Callable[[Path], bool]
    optional: bool = False  # not among those provided when no names are given


def _never(_program: Path) -> bool:
    return False


def _always(_program: Path) -> bool:
    return True


def _is_recent_kubectl(program: Path) -> bool:
    """Whether `program` is kubectl of at least `OLDEST_KUBECTL`."""
    try:
        answer = subprocess.run(
            [program, "version", "--client", "--output=json"], capture_output=True, timeout=30, check=True
        )
        version = str(json.loads(answer.stdout)["clientVersion"]["gitVersion"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return False
    found = re.match(r"v(\d+)\.(\d+)\.", version)
    return found is not None and (int(found[1]), int(found[2])) >= OLDEST_KUBECTL


def _kubernetes(name: str, *, accept_from_path: Callable[[Path], bool] = _never) -> Tool:
    versions = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    parts = {"gitVersion": "{version}", "gitMajor": "{major}", "gitMinor": "{minor}"}
    return Tool(
        name=name,
        origin=GoProgram(
            module="kubernetes",
            package=f"k8s.io/kubernetes/cmd/{name}",
            release="k8s.io/kubernetes",
            stamps={f"{package}.{part}": value for package in versions for part, value in parts.items()},
        ),
        accept_from_path=accept_from_path,
    )


def _sigstore(name: str, *, module: str, release: str, package: str = "") -> Tool:
    """Return a server of Sigstore, whose main package is `package` within the module `release`."""
    return Tool(
        name=name,
        origin=GoProgram(
            module=module,
            package=f"{release}/{package}".removesuffix("/"),
            release=release,
            stamps={"sigs.k8s.io/release-utils/version.gitVersion": "{version}"},
        ),
        accept_from_path=_never,
    )


_ALL = (
    Tool(name="etcd", origin=DebianProgram(package="etcd-server", unpack=True), accept_from_path=_always),
    _kubernetes("kube-apiserver"),
    _kubernetes("kube-controller-manager"),
    _kubernetes("kubectl", accept_from_path=_is_recent_kubectl),
    Tool(
        name="cosign",
        origin=GoProgram(
            module="cosign",
            package="github.com/sigstore/cosign/v3/cmd/cosign",
            release="github.com/sigstore/cosign/v3",
            stamps={"sigs.k8s.io/release-utils/version.gitVersion": "{version}"},
        ),
        accept_from_path=_never,
    ),
    Tool(
        name="crane",
        origin=GoProgram(
            module="registry",
            package="github.com/google/go-containerregistry/cmd/crane",
            release="github.com/google/go-containerregistry",
            stamps={"github.com/google/go-containerregistry/cmd/crane/cmd.Version": "{version}"},
        ),
        accept_from_path=_never,
    ),
    Tool(
        name="ociregistry",
        origin=GoProgram(module="registry", package=".", release="github.com/google/go-containerregistry"),
        accept_from_path=_never,
    ),
    Tool(
        name="docker-registry",
        origin=DebianProgram(package="docker-registry", unpack=True),
        accept_from_path=_always,
    ),
    _sigstore("fulcio", module="fulcio", release="github.com/sigstore/fulcio"),
    _sigstore(
        "rekor-server",
        module="rekor",
        release="github.com/sigstore/rekor-tiles/v2",
        package="cmd/rekor-server/posix",
    ),
    Tool(
        name="timestamp-server",
        origin=GoProgram(
            module="timestamp-authority", package=".", release="github.com/sigstore/timestamp-authority/v2"
        ),
        accept_from_path=_never,
    ),
    Tool(
        name="pushgateway",
        origin=GoProgram(
            module="pushgateway",
            package="github.com/prometheus/pushgateway",
            release="github.com/prometheus/pushgateway",
            stamps={"github.com/prometheus/common/version.Version": "{version}"},
        ),
        accept_from_path=_never,
    ),
    Tool(
        name="notation-sign",
        origin=GoProgram(module="notation", package=".", release="github.com/notaryproject/notation-go"),
        accept_from_path=_never,
        optional=True,
    ),
    Tool(
        name="helm",
        origin=GoProgram(
            module="helm",
            package="helm.sh/helm/v4/cmd/helm",
            release="helm.sh/helm/v4",
            stamps={"helm.sh/helm/v4/internal/version.version": "{version}"},
        ),
        accept_from_path=_never,
        optional=True,
    ),
    Tool(
        name="buildah",
        origin=DebianProgram(package="buildah", unpack=False),
        accept_from_path=_always,
        optional=True,
    ),
    Tool(
        name="chromium",
        origin=DebianProgram(package="chromium", unpack=False),
        accept_from_path=_always,
        optional=True,
    ),
    Tool(
        name="chromedriver",
        origin=DebianProgram(package="chromium-driver", unpack=False),
        accept_from_path=_always,
        optional=True,
    ),
)
TOOLS: Mapping[str, Tool] = {tool.name: tool for tool in _ALL}


def find(name: str) -> Path | None:
    """Return the program called `name` if it is already somewhere, without building or fetching anything.

    Errors: `KeyError` for a name that is not in `TOOLS`.
    """
    tool = TOOLS[name]
    return _in_named_folders(tool) or _in_cache(tool) or _on_path(tool)


def provide(name: str) -> Path:
    """Return the program called `name`, building or fetching it first where it must.

    A build says so on standard error and may take minutes. Several processes may ask at the same time: one works, the
    others wait and use the result.

    Errors: `KeyError` for a name that is not in `TOOLS`; `ToolMissingError` if it cannot be had.
    """
    found = find(name)
    if found is not None:
        return found
    tool = TOOLS[name]
    with _locked(tool):
        found = find(name)
        return found if found is not None else _make(tool)


def _in_named_folders(tool: Tool) -> Path | None:
    for variable in ("DHIGATE_TOOLS", "KUBEBUILDER_ASSETS"):
        folder = os.environ.get(variable)
        if folder and _is_program(program := Path(folder).absolute() / tool.name):
            return program
    return None


def _in_cache(tool: Tool) -> Path | None:
    program = _cache_entry(tool) / _place_in_entry(tool)
    return program if _is_program(program) else None


def _on_path(tool: Tool) -> Path | None:
    found = shutil.which(tool.name)
    return Path(found).absolute() if found is not None and tool.accept_from_path(Path(found)) else None


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def cache_root() -> Path:
    """Return the folder in which whatever the tests fetch or build is kept."""
    if chosen := os.environ.get("DHIGATE_TOOLS_CACHE"):
        return Path(chosen).absolute()
    # An empty XDG_CACHE_HOME counts as unset, and so does a relative one (XDG Base Directory Specification).
    general = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (general if general.is_absolute() else Path.home() / ".cache") / "dhi-gate" / "tools"


def _cache_entry(tool: Tool) -> Path:
    """Return the folder of the cache that holds `tool` in exactly the version that is asked for now."""
    return cache_root() / f"{tool.name}-{_fingerprint(tool)[:16]}"


def _place_in_entry(tool: Tool) -> Path:
    match tool.origin:
        case DebianProgram():
            return Path("usr", "bin", tool.name)
        case GoProgram():
            return Path(tool.name)
        case _:
            assert_never(tool.origin)


def _fingerprint(tool: Tool) -> str:
    """Return a SHA-256 in hex over all that decides what `tool` is: platform, pins, sources and build flags."""
    ingredients = [platform.system(), platform.machine(), tool.name]
    match tool.origin:
        case DebianProgram(package=package):
            ingredients += ["debian", package]
        case GoProgram(module=module) as program:
            ingredients += [*GO_BUILD, *(f"{key}={value}" for key, value in GO_ENVIRONMENT.items())]
            ingredients += [program.package, _linker_flags(program)]
            sources = sorted(path for path in (MODULES / module).iterdir() if path.suffix in {".go", ".mod", ".sum"})
            ingredients += [f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sources]
        case _:
            assert_never(tool.origin)
    return hashlib.sha256("\0".join(ingredients).encode()).hexdigest()


def _linker_flags(program: GoProgram) -> str:
    version = _pinned_version(program)
    major, minor, *_ = version.removeprefix("v").split(".")
    values = {
        variable: value.format(version=version, major=major, minor=minor) for variable, value in program.stamps.items()
    }
    return " ".join(["-s", "-w", *(f"-X={variable}={value}" for variable, value in values.items())])


def _pinned_version(program: GoProgram) -> str:
    """Return the version, such as `v1.37.2`, that the program's go.mod requires of its release module."""
    text = (MODULES / program.module / "go.mod").read_text(encoding="utf-8")
    found = re.search(rf"^(?:require|)\s*{re.escape(program.release)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"{program.module}/go.mod requires no {program.release}")
    return found[1]


@contextmanager
def _locked(tool: Tool) -> Iterator[None]:
    """Hold the right to make `tool`, against every other process on this cache."""
    entry = _cache_entry(tool)
    entry.parent.mkdir(parents=True, exist_ok=True)
    with entry.with_name(f".{entry.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"{tool.name}: another process is making it; waiting")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _make(tool: Tool) -> Path:
    """Build, unpack or install `tool`, whose lock the caller holds, and return the program."""
    started = time.monotonic()
    match tool.origin:
        case GoProgram() as program:
            _fill_cache(tool, lambda folder: _build(tool, program, folder))
        case DebianProgram(unpack=True, package=package):
            _fill_cache(tool, lambda folder: _unpack(tool, package, folder))
        case DebianProgram(package=package):
            _install(tool, package)
        case _:
            assert_never(tool.origin)
    made = find(tool.name)
    if made is None:
        raise ToolMissingError(f"{tool.name}: was made, but is not where it should be")
    _say(f"{tool.name}: ready after {time.monotonic() - started:.0f} s, {made}")
    return made


def _fill_cache(tool: Tool, fill: Callable[[Path], None]) -> None:
    """Make the cache entry of `tool` in one step: `fill` writes to a temporary folder, which is then renamed."""
    entry = _cache_entry(tool)
    with tempfile.TemporaryDirectory(dir=entry.parent, prefix=f".{tool.name}-") as scratch:
        content = Path(scratch, "content")
        content.mkdir()
        fill(content)
        shutil.rmtree(entry, ignore_errors=True)
        content.rename(entry)


def _build(tool: Tool, program: GoProgram, folder: Path) -> None:
    if shutil.which("go") is None:
        raise ToolMissingError(f"{tool.name}: there is no `go` on PATH to build it with{_OTHER_WAYS}")
    _say(f"{tool.name}: building {_pinned_version(program)} from Go modules; the first time may take minutes")
    command = [*GO_BUILD, f"-ldflags={_linker_flags(program)}", "-o", str(folder / tool.name), program.package]
    _run(tool, command, cwd=MODULES / program.module, env={**os.environ, **GO_ENVIRONMENT})


def _unpack(tool: Tool, package: str, folder: Path) -> None:
    _need_debian(tool, package)
    _say(f"{tool.name}: unpacking the Debian package {package} into the cache; nothing is installed")
    # apt would drop its privileges to a user who may not write here, and says so at length.
    download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package]
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        try:
            _run(tool, download, cwd=Path(scratch))
        except ToolMissingError:
            if os.geteuid() != 0:
                raise
            _say(f"{tool.name}: the package lists may be empty or old; refreshing them")
            _run(tool, ["apt-get", "-qq", "update"])
            _run(tool, download, cwd=Path(scratch))
        for archive in Path(scratch).glob("*.deb"):
            _run(tool, ["dpkg-deb", "--extract", str(archive), str(folder)])


def _install(tool: Tool, package: str) -> None:
    _need_debian(tool, package)
    if os.geteuid() != 0:
        raise ToolMissingError(f"{tool.name}: `apt-get install {package}` needs root{_OTHER_WAYS}")
    _say(f"{tool.name}: installing the Debian package {package}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(tool, ["apt-get", "-qq", "update"], env=environment)
    _run(tool, ["apt-get", "-qq", "install", "--no-install-recommends", "--yes", package], env=environment)


def _need_debian(tool: Tool, package: str) -> None:
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ToolMissingError(f"{tool.name}: this is not Debian, whose package {package} has it{_OTHER_WAYS}")


def _run(tool: Tool, command: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run one step of making `tool`; whatever it prints goes to standard error, which leaves our output to paths."""
    done = subprocess.run(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=_STANDARD_ERROR, check=False)
    if done.returncode != 0:
        raise ToolMissingError(f"{tool.name}: `{' '.join(command[:3])} …` ended with status {done.returncode}")


def _say(message: str) -> None:
    sys.stderr.write(f"toolchain: {message}\n")
    sys.stderr.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Provide the programs named in `arguments` and print their paths; return the exit status."""
    needed = [tool.name for tool in TOOLS.values() if not tool.optional]
    extra = [tool.name for tool in TOOLS.values() if tool.optional]
    parser = argparse.ArgumentParser(prog="toolchain", description="Find or build what the end-to-end tests run.")
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help=f"one of {', '.join(needed)}, or of the optional {', '.join(extra)}; without any: all but the optional",
    )
    names = parser.parse_args(arguments).names or needed
    if unknown := [name for name in names if name not in TOOLS]:
        parser.error(f"no such tool: {', '.join(unknown)}; known are {', '.join(TOOLS)}")
    missing = 0
    for name in names:
        try:
            sys.stdout.write(f"{provide(name)}\n")
        except ToolMissingError as error:
            _say(str(error))
            missing += 1
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
