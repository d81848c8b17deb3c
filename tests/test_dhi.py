"""Docker Hardened Images in full: a stand-in in Docker's own layout, from the publisher's push to the gate's verdict.

The layout: the index is signed by an OCI 1.1 referrer; each platform has plain in-toto statements as referrers, and the
manifest around each statement is signed in the same way. Sources: docker-hardened-images/keyring README;
moby/policy-helpers `image/resolve.go` and `image/verifier.go`; docker/docs `content/manuals/dhi/how-to/verify.md` for
mirrors.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.attestations.given import openvex
from tests.shop import HOST, Shop
from webhook.core.attestations.predicate_types import FIPS, OPENVEX, SLSA_PROVENANCE_02, SPDX
from webhook.core.bases.catalog import Status
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.core.problems import NotFips
from webhook.core.references import Digest
from webhook.demo.attestations import attach_statement
from webhook.demo.bases import dhi_base, dhi_index
from webhook.demo.images import AMD64, ARM64, BuiltImage, BuiltIndex, push
from webhook.demo.signer import Signer
from webhook.ports import TroubleKind
from webhook.sync import SyncResult, sync

OFFICIAL = "python"
MIRROR = "mirror/dhi-python"
ELSEWHERE = "example/dhi-python"
BUILDER = "https://builder.example/dhi"
POLICY = """
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {{name: production}}
spec:
  authorities:
    - {{name: docker-dhi, key: {{data: "{keys}"}}}}
    - {{name: release, key: {{data: "{release}"}}}}
  bases:
    - {{repository: dhi.io/python, tags: ["3.13*"], signedBy: [docker-dhi]{base}}}
  rules:
    - {{name: everywhere, require: {require}}}
"""
MIRRORED = f", mirrors: [{HOST}/{MIRROR}]"
APART = f"{MIRRORED}, attestations: scout.example/{ELSEWHERE}"
NEEDS_FIPS = "{signatures: {from: [release]}, base: {fips: true}}"
ATTESTED = (
    f"{{attestations: [{{type: '{SPDX}', from: [docker-dhi]}}, "
    f"{{type: '{SLSA_PROVENANCE_02}', from: [docker-dhi], builders: ['{BUILDER}']}}, "
    f"{{type: '{OPENVEX}', from: [docker-dhi]}}, {{type: '{FIPS}', from: [docker-dhi]}}]}}"
)


class Docker:
    """Publishes a hardened image for two platforms, and lets the gate keep its catalog and judge what stands on it."""

    def __init__(self) -> None:
        self.shop = Shop()
        self.store = self.shop.registry.store
        self.first, self.second, self.stranger = self.shop.docker, Signer.generate(), Signer.generate()
        self.amd64, self.arm64 = self.make()

    def make(self, age: int = 3, *, fips: bool = True) -> tuple[BuiltImage, BuiltImage]:
        """Make both platforms of a build that is `age` days old."""
        created = self.shop.clock.now() - timedelta(days=age)
        amd64, arm64 = (dhi_base(created=created, platform=platform, fips=fips) for platform in (AMD64, ARM64))
        return amd64, arm64

    @property
    def index(self) -> BuiltIndex:
        """The build that is published at present."""
        return dhi_index([self.amd64, self.arm64])

    def publish(self, to: str = OFFICIAL, *, by: Signer | None = None) -> Digest:
        """Push the present build, let its tag point to it, and sign the index."""
        root = push(self.store, to, self.index)
        self.store.put_tag(to, "3.13-fips", root)
        (by or self.first).sign_oci11(self.store, to, root)
        return root

    def attest_all(self, to: str = OFFICIAL, *, into: str | None = None, by: Signer | None = None) -> None:
        """Attest of both platforms what Docker does."""
        for platform in (self.amd64, self.arm64):
            for predicate_type, predicate in self.statements(platform.digest).items():
                self.attest(platform, predicate_type, predicate, to=to, into=into, by=by)

    def attest(
        self,
        platform: BuiltImage,
        predicate_type: str,
        predicate: Mapping[str, object],
        *,
        to: str = OFFICIAL,
        into: str | None = None,
        by: Signer | None = None,
    ) -> None:
        """Attach one statement to a platform, and sign the manifest that carries it where it lies."""
        carrier = attach_statement(self.store, to, platform.digest, predicate_type, predicate, into=into)
        (by or self.first).sign_oci11(self.store, into or to, carrier)

    def statements(self, image: Digest) -> Mapping[str, Mapping[str, object]]:
        """Return what Docker says of one platform, by predicate type."""
        return {
            SPDX: {"spdxVersion": "SPDX-2.3"},
            SLSA_PROVENANCE_02: {"builder": {"id": BUILDER}, "buildType": "https://builder.example/type"},
            OPENVEX: openvex("CVE-2026-1", image, at=self.shop.clock.now()),
            FIPS: {"certification": "CMVP #4985"},
        }

    def policy(self, require: str = NEEDS_FIPS, *, base: str = "", keys: tuple[Signer, ...] = ()) -> Policy:
        """Return a policy that trusts these keys of Docker's, by default the first one alone."""
        pems = "".join(signer.public_pem for signer in keys or (self.first,))
        document = POLICY.format(
            keys=pems.replace("\n", "\\n"),
            release=self.shop.release.public_pem.replace("\n", "\\n"),
            require=require,
            base=base,
        )
        return parse_policy(document.encode(), read_file=lambda name: name.encode())

    async def sync(self, policy: Policy | None = None) -> SyncResult:
        """Sync the catalog."""
        result = await sync(
            self.shop.catalog if self.shop.builds else None,
            policy or self.policy(),
            self.shop.registry,
            self.shop.clock,
            deadline=self.shop.clock.monotonic() + 60,
        )
        self.shop.builds = result.catalog.builds
        return result

    async def fips(self, policy: Policy | None = None) -> dict[str, bool]:
        """Start a catalog anew, and return for each platform what it says about FIPS."""
        self.shop.builds = ()
        result = await self.sync(policy)
        assert result.complete
        return {str(build.platform): build.fips for build in result.catalog.builds}

    async def codes(self, policy: Policy | None = None, base: BuiltImage | None = None) -> list[str]:
        """Build an application on a base, by default the present one, sign it, and return what the gate objects to."""
        reference = self.shop.push(self.shop.app(base or self.amd64), self.shop.release)
        return list(await self.shop.codes(reference, policy=policy or self.policy()))


