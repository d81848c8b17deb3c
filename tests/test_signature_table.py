"""Every form of a signature, by every kind of signer, in every kind of registry: a table with a verdict per cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, partial

import msgspec
import pytest

from tests.core.signatures.notation.pushing import NotationSigner
from tests.core.signatures.notation.signer import (
    AUTHORITY,
    CHAIN,
    ISSUING,
    LEAF,
    NOW,
    ROOT,
    Words,
    make_root,
)
from tests.shop import Shop
from tests.sigstore_stand.certificates import Identity, pem_of
from tests.sigstore_stand.signer import StandSigner
from tests.sigstore_stand.stand import SigstoreStand
from tests.sigstore_stand.witnesses import Witness
from webhook.core.policy import Policy
from webhook.core.policy_reading.document import parse_policy
from webhook.core.problems import UntrustedSigner
from webhook.core.references import Digest
from webhook.demo.documents import DescriptorDocument
from webhook.demo.keys import KeyKind
from webhook.demo.referrers import list_in_fallback
from webhook.demo.signer import Signer
from webhook.demo.store import Store

REPOSITORY = "shop/api"
SIGNED = "{signatures: {from: [release]}}"

# What the gate says: nothing if a cell says `pass`. Signers are keys by their kind, and certificates by who witnessed
# them: a log of the first generation, with a timestamp or without, or one of the second, which has no classic form;
# those of Notation by what is wrong with them. In `neither` the registry has no referrers API and whoever signed kept
# no fallback tag either, so that what hangs on the image by its subject alone cannot be found by anybody.
TABLE = """
form         signer          referrers          fallback           both               neither
classic      ecdsa-p256      pass               pass               pass               pass
classic      ecdsa-p384      pass               pass               pass               pass
classic      ecdsa-p521      pass               pass               pass               pass
classic      rsa-2048        pass               pass               pass               pass
classic      ed25519         pass               pass               pass               pass
classic      sandbox         untrusted-signer   untrusted-signer   untrusted-signer   untrusted-signer
classic      stranger        untrusted-signer   untrusted-signer   untrusted-signer   untrusted-signer
oci11        ecdsa-p256      pass               pass               pass               unsigned
oci11        ecdsa-p384      pass               pass               pass               unsigned
oci11        ecdsa-p521      pass               pass               pass               unsigned
oci11        rsa-2048        pass               pass               pass               unsigned
oci11        ed25519         pass               pass               pass               unsigned
oci11        sandbox         untrusted-signer   untrusted-signer   untrusted-signer   unsigned
oci11        stranger        untrusted-signer   untrusted-signer   untrusted-signer   unsigned
bundle       ecdsa-p256      pass               pass               pass               unsigned
bundle       ecdsa-p384      pass               pass               pass               unsigned
bundle       ecdsa-p521      pass               pass               pass               unsigned
bundle       rsa-2048        pass               pass               pass               unsigned
bundle       ed25519         pass               pass               pass               unsigned
bundle       sandbox         untrusted-signer   untrusted-signer   untrusted-signer   unsigned
bundle       stranger        untrusted-signer   untrusted-signer   untrusted-signer   unsigned
classic      rekor-v1        pass               pass               pass               pass
classic      rekor-v1-tsa    pass               pass               pass               pass
classic      unlogged        invalid-signature  invalid-signature  invalid-signature  invalid-signature
classic      other-identity  untrusted-signer   untrusted-signer   untrusted-signer   untrusted-signer
classic      other-sigstore  invalid-signature  invalid-signature  invalid-signature  invalid-signature
oci11        rekor-v1        pass               pass               pass               unsigned
oci11        rekor-v1-tsa    pass               pass               pass               unsigned
oci11        unlogged        invalid-signature  invalid-signature  invalid-signature  unsigned
oci11        other-identity  untrusted-signer   untrusted-signer   untrusted-signer   unsigned
oci11        other-sigstore  invalid-signature  invalid-signature  invalid-signature  unsigned
bundle       rekor-v1        pass               pass               pass               unsigned
bundle       rekor-v1-tsa    pass               pass               pass               unsigned
bundle       rekor-v2        pass               pass               pass               unsigned
bundle       unlogged        invalid-signature  invalid-signature  invalid-signature  unsigned
bundle       other-identity  untrusted-signer   untrusted-signer   untrusted-signer   unsigned
bundle       other-sigstore  invalid-signature  invalid-signature  invalid-signature  unsigned
jws          notation        pass               pass               pass               unsigned
jws          other-subject   untrusted-signer   untrusted-signer   untrusted-signer   unsigned
jws          other-root      untrusted-signer   untrusted-signer   untrusted-signer   unsigned
jws          expired         invalid-signature  invalid-signature  invalid-signature  unsigned
jws          not-for-code    invalid-signature  invalid-signature  invalid-signature  unsigned
cose         notation        pass               pass               pass               unsigned
cose         other-subject   untrusted-signer   untrusted-signer   untrusted-signer   unsigned
cose         other-root      untrusted-signer   untrusted-signer   untrusted-signer   unsigned
cose         expired         invalid-signature  invalid-signature  invalid-signature  unsigned
cose         not-for-code    invalid-signature  invalid-signature  invalid-signature  unsigned
attestation  rekor-v1        unsigned           unsigned           unsigned           unsigned
attestation  rekor-v2        unsigned           unsigned           unsigned           unsigned
attestation  ecdsa-p256      unsigned           unsigned           unsigned           unsigned
attestation  sandbox         unsigned           unsigned           unsigned           unsigned
attestation  stranger        unsigned           unsigned           unsigned           unsigned
none         -               unsigned           unsigned           unsigned           unsigned
"""

KEY_KINDS: Mapping[str, KeyKind] = {
    "ecdsa-p256": "ecdsa-p256",
    "ecdsa-p384": "ecdsa-p384",
    "ecdsa-p521": "ecdsa-p521",
    "rsa-2048": "rsa-2048",
    "ed25519": "ed25519",
}
OTHER_ROOT = make_root("CN=Root,O=Example")
WITNESSES: Mapping[str, Witness] = {
    "rekor-v1": "rekor-v1",
    "rekor-v1-tsa": "rekor-v1-tsa",
    "rekor-v2": "rekor-v2",
    "unlogged": "tsa",
}
NOTATION: Mapping[str, Words] = {
    "notation": Words(),
    "other-subject": Words(chain=(ISSUING.issue("CN=fork,O=Example", LEAF), *CHAIN[1:])),
    "other-root": Words(chain=(OTHER_ROOT.issue("CN=release,O=Example", LEAF), OTHER_ROOT)),
    "expired": Words(expiry=NOW - timedelta(minutes=1)),
    "not-for-code": Words(chain=(ISSUING.issue("CN=release,O=Example", AUTHORITY), *CHAIN[1:])),
}
PIPELINE = Identity(issuer="https://token.example", subject="https://git.example/shop/api@refs/heads/main")
FORK = Identity(issuer=PIPELINE.issuer, subject="https://git.example/shop/api@refs/heads/main-2")
KEYLESS_POLICY = f"""
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {{name: production}}
spec:
  authorities:
    - name: release
      keyless:
        trustRoot: {{file: trusted_root.json}}
        identities: [{{issuer: "{PIPELINE.issuer}", subject: "{PIPELINE.subject}"}}]
  rules:
    - {{name: everywhere, require: {SIGNED}}}
