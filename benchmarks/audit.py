"""An audit of 10,000 pods over 200 images: a real API server on loopback, a registry with 20 ms of delay.

`python -m benchmarks.audit` takes about two minutes, prints a table and writes the audit's part of
`docs/performance.md`. Beside the audit it measures, in the same run and on the same objects, what the audit cannot do
without: reading the pages, and the registry's requests one image after the other and all at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.document import replace_section
from benchmarks.shares import shares_of
from tests.e2e.tools.processes import ADMIN, ApiServer, etcd, kube_apiserver

PODS, IMAGES, DEPLOYMENTS = 10_000, 200, 100
DELAY_SECONDS = 0.020
NAMESPACE = "bench"
CREATED_AT_ONCE = 24
PADDING = 5_000
"""Bytes of an annotation that make a pod about as large as those that people run (8 KB)."""
KINDS = (
    *("api/v1/{}/pods", "api/v1/{}/podtemplates", "api/v1/{}/replicationcontrollers", "apis/apps/v1/{}/daemonsets"),
    *("apis/apps/v1/{}/deployments", "apis/apps/v1/{}/replicasets", "apis/apps/v1/{}/statefulsets"),
    *("apis/batch/v1/{}/cronjobs", "apis/batch/v1/{}/jobs"),
)


PLAIN = (Path(sys.executable).with_name("dhi-gate"),)
CONTINUE = re.compile(rb'"continue":"([^"]*)"')
REFUSED, PROFILED = 1, 0
"""The exit status of an audit that found something, and what cProfile makes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One run of the audit: seconds of wall clock and CPU, the most memory it had in MB, and what it found."""

    wall: float
    cpu: float
    megabytes: float
    summary: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What has to be done in any case."""

    seconds: float
    requests: int
    megabytes: float


def main() -> None:
    """Measure, print, write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            slow_registry(folder) as images,
            etcd(folder) as url,
            kube_apiserver(folder, etcd_url=url, service_accounts=False) as api,
        ):
            host = images[0].partition("/")[0]
            asyncio.run(fill(api, images))
            pages = asyncio.run(list_barely(api))
            audit = run_audit(api, folder, PLAIN)
            requests = asked(host)
            alone = asyncio.run(ask_barely(host, requests))
            profile = folder / "profile"
            run_audit(api, folder, (sys.executable, "-m", "cProfile", "-o", profile, *PLAIN))
            shares = shares_of(profile)
    rows = table(audit, pages=pages, requests=len(requests), alone=alone, shares=shares)
    print("\n".join(rows))
    replace_section(Path("docs/performance.md"), "audit", rows)


@contextmanager
def slow_registry(folder: Path) -> Iterator[Sequence[str]]:
    """Run the registry in a process of its own, and give the references of its images."""
    command = [sys.executable, "-m", "benchmarks.slow_registry", str(folder), str(IMAGES), str(DELAY_SECONDS)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        if process.stdin is None or process.stdout is None:
            raise RuntimeError("a pipe was asked for")
        yield json.loads(process.stdout.readline())
        process.stdin.close()


def asked(host: str) -> Sequence[str]:
    """Return what the registry has been asked since the last time."""
    with urllib.request.urlopen(f"http://{host}/asked") as answer:
        requests: Sequence[str] = json.load(answer)
    return requests


async def fill(api: ApiServer, images: Sequence[str]) -> None:
    """Create the namespace, Deployments with their ReplicaSets, and the pods; nine of ten are owned."""
    async with talking_to(api) as session:
        await post(session, "api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        owners = [await _owner(session, number, images) for number in range(DEPLOYMENTS)]
        turn = asyncio.Semaphore(CREATED_AT_ONCE)

        async def create(number: int) -> None:
            owner = owners[number % DEPLOYMENTS] if number % 10 else None
            # The pods of one Deployment run two images, as in the middle of a rollout.
            image = images[(2 * (number % DEPLOYMENTS) + (number // DEPLOYMENTS) % 2) % IMAGES]
            async with turn:
                await post(session, f"api/v1/namespaces/{NAMESPACE}/pods", _pod(number, image, owner))

        await asyncio.gather(*map(create, range(PODS)))


async def _owner(session: aiohttp.ClientSession, number: int, images: Sequence[str]) -> Mapping[str, Any]:
    """Create a Deployment and its ReplicaSet, and return the reference by which the latter owns pods."""
    labels = {"app": f"app-{number}"}
    template = {"metadata": {"labels": labels}, "spec": _spec(images[2 * number % IMAGES])}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    path = f"apis/apps/v1/namespaces/{NAMESPACE}"
    top = await post(session, f"{path}/deployments", {"metadata": {"name": f"app-{number}"}, "spec": spec})
    owned = {"name": f"app-{number}-1", "ownerReferences": [_reference("Deployment", top)]}
    middle = await post(session, f"{path}/replicasets", {"metadata": owned, "spec": spec})
    return _reference("ReplicaSet", middle)


def _reference(kind: str, owner: Mapping[str, Any]) -> Mapping[str, Any]:
    named = {"name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]}
    return {"apiVersion": "apps/v1", "kind": kind, **named, "controller": True}


def _pod(number: int, image: str, owner: Mapping[str, Any] | None) -> Mapping[str, Any]:
    metadata = {
        "name": f"pod-{number:05}",
        "annotations": {"example.com/notes": "x" * PADDING},
        "ownerReferences": [owner] if owner else [],
    }
    return {"metadata": metadata, "spec": _spec(image)}


def _spec(image: str) -> Mapping[str, Any]:
    variables = [{"name": f"SETTING_{number}", "value": "some value or other"} for number in range(20)]
    return {"containers": [{"name": "app", "image": image, "env": variables}]}


@asynccontextmanager
async def talking_to(api: ApiServer) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with the API server as its administrator."""
    tls = ssl.create_default_context(cafile=api.ca_file)
    headers = {"Authorization": f"Bearer {api.tokens[ADMIN]}"}
    connector = aiohttp.TCPConnector(ssl=tls, limit=CREATED_AT_ONCE)
    async with aiohttp.ClientSession(f"{api.url}/", headers=headers, connector=connector) as session:
        yield session


