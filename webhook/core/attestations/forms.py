"""What a predicate must be to count as one of its type, and which time it states for itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from webhook.core.attestations.predicate_types import (
    FIPS,
    OPENVEX,
    SLSA_PROVENANCE_02,
    SLSA_PROVENANCE_1,
    SPDX,
    VERIFICATION_SUMMARY,
    VULNERABILITIES,
    is_cyclonedx,
)
from webhook.core.errors import ParseError
from webhook.core.reading.instants import parse_instant
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject, JsonValue

__all__ = ["check_form", "read_verification_result", "stated_time"]

PATH = "predicate"
_TIMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(VULNERABILITIES, ("metadata", "scanFinishedOn")),
    SLSA_PROVENANCE_02: ("metadata", "buildFinishedOn"),
    SLSA_PROVENANCE_1: ("runDetails", "metadata", "finishedOn"),
    OPENVEX: ("timestamp",),
    VERIFICATION_SUMMARY: ("timeVerified",),
    SPDX: ("creationInfo", "created"),
}
"""Where a predicate says when it was made, by its type."""
_CYCLONEDX_TIME = ("metadata", "timestamp")


def check_form(predicate_type: str, predicate: JsonValue) -> None:
    """Raise a ParseError if the predicate is not of its announced kind, for the kinds that count by being there.

    An SPDX document names its version (2.x) or its context (3); a CycloneDX document names its format; Docker's FIPS
    attestation says something. A predicate of a type that nobody here knows may be anything.
    """
    if predicate_type == SPDX and not _is_spdx(JsonObject.of(predicate, path=PATH)):
        raise ParseError(PATH, "is no SPDX document in JSON")
    if is_cyclonedx(predicate_type):
        source = JsonObject.of(predicate, path=PATH)
        if source.text_or("bomFormat", "") != "CycloneDX":
            raise ParseError(source.at("bomFormat"), "is not `CycloneDX`")
    if predicate_type == FIPS and not JsonObject.of(predicate, path=PATH).members:
        raise ParseError(PATH, "says nothing")


def read_verification_result(predicate: JsonObject) -> str:
    """Return what a verification summary came to: `PASSED` or `FAILED`, a ParseError for anything else.

    Source: SLSA verification summary, version 1.
    """
    predicate.refuse_variants(("verificationResult",))
    result = predicate.text("verificationResult")
    if result not in ("PASSED", "FAILED"):
        raise ParseError(predicate.at("verificationResult"), f"is `{printable(result, 40)}`, which is no result")
    return result


def stated_time(predicate_type: str, predicate: JsonValue) -> datetime | None:
    """Return when the predicate says that it was made (a scan: finished), None if it does not say.

    A ParseError if something else stands there.
    """
    path = _CYCLONEDX_TIME if is_cyclonedx(predicate_type) else _TIMES.get(predicate_type)
    if path is None:
        return None
    place = JsonObject.of(predicate, path=PATH)
    for key in path[:-1]:
        place = place.object_or_empty(key)
    place.refuse_variants(path[-1:])
    text = place.text_or(path[-1], "")
    try:
        return parse_instant(text) if text else None
    except ParseError as error:
        raise ParseError(place.at(path[-1]), error.message) from None


def _is_spdx(predicate: JsonObject) -> bool:
    return predicate.text_or("spdxVersion", "").startswith("SPDX-2.") or (
        predicate.has("@context") and predicate.has("@graph")
    )
