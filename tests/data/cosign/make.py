"""Make the artefacts in this folder anew: images signed by real cosign, taken from a real registry.

    python -m tests.data.cosign.make      # from the root of the project, inside its virtual environment

Every case is one `Case` below and becomes a folder of its name, an OCI image layout of one repository. `cases.json`
says of every case what was done and what was measured on the result. The private keys live in a temporary folder and
are gone afterwards, so each run makes new keys and new signatures.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.data.cosign.measure import PublicKey, recognise, signatures_in
from tests.data.cosign.repository import CREATED, Json, Repository, push_image, push_index, save_layout
from tests.e2e.tools import processes, toolchain

HERE = Path(__file__).resolve().parent

# Classic signatures repeat the name they were made under. No such host exists, nor has to: see `Cosign.run`. Cosign
# speaks plain HTTP to names that end like this one.
HOST = "registry.localhost"
NAME = "shop/api"
TAG = "1.0"

# How openssl makes the key that cosign then imports; None is the kind that cosign makes by itself.
KEYS: Mapping[str, tuple[str, ...] | None] = {
    "ecdsa-p256": None,
    "ecdsa-p384": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"),
    "ecdsa-p521": ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"),
    "rsa-2048": ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"),
    "ed25519": ("-algorithm", "ED25519"),
}

OFFLINE = ("--use-signing-config=false", "--tlog-upload=false", "-y")

Form: TypeAlias = Literal["classic", "oci11", "bundle"]
FORMS: Mapping[Form, tuple[str, ...]] = {
    "bundle": (),
    "classic": ("--new-bundle-format=false",),
    "oci11": ("--new-bundle-format=false", "--registry-referrers-mode=oci-1-1"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One call of cosign."""

    verb: Literal["sign", "attest"] = "sign"
    key: str = "ecdsa-p256"
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A repository with one image or index, and what cosign does to it."""

    name: str
    form: Form
    steps: tuple[Step, ...] = (Step(),)
    subject: Literal["image", "index"] = "image"
    referrers: bool = True  # whether the registry knows the referrers API; if not, clients keep to the fallback tag
    environment: Mapping[str, str] = field(default_factory=dict)


def _cases() -> Iterator[Case]:
    forms: tuple[Form, ...] = ("classic", "bundle")
    two_keys = (Step(), Step(key="rsa-2048"))
    signed_and_attested = (Step(), Step(verb="attest"))
    annotated = Step(arguments=("-a", "env=production", "-a", "ticket=PLAT-112"))
    for form in forms:
        for key in KEYS:
            yield Case(name=f"{key}-{form}", form=form, steps=(Step(key=key),))
        yield Case(name=f"index-{form}", form=form, subject="index")
        yield Case(name=f"recursive-{form}", form=form, subject="index", steps=(Step(arguments=("--recursive",)),))
        yield Case(name=f"annotated-{form}", form=form, steps=(annotated,))
        yield Case(name=f"two-keys-{form}", form=form, steps=two_keys)
        yield Case(name=f"attested-{form}", form=form, steps=(Step(verb="attest"),))
        yield Case(name=f"signed-and-attested-{form}", form=form, steps=signed_and_attested)
    yield Case(name="fallback-bundle", form="bundle", referrers=False)
    yield Case(name="fallback-two-keys-bundle", form="bundle", referrers=False, steps=two_keys)
    yield Case(name="fallback-signed-and-attested-bundle", form="bundle", referrers=False, steps=signed_and_attested)
    experimental = {"COSIGN_EXPERIMENTAL": "1"}
    yield Case(name="oci11", form="oci11", environment=experimental)
    yield Case(name="fallback-oci11", form="oci11", referrers=False, environment=experimental)
    yield Case(name="docker-types-classic", form="classic", environment={"COSIGN_DOCKER_MEDIA_TYPES": "1"})


class Cosign:
    """Real cosign, working in a temporary folder that holds its keys."""

    def __init__(self, folder: Path) -> None:
        self._program = toolchain.provide("cosign")
        self._folder = folder
        # Nothing of the user's, neither configuration nor credentials, has a part in this.
        password = secrets.token_urlsafe()
        self._environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "COSIGN_PASSWORD": password}
        (folder / "sbom.spdx.json").write_text(json.dumps(_spdx_document()), encoding="utf-8")

    def run(
        self, *arguments: str, address: str | None = None, environment: Mapping[str, str] | None = None, check: bool
    ) -> subprocess.CompletedProcess[str]:
        """Run cosign; `subprocess.CalledProcessError`, and its words on standard error, if `check` and it is unhappy.

        The registry at `address`, on loopback, answers for every host: as the proxy that cosign is told to use. That is
        how a signature made here can name a host that does not exist. HTTPS, which cosign tries first, leads nowhere.
        """
        proxy = {"HTTP_PROXY": f"http://{address}", "HTTPS_PROXY": "http://127.0.0.1:1"} if address else {}
        done = subprocess.run(
            [self._program, *arguments],
            cwd=self._folder,
            env={**self._environment, **proxy, **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if check and done.returncode != 0:
            sys.stderr.write(done.stderr)
            done.check_returncode()
        return done

    def make_key(self, name: str, openssl: tuple[str, ...] | None) -> PublicKey:
        """Make the key pair `name`, put its public half into this folder and return it."""
        if openssl is None:
            self.run("generate-key-pair", "--output-key-prefix", name, check=True)
        else:
            source = self._folder / f"{name}.pem"
            subprocess.run(["openssl", "genpkey", *openssl, "-out", source], check=True, capture_output=True)
            self.run("import-key-pair", "--key", str(source), "--output-key-prefix", name, "-y", check=True)
        shutil.copy(self._folder / f"{name}.pub", HERE / f"{name}.pub")
        key = load_pem_public_key((HERE / f"{name}.pub").read_bytes())
        if not isinstance(key, ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | rsa.RSAPublicKey):
            raise TypeError(f"{name}.pub is a {type(key).__name__}")
        return key

    def hashes_accepted(self, case: Case, key: str, image: str, address: str) -> list[str]:
        """Return the hashes told to `cosign verify --key` with which it is content; `sha256` is what it assumes."""
        flags = ["--insecure-ignore-tlog=true", *(["--experimental-oci11"] if case.form == "oci11" else [])]
        return [
            algorithm
            for algorithm in ("sha256", "sha384", "sha512")
            if self.run(
                *("verify", "--key", f"{key}.pub", f"--signature-digest-algorithm={algorithm}", *flags, image),
                address=address,
                environment=case.environment,
                check=False,
            ).returncode
            == 0
        ]


def _spdx_document() -> Json:
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "tiny",
        "documentNamespace": "https://registry.example/spdx/tiny",
        "creationInfo": {"created": CREATED, "creators": ["Organization: Example"]},
        "packages": [],
    }


def _arguments(case: Case, step: Step, image: str) -> list[str]:
    """Return what follows `cosign` on the command line of `step`."""
    document = ["--type", "spdxjson", "--predicate", "sbom.spdx.json"] if step.verb == "attest" else []
    return [step.verb, "--key", f"{step.key}.key", *OFFLINE, *FORMS[case.form], *document, *step.arguments, image]


def _make_case(case: Case, cosign: Cosign, address: str, keys: Mapping[str, PublicKey]) -> Json:
    """Do what `case` says on the empty registry at `address`, save the result and return its entry in cases.json."""
    repository = Repository(address, NAME)
    subject = push_image(repository, "amd64", TAG) if case.subject == "image" else push_index(repository, TAG)
    image = f"{HOST}/{NAME}@{subject['digest']}"
    commands = [_arguments(case, step, image) for step in case.steps]
    for command in commands:
        cosign.run(*command, address=address, environment=case.environment, check=True)
    save_layout(repository, HERE / case.name)
    return {
        "name": case.name,
        "form": case.form,
        "repository": f"{HOST}/{NAME}",
        "tag": TAG,
        "digest": subject["digest"],
        "referrersApi": case.referrers,
        "environment": dict(case.environment),
        "commands": [" ".join(["cosign", *command]) for command in commands],
        "signatures": list(_measure(HERE / case.name, keys)),
        "verifyAccepts": {
            key: cosign.hashes_accepted(case, key, image, address) for key in sorted({step.key for step in case.steps})
        },
    }


def _measure(layout: Path, keys: Mapping[str, PublicKey]) -> Iterator[Json]:
    for signature in signatures_in(layout):
        key, scheme = recognise(signature, keys)
        yield {
            "manifest": signature.manifest,
            "statement": signature.statement,
            "about": signature.about,
            "key": key,
            "scheme": scheme,
        }


def main() -> int:
    """Make all cases; return the exit status."""
    for old in HERE.glob("*/oci-layout"):
        shutil.rmtree(old.parent)
    with tempfile.TemporaryDirectory() as scratch:
        cosign = Cosign(Path(scratch))
        keys = {name: cosign.make_key(name, openssl) for name, openssl in KEYS.items()}
        entries = []
        for case in _cases():
            sys.stderr.write(f"{case.name}\n")
            with processes.oci_registry(Path(scratch), referrers=case.referrers) as address:
                entries.append(_make_case(case, cosign, address, keys))
        version = json.loads(cosign.run("version", "--json", check=True).stdout)["gitVersion"]
    document = {"cosign": version, "cases": entries}
    (HERE / "cases.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
