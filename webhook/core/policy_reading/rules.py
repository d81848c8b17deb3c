"""The rules of an ImagePolicy: which namespaces they speak about, what they ask, which cases they except."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from webhook.core.policy import (
    BaseEvidence,
    BaseRequirement,
    Case,
    EndOfLife,
    Exemption,
    Mode,
    Requirements,
    Rule,
    SignatureRequirement,
)
from webhook.core.policy_reading import keys
from webhook.core.policy_reading.attestations import check_provenance_evidence, read_attestations, read_evidence
from webhook.core.policy_reading.declarations import DeclaredNames, image_globs, line, unique_name
from webhook.core.policy_reading.words import (
    parse_date,
    parse_group,
    parse_namespace_glob,
    parse_variant,
)
from webhook.core.reading.documents import Reading, Section, Value
from webhook.core.reading.durations import parse_duration
from webhook.core.references import Digest, Glob
from webhook.core.workloads import ContainerKind

__all__ = ["RuleReader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReader:
    """Reads rules that refer to names declared elsewhere in the document.

    `signers` are who speaks for the declared authorities, by name, as far as they could be read.
    """

    names: DeclaredNames
    signers: Mapping[str, frozenset[object]]

    def rules(self, value: Value) -> tuple[Rule, ...]:
        """Read all rules: names are unique, and only the last one speaks about every namespace."""
        last = len(value.raw) - 1 if isinstance(value.raw, list) else 0
        names: set[str] = set()

        def read(item: Value) -> Rule:
            return self._rule(item, is_last=item.place.order[-1] == last, names=names)

        return value.items(read)

    def _rule(self, value: Value, *, is_last: bool, names: set[str]) -> Rule:
        section = value.section(keys.RULE)
        name = section.required("name", lambda item: unique_name(item, names))
        namespaces = section.optional("namespaces", _namespace_globs, None)
        mode = section.optional("mode", _mode, Mode.ENFORCE)
        images = section.optional("images", image_globs, None)
        cases = section.optional("except", self._cases, ())
        outcome = self._outcome(section, may_expire=not is_last)
        if is_last and section.has("namespaces"):
            section["namespaces"].complain("the last rule speaks about all other namespaces and names none")
        if not is_last and not section.has("namespaces"):
            value.complain('misses the key "namespaces"; only the last rule speaks about all other namespaces')
        return Rule(
            name=name.value(),
            outcome=outcome.value(),
            mode=mode.value(),
            namespaces=namespaces.value(),
            images=images.value(),
            cases=cases.value(),
        )

    def _cases(self, value: Value) -> tuple[Case, ...]:
        names: set[str] = set()
        return value.items(lambda item: self._case(item, names))

    def _case(self, value: Value, names: set[str]) -> Case:
        section = value.section(keys.CASE)
        name = section.required("name", lambda item: unique_name(item, names))
        containers = section.optional("containers", _container_kinds, None)
        images = section.optional("images", image_globs, None)
        digests = section.optional("digests", _digests, None)
        groups = section.optional("groups", _groups, None)
        outcome = self._outcome(section, may_expire=True)
        if not any(section.has(key) for key in ("containers", "images", "digests", "groups")):
            value.complain("names no containers, images, digests or groups, so it would replace the whole rule")
        return Case(
            name=name.value(),
            outcome=outcome.value(),
            containers=containers.value(),
            images=images.value(),
            digests=digests.value(),
            groups=groups.value(),
        )

    def _outcome(self, section: Section, *, may_expire: bool) -> Reading[Requirements | Exemption]:
        return section.exactly_one(
            {"require": self._requirements, "exempt": lambda item: _exemption(item, may_expire=may_expire)}
        )

    def _requirements(self, value: Value) -> Requirements:
        section = value.section(keys.REQUIREMENTS)
        pinned = section.optional("pinned", Value.flag, default=True)
        signatures = section.optional("signatures", self._signatures, None)
        base = section.optional("base", self._base, None)
        attestations = section.optional("attestations", lambda item: read_attestations(item, self.names), ())
        non_root = section.optional("user", lambda item: item.one_of({"nonRoot": True}), default=False)
        if section.has("base"):
            check_provenance_evidence(section["base"], base, attestations)
        return Requirements(
            pinned=pinned.value(),
            signatures=signatures.value(),
            base=base.value(),
            attestations=attestations.value(),
            non_root=non_root.value(),
        )

    def _signatures(self, value: Value) -> SignatureRequirement:
        section = value.section(keys.SIGNATURES)
        authorities = section.required("from", lambda item: item.distinct(self.names.authority))
        at_least = section.optional("atLeast", _positive, 1)
        if at_least.value() > self._possible_signers(authorities.value()):
            section["atLeast"].refuse(
                f"{at_least.value()} can never be reached: `from` holds fewer authorities with a key of their own"
            )
        return SignatureRequirement(authorities=authorities.value(), at_least=at_least.value())

    def _possible_signers(self, authorities: tuple[str, ...]) -> int:
        """Bound the number of distinct signers: no authority counts twice, and no key counts for two."""
        if not all(name in self.signers for name in authorities):
            return len(authorities)
        keys_held = frozenset[object]().union(*(self.signers[name] for name in authorities))
        return min(len(authorities), len(keys_held))

    def _base(self, value: Value) -> BaseRequirement:
        section = value.section(keys.BASE_REQUIREMENT)
        repositories = section.optional("repositories", lambda item: item.distinct(self.names.base), None)
        variants = section.optional("variants", _variants, ("runtime",))
        max_age = section.optional("maxAge", _duration, None)
        max_lag = section.optional("maxLag", _duration, None)
        end_of_life = section.optional("endOfLife", _end_of_life, EndOfLife.DENY)
        fips = section.optional("fips", Value.flag, default=False)
        evidence = section.optional("evidence", read_evidence, (BaseEvidence.LAYERS,))
        intact = section.optional("intact", _only_false, None)
        if self.names.bases == frozenset():
            value.complain("asks for an approved base, but spec.bases lists none")
        intact.value()
        return BaseRequirement(
            repositories=repositories.value(),
            variants=variants.value(),
            max_age=max_age.value(),
            max_lag=max_lag.value(),
            end_of_life=end_of_life.value(),
            fips=fips.value(),
            evidence=evidence.value(),
        )


def _namespace_globs(value: Value) -> tuple[Glob, ...]:
    return value.distinct(lambda item: item.parsed(parse_namespace_glob))


def _mode(value: Value) -> Mode:
    return value.one_of({mode.word: mode for mode in reversed(Mode)})


def _container_kinds(value: Value) -> frozenset[ContainerKind]:
    words = {kind.value: kind for kind in ContainerKind}
    return frozenset(value.distinct(lambda item: item.one_of(words)))


def _digests(value: Value) -> frozenset[Digest]:
    return frozenset(value.distinct(lambda item: item.parsed(Digest.parse)))


def _groups(value: Value) -> frozenset[str]:
    return frozenset(value.distinct(lambda item: item.parsed(parse_group)))


def _exemption(value: Value, *, may_expire: bool) -> Exemption:
    section = value.section(keys.EXEMPTION)
    reason = section.required("reason", line)
    expires = section.optional("expires", lambda item: item.parsed(parse_date), None)
    if section.has("expires") and not may_expire:
        section["expires"].complain("the last rule may be exempt only without an end, since nothing follows it")
    return Exemption(reason=reason.value(), expires=expires.value())


def _positive(value: Value) -> int:
    number = value.whole_number()
    if number < 1:
        value.refuse("is less than 1: no signature at all would be enough")
    return number


def _variants(value: Value) -> tuple[str, ...]:
    return value.distinct(lambda item: item.parsed(parse_variant))


def _duration(value: Value) -> timedelta:
    return value.parsed(parse_duration)


def _end_of_life(value: Value) -> EndOfLife:
    return value.one_of({"deny": EndOfLife.DENY, "warn": EndOfLife.WARN})


def _only_false(value: Value) -> None:
    """Read a check that may be declined in so many words: `false` is what the gate does, `true` is not built."""
    if value.flag():
        value.refuse_unsupported()
