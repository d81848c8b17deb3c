"""Which credentials belong to a repository: a Docker `config.json`, matched by the rules of the kubelet.

Source: kubernetes `pkg/credentialprovider/keyring.go`: ports are compared as text, each label of a host is a glob and
the number of labels has to agree, a path is a plain prefix; all matches count, the keys in reverse order of their
spelling; the entry `index.docker.io` serves Docker Hub if no other does.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from webhook.core.errors import DocumentError, ParseError
from webhook.core.references import DOCKER_HUB, Repository

__all__ = ["BearerToken", "Credential", "DockerConfig", "IdentityToken", "Password", "usual_config_paths"]

MAX_CONFIG_BYTES = 1024 * 1024
HUB_ENTRY = "index.docker.io"
TOKEN_USER = "<token>"  # noqa: S105 - the user name by which credential helpers mark an identity token


@dataclass(frozen=True, slots=True, kw_only=True)
class Password:
    """A user name and a password. `source` says where it was written and may be shown; the rest never is."""

    source: str
    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityToken:
    """A refresh token for the registry's token service."""

    source: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerToken:
    """A token that is sent to the registry as it is (`registrytoken`)."""

    source: str
    token: str = field(repr=False)


Credential = Password | IdentityToken | BearerToken


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key of `auths`, taken apart, and its credential."""

    host: str
    port: str
    path: str
    written: str
    credential: Credential

    def matches(self, repository: Repository) -> bool:
        """Tell whether this entry was written for `repository`."""
        host, port = _split_port(repository.registry)
        patterns, labels = self.host.split("."), host.split(".")
        return (
            port == self.port
            and len(patterns) == len(labels)
            and all(map(_label_matches, labels, patterns))
            and f"/{repository.path}".startswith(self.path)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerConfig:
    """A Docker `config.json`: its `auths`, the helper programs by host (`credHelpers`), and for all (`credsStore`)."""

    entries: tuple[Entry, ...] = ()
    helpers: Mapping[str, str] = field(default_factory=dict)
    store: str = ""

    @classmethod
    def parse(cls, data: bytes) -> DockerConfig:
        """Read a `config.json`; keys of other programs in it are none of our business.

        Raises DocumentError with everything that is wrong. No message shows what an entry holds.
        """
        document = _decode(data)
        entries, errors = [], []
        for key in sorted(document.auths, reverse=True):
            try:
                credential = _credential(key, document.auths[key])
            except ParseError as error:
                errors.append(error)
                continue
            if credential is not None:
                host, port, path = _split_key(key)
                entries.append(Entry(host=host, port=port, path=path, written=key, credential=credential))
        for where, helper in (*document.credHelpers.items(), ("", document.credsStore)):
            if helper and not helper.replace("-", "").replace("_", "").replace(".", "").isalnum():
                errors.append(ParseError(f"credHelpers[{where}]" if where else "credsStore", "not a program's name"))
        if errors:
            raise DocumentError(tuple(errors))
        helpers = {_folded_hub(_join(*_split_key(key)[:2])): helper for key, helper in document.credHelpers.items()}
        return cls(entries=tuple(entries), helpers=helpers, store=document.credsStore)

    def matching(self, repository: Repository) -> tuple[Credential, ...]:
        """Return the credentials of `auths` for a repository, in the order in which they are to be tried."""
        found = tuple(entry.credential for entry in self.entries if entry.matches(repository))
        if found or repository.registry != DOCKER_HUB:
            return found
        return tuple(entry.credential for entry in self.entries if entry.host == HUB_ENTRY)

    def helper_for(self, registry: str) -> str:
        """Return the name of the helper program that knows a registry; empty if there is none."""
        return self.helpers.get(registry, self.store)


def usual_config_paths(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """Return where a `config.json` usually lies, the first that exists counts. Nothing is read here.

    `DOCKER_CONFIG` alone if it is set, as for Docker; else Docker's place in the home directory, then Podman's.
    """
    if directory := environment.get("DOCKER_CONFIG"):
        return (Path(directory) / "config.json",)
    places = (
        (environment.get("HOME"), ".docker/config.json"),
        (environment.get("REGISTRY_AUTH_FILE"), ""),
        (environment.get("XDG_RUNTIME_DIR"), "containers/auth.json"),
    )
    return tuple(Path(root) / rest for root, rest in places if root)


class _Auth(msgspec.Struct, frozen=True):
    """One value of `auths`."""

    auth: str = ""
    username: str = ""
    password: str = ""
    identitytoken: str = ""
    registrytoken: str = ""


class _Document(msgspec.Struct, frozen=True):
    """The keys of a `config.json` that concern registries, spelled as Docker spells them."""

    auths: dict[str, _Auth] = {}
    credHelpers: dict[str, str] = {}  # noqa: N815 - the file's own spelling
    credsStore: str = ""  # noqa: N815 - the file's own spelling


def _decode(data: bytes) -> _Document:
    if len(data) > MAX_CONFIG_BYTES:
        raise DocumentError((ParseError("", f"a Docker config of more than {MAX_CONFIG_BYTES} bytes"),))
    try:
        return msgspec.json.decode(data, type=_Document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        # msgspec names the kind of value that it met and the path, never the value.
        raise DocumentError((ParseError("", f"not a Docker config: {error}"),)) from None


def _credential(key: str, auth: _Auth) -> Credential | None:
    """Read one value of `auths`; None for an empty one, which Docker leaves behind where a helper holds the secret."""
    source = f"auths[{key}]"
    username, password = auth.username, auth.password
    if auth.auth:
        username, password = _split_auth(source, auth.auth)
    token = auth.identitytoken or (password if username == TOKEN_USER else "")
    if token:
        return IdentityToken(source=source, token=token)
    if auth.registrytoken:
        return BearerToken(source=source, token=auth.registrytoken)
    if username or password:
        return Password(source=source, username=username, password=password)
    return None


def _split_auth(source: str, text: str) -> tuple[str, str]:
    """Read base64 of `user:password`, parted at the first colon."""
    try:
        decoded = base64.b64decode("".join(text.split()), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ParseError(f"{source}.auth", "not base64 of user:password") from None
    username, colon, password = decoded.partition(":")
    if not colon:
        raise ParseError(f"{source}.auth", "not base64 of user:password")
    return username, password.strip("\x00")


def _split_key(key: str) -> tuple[str, str, str]:
    """Part a key of `auths` into host, port and path: no scheme, no `/v1/` or `/v2/`, no default port."""
    rest = key.partition("://")[2] if "://" in key else key
    authority, slash, path = rest.partition("/")
    path = f"{slash}{path}"
    if path.startswith(("/v1/", "/v2/")):
        path = path[3:]
    host, port = _split_port(authority.lower())
    return host, "" if port == "443" else port, path.rstrip("/")


def _label_matches(label: str, pattern: str) -> bool:
    """Match one label of a host; an IPv6 address stands for itself, although its brackets look like a pattern."""
    return label == pattern or fnmatch.fnmatchcase(label, pattern)


def _split_port(authority: str) -> tuple[str, str]:
    """Part host and port; the brackets of an IPv6 address stay."""
    host, colon, port = authority.rpartition(":")
    return (host, port) if colon and not port.endswith("]") else (authority, "")


def _join(host: str, port: str) -> str:
    return f"{host}:{port}" if port else host


def _folded_hub(host: str) -> str:
    """Name Docker Hub as policies do."""
    return DOCKER_HUB if host == HUB_ENTRY else host
