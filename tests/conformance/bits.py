"""Every place in a genuine signature where a bit can be changed."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, assert_never

import cbor2

from tests.conformance.specimens import Candidate
from webhook.core.facts import AttestationKind, CandidateKind

__all__ = ["Place", "places_in"]

PLACEHOLDER = "#place#"
CERTIFICATE = "dev.sigstore.cosign/certificate"
Encoding = Literal["base64", "pem", "text"]
"""How bytes are written in their place; what is flipped are the bits of the bytes."""

BASE64_LEAVES = frozenset(
    {
        *("payload", "sig", "hint", "rawBytes", "keyId", "signedEntryTimestamp", "rootHash", "hashes"),
        *("canonicalizedBody", "signedTimestamp", "SignedEntryTimestamp", "body", "SignedRFC3161Timestamp"),
        "dev.cosignproject.cosign/signature",
    }
)
"""Fields that hold bytes in base64."""

AGENT = "io.cncf.notary.signingAgent"
"""Where an envelope of Notation names the program that wrote it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A run of bytes somewhere in a signature; `filled` returns it with others there, and all else as it was."""

    name: str
    content: bytes
    filled: Callable[[bytes], Candidate] = field(repr=False)

    def flipped(self, bit: int) -> Candidate:
        """Return the signature with that bit changed and all else as it was."""
        damaged = bytearray(self.content)
        damaged[bit // 8] ^= 1 << bit % 8
        return self.filled(bytes(damaged))


def places_in(candidate: Candidate) -> Iterator[Place]:
    """Yield every place: each leaf of JSON, the runs of what is written otherwise, each annotation leaf by leaf."""
    match candidate.kind:
        case CandidateKind.BUNDLE | AttestationKind.BUNDLE | AttestationKind.ENVELOPE:
            yield from _in_document(candidate)
        case CandidateKind.SIMPLE_SIGNING | AttestationKind.PLAIN:
            yield from _in_runs(candidate, {"payload": candidate.payload})
        case CandidateKind.NOTATION_JWS:
            yield from _in_runs(candidate, _runs_of_jws(candidate.payload))
        case CandidateKind.NOTATION_COSE:
            yield from _in_runs(candidate, _runs_of_cose(candidate.payload))
        case _:
            assert_never(candidate.kind)
    for key, value in candidate.annotations.items():
        yield from _in_annotation(candidate, key, value)


def _in_document(candidate: Candidate) -> Iterator[Place]:
    for path, value, template in _leaves(json.loads(candidate.payload)):

        def write(text: str, template: str = template) -> Candidate:
            return replace(candidate, payload=_within(template, text).encode())

        yield _place(path, value, write)


def _in_annotation(candidate: Candidate, key: str, value: str) -> Iterator[Place]:
    if not value.startswith("{"):
        yield _place((key,), value, lambda text: _annotated(candidate, key, text))
        return
    for path, leaf, template in _leaves(json.loads(value)):

        def write(text: str, template: str = template) -> Candidate:
            return _annotated(candidate, key, _within(template, text))

        yield _place((key, *path), leaf, write)


def _annotated(candidate: Candidate, key: str, value: str) -> Candidate:
    return replace(candidate, annotations={**candidate.annotations, key: value})


def _place(path: tuple[str, ...], value: str, write: Callable[[str], Candidate]) -> Place:
    leaf = path[-1].partition("[")[0]
    encoding: Encoding = "base64" if leaf in BASE64_LEAVES else "pem" if leaf == CERTIFICATE else "text"
    return Place(
        name=".".join(path),
        content=_DECODERS[encoding](value),
        filled=lambda content: write(_ENCODERS[encoding](content)),
    )


def _in_runs(candidate: Candidate, runs: Mapping[str, bytes]) -> Iterator[Place]:
    """Yield each run of bytes, and what stands between them as `framing`: together all of the payload."""
    end, between = 0, []
    for name, run in sorted(runs.items(), key=lambda item: candidate.payload.index(item[1])):
        start = candidate.payload.index(run, end)
        between.append(("framing", end, start))
        end = start + len(run)
        between.append((name, start, end))
    for name, start, stop in (*between, ("framing", end, len(candidate.payload))):
        before, after = candidate.payload[:start], candidate.payload[stop:]

        def write(content: bytes, before: bytes = before, after: bytes = after) -> Candidate:
            return replace(candidate, payload=before + content + after)

        yield Place(name=name, content=candidate.payload[start:stop], filled=write)


def _runs_of_jws(payload: bytes) -> Mapping[str, bytes]:
    document = json.loads(payload)
    certificates = {f"x5c[{number}]": text.encode() for number, text in enumerate(document["header"]["x5c"])}
    signed = {key: document[key].encode() for key in ("protected", "payload", "signature")}
    agent = json.dumps({AGENT: document["header"][AGENT]}, separators=(",", ":"))[1:-1]
    return signed | certificates | {"signingAgent": agent.encode()}


def _runs_of_cose(payload: bytes) -> Mapping[str, bytes]:
    protected, header, content, signature = cbor2.loads(payload).value
    certificates = {f"x5chain[{number}]": der for number, der in enumerate(header[33])}
    agent = cbor2.dumps(AGENT) + cbor2.dumps(header[AGENT])
    return {"protected": protected, "payload": content, "signature": signature, "signingAgent": agent} | certificates


def _within(template: str, text: str) -> str:
    """Put text in the place of the document, as JSON writes it."""
    return template.replace(PLACEHOLDER, json.dumps(text)[1:-1])


def _pem(der: bytes) -> str:
    """Write a certificate that may be broken."""
    return f"-----BEGIN CERTIFICATE-----\n{base64.encodebytes(der).decode()}-----END CERTIFICATE-----\n"


def _der(pem: str) -> bytes:
    return base64.b64decode("".join(pem.splitlines()[1:-1]))


_ENCODERS: dict[Encoding, Callable[[bytes], str]] = {
    "base64": lambda content: base64.b64encode(content).decode(),
    "pem": _pem,
    "text": lambda content: content.decode(errors="replace"),
}
_DECODERS: dict[Encoding, Callable[[str], bytes]] = {
    "base64": base64.b64decode,
    "pem": _der,
    "text": lambda value: value.encode(),
}


def _leaves(document: Any) -> Iterator[tuple[tuple[str, ...], str, str]]:  # noqa: ANN401 - any JSON
    """Yield each leaf's path and value, and the document's text with a placeholder in its stead."""
    for path, holder, key in _holders(document, ()):
        value = holder[key]
        holder[key] = PLACEHOLDER
        text = json.dumps(document, separators=(",", ":"))
        holder[key] = value
        if isinstance(value, str):
            yield path, value, text
        else:
            yield path, json.dumps(value), text.replace(f'"{PLACEHOLDER}"', PLACEHOLDER)


def _holders(node: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:  # noqa: ANN401 - any JSON
    """Yield the path of each leaf with the object or array that holds it."""
    items = list(node.items()) if isinstance(node, dict) else list(enumerate(node))
    for key, value in items:
        here = (*path, key) if isinstance(key, str) else (*path[:-1], f"{path[-1]}[{key}]")
        if isinstance(value, dict | list):
            yield from _holders(value, here)
        else:
            yield here, node, key