"""

NOTATION_POLICY = f"""
apiVersion: dhi-gate.dev/v1alpha1
kind: ImagePolicy
metadata: {{name: production}}
spec:
  authorities:
    - name: release
      notation:
        trustStore: {{file: root.pem}}
        trustedIdentities: ["x509.subject: CN=release,O=Example"]
  rules:
    - {{name: everywhere, require: {SIGNED}}}
"""

AnySigner = Signer | StandSigner | NotationSigner


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What was signed how, by whom, where; and what is expected of it."""

    form: str
    signer: str
    capability: str
    expected: str


def cells() -> list[Cell]:
    """Read the table."""
    head, *rows = (line.split() for line in TABLE.strip().splitlines())
    return [
        Cell(form=form, signer=signer, capability=capability, expected=expected)
        for form, signer, *verdicts in rows
        for capability, expected in zip(head[2:], verdicts, strict=True)
    ]


@pytest.mark.parametrize("cell", cells(), ids=lambda cell: f"{cell.form}-{cell.signer}-{cell.capability}")
async def test_the_verdict_in_every_cell(cell: Cell) -> None:
    """The verdict depends on who signed, and on whether the signature can be found; never on its form."""
    shop = Shop(require=SIGNED)
    shop.registry.store.referrers_api = cell.capability in {"referrers", "both"}
    policy, signer = signed_by(shop, cell.signer)
    image = shop.app()
    reference = shop.push(image)

    carrier = FORMS[cell.form](signer, shop.registry.store, image.digest)
    if carrier is not None and cell.capability == "both":
        list_in_fallback(shop.registry.store, REPOSITORY, image.digest, listed(shop, image.digest, carrier))
    if cell.capability == "neither":
        forget_fallback(shop.registry.store, image.digest)

    assert list(await shop.codes(reference, policy=policy)) == ([] if cell.expected == "pass" else [cell.expected])


