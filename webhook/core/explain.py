"""Decision → the words that people and machines read. Nothing here can change a decision.

Every text fits where it goes: a status message in 1,024 bytes (event notes are capped there), a warning in 120
characters without control characters (the API server drops others silently), an audit annotation in one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from webhook.core.policy import Mode, Policy
from webhook.core.problems import CODES, Problem
from webhook.core.reading.plain_text import clip, clip_bytes, printable
from webhook.core.references import BadReference
from webhook.core.verdicts import Decision, Result, Verdict
from webhook.core.wording.problems import Context, words_for
from webhook.core.wording.words import Words
from webhook.core.workloads import ContainerKind, Source, Workload

__all__ = [
    "Cause",
    "audit_annotations",
    "causes",
    "debug_exemptions",
    "full_text",
    "shown_image",
    "status_message",
    "warnings",
]

MAX_STATUS_BYTES = 1_024
MAX_FIRST_LINE_BYTES = 320
MAX_WARNING_CHARACTERS = 120
MAX_WARNINGS = 20
MAX_CAUSES = 100
LABEL_WIDTH = 10
KIND_NAMES = {
    ContainerKind.MAIN: "",
    ContainerKind.INIT: "init container ",
    ContainerKind.EPHEMERAL: "ephemeral container ",
    ContainerKind.VOLUME: "volume ",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One problem as the `details.causes[]` of a Kubernetes Status has it; `reason` is the code."""

    field: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """One problem of one container, with its words. `denies` tells errors from warnings."""

    workload: Workload
    verdict: Verdict
    problem: Problem
    words: Words
    denies: bool

    @property
    def heading(self) -> str:
        level = "error" if self.denies else "warning"
        return f"{level}[{self.problem.code}]: {_subject(self.verdict, self.workload)} {self.words.statement}"

    @property
    def block(self) -> str:
        facts = (("image", shown_image(self.verdict)), *self.words.facts, ("help", self.words.help))
        return "\n".join((self.heading, *(f"  {f'{label}:':<{LABEL_WIDTH}}{text}" for label, text in facts)))

    @property
    def brief(self) -> str:
        return f"{clip(self.heading, 200)}\n  {'help:':<{LABEL_WIDTH}}{clip(self.words.help, 200)}"


def status_message(decision: Decision) -> str:
    """Return the message of a denial: at most 1,024 bytes, the first line complete by itself.

    Problems that do not fit are counted, with the command that tells them all.
    """
    head = clip_bytes(_first_line(decision), MAX_FIRST_LINE_BYTES)
    denying = tuple(verdict for verdict in decision.verdicts if _denies(verdict, decision))
    if not denying:
        return head
    total = sum(len(verdict.problems) for verdict in denying)
    closing = f"rule: {_rules(denying)}; why and what now: dhi-gate explain {denying[0].problems[0].code}"
    namespace = f" -n {decision.workload.namespace}" if decision.workload.namespace else ""
    room = MAX_STATUS_BYTES - len(f"{head}\n\n{closing}".encode())
    blocks = _fitting(_entries(decision, denying), room)
    if len(blocks) < total:
        more = f"and {total} more: dhi-gate check{namespace} -f FILE"
        blocks = _fitting(_entries(decision, denying), room - len(f"\n\n{more}"))
        blocks.append(f"and {total - len(blocks)} more: dhi-gate check{namespace} -f FILE")
    return "\n\n".join((head, *blocks, closing))


def full_text(decision: Decision) -> str:
    """Return everything that is to be said about an object, problems and advice, without a bound."""
    entries = tuple(_entries(decision, decision.verdicts, advice=True))
    if not entries:
        return _first_line(decision)
    speaking = tuple(verdict for verdict in decision.verdicts if verdict.problems or verdict.advisories)
    closing = f"rule: {_rules(speaking)}; why and what now: dhi-gate explain {entries[0].problem.code}"
    return "\n\n".join((_first_line(decision), *(entry.block for entry in entries), closing))


