"""Every bit of one genuine signature per format: whichever changes, nobody vouches, or nothing was said by it."""

from __future__ import annotations

import pytest

from tests.conformance.bits import places_in
from tests.conformance.specimens import FORMATS, specimen

pytestmark = [
    pytest.mark.conformance,
    # Some changed bits make certificates that `cryptography` reads with a warning.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

SAMPLE_STEP = 397
"""Every so many bits where not all are tried; a prime, so that the places within bytes differ."""

UNSIGNED = {
    "mediaType": "one bit makes a version of another; all are read alike, and more is asked of the older",
    "hint": "chooses which key is tried first",
    "kindVersion.kind": "repeats the body, which is read instead",
    "kindVersion.version": "repeats the body, which is read instead",
    "logIndex": "Rekor v2 signs the place in the tree, which stands in the proof",
    "logID": "hexadecimal digits mean the same in both cases",
    "dev.sigstore.cosign/chain": "may help to find the way to a root, and is not needed for it",
    "signedTimestamp": "versions and the name of the signature's algorithm are outside of what CMS signs",
    "SignedRFC3161Timestamp": "as above",
    "predicateType": "an annotation that repeats the statement, which is read instead",
    "signingAgent": "names the program that wrote the envelope, outside of what is signed",
}
"""Where a change may leave a voucher, by the end of the place's name, and why it changes nothing that is signed."""

MOST_UNSIGNED_TIMESTAMP_BITS = 100
"""Two version numbers and one object identifier."""


def accepted_changes(name: str, step: int) -> dict[str, int]:
    """Change every bit, or one in `step`, and count by place those after which somebody vouches still.

    What is vouched for must be the same as before, to the second; and no change may leave the verdict open.
    """
    genuine = specimen(name)
    before = genuine.judged(genuine.candidate)
    assert [voucher.authority for voucher in before.vouchers] == ["release"]
    counted: dict[str, int] = {}
    first = 0
    for place in places_in(genuine.candidate):
        assert genuine.judged(place.filled(place.content)) == before
        size = len(place.content) * 8
        for bit in range(first % step, size, step):
            after = genuine.judged(place.flipped(bit))
            assert after.incomplete is None, (place.name, bit)
            if after.vouchers:
                assert after.said == before.said, (place.name, bit)
                counted[place.name] = counted.get(place.name, 0) + 1
        first = (first - size) % step
    return counted


def unexpected(accepted: dict[str, int]) -> list[str]:
    """Return the places where a change was accepted and should not have been."""
    return [name for name in accepted if not any(name.endswith(end) for end in UNSIGNED)]


@pytest.mark.parametrize("name", FORMATS)
def test_a_sample_of_bits(name: str) -> None:
    """A sample that leaves out no long place: no change to what is signed, logged, certified or stamped is accepted."""
    assert unexpected(accepted_changes(name, SAMPLE_STEP)) == []


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", FORMATS)
def test_every_bit(name: str) -> None:
    """As above, with no bit left out."""
    accepted = accepted_changes(name, 1)
    assert unexpected(accepted) == []
    assert all(count < MOST_UNSIGNED_TIMESTAMP_BITS for place, count in accepted.items() if "imestamp" in place)
