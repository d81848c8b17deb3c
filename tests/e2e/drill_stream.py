"""A steady stream of pods that an ordinary user creates and deletes, and what became of each."""

from __future__ import annotations

import http.client
import json
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

from tests.e2e.objects import pod, pod_spec
from tests.e2e.tools.processes import ApiServer, wait_until

__all__ = ["Asked", "Stream", "stream"]

ENOUGH = 20
"""Answers about each image that say that a state of things has lasted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One pod that was asked for. `stored` is its image as it was created, empty if `refusal` says why it was not."""

    at: float  # seconds on the monotonic clock, when it was asked for
    stored: str
    refusal: str
    warning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What was answered so far, by the image that was asked for."""

    answers: Mapping[str, list[Asked]]
    failures: list[BaseException] = field(default_factory=list)

    def go_on(self) -> float:
        """Wait for some more answers about each image than there are now; return when that was."""
        before = {image: len(answers) for image, answers in self.answers.items()}
        wait_until(lambda: self.failures or self._beyond(before), "more answers")
        return time.monotonic()

    def about(self, image: str, *, since: float = 0, until: float = float("inf")) -> Sequence[Asked]:
        """Return what was answered about an image that was asked for within these instants."""
        return [each for each in self.answers[image] if since <= each.at < until]

    def _beyond(self, before: Mapping[str, int]) -> bool:
        return all(len(answers) >= before[image] + ENOUGH for image, answers in self.answers.items())


@contextmanager
def stream(api: ApiServer, namespace: str, *images: str, user: str) -> Iterator[Stream]:
    """Create and delete pods of each image without a pause until the end of the block."""
    stopping = Event()
    asked = Stream(answers={image: [] for image in images})

    def ask(image: str) -> None:
        try:
            with closing(_connection(api)) as connection:
                while not stopping.is_set():
                    asked.answers[image].append(_create(connection, api.tokens[user], namespace, image))
        except (OSError, http.client.HTTPException) as error:
            asked.failures.append(error)

    threads = [Thread(target=ask, args=(image,)) for image in images]
    for thread in threads:
        thread.start()
    try:
        yield asked
        asked.go_on()
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    assert asked.failures == []


def _connection(api: ApiServer) -> http.client.HTTPSConnection:
    context = ssl.create_default_context(cafile=api.ca_file)
    return http.client.HTTPSConnection(api.url.removeprefix("https://"), context=context, timeout=30)


def _create(connection: http.client.HTTPSConnection, token: str, namespace: str, image: str) -> Asked:
    """Create a pod, and delete it if that was allowed."""
    at = time.monotonic()
    wanted = pod("", namespace, pod_spec(image), metadata={"name": None, "generateName": "steady-"})

    def request(method: str, path: str, body: Mapping[str, Any]) -> tuple[int, http.client.HTTPMessage, Any]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, f"/api/v1/namespaces/{namespace}/pods{path}", body=json.dumps(body), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers, json.loads(answer.read())

    status, headers, document = request("POST", "", wanted)
    warning = headers.get("Warning", "")
    if status != http.client.CREATED:
        return Asked(at=at, stored="", refusal=str(document.get("message")), warning=warning)
    request("DELETE", f"/{document['metadata']['name']}", {"gracePeriodSeconds": 0})
    return Asked(at=at, stored=document["spec"]["containers"][0]["image"], refusal="", warning=warning)