def warnings(decision: Decision) -> tuple[str, ...]:
    """Return one line for each problem that does not deny, each advice and each exemption for debugging.

    At most 20 and a count of the rest. Under `audit` nothing is shown to whoever asks.
    """
    loud = tuple(verdict for verdict in decision.verdicts if verdict.mode is not Mode.AUDIT or verdict.revoked)
    entries = (entry for entry in _entries(decision, loud, advice=True) if not entry.denies)
    used = (_debug_warning(verdict) for verdict in decision.debug_exemptions if verdict in loud)
    lines = tuple(dict.fromkeys((*(_warning(entry) for entry in entries), *used)))
    if len(lines) <= MAX_WARNINGS:
        return lines
    return (*lines[:MAX_WARNINGS], f"...and {len(lines) - MAX_WARNINGS} more")


def audit_annotations(decision: Decision, policy: Policy) -> Mapping[str, str]:
    """Return what the audit log keeps, in every mode.

    `decision` is allow, deny (something definite is wrong) or error (it could not be checked, and that denies);
    `codes` are those of all problems, denied or not, separated by commas. `rule` and `mode` are `none` where nothing
    was judged. `debug-exemption` is there only if an ephemeral container came in by an `except` for debugging.
    """
    denial = "error" if decision.result is Result.ERROR else "deny"
    found = {problem.code for verdict in decision.verdicts for problem in verdict.problems}
    mode = max((verdict.mode for verdict in decision.verdicts), default=None)
    exempted = ",".join(debug_exemptions(decision))
    return {
        **({"debug-exemption": clip(exempted, MAX_STATUS_BYTES)} if exempted else {}),
        "decision": "allow" if decision.allowed else denial,
        "mode": "none" if mode is None else mode.word,
        "rule": _rules(decision.verdicts) or "none",
        "codes": ",".join(code for code in CODES if code in found),
        "policy-digest": str(policy.digest),
    }


def debug_exemptions(decision: Decision) -> tuple[str, ...]:
    """Return, as `RULE/EXCEPT`, each exemption by which a new ephemeral container came in."""
    names = (f"{verdict.rule.name}/{verdict.case.name}" for verdict in decision.debug_exemptions if verdict.case)
    return tuple(dict.fromkeys(printable(name) for name in names))


def causes(decision: Decision) -> tuple[Cause, ...]:
    """Return every problem that denies, for machines; at most 100."""
    denying = tuple(verdict for verdict in decision.verdicts if _denies(verdict, decision))
    return tuple(
        Cause(
            field=entry.verdict.use.field,
            reason=entry.problem.code,
            message=clip(f"{_subject(entry.verdict, entry.workload)} {entry.words.sentence}", MAX_STATUS_BYTES),
        )
        for entry in islice(_entries(decision, denying), MAX_CAUSES)
    )


def shown_image(verdict: Verdict) -> str:
    """Write an image as the user did, and beside it the short digest that was judged."""
    image = verdict.use.image
    if isinstance(image, BadReference):
        return f"`{printable(image.written)}`"
    digest = verdict.image.digest if verdict.image else image.digest
    name = printable(image.written.partition("@")[0])
    return f"{name} @ {digest.short}" if digest else name


def _denies(verdict: Verdict, decision: Decision) -> bool:
    return verdict.denies and not decision.never_denies


def _entries(decision: Decision, verdicts: tuple[Verdict, ...], *, advice: bool = False) -> Iterator[_Entry]:
    """Yield the problems of these verdicts, and on demand the advice, with their words; lazily: they may be many."""
    for verdict in verdicts:
        for problem in verdict.problems:
            context = Context(workload=decision.workload, verdict=verdict)
            yield _entry(problem, context, denies=_denies(verdict, decision))
        for advisory in verdict.advisories if advice else ():
            yield _entry(advisory, Context(workload=decision.workload, verdict=verdict, advice=True), denies=False)


def _entry(problem: Problem, context: Context, *, denies: bool) -> _Entry:
    return _Entry(
        workload=context.workload,
        verdict=context.verdict,
        problem=problem,
        words=words_for(problem, context),
        denies=denies,
    )


