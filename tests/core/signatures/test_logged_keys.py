"""Signatures by keys of authorities that ask for more than the key: log entries, and a window of time."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.core.signatures.given_keyless import (
    FORMS,
    KEY,
    OTHER_STAND,
    ROOT,
    STAND,
    found,
    keyless,
    logged_key,
    signed,
)
from tests.core.signatures.test_keyless import why
from tests.sigstore_stand.flaws import Flaws
from tests.sigstore_stand.stand import STAND_NOW
from webhook.core.facts import Trouble
from webhook.core.policy import KeyAuthority, TransparencyLog
from webhook.core.signatures.findings import SignatureFindings
from webhook.core.signatures.keys import load_public_keys
from webhook.core.signatures.trust_root_reading import load_trust_root
from webhook.core.signatures.trust_roots import PublicGood

HOUR = timedelta(hours=1)
KEY_FORMS = [form for form in FORMS if form[2] == "0.3"]
every_form = pytest.mark.parametrize(("form", "witness", "version"), KEY_FORMS)


@every_form
def test_an_entry_that_holds_is_enough(form: str, witness: Any, version: Any) -> None:  # noqa: ANN401 - literals
    """An authority that requires the log gets an entry in it, in every form, and the signature its time."""
    (voucher,) = found(signed(form, witness, version, who=KEY), by=(logged_key(),)).vouchers

    assert voucher.key == load_public_keys(KEY.public_pem.encode())[0].fingerprint
    assert voucher.signed_at == STAND_NOW


@pytest.mark.parametrize("witness", ["none", "tsa"])
@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_an_entry_that_is_required_and_missing_breaks(form: str, witness: Any) -> None:  # noqa: ANN401 - literals
    """A timestamp is no entry in a log, and no entry is none."""
    assert why(found(signed(form, witness, who=KEY), by=(logged_key(),))) == "has no entry in a transparency log"


def test_a_log_is_never_required_without_a_root() -> None:
    """Nobody trusts an entry without a root, so whoever requires one and names no root gets no voucher."""
    assert why(found(signed(who=KEY), by=(logged_key(root=None),))) == "has no entry in a transparency log"


@pytest.mark.parametrize(
    "flaws",
    [
        Flaws(entry="unrelated"),
        Flaws(entry="other-digest"),
        Flaws(entry="other-verifier"),
        Flaws(entry="other-signature"),
        Flaws(log="stranger"),
        Flaws(promise="flipped"),
    ],
)
@pytest.mark.parametrize("log", TransparencyLog)
@pytest.mark.parametrize("form", ["simple", "bundle"])
def test_an_entry_that_is_there_must_hold(form: str, log: TransparencyLog, flaws: Flaws) -> None:
    """An entry of something else, or of nobody, spoils the signature, whether one is required or not."""
    candidate = signed(form, who=KEY, flaws=flaws)

    assert why(found(candidate, by=(logged_key(log=log),)))
    assert found(candidate, by=(logged_key(log=TransparencyLog.IGNORE, root=None),)).vouchers


def test_an_entry_by_the_certificate_of_the_same_key_is_the_keys() -> None:
    """Who holds the key of a certificate is found by the key, and the entry that names the certificate is about it."""
    candidate = signed()
    der = found(candidate)
    assert der.vouchers
    assert found(candidate, by=(logged_key(),)) == SignatureFindings(strangers=1)


@pytest.mark.parametrize(
    ("start", "end"),
    [(None, STAND_NOW), (STAND_NOW, None), (STAND_NOW, STAND_NOW), (STAND_NOW - HOUR, STAND_NOW + HOUR)],
)
@pytest.mark.parametrize("witness", ["tsa", "rekor-v1-tsa", "rekor-v2"])
def test_a_signature_inside_the_window_counts(witness: Any, start: Any, end: Any) -> None:  # noqa: ANN401 - literals
    """A trusted time within the window, its ends included, lets the key count."""
    authority = logged_key(log=TransparencyLog.IGNORE, valid_from=start, valid_until=end)

    assert found(signed(witness=witness, who=KEY), by=(authority,)).vouchers


@pytest.mark.parametrize(
    ("start", "end"), [(None, STAND_NOW - HOUR), (STAND_NOW + HOUR, None), (STAND_NOW + HOUR, STAND_NOW + 2 * HOUR)]
)
@pytest.mark.parametrize("witness", ["rekor-v1", "tsa", "rekor-v2"])
def test_a_signature_outside_the_window_is_broken(witness: Any, start: Any, end: Any) -> None:  # noqa: ANN401 - literals
    """A trusted time outside the window says that the key did not count."""
    authority = logged_key(log=TransparencyLog.IGNORE, valid_from=start, valid_until=end)

    assert why(found(signed(witness=witness, who=KEY), by=(authority,))) == "was made while the key did not count"


@pytest.mark.parametrize("bounds", [{"valid_until": STAND_NOW + HOUR}, {"valid_from": STAND_NOW - HOUR}])
def test_a_window_is_not_believed_without_a_trusted_time(bounds: Any) -> None:  # noqa: ANN401 - keywords
    """Whoever stole a key can sign today without a witness; a window without a time would let that pass."""
    authority = logged_key(log=TransparencyLog.IGNORE, **bounds)

    assert "no trusted timestamp" in why(found(signed(witness="none", who=KEY), by=(authority,)))


def test_what_cannot_be_read_matters_only_to_those_who_ask() -> None:
    """A damaged annotation beside a good signature breaks it for an authority with a root, and for no other."""
    good = signed("simple", who=KEY)
    damaged = type(good)(
        kind=good.kind,
        manifest=good.manifest,
        payload=good.payload,
        annotations={**good.annotations, "dev.sigstore.cosign/bundle": "damaged"},
    )

    assert "JSON" in why(found(damaged, by=(logged_key(log=TransparencyLog.IGNORE),)))
    assert found(damaged, by=(logged_key(log=TransparencyLog.IGNORE, root=None),)).vouchers


def test_a_log_that_has_ended_needs_a_time() -> None:
    """Whoever has the key of a log that was retired can write proofs for ever; without a time it must count now."""
    untimed = signed(witness="rekor-v2", who=KEY, flaws=Flaws(stamp="missing"))
    ended = load_trust_root(STAND.trusted_root(valid_until=STAND_NOW + HOUR))

    assert found(untimed, by=(logged_key(),)).vouchers
    assert "a log that did not count" in why(found(untimed, by=(logged_key(root=ended),)))
    assert found(signed(witness="rekor-v2", who=KEY), by=(logged_key(root=ended),)).vouchers


def test_a_root_of_another_sigstore_does_not_help() -> None:
    """The log of one Sigstore is nobody to the root of another."""
    root = load_trust_root(OTHER_STAND.trusted_root())

    assert "no log of the trust root" in why(found(signed(who=KEY), by=(logged_key(root=root),)))


def test_a_root_that_nobody_has_leaves_the_question_open() -> None:
    """A key whose root is not there yet is not judged, and another authority with the same key is."""
    waiting = KeyAuthority(name="waiting", keys=load_public_keys(KEY.public_pem.encode()), trust_root=PublicGood())
    findings = found(signed(who=KEY), by=(waiting, logged_key()))

    assert isinstance(findings.incomplete, Trouble)
    assert [voucher.authority for voucher in findings.vouchers] == ["release"]


def test_keys_and_certificates_stand_beside_each_other() -> None:
    """A policy with both kinds of authority finds each by its own."""
    by = (logged_key(), keyless("pipeline", root=ROOT))
    findings = found(signed(who=KEY), signed(), by=by)

    assert [voucher.authority for voucher in findings.vouchers] == ["release", "pipeline"]
