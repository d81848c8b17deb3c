"""Values for tests of the core: each maker gives something ordinary, and its arguments say what is special."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from webhook.core.bases.ancestry import Ancestry, Closest, LayerProof, chain_ids
from webhook.core.bases.catalog import BaseBuild, Status, VerifiedBy
from webhook.core.evidence import Evidence, PlatformEvidence
from webhook.core.facts import Known, Learnt, PlatformImage, Trouble
from webhook.core.manifests import Descriptor, ImageConfig, Malformed, Manifest, Platform
from webhook.core.policy import (
    ApprovedBase,
    BaseRequirement,
    Exemption,
    KeyAuthority,
    Policy,
    Requirements,
    Revocation,
    Rule,
    SignatureRequirement,
)
from webhook.core.references import Digest, Glob, ImageReference, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings, Voucher
from webhook.core.signatures.keys import PublicKey, load_public_keys
from webhook.core.workloads import ContainerKind, ImageUse, Requester, Source, Workload
from webhook.demo.keys import SigningKey

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
AMD64 = Platform(os="linux", architecture="amd64")
ARM64 = Platform(os="linux", architecture="arm64")
SILENCE = Trouble(doing="listing signatures", where="registry.example", why="no answer in time")


def digest(seed: str) -> Digest:
    """Return the digest of some text: the same text, the same digest."""
    return Digest.of(seed.encode())


def public_key() -> PublicKey:
    """Return a key that nobody else has."""
    (key,) = load_public_keys(SigningKey.generate().public_pem.encode())
    return key


DOCKER = KeyAuthority(name="docker-dhi", keys=(public_key(),))
RELEASE = KeyAuthority(name="release", keys=(public_key(),))
SANDBOX = KeyAuthority(name="sandbox", keys=(public_key(),))

API = ImageReference.parse(f"registry.example/shop/api:1.4.2@{digest('api')}")
PYTHON = Repository.parse("dhi.io/python")


def build(**changes: Any) -> BaseBuild:  # noqa: ANN401 - any field of BaseBuild
    """Return the recorded build of `dhi.io/python:3.13`, three days old, unless told otherwise."""
    diff_ids = changes.pop("diff_ids", (digest("base-1"), digest("base-2")))
    ordinary = BaseBuild(
        repository=PYTHON,
        tags=("3.13", "3.13-debian13"),
        platform=AMD64,
        index_digest=digest("python-index"),
        digest=digest("python-manifest"),
        config_digest=digest("python-config"),
        layers=tuple(digest(f"zstd {diff_id}") for diff_id in diff_ids),
        diff_ids=diff_ids,
        chain_id=chain_ids(diff_ids)[-1],
        created=NOW - timedelta(days=3),
        end_of_life=None,
        variant="runtime",
        distro="debian-13",
        fips=False,
        definition="image/python/debian-13/3.13",
        user="65532",
        first_seen=NOW - timedelta(days=2),
        last_seen=NOW,
        superseded_at=None,
        status=Status.ACTIVE,
        reason=None,
        verified_by=VerifiedBy(authority="docker-dhi", key_fingerprint=DOCKER.keys[0].fingerprint),
    )
    return replace(ordinary, **changes)


def policy(*rules: Rule, **changes: Any) -> Policy:  # noqa: ANN401 - any field of Policy
    """Return a policy that approves `dhi.io/python:3.13*` signed by Docker, with these rules."""
    ordinary = Policy(
        name="production",
        digest=digest("policy"),
        authorities=(DOCKER, RELEASE, SANDBOX),
        bases=(ApprovedBase(repository=PYTHON, tags=(Glob("3.13*"),), signed_by=("docker-dhi",)),),
        registries=(),
        revoked=(),
        pin_tags=False,
        rules=rules or (rule(),),
    )
    return replace(ordinary, **changes)


def rule(outcome: Requirements | Exemption | None = None, **changes: Any) -> Rule:  # noqa: ANN401 - any field of Rule
    """Return an enforced rule for every namespace that asks for a release signature and an approved base."""
    wanted = outcome or Requirements(signatures=SignatureRequirement(authorities=("release",)), base=BaseRequirement())
    return replace(Rule(name="everywhere", outcome=wanted), **changes)


def revocation(of: Digest) -> Revocation:
    """Return the policy's word that these bytes must not run."""
    return Revocation(digest=of, reason="leaked token")


def use(image: ImageReference = API, **changes: Any) -> ImageUse:  # noqa: ANN401 - any field of ImageUse
    """Return the main container `api`, running that image."""
    ordinary = ImageUse(container="api", kind=ContainerKind.MAIN, field="spec.containers[0].image", image=image)
    return replace(ordinary, **changes)


def pod(*uses: ImageUse, **changes: Any) -> Workload:  # noqa: ANN401 - any field of Workload
    """Return the creation of Pod `shop/api` with these image uses."""
    ordinary = Workload(
        kind="Pod",
        namespace="shop",
        name="api",
        operation="CREATE",
        source=Source.ADMISSION,
        uses=uses or (use(),),
        requester=Requester(username="dev", groups=frozenset({"developers"})),
    )
    return replace(ordinary, **changes)


def vouched(*authorities: KeyAuthority, **changes: Any) -> SignatureFindings:  # noqa: ANN401 - any field
    """Return findings in which exactly these authorities signed, each with its first key."""
    vouchers = tuple(Voucher(authority=a.name, key=a.keys[0].fingerprint) for a in authorities)
    return replace(SignatureFindings(vouchers=vouchers), **changes)


def platform(
    *matches: BaseBuild,
    on: Platform = AMD64,
    user: str = "65532",
    contained: tuple[BaseBuild, ...] = (),
    closest: Closest | None = None,
    proof: LayerProof | Malformed | None = None,
    catalog: bool = True,
) -> PlatformEvidence:
    """Return the evidence of one child with one layer of its own above the matched builds' chain."""
    below = matches[0].diff_ids if matches else (digest("unknown-base"),)
    diff_ids = (*below, digest("app"))
    layers = tuple(Descriptor(media_type=LAYER, digest=digest(f"zstd {diff_id}"), size=100) for diff_id in diff_ids)
    manifest = Manifest(media_type=MANIFEST, config=descriptor(CONFIG, "config"), layers=layers)
    config = ImageConfig(digest=digest("config"), platform=on, diff_ids=diff_ids, user=user, created=None)
    ancestry = Ancestry(
        matches=matches,
        contained=contained,
        chain_ids=chain_ids(diff_ids),
        closest=closest,
        proof=proof or LayerProof(),
    )
    image = PlatformImage(digest=digest(f"child {on}"), manifest=manifest, config=config)
    return PlatformEvidence(image=image, chain_ids=ancestry.chain_ids, ancestry=ancestry if catalog else None)


def evidence(
    *platforms: PlatformEvidence,
    image: Learnt[PinnedImage | None] | None = None,
    unread: Trouble | Malformed | None = None,
    findings: SignatureFindings | None = None,
    reference: ImageReference = API,
) -> Mapping[ImageReference, Evidence]:
    """Return what is proven about one image: by default signed by `release` and standing on `dhi.io/python:3.13`."""
    pinned = reference.pinned(reference.digest or digest("resolved"))
    return {
        reference: Evidence(
            image=image or Known(value=pinned),
            platforms=unread or Known(value=platforms or (platform(build()),)),
            findings=findings or vouched(RELEASE),
        )
    }


MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"


def descriptor(media_type: str, seed: str) -> Descriptor:
    """Return a pointer to bytes that nobody will fetch."""
    return Descriptor(media_type=media_type, digest=digest(seed), size=100)