def _fitting(entries: Iterable[_Entry], room: int) -> list[str]:
    """Return the blocks that fit into `room` bytes, each with the blank line before it; the first at least in brief."""
    blocks: list[str] = []
    for entry in entries:
        block = entry.block
        if len(block.encode()) + 2 > room and not blocks:
            block = clip_bytes(entry.brief, room - 2)
        room -= len(block.encode()) + 2
        if room < 0:
            break
        blocks.append(block)
    return blocks


def _first_line(decision: Decision) -> str:
    """Say how the whole object fared; this line is all that many views keep."""
    workload = decision.workload
    if not decision.verdicts:
        nothing = workload.no_images_because
        return f"{_place(workload)} {f'may pass: {nothing}' if nothing else 'may not run: nothing in it was judged'}"
    denying = tuple(verdict for verdict in decision.verdicts if _denies(verdict, decision))
    troubled = denying or tuple(verdict for verdict in decision.verdicts if verdict.problems or verdict.advisories)
    outcome = "may not run" if denying else "may run, with warnings" if troubled else "may run"
    if workload.source is Source.IMAGE:
        return f"{printable(workload.name, 200)} {outcome}{f': {_codes(troubled[0])}' if troubled else ''}"
    count = len(decision.verdicts)
    subject = f"{len(troubled)} of {_counted(decision)}" if troubled else f"all of {_counted(decision)}"
    if count == 1 and not troubled:
        subject = _counted(decision)
    return f"{subject} in {_place(workload)} {outcome}{f': {_named(troubled)}' if troubled else ''}"


def _counted(decision: Decision) -> str:
    """Count what was judged: volumes show images, but are no containers."""
    kinds = {verdict.use.kind for verdict in decision.verdicts}
    if kinds == {ContainerKind.VOLUME}:
        noun = "image volume"
    else:
        noun = "containers and image volume" if ContainerKind.VOLUME in kinds else "container"
    count = len(decision.verdicts)
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _place(workload: Workload) -> str:
    name = f"{workload.namespace}/{workload.name}" if workload.namespace else workload.name
    return printable(f"{workload.kind} {name}", 160)


def _named(verdicts: tuple[Verdict, ...]) -> str:
    """Name the containers with their codes, and count those that do not fit."""
    parts: list[str] = []
    room = MAX_FIRST_LINE_BYTES - 200
    for index, verdict in enumerate(verdicts):
        part = f"{printable(verdict.use.container, 63)} ({_codes(verdict)})"
        room -= len(part) + 2
        if room < 0 and parts:
            return f"{', '.join(parts)} and {len(verdicts) - index} more"
        parts.append(part)
    return ", ".join(parts)


def _codes(verdict: Verdict) -> str:
    """Return the codes of a container, each once; of its problems if it has any, else of the advice."""
    return ", ".join(dict.fromkeys(problem.code for problem in verdict.problems or verdict.advisories))


def _rules(verdicts: tuple[Verdict, ...]) -> str:
    """Name the rule by which was judged, with the `except` if one applied."""
    labels = (f"{v.rule.name}, except {v.case.name}" if v.case else v.rule.name for v in verdicts)
    return printable(" and ".join(dict.fromkeys(labels)))


def _subject(verdict: Verdict, workload: Workload) -> str:
    """Name the container as a sentence about it begins."""
    if workload.source is Source.IMAGE:
        return "the image"
    return f"{KIND_NAMES[verdict.use.kind]}`{printable(verdict.use.container, 63)}`"


def _warning(entry: _Entry) -> str:
    """Write one line that fits: the code first, for what is clipped is at the end."""
    rule = f"rule {printable(entry.verdict.rule.name, 40)}, {entry.verdict.mode.word}"
    subject = _subject(entry.verdict, entry.workload)
    return clip(f"{entry.problem.code}: {subject} {entry.words.statement} ({rule})", MAX_WARNING_CHARACTERS)


def _debug_warning(verdict: Verdict) -> str:
    """Tell whoever debugs that this is an exception, and is noted."""
    container = printable(verdict.use.container, 63)
    return clip(f"debug-exemption: `{container}` is let in for debugging, and that is logged", MAX_WARNING_CHARACTERS)