async def post(session: aiohttp.ClientSession, path: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Create an object and return it."""
    async with session.post(path, json=document) as answer:
        created: Mapping[str, Any] = await answer.json()
        answer.raise_for_status()
        return created


async def list_barely(api: ApiServer) -> Baseline:
    """Read all pages that the audit reads, one after the other, and look at nothing in them but where they end."""
    size, count = 0, 0
    async with talking_to(api) as session:
        started = time.monotonic()
        for kind in KINDS:
            token = ""
            while True:
                query = {"limit": "500", "continue": token}
                async with session.get(kind.format(f"namespaces/{NAMESPACE}"), params=query) as answer:
                    page = await answer.read()
                size, count = size + len(page), count + 1
                found = CONTINUE.search(page[:2_000])
                token = found[1].decode() if found else ""
                if not token:
                    break
        return Baseline(seconds=time.monotonic() - started, requests=count, megabytes=size / 1e6)


async def ask_barely(host: str, requests: Sequence[str]) -> Baseline:
    """Send what the audit asked the registry, as many at once as the audit judges, and throw the answers away."""
    turn = asyncio.Semaphore(32)
    size = 0
    async with aiohttp.ClientSession(f"http://{host}") as session:

        async def ask(request: str) -> None:
            nonlocal size
            method, _, path = request.partition(" ")
            async with turn, session.request(method, path) as answer:
                size += len(await answer.read())

        started = time.monotonic()
        await asyncio.gather(*map(ask, requests))
        return Baseline(seconds=time.monotonic() - started, requests=len(requests), megabytes=size / 1e6)


def run_audit(api: ApiServer, folder: Path, program: Sequence[str | Path]) -> Measured:
    """Run the audit in a process of its own and read what the system says that it took."""
    report = folder / "report.json"
    command = [
        *program,
        *("audit", "-n", NAMESPACE, "-o", "json", "--output-file", report),
        *("--policy", folder / "policy.yaml", "--catalog", folder / "catalog.json"),
    ]
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": str(api.kubeconfig())}
    started = time.monotonic()
    process = subprocess.Popen(list(map(str, command)), env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if os.waitstatus_to_exitcode(status) not in {REFUSED, PROFILED}:
        raise RuntimeError("the audit did not come to its end")
    return Measured(
        wall=wall,
        cpu=usage.ru_utime + usage.ru_stime,
        megabytes=usage.ru_maxrss / 1024,
        summary=json.loads(report.read_text())["summary"],
    )


def table(
    audit: Measured, *, pages: Baseline, requests: int, alone: Baseline, shares: Mapping[str, float]
) -> Sequence[str]:
    """Return the section of the document."""
    rows = (
        ("audit, wall clock", f"{audit.wall:.1f} s"),
        ("audit, CPU", f"{audit.cpu:.1f} s"),
        ("audit, most memory", f"{audit.megabytes:.0f} MB"),
        ("registry requests", f"{requests}, {requests / IMAGES:.1f} for each image"),
        (
            "reading the same pages and nothing else",
            f"{pages.seconds:.1f} s ({pages.megabytes:.0f} MB, {pages.requests} requests)",
        ),
        ("the same registry requests, 32 at once", f"{alone.seconds:.1f} s"),
        *((f"share of the time: {name}", f"{share:.0%}") for name, share in shares.items()),
    )
    return (
        f"{PODS:,} pods, nine of ten owned by {DEPLOYMENTS} Deployments, name {IMAGES} images; a quarter is refused.",
        f"API server and etcd run on the same {os.cpu_count()} cores; each answer of the registry comes",
        f"{DELAY_SECONDS * 1000:.0f} ms late. CPython {platform.python_version()}.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {value} |" for name, value in rows),
    )


if __name__ == "__main__":
    main()
