"""Image references: the grammar, the canonical name, and the forms by which policies used to be bypassed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webhook.core.errors import ParseError
from webhook.core.references import Digest, Glob, ImageReference, Repository, canonical_name

SHA256 = "sha256:" + "0a" * 32
SHA512 = "sha512:" + "0a" * 64


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("DOCKER.IO/nginx", "docker.io/library/nginx"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx"),
        ("registry-1.docker.io/library/x", "docker.io/library/x"),
        ("docker.io:443/x", "docker.io/library/x"),
        ("docker.io/library/library/x", "docker.io/library/library/x"),
        ("GHCR.IO/x", "ghcr.io/x"),
        ("ghcr.io:443/x", "ghcr.io/x"),
        ("host:0443/x", "host/x"),
        ("host:05000/x", "host:5000/x"),
        ("FOO/bar", "foo/bar"),
        ("org/app", "docker.io/org/app"),
        ("a__b", "docker.io/library/a__b"),
        ("a--b", "docker.io/library/a--b"),
        ("[::1]:5000/x", "[::1]:5000/x"),
        ("[::1]/x", "[::1]/x"),
        ("localhost/foo", "localhost/foo"),
        ("xn--nxasmq6b/a", "docker.io/xn--nxasmq6b/a"),
        ("1.2.3.4/a", "1.2.3.4/a"),
        ("0" * 63, "docker.io/library/" + "0" * 63),
        (f"a:1@{SHA256}", f"docker.io/library/a:1@{SHA256}"),
        (f"a@{SHA512}", f"docker.io/library/a@{SHA512}"),
    ],
)
def test_canonical_name(written: str, canonical: str) -> None:
    """A reference means one canonical name, however it is spelled, and keeps what was written."""
    reference = ImageReference.parse(written)

    assert str(reference) == canonical
    assert reference.written == written


@pytest.mark.parametrize(
    "written",
    [
        "",
        " nginx",
        "nginx\n",
        "nginx:",
        "nginx:1:2",
        "nginx:.x",
        "nginx:" + "x" * 129,
        "a..b",
        "a___b",
        "a_.b",
        "-a",
        "a/",
        "a//b",
        "ex.com./a",
        "ex..com/a",
        "http://example.com/a",
        "ｎｇｉｎｘ",  # noqa: RUF001 - full-width letters, on purpose
        "Nginx",
        "host:0/a",
        "host:99999/a",
        "x/" + "a" * 256,
        "0" * 64,
        "a" * 1025,
        f"a@{SHA256.upper()}",
        "a@sha256:0a",
        "a@md5:" + "0a" * 16,
        "a@",
        f"a@{SHA256}@{SHA256}",
    ],
)
def test_what_is_no_reference(written: str) -> None:
    """Anything outside the grammar is refused, in words that hold no control character."""
    with pytest.raises(ParseError) as refusal:
        ImageReference.parse(written)

    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 200


@given(st.text(max_size=80))
def test_parsing_never_breaks(text: str) -> None:
    """Any text is a reference or a ParseError, and the canonical form of a reference means the same again."""
    try:
        reference = ImageReference.parse(text)
    except ParseError:
        return

    again = ImageReference.parse(str(reference))
    assert (again.repository, again.tag, again.digest) == (reference.repository, reference.tag, reference.digest)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Registry.Example:443", "registry.example"),
        ("index.docker.io", "docker.io"),
        ("localhost:5000", "localhost:5000"),
        ("registry.example/shop", "registry.example/shop"),
    ],
)
def test_canonical_name_of_a_registry_or_prefix(written: str, expected: str) -> None:
    """A registry and a repository prefix are named as images are."""
    assert canonical_name(written) == expected


@pytest.mark.parametrize("written", ["", "a b", "registry.example/", "registry.example/UP", "http://x"])
def test_what_is_neither_registry_nor_prefix(written: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ParseError):
        canonical_name(written)


def test_repository_has_neither_tag_nor_digest() -> None:
    """A repository is a name alone."""
    assert str(Repository.parse("dhi.io/python")) == "dhi.io/python"
    for image in ("dhi.io/python:3.13", f"dhi.io/python@{SHA256}"):
        with pytest.raises(ParseError):
            Repository.parse(image)


def test_pinned_image() -> None:
    """A pinned image is written by its digest and remembers the tag."""
    pinned = ImageReference.parse("dhi.io/python:3.13").pinned(Digest.parse(SHA256))

    assert str(pinned) == f"dhi.io/python@{SHA256}"
    assert pinned.tag == "3.13"
    assert pinned.digest.short == "sha256:0a0a0a0a0a0a"


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("registry.example/**", "registry.example/a/b", True),
        ("registry.example/*", "registry.example/a/b", False),
        ("registry.example/*", "registry.example/a", True),
        ("registry.example/shop/**", "evil.example/registry.example/shop/x", False),
        ("*.trusted.example/org/*", "attacker.example/x.trusted.example/org/evil", False),
        ("**", "anything/at/all", True),
        ("3.13*", "3.13-debian13", True),
        ("3.13*", "3x13", False),
        ("prod-*", "prod-", True),
        ("prod-*", "preprod-a", False),
        ("registry.example/a", "registry.example/a\n", False),
    ],
)
def test_glob(pattern: str, text: str, expected: bool) -> None:  # noqa: FBT001 - a table's column
    """A glob spans the whole text; `*` stays inside a segment, `**` does not, and a dot is a dot."""
    assert Glob(pattern).matches(text) is expected


def test_globs_are_values() -> None:
    """Globs written alike are equal and hash alike."""
    assert Glob("a/*") == Glob("a/*")
    assert Glob("a/*") != Glob("a/**")
    assert Glob("a/*") != "a/*"
    assert len({Glob("a"), Glob("a")}) == 1
    assert repr(Glob("a")) == "Glob('a')"


@given(st.text(alphabet="ab*/", max_size=12), st.text(alphabet="ab/", max_size=200))
def test_globs_never_break(pattern: str, text: str) -> None:
    """Any pattern can be asked about any text."""
    assert Glob(pattern).matches(text) in {True, False}
