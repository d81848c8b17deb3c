"""One problem → the words for it: what is said of the image, what was expected and found, and what to do.

Only `help` advises. Everything that somebody else wrote is made printable and clipped; digests are written in full
where a person has to copy them, and short elsewhere. The words for bases are in `webhook.core.wording.bases`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

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
from webhook.core.reading.plain_text import listing, printable
from webhook.core.verdicts import Verdict
from webhook.core.wording.attestations import words_for_attestations
from webhook.core.wording.bases import debug_image, words_for_base, words_for_unapproved
from webhook.core.wording.signatures import words_for_signatures
from webhook.core.wording.words import Words
from webhook.core.workloads import ContainerKind, Workload

__all__ = ["Context", "words_for"]

MAX_COMMAND_CHARACTERS = 500
"""Room for the longest names of namespace, pod and image that are in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where a problem was met. With `advice` it is none yet, or none that denies."""

    workload: Workload
    verdict: Verdict
    advice: bool = False


def words_for(problem: Problem, context: Context) -> Words:
    """Choose the words. Total: every problem has some, and none of them raises."""
    match problem:
        case InvalidReference() | ForbiddenImage() | Unpinned() | NotFound():
            return _about_the_name(problem, context)
        case Revoked() | MalformedImage() | RunsAsRoot() | Unverifiable():
            return _about_the_bytes(problem)
        case InvalidSignature() | UntrustedSigner() | Unsigned():
            return words_for_signatures(problem)
        case UnapprovedBase():
            return _unapproved_base(problem, context)
        case RevokedBase() | EndOfLifeBase() | StaleBase() | LaggingBase() | WrongVariant() | NotFips():
            return words_for_base(problem, advice=context.advice)
        case MissingAttestation() | FailedAttestation():
            return words_for_attestations(problem)
        case _:
            assert_never(problem)


def _about_the_name(problem: InvalidReference | ForbiddenImage | Unpinned | NotFound, context: Context) -> Words:
    match problem:
        case InvalidReference():
            return _invalid_reference(problem)
        case ForbiddenImage():
            return _forbidden_image(problem, context)
        case Unpinned():
            return _unpinned(problem)
        case NotFound():
            return _not_found(problem)
        case _:
            assert_never(problem)


def _about_the_bytes(problem: Revoked | MalformedImage | RunsAsRoot | Unverifiable) -> Words:
    match problem:
        case Revoked():
            return _revoked(problem)
        case MalformedImage():
            return _malformed(problem)
        case RunsAsRoot():
            return _runs_as_root(problem)
        case Unverifiable():
            return _unverifiable(problem)
        case _:
            assert_never(problem)


def _invalid_reference(problem: InvalidReference) -> Words:
    return Words(
        says="has no valid image reference",
        facts=(("cause", printable(problem.reference.why)),),
        help="write the image as `HOST/PATH:TAG@sha256:DIGEST`",
    )


def _forbidden_image(problem: ForbiddenImage, context: Context) -> Words:
    rule = printable(context.verdict.rule.name)
    exact = next((image for image in problem.allowed if "*" not in image), None)
    return Words(
        says="is not among the images that may run here",
        facts=(("expected", listing(problem.allowed)),),
        help=_debug_command(exact, context) or f"use an image from there, or have its place listed in rule `{rule}`",
    )


def _unpinned(problem: Unpinned) -> Words:
    reference = problem.reference
    if problem.resolved is None:
        help_text = f"write the digest too: `{reference.written}@sha256:DIGEST`"
    else:
        help_text = f"write `{reference.written}@{problem.resolved}`"
    return Words(
        says="has no digest, and a tag can be moved",
        facts=(("expected", "a reference with a digest"),),
        help=help_text,
    )


def _not_found(problem: NotFound) -> Words:
    return Words(
        says="is not in its registry",
        facts=(("at", printable(problem.reference.repository.registry)),),
        help="correct the name, the tag or the digest, or push the image first",
    )


def _revoked(problem: Revoked) -> Words:
    return Words(
        says="is revoked by the policy",
        facts=(("found", problem.digest.short), ("cause", printable(problem.reason))),
        help="deploy another build; these bytes may run under no rule",
    )


def _malformed(problem: MalformedImage) -> Words:
    return Words(
        says="is not well formed",
        facts=(("found", printable(problem.what)), ("cause", printable(problem.why))),
        help="build and push it again with a current build tool",
        platform=problem.platform,
    )


def _unapproved_base(problem: UnapprovedBase, context: Context) -> Words:
    words = words_for_unapproved(problem)
    command = _debug_command(debug_image(problem), context)
    if command is None:
        return words
    return Words(says=words.says, facts=words.facts, help=command, platform=words.platform)


def _runs_as_root(problem: RunsAsRoot) -> Words:
    return Words(
        says="has no default user that is provably not root",
        facts=(
            ("expected", "a numeric user other than 0, or the base's own"),
            ("found", f"user `{printable(problem.user)}`" if problem.user else "no user"),
        ),
        help="end the Dockerfile with `USER 65532`, or leave the base's user alone",
        platform=problem.platform,
    )


def _unverifiable(problem: Unverifiable) -> Words:
    trouble = problem.trouble
    return Words(
        says="could not be checked; this does not say that it is bad",
        facts=(
            ("while", printable(trouble.doing)),
            ("at", printable(trouble.where)),
            ("cause", printable(trouble.why)),
        ),
        help="retry; if it lasts, the registry or its pull secret needs attention",
        platform=problem.platform,
    )


def _debug_command(image: str | None, context: Context) -> str | None:
    """Suggest an approved image to debug with, for a refused ephemeral container; None for any other."""
    if image is None or context.verdict.use.kind is not ContainerKind.EPHEMERAL:
        return None
    namespace = f"-n {context.workload.namespace} " if context.workload.namespace else ""
    command = f"kubectl debug {namespace}{context.workload.name} -it --image={image}@sha256:DIGEST"
    return printable(command, MAX_COMMAND_CHARACTERS)
