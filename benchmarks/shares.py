"""Where the time of a process went, as cProfile saw its main thread."""

from __future__ import annotations

import pstats
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

__all__ = ["shares_of"]

WAITING = frozenset({"<method 'poll' of 'select.epoll' objects>", "<method 'acquire' of '_thread.lock' objects>"})


def shares_of(profile: Path) -> Mapping[str, float]:
    """Return the shares of our own code, of libraries and the language, of loading modules, and of waiting.

    Time in built-in functions counts for whoever is at fault for the call only as far as cProfile tells: it is the
    language's.
    """
    seconds: Counter[str] = Counter()
    for (file, _, function), (_, _, own, *_) in pstats.Stats(str(profile)).stats.items():  # type: ignore[attr-defined]
        seconds[_whose(file, function)] += own
    total = sum(seconds.values())
    return {name: seconds[name] / total for name in ("our own code", "libraries and Python", "loading", "waiting")}


def _whose(file: str, function: str) -> str:
    if function in WAITING:
        return "waiting"
    if "importlib" in file or function in {"<built-in method marshal.loads>", "<module>"}:
        return "loading"
    return "our own code" if "/webhook/" in file and "site-packages" not in file else "libraries and Python"