@pytest.fixture
def docker() -> Docker:
    """Return a publisher who has published nothing yet, and an empty catalog."""
    docker = Docker()
    docker.shop.builds = ()
    return docker


class TestAsPublished:
    """What Docker signs, as Docker signs it."""

    async def test_it_is_recorded_and_stood_on(self, docker: Docker) -> None:
        """A sync verifies index and attestations, and an application on either platform may run where FIPS is asked."""
        docker.publish()
        docker.attest_all()

        assert await docker.fips() == {"linux/amd64": True, "linux/arm64": True}
        assert {build.verified_by.key_fingerprint for build in docker.shop.builds} == {docker.first.fingerprint}
        assert await docker.codes() == []
        assert await docker.codes(base=docker.arm64) == []

    async def test_its_own_attestations_can_be_required(self, docker: Docker) -> None:
        """Where a hardened image runs as it is, a rule may ask for each statement that Docker signed."""
        reference = f"dhi.io/{OFFICIAL}@{docker.publish()}"
        missing = await docker.shop.codes(reference, policy=docker.policy(ATTESTED))
        assert set(missing) == {"missing-attestation"}

        docker.attest_all()
        assert list(await docker.shop.codes(reference, policy=docker.policy(ATTESTED))) == []

    async def test_a_signed_index_signs_no_attestation(self, docker: Docker) -> None:
        """Statements hang on the platforms; without a signature of their own they are a stranger's."""
        reference = f"dhi.io/{OFFICIAL}@{docker.publish()}"
        docker.attest_all(by=docker.stranger)

        missing = await docker.shop.codes(reference, policy=docker.policy(ATTESTED))
        assert set(missing) == {"missing-attestation"}


