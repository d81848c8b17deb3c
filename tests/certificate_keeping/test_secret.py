"""The Secret and the configurations as bytes: what is written is read, and what makes no sense is said."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from tests.certificate_keeping.given import NAME, VALIDATING, configuration, new_cluster
from webhook.certificate_keeping.bundles import believed_by_all, publish, sight
from webhook.certificate_keeping.secret import Kept, authority_of, decode_secret, encode_secret
from webhook.certificates import CertificateAuthority, make_authority
from webhook.core.errors import ParseError
from webhook.core.serving_certificates import Record
from webhook.ports import ClusterTrouble, ClusterTroubleKind

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
CURRENT, NEXT, PREVIOUS = (make_authority(name, now=NOW, lifetime=timedelta(days=365)) for name in ("a", "b", "c"))
INSTANTS = st.datetimes(datetime(2020, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def stored(kept: Kept, before: dict[str, Any] | None = None) -> bytes:
    """Return the Secret that says `kept`."""
    return encode_secret(kept, before=before, namespace="gate", name="ca")


@given(st.integers(1, 10**8), st.booleans(), st.booleans(), st.none() | INSTANTS, st.none() | INSTANTS)
def test_what_is_written_is_read(
    seconds: int,
    rotating: bool,  # noqa: FBT001
    retiring: bool,  # noqa: FBT001
    believed_at: datetime | None,
    ends_at: datetime | None,
) -> None:
    """Any state of a rotation survives the Secret, to the microsecond, and so do the keys."""
    record = Record(
        current=authority_of(CURRENT.certificate),
        leaf_lifetime=timedelta(seconds=seconds),
        next=authority_of(NEXT.certificate) if rotating else None,
        next_believed_at=believed_at if rotating else None,
        previous=authority_of(PREVIOUS.certificate) if retiring else None,
        previous_ends_at=ends_at if retiring else None,
    )
    kept = Kept(
        record=record,
        current=CURRENT,
        next=NEXT if rotating else None,
        previous=PREVIOUS.certificate if retiring else None,
    )
    read = decode_secret(stored(kept)).kept
    assert read is not None
    assert read.record == record
    assert read.bundle == kept.bundle
    assert read.current.key_pem == CURRENT.key_pem
    assert (read.next.key_pem if read.next else None) == (NEXT.key_pem if rotating else None)


def only(current: CertificateAuthority = CURRENT) -> Kept:
    """Return what is kept of one authority."""
    return Kept(
        record=Record(current=authority_of(current.certificate), leaf_lifetime=timedelta(days=7)), current=current
    )


def test_what_others_keep_in_the_secret_stays() -> None:
    """Keys that are not ours, labels and the type are as before; keys of a rotation that is over are gone."""
    before = {
        "metadata": {"name": "ca", "labels": {"team": "a"}, "resourceVersion": "7"},
        "type": "example.com/odd",
        "data": {"notes": "aGVsbG8=", "next-ca.crt": "eA==", "previous-ca.crt": "eA=="},
    }
    document = msgspec.json.decode(stored(only(), before))
    assert document["metadata"] == before["metadata"]
    assert document["type"] == "example.com/odd"
    assert document["data"].keys() == {"notes", "ca.crt", "ca.key", "rotation.json"}
    assert document["data"]["notes"] == "aGVsbG8="


@pytest.mark.parametrize(
    "answer", [b"", b"[]", b"{}", b'{"metadata": 5}', b'{"metadata": {}, "data": {"ca.crt": "?"}}']
)
def test_what_is_no_secret_is_refused(answer: bytes) -> None:
    """A proxy may answer anything; nothing of it is shown."""
    with pytest.raises(ParseError, match="what the API server sent is no Secret"):
        decode_secret(answer)


def _rsa() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _another() -> bytes:
    key = ec.generate_private_key(ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _odd(pem: bytes, old: str, new: str) -> bytes:
    """Return what a PEM file holds, with other bytes in it."""
    first, *lines, last = pem.decode().splitlines()
    der = base64.b64decode("".join(lines))
    assert bytes.fromhex(old) in der
    changed = base64.b64encode(der.replace(bytes.fromhex(old), bytes.fromhex(new))).decode()
    return f"{first}\n{changed}\n{last}\n".encode()


P_384, NO_CURVE = "06052b81040022", "06052b81040050"
V3, NO_VERSION = "a003020102", "a003020104"
NO_AUTHORITY = "ca.crt: is no certificate of an authority (PEM)"

LEAF = CURRENT.issue(("a.example",), now=NOW, not_after=NOW + timedelta(days=1))


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [
        ("ca.key", _rsa(), "ca.key: does not belong to ca.crt"),
        ("ca.key", _another(), "ca.key: does not belong to ca.crt"),
        ("ca.key", _odd(CURRENT.key_pem, P_384, NO_CURVE), "ca.key: is no private key (PEM, unencrypted)"),
        ("ca.key", b"-" * 4097, "ca.key: has more than 4096 bytes"),
        ("ca.crt", LEAF.certificate, "ca.crt: is no certificate of an authority"),
        ("ca.crt", _odd(CURRENT.pem, P_384, NO_CURVE), NO_AUTHORITY),
        ("ca.crt", _odd(CURRENT.pem, V3, NO_VERSION), NO_AUTHORITY),
        ("previous-ca.crt", _odd(PREVIOUS.pem, V3, NO_VERSION), f"previous-{NO_AUTHORITY}"),
        (
            "rotation.json",
            b'{"leafLifetimeSeconds": 5, "previousEndsAt": "soon"}',
            "rotation.json: is not a date and time of RFC 3339",
        ),
    ],
)
def test_what_does_not_fit_is_named(key: str, value: bytes, fault: str) -> None:
    """The fault says which key of the Secret it is, and nothing of its value."""
    kept = Kept(
        record=Record(
            current=authority_of(CURRENT.certificate),
            leaf_lifetime=timedelta(days=7),
            previous=authority_of(PREVIOUS.certificate),
        ),
        current=CURRENT,
        previous=PREVIOUS.certificate,
    )
    document = msgspec.json.decode(stored(kept))
    document["data"][key] = base64.b64encode(value).decode()
    found = decode_secret(msgspec.json.encode(document))
    assert (found.kept, found.fault, found.may_begin_anew) == (None, fault, True)


async def test_a_configuration_that_makes_no_sense_is_trouble() -> None:
    """Webhooks that have no clientConfig are none that an API server stores."""
    cluster = new_cluster()
    cluster.put(VALIDATING, {"metadata": {"name": NAME}, "webhooks": [{"name": "a"}]})
    with pytest.raises(ClusterTrouble) as caught:
        await sight(cluster, VALIDATING, NAME)
    assert caught.value.kind is ClusterTroubleKind.BAD_ANSWER


@pytest.mark.parametrize("text", ["abc", base64.b64encode(_odd(CURRENT.pem, V3, NO_VERSION)).decode()])
async def test_what_is_no_bundle_holds_nobody(text: str) -> None:
    """It is written over like any other one."""
    cluster = new_cluster()
    odd = configuration("a")
    odd["webhooks"][0]["clientConfig"]["caBundle"] = text
    cluster.put(VALIDATING, odd)
    seen = await sight(cluster, VALIDATING, NAME)
    assert seen is not None
    assert believed_by_all((seen,)) == frozenset()
    assert await publish(cluster, seen, CURRENT.pem)
    again = await sight(cluster, VALIDATING, NAME)
    assert again is not None
    assert believed_by_all((again,)) == {authority_of(CURRENT.certificate).fingerprint}


async def test_nobody_is_believed_by_no_bundle() -> None:
    """Without any webhook nothing is known of what API servers believe."""
    cluster = new_cluster()
    cluster.put(VALIDATING, {"metadata": {"name": NAME}})
    seen = await sight(cluster, VALIDATING, NAME)
    assert seen is not None
    assert believed_by_all((seen,)) == frozenset()
    assert not await publish(cluster, seen, CURRENT.pem)
