"""How a policy or a catalog is named on the command line: a file, a key of a ConfigMap, or an OCI artefact."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from webhook.core.errors import ParseError
from webhook.core.reading.plain_text import printable
from webhook.core.references import ImageReference

__all__ = ["ConfigMapKey", "DocumentName", "parse_document_name"]

CONFIG_MAP, ARTIFACT = "configmap:", "oci:"

_NAMESPACE = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_NAME = r"[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?"
_KEY = r"[-._A-Za-z0-9]{1,253}"
_CONFIG_MAP_KEY = re.compile(rf"({_NAMESPACE})/({_NAME})/({_KEY})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapKey:
    """A document in a ConfigMap."""

    namespace: str
    name: str
    key: str

    def __str__(self) -> str:
        """Write it as it is written on the command line."""
        return f"{CONFIG_MAP}{self.namespace}/{self.name}/{self.key}"


DocumentName = Path | ConfigMapKey | ImageReference


def parse_document_name(text: str) -> DocumentName:
    """Read a file name, `configmap:NAMESPACE/NAME/KEY`, `oci:REPOSITORY@DIGEST` or `oci:REPOSITORY:TAG`.

    Raises ParseError. Sources: Kubernetes documentation, "Object Names and IDs", for namespaces (RFC 1123 labels) and
    names (subdomains); ConfigMap v1 for keys.
    """
    if text.startswith(CONFIG_MAP):
        match = _CONFIG_MAP_KEY.fullmatch(text.removeprefix(CONFIG_MAP))
        if match is None:
            raise ParseError("", f"`{printable(text)}` is not written configmap:NAMESPACE/NAME/KEY")
        return ConfigMapKey(namespace=match[1], name=match[2], key=match[3])
    if text.startswith(ARTIFACT):
        reference = ImageReference.parse(text.removeprefix(ARTIFACT))
        if reference.tag is None and reference.digest is None:
            raise ParseError("", f"`{printable(text)}` has neither a digest nor a tag")
        return reference
    return Path(text)
