"""A private Sigstore, who signs with it, and authorities that trust it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tests.core.signatures.given import IMAGE, bundle_of, simple_of
from tests.sigstore_stand.certificates import Identity as Subject
from tests.sigstore_stand.flaws import NO_FLAWS, Flaws
from tests.sigstore_stand.formats import BundleVersion
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import STAND_NOW, SigstoreStand
from tests.sigstore_stand.witnesses import Witness
from webhook.core.facts import SignatureCandidate, SignatureSearch, Trouble
from webhook.core.policy import Authority, Identity, KeyAuthority, KeylessAuthority, TransparencyLog
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import Glob
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.judge import judge_signatures
from webhook.core.signatures.keys import load_public_keys
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TrustRootSource, TufMirror
from webhook.core.trust import Trust
from webhook.demo.keys import SigningKey

STAND = SigstoreStand.create()
OTHER_STAND = SigstoreStand.create(name="other.test")
ROOT = load_trust_root(STAND.trusted_root())
ISSUER = "https://gitlab.example"
SUBJECT = "https://gitlab.example/shop/api//.gitlab-ci.yml@refs/heads/main"
PIPELINE = Subject(subject=SUBJECT, issuer=ISSUER)
KEY = SigningKey.generate()
LATER = STAND_NOW + timedelta(days=30)

FORMS: tuple[tuple[str, Witness, BundleVersion], ...] = (
    ("simple", "rekor-v1", "0.3"),
    ("simple", "rekor-v1-tsa", "0.3"),
    ("bundle", "rekor-v1", "0.1"),
    ("bundle", "rekor-v1", "0.2"),
    ("bundle", "rekor-v1", "0.3"),
    ("bundle", "rekor-v1-tsa", "0.3"),
    ("bundle", "rekor-v2", "0.3"),
)
"""Every form in which a signature by certificate comes: how it is packed, who saw it, the bundle's version."""


def keyless(
    name: str = "release",
    *,
    issuer: str = ISSUER,
    subject: str = SUBJECT,
    is_expression: bool = False,
    root: TrustRootSource = ROOT,
    repositories: tuple[str, ...] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> KeylessAuthority:
    """Return an authority that is meant by one identity."""
    patterns = (TextPattern(issuer, is_expression=is_expression), TextPattern(subject, is_expression=is_expression))
    return KeylessAuthority(
        name=name,
        identities=(Identity(issuer=patterns[0], subject=patterns[1]),),
        trust_root=root,
        repositories=tuple(Glob(pattern) for pattern in repositories) if repositories else None,
        annotations=annotations,
    )


def logged_key(
    *,
    root: TrustRoot | None = ROOT,
    log: TransparencyLog = TransparencyLog.REQUIRE,
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> KeyAuthority:
    """Return an authority that holds KEY and asks for more than the key's signature."""
    return KeyAuthority(
        name="release",
        keys=load_public_keys(KEY.public_pem.encode()),
        transparency_log=log,
        trust_root=root,
        valid_from=valid_from,
        valid_until=valid_until,
    )


def signed(
    form: str = "bundle",
    witness: Witness = "rekor-v1",
    version: BundleVersion = "0.3",
    *,
    who: Subject | SigningKey = PIPELINE,
    flaws: Flaws = NO_FLAWS,
    stand: SigstoreStand = STAND,
    annotations: Mapping[str, str] | None = None,
) -> SignatureCandidate:
    """Return a signature over IMAGE, seen by the stand."""
    signer = StandSigner(stand=stand, who=who, witness=witness, version=version, flaws=flaws)
    if form == "bundle":
        return bundle_of(signer.bundle(IMAGE.digest, annotations=annotations))
    return simple_of(*signer.simple_signing(IMAGE.digest, reference=str(IMAGE.repository), annotations=annotations))


def found(
    *candidates: SignatureCandidate,
    by: tuple[Authority, ...] | None = None,
    as_of: datetime = LATER,
    roots: Mapping[TufMirror | PublicGood, TrustRoot | Trouble] | None = None,
) -> SignatureFindings:
    """Judge candidates for IMAGE long after they were made, by default with one keyless authority."""
    trust = Trust(catalog=None, as_of=as_of, roots=roots or {})
    return judge_signatures(SignatureSearch(candidates=candidates), IMAGE, by or (keyless(),), trust)
