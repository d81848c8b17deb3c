"""A cluster in memory that implements the port without HTTP, and breaks on demand."""

from __future__ import annotations

import asyncio
import base64
import copy
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tests.fakes.label_selectors import parse_selector
from webhook.core.inventory.resources import NAMESPACES
from webhook.ports import ApiResource, ClusterTrouble, ClusterTroubleKind

__all__ = ["NAMESPACES", "FakeCluster", "ListExpiredError", "Manifest"]

Manifest = dict[str, Any]
"""An object as JSON has it."""

CREATED_AT = "2026-11-01T08:00:00Z"
STAMPS = ("uid", "resourceVersion", "creationTimestamp")
PRESENT = -1
"""The number of no list: what an inconsistent token continues at is whatever there is when it is used."""

_Key = tuple[str, str]  # namespace, empty for an object without one; name


class ListExpiredError(Exception):
    """A list cannot be continued at the state at which it began; with `token`, if there is one, it can be at another.

    Source: Kubernetes API concepts, "410 Gone responses".
    """

    def __init__(self, token: str) -> None:
        super().__init__("The provided continue parameter is too old")
        self.token = token


@dataclass(slots=True)
class _Breakdown:
    """Questions that are answered with trouble. Empty strings stand for all; `times` None for ever."""

    kind: ClusterTroubleKind
    verb: str
    plural: str
    namespace: str
    after: int
    times: int | None

    def strikes(self, verb: str, plural: str, namespace: str) -> bool:
        """Tell whether this question breaks, and count it."""
        asked = (self.verb, verb), (self.plural, plural), (self.namespace, namespace)
        if self.times == 0 or any(wanted not in ("", given) for wanted, given in asked):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(frozen=True, slots=True)
class _Event:
    """What happened to an object, and the state of the cluster after it."""

    kind: str
    version: int
    resource: ApiResource
    key: _Key
    manifest: Manifest


