"""OpenVEX: which findings of a scanner do not concern an image, and by whose word.

A statement excuses a finding only if all of this holds:

1. It names the vulnerability, by its own name or an alias.
2. One of its products is this very image, by digest. A name or a tag alone names other images too.
3. Where that product lists subcomponents, the package of the finding is one of them.
4. Its status is `fixed`, or `not_affected` with a justification or an impact statement, as the specification demands.
5. No later statement that meets 1 to 3 says otherwise; of two at one instant the one that excuses nothing counts.

Source: openvex/spec `OPENVEX-SPEC.md`, version 0.2.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import unquote

from webhook.core.attestations.findings_of_scanners import Vulnerability
from webhook.core.errors import ParseError
from webhook.core.reading.instants import parse_instant
from webhook.core.reading.plain_text import printable
from webhook.core.reading.strict_json import JsonObject
from webhook.core.references import Digest

__all__ = ["Product", "VexStatement", "is_excused", "read_openvex"]

MAX_STATEMENTS = 10_000
MAX_PRODUCTS = 10_000
EXCUSES = frozenset({"fixed", "not_affected"})
STATUSES = EXCUSES | {"affected", "under_investigation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product of a statement: the names that identify it, its digests (SHA-256, hexadecimal), its subcomponents."""

    names: tuple[str, ...]
    digests: tuple[str, ...] = ()
    subcomponents: tuple[tuple[str, ...], ...] = ()

    def is_image(self, digest: Digest) -> bool:
        """Tell whether the product is the image of that digest: by its hash, or by a name that carries the digest."""
        named = any(str(digest) in _parts(name) for name in self.names)
        return digest.algorithm == "sha256" and (digest.hex in self.digests or named)

    def holds(self, package: str | None) -> bool:
        """Tell whether the package (a purl) is one of the subcomponents; every package is, where none are listed."""
        if not self.subcomponents:
            return True
        return package is not None and any(
            _covers(name, package) for names in self.subcomponents for name in names if name.startswith("pkg:")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class VexStatement:
    """What one statement says of some vulnerability; `excuses` if it takes the products out of its reach."""

    vulnerability: frozenset[str]
    products: tuple[Product, ...]
    excuses: bool
    at: datetime

    def concerns(self, finding: Vulnerability, images: Iterable[Digest]) -> bool:
        """Tell whether the statement speaks about this finding in any of these images."""
        if not self.vulnerability & finding.names:
            return False
        return any(
            product.is_image(image) and product.holds(finding.purl) for image in images for product in self.products
        )


def is_excused(finding: Vulnerability, statements: Iterable[VexStatement], images: tuple[Digest, ...]) -> bool:
    """Tell whether the latest of `statements` that concern the finding excuses it; no statement excuses nothing.

    `images` are the digests under which the image may be named: its platform's, and the index's.
    """
    concerning = [statement for statement in statements if statement.concerns(finding, images)]
    latest = max((statement.at for statement in concerning), default=None)
    last_words = [statement.excuses for statement in concerning if statement.at == latest]
    return bool(last_words) and all(last_words)


def read_openvex(predicate: JsonObject) -> tuple[VexStatement, ...]:
    """Read an OpenVEX document; a ParseError for what is none. A statement without a time has the document's."""
    predicate.refuse_variants(("timestamp", "last_updated", "statements"))
    default = predicate.text("timestamp")
    return tuple(_statement(item, default) for item in predicate.objects("statements", at_most=MAX_STATEMENTS))


def _statement(item: JsonObject, default: str) -> VexStatement:
    item.refuse_variants(
        ("vulnerability", "products", "status", "justification", "impact_statement", "timestamp", "last_updated")
    )
    status = item.text("status")
    if status not in STATUSES:
        raise ParseError(item.at("status"), f"is `{printable(status, 40)}`, which OpenVEX does not have")
    explained = bool(item.text_or("justification", "") or item.text_or("impact_statement", ""))
    return VexStatement(
        vulnerability=_vulnerability(item.object("vulnerability")),
        products=tuple(_product(one) for one in item.objects("products", at_most=MAX_PRODUCTS))
        if item.has("products")
        else (),
        excuses=status == "fixed" or (status == "not_affected" and explained),
        at=_instant(item, item.text_or("last_updated", "") or item.text_or("timestamp", default)),
    )


def _instant(item: JsonObject, text: str) -> datetime:
    try:
        return parse_instant(text)
    except ParseError as error:
        raise ParseError(item.at("timestamp"), error.message) from None


def _vulnerability(source: JsonObject) -> frozenset[str]:
    source.refuse_variants(("name", "aliases"))
    aliases = source.texts("aliases", at_most=MAX_PRODUCTS) if source.has("aliases") else ()
    return frozenset((source.text("name"), *aliases))


def _product(source: JsonObject) -> Product:
    parts = source.objects("subcomponents", at_most=MAX_PRODUCTS) if source.has("subcomponents") else ()
    return Product(
        names=_names(source),
        digests=(source.text_map("hashes").get("sha-256", ""),),
        subcomponents=tuple(_names(part) for part in parts),
    )


def _names(source: JsonObject) -> tuple[str, ...]:
    source.refuse_variants(("@id", "identifiers", "hashes", "subcomponents"))
    return (source.text_or("@id", ""), source.text_map("identifiers").get("purl", ""))


def _parts(name: str) -> frozenset[str]:
    """Return the parts of a name in which a digest stands whole: a purl's version or qualifier, a reference's end."""
    bare, _, qualifiers = name.partition("?")
    values = (pair.partition("=")[2] for pair in qualifiers.partition("#")[0].split("&"))
    return frozenset(unquote(part) for part in (bare.rpartition("@")[2], *values))


def _covers(named: str, package: str) -> bool:
    """Tell whether the purl `named` means `package`: what it leaves open (version, qualifiers) may be anything.

    Source: package-url/purl-spec, "Rules for each purl component".
    """
    wanted_name, wanted_version, wanted_qualifiers = _purl(named)
    name, version, qualifiers = _purl(package)
    return wanted_name == name and wanted_version in ("", version) and wanted_qualifiers <= qualifiers


def _purl(text: str) -> tuple[str, str, frozenset[str]]:
    bare, _, rest = text.partition("?")
    name, at, version = bare.partition("#")[0].rpartition("@")
    qualifiers = frozenset(pair for pair in rest.partition("#")[0].split("&") if pair)
    return (name, unquote(version), qualifiers) if at else (version, "", qualifiers)
