"""A certificate transparency log that promises: the one part of a Sigstore that does not install alone.

    python ctlog.py --port PORT --public-key FILE

It answers `POST /ct/v1/add-pre-chain` (RFC 6962, section 4.2) on loopback with a signed certificate timestamp, the
promise to log a certificate. The promise is all that Fulcio embeds and verifiers check, so nothing is kept and no tree
grows. Its key is new at every start; `FILE` gets the public half as PEM before the first answer.
"""

import argparse
import base64
import hashlib
import struct
import time
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

LOOPBACK = "127.0.0.1"
ADD_PRE_CHAIN = "/ct/v1/add-pre-chain"

# The critical extension that makes a certificate a precertificate: OID 1.3.6.1.4.1.11129.2.4.3 (RFC 6962, section 3.1).
_POISON_OID = bytes.fromhex("060a2b06010401d679020403")
_SEQUENCE = 0x30
_EXTENSIONS = 0xA3  # [3] of TBSCertificate (RFC 5280, section 4.1)

# RFC 6962, section 3.2: version 1, a certificate timestamp, of a precertificate; and signatures by ECDSA with SHA-256.
_VERSION_1 = _CERTIFICATE_TIMESTAMP = 0
_PRECERTIFICATE = 1
_ECDSA_SHA256 = b"\x04\x03"


class Log:
    """Somebody who promises to log certificates."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_pem(self) -> bytes:
        """The public key as PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def promise(self, precertificate: bytes, issuer: bytes, *, timestamp_ms: int) -> dict[str, object]:
        """Return the answer to `add-pre-chain` for two certificates in DER; `ValueError` if they are none."""
        tbs = without_poison(x509.load_der_x509_certificate(precertificate).tbs_certificate_bytes)
        head = struct.pack(">BBQH", _VERSION_1, _CERTIFICATE_TIMESTAMP, timestamp_ms, _PRECERTIFICATE)
        issuer_hash = hashlib.sha256(_public_key(x509.load_der_x509_certificate(issuer).public_key())).digest()
        no_extensions = struct.pack(">H", 0)
        signature = self._key.sign(
            head + issuer_hash + len(tbs).to_bytes(3, "big") + tbs + no_extensions, ec.ECDSA(SHA256())
        )
        return {
            "sct_version": _VERSION_1,
            "id": _base64(hashlib.sha256(_public_key(self._key.public_key())).digest()),
            "timestamp": timestamp_ms,
            "extensions": "",
            "signature": _base64(_ECDSA_SHA256 + struct.pack(">H", len(signature)) + signature),
        }

    async def add_pre_chain(self, request: web.Request) -> web.Response:
        """Answer `{"chain": [PRECERTIFICATE, ISSUER, …]}`, each in base64 of DER."""
        precertificate, issuer, *_ = (await request.json())["chain"]
        return web.json_response(
            self.promise(
                base64.b64decode(precertificate),
                base64.b64decode(issuer),
                timestamp_ms=time.time_ns() // 1_000_000,
            )
        )


def without_poison(tbs: bytes) -> bytes:
    """Return a TBSCertificate in DER without its poison extension: the bytes that a certificate timestamp signs."""
    *fields, last = _elements(_content(tbs))
    if last[0] != _EXTENSIONS:
        raise ValueError("a certificate without extensions")
    kept = [extension for extension in _elements(_content(_content(last))) if not _is_poison(extension)]
    extensions = _element(_EXTENSIONS, _element(_SEQUENCE, b"".join(kept)))
    return _element(_SEQUENCE, b"".join(fields) + extensions)


def _is_poison(extension: bytes) -> bool:
    return _content(extension).startswith(_POISON_OID)


def _elements(data: bytes) -> list[bytes]:
    """Split DER into its elements, each whole."""
    elements = []
    while data:
        start, length = _header(data)
        elements.append(data[: start + length])
        data = data[start + length :]
    return elements


def _content(element: bytes) -> bytes:
    start, length = _header(element)
    return element[start : start + length]


def _header(data: bytes) -> tuple[int, int]:
    """Return where the content of the first element starts and how long it is."""
    short = data[1]
    if short < 0x80:
        return 2, short
    start = 2 + (short & 0x7F)
    return start, int.from_bytes(data[2:start], "big")


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    size = (length.bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + length.to_bytes(size, "big") + content


def _public_key(key: object) -> bytes:
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("the issuer's key is not on an elliptic curve")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def main() -> None:
    """Serve until the end of the process."""
    parser = argparse.ArgumentParser(prog="ctlog", description="A certificate transparency log that promises.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--public-key", type=Path, required=True)
    arguments = parser.parse_args()
    log = Log()
    arguments.public_key.write_bytes(log.public_pem)
    application = web.Application()
    application.router.add_post(ADD_PRE_CHAIN, log.add_pre_chain)
    web.run_app(application, host=LOOPBACK, port=arguments.port)


if __name__ == "__main__":
    main()
