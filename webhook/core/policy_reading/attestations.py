"""The attestations that a rule asks for: of which type, by whom, how old, and what they may say."""

from __future__ import annotations

import re
from datetime import timedelta

from webhook.core.attestations.findings_of_scanners import Severity
from webhook.core.attestations.predicate_types import PROVENANCE, VULNERABILITIES
from webhook.core.errors import ParseError
from webhook.core.policy import AttestationRequirement, BaseEvidence, BaseRequirement, VulnerabilityLimit
from webhook.core.policy_reading import keys
from webhook.core.policy_reading.declarations import DeclaredNames
from webhook.core.reading.documents import Reading, Section, Value
from webhook.core.reading.durations import parse_duration
from webhook.core.reading.plain_text import printable
from webhook.core.references import Glob
from webhook.core.signatures.statement import COSIGN_SIGN

__all__ = ["check_provenance_evidence", "read_attestations", "read_evidence"]

_URI = re.compile(r"(?:[a-z][a-z0-9+.-]*:|cosign\.sigstore\.dev/)[!-~]{1,500}")
_URI_GLOB = re.compile(r"(?!.*\*\*\*)[a-z][a-z0-9+.-]*:(?://[^\s*/]+(?:/\S*)?|[^\s*/][^\s*]*)", re.ASCII)
MAX_URI_CHARACTERS = 512


def read_attestations(value: Value, names: DeclaredNames) -> tuple[AttestationRequirement, ...]:
    """Read what is required. A type may be asked for more than once, by other signers."""
    return value.distinct(lambda item: _attestation(item, names))


def read_evidence(value: Value) -> tuple[BaseEvidence, ...]:
    """Read the kinds of evidence for a base. Layers always are one: what they show, nothing else may contradict."""
    found = value.distinct(lambda item: item.one_of({kind.value: kind for kind in BaseEvidence}))
    if BaseEvidence.LAYERS not in found:
        value.refuse('misses "layers": provenance may be added to it, and replaces nothing')
    return found


def check_provenance_evidence(
    value: Value,
    base: Reading[BaseRequirement | None],
    attestations: Reading[tuple[AttestationRequirement, ...]],
) -> None:
    """Complain where provenance is to show the base and no attestation says whose provenance is believed.

    `value` is the requirement of a base. What could not be read has been complained about already.
    """
    wanted = [found for found in base.found if found is not None and BaseEvidence.PROVENANCE in found.evidence]
    named = [one for found in attestations.found for one in found if one.type in PROVENANCE and one.builders]
    if wanted and attestations.found and not named:
        value.complain("takes provenance as evidence, but `attestations` asks for none with `builders`")


def _attestation(value: Value, names: DeclaredNames) -> AttestationRequirement:
    section = value.section(keys.ATTESTATION)
    kind = section.required("type", _type)
    authorities = section.required("from", lambda item: item.distinct(names.authority))
    max_age = section.optional("maxAge", _duration, None)
    deny = section.optional("deny", _deny, None)
    vex = section.optional("vex", lambda item: _vex(item, names), ())
    builders = section.optional("builders", _uri_globs, None)
    sources = section.optional("sources", _uri_globs, None)
    _check_conditions(section, kind.value())
    return AttestationRequirement(
        type=kind.value(),
        authorities=authorities.value(),
        max_age=max_age.value(),
        deny=deny.value(),
        vex=vex.value(),
        builders=builders.value(),
        sources=sources.value(),
    )


def _check_conditions(section: Section, kind: str) -> None:
    """Refuse conditions on what a statement of that type does not say: they would be accepted and ignored."""
    for key in ("deny", "vex"):
        if section.has(key) and kind not in VULNERABILITIES:
            section[key].refuse("is for vulnerability reports, and this is another type")
    for key in ("builders", "sources"):
        if section.has(key) and kind not in PROVENANCE:
            section[key].refuse("is for SLSA provenance 0.2 and 1, and this is another type")
    if section.has("vex") and not section.has("deny"):
        section["vex"].refuse("excuses findings, but without `deny` no finding counts")


def _type(value: Value) -> str:
    kind = value.parsed(_parse_uri)
    if kind == COSIGN_SIGN:
        value.refuse("is a signature and no attestation; ask for it under `signatures`")
    return kind


def _parse_uri(text: str) -> str:
    if not _URI.fullmatch(text):
        raise ParseError("", f"`{printable(text)}` is not the URI of a predicate type")
    return text


def _deny(value: Value) -> VulnerabilityLimit:
    section = value.section(keys.DENY)
    severities = section.required("severities", _severities)
    fixed_only = section.optional("fixedOnly", Value.flag, default=False)
    return VulnerabilityLimit(severities=severities.value(), fixed_only=fixed_only.value())


def _severities(value: Value) -> frozenset[Severity]:
    words = {severity.name: severity for severity in reversed(Severity)}
    return frozenset(value.distinct(lambda item: item.one_of(words)))


def _vex(value: Value, names: DeclaredNames) -> tuple[str, ...]:
    section = value.section(keys.VEX)
    return section.required("from", lambda item: item.distinct(names.authority)).value()


def _uri_globs(value: Value) -> tuple[Glob, ...]:
    return value.distinct(lambda item: item.parsed(_parse_uri_glob))


def _parse_uri_glob(text: str) -> Glob:
    """Read a glob over URIs. `*` stands only in what follows the host: a host that is left open is a stranger's."""
    if len(text) > MAX_URI_CHARACTERS or not text.isascii() or not _URI_GLOB.fullmatch(text):
        raise ParseError(
            "", f"`{printable(text)}` is not a URI such as https://gitlab.example/shop/* (no `*` in a host)"
        )
    return Glob(text)


def _duration(value: Value) -> timedelta:
    return value.parsed(parse_duration)
