"""The real clients of a registry: buildah builds and pushes, crane copies, cosign signs."""

import json
import os
import secrets
import subprocess
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.e2e.tools import toolchain
from tests.e2e.tools.processes import ProcessFailedError

DOCKERFILES = Path(__file__).resolve().parent / "images"

Form = Literal["bundle", "classic", "oci11"]
Key = Literal["publisher", "release", "stranger"]
KEYS: tuple[Key, ...] = ("publisher", "release", "stranger")

# No transparency log is within reach of these tests, and keys need none.
_OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "-y")
_FORMS: Mapping[Form, tuple[str, ...]] = {
    "bundle": (),
    "classic": ("--new-bundle-format=false",),
    "oci11": ("--new-bundle-format=false", "--registry-referrers-mode=oci-1-1"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHome:
    """A folder that clients take for the home of their user, so that nothing of the real user's plays a part."""

    folder: Path
    ca_file: Path  # PEM; the authorities that clients trust
    docker_config: Path

    @classmethod
    def furnish(cls, folder: Path, *, ca_file: Path, passwords: Mapping[str, tuple[str, str]]) -> "ClientHome":
        """Write a Docker configuration with `passwords`: user and password by `host:port`."""
        auths = {
            host: {"auth": b64encode(f"{user}:{password}".encode()).decode()}
            for host, (user, password) in passwords.items()
        }
        config = folder / "config.json"
        config.write_text(json.dumps({"auths": auths}), encoding="utf-8")
        return cls(folder=folder, ca_file=ca_file, docker_config=config)

    def run(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None, timeout_s: float = 120
    ) -> str:
        """Run one of the tools of the toolchain at home and return what it printed.

        Errors: `ProcessFailedError` with the tool's own words; `subprocess.TimeoutExpired`.
        """
        done = subprocess.run(
            [toolchain.provide(name), *arguments],
            cwd=self.folder,
            env={**self._environment, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            raise ProcessFailedError(f"{name} {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    @property
    def _environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "DOCKER_CONFIG": str(self.folder),
            "SSL_CERT_FILE": str(self.ca_file),
        }


class Cosign:
    """Real cosign, which signs in the name of `KEYS`; they are made here and gone with their folder."""

    def __init__(self, home: ClientHome) -> None:
        self._home = home
        self._password = {"COSIGN_PASSWORD": secrets.token_urlsafe()}
        for key in KEYS:
            home.run("cosign", "generate-key-pair", "--output-key-prefix", key, environment=self._password)

    def public_key(self, key: Key) -> Path:
        """Return the PEM file of the public half of `key`."""
        return self._home.folder / f"{key}.pub"

    def sign(self, image: str, *, key: Key, form: Form) -> None:
        """Sign `image` (`HOST/PATH@DIGEST`).

        `bundle` is what cosign 3 writes, `classic` what older clients write, `oci11` what Docker writes for its own
        images: a classic signature that hangs on the image as a referrer.
        """
        experimental = {"COSIGN_EXPERIMENTAL": "1"} if form == "oci11" else {}
        command = ("sign", "--key", f"{key}.key", *_OFFLINE, *_FORMS[form], image)
        self._home.run("cosign", *command, environment={**self._password, **experimental})


class Buildah:
    """Real buildah, as root and without a daemon, with a storage of its own."""

    def __init__(self, home: ClientHome, *, registry: str, build_args: Mapping[str, str]) -> None:
        self._home = home
        self._registry = registry
        self._build_args = {"REGISTRY": registry, **build_args}
        folders = (f"--root={home.folder / 'storage'}", f"--runroot={home.folder / 'run'}")
        self._storage = ("--storage-driver=vfs", *folders)

    def build_and_push(
        self, dockerfile: str, target: str, *, build_args: Mapping[str, str], flags: Sequence[str] = ()
    ) -> str:
        """Build `images/DOCKERFILE.Dockerfile`, push it to `target` (`PATH:TAG` in the registry), return its digest.

        With `--platform` of several platforms among the `flags`, all of them are offered by one index.
        """
        name = f"{self._registry}/{target}"
        arguments = {**self._build_args, **build_args}
        listed = any(flag.startswith("--platform=") for flag in flags)
        self._run(
            "build",
            "--isolation=chroot",
            "--tls-verify=false",
            *flags,
            *(f"--build-arg={key}={value}" for key, value in arguments.items()),
            f"--file={DOCKERFILES / f'{dockerfile}.Dockerfile'}",
            f"--manifest={name}" if listed else f"--tag={name}",
            str(DOCKERFILES),
        )
        digest_file = self._home.folder / "pushed-digest"
        push = ("manifest", "push", "--all") if listed else ("push",)
        self._run(*push, "--tls-verify=false", f"--digestfile={digest_file}", name, f"docker://{name}")
        return digest_file.read_text(encoding="ascii").strip()

    def _run(self, *arguments: str) -> None:
        self._home.run("buildah", *self._storage, *arguments)
