"""What the real Notation libraries wrote, read from `tests/data/notation`."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509

from webhook.core.facts import CandidateKind, SignatureCandidate
from webhook.core.policy import NotationAuthority
from webhook.core.references import Digest, PinnedImage, Repository
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.notation.judge import judge_notation
from webhook.core.signatures.notation.revocation import load_revocation_list
from webhook.core.signatures.notation.subjects import parse_trusted_subject

ARTEFACTS = Path(__file__).parents[3] / "data" / "notation"
DOCUMENT: dict[str, Any] = json.loads((ARTEFACTS / "cases.json").read_text(encoding="utf-8"))
CASES: list[dict[str, str]] = DOCUMENT["cases"]
IMAGE = PinnedImage(repository=Repository.parse("registry.example/shop/api"), digest=Digest.parse(DOCUMENT["digest"]))
KINDS = {"jws": CandidateKind.NOTATION_JWS, "cose": CandidateKind.NOTATION_COSE}
NOW = max(datetime.fromisoformat(case["signed"]) for case in CASES) + timedelta(hours=12)
"""A time at which every case holds: the shortest lives for a day."""


def content(name: str) -> bytes:
    """Return the bytes of a file."""
    return (ARTEFACTS / name).read_bytes()


def candidate(name: str, payload: bytes | None = None) -> SignatureCandidate:
    """Return an envelope of the folder, or other bytes of the same kind."""
    kind = KINDS[name.rpartition(".")[2]]
    data = content(name) if payload is None else payload
    return SignatureCandidate(kind=kind, manifest=IMAGE.digest, payload=data)


def authority(
    *identities: str, name: str = "release", store: str = "root.pem", crls: tuple[str, ...] = ()
) -> NotationAuthority:
    """Return an authority whose files are in the folder; it trusts the whole organisation if no identity is given."""
    return NotationAuthority(
        name=name,
        trust_store=tuple(x509.load_pem_x509_certificates(content(store))),
        identities=tuple(parse_trusted_subject(text) for text in identities or ("x509.subject: O=Example",)),
        crls=tuple(load_revocation_list(content(crl)) for crl in crls),
    )


def judged(found: SignatureCandidate, *authorities: NotationAuthority, as_of: datetime = NOW) -> SignatureFindings:
    """Judge one envelope for IMAGE."""
    return judge_notation(found, IMAGE, authorities or (authority(),), as_of)
