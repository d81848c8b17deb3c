"""The ImagePolicy document → `Policy`, strictly: what is not understood is refused, and all of it is told at once.

Nothing is accepted and ignored: a key that nobody knows is an error, and one of the contract that this version does
not decide yet is refused as `not supported yet: PATH`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from webhook.core.errors import DocumentError, ParseError
from webhook.core.policy import Authority, Policy
from webhook.core.policy_reading import keys
from webhook.core.policy_reading.authorities import authorities
from webhook.core.policy_reading.declarations import DeclaredNames, bases, registries, revocations
from webhook.core.policy_reading.files import PolicyFiles, ReadFile
from webhook.core.policy_reading.rules import RuleReader
from webhook.core.policy_reading.words import parse_name
from webhook.core.reading.complaints import Complaints, Place
from webhook.core.reading.documents import Reading, Value, attempt
from webhook.core.reading.yaml_documents import load_document
from webhook.core.references import Digest

__all__ = ["API_VERSION", "KIND", "MAX_POLICY_BYTES", "parse_policy"]

API_VERSION = "dhi-gate.dev/v1alpha1"
KIND = "ImagePolicy"
MAX_POLICY_BYTES = 1 << 20


def parse_policy(data: bytes, *, read_file: ReadFile) -> Policy:
    """Read an ImagePolicy (YAML or JSON, at most 1 MiB) and the files it refers to.

    `read_file` returns the bytes of a file as the policy names it, or raises OSError or ParseError. Raises
    DocumentError with everything that is wrong, in the order of the document. The policy's digest covers the document
    and the files, so that it changes whenever what the policy says may have changed.
    """
    complaints = Complaints()
    try:
        raw = load_document(data, complaints, max_bytes=MAX_POLICY_BYTES)
    except ParseError as error:
        raise DocumentError((error,)) from None
    document = Value(place=Place(), raw=raw, complaints=complaints)
    reading = attempt(lambda value: _policy(value, data, PolicyFiles(read_file)), document)
    complaints.raise_if_any()
    return reading.value()


def _policy(value: Value, data: bytes, files: PolicyFiles) -> Policy:
    document = value.section(keys.DOCUMENT)
    version = document.required("apiVersion", lambda item: item.one_of({API_VERSION: API_VERSION}))
    kind = document.required("kind", lambda item: item.one_of({KIND: KIND}))
    name = document.required("metadata", _metadata_name)
    spec = document.required("spec", lambda item: item.section(keys.SPEC)).value()
    names = DeclaredNames.of(spec)
    vouching = spec.optional("authorities", lambda item: authorities(item, files), ())
    approved = spec.optional("bases", lambda item: bases(item, names), ())
    reachable = spec.optional("registries", lambda item: registries(item, files), ())
    revoked = spec.optional("revoked", revocations, ())
    pin_tags = spec.optional("pinTags", Value.flag, default=False)
    rules = spec.required("rules", RuleReader(names=names, signers=_signers(vouching)).rules)
    version.value()
    kind.value()
    return Policy(
        name=name.value(),
        authorities=vouching.value(),
        bases=approved.value(),
        registries=reachable.value(),
        revoked=revoked.value(),
        pin_tags=pin_tags.value(),
        rules=rules.value(),
        digest=_digest((data, *files.contents)),
    )


def _metadata_name(value: Value) -> str:
    return value.section(keys.METADATA).required("name", lambda item: item.parsed(parse_name)).value()


def _signers(vouching: Reading[tuple[Authority, ...]]) -> dict[str, frozenset[object]]:
    """Return who speaks for each authority, by name; nothing if they could not all be read."""
    return {authority.name: authority.signers for found in vouching.found for authority in found}


def _digest(parts: Iterable[bytes]) -> Digest:
    """Hash all parts, each after its length, so that no byte can move from one part to the next unnoticed."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(len(part).to_bytes(8, "big"))
        hasher.update(part)
    return Digest(algorithm="sha256", hex=hasher.hexdigest())
