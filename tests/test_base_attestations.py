"""What makes a base FIPS validated for the catalog: a statement by its signer, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fakes.clock import ManualClock
from tests.fakes.registry import FakeRegistry
from webhook.catalog_keeping.reading import read_base
from webhook.core.attestations.predicate_types import FIPS
from webhook.core.bases.recording import VerifiedBase
from webhook.core.facts import Trouble
from webhook.core.policy import KeyAuthority
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.keys import load_public_keys
from webhook.core.trust import Trust
from webhook.demo.attestations import attach_statement
from webhook.demo.bases import dhi_base, dhi_index
from webhook.demo.images import ARM64, push
from webhook.demo.signer import Signer
from webhook.ports import TroubleKind

PYTHON = Repository.parse("dhi.io/python")
PREDICATE = {"certification": "CMVP #4985"}


class Publisher:
    """Publishes one base for two platforms, signed, and has it read as a sync does."""

    def __init__(self, *, fips: bool = True) -> None:
        self.registry, self.clock = FakeRegistry(), ManualClock()
        self.docker, self.stranger = Signer.generate(), Signer.generate()
        self.amd64, self.arm64 = (dhi_base(fips=fips), dhi_base(fips=fips, platform=ARM64))
        self.root = push(self.registry.store, PYTHON.path, dhi_index([self.amd64, self.arm64]))
        self.docker.sign_oci11(self.registry.store, PYTHON.path, self.root)

    def attest(self, platform: Digest, *, by: Signer | None, predicate: dict[str, str] | None = None) -> None:
        """Attach a FIPS attestation in Docker's layout, and sign its manifest."""
        store = self.registry.store
        carrier = attach_statement(store, PYTHON.path, platform, FIPS, PREDICATE if predicate is None else predicate)
        if by is not None:
            by.sign_oci11(store, PYTHON.path, carrier)

    async def fips(self) -> frozenset[Digest] | Trouble:
        """Return the platforms that are proven to be FIPS validated."""
        (key,) = load_public_keys(self.docker.public_pem.encode())
        read = await read_base(
            self.registry,
            PinnedImage(repository=PYTHON, digest=self.root),
            PYTHON,
            (KeyAuthority(name="docker-dhi", keys=(key,)),),
            elsewhere=(),
            trust=Trust(catalog=None, as_of=self.clock.now()),
            deadline=self.clock.monotonic() + 5,
        )
        assert isinstance(read, VerifiedBase | Trouble)
        return read.fips if isinstance(read, VerifiedBase) else read


async def test_attested_platforms_are_fips() -> None:
    """A platform is FIPS validated if the base's signer attests it, and only that platform."""
    publisher = Publisher()
    publisher.attest(publisher.amd64.digest, by=publisher.docker)

    assert await publisher.fips() == frozenset({publisher.amd64.digest})


@pytest.mark.parametrize(
    "attest",
    [
        lambda _: None,
        lambda publisher: publisher.attest(publisher.amd64.digest, by=None),
        lambda publisher: publisher.attest(publisher.amd64.digest, by=publisher.stranger),
        lambda publisher: publisher.attest(publisher.amd64.digest, by=publisher.docker, predicate={}),
    ],
    ids=["only labels", "unsigned", "by a stranger", "empty"],
)
async def test_what_proves_nothing(attest: Callable[[Publisher], None]) -> None:
    """Labels, unsigned statements, those of strangers and empty ones leave a base without FIPS."""
    publisher = Publisher()
    attest(publisher)

    assert await publisher.fips() == frozenset()


async def test_statement_about_the_index() -> None:
    """A statement about the index is one about all its platforms."""
    publisher = Publisher()
    publisher.docker.attest(publisher.registry.store, PYTHON.path, publisher.root, PREDICATE, predicate_type=FIPS)

    assert await publisher.fips() == frozenset({publisher.amd64.digest, publisher.arm64.digest})


async def test_base_that_claims_nothing_is_not_asked_about() -> None:
    """The platforms of a base whose labels claim no FIPS are not asked for attestations."""
    publisher = Publisher(fips=False)

    assert await publisher.fips() == frozenset()
    assert f"referrers:{publisher.amd64.digest}" not in publisher.registry.asked


async def test_incomplete_search_is_no_answer() -> None:
    """Where attestations could not be looked for, nobody knows whether the base is FIPS validated."""
    publisher = Publisher()
    publisher.docker.sign_classic(publisher.registry.store, PYTHON.path, publisher.root)
    publisher.registry.break_down(TroubleKind.TIMEOUT, "referrers")

    assert isinstance(await publisher.fips(), Trouble)
