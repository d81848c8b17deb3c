"""Text from outside, made fit to be shown: one line, printable, of bounded length.

Names, tags, reasons and whatever a registry says belong to whoever wrote them. Control characters (also the invisible
ones that reorder text) could forge lines of a message or make the API server drop a warning.
"""

from __future__ import annotations

__all__ = ["clip", "clip_bytes", "counted", "listing", "printable"]

ELLIPSIS = "..."


def printable(text: str, limit: int = 120) -> str:
    """Return `text` as one line of at most `limit` characters; what cannot be printed becomes `?`."""
    # More than this cannot survive the clipping below, so a text of megabytes is not walked through.
    line = " ".join(text[: 4 * limit].split())
    shown = line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)
    return clip(shown, limit)


def clip(text: str, limit: int) -> str:
    """Shorten to `limit` characters, showing that something is missing. `limit` is at least 3."""
    return text if len(text) <= limit else text[: limit - len(ELLIPSIS)] + ELLIPSIS


def clip_bytes(text: str, limit: int) -> str:
    """Shorten to `limit` bytes of UTF-8 without splitting a character."""
    encoded = text.encode()
    if len(encoded) <= limit:
        return text
    return encoded[: limit - len(ELLIPSIS)].decode(errors="ignore") + ELLIPSIS


def listing(items: tuple[str, ...], *, limit: int = 160) -> str:
    """Join printable items by commas, within `limit` characters; what does not fit is counted."""
    shown: list[str] = []
    room = limit
    for index, item in enumerate(items):
        text = printable(item)
        room -= len(text) + 2
        if room < 0 and shown:
            return f"{', '.join(shown)} and {len(items) - index} more"
        shown.append(text)
    return ", ".join(shown)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, which forms its plural by an `s`: `1 pod`, `12,000 pods`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
