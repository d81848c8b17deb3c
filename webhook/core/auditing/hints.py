"""What would mend a refused image, as values: another base, a newer tag, a digest. Nothing here decides anything.

Which questions are worth asking is told here too, so that nobody asks a registry for a hint that cannot come.
"""

from __future__ import annotations

from dataclasses import replace

from webhook.core.auditing.base_choice import ProposedBase
from webhook.core.auditing.rows import Fix, FixKind
from webhook.core.bases.software import Version
from webhook.core.errors import ParseError
from webhook.core.policy import BaseRequirement, Requirements
from webhook.core.problems import ForbiddenImage, InvalidReference, Unpinned, Unverifiable
from webhook.core.reading.plain_text import printable
from webhook.core.references import Digest, ImageReference
from webhook.core.verdicts import Verdict

__all__ = ["asked_base", "base_fix", "newest_fix", "newest_helps", "pin_fix", "retagged", "written_name"]

MAX_VERSION_CHARACTERS = 40
SEEN_IN_VERSION = ("major", "minor")
"""What the first numbers of a version are called; a difference in the others is not told."""


def asked_base(verdict: Verdict) -> BaseRequirement:
    """Return what the rule asks of the base; the defaults where it asks for none and the policy revokes it."""
    outcome = (verdict.case or verdict.rule).outcome
    return (outcome.base if isinstance(outcome, Requirements) else None) or BaseRequirement()


def newest_helps(verdict: Verdict) -> bool:
    """Tell whether a newer tag of the image may help: something definite is wrong with these bytes, not with the name.

    A registry that was silent about the image need not be asked for its tags. What is exempt is never asked about: all
    that can be wrong with it is that the policy revokes it.
    """
    of_the_name = ForbiddenImage | InvalidReference | Unpinned
    judged = isinstance((verdict.case or verdict.rule).outcome, Requirements)
    return judged and any(not isinstance(problem, of_the_name | Unverifiable) for problem in verdict.problems)


def written_name(image: ImageReference) -> str:
    """Return an image as it was written, without its digest."""
    return image.written.partition("@")[0]


def retagged(image: ImageReference, tag: str, digest: Digest) -> ImageReference | None:
    """Return another tag of the same repository, written as the image was; None if that makes no reference."""
    name = written_name(image)
    bare = name.removesuffix(f":{image.tag}") if image.tag else name
    try:
        return ImageReference.parse(f"{bare}:{tag}@{digest}")
    except ParseError:
        return None


def base_fix(base: ProposedBase) -> Fix:
    """Propose an approved base, and say where its version is another one than the image's seems to be."""
    wanted = base.hint.version
    subject = f"`{printable(base.hint.software)}`{f' {_shown(wanted)}' if wanted else ''}"
    return Fix(
        kind=FixKind.BASE,
        write=str(base),
        says=f"the nearest approved base for {subject}{_difference(base.version, wanted)}",
    )


def newest_fix(candidate: ImageReference, verdict: Verdict) -> Fix | None:
    """Say whether the newest tag would pass; None where that could not be found out."""
    subject = f"the newest tag `{candidate.tag}`"
    if not verdict.problems:
        return Fix(kind=FixKind.NEWEST, write=candidate.written, says=f"{subject} would pass")
    codes = _codes(verdict)
    if not codes:
        return None
    fate = "would be refused too" if verdict.denies else "would not pass either"
    return Fix(kind=FixKind.NEWEST, write="", says=f"{subject} {fate}: {codes}")


def pin_fix(verdict: Verdict, *, moved: bool) -> Fix | None:
    """Propose the digest that was judged, where one is missing or the tag has `moved` away from what runs.

    It says how these bytes fare, the missing digest aside. None where nothing was resolved, where the policy revokes
    these bytes, and where what runs would be refused itself.
    """
    image, written = verdict.image, verdict.use.image
    unpinned = any(isinstance(problem, Unpinned) for problem in verdict.problems)
    if image is None or not isinstance(written, ImageReference) or not (unpinned or moved) or verdict.revoked:
        return None
    if written.digest and verdict.problems:
        return None
    subject = "what runs" if written.digest else f"what `{written.tag or 'latest'}` points to"
    return Fix(
        kind=FixKind.PIN,
        write=f"{written_name(written)}@{image.digest}",
        says=f"pins {subject}, which {_fate(verdict)}",
    )


def _fate(verdict: Verdict) -> str:
    """Say how bytes fare, whatever they are called."""
    bytes_alone = replace(
        verdict, problems=tuple(problem for problem in verdict.problems if not isinstance(problem, Unpinned))
    )
    if not bytes_alone.problems:
        return "passes"
    codes = _codes(bytes_alone)
    if not codes:
        return "could not be checked"
    return f"{'is refused all the same' if bytes_alone.denies else 'has other problems'}: {codes}"


def _codes(verdict: Verdict) -> str:
    """Name what is definitely wrong, each code once; empty if nothing is."""
    return ", ".join(dict.fromkeys(p.code for p in verdict.problems if not isinstance(p, Unverifiable)))


def _difference(version: Version, wanted: Version) -> str:
    """Say in which respect a version is another one than was wanted; empty where it is not, or one is not known."""
    for name, one, other in zip(SEEN_IN_VERSION, version, wanted, strict=False):
        if one != other:
            return f": version {_shown(version)}, {'a newer' if one > other else 'an older'} {name} version"
    return ""


def _shown(version: Version) -> str:
    return printable(".".join(map(str, version)), MAX_VERSION_CHARACTERS)
