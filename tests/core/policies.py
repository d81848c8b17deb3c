"""ImagePolicy documents for tests: an ordinary one, one that uses every key, and what they refer to."""

from __future__ import annotations

import copy
import json
import pathlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import trustme
import yaml

from tests.sigstore_stand.stand import SigstoreStand
from webhook.core.errors import DocumentError
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.demo.keys import SigningKey

Path = tuple[str | int, ...]
NOTATION = pathlib.Path(__file__).parents[1] / "data" / "notation"
TUF_ROOT = b'{"signed": {"_type": "root"}, "signatures": []}'


@cache
def public_pem(owner: str) -> str:
    """Return the public key of somebody: the same name, the same key."""
    return SigningKey.generate().public_pem


@cache
def ca_pem() -> str:
    """Return the certificate of a certificate authority."""
    return trustme.CA().cert_pem.bytes().decode()


@cache
def trusted_root() -> bytes:
    """Return the trusted root of a private Sigstore."""
    return SigstoreStand.create().trusted_root()


def files(**more: bytes) -> Callable[[str], bytes]:
    """Return a reader of the files that policies here refer to, and of `more` (`name_pem` is `name.pem`)."""
    contents = {
        "release.pem": public_pem("release").encode(),
        "ca.pem": ca_pem().encode(),
        "trusted_root.json": trusted_root(),
        "root.json": TUF_ROOT,
        "root.pem": NOTATION.joinpath("root.pem").read_bytes(),
        "root.crl": NOTATION.joinpath("root.crl").read_bytes(),
    }
    contents |= {name.replace("_", "."): data for name, data in more.items()}

    def read_file(name: str) -> bytes:
        if name not in contents:
            raise FileNotFoundError(2, "No such file or directory")
        return contents[name]

    return read_file


def plain() -> dict[str, Any]:
    """Return the shortest useful policy, as plain values that a test may change."""
    return {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "production"},
        "spec": {
            "authorities": [{"name": "release", "key": {"data": public_pem("release")}}],
            "bases": [{"repository": "dhi.io/python", "tags": ["3.13*"], "signedBy": ["release"]}],
            "rules": [{"name": "all", "require": {"signatures": {"from": ["release"]}, "base": {}}}],
        },
    }


def complete() -> dict[str, Any]:
    """Return a policy that uses every key that this version decides, as plain values that a test may change."""
    return copy.deepcopy(_complete())


@cache
def _complete() -> dict[str, Any]:
    document: dict[str, Any] = yaml.load(COMPLETE, Loader=yaml.BaseLoader)  # noqa: S506 - makes nothing but text
    spec = document["spec"]
    spec["authorities"][0]["key"]["data"] = public_pem("docker") + public_pem("docker, rotated")
    spec["pinTags"] = True
    required = spec["rules"][0]["require"]
    required["pinned"] = True
    required["signatures"]["atLeast"] = 2
    required["base"] |= {"fips": True, "intact": False}
    required["attestations"][1]["deny"]["fixedOnly"] = True
    return document


def parse(document: Mapping[str, Any] | str, *, read_file: Callable[[str], bytes] | None = None) -> Policy:
    """Read a policy that is given as plain values or as text."""
    text = document if isinstance(document, str) else json.dumps(document)
    return parse_policy(text.encode(), read_file=read_file or files())


def errors(document: Mapping[str, Any] | str, *, read_file: Callable[[str], bytes] | None = None) -> tuple[str, ...]:
    """Return everything that is wrong with a policy, nothing if it can be used."""
    try:
        parse(document, read_file=read_file)
    except DocumentError as error:
        return tuple(str(each) for each in error.errors)
    return ()


def replaced(document: Mapping[str, Any], path: Path, value: object) -> dict[str, Any]:
    """Return the document with something else at `path`."""
    changed: dict[str, Any] = copy.deepcopy(dict(document))
    inner: Any = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


def without(document: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return the document without what stands at `path`."""
    changed: dict[str, Any] = copy.deepcopy(dict(document))
    inner: Any = changed
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return changed


def written(path: Path) -> str:
    """Write a path as errors do."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


COMPLETE = f"""
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: production
spec:
  authorities:
    - name: docker-dhi
      key: {{data: "", transparencyLog: ignore}}
      annotations: {{env: production}}
    - name: release
      key: {{file: release.pem, trustRoot: {{file: trusted_root.json}}, validFrom: 2026-01-01, validUntil: 2027-12-31}}
      repositories: ["registry.example/**", dhi.io/*]
    - name: pipeline
      keyless:
        trustRoot: {{file: trusted_root.json}}
        identities:
          - {{issuer: "https://gitlab.example", subject: "https://gitlab.example/shop//ci.yml@refs/heads/main"}}
          - {{issuerRegExp: "https://[a-z]+[.]example", subjectRegExp: ".*@example[.]com"}}
    - name: builders
      keyless:
        trustRoot: {{tuf: {{mirror: "https://tuf.example/sigstore", root: root.json}}}}
        identities: [{{issuer: "https://gitlab.example", subject: builder@example.com}}]
    - name: notary
      notation:
        trustStore: {{file: root.pem}}
        trustedIdentities: ["x509.subject: CN=release,O=Example"]
        crls: [{{file: root.crl}}]
  bases:
    - repository: dhi.io/python
      tags: ["3.13*"]
      signedBy: [docker-dhi, release]
      mirrors: [registry.example/mirror/dhi-python]
      attestations: registry.scout.docker.com/example/dhi-python
  registries:
    - {{host: registry.example, ca: {{file: ca.pem}}, mirrors: [cache.example], signatures: sigs.example/all}}
  revoked:
    - {{digest: "sha256:{"a" * 64}", reason: leaked token in layer 4}}
  pinTags: ""
  rules:
    - name: production
      namespaces: ["prod-*"]
      mode: enforce
      images: ["registry.example/**"]
      require:
        pinned: ""
        signatures: {{from: [release, docker-dhi], atLeast: ""}}
        base:
          repositories: [dhi.io/python]
          variants: [runtime]
          maxAge: 60d
          maxLag: 14d
          endOfLife: deny
          evidence: [layers, provenance]
        attestations:
          - {{type: "https://spdx.dev/Document", from: [release]}}
          - type: https://cosign.sigstore.dev/attestation/vuln/v1
            from: [release]
            maxAge: 7d
            deny: {{severities: [CRITICAL, HIGH], fixedOnly: ""}}
            vex: {{from: [release]}}
          - type: https://slsa.dev/provenance/v1
            from: [release]
            builders: ["https://gitlab.example/runners/**"]
            sources: ["https://gitlab.example/shop/*"]
        user: nonRoot
      except:
        - name: debugging
          containers: [ephemeral]
          images: [dhi.io/busybox]
          digests: ["sha256:5f0c6d7a6f0c9d3f3b1a2e4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80"]
          groups: [sre]
          require: {{signatures: {{from: [pipeline, builders, notary]}}}}
        - {{name: agent, images: [vendor.example/agent], exempt: {{reason: PLAT-112, expires: 2027-03-31}}}}
    - name: system
      namespaces: [kube-system]
      exempt: {{reason: cluster add-ons, expires: 2027-03-31}}
    - name: everything-else
      mode: warn
      require: {{base: {{}}}}
"""
