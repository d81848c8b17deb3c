"""Answers of an API server, and what they mean.

Source: Kubernetes API conventions, "Response Status Kind" and "HTTP Status codes".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import msgspec

from webhook.core.reading.plain_text import printable
from webhook.ports import ClusterTrouble, ClusterTroubleKind

__all__ = ["Answer", "ListHead", "Status", "list_head", "parse_warnings", "status_of", "trouble_of"]

MAX_SHOWN = 300
MAX_WARNINGS = 100

_KINDS: Mapping[int, ClusterTroubleKind] = {
    HTTPStatus.UNAUTHORIZED: ClusterTroubleKind.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN: ClusterTroubleKind.FORBIDDEN,
    HTTPStatus.NOT_FOUND: ClusterTroubleKind.MISSING_API,
    HTTPStatus.CONFLICT: ClusterTroubleKind.CONFLICT,
    HTTPStatus.GONE: ClusterTroubleKind.EXPIRED,
    HTTPStatus.TOO_MANY_REQUESTS: ClusterTroubleKind.UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT: ClusterTroubleKind.TIMEOUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The status code, the whole body and the warnings of an answer."""

    code: int
    body: bytes
    warnings: tuple[str, ...] = ()


class _Details(msgspec.Struct, frozen=True):
    name: str = ""
    kind: str = ""


class _ListMeta(msgspec.Struct, frozen=True):
    token: str | None = msgspec.field(default=None, name="continue")


class Status(msgspec.Struct, frozen=True):
    """What an API server says when it does not do what it was asked."""

    kind: str = ""
    message: str = ""
    reason: str = ""
    details: _Details | None = None
    metadata: _ListMeta | None = None

    @property
    def names_an_object(self) -> bool:
        """Whether it speaks about one object: a 404 that does not says that there is no such kind."""
        return self.details is not None and bool(self.details.name)

    @property
    def token(self) -> str:
        """With what an expired list can be continued; empty if it cannot be."""
        return (self.metadata.token if self.metadata else None) or ""


class ListHead(msgspec.Struct, frozen=True):
    """What paging needs of a page. The items stay bytes; that they are there tells a list from anything else."""

    kind: str
    items: msgspec.Raw
    metadata: _ListMeta

    @property
    def token(self) -> str:
        """With what the list goes on; empty if this is the last page."""
        return self.metadata.token or ""


_WARNING = re.compile(r'299 [^ "]+ "((?:[^"\\]|\\.)*)"')
_STATUS = msgspec.json.Decoder(Status)
_LIST_HEAD = msgspec.json.Decoder(ListHead)


def status_of(answer: Answer) -> Status:
    """Return what an answer says about itself; an empty Status if it says nothing, as a proxy between may not."""
    try:
        status = _STATUS.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Status()
    return status if status.kind == "Status" else Status()


def parse_warnings(values: Iterable[str]) -> tuple[str, ...]:
    """Return the texts of `Warning` headers, printable and clipped; what has another code or form is none.

    Source: RFC 7234, section 5.5; KEP-1693: code 299, one warning or more in a header, each text quoted.
    """
    texts = (match[1] for value in values for match in _WARNING.finditer(value))
    return tuple(printable(re.sub(r"\\(.)", r"\1", text), MAX_SHOWN) for text in texts)[:MAX_WARNINGS]


def list_head(answer: Answer, *, doing: str) -> ListHead:
    """Read what paging needs. Raises ClusterTrouble if the answer is no list: nothing must not look like an empty one.

    The kind of a list ends with `List`, by the API conventions.
    """
    try:
        head = _LIST_HEAD.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing=doing, detail="it is no list") from None
    if not head.kind.endswith("List"):
        raise ClusterTrouble(ClusterTroubleKind.BAD_ANSWER, doing=doing, detail="it is no list")
    return head


def trouble_of(answer: Answer, *, doing: str) -> ClusterTrouble:
    """Say what an answer means that is not what was asked for."""
    code = answer.code
    kind = _KINDS.get(code)
    if kind is None and code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        kind = ClusterTroubleKind.UNAVAILABLE
    elif kind is None and code >= HTTPStatus.BAD_REQUEST:
        kind = ClusterTroubleKind.REFUSED
    said = printable(status_of(answer).message, MAX_SHOWN) or f"HTTP {code}"
    if kind is ClusterTroubleKind.UNAUTHORIZED:
        said += "; log in again, or give a valid --token"
    return ClusterTrouble(kind or ClusterTroubleKind.BAD_ANSWER, doing=doing, detail=said)
