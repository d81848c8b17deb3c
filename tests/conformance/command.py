"""`verify-bundle`, as the conformance suite calls it: exit status 0 if a bundle holds for a file, else not.

    entrypoint verify-bundle --bundle FILE (--certificate-identity ID --certificate-oidc-issuer URL | --key FILE)
        [--trusted-root FILE] FILE_OR_DIGEST

Source: sigstore/sigstore-conformance `docs/cli_protocol.md`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from webhook.adapters.trust import built_in_root
from webhook.core.errors import ParseError
from webhook.core.policy import Authority, Identity, KeyAuthority, KeylessAuthority, TransparencyLog
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import Digest
from webhook.core.signatures.bundle import parse_bundle
from webhook.core.signatures.dsse import read_envelope
from webhook.core.signatures.keys import load_public_keys
from webhook.core.signatures.statement import check_claims, read_statement
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import TrustRoot
from webhook.core.signatures.verifying import SignatureVerifier, Verification
from webhook.core.trust import Trust

__all__ = ["main", "refusal"]

REFUSED = 1


def main(arguments: Sequence[str], *, now: datetime) -> int:
    """Verify, say on standard error why not, and return the exit status."""
    why = refusal(_parser().parse_args(arguments), now=now)
    if why is not None:
        sys.stderr.write(f"refused: {why}\n")
    return 0 if why is None else REFUSED


def refusal(options: argparse.Namespace, *, now: datetime) -> str | None:
    """Return why a bundle does not hold, None if it does."""
    try:
        root = load_trust_root(options.trusted_root.read_bytes()) if options.trusted_root else built_in_root()
        verifier = SignatureVerifier.of((_authority(options, root),), Trust(catalog=None, as_of=now))
        found = _verify(options.bundle.read_bytes(), options.file_or_digest, verifier)
    except (OSError, ParseError) as error:
        return str(error)
    if found.signers:
        return None
    return "; ".join(broken.why for broken in found.broken) or f"it is a stranger's: {found.identity}"


def _authority(options: argparse.Namespace, root: TrustRoot) -> Authority:
    """Expect the identity, exactly, or the key; either way with a log entry."""
    if options.key:
        keys = load_public_keys(options.key.read_bytes())
        return KeyAuthority(name="expected", keys=keys, transparency_log=TransparencyLog.REQUIRE, trust_root=root)
    issuer = TextPattern(options.certificate_oidc_issuer)
    identity = Identity(issuer=issuer, subject=TextPattern(options.certificate_identity))
    return KeylessAuthority(name="expected", identities=(identity,), trust_root=root)


def _verify(data: bytes, named: str, verifier: SignatureVerifier) -> Verification:
    """Verify a bundle over a file; or, if it holds a statement, over whatever has the digest.

    Raises ParseError if the bundle is none or signs something else, OSError if the file cannot be read.
    """
    bundle = parse_bundle(data)
    if bundle.document.has("messageSignature"):
        if _is_digest(named):
            raise ParseError("", "a bare signature is verified over the file, not over its digest")
        return verifier.verify(bundle.over_file(Path(named).read_bytes()))
    envelope = read_envelope(bundle.envelope)
    hexadecimal = named.removeprefix("sha256:") if _is_digest(named) else sha256(Path(named).read_bytes()).hexdigest()
    found = verifier.verify(bundle.over(envelope))
    check_claims(read_statement(envelope), Digest(algorithm="sha256", hex=hexadecimal))
    return found


def _is_digest(named: str) -> bool:
    return named.startswith("sha256:") and not Path(named).exists()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="entrypoint", allow_abbrev=False)
    verify = parser.add_subparsers(required=True).add_parser("verify-bundle", allow_abbrev=False)
    verify.add_argument("--bundle", type=Path, required=True)
    verify.add_argument("--trusted-root", type=Path)
    expected = verify.add_mutually_exclusive_group(required=True)
    expected.add_argument("--certificate-identity")
    expected.add_argument("--key", type=Path)
    verify.add_argument("--certificate-oidc-issuer", default="")
    verify.add_argument("file_or_digest")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], now=datetime.now(UTC)))
