"""What a pod that nobody should run tells about the gate: it is tried, and never created.

1. Under `enforce` the API server must say that the gate's webhook denied it.
2. Under `warn` it must be let in with a warning of the gate, which begins with a reason code.
3. Where nobody says which mode it is, either will do.
4. Under `audit` nobody is told anything, so that nothing can be seen this way.
5. A call that failed shows that no gate answered. A denial by anybody else shows nothing: it may have come first.
"""

from __future__ import annotations

from dataclasses import dataclass

from webhook.core.diagnosis.findings import Finding, Severity, Unseen, not_checked
from webhook.core.diagnosis.intended import PODS
from webhook.core.policy import Mode
from webhook.core.problems import CODES
from webhook.core.reading.plain_text import printable

__all__ = ["Trial", "diagnose_probe"]

DENIED = f'admission webhook "{PODS.name}" denied the request'
CALL_FAILED = f'failed calling webhook "{PODS.name}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How the attempt went: the API server's words if it refused, else None; and its warnings."""

    refusal: str | None
    warnings: tuple[str, ...]


def diagnose_probe(trial: Trial, *, image: str, namespace: str, mode: Mode | None) -> Finding:
    """Return what the attempt shows; above `low` if the gate did not do what its mode says.

    `mode` is what the rule of that namespace does; None if a refusal and a warning will both do.
    """
    where = f"a pod with {printable(image)} in {printable(namespace)}"
    if trial.refusal is not None and DENIED not in trial.refusal and CALL_FAILED not in trial.refusal:
        unseen = Unseen(why=f"it was refused, and not by the gate: {trial.refusal}")
        why = "whether the API server asks the gate"
        remedy = "give the right to create pods there, and try a namespace where nobody else refuses it"
        return not_checked(unseen, severity=Severity.HIGH, check="probe", where=where, why=why, remedy=remedy)
    severity, what = _admitted(trial, mode) if trial.refusal is None else _refused(trial.refusal, mode)
    grave = severity is not Severity.INFO
    return Finding(
        severity=severity,
        check="probe",
        where=where,
        what=what,
        why="images get in unseen, or nothing can be started" if grave else "the API server asks the gate",
        remedy="run `dhi-gate doctor` without --probe-image, which says why" if grave else "nothing",
    )


def _refused(refusal: str, mode: Mode | None) -> tuple[Severity, str]:
    said = printable(refusal, 300)
    if CALL_FAILED in refusal:
        return Severity.CRITICAL, f"no gate answered, or not in time: {said}"
    if mode in (Mode.WARN, Mode.AUDIT):
        return Severity.HIGH, f"the gate refused it, and is to {mode.word} only: {said}"
    return Severity.INFO, f"the gate refused it, as it should: {said}"


def _admitted(trial: Trial, mode: Mode | None) -> tuple[Severity, str]:
    warning = next((each for each in trial.warnings if each.partition(":")[0] in CODES), None)
    if mode is Mode.AUDIT:
        if warning is None:
            return Severity.INFO, "it was let in without a word, as under audit it is, gate or no gate"
        return Severity.MEDIUM, f"the gate warned about it, and is to audit only: {printable(warning, 300)}"
    if warning is None:
        return Severity.CRITICAL, "it was let in without a word"
    if mode is Mode.ENFORCE:
        return Severity.HIGH, f"the gate let it in with a warning, and is to enforce: {printable(warning, 300)}"
    return Severity.INFO, f"the gate warned about it: {printable(warning, 300)}"
