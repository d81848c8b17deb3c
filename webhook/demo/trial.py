"""A complete trial of the gate on loopback: nothing in it is a substitute but the images and the keys.

1. A registry listens, with TLS. Its certificate and the gate's are of a CA made for this trial.
2. The policy is a document on disk, like that of any cluster.
3. The catalog is kept by the real `sync`, on three days of the last weeks: when the base's old build was published,
   when the current one replaced it, and now.
4. The real server decides by both documents.
5. Every case of `trial_images` is pushed, and asked about in a real AdmissionReview over TLS.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from webhook.certificates import make_development_certificates, write_new
from webhook.core.bases.catalog import Catalog
from webhook.core.bases.document import print_catalog
from webhook.core.policy import Policy
from webhook.demo.registry import LoopbackRegistry
from webhook.demo.trial_documents import admission_review, policy_document
from webhook.demo.trial_images import BASE_REPOSITORY, CASES, NEW_BUILD_AGE, OLD_BUILD_AGE, Case, Workshop
from webhook.demo.trial_server import Answer, WebhookCaller, calling, serving
from webhook.documents import load_policy
from webhook.ports import Clock
from webhook.server.tls import TlsFiles
from webhook.settings import RegistryFlags, Surroundings, open_registry
from webhook.sync import sync

__all__ = ["Outcome", "Trial", "TrialFiles", "TrialSetupError", "open_trial"]

SYNC_DELAY = timedelta(days=1)
"""How long after a build of the base the catalog takes notice of it."""
SYNC_SECONDS = 30.0
CERTIFICATE_LIFETIME = timedelta(days=7)


class TrialSetupError(Exception):
    """The trial could not be set up; the text says what went wrong, in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFiles:
    """Where everything that a person may want to look at lies."""

    folder: Path

    @property
    def policy(self) -> Path:
        """The ImagePolicy."""
        return self.folder / "policy.yaml"

    @property
    def catalog(self) -> Path:
        """The BaseCatalog."""
        return self.folder / "catalog.json"

    @property
    def log(self) -> Path:
        """What the gate logs, for whoever runs the trial to open."""
        return self.folder / "gate.log"

    @property
    def ca(self) -> Path:
        """The certificate of the CA of both servers."""
        return self.folder / "ca.crt"

    @property
    def tls(self) -> TlsFiles:
        """The certificate and key of both servers."""
        return TlsFiles(certificate=self.folder / "tls.crt", key=self.folder / "tls.key")

    def review(self, case: Case) -> Path:
        """Return where the AdmissionReview about a case lies."""
        return self.folder / "reviews" / f"{case.name}.json"

    def write(self, path: Path, content: str | bytes, *, mode: int = 0o644) -> None:
        """Write a file that must not exist, readable from its first byte on only for whom `mode` says."""
        path.parent.mkdir(exist_ok=True)
        data = content.encode() if isinstance(content, str) else content
        write_new(path, data, mode)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A case and what became of it."""

    case: Case
    answer: Answer

    @property
    def as_expected(self) -> bool:
        """Whether the gate let in what it had to, without a word, and refused the rest for the right reasons."""
        answer = self.answer
        if self.case.codes:
            return not answer.allowed and answer.codes == self.case.codes
        return answer.allowed and not answer.warnings


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A trial that is set up. `images` are the pinned references of all cases, by name."""

    files: TrialFiles
    registry_url: str
    catalog: Catalog
    images: Mapping[str, str]
    caller: WebhookCaller

    async def judge(self, case: Case) -> Outcome:
        """Ask the gate about one case; raises UnexpectedAnswer if it does not give a verdict."""
        return Outcome(case=case, answer=await self.caller.ask(self.files.review(case).read_bytes()))


