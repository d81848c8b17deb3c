"""A small world for stories: a registry in memory, a Docker that signs bases, a release pipeline that signs images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from tests.adapters.given import Recorder
from tests.fakes.clock import ManualClock
from tests.fakes.registry import FakeRegistry
from webhook.core.bases.catalog import BaseBuild, Catalog, Status, VerifiedBy
from webhook.core.bases.document import seal
from webhook.core.manifest_objects import bare_image
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.core.references import Digest, Repository
from webhook.core.verdicts import Decision
from webhook.core.workloads import Workload
from webhook.demo.bases import dhi_base
from webhook.demo.images import BuiltImage, BuiltIndex, build, push
from webhook.demo.layers import File
from webhook.demo.signer import Signer
from webhook.layers import LayerInspector
from webhook.review import World, review

HOST = "registry.example"

POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {{name: production}}
spec:
  authorities:
    - {{name: docker-dhi, key: {{data: "{docker}"}}}}
    - {{name: release, key: {{data: "{release}"}}}}
    - {{name: sandbox, key: {{data: "{sandbox}"}}}}
  bases:
    - {{repository: dhi.io/python, tags: ["3.13*"], signedBy: [docker-dhi]}}
  rules:
    - name: everywhere
      require: {require}
"""
STRICT = "{signatures: {from: [release]}, base: {maxAge: 60d}, user: nonRoot}"
SECONDS = 5.0


class Shop:
    """Everything a review needs, and short words for what happens before one.

    `base` is the runtime base `dhi.io/python:3.13`, on record in the catalog.
    """

    def __init__(self, *, require: str = STRICT) -> None:
        self.clock = ManualClock()
        self.registry = FakeRegistry()
        self.docker, self.release, self.sandbox = Signer.generate(), Signer.generate(), Signer.generate()
        self.policy = self.policy_that(require)
        self.base = dhi_base(created=self.clock.now() - timedelta(days=3))
        self.builds: tuple[BaseBuild, ...] = (self.record(self.base),)
        self.layers: LayerInspector | None = None

    def policy_that(self, require: str) -> Policy:
        """Return a policy whose one rule requires this."""
        keys = {name: getattr(self, name).public_pem.replace("\n", "\\n") for name in ("docker", "release", "sandbox")}
        return parse_policy(POLICY.format(require=require, **keys).encode(), read_file=_no_file)

    def record(self, image: BuiltImage, *tags: str) -> BaseBuild:
        """Return the catalog entry of a base that Docker signed."""
        now, labels = self.clock.now(), image.labels
        return BaseBuild(
            repository=Repository.parse("dhi.io/python"),
            tags=tags or ("3.13",),
            platform=image.platform,
            index_digest=None,
            digest=image.digest,
            config_digest=image.config_digest,
            layers=image.layer_digests,
            diff_ids=image.diff_ids,
            chain_id=image.chain_id,
            created=now - timedelta(days=3),
            end_of_life=None,
            variant=labels["com.docker.dhi.variant"],
            distro=labels["com.docker.dhi.distro"],
            fips=False,
            definition=labels["com.docker.dhi.definition"],
            user=image.user,
            first_seen=now,
            last_seen=now,
            superseded_at=None,
            status=Status.ACTIVE,
            reason=None,
            verified_by=VerifiedBy(authority="docker-dhi", key_fingerprint=self.docker.fingerprint),
        )

    @property
    def catalog(self) -> Catalog:
        """The catalog of all builds on record."""
        return seal(policy="production", synced_at=self.clock.now(), builds=self.builds)

    def app(self, base: BuiltImage | None = None, name: str = "app", **options: object) -> BuiltImage:
        """Build an application on a base, by default the approved one."""
        files = {f"opt/{name}.py": File(content=f"print('{name}')".encode())}
        return build(base or self.base, [files], **options)  # type: ignore[arg-type]

    def push(self, content: BuiltImage | BuiltIndex, *signers: Signer, repository: str = "shop/api") -> str:
        """Push an image, have it signed in bundles by these, and return its pinned reference."""
        digest = push(self.registry.store, repository, content)
        for signer in signers:
            signer.sign_bundle(self.registry.store, repository, digest)
        return f"{HOST}/{repository}@{digest}"

    async def review(self, *what: str | Workload, catalog: bool = True, policy: Policy | None = None) -> Decision:
        """Review one workload, or one pod-less image."""
        (workload,) = (bare_image(entry, "shop") if isinstance(entry, str) else entry for entry in what)
        async with LayerInspector(self.registry, clock=self.clock, log=Recorder().log) as layers:
            world = World(
                registry=self.registry,
                layers=self.layers or layers,
                clock=self.clock,
                catalog=self.catalog if catalog else None,
            )
            deadline = self.clock.monotonic() + SECONDS
            return await review(workload, policy or self.policy, world, deadline=deadline)

    async def codes(self, *what: str | Workload, **options: object) -> Sequence[str]:
        """Review, and return the reason codes."""
        decision = await self.review(*what, **options)  # type: ignore[arg-type]
        return [problem.code for verdict in decision.verdicts for problem in verdict.problems]

    def revoke(self, chain: Digest) -> None:
        """Mark every build with that chain as revoked."""
        self.builds = tuple(
            replace(build, status=Status.REVOKED, reason="CVE-2026-1") if build.chain_id == chain else build
            for build in self.builds
        )


def _no_file(name: str) -> bytes:
    raise OSError(2, "No such file", name)