class TestFips:
    """`fips: true` is believed with the signed predicate, and with nothing less."""

    async def test_the_label_alone(self, docker: Docker) -> None:
        """A base that calls itself FIPS validated and is signed by Docker is not taken at its label's word."""
        docker.publish()

        assert await docker.fips() == {"linux/amd64": False, "linux/arm64": False}
        assert await docker.codes() == ["not-fips"]

    async def test_the_predicate_by_another_key(self, docker: Docker) -> None:
        """The publisher of the base must have signed the predicate, not just anybody, nor another authority."""
        docker.publish()
        docker.attest_all(by=docker.stranger)
        docker.attest_all(by=docker.shop.release)

        assert await docker.fips() == {"linux/amd64": False, "linux/arm64": False}
        assert await docker.codes() == ["not-fips"]

    async def test_the_predicate_on_another_platform(self, docker: Docker) -> None:
        """What is attested of one platform says nothing about the other."""
        docker.publish()
        docker.attest(docker.arm64, FIPS, docker.statements(docker.arm64.digest)[FIPS])

        assert await docker.fips() == {"linux/amd64": False, "linux/arm64": True}
        assert await docker.codes() == ["not-fips"]
        assert await docker.codes(base=docker.arm64) == []

    async def test_a_statement_about_another_image(self, docker: Docker) -> None:
        """A signed statement that hangs on the platform and speaks of another digest is about that one."""
        docker.publish()
        carrier = attach_statement(docker.store, OFFICIAL, docker.arm64.digest, FIPS, {"certification": "CMVP #4985"})
        docker.first.sign_oci11(docker.store, OFFICIAL, carrier)
        stored = docker.store.manifest(OFFICIAL, carrier)
        assert stored is not None
        moved = stored.data.replace(str(docker.arm64.digest).encode(), str(docker.amd64.digest).encode())
        docker.first.sign_oci11(docker.store, OFFICIAL, docker.store.put_manifest(OFFICIAL, moved, stored.media_type))

        assert await docker.fips() == {"linux/amd64": False, "linux/arm64": True}

    async def test_a_predicate_that_comes_later(self, docker: Docker) -> None:
        """A build on record that awaits the predicate is looked at again by every sync, one that has it is not."""
        docker.publish()
        await docker.sync()
        docker.attest_all()
        assert (await docker.sync()).reports[0].unchanged == 0
        assert {build.fips for build in docker.shop.builds} == {True}
        assert (await docker.sync()).reports[0].unchanged == 1

    async def test_the_word_of_a_key_that_is_gone(self, docker: Docker) -> None:
        """Where the key that attested it is no longer trusted, a build that another key verifies anew is not FIPS."""
        root = docker.publish()
        docker.attest_all()
        await docker.sync()
        docker.second.sign_oci11(docker.store, OFFICIAL, root)
        await docker.sync(docker.policy(keys=(docker.second,)))

        assert {(build.fips, build.verified_by.key_fingerprint) for build in docker.shop.builds} == {
            (False, docker.second.fingerprint)
        }

    async def test_other_rules_do_not_mind(self, docker: Docker) -> None:
        """Without `fips` in the rule, a base that is not proven FIPS validated is a base like any other."""
        docker.publish()
        await docker.sync()

        assert await docker.codes(docker.policy("{base: {}}")) == []

    async def test_the_verdict_names_the_base(self, docker: Docker) -> None:
        """The problem is told as a value: on which platform, with which base."""
        docker.publish()
        await docker.sync()
        reference = docker.shop.push(docker.shop.app(docker.amd64), docker.shop.release)
        (problem,) = (await docker.shop.review(reference, policy=docker.policy())).verdicts[0].problems

        assert isinstance(problem, NotFips)
        assert problem.platform == "linux/amd64"


