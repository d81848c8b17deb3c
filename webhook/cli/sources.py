"""Where `serve` and `catalog sync` find their documents: flags, and the sources behind them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from webhook.cli.inputs import fail
from webhook.cli.options import DURATION, Command, flag
from webhook.core.bases.catalog import Catalog
from webhook.core.bases.succession import turns_back
from webhook.core.contacts import refreshed_roots
from webhook.core.document_artifacts import ArtifactKind
from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Policy
from webhook.core.references import ImageReference
from webhook.core.trust import Roots
from webhook.document_sources.artifact_documents import ArtifactDocument
from webhook.document_sources.artifacts import ArtifactReader, Voucher
from webhook.document_sources.config_maps import ConfigMapDocument
from webhook.document_sources.names import ConfigMapKey, DocumentName, parse_document_name
from webhook.document_sources.states import DocumentSource, Loaded
from webhook.documents import catalog_file, policy_file, read_catalog_document, read_policy_document
from webhook.ports import Cluster
from webhook.settings import ClusterFlags, RegistryFlags, Surroundings, open_cluster, open_document_registry, open_trust

__all__ = ["DocumentFlags", "SourceMaker", "document_options", "load_once", "read_once", "shown_name"]

T = TypeVar("T")

ROOTS_SECONDS = 15.0
"""How long a command waits for the trusted roots by which a catalog's signature is judged."""
WHERE = "FILE, configmap:NAMESPACE/NAME/KEY or oci:REPOSITORY@DIGEST"


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentFlags:
    """What the command line says about the documents.

    A catalog behind a tag comes with the name of the authority that must have signed it.
    """

    policy: DocumentName
    catalog: DocumentName | None
    catalog_authority: str | None
    catalog_refresh: timedelta

    @property
    def needs_cluster(self) -> bool:
        """Whether one of them is in a ConfigMap."""
        return isinstance(self.policy, ConfigMapKey) or isinstance(self.catalog, ConfigMapKey)

    def opened_cluster(
        self, flags: ClusterFlags, around: Surroundings, *, needed: bool = False
    ) -> AbstractAsyncContextManager[Cluster | None]:
        """Open the API server where a document, or something else that is `needed`, lies there; else nothing."""
        return open_cluster(flags, around) if needed or self.needs_cluster else nullcontext()


def document_options(*, catalog_required: bool) -> Callable[[Command], Command]:
    """Add the flags of the documents; the command gets them as one `documents: DocumentFlags`."""

    def add(command: Command) -> Command:
        @flag("--policy", required=True, metavar="WHERE", help=f"The ImagePolicy: {WHERE}.")
        @flag("--catalog", required=catalog_required, metavar="WHERE", help=f"The BaseCatalog: {WHERE} or :TAG.")
        @flag("--catalog-authority", metavar="NAME", help="The authority that must have signed the catalog's artefact.")
        @flag(
            "--catalog-refresh",
            type=DURATION,
            default="5m",
            show_default=True,
            help="How often the catalog's tag is looked at.",
        )
        @wraps(command)
        def gathered(
            *,
            policy: str,
            catalog: str | None,
            catalog_authority: str | None,
            catalog_refresh: timedelta,
            **rest: Any,  # noqa: ANN401 - the command's own options, passed through
        ) -> Any:  # noqa: ANN401 - whatever the command returns
            documents = DocumentFlags(
                policy=_named(policy, "--policy"),
                catalog=_named(catalog, "--catalog") if catalog else None,
                catalog_authority=catalog_authority,
                catalog_refresh=catalog_refresh,
            )
            _refuse_unverifiable(documents)
            return command(documents=documents, **rest)

        return gathered  # type: ignore[return-value]

    return add


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMaker:
    """Makes the sources that the flags name. `cluster` is there if one of them is in a ConfigMap."""

    flags: DocumentFlags
    registry: RegistryFlags
    around: Surroundings
    cluster: Cluster | None

    def policy(self) -> DocumentSource[Policy]:
        """Return the source of the policy."""
        clock = self.around.clock
        match self.flags.policy:
            case Path() as path:
                return policy_file(path, clock=clock)
            case ConfigMapKey() as where:
                return ConfigMapDocument(self._in_cluster(), where, read_policy_document, clock=clock)
            case ImageReference() as image:
                reader = self._reader(image, ArtifactKind.POLICY, lambda: None)
                return ArtifactDocument(reader, read_policy_document, clock=clock, refresh_seconds=self._refresh)

    def catalog(
        self, policy: Callable[[], Policy | None], roots: Callable[[], Roots]
    ) -> DocumentSource[Catalog] | None:
        """Return the source of the catalog, None if none is given; signatures of it are judged by policy and roots."""
        clock = self.around.clock
        match self.flags.catalog:
            case None:
                return None
            case Path() as path:
                return catalog_file(path, clock=clock)
            case ConfigMapKey() as where:
                return ConfigMapDocument(self._in_cluster(), where, read_catalog_document, clock=clock)
            case ImageReference() as image:
                authority = self.flags.catalog_authority
                voucher = Voucher(authority=authority, policy=policy, roots=roots) if authority else None
                return ArtifactDocument(
                    self._reader(image, ArtifactKind.CATALOG, policy, voucher),
                    read_catalog_document,
                    clock=clock,
                    refresh_seconds=self._refresh,
                    objection=turns_back,
                )

    @property
    def _refresh(self) -> float:
        return self.flags.catalog_refresh.total_seconds()

    def _reader(
        self,
        image: ImageReference,
        kind: ArtifactKind,
        policy: Callable[[], Policy | None],
        voucher: Voucher | None = None,
    ) -> ArtifactReader:
        host = image.repository.registry
        return ArtifactReader(
            image=image,
            kind=kind,
            open_registry=lambda: open_document_registry(policy(), host, self.registry, self.around),
            clock=self.around.clock,
            voucher=voucher,
        )

    def _in_cluster(self) -> Cluster:
        if self.cluster is None:
            raise ParseError("", "a document in a ConfigMap needs a cluster")
        return self.cluster