@asynccontextmanager
async def open_trial(files: TrialFiles, *, clock: Clock, log: FilteringBoundLogger) -> AsyncIterator[Trial]:
    """Set everything up, and keep registry and gate running until the end of the block.

    Of `files`, none but the log may be there yet. The only private key among them is that of the two servers; those
    that sign images stay in memory. Raises TrialSetupError if the product does not do its part, OSError if the folder
    or a port cannot be used.
    """
    _write_certificates(files, now=clock.now())
    async with AsyncExitStack() as stack:
        registry = await stack.enter_async_context(LoopbackRegistry(tls=_server_context(files.tls)))
        workshop = Workshop.equip(registry.store, now=clock.now())
        policy = _write_policy(files, workshop, registry_host=registry.host)
        catalog = await _keep_catalog(workshop, policy, clock=clock, log=log)
        files.write(files.catalog, print_catalog(catalog))
        images = {case.name: f"{registry.host}/{case.repository}:1.4.2@{case.push(workshop)}" for case in CASES}
        for case in CASES:
            files.write(files.review(case), admission_review(name=case.name, image=images[case.name]))
        url = await stack.enter_async_context(
            serving(policy=files.policy, catalog=files.catalog, tls=files.tls, clock=clock, log=log)
        )
        caller = await stack.enter_async_context(calling(url, ca=files.ca, clock=clock))
        yield Trial(files=files, registry_url=registry.url, catalog=catalog, images=images, caller=caller)


def _write_certificates(files: TrialFiles, *, now: datetime) -> None:
    """Make a CA for this trial alone, and one certificate for both servers."""
    made = make_development_certificates(("127.0.0.1",), now=now, lifetime=CERTIFICATE_LIFETIME)
    files.write(files.ca, made.ca)
    files.write(files.tls.certificate, made.certificate)
    files.write(files.tls.key, made.key, mode=0o600)


def _server_context(tls: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.certificate, tls.key)
    return context


def _write_policy(files: TrialFiles, workshop: Workshop, *, registry_host: str) -> Policy:
    """Write the policy and the public keys that it refers to, and read it as every command does."""
    files.write(files.folder / "publisher.pub", workshop.publisher.public_pem)
    files.write(files.folder / "release.pub", workshop.release.public_pem)
    files.write(files.policy, policy_document(registry_host=registry_host))
    return load_policy(files.policy)


async def _keep_catalog(workshop: Workshop, policy: Policy, *, clock: Clock, log: FilteringBoundLogger) -> Catalog:
    """Publish the base's builds in their order, and sync the catalog a day after each and once more now."""
    workshop.publish_bases(old=True)
    catalog = await _sync(None, policy, _EarlierClock(clock, by=OLD_BUILD_AGE - SYNC_DELAY), log)
    workshop.publish_bases(old=False)
    catalog = await _sync(catalog, policy, _EarlierClock(clock, by=NEW_BUILD_AGE - SYNC_DELAY), log)
    return await _sync(catalog, policy, clock, log)


async def _sync(catalog: Catalog | None, policy: Policy, clock: Clock, log: FilteringBoundLogger) -> Catalog:
    around = Surroundings(environment={}, clock=clock, log=log)
    async with open_registry(policy, RegistryFlags(), around) as registry:
        result = await sync(catalog, policy, registry, clock, deadline=clock.monotonic() + SYNC_SECONDS)
    for report in result.reports:
        if report.trouble is not None:
            raise TrialSetupError(
                f"{BASE_REPOSITORY} could not be read while {report.trouble.doing}: {report.trouble.why}"
            )
        if report.skipped:
            raise TrialSetupError(f"{BASE_REPOSITORY}: {report.skipped[0].tag} was skipped: {report.skipped[0].why}")
    return result.catalog


class _EarlierClock:
    """Implements `webhook.ports.Clock`: a wall clock that is behind another one by a fixed time."""

    def __init__(self, clock: Clock, *, by: timedelta) -> None:
        self._clock = clock
        self._by = by

    def now(self) -> datetime:
        """Return the wall clock, in UTC, as it was."""
        return self._clock.now() - self._by

    def monotonic(self) -> float:
        """Return the seconds of the other clock."""
        return self._clock.monotonic()