class TestMirror:
    """A mirror whose attestations live in another repository, as those of Docker Hub mirrors do."""

    async def test_attestations_are_found_where_the_policy_says(self, docker: Docker) -> None:
        """The mirror holds index and signature, the other repository statements and theirs."""
        docker.publish(MIRROR)
        docker.attest_all(MIRROR, into=ELSEWHERE)

        assert await docker.fips(docker.policy(base=MIRRORED)) == {"linux/amd64": False, "linux/arm64": False}
        assert await docker.fips(docker.policy(base=APART)) == {"linux/amd64": True, "linux/arm64": True}
        assert await docker.codes(docker.policy(base=APART)) == []

    async def test_nothing_is_believed_there_either(self, docker: Docker) -> None:
        """A statement in the configured repository counts by the key that signed it."""
        docker.publish(MIRROR)
        docker.attest_all(MIRROR, into=ELSEWHERE, by=docker.stranger)

        assert await docker.fips(docker.policy(base=APART)) == {"linux/amd64": False, "linux/arm64": False}

    async def test_silence_there_is_no_answer(self, docker: Docker) -> None:
        """Where the attestations cannot be asked for, the base is not recorded as if it had none."""
        docker.publish(MIRROR)
        docker.shop.registry.break_down(TroubleKind.UNAUTHORIZED, repository=ELSEWHERE)

        assert not (await docker.sync(docker.policy(base=APART))).complete
        assert list(docker.shop.builds) == []

    async def test_a_mirrored_image_that_runs_as_it_is(self, docker: Docker) -> None:
        """Its required attestations are looked for in the other repository as well."""
        reference = f"{HOST}/{MIRROR}@{docker.publish(MIRROR)}"
        docker.attest_all(MIRROR, into=ELSEWHERE)

        missing = await docker.shop.codes(reference, policy=docker.policy(ATTESTED, base=MIRRORED))
        assert set(missing) == {"missing-attestation"}
        assert list(await docker.shop.codes(reference, policy=docker.policy(ATTESTED, base=APART))) == []

    async def test_the_signature_of_the_index_may_live_there_too(self, docker: Docker) -> None:
        """A mirror that lost its referrers is a base again by a signature in the other repository."""
        root = push(docker.store, MIRROR, docker.index)
        docker.store.put_tag(MIRROR, "3.13-fips", root)
        await docker.sync(docker.policy(base=APART))
        assert list(docker.shop.builds) == []

        replace(docker.first, moved_to=ELSEWHERE).sign_oci11(docker.store, MIRROR, root)
        await docker.sync(docker.policy(base=APART))
        assert {build.index_digest for build in docker.shop.builds} == {root}


class TestRotation:
    """Docker takes a new key: both are listed for a while, then the old one goes."""

    async def test_both_keys_count_while_both_are_listed(self, docker: Docker) -> None:
        """Builds by the old key stay bases, new builds by the new key become some, each on its own record."""
        old = await self.published_by_both(docker)
        both = docker.policy("{base: {}}", keys=(docker.first, docker.second))
        await docker.sync(both)

        assert {build.verified_by.key_fingerprint for build in docker.shop.builds} == {
            docker.first.fingerprint,
            docker.second.fingerprint,
        }
        assert {(build.digest in digests(old), build.status) for build in docker.shop.builds} == {
            (True, Status.SUPERSEDED),
            (False, Status.ACTIVE),
        }
        assert await docker.codes(both) == []
        assert await docker.codes(both, base=old[0]) == []

    async def test_a_key_that_is_not_listed_makes_no_bases(self, docker: Docker) -> None:
        """Until the new key is listed, what it signs is a stranger's; the old records stay."""
        old = await self.published_by_both(docker)
        result = await docker.sync()

        assert {build.digest for build in docker.shop.builds} == digests(old)
        assert [skip.tag for skip in result.reports[0].skipped] == ["3.13-fips"]
        assert await docker.codes(docker.policy("{base: {}}")) == ["unapproved-base"]

    async def test_bases_of_a_key_that_was_removed_count_no_more(self, docker: Docker) -> None:
        """With the old key gone from the policy, its builds approve nothing, though they stay on record."""
        old = await self.published_by_both(docker)
        await docker.sync(docker.policy(keys=(docker.first, docker.second)))
        rotated = docker.policy("{base: {}}", keys=(docker.second,))

        assert await docker.codes(rotated) == []
        assert await docker.codes(rotated, base=old[0]) == ["unapproved-base"]

    async def test_attestations_by_the_new_key(self, docker: Docker) -> None:
        """An index by the old key and attestations by the new one make a FIPS validated base: both speak for Docker."""
        docker.publish()
        docker.attest_all(by=docker.second)

        assert await docker.fips() == {"linux/amd64": False, "linux/arm64": False}
        both = docker.policy(keys=(docker.first, docker.second))
        assert await docker.fips(both) == {"linux/amd64": True, "linux/arm64": True}

    @staticmethod
    async def published_by_both(docker: Docker) -> tuple[BuiltImage, BuiltImage]:
        """Record a build by the first key, then publish a newer one by the second; return the older one."""
        docker.publish(by=docker.first)
        await docker.sync()
        old = docker.amd64, docker.arm64
        docker.amd64, docker.arm64 = docker.make(age=1)
        docker.publish(by=docker.second)
        return old


def digests(platforms: tuple[BuiltImage, ...]) -> set[Digest]:
    """Return by what these platforms are known."""
    return {platform.digest for platform in platforms}