async def load_once(source: DocumentSource[T]) -> T:
    """Return the document as it is now. Raises DocumentError with why it cannot be had or used."""
    change = await source.load()
    if isinstance(change, Loaded):
        return change.value
    state = source.state
    if state.unseen is not None:
        raise DocumentError((ParseError("", state.unseen.detail),))
    rejection = state.last_rejection
    raise DocumentError(tuple(ParseError("", error) for error in (rejection.errors if rejection else ())))


def read_once(
    documents: DocumentFlags, registry: RegistryFlags, cluster: ClusterFlags, around: Surroundings
) -> tuple[Policy, Catalog | None]:
    """Return both documents as they are now, or end the command with what is wrong."""

    async def read() -> tuple[Policy, Catalog | None]:
        async with documents.opened_cluster(cluster, around) as opened, open_trust(around) as trust:
            maker = SourceMaker(flags=documents, registry=registry, around=around, cluster=opened)
            policy = await _load_or_fail(documents.policy, maker.policy())
            catalog = maker.catalog(lambda: policy, trust.roots)
            if catalog is None or documents.catalog is None:
                return policy, None
            if documents.catalog_authority:
                trust.follow(refreshed_roots(policy))
                await trust.settled(deadline=around.clock.monotonic() + ROOTS_SECONDS)
            return policy, await _load_or_fail(documents.catalog, catalog)

    try:
        return asyncio.run(read())
    except (DocumentError, ParseError) as error:
        fail("the cluster", error)


async def _load_or_fail(name: DocumentName, source: DocumentSource[T]) -> T:
    """Return the document, or end the command with its name and what is wrong."""
    try:
        return await load_once(source)
    except DocumentError as error:
        fail(shown_name(name), error)


def shown_name(name: DocumentName) -> str:
    """Write the name of a document as it is written on the command line."""
    return f"oci:{name}" if isinstance(name, ImageReference) else str(name)


def _named(text: str, option: str) -> DocumentName:
    try:
        return parse_document_name(text)
    except ParseError as error:
        raise click.UsageError(f"{option}: {error}") from error


def _refuse_unverifiable(documents: DocumentFlags) -> None:
    """Refuse what would be believed because somebody could push it."""
    policy, catalog, authority = documents.policy, documents.catalog, documents.catalog_authority
    if isinstance(policy, ImageReference) and policy.digest is None:
        raise click.UsageError("--policy: a policy from a registry is named by its digest, oci:REPOSITORY@DIGEST")
    if authority and not isinstance(catalog, ImageReference):
        raise click.UsageError("--catalog-authority belongs to a catalog from a registry (--catalog oci:…)")
    if isinstance(catalog, ImageReference) and catalog.digest is None and not authority:
        raise click.UsageError("--catalog: behind a tag it needs --catalog-authority, or name it by its digest")
