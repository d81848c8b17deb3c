"""HTML as values that cannot be forged: a text is always escaped, and only what was built here is markup.

A name of a workload, of an image or of a file arrives as `str` and leaves escaped, printable and bounded, wherever it
stands. `Markup` is a type of its own, not a kind of `str`, so nothing becomes markup by being joined to some. Names of
elements and attributes are written in our code only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

from webhook.core.reading.plain_text import printable
from webhook.core.reporting.making import MAX_SHOWN_CHARACTERS

__all__ = ["Attribute", "Content", "Markup", "element", "joined", "raw_element", "shown"]

VOID_ELEMENTS = frozenset({"br", "input", "meta"})
"""Elements without content or end tag. Source: WHATWG HTML, 13.1.2 "Elements"; those that the page uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Markup:
    """A piece of HTML that was built by this module."""

    html: str


Content = str | Markup | None
"""A text, a piece of markup, or nothing."""

Attribute = str | int | float | bool | None
"""True is an attribute without a value, False and None are no attribute."""


def shown(text: str) -> str:
    """Return a text as one printable line of at most MAX_SHOWN_CHARACTERS; one that is so already as it is."""
    if len(text) <= MAX_SHOWN_CHARACTERS and text.isprintable():
        return text
    return printable(text, MAX_SHOWN_CHARACTERS)


def element(name: str, /, *contents: Content, **attributes: Attribute) -> Markup:
    """Return an element. Attributes are written with `_` for `-`, and with one at the end where Python needs it."""
    start = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Markup(html=start if name in VOID_ELEMENTS else f"{start}{joined(contents).html}</{name}>")


def raw_element(name: str, source: str, /, **attributes: Attribute) -> Markup:
    """Return a `style` or `script` element around a source that ships with the package.

    Errors: `ValueError` if the source could end the element, or hide its end, by itself.
    """
    # Source: WHATWG HTML, 4.12.1.3 "Restrictions for contents of script elements".
    if "</" in source or "<!--" in source:
        raise ValueError(f"the source of a {name} element must not contain `</` or `<!--`")
    opening = element(name, **attributes).html.removesuffix(f"</{name}>")
    return Markup(html=f"{opening}{source}</{name}>")


def joined(contents: Iterable[Content]) -> Markup:
    """Return the contents one after the other."""
    return Markup(html="".join(_content(content) for content in contents))


def _content(content: Content) -> str:
    if content is None:
        return ""
    return content.html if isinstance(content, Markup) else escape(shown(content))


def _attribute(key: str, value: Attribute) -> str:
    name = key.removesuffix("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {name}" if value is True else f' {name}="{escape(shown(str(value)))}"'
