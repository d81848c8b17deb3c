"""Problems with the signatures of an image → words, with the names of those who should have signed."""

from __future__ import annotations

from typing import assert_never

from webhook.core.policy import SignatureRequirement
from webhook.core.problems import InvalidSignature, Unsigned, UntrustedSigner
from webhook.core.reading.plain_text import listing, printable
from webhook.core.wording.words import Words

__all__ = ["words_for_signatures"]

MAX_NAME = 120
MAX_IDENTITIES = 2


def words_for_signatures(problem: InvalidSignature | UntrustedSigner | Unsigned) -> Words:
    """Choose the words for an image that too few of the named authorities have signed."""
    match problem:
        case InvalidSignature():
            return _invalid_signature(problem)
        case UntrustedSigner():
            return _untrusted_signer(problem)
        case Unsigned():
            return _unsigned(problem)
        case _:
            assert_never(problem)


def _invalid_signature(problem: InvalidSignature) -> Words:
    broken = tuple(f"{one.authority}: {one.why}" for one in problem.broken)
    return Words(
        says="has a signature in a trusted name that does not hold",
        facts=(("expected", _requirement(problem.expected)), ("found", listing(broken))),
        help="sign this very digest again; if nobody here did that, somebody tampers with the image",
    )


def _untrusted_signer(problem: UntrustedSigner) -> Words:
    names = f"signed by {_quoted(problem.found)}" if problem.found else ""
    enough = "by enough of those whom" if set(problem.found) & set(problem.expected.authorities) else "by anyone"
    return Words(
        says=f"is signed, but not {enough} this namespace trusts",
        facts=(
            ("expected", _requirement(problem.expected) + _meant(problem)),
            ("found", ", ".join(part for part in (names, *_by_identity(problem), _by_key(problem)) if part)),
        ),
        help=f"deploy the digest that {_signers(problem.expected)} signed",
    )


def _unsigned(problem: Unsigned) -> Words:
    return Words(
        says="has no signature at all",
        facts=(("expected", _requirement(problem.expected)),),
        help=f"deploy a digest that {_signers(problem.expected)} signed, or have this one signed",
    )


def _meant(problem: UntrustedSigner) -> str:
    """Name whom certificates must name, if they matter; an expression as it is written."""
    different = dict.fromkeys(_identity(identity.subject.text, identity.issuer.text) for identity in problem.meant)
    return f": {', '.join(_shortened(tuple(different)))}" if different else ""


def _by_identity(problem: UntrustedSigner) -> tuple[str, ...]:
    """Name strangers whose certificates hold: the subject, and who says so."""
    different = dict.fromkeys(problem.identities)
    return _shortened(tuple(_identity(identity.subject, identity.issuer) for identity in different))


def _identity(subject: str, issuer: str) -> str:
    return f"`{printable(subject, MAX_NAME)}` via `{printable(issuer, MAX_NAME)}`"


def _shortened(names: tuple[str, ...]) -> tuple[str, ...]:
    """Keep the first names, and count the others."""
    kept = names[:MAX_IDENTITIES]
    return (*kept, f"{len(names) - MAX_IDENTITIES:,} more") if len(names) > MAX_IDENTITIES else kept


def _by_key(problem: UntrustedSigner) -> str:
    """Count the other signatures that no authority of the policy gave."""
    count = problem.strangers - len(problem.identities)
    if count <= 0:
        return ""
    return "1 signature by a key that nobody here knows" if count == 1 else f"{count:,} by keys that nobody here knows"


def _requirement(expected: SignatureRequirement) -> str:
    """Say who must have signed."""
    return f"{'a signature' if expected.at_least == 1 else 'signatures'} by {_signers(expected)}"


def _signers(expected: SignatureRequirement) -> str:
    """Name the authorities."""
    names = _quoted(expected.authorities)
    if expected.at_least > 1:
        return f"{expected.at_least} of {names}"
    return names if len(expected.authorities) == 1 else f"one of {names}"


def _quoted(names: tuple[str, ...]) -> str:
    """List names of authorities."""
    return listing(tuple(f"`{name}`" for name in names))
