"""Real cosign with a Sigstore: an identity, a certificate of ten minutes, a log and a timestamp."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.clients import ClientHome
from tests.e2e.tools.real_sigstore import SigstoreStand

# In the home of the cosign that wrote them.
TRUSTED_ROOT = "trusted_root.json"
KEY = "logged"  # .key and .pub

# What GitHub says of a run of a workflow, as far as Fulcio asks for it.
_COMMIT = "0123456789abcdef0123456789abcdef01234567"
_WORKFLOW_CLAIMS: Mapping[str, object] = {
    "event_name": "push",
    "job_workflow_sha": _COMMIT,
    "repository_id": "100",
    "repository_owner_id": "200",
    "repository_visibility": "private",
    "run_attempt": "1",
    "run_id": "7",
    "runner_environment": "github-hosted",
    "sha": _COMMIT,
    "workflow": "release",
    "workflow_sha": _COMMIT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody whom an issuer knows."""

    issuer: str
    subject: str  # as the certificate has it
    token: str


def person(stand: SigstoreStand, email: str) -> Identity:
    """Return a person who logged in a moment ago."""
    token = stand.people.token(sub=email, email=email, email_verified=True)
    return Identity(issuer=stand.people.url, subject=email, token=token)


def workflow(stand: SigstoreStand, repository: str, *, ref: str = "refs/heads/main") -> Identity:
    """Return a run of the workflow `release` of a repository (`OWNER/NAME`) at a Git reference."""
    definition = f"{repository}/.github/workflows/release.yml@{ref}"
    token = stand.workflows.token(
        sub=f"repo:{repository}:ref:{ref}",
        ref=ref,
        repository=repository,
        repository_owner=repository.partition("/")[0],
        job_workflow_ref=definition,
        workflow_ref=definition,
        **_WORKFLOW_CLAIMS,
    )
    return Identity(issuer=stand.workflows.url, subject=f"https://github.com/{definition}", token=token)


class KeylessCosign:
    """Cosign at home, with a signing config and a trusted root that it wrote itself for one Sigstore."""

    def __init__(self, home: ClientHome, stand: SigstoreStand) -> None:
        self._home = home
        self.stand = stand
        self.trusted_root = home.folder / TRUSTED_ROOT
        signing_config = home.folder / "signing_config.json"
        home.run("cosign", "trusted-root", "create", *stand.trusted_root_flags, f"--out={self.trusted_root}")
        home.run("cosign", "signing-config", "create", *stand.signing_config_flags, f"--out={signing_config}")
        self._password = {"COSIGN_PASSWORD": secrets.token_urlsafe()}
        home.run("cosign", "generate-key-pair", "--output-key-prefix", KEY, environment=self._password)
        self._services = ("-y", f"--signing-config={signing_config}", f"--trusted-root={self.trusted_root}")

    def sign(self, image: str, who: Identity) -> None:
        """Sign `image` (`HOST/PATH@DIGEST`) in the name of `who`: a bundle with a log entry and a timestamp."""
        self._home.run("cosign", "sign", *self._services, f"--identity-token={who.token}", image)

    def sign_with_key(self, image: str, *, logged: bool) -> None:
        """Sign `image` with a key of long life; if `logged`, it gets a log entry and a timestamp like any other."""
        services = self._services if logged else ("-y", "--use-signing-config=false", "--tlog-upload=false")
        self._home.run("cosign", "sign", f"--key={KEY}.key", *services, image, environment=self._password)

    def sign_without_log(self, image: str, who: Identity) -> None:
        """Sign as older clients do, under the tag `sha256-….sig`, with a timestamp and no log entry.

        This cosign writes log entries of the second version only, and the classic form has no place for one.
        """
        self._home.run(
            "cosign",
            "sign",
            "-y",
            "--new-bundle-format=false",
            "--use-signing-config=false",
            "--tlog-upload=false",
            f"--fulcio-url={self.stand.fulcio_url}",
            f"--timestamp-server-url={self.stand.timestamp_url}",
            f"--trusted-root={self.trusted_root}",
            f"--identity-token={who.token}",
            image,
        )

    def attest(self, image: str, who: Identity, *, kind: str, predicate: Mapping[str, object]) -> None:
        """Attest `predicate` of a kind that cosign knows (`spdxjson`, `vuln` …), or of a type given as URI."""
        file = self._home.folder / "predicate.json"
        file.write_text(json.dumps(predicate), encoding="utf-8")
        arguments = (f"--type={kind}", f"--predicate={file}", f"--identity-token={who.token}")
        self._home.run("cosign", "attest", *self._services, *arguments, image)

    def verify(self, image: str, *, issuer: str, subject: str) -> None:
        """Have cosign itself verify; `ProcessFailedError` if it refuses."""
        identity = (f"--certificate-oidc-issuer={issuer}", f"--certificate-identity={subject}")
        self._home.run("cosign", "verify", f"--trusted-root={self.trusted_root}", *identity, image)


def keyless(**identity: str) -> Mapping[str, object]:
    """Return what an authority of one identity has: `issuer` or `issuerRegExp`, and `subject` or `subjectRegExp`."""
    return {"keyless": {"trustRoot": {"file": TRUSTED_ROOT}, "identities": [identity]}}


def logged_key() -> Mapping[str, object]:
    """Return what an authority has whose key must have been seen by the log."""
    return {"key": {"file": f"{KEY}.pub", "transparencyLog": "require", "trustRoot": {"file": TRUSTED_ROOT}}}


def write_policy(
    path: Path, *, authorities: Mapping[str, Mapping[str, object]], rules: Mapping[str, Mapping[str, object]]
) -> Path:
    """Write a policy: what each authority has, and what each rule requires, both by name."""
    document = {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "keyless"},
        "spec": {
            "authorities": [{"name": name, **authority} for name, authority in authorities.items()],
            "rules": [
                *({"name": name, "namespaces": [name], "require": require} for name, require in rules.items()),
                {"name": "everything-else", "images": ["nowhere.example/**"], "require": {"user": "nonRoot"}},
            ],
        },
    }
    path.write_text(json.dumps(document, indent=2), encoding="utf-8")
    return path
