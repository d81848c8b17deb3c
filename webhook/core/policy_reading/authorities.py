"""The part of an ImagePolicy that says who can vouch for images: by key, or by a certificate that names an identity."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time
from urllib.parse import urlsplit

from webhook.core.errors import ParseError
from webhook.core.policy import Authority, Identity, KeyAuthority, KeylessAuthority, TransparencyLog
from webhook.core.policy_reading import keys
from webhook.core.policy_reading.declarations import image_globs, line, unique_name
from webhook.core.policy_reading.files import PolicyFiles, public_keys, trust_root, tuf_metadata
from webhook.core.policy_reading.notation import by_notation
from webhook.core.policy_reading.words import parse_date, parse_line
from webhook.core.reading.documents import Reading, Section, Value
from webhook.core.reading.instants import parse_instant
from webhook.core.reading.plain_text import printable
from webhook.core.reading.text_patterns import TextPattern
from webhook.core.references import Glob
from webhook.core.signatures.keys import PublicKey
from webhook.core.signatures.trust_root_reading import check_for_certificates, check_for_times
from webhook.core.signatures.trust_roots import PublicGood, TrustRoot, TrustRootSource, TufMirror

__all__ = ["authorities"]

MAX_URL_CHARACTERS = 512
DATE_CHARACTERS = len("2027-01-01")


def authorities(value: Value, files: PolicyFiles) -> tuple[Authority, ...]:
    """Read who can vouch for images; names are unique."""
    names: set[str] = set()
    return value.items(lambda item: _authority(item, names, files))


def _authority(value: Value, names: set[str], files: PolicyFiles) -> Authority:
    section = value.section(keys.AUTHORITY)
    name = section.required("name", lambda item: unique_name(item, names))
    repositories = section.optional("repositories", image_globs, None)
    annotations = section.optional("annotations", _annotations, None)
    kind = _kind(section, files)
    return kind.value()(name.value(), repositories.value(), annotations.value())


Named = Callable[[str, tuple[Glob, ...] | None, dict[str, str] | None], Authority]
"""An authority that only lacks what all kinds have in common: name, repositories, annotations."""


def _kind(section: Section, files: PolicyFiles) -> Reading[Named]:
    """Read the one of `key`, `keyless` and `notation` that is there."""
    readers: dict[str, Callable[[Value], Named]] = {
        "key": lambda item: _by_key(item, files),
        "keyless": lambda item: _by_certificate(item, files),
        "notation": lambda item: by_notation(item, files),
    }
    return section.exactly_one(readers)


def _by_key(value: Value, files: PolicyFiles) -> Named:
    section = value.section(keys.KEY)
    held = _held_keys(section, files)
    log = section.optional("transparencyLog", _transparency_log, TransparencyLog.IGNORE)
    root = section.optional("trustRoot", lambda item: _root_file(item, files, check_for_times), None)
    valid_from = section.optional("validFrom", _from, None)
    valid_until = section.optional("validUntil", _until, None)
    _check_needs(value, section, log)
    _check_window(section, valid_from, valid_until)
    return lambda name, repositories, annotations: KeyAuthority(
        name=name,
        keys=held.value(),
        transparency_log=log.value(),
        trust_root=root.value(),
        valid_from=valid_from.value(),
        valid_until=valid_until.value(),
        repositories=repositories,
        annotations=annotations,
    )


def _held_keys(section: Section, files: PolicyFiles) -> Reading[tuple[PublicKey, ...]]:
    return section.exactly_one(
        {
            "data": lambda item: public_keys(item, item.text().encode()),
            "file": lambda item: public_keys(item, files.read(item)),
        }
    )


def _transparency_log(value: Value) -> TransparencyLog:
    return value.one_of({choice.value: choice for choice in TransparencyLog})


def _check_needs(value: Value, section: Section, log: Reading[TransparencyLog]) -> None:
    """Refuse what only logs and timestamp authorities can show, where nobody says which ones are trusted."""
    if section.has("trustRoot"):
        return
    asking = [key for key in ("validFrom", "validUntil") if section.has(key)]
    if TransparencyLog.REQUIRE in log.found:
        asking.insert(0, "transparencyLog")
    if asking:
        value.complain(f'"{asking[0]}" needs the key "trustRoot": the logs and timestamp authorities that are believed')


def _check_window(
    section: Section, valid_from: Reading[datetime | None], valid_until: Reading[datetime | None]
) -> None:
    (start,), (end,) = valid_from.found or (None,), valid_until.found or (None,)
    if start is not None and end is not None and end < start:
        section["validUntil"].complain("lies before `validFrom`")


def _from(value: Value) -> datetime:
    """Read when something begins: an instant, or a day, at whose beginning (UTC)."""
    return value.parsed(lambda text: _instant(text, time.min))


def _until(value: Value) -> datetime:
    """Read when something ends: an instant, or a day that is its last (UTC)."""
    return value.parsed(lambda text: _instant(text, time.max))


def _instant(text: str, on_a_day: time) -> datetime:
    if len(text) == DATE_CHARACTERS:
        return datetime.combine(parse_date(text), on_a_day, tzinfo=UTC)
    return parse_instant(text)


def _by_certificate(value: Value, files: PolicyFiles) -> Named:
    section = value.section(keys.KEYLESS)
    identities = section.required("identities", lambda item: item.distinct(_identity))
    root = section.optional("trustRoot", lambda item: _root(item, files), PublicGood())
    return lambda name, repositories, annotations: KeylessAuthority(
        name=name,
        identities=identities.value(),
        trust_root=root.value(),
        repositories=repositories,
        annotations=annotations,
    )


def _identity(value: Value) -> Identity:
    section = value.section(keys.IDENTITY)
    issuer = section.exactly_one({"issuer": _exact, "issuerRegExp": _expression})
    subject = section.exactly_one({"subject": _exact, "subjectRegExp": _expression})
    return Identity(issuer=issuer.value(), subject=subject.value())


def _exact(value: Value) -> TextPattern:
    return TextPattern(value.text())


def _expression(value: Value) -> TextPattern:
    return value.parsed(lambda text: TextPattern(text, is_expression=True))


def _root(value: Value, files: PolicyFiles) -> TrustRootSource:
    readers: dict[str, Callable[[Value], TrustRootSource]] = {
        "file": lambda item: trust_root(item, files.read(item), check_for_certificates),
        "tuf": lambda item: _mirror(item, files),
    }
    return value.section(keys.TRUST_ROOT).exactly_one(readers).value()


def _root_file(value: Value, files: PolicyFiles, check: Callable[[TrustRoot], None]) -> TrustRoot:
    section = value.section(keys.FILE)
    return section.required("file", lambda item: trust_root(item, files.read(item), check)).value()


def _mirror(value: Value, files: PolicyFiles) -> TufMirror:
    section = value.section(keys.TUF)
    url = section.required("mirror", lambda item: item.parsed(_parse_url))
    root = section.required("root", lambda item: tuf_metadata(item, files.read(item)))
    return TufMirror(url=url.value(), root=root.value())


def _parse_url(text: str) -> str:
    """Read the URL of a repository of metadata that is signed: it may be plain HTTP, and holds no secret."""
    try:
        parts = urlsplit(text)
        plain = not parts.query and not parts.fragment and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        plain = False
    if len(text) > MAX_URL_CHARACTERS or not text.isascii() or not text.isprintable() or " " in text or not plain:
        raise ParseError("", "is not the URL of a repository, without user, query or fragment")
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise ParseError("", "expected a URL that begins with https:// or http:// and names a host")
    return text


def _annotations(value: Value) -> dict[str, str]:
    annotations = value.entries(line)
    for name in annotations:
        try:
            parse_line(name)
        except ParseError:
            value.refuse(f'"{printable(name)}" is not the name of an annotation')
    return annotations