class FakeCluster:
    """Implements `webhook.ports.Cluster`: any kind of objects, by namespace and name, with uid and resourceVersion.

    Everything is allowed and every kind is known until a test says otherwise. `asked` records the questions as
    `verb plural namespace[/name]`, with `*` for all namespaces, a `list` for each page; `selectors` those of the lists.
    `admission` says with which warnings an object would be created, or raises ClusterTrouble; `texts` is what is
    answered where no object is, by path.
    """

    def __init__(self, *, page_size: int = 500, default_namespace: str = "default") -> None:
        self.page_size = page_size
        self.default_namespace = default_namespace
        self.asked: list[str] = []
        self.selectors: list[str] = []
        self.texts: dict[tuple[str, ...], str] = {
            ("version",): '{"major": "1", "minor": "37", "gitVersion": "v1.37.2"}'
        }
        self.admission: Callable[[Manifest], tuple[str, ...]] = lambda _: ()
        self._objects: dict[ApiResource, dict[_Key, Manifest]] = {}
        self._log: list[_Event] = []
        self._watchers: set[asyncio.Event] = set()
        self._watches_ended = 0
        self._lists: list[list[Manifest]] = []  # as each was when it began, if it did not fit into a page
        self._version = 0
        self._uids = 0
        self._breakdowns: list[_Breakdown] = []
        self._forbidden: set[tuple[str, str, str]] = set()  # verb, plural, namespace
        self._confined_to: frozenset[str] | None = None
        self._lacking: set[ApiResource] = set()
        self._expiries: list[bool] = []  # for each list that cannot be continued: whether it can be at another state

    # What a test does to the cluster.

    def put(self, resource: ApiResource, manifest: Mapping[str, Any]) -> str:
        """Store an object, in its namespace, which is made if it is not there; return its uid.

        An object of the same name is replaced and keeps its uid.
        """
        kept = _complete(resource, manifest)
        namespace = kept["metadata"].get("namespace", "")
        if resource.namespaced and ("", namespace) not in self._of(NAMESPACES):
            self.put(NAMESPACES, {"metadata": {"name": namespace}})
        key = (namespace, kept["metadata"]["name"])
        there = self._of(resource).get(key)
        return self._store(resource, key, kept, uid=there["metadata"]["uid"] if there else None)

    def remove(self, resource: ApiResource, namespace: str | None, name: str) -> None:
        """Let an object be gone, whoever may or may not delete it."""
        gone = self._of(resource).pop((namespace or "", name))
        self._version += 1
        self._happened("DELETED", resource, (namespace or "", name), gone)

    def end_watches(self) -> None:
        """End all watches that are under way, as a server that stops does."""
        self._watches_ended += 1
        self._wake_watchers()

    def objects(self, resource: ApiResource) -> list[Manifest]:
        """Return copies of all objects of a kind, by namespace and name."""
        return [copy.deepcopy(self._of(resource)[key]) for key in sorted(self._of(resource))]

    def object(self, resource: ApiResource, namespace: str | None, name: str) -> Manifest | None:
        """Return a copy of one object, None if there is none."""
        return copy.deepcopy(self._of(resource).get((namespace or "", name)))

    def forbid(self, plural: str = "", *, verb: str = "", namespace: str = "") -> None:
        """Refuse a verb (`list`, `watch`, `get`, `create`, `update`, `delete`) on a resource; empty means all.

        What is forbidden in one namespace is forbidden for all namespaces at once, as RBAC has it.
        """
        self._forbidden.add((verb, plural, namespace))

    def confine(self, *namespaces: str) -> None:
        """Allow nothing but what is in these namespaces, as RoleBindings do."""
        self._confined_to = frozenset(namespaces)

    def lack(self, resource: ApiResource) -> None:
        """Do not know a kind, like a cluster without its CustomResourceDefinition."""
        self._lacking.add(resource)

    def expire(self, times: int = 1, *, continuable: bool = True) -> None:
        """Refuse the next `times` continuations of a list as too old, with a token for a later state or without."""
        self._expiries.extend([continuable] * times)

    def break_down(
        self,
        kind: ClusterTroubleKind,
        verb: str = "",
        *,
        plural: str = "",
        namespace: str = "",
        after: int = 0,
        times: int | None = None,
    ) -> None:
        """Answer with this trouble: `times` questions, those after the next `after` (pages, for a list).

        Empty strings stand for all. UNREACHABLE with `after` is a connection that drops in the middle of a list,
        CONFLICT with `times=1` somebody who was faster.
        """
        self._breakdowns.append(_Breakdown(kind, verb, plural, namespace, after, times))

    def mend(self) -> None:
        """Work again, with the rights and the kinds that were taken away still missing."""
        self._breakdowns.clear()
        self._expiries.clear()

    # The port.

    async def pages(
        self, resource: ApiResource, *, namespace: str | None = None, selector: str = "", metadata_only: bool = False
    ) -> AsyncIterator[bytes]:
        """Yield pages; a list that expired is continued at a later state if it can be, else begun anew, once."""
        token, may_begin_anew = "", True
        while True:
            try:
                page = self.page(
                    resource, namespace=namespace, selector=selector, metadata_only=metadata_only, token=token
                )
            except ListExpiredError as expired:
                if not (expired.token or may_begin_anew):
                    raise _trouble(ClusterTroubleKind.EXPIRED, "list", resource, namespace) from None
                may_begin_anew = may_begin_anew and bool(expired.token)
                token = expired.token
                continue
            yield msgspec.json.encode(page)
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def read(self, resource: ApiResource, *, namespace: str | None, name: str) -> bytes | None:
        """Return one object."""
        self._begin("get", resource, namespace, name)
        found = self._of(resource).get((namespace or "", name))
        return msgspec.json.encode(found) if found else None

    async def watch(
        self, resource: ApiResource, *, namespace: str | None, name: str
    ) -> AsyncGenerator[bytes | None, None]:
        """Yield an object and what becomes of it, until a test ends the watches."""
        listed = self.page(resource, namespace=namespace, name=name)
        yield msgspec.json.encode(listed["items"][0]) if listed["items"] else None
        since = int(listed["metadata"]["resourceVersion"])
        async for kind, manifest in self.events(resource, namespace=namespace, name=name, since=since):
            yield None if kind == "DELETED" else msgspec.json.encode(manifest)

    async def create(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> bytes:
        """Create an object in a namespace that is there."""
        manifest = _complete(resource, msgspec.json.decode(document), namespace=namespace)
        key = self._refuse_to_create(resource, namespace, manifest)
        self._store(resource, key, manifest)
        return msgspec.json.encode(self._of(resource)[key])

    async def rehearse(self, resource: ApiResource, *, namespace: str | None, document: bytes) -> tuple[str, ...]:
        """Say what creating an object would come to, and keep nothing of it."""
        manifest = _complete(resource, msgspec.json.decode(document), namespace=namespace)
        self._refuse_to_create(resource, namespace, manifest)
        return self.admission(manifest)

    async def text(self, path: tuple[str, ...]) -> str:
        """Return what a test put there."""
        self.asked.append(f"get /{'/'.join(path)}")
        broken = next((each for each in self._breakdowns if each.strikes("get", "/".join(path), "")), None)
        if broken is not None:
            raise ClusterTrouble(broken.kind, doing=f"get /{'/'.join(path)}")
        if any(part in ("", ".", "..") or "/" in part or "%" in part for part in path):
            raise ClusterTrouble(ClusterTroubleKind.REFUSED, doing="get a path", detail="it is no name")
        if path not in self.texts:
            raise ClusterTrouble(ClusterTroubleKind.MISSING_API, doing=f"get /{'/'.join(path)}")
        return self.texts[path]

    async def replace(self, resource: ApiResource, *, namespace: str | None, name: str, document: bytes) -> bytes:
        """Replace an object in the state that the document names; nothing is written if nothing changes."""
        manifest = _complete(resource, msgspec.json.decode(document), namespace=namespace)
        self._begin("update", resource, namespace, name)
        key = (namespace or "", name)
        there = self._of(resource).get(key)
        if there is None:
            raise _trouble(ClusterTroubleKind.CONFLICT, "update", resource, namespace, "it is gone")
        said, kept = manifest["metadata"], there["metadata"]
        if any(said.get(field, kept[field]) != kept[field] for field in ("resourceVersion", "uid")):
            raise _trouble(ClusterTroubleKind.CONFLICT, "update", resource, namespace, "it has changed")
        manifest["metadata"] = {**said, **{field: kept[field] for field in STAMPS}}
        if manifest != there:
            self._store(resource, key, manifest, uid=kept["uid"])
        return msgspec.json.encode(self._of(resource)[key])

    async def delete(self, resource: ApiResource, *, namespace: str | None, name: str, uid: str) -> bool:
        """Delete an object if it is still the one that is meant."""
        self._begin("delete", resource, namespace, name)
        there = self._of(resource).get((namespace or "", name))
        if there is None or there["metadata"]["uid"] != uid:
            return False
        self.remove(resource, namespace, name)
        return True

    # What lies under the port, for a server that speaks HTTP.

    def page(
        self,
        resource: ApiResource,
        *,
        namespace: str | None,
        selector: str = "",
        metadata_only: bool = False,
        token: str = "",
        name: str | None = None,
    ) -> Manifest:
        """Return one page, with a token in `metadata.continue` if there are more; of one object if it has a name.

        Raises ClusterTrouble, and ListExpiredError if the list cannot be continued with `token`.
        """
        self._begin("list", resource, namespace, name)
        self.selectors.append(selector)
        number, after = _read_token(token) if token else (PRESENT, ("", ""))
        if token and self._expiries:
            raise ListExpiredError(_token(PRESENT, after) if self._expiries.pop(0) else "")
        found = self._select(resource, namespace, selector) if number == PRESENT else self._lists[number]
        left = [item for item in found if _key(item) > after and name in (None, _key(item)[1])]
        page = left[: self.page_size]
        metadata: Manifest = {"resourceVersion": str(self._version)}
        if len(left) > len(page):
            if number == PRESENT:
                self._lists.append(found)
                number = len(self._lists) - 1
            metadata |= {"continue": _token(number, _key(page[-1])), "remainingItemCount": len(left) - len(page)}
        return _list_of(resource, page, metadata, metadata_only=metadata_only)

    async def events(
        self, resource: ApiResource, *, namespace: str | None, name: str, since: int
    ) -> AsyncGenerator[tuple[str, Manifest], None]:
        """Yield what happened to one object after a state, ADDED, MODIFIED or DELETED, until the watches end."""
        self._begin("watch", resource, namespace, name)
        woken, ended, seen = asyncio.Event(), self._watches_ended, 0
        self._watchers.add(woken)
        try:
            while True:
                woken.clear()
                while seen < len(self._log):
                    event, seen = self._log[seen], seen + 1
                    if (event.resource, event.key) == (resource, (namespace or "", name)) and event.version > since:
                        yield event.kind, copy.deepcopy(event.manifest)
                if self._watches_ended > ended:
                    return
                await woken.wait()
        finally:
            self._watchers.discard(woken)

    def _happened(self, kind: str, resource: ApiResource, key: _Key, manifest: Manifest) -> None:
        self._log.append(_Event(kind, self._version, resource, key, copy.deepcopy(manifest)))
        self._wake_watchers()

    def _wake_watchers(self) -> None:
        for watcher in self._watchers:
            watcher.set()

    def _select(self, resource: ApiResource, namespace: str | None, selector: str) -> list[Manifest]:
        try:
            matches = parse_selector(selector)
        except ValueError as error:
            raise _trouble(ClusterTroubleKind.REFUSED, "list", resource, namespace, str(error)) from None
        return [
            found
            for found in self.objects(resource)
            if namespace in (None, found["metadata"].get("namespace")) and matches(found["metadata"].get("labels", {}))
        ]

    def _begin(self, verb: str, resource: ApiResource, namespace: str | None, name: str | None = None) -> None:
        """Record a question and refuse it if that is what was asked for."""
        place = namespace or ("*" if verb == "list" else "")
        self.asked.append(f"{verb} {resource.plural} {place}" + (f"/{name}" if name else ""))
        said = [part for part in (namespace, name) if part is not None]
        if any(part in ("", ".", "..") or "/" in part or "%" in part for part in said):
            raise _trouble(ClusterTroubleKind.REFUSED, verb, resource, namespace, "it is no name")
        # A Role in a namespace speaks about that Namespace too.
        where = namespace or ((name or "") if resource.plural == NAMESPACES.plural else "")
        broken = next((each for each in self._breakdowns if each.strikes(verb, resource.plural, where)), None)
        if broken is not None:
            raise _trouble(broken.kind, verb, resource, namespace)
        if not self._is_allowed(verb, resource.plural, where):
            why = f'User "somebody" cannot {verb} resource "{resource.plural}"'
            raise _trouble(ClusterTroubleKind.FORBIDDEN, verb, resource, namespace, why)
        if resource in self._lacking:
            raise _trouble(ClusterTroubleKind.MISSING_API, verb, resource, namespace)

    def _refuse_to_create(self, resource: ApiResource, namespace: str | None, manifest: Manifest) -> _Key:
        """Return where an object would be, or raise why it cannot be created there."""
        self._begin("create", resource, namespace)
        key = (namespace or "", manifest["metadata"]["name"])
        if namespace is not None and ("", namespace) not in self._of(NAMESPACES):
            raise _trouble(ClusterTroubleKind.CONFLICT, "create", resource, namespace, "the namespace is not there")
        if key in self._of(resource):
            raise _trouble(ClusterTroubleKind.CONFLICT, "create", resource, namespace, "it is there already")
        return key

    def _is_allowed(self, verb: str, plural: str, namespace: str) -> bool:
        if self._confined_to is not None and namespace not in self._confined_to:
            return False
        return not any(
            said_verb in ("", verb) and said_plural in ("", plural) and (not namespace or said in ("", namespace))
            for said_verb, said_plural, said in self._forbidden
        )

    def _of(self, resource: ApiResource) -> dict[_Key, Manifest]:
        return self._objects.setdefault(resource, {})

    def _store(self, resource: ApiResource, key: _Key, manifest: Manifest, *, uid: str | None = None) -> str:
        self._version += 1
        if uid is None:
            self._uids += 1
            uid = f"00000000-0000-4000-8000-{self._uids:012d}"
        manifest["metadata"] |= dict(zip(STAMPS, (uid, str(self._version), CREATED_AT), strict=True))
        kind = "MODIFIED" if key in self._of(resource) else "ADDED"
        self._of(resource)[key] = manifest
        self._happened(kind, resource, key, manifest)
        return uid


def _complete(resource: ApiResource, manifest: Mapping[str, Any], *, namespace: str | None = None) -> Manifest:
    """Return a copy that says what it is and where; `default` is where an object is that says nothing."""
    complete = copy.deepcopy(dict(manifest)) | {"apiVersion": resource.api_version, "kind": resource.kind}
    if resource.namespaced:
        complete["metadata"].setdefault("namespace", namespace or "default")
    return complete


def _list_of(resource: ApiResource, items: list[Manifest], metadata: Manifest, *, metadata_only: bool) -> Manifest:
    if metadata_only:
        said = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        short = [{**said, "metadata": item["metadata"]} for item in items]
        return {**said, "kind": "PartialObjectMetadataList", "metadata": metadata, "items": short}
    # The items of a list of a built-in kind do not say what they are.
    if "." not in resource.group or resource.group.endswith(".k8s.io"):
        items = [{name: value for name, value in item.items() if name not in ("apiVersion", "kind")} for item in items]
    return {"kind": f"{resource.kind}List", "apiVersion": resource.api_version, "metadata": metadata, "items": items}


def _key(manifest: Manifest) -> _Key:
    return manifest["metadata"].get("namespace", ""), manifest["metadata"]["name"]


def _token(number: int, after: _Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((number, after))).decode()


def _read_token(token: str) -> tuple[int, _Key]:
    return msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[int, _Key])


def _trouble(
    kind: ClusterTroubleKind, verb: str, resource: ApiResource, namespace: str | None, detail: str = ""
) -> ClusterTrouble:
    where = f" in {namespace}" if namespace else ""
    return ClusterTrouble(kind, doing=f"{verb} {resource.plural}{where}", detail=detail)
