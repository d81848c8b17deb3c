"""One genuine signature per format, and every place in it where a bit can be changed."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, Literal

from tests.sigstore_stand.certificates import Identity as Signatory
from tests.sigstore_stand.formats import BundleVersion
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import SigstoreStand
from tests.sigstore_stand.witnesses import Witness
from webhook.core.facts import CandidateKind, SignatureCandidate, SignatureSearch
from webhook.core.policy import Authority, Identity, KeyAuthority, KeylessAuthority, TransparencyLog
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.judge import judge_signatures
from webhook.core.signatures.keys import load_public_keys
from webhook.core.signatures.trust_roots import load_trust_root
from webhook.core.text_patterns import TextPattern
from webhook.core.trust import Trust
from webhook.demo.keys import SigningKey

__all__ = ["FORMATS", "Place", "Specimen", "places_in", "specimen"]

IMAGE = PinnedImage(
    repository=Repository.parse("registry.example/shop/api"),
    digest=Digest(algorithm="sha256", hex=hashlib.sha256(b"image").hexdigest()),
)
RELEASE = Signatory(subject="https://git.stand.test/shop/release@refs/heads/main", issuer="https://token.stand.test")
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

FORMATS: dict[str, tuple[BundleVersion | None, Witness]] = {
    "bundle 0.1": ("0.1", "rekor-v1"),
    "bundle 0.2": ("0.2", "rekor-v1"),
    "bundle 0.3": ("0.3", "rekor-v1"),
    "bundle 0.3 with Rekor v2": ("0.3", "rekor-v2"),
    "bundle 0.3 by key": ("0.3", "rekor-v1-tsa"),
    "classic": (None, "rekor-v1"),
    "classic with a timestamp": (None, "rekor-v1-tsa"),
}
"""Version of the bundle (None: classic annotations) and witness. One is signed by key, all others by certificate."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """A genuine signature, and what it takes to judge it."""

    candidate: SignatureCandidate
    authority: Authority
    trust: Trust = field(repr=False)

    def judged(self, candidate: SignatureCandidate) -> SignatureFindings:
        """Judge a candidate as the gate would that finds it beside the image."""
        search = SignatureSearch(candidates=(candidate,))
        return judge_signatures(search, IMAGE, (self.authority,), self.trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A run of bytes somewhere in a signature. `template` is the candidate with a placeholder instead of them."""

    name: str
    content: bytes
    template: SignatureCandidate = field(repr=False)
    encoding: Encoding
    annotation: str | None

    def flipped(self, bit: int) -> SignatureCandidate:
        """Return the signature with that bit changed and all else as it was."""
        damaged = bytearray(self.content)
        damaged[bit // 8] ^= 1 << bit % 8
        return self.filled(bytes(damaged))

    def filled(self, content: bytes) -> SignatureCandidate:
        """Return the signature with these bytes in that place, and all else as it was."""
        text = _ENCODERS[self.encoding](content)
        if self.annotation is not None:
            value = _replaced(self.template.annotations[self.annotation], text)
            return replace(self.template, annotations={**self.template.annotations, self.annotation: value})
        if self.template.payload == PLACEHOLDER.encode():
            return replace(self.template, payload=content)
        return replace(self.template, payload=_replaced(self.template.payload.decode(), text).encode())


@cache
def specimen(name: str) -> Specimen:
    """Make the genuine signature of a format."""
    version, witness = FORMATS[name]
    stand = SigstoreStand.create()
    root = load_trust_root(stand.trusted_root())
    trust = Trust(catalog=None, as_of=stand.now)
    key = SigningKey.generate() if name.endswith("by key") else None
    signer = StandSigner(stand=stand, who=key or RELEASE, witness=witness, version=version or "0.3")
    if key is None:
        identity = Identity(issuer=TextPattern(RELEASE.issuer), subject=TextPattern(RELEASE.subject))
        authority: Authority = KeylessAuthority(name="release", identities=(identity,), trust_root=root)
    else:
        authority = KeyAuthority(
            name="release",
            keys=load_public_keys(key.public_pem.encode()),
            transparency_log=TransparencyLog.REQUIRE,
            trust_root=root,
        )
    if version is None:
        payload, annotations = signer.simple_signing(IMAGE.digest, reference="registry.example/shop/api")
        kind = CandidateKind.SIMPLE_SIGNING
    else:
        payload, annotations, kind = signer.bundle(IMAGE.digest), {}, CandidateKind.BUNDLE
    candidate = SignatureCandidate(kind=kind, manifest=IMAGE.digest, payload=payload, annotations=annotations)
    return Specimen(candidate=candidate, authority=authority, trust=trust)


def places_in(candidate: SignatureCandidate) -> Iterator[Place]:
    """Yield every place: each leaf of a bundle, or the classic payload and each annotation, leaf by leaf."""
    if candidate.kind is CandidateKind.BUNDLE:
        for path, value, text in _leaves(json.loads(candidate.payload)):
            yield _place(path, value, replace(candidate, payload=text.encode()))
        return
    yield Place(
        name="payload",
        content=candidate.payload,
        template=replace(candidate, payload=PLACEHOLDER.encode()),
        encoding="text",
        annotation=None,
    )
    for key, value in candidate.annotations.items():
        leaves = _leaves(json.loads(value)) if value.startswith("{") else iter([((), value, PLACEHOLDER)])
        for path, content, text in leaves:
            template = replace(candidate, annotations={**candidate.annotations, key: text})
            yield _place((key, *path), content, template, annotation=key)


def _place(path: tuple[str, ...], value: str, template: SignatureCandidate, annotation: str | None = None) -> Place:
    leaf = path[-1].partition("[")[0]
    encoding: Encoding = "base64" if leaf in BASE64_LEAVES else "pem" if leaf == CERTIFICATE else "text"
    return Place(
        name=".".join(path),
        content=_DECODERS[encoding](value),
        template=template,
        encoding=encoding,
        annotation=annotation,
    )


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
        text = json.dumps(document)
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


def _replaced(template: str, text: str) -> str:
    """Put text in the place: as it is, or as JSON writes it where the place is inside of JSON."""
    return text if template == PLACEHOLDER else template.replace(PLACEHOLDER, json.dumps(text)[1:-1])
