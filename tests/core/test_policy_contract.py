"""An example that says everything at once which a policy can say about who signs and what an image stands on."""

from __future__ import annotations

from tests.core.policies import parse, public_pem

EXAMPLE = f"""
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata:
  name: production
spec:
  authorities:
    - name: docker-dhi
      key:
        data: |
          {public_pem("docker").strip().replace(chr(10), chr(10) + "          ")}
        transparencyLog: ignore
        validUntil: 2027-01-01
        trustRoot: {{file: trusted_root.json}}
      repositories: ["registry.example/**"]
      annotations: {{env: production}}
    - name: release
      keyless:
        trustRoot: {{file: trusted_root.json}}
        identities:
          - issuer: https://gitlab.example
            subject: https://gitlab.example/shop/api//.gitlab-ci.yml@refs/heads/main
    - name: notary
      notation: {{trustStore: {{file: ca.pem}}, trustedIdentities: ["x509.subject: CN=release,O=Example"]}}

  bases:
    - repository: dhi.io/python
      tags: ["3.13*"]
      signedBy: [docker-dhi]
      mirrors: [registry.example/mirror/dhi-python]
      attestations: registry.scout.docker.com/example/dhi-python

  registries:
    - {{host: registry.example, ca: {{file: ca.pem}}, mirrors: [cache.example], signatures: registry.example/sigs}}

  revoked:
    - {{digest: "sha256:{"0" * 64}", reason: "leaked token in layer 4"}}
  pinTags: true

  rules:
    - name: production
      namespaces: ["prod-*"]
      mode: enforce
      images: ["registry.example/**"]
      require:
        pinned: true
        signatures: {{from: [release], atLeast: 1}}
        base: {{maxAge: 60d, maxLag: 14d, variants: [runtime], endOfLife: deny, repositories: [dhi.io/python]}}
        attestations:
          - {{type: "https://spdx.dev/Document", from: [release]}}
        user: nonRoot
      except:
        - name: data-volumes
          containers: [volume]
          images: ["registry.example/data/**"]
          require: {{signatures: {{from: [release]}}}}
        - name: debugging
          containers: [ephemeral]
          images: ["dhi.io/busybox"]
          groups: [sre]
          require: {{base: {{variants: [runtime, dev]}}}}
        - {{name: vendor-agent, images: ["vendor.example/agent"], exempt: {{reason: "PLAT-112", expires: 2027-03-31}}}}
    - name: system
      namespaces: [kube-system]
      exempt: {{reason: "cluster add-ons", expires: 2027-03-31}}
    - name: everything-else
      mode: warn
      require: {{base: {{}}}}
"""


def test_it_can_be_used() -> None:
    """Nothing in the example is left for a later version."""
    assert [rule.name for rule in parse(EXAMPLE).rules] == ["production", "system", "everything-else"]
