"""How the page looks and what its script does: two files of the package, and the policy that lets in only these.

They are part of the program, as its modules are, and are read as those are: once, when they are needed.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from functools import cache
from importlib.resources import files

__all__ = ["content_security_policy", "script", "stylesheet"]


@cache
def stylesheet() -> str:
    """Return the style sheet."""
    return _text("style.css")


@cache
def script() -> str:
    """Return the script."""
    return _text("script.js")


def content_security_policy() -> str:
    """Return a policy under which nothing is loaded, sent or run but our style sheet and our script, by their hashes.

    With `require-trusted-types-for` not even our script can make markup of a text. Source: CSP Level 3; Trusted Types.
    """
    return "; ".join(
        (
            "default-src 'none'",
            f"style-src '{_hash_source(stylesheet())}'",
            f"script-src '{_hash_source(script())}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def _text(name: str) -> str:
    return (files("webhook.core.reporting.page") / name).read_text(encoding="utf-8")


def _hash_source(source: str) -> str:
    """Return the hash by which a policy knows an inline element. Source: CSP Level 3, 2.3.1 "Source Lists"."""
    return f"sha256-{b64encode(hashlib.sha256(source.encode()).digest()).decode()}"
