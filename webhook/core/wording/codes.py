"""What each reason code means, at length: the text of `dhi-gate explain CODE` and of `docs/denials.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from webhook.core.problems import CODES

__all__ = ["EXPLANATIONS", "Explanation", "as_document", "as_text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A reason code at length. `means` is what is true of the image, `because` why that matters, `then` what to do.

    `produced` is false for a code that the contract reserves and this version never gives.
    """

    code: str
    means: str
    because: str
    then: str
    produced: bool = True


_NOT_PRODUCED = "This version does not produce this code: a policy that asks for it is refused when it is loaded."

_ALL = (
    Explanation(
        code="bad-reference",
        means="The image field is empty or does not hold an image reference (`name[:tag][@digest]`).",
        because="What cannot be read cannot be looked up, and two readers could take it for two different images.",
        then="Correct the field that the message names. A full reference looks like "
        "`registry.example/shop/api:1.4@sha256:` and 64 lower-case hexadecimal digits.",
    ),
    Explanation(
        code="forbidden-image",
        means="The rule of this namespace lists the images that may run in it, and this one is not among them. "
        "It was not fetched.",
        because="The namespace alone picks the rule, so nobody leaves a strict rule by choosing another image name.",
        then="Push the image to a place that the rule lists, or ask the owner of the policy to add its place to "
        "`images`, or a narrower case to `except`.",
    ),
    Explanation(
        code="unpinned",
        means="The reference has no digest, and the rule asks for one (`pinned`, which is the default).",
        because="A tag can be moved after it was judged. Only a digest says that what runs is what was judged.",
        then="Write the digest after the tag, as the message shows if the tag could be resolved. The digest decides "
        "then, and the tag stays for people.",
    ),
    Explanation(
        code="not-found",
        means="The registry answered that it does not have the image.",
        because="An image that is not there cannot be judged, and a pod that names it would not start.",
        then="Look for a misspelling in name, tag or digest, and for an image that was never pushed or was deleted. "
        "A registry that hides images from strangers may answer so as well: check the credentials.",
    ),
    Explanation(
        code="revoked",
        means="The policy lists these very bytes under `revoked`. This denies in every mode.",
        because="Somebody decided that they must not run: a leaked secret or a known compromise, for example.",
        then="Deploy another build. The reason is in the message; the owner of the policy knows more.",
    ),
    Explanation(
        code="malformed-image",
        means="The image is not well formed: counts of layers that disagree, keys that stand twice or differ in case "
        "only, unknown layer types, a platform that its config contradicts, a layer that is not what its config "
        "claims, or an index inside an index.",
        because="What two programs could read differently could be judged as one thing and run as another.",
        then="Build and push the image again with a current build tool. If a tool of yours writes such images, it has "
        "a fault.",
    ),
    Explanation(
        code="invalid-signature",
        means="There is a signature that points at an authority the rule names, and it does not hold: it is over "
        "another digest, its bytes were altered, its time or its certificate is over, or what it claims does not fit.",
        because="This is not the absence of a signature: somebody put one there that is wrong.",
        then="Sign the digest again, with the pipeline that should have done it. If nobody on your side made this "
        "signature, treat the image as tampered with.",
    ),
    Explanation(
        code="untrusted-signer",
        means="The image is signed, but not by enough of the authorities that the rule names. The message says which "
        "other authorities of the policy signed it, whom certificates that hold name, and how many signatures are by "
        "keys that nobody here knows.",
        because="A signature says who vouches for an image. The rule says whose word counts in this namespace.",
        then="Deploy the digest that the expected authority signed. `dhi-gate check` tells beforehand whether it did.",
    ),
    Explanation(
        code="unsigned",
        means="The image has no signature at all, and the rule asks for one.",
        because="Without a signature nobody vouches that these are the bytes that your pipeline built.",
        then="Deploy a digest that one of the named authorities signed, or have this one signed. Copying an image to "
        "another registry leaves its signatures behind unless the tool copies them too. Signatures that are kept in "
        "another repository (COSIGN_REPOSITORY) are found if the policy names that: `spec.registries[].signatures`.",
    ),
    Explanation(
        code="unapproved-base",
        means="The image does not start with the layers of any approved base, or the recorded base that it does start "
        "with is not approved. The longest recorded chain of layers decides, and it alone. That the layers are there "
        "does not say that later layers left their files alone; this version does not look into them.",
        because="Labels and names say what the author wants to be believed. Layers are the proof.",
        then="Start the Dockerfile with the `FROM` line that the message shows and rebuild. A build that squashes "
        "layers loses the proof. A base that is new may be missing from the catalog: `dhi-gate catalog sync`.",
    ),
    Explanation(
        code="revoked-base",
        means="The image contains the layers of a base that is revoked. If the policy itself revokes it, this denies "
        "in every mode.",
        because="What was wrong with the base is still in the image.",
        then="Rebuild on a current build of the base (`docker build --pull`).",
    ),
    Explanation(
        code="end-of-life-base",
        means="The base is past its end of life, or will be soon if this is a warning.",
        because="It gets no security fixes any more.",
        then="Move the Dockerfile to a newer release of the base and rebuild.",
    ),
    Explanation(
        code="stale-base",
        means="The base was built longer ago than the rule's `maxAge`, or a newer build of its tag was seen longer ago "
        "than `maxLag`. What will be refused within 14 days is a warning; without `maxAge`, so is more than 90 days.",
        because="Fixes reach an image only when it is rebuilt on a newer build of its base.",
        then="Rebuild on the current build of the same base (`docker build --pull`); the Dockerfile can stay as it is.",
    ),
    Explanation(
        code="wrong-variant",
        means="The base is approved, but it is of a variant that the rule does not admit: usually a `dev` image, which "
        "carries a shell and a package manager.",
        because="Development images are for building. What they carry helps whoever breaks in.",
        then="Build in a `dev` stage and copy the result into a final stage that begins with the runtime image.",
    ),
    Explanation(
        code="not-fips",
        means="The rule asks for a base that is proven to be FIPS validated, and this one is not. The proof is a FIPS "
        "attestation about the base by the signer of the base; labels and tags are none.",
        because="Some places may use validated cryptography only.",
        then="Start from a FIPS variant of the base. If this is one, it was recorded before its attestation could be "
        "read: see what `dhi-gate catalog sync` says of it.",
    ),
    Explanation(
        code="base-modified",
        means="Layers above the base delete or replace files of the base.",
        because="A base whose files were replaced protects as little as one that was never there.",
        then="Add files, and leave those of the base alone.",
        produced=False,
    ),
    Explanation(
        code="forbidden-content",
        means="The image adds something that the rule forbids.",
        because="The rule says what has no business in an image that runs here.",
        then="Remove what the message names from the final stage.",
        produced=False,
    ),
    Explanation(
        code="missing-attestation",
        means="The image lacks a signed attestation that the rule asks for: a bill of materials, a provenance or a "
        "scan, for example. One about the index counts for all its platforms, one about a platform for that one only, "
        "and each platform must have what is required. The message tells who else attested it, and what is there in "
        "the right name and does not hold.",
        because="The rule wants to know more about the image than who vouches for it.",
        then="Have the pipeline attach and sign it (`cosign attest`), about the digest that is deployed. A signature "
        "over the image is no attestation, and the reverse.",
    ),
    Explanation(
        code="failed-attestation",
        means="The image has the attestation, signed by somebody whom the rule names, and it fails the rule: it is too "
        "old, finds vulnerabilities that are too grave, names another builder or source, or cannot be read. Of several "
        "that are fresh, any one that fails is enough.",
        because="A report that found something critical is no reason to let the image in, and a registry may serve an "
        "old clean one beside it. What the gate cannot read may say anything.",
        then="Mend what the message names, rebuild if need be, and attest again. A finding that does not apply can be "
        "excused by an OpenVEX statement about this digest, if the rule says whose statements it believes.",
    ),
    Explanation(
        code="runs-as-root",
        means="The image's default user is not provably anyone but root. Proof is a number other than zero, or the "
        "very user of the base. A name proves nothing: the image itself says what it means.",
        because="Root in a container is closer to root on the node than anybody wants.",
        then="End the Dockerfile with `USER 65532`, or another number, or leave the base's user alone.",
    ),
    Explanation(
        code="pod-security",
        means="The pod lacks hardening that the rule asks for.",
        because="A good image in a privileged pod is still dangerous.",
        then="Add the settings that the message names to the pod.",
        produced=False,
    ),
    Explanation(
        code="unverifiable",
        means="The image could not be checked: the registry, a limit or a deadline stood in the way. This never says "
        "that it is bad, and never that it is fine; under `enforce` it denies, because unknown is not yes.",
        because="A gate that opens when it cannot look can be opened by whoever blinds it.",
        then="Try again: much is remembered, and a check that ran out of time goes on in the background. If it lasts, "
        "see whether the registry answers and whether the gate's credentials for it still hold.",
    ),
)

EXPLANATIONS: Mapping[str, Explanation] = {one.code: one for one in sorted(_ALL, key=lambda one: CODES.index(one.code))}
"""By code, in the order in which problems are listed."""


def as_text(explanation: Explanation) -> tuple[str, ...]:
    """Return the paragraphs of an explanation, without the code itself."""
    parts = (
        explanation.means,
        f"Why it matters: {explanation.because}",
        f"What now: {explanation.then}",
    )
    return parts if explanation.produced else (*parts, _NOT_PRODUCED)


def as_document() -> str:
    """Return the whole of `docs/denials.md`: one heading for each code."""
    head = (
        "# Reason codes\n\nOne section for each code, in the order in which problems are listed. "
        "`dhi-gate explain CODE` prints the same text."
    )
    sections = ("\n\n".join((f"## `{code}`", *as_text(one))) for code, one in EXPLANATIONS.items())
    return "\n\n".join((head, *sections)) + "\n"
