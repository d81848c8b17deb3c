"""The DecisionReport as typed values: the one form from which every other is printed.

Every text that somebody else wrote has been made printable by the time it stands here. What is `UNSET` is left out of
JSON and YAML: it belongs to what lives in a cluster, or to a comparison.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

__all__ = [
    "API_VERSION",
    "KIND",
    "BaseDocument",
    "ChangesDocument",
    "ComparedDocument",
    "ContainerDocument",
    "FixDocument",
    "MetadataDocument",
    "OriginDocument",
    "ProblemDocument",
    "ReportDocument",
    "SummaryDocument",
    "WorkloadDocument",
    "plain_values",
]

API_VERSION = "dhi-gate.dev/v1alpha1"
KIND = "DecisionReport"


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A problem (`error`: it denies or would under `enforce`) or an advice (`warning`: it denies in no mode)."""

    code: str
    severity: str
    platform: str | None
    message: str
    help: str

    @property
    def sentences(self) -> str:
        """The message, and the advice if there is any, for formats that have one text for both."""
        return f"{self.message}. Help: {self.help}." if self.help else f"{self.message}."


class BaseDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The base that an image stands on; of several platforms the oldest. `created` is an instant by RFC 3339."""

    repository: str
    tags: tuple[str, ...]
    digest: str
    created: str
    age_days: int
    evidence: str


class FixDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Something that would help: `write` is the image to write, `kind` is `base`, `newest` or `pin`."""

    kind: str
    write: str
    message: str


class ContainerDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was decided about one image use.

    `seen` is `spec`, `pod` or `running` and `pods` the number of live pods that have it; both only for what lives in a
    cluster. `note` says why an image was not judged by the rule itself.
    """

    name: str
    field: str
    image: str
    digest: str | None
    rule: str
    mode: str
    result: str
    signed_by: tuple[str, ...]
    base: BaseDocument | None
    problems: tuple[ProblemDocument, ...]
    seen: str | UnsetType = UNSET
    pods: int | UnsetType = UNSET
    note: str | UnsetType = UNSET
    fixes: tuple[FixDocument, ...] | UnsetType = UNSET


class OriginDocument(msgspec.Struct, frozen=True, kw_only=True):
    """The file in which an object stands, and the line (from 1) on which it begins."""

    file: str
    line: int


class WorkloadDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was decided about one object. `pods`, `apiVersion` and `uid` only for what lives in a cluster.

    `trouble` says why it could not be judged, `notes` what a reader must know, `because` why it rightly has no images.
    `change` is `newly-refused`, `newly-admitted` or `same`, where two policies are compared.
    """

    namespace: str | None
    kind: str
    name: str
    api_version: str | UnsetType = UNSET
    uid: str | UnsetType = UNSET
    origin: OriginDocument | UnsetType = UNSET
    pods: int | UnsetType = UNSET
    result: str
    allowed: bool
    change: str | UnsetType = UNSET
    trouble: str | UnsetType = UNSET
    notes: tuple[str, ...] | UnsetType = UNSET
    because: str | UnsetType = UNSET
    containers: tuple[ContainerDocument, ...]

    @property
    def unjudged(self) -> str | None:
        """Why nothing was judged; None if something was, or if the object rightly has no images."""
        if self.trouble:
            return self.trouble
        return None if self.containers or self.because else "nothing was judged"


class ComparedDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The policy with which another one was compared."""

    policy: str
    policy_digest: str


class MetadataDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """By what was decided, when, and whether everything asked for was.

    `as_of` is the instant as on which was judged, if it is not the present.
    """

    policy: str
    policy_digest: str
    catalog_revision: str | None
    generated_at: str
    complete: bool
    as_of: str | UnsetType = UNSET
    compared_with: ComparedDocument | UnsetType = UNSET

    @property
    def hypothetical(self) -> bool:
        """Whether this is about another day than its own, or about what changes between two policies."""
        return self.as_of is not UNSET or self.compared_with is not UNSET


class ChangesDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How many objects another policy would treat otherwise; `results` then holds only these."""

    newly_refused: int
    newly_admitted: int
    same: int


class SummaryDocument(msgspec.Struct, frozen=True, kw_only=True):
    """Objects by result, and the distinct images that were resolved. `pods` counts the live ones."""

    workloads: int
    pods: int | UnsetType = UNSET
    images: int
    passed: int = msgspec.field(name="pass")
    warn: int
    fail: int
    error: int
    skip: int
    changes: ChangesDocument | UnsetType = UNSET


class ReportDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole document."""

    api_version: str = API_VERSION
    kind: str = KIND
    metadata: MetadataDocument
    summary: SummaryDocument
    results: tuple[WorkloadDocument, ...]


def plain_values(report: ReportDocument) -> dict[str, Any]:
    """Return the report as plain values for JSON or YAML, in the order of its documentation."""
    # Through JSON, because tuples would be written as something else than lists by other encoders (YAML).
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(report))
    return document