async def test_whom_a_certificate_should_have_named_is_told() -> None:
    """Who is refused for another identity learns which one the policy means."""
    shop = Shop(require=SIGNED)
    image = shop.app()
    reference = shop.push(image)
    sign("bundle", StandSigner(stand=stand(), who=FORK), shop.registry.store, image.digest)
    (problem,) = (await shop.review(reference, policy=keyless_policy())).verdicts[0].problems

    assert isinstance(problem, UntrustedSigner)
    assert [(meant.issuer.text, meant.subject.text) for meant in problem.meant] == [(PIPELINE.issuer, PIPELINE.subject)]
    assert [found.subject for found in problem.identities] == [FORK.subject]


def signed_by(shop: Shop, who: str) -> tuple[Policy, AnySigner]:
    """Return the signer that a cell names, and a policy in which `release` is who it should be."""
    if who in WITNESSES:
        return keyless_policy(), StandSigner(stand=stand(), who=PIPELINE, witness=WITNESSES[who])
    if who in NOTATION:
        return notation_policy(), NotationSigner(words=NOTATION[who])
    match who:
        case "other-identity":
            return keyless_policy(), StandSigner(stand=stand(), who=FORK)
        case "other-sigstore":
            return keyless_policy(), StandSigner(stand=SigstoreStand.create(), who=PIPELINE)
        case "sandbox":
            signer = shop.sandbox
        case "stranger" | "-":
            signer = Signer.generate()
        case kind:
            signer = shop.release = Signer.generate(KEY_KINDS[kind])
    return shop.policy_that(SIGNED), signer


@cache
def stand() -> SigstoreStand:
    """Return the Sigstore that the policy trusts."""
    return SigstoreStand.create()


@cache
def keyless_policy() -> Policy:
    """Return a policy that trusts one identity of that Sigstore."""
    return parse_policy(KEYLESS_POLICY.encode(), read_file=lambda _name: stand().trusted_root())


@cache
def notation_policy() -> Policy:
    """Return a policy that trusts one subject below one root."""
    return parse_policy(NOTATION_POLICY.encode(), read_file=lambda _name: pem_of(ROOT.certificate))


def sign(form: str, signer: AnySigner, store: Store, image: Digest) -> Digest:
    """Sign an image in one of the forms that have a method of their own."""
    signing: Callable[[Store, str, Digest], Digest] = getattr(signer, f"sign_{form}")
    return signing(store, REPOSITORY, image)


def attest(signer: AnySigner, store: Store, image: Digest) -> Digest:
    """Attest what an image is made of, which is no signature over it."""
    assert not isinstance(signer, NotationSigner)
    return signer.attest(store, REPOSITORY, image, {"spdxVersion": "SPDX-2.3"})


def leave_alone(signer: AnySigner, store: Store, image: Digest) -> None:
    """Sign nothing."""


FORMS: Mapping[str, Callable[[AnySigner, Store, Digest], Digest | None]] = {
    "classic": partial(sign, "classic"),
    "oci11": partial(sign, "oci11"),
    "bundle": partial(sign, "bundle"),
    "jws": partial(sign, "jws"),
    "cose": partial(sign, "cose"),
    "attestation": attest,
    "none": leave_alone,
}


def listed(shop: Shop, image: Digest, carrier: Digest) -> DescriptorDocument:
    """Return how older clients list a signature behind the fallback tag: by the type of its empty config."""
    entries = {entry.digest: entry for entry in shop.registry.store.referrers(REPOSITORY, image)}
    stored = shop.registry.store.manifest(REPOSITORY, carrier)
    assert stored is not None
    classic = DescriptorDocument(media_type=stored.media_type, digest=str(carrier), size=len(stored.data))
    entry = entries.get(str(carrier), classic)
    return msgspec.structs.replace(entry, artifact_type="application/vnd.oci.empty.v1+json")


def forget_fallback(store: Store, image: Digest) -> None:
    """Take the fallback tag away, if there is one: the client that signed did not know of it."""
    tag = f"{image.algorithm}-{image.hex}"
    if store.manifest(REPOSITORY, tag) is not None:
        store.delete_tag(REPOSITORY, tag)
