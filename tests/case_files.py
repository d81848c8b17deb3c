"""Case files: Markdown with a decision as data and the exact texts that it must lead to.

A case is prose, a `yaml` block that describes the decision, a `text` block with the whole status message (for an
object that is let in: the full text), and, where there are any, a `warnings` block with one warning in each line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from tests.core.given import build, digest
from webhook.core.attestations.failures import (
    Failure,
    FromTheFuture,
    NotPassed,
    NotUnderstood,
    TooOld,
    Undated,
    UntrustedBuilder,
    UntrustedSource,
    Vulnerable,
)
from webhook.core.attestations.findings_of_scanners import Fix, Severity, Vulnerability
from webhook.core.bases.ancestry import Closest
from webhook.core.bases.catalog import BaseBuild
from webhook.core.explain import full_text, status_message, warnings
from webhook.core.facts import Trouble
from webhook.core.manifest_objects import bare_image
from webhook.core.pod_objects import image_use
from webhook.core.policy import (
    AttestationRequirement,
    BaseRequirement,
    Case,
    Identity,
    Mode,
    Requirements,
    Rule,
    SignatureRequirement,
)
from webhook.core.problems import (
    EndOfLifeBase,
    FailedAttestation,
    ForbiddenImage,
    InvalidReference,
    InvalidSignature,
    LaggingBase,
    MalformedImage,
    MissingAttestation,
    NotFips,
    NotFound,
    Problem,
    Revoked,
    RevokedBase,
    RunsAsRoot,
    StaleBase,
    UnapprovedBase,
    Unpinned,
    Unsigned,
    UntrustedSigner,
    Unverifiable,
    WrongVariant,
)
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import BadReference, Digest, ImageReference, Repository
from webhook.core.signatures.findings import BrokenSignature
from webhook.core.signatures.identity import CertificateIdentity
from webhook.core.verdicts import Decision, Verdict
from webhook.core.workloads import ContainerKind, ImageUse, Source, Workload

__all__ = ["CaseFile", "read_case"]

Data = Mapping[str, Any]
_BLOCK = re.compile(r"^```(yaml|text|warnings)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFile:
    """One case: the decision it describes, the texts it expects and those that come out."""

    document: str
    decision: Decision
    expected: Mapping[str, str]

    @property
    def actual(self) -> Mapping[str, str]:
        """Return the texts by the name of their block; no block for no warnings."""
        text = full_text(self.decision) if self.decision.allowed else status_message(self.decision)
        lines = warnings(self.decision)
        return {"text": f"{text}\n"} | ({"warnings": "\n".join(lines) + "\n"} if lines else {})

    def rewritten(self) -> str:
        """Return the document with the texts that come out, its prose and its data as they were."""
        head = self.document[: self.document.index("```yaml")]
        data = _BLOCK.search(self.document)
        assert data is not None
        blocks = (f"```{name}\n{text}```\n" for name, text in self.actual.items())
        return "\n".join((f"{head}{data[0]}\n", *blocks))


def read_case(path: Path) -> CaseFile:
    """Read a case file; a KeyError or a ParseError says that it is none."""
    document = path.read_text()
    blocks = {match[1]: match[2] for match in _BLOCK.finditer(document)}
    data = yaml.safe_load(blocks.pop("yaml"))
    return CaseFile(document=document, decision=_decision(data), expected=blocks)


def _decision(data: Data) -> Decision:
    rule = Rule(
        name=data.get("rule", "production"),
        mode=Mode[data.get("mode", "enforce").upper()],
        outcome=Requirements(signatures=_signers(data), base=BaseRequirement()),
    )
    if "image" in data["object"]:
        workload = bare_image(data["object"]["image"], data["object"].get("namespace"))
        uses = workload.uses
    else:
        uses = tuple(_use(index, entry) for index, entry in enumerate(data.get("containers", ())))
        workload = _workload(data["object"], uses)
    entries = data.get("containers", ())
    verdicts = tuple(_verdict(use, entry, rule) for use, entry in zip(uses, entries, strict=True))
    return Decision(workload=workload, verdicts=verdicts, never_denies=data.get("never_denies", False))


def _workload(data: Data, uses: tuple[ImageUse, ...]) -> Workload:
    return Workload(
        kind=data["kind"],
        namespace=data.get("namespace"),
        name=data["name"],
        operation="CREATE",
        source=Source.ADMISSION,
        uses=uses,
        no_images_because=data.get("no_images_because"),
    )


def _use(index: int, data: Data) -> ImageUse:
    kind = ContainerKind(data.get("list", "main"))
    return image_use(kind=kind, name=data["name"], text=data["image"], field=f"spec.containers[{index}].image")


def _verdict(use: ImageUse, data: Data, rule: Rule) -> Verdict:
    case = Case(name=data["except"], outcome=rule.outcome) if "except" in data else None
    resolved = digest(data["resolved"]) if "resolved" in data else None
    return Verdict(
        use=use,
        rule=rule,
        case=case,
        mode=rule.mode,
        image=use.image.pinned(resolved) if resolved and isinstance(use.image, ImageReference) else None,
        problems=tuple(_problem(entry, use) for entry in data.get("problems", ())),
        advisories=tuple(_problem(entry, use) for entry in data.get("advisories", ())),
    )


def _problem(data: Data, use: ImageUse) -> Problem:
    return _PROBLEMS[data["problem"]](data, use)


def _signers(data: Data) -> SignatureRequirement:
    return SignatureRequirement(authorities=tuple(data.get("expected", ("release",))), at_least=data.get("atLeast", 1))


def _build(data: Data | None) -> BaseBuild:
    """Return a recorded build: `repository`, `tags`, `variant`; else the ordinary `dhi.io/python:3.13`."""
    given = dict(data or {})
    changes: dict[str, Any] = {key: given[key] for key in ("variant",) if key in given}
    if "repository" in given:
        changes["repository"] = Repository.parse(given["repository"])
    if "tags" in given:
        changes["tags"] = tuple(given["tags"])
    return build(**changes)


def _bad(use: ImageUse) -> BadReference:
    assert isinstance(use.image, BadReference)
    return use.image


def _good(use: ImageUse) -> ImageReference:
    assert isinstance(use.image, ImageReference)
    return use.image


def _resolved(data: Data) -> Digest | None:
    return digest(data["resolved"]) if "resolved" in data else None


def _closest(data: Data) -> Closest | None:
    return Closest(build=_build(data["closest"]), shared=data["closest"]["shared"]) if "closest" in data else None


def _attestation(data: Data) -> AttestationRequirement:
    return AttestationRequirement(type=data["type"], authorities=tuple(data.get("from", ("release",))))


def _vulnerability(data: Data) -> Vulnerability:
    return Vulnerability(
        id=data["id"],
        severity=Severity[data["severity"]],
        fix=Fix(data.get("fix", "available")),
        package=data.get("package", ""),
    )


_FAILURES: Mapping[str, Callable[[Data], Failure]] = {
    "NotUnderstood": lambda data: NotUnderstood(why=data["why"]),
    "Undated": lambda _: Undated(),
    "FromTheFuture": lambda data: FromTheFuture(minutes=data["minutes"]),
    "TooOld": lambda data: TooOld(age_hours=data["age_hours"], max_age_hours=data["max_age_hours"]),
    "Vulnerable": lambda data: Vulnerable(found=tuple(_vulnerability(one) for one in data["found"])),
    "UntrustedBuilder": lambda data: UntrustedBuilder(builder=data["builder"], allowed=tuple(data["allowed"])),
    "UntrustedSource": lambda data: UntrustedSource(sources=tuple(data["sources"]), allowed=tuple(data["allowed"])),
    "NotPassed": lambda _: NotPassed(),
}

_PROBLEMS: Mapping[str, Callable[[Data, ImageUse], Problem]] = {
    "InvalidReference": lambda _, use: InvalidReference(reference=_bad(use)),
    "ForbiddenImage": lambda data, _: ForbiddenImage(allowed=tuple(data["allowed"])),
    "Unpinned": lambda data, use: Unpinned(reference=_good(use), resolved=_resolved(data)),
    "NotFound": lambda _, use: NotFound(reference=_good(use)),
    "Revoked": lambda data, _: Revoked(digest=digest("revoked"), reason=data["reason"]),
    "MalformedImage": lambda data, _: MalformedImage(what=data["what"], why=data["why"], platform=data.get("platform")),
    "InvalidSignature": lambda data, _: InvalidSignature(
        expected=_signers(data),
        broken=tuple(BrokenSignature(authority=name, why=why) for name, why in data["broken"].items()),
    ),
    "UntrustedSigner": lambda data, _: UntrustedSigner(
        expected=_signers(data),
        meant=tuple(
            Identity(issuer=TextPattern(one["issuer"]), subject=TextPattern(one["subject"]))
            for one in data.get("meant", ())
        ),
        found=tuple(data.get("found", ())),
        strangers=data.get("strangers", 0),
        identities=tuple(CertificateIdentity(**one) for one in data.get("identities", ())),
    ),
    "Unsigned": lambda data, _: Unsigned(expected=_signers(data)),
    "UnapprovedBase": lambda data, _: UnapprovedBase(
        expected=tuple(data["expected"]),
        unapproved=_build(data["unapproved"]) if "unapproved" in data else None,
        closest=_closest(data),
        platform=data.get("platform"),
        built_from=tuple(data.get("built_from", ())),
    ),
    "RevokedBase": lambda data, _: RevokedBase(
        revoked=digest("revoked"),
        reason=data["reason"],
        build=_build(data.get("build")),
        by_policy=data["by"] == "policy",
        platform=data.get("platform"),
    ),
    "EndOfLifeBase": lambda data, _: EndOfLifeBase(
        build=_build(data.get("build")), end_of_life=date.fromisoformat(str(data["end_of_life"]))
    ),
    "StaleBase": lambda data, _: StaleBase(
        build=_build(data.get("build")),
        age_days=data["age_days"],
        max_age_days=data["max_age_days"],
        platform=data.get("platform"),
    ),
    "LaggingBase": lambda data, _: LaggingBase(
        build=_build(data.get("build")), lag_days=data["lag_days"], max_lag_days=data["max_lag_days"]
    ),
    "WrongVariant": lambda data, _: WrongVariant(build=_build(data["build"]), allowed=tuple(data["allowed"])),
    "NotFips": lambda data, _: NotFips(build=_build(data.get("build")), platform=data.get("platform")),
    "MissingAttestation": lambda data, _: MissingAttestation(
        expected=_attestation(data),
        others=tuple(data.get("others", ())),
        broken=tuple(BrokenSignature(authority=name, why=why) for name, why in data.get("broken", {}).items()),
        strangers=data.get("strangers", 0),
        platform=data.get("platform"),
    ),
    "FailedAttestation": lambda data, _: FailedAttestation(
        expected=_attestation(data),
        by=tuple(data.get("by", ("release",))),
        failure=_FAILURES[data["failure"]](data),
        platform=data.get("platform"),
    ),
    "RunsAsRoot": lambda data, _: RunsAsRoot(user=data["user"]),
    "Unverifiable": lambda data, _: Unverifiable(
        trouble=Trouble(doing=data["doing"], where=data["where"], why=data["why"])
    ),
}
