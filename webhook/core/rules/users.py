"""Whether an image's default user is provably anyone but root."""

from __future__ import annotations

import re

__all__ = ["is_provably_not_root"]

# A container runtime reads the user as a decimal and narrows it to 32 bits: 4294967296 would be root again.
GREATEST_UID = 2**31 - 1
_DECIMAL = re.compile(r"[0-9]{1,20}")


def is_provably_not_root(user: str, *, base_user: str | None) -> bool:
    """Tell whether `user` (config `User`, with or without `:group`) cannot be root.

    It is proven if it is a number other than zero, or if it is to the letter the user of a verified base that is no
    root itself (`base_user`; None if no base is proven). A name alone proves nothing: the image's own passwd file says
    what it means. A sign in front (`+0`), an empty user and other scripts' digits prove nothing either.
    """
    name = user.partition(":")[0]
    if _DECIMAL.fullmatch(name):
        return 0 < int(name) <= GREATEST_UID
    return user == base_user and _is_plain_name(name)


def _is_plain_name(name: str) -> bool:
    """Tell whether a user is a name other than root's, not a number in disguise."""
    return re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name) is not None and name != "root"
