"""The file system of an image, run as a cluster would: not as root, without privileges, on a root that is read-only."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.clients import ClientHome
from tests.e2e.tools.processes import Process, running

__all__ = ["FILES", "Container", "unpack"]

FILES = "/etc/dhi-gate/files"  # where a container finds what it is given

# A runtime of containers in its least: mounts of its own, then no way back. Only /tmp can be written, and it is memory.
_START = """
set -e
root=$1 files=$2 user=$3
shift 3
mkdir -p "$root/proc" "$root/dev" "$root/tmp" "$root/etc/dhi-gate/files"
mount --bind "$root" "$root"
mount -t proc -o nosuid,nodev,noexec proc "$root/proc"
mount -t tmpfs -o nosuid,mode=0755,size=64k devices "$root/dev"
for device in null zero random urandom; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t tmpfs -o nosuid,nodev,mode=1777,size=64m memory "$root/tmp"
mount --bind "$files" "$root/etc/dhi-gate/files"
mount -o remount,bind,ro "$root/etc/dhi-gate/files"
mount -o remount,bind,ro "$root"
exec setpriv --no-new-privs chroot --userspec="$user" --groups="${user#*:}" "$root" "$@"
"""
_HOST_PATH = "/usr/local/sbin:/usr/sbin:/sbin"  # of mount, setpriv and chroot, behind the image's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """An image unpacked into `root`, and a folder of the host that is mounted, read-only, at `FILES`."""

    root: Path
    files: Path
    config: Mapping[str, Any]  # the inner `config` of the image config

    def run(self, *arguments: str, entrypoint: Sequence[str] = (), status: int = 0) -> str:
        """Run the image's entrypoint, or another one, which must end with `status`; return all that it printed."""
        done = subprocess.run(
            self._command(arguments, entrypoint),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == status, f"status {done.returncode}: {done.stdout}"
        return done.stdout

    @contextmanager
    def running(self, *arguments: str, log: Path) -> Iterator[Process]:
        """Run the image's entrypoint until the end of the block; its signals are those of the process."""
        with running(self._command(arguments, ()), log=log, environment=self._environment) as process:
            yield process

    def _command(self, arguments: Sequence[str], entrypoint: Sequence[str]) -> list[str | Path]:
        host = [shutil.which("unshare") or "unshare", "--mount", shutil.which("sh") or "sh", "-c", _START, "sh"]
        program = entrypoint or self.config["Entrypoint"]
        return [*host, self.root, self.files, self.config["User"], *program, *arguments]

    @property
    def _environment(self) -> Mapping[str, str]:
        """The image's, and nothing else."""
        image = dict(each.split("=", 1) for each in self.config["Env"])
        return {**image, "PATH": f"{image['PATH']}:{_HOST_PATH}"}


def unpack(home: ClientHome, image: str, folder: Path) -> Container:
    """Unpack `image` (`HOST/PATH@DIGEST`) below `folder`, with its owners and modes, as root alone can."""
    root, files, archive = folder / "root", folder / "files", folder / "root.tar"
    root.mkdir()
    files.mkdir(mode=0o755)
    home.run("crane", "export", image, str(archive))
    subprocess.run(
        ["tar", "--extract", "--preserve-permissions", "--numeric-owner", f"--file={archive}"], cwd=root, check=True
    )
    archive.unlink()
    return Container(root=root, files=files, config=json.loads(home.run("crane", "config", image))["config"])
