"""An OpenID provider of nothing but files: what Fulcio needs to believe a token, and the tokens themselves.

Fulcio reads a discovery document and a key set; any file server has them. Who asks for a token gets it.
"""

import base64
import json
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tests.e2e.tools.processes import LOOPBACK, free_port, http_get, running

AUDIENCE = "sigstore"
_KEY_ID = "1"
_TOKEN_LIFETIME_S = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """One issuer of tokens."""

    url: str  # what tokens, and then certificates, name as their issuer
    _key: rsa.RSAPrivateKey = field(repr=False)

    def token(self, **claims: object) -> str:
        """Return a token with `claims`, of which `sub` is needed, that is valid for ten minutes from now."""
        now = int(time.time())
        standard = {"iss": self.url, "aud": AUDIENCE, "iat": now, "exp": now + _TOKEN_LIFETIME_S}
        signed = f"{_encode({'alg': 'RS256', 'kid': _KEY_ID, 'typ': 'JWT'})}.{_encode({**standard, **claims})}"
        return f"{signed}.{_base64url(self._key.sign(signed.encode(), padding.PKCS1v15(), SHA256()))}"


@contextmanager
def openid_issuers(folder: Path, *names: str) -> Iterator[Mapping[str, Issuer]]:
    """Run one file server for issuers of these names, each with a key and an address of its own; yield them by name."""
    port = free_port()
    home = folder / "oidc"
    issuers = {
        name: Issuer(url=f"http://{LOOPBACK}:{port}/{name}", _key=rsa.generate_private_key(65537, 2048))
        for name in names
    }
    for name, issuer in issuers.items():
        _publish(home / name, issuer)
    command = [sys.executable, "-m", "http.server", "--bind", LOOPBACK, "--directory", str(home), str(port)]
    with running(command, log=folder / "oidc.log") as process:
        process.wait_until(lambda: http_get(f"http://{LOOPBACK}:{port}/"))
        yield issuers


def _publish(folder: Path, issuer: Issuer) -> None:
    """Write the discovery document (OpenID Connect Discovery 1.0, section 3) and the key set (RFC 7517)."""
    numbers = issuer._key.public_key().public_numbers()
    key = {
        "kty": "RSA",
        "use": "sig",
        "alg": "RS256",
        "kid": _KEY_ID,
        "n": _base64url(numbers.n.to_bytes(256, "big")),
        "e": _base64url(numbers.e.to_bytes(3, "big")),
    }
    discovery = {
        "issuer": issuer.url,
        "authorization_endpoint": f"{issuer.url}/authorize",
        "token_endpoint": f"{issuer.url}/token",
        "jwks_uri": f"{issuer.url}/keys.json",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }
    (folder / ".well-known").mkdir(parents=True)
    (folder / ".well-known" / "openid-configuration").write_text(json.dumps(discovery), encoding="utf-8")
    (folder / "keys.json").write_text(json.dumps({"keys": [key]}), encoding="utf-8")


def _encode(document: Mapping[str, object]) -> str:
    return _base64url(json.dumps(document).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
