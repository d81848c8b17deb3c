"""What the trial judges: a hardened base in two builds and a development variant, and ten images around it.

Every image is a case of its own, with the verdict that the gate must give. The builds are some weeks old on the clock
of whoever asks for them, so that the trial looks the same whenever it runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from webhook.core.references import Digest
from webhook.demo.bases import dhi_base, dhi_index
from webhook.demo.images import AMD64, ARM64, BuiltImage, BuiltIndex, build, index, push
from webhook.demo.layers import Compression, File
from webhook.demo.signer import Signer
from webhook.demo.store import Store
from webhook.demo.variations import recompressed, squashed, with_forged_diff_ids

__all__ = [
    "BASE_REPOSITORY",
    "BASE_TAG",
    "CASES",
    "DEV_TAG",
    "NEW_BUILD_AGE",
    "OLD_BUILD_AGE",
    "Case",
    "Workshop",
]

BASE_REPOSITORY = "dhi/python"
BASE_TAG = "3.13"
DEV_TAG = "3.13-dev"

OLD_BUILD_AGE = timedelta(days=40)
NEW_BUILD_AGE = timedelta(days=20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """Where images are made: the registry's store, everybody with a key, and the moment the trial begins.

    `publisher` signs the bases, `release` signs what may run, and nobody knows `stranger`.
    """

    store: Store
    publisher: Signer
    release: Signer
    stranger: Signer
    now: datetime

    @classmethod
    def equip(cls, store: Store, *, now: datetime) -> Workshop:
        """Make all keys, in memory only."""
        return cls(
            store=store,
            publisher=Signer.generate(),
            release=Signer.generate(),
            stranger=Signer.generate(),
            now=now,
        )

    def base(self, *, old: bool = False) -> BuiltImage:
        """Return the hardened base for amd64, from its current build or the `old` one."""
        return dhi_base(created=self.now - (OLD_BUILD_AGE if old else NEW_BUILD_AGE))

    def publish_bases(self, *, old: bool) -> None:
        """Let the base's tags point to one of its two builds, for both platforms, signed as Docker signs."""
        created = self.now - (OLD_BUILD_AGE if old else NEW_BUILD_AGE)
        for tag, variant in ((BASE_TAG, "runtime"), (DEV_TAG, "dev")):
            builds = [dhi_base(variant=variant, created=created, platform=platform) for platform in (AMD64, ARM64)]
            digest = push(self.store, BASE_REPOSITORY, dhi_index(builds), tag=tag)
            self.publisher.sign_oci11(self.store, BASE_REPOSITORY, digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An image on its way into a cluster. `about` says in a line what it is.

    `make` builds it, `sign` signs it in a repository, unless it is None. `codes` are those of the reasons for which
    the gate must refuse it, in their order; it must let in an image without any, and without a warning.
    """

    name: str
    about: str
    make: Callable[[Workshop], BuiltImage | BuiltIndex]
    sign: Callable[[Workshop, str, Digest], Digest] | None
    codes: tuple[str, ...] = ()

    @property
    def repository(self) -> str:
        """Where the image is pushed."""
        return f"shop/{self.name}"

    def push(self, workshop: Workshop) -> Digest:
        """Build, push and sign the image; return its digest."""
        digest = push(workshop.store, self.repository, self.make(workshop), tag="1.4.2")
        if self.sign is not None:
            self.sign(workshop, self.repository, digest)
        return digest


def _application(base: BuiltImage, *, user: str | None = None) -> BuiltImage:
    return build(base, [{"app/": File(mode=0o755), "app/main.py": b"print('hello')\n"}], user=user)


def _hardened(workshop: Workshop) -> BuiltImage:
    return _application(workshop.base())


def _recompressed(workshop: Workshop) -> BuiltImage:
    return recompressed(_hardened(workshop), to=Compression.GZIP)


def _foreign_base() -> BuiltImage:
    """Make a base of somebody else, with as many layers as the hardened one."""
    return build(
        None,
        [
            {"etc/os-release": b"ID=debian\n", "bin/sh": File(content=b"a shell\n", mode=0o755)},
            {"usr/bin/python3.13": File(content=b"python of a stranger\n", mode=0o755)},
            {"usr/bin/pip": File(content=b"pip\n", mode=0o755)},
        ],
        user="65532",
    )


def _on_another_base(_workshop: Workshop) -> BuiltImage:
    return _application(_foreign_base())


def _with_labels_and_history(workshop: Workshop) -> BuiltImage:
    """Put the labels and the history of an honest image on the layers of a foreign one."""
    honest = _hardened(workshop)
    return build(
        _on_another_base(workshop),
        labels=honest.labels,
        overrides={"history": msgspec.to_builtins(honest.document.history)},
    )


def _with_diff_ids(workshop: Workshop) -> BuiltImage:
    return with_forged_diff_ids(_on_another_base(workshop), workshop.base())


def _on_the_development_variant(workshop: Workshop) -> BuiltImage:
    base = dhi_base(variant="dev", created=workshop.now - NEW_BUILD_AGE)
    return _application(base, user="0")


def _with_a_squashed_platform(workshop: Workshop) -> BuiltIndex:
    arm64 = dhi_base(created=workshop.now - NEW_BUILD_AGE, platform=ARM64)
    return index([_hardened(workshop), squashed(_application(arm64))])


def _on_the_old_build(workshop: Workshop) -> BuiltImage:
    return _application(workshop.base(old=True))


def _by_release(workshop: Workshop, repository: str, image: Digest) -> Digest:
    return workshop.release.sign_bundle(workshop.store, repository, image)


def _by_release_with_an_old_client(workshop: Workshop, repository: str, image: Digest) -> Digest:
    return workshop.release.sign_classic(workshop.store, repository, image)


def _by_a_stranger(workshop: Workshop, repository: str, image: Digest) -> Digest:
    return workshop.stranger.sign_bundle(workshop.store, repository, image)


CASES: tuple[Case, ...] = (
    Case(
        name="hardened",
        about="built on the hardened base and signed by the release pipeline",
        make=_hardened,
        sign=_by_release,
    ),
    Case(
        name="recompressed",
        about="the same, but a mirror has repacked every layer from zstd to gzip",
        make=_recompressed,
        sign=_by_release_with_an_old_client,
    ),
    Case(
        name="unsigned",
        about="built on the hardened base, signed by nobody",
        make=_hardened,
        sign=None,
        codes=("unsigned",),
    ),
    Case(
        name="stranger",
        about="built on the hardened base, signed with a key that nobody here knows",
        make=_hardened,
        sign=_by_a_stranger,
        codes=("untrusted-signer",),
    ),
    Case(
        name="other-base",
        about="signed by the release pipeline, but built on a base of somebody else",
        make=_on_another_base,
        sign=_by_release,
        codes=("unapproved-base",),
    ),
    Case(
        name="labelled",
        about="the same, with the labels and the history of an image on the hardened base",
        make=_with_labels_and_history,
        sign=_by_release,
        codes=("unapproved-base",),
    ),
    Case(
        name="forged",
        about="the same again, and its config claims the hardened base's diff IDs for layers that are not those",
        make=_with_diff_ids,
        sign=_by_release,
        codes=("malformed-image",),
    ),
    Case(
        name="development",
        about="signed, but built on the base's development variant, and runs as root",
        make=_on_the_development_variant,
        sign=_by_release,
        codes=("wrong-variant", "runs-as-root"),
    ),
    Case(
        name="two-platforms",
        about="signed, for two platforms: amd64 is fine, arm64 was squashed into one layer",
        make=_with_a_squashed_platform,
        sign=_by_release,
        codes=("unapproved-base",),
    ),
    Case(
        name="outdated",
        about="signed, but built on a build of the base that a newer one replaced weeks ago",
        make=_on_the_old_build,
        sign=_by_release,
        codes=("stale-base",),
    ),
)
