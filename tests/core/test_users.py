"""Default users: who is provably not root."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.rules.users import is_provably_not_root


@pytest.mark.parametrize("user", ["65532", "1", "65532:65532", "1000:0", "0065532", "2147483647"])
def test_numbers_other_than_zero(user: str) -> None:
    """A number other than zero is proof, whatever its group."""
    assert is_provably_not_root(user, base_user=None)


@pytest.mark.parametrize(
    "user",
    ["", "0", "00", "+0", "-0", "+1000", "0:0", "0:1000", "root", "nonroot", "65532x", " 65532", "65532\n", "٣", "²",
     "2147483648", "4294967296", "9" * 30, ":65532", "root:root", "1e3", "0x1"],
)  # fmt: skip
def test_what_proves_nothing(user: str) -> None:
    """Zero in any spelling, numbers that wrap around, names and everything odd prove nothing."""
    assert not is_provably_not_root(user, base_user=None)


@pytest.mark.parametrize(
    ("user", "base_user", "expected"),
    [
        ("nonroot", "nonroot", True),
        ("nonroot:nonroot", "nonroot:nonroot", True),
        ("nonroot", "nonroot:nonroot", False),
        ("app", "nonroot", False),
        ("root", "root", False),
        ("", "", False),
        ("0", "0", False),
        ("+0", "+0", False),
    ],
)
def test_user_of_the_base(user: str, base_user: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """A name is proof only if it is, to the letter, that of the proven base, and not root's."""
    assert is_provably_not_root(user, base_user=base_user) is expected


@given(st.text(max_size=20), st.none() | st.text(max_size=20))
def test_zero_never_passes(user: str, base_user: str | None) -> None:
    """Whatever Python reads as zero is never proof."""
    try:
        zero = int(user.partition(":")[0]) == 0
    except ValueError:
        zero = False
    assert not (zero and is_provably_not_root(user, base_user=base_user))
