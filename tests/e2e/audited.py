"""A namespace full of workloads, and the audit as people and pipelines run it."""

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.gate import PROGRAM
from tests.e2e.objects import WORKLOADS, Object, pod, pod_spec, workload
from tests.e2e.site import Site
from tests.e2e.tools import toolchain
from tests.e2e.tools.processes import ADMIN, ApiServer, wait_until

SECONDS = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Auditor:
    """Runs `kubectl dhi-gate audit` with the site's policy, catalog and registries."""

    api: ApiServer
    site: Site

    def run(
        self,
        *arguments: str,
        user: str = ADMIN,
        registry_flags: Sequence[str] | None = None,
        policy: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run it as `user`, and return what it printed and its exit status, whatever that is."""
        return subprocess.run(
            self.command(*arguments, registry_flags=registry_flags, policy=policy),
            env={**self._environment(user), **(environment or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def report(self, *arguments: str, **options: Any) -> Mapping[str, Any]:  # noqa: ANN401 - those of `run`
        """Run it, and return the report document."""
        done = self.run(*arguments, "-o", "json", **options)
        try:
            document: Mapping[str, Any] = json.loads(done.stdout)
        except json.JSONDecodeError:
            raise AssertionError(done.stderr) from None
        return document

    def interrupted(self, *arguments: str, policy: Path, once: Callable[[], object]) -> tuple[int, str, str]:
        """Start it, send SIGINT as soon as `once` returns, and return exit status, output and complaints."""
        process = subprocess.Popen(
            self.command(*arguments, policy=policy),
            env=self._environment(ADMIN),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        once()
        process.send_signal(signal.SIGINT)
        output, complaints = process.communicate(timeout=SECONDS)
        return process.returncode, output, complaints

    def command(
        self, *arguments: str, registry_flags: Sequence[str] | None = None, policy: Path | None = None
    ) -> list[str | Path]:
        """Return the command line."""
        flags = self.site.registry_flags if registry_flags is None else registry_flags
        documents = (f"--policy={policy or self.site.policy}", f"--catalog={self.site.catalog}")
        return [toolchain.provide("kubectl"), "dhi-gate", "audit", *documents, *flags, *arguments]

    def _environment(self, user: str) -> Mapping[str, str]:
        return {
            "PATH": f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": "/nonexistent",
            "KUBECONFIG": str(self.api.kubeconfig(user)),
        }


def populate(api: ApiServer, site: Site, namespace: str, *, each: int) -> Mapping[tuple[str, str], str]:
    """Fill a namespace with `each` workloads of every kind and as many bare pods; return their images by kind and name.

    The images go round all applications, so that good and bad ones are among every kind. Where a kind has replicas,
    the first has none; the first CronJob is suspended.
    """
    names = list(site.images)
    images: dict[tuple[str, str], str] = {}
    objects: list[Object] = []
    for kind_number, kind in enumerate((*WORKLOADS, "Pod")):
        for number in range(each):
            image = names[(number + kind_number) % len(names)]
            name = f"{kind.lower()}-{number}"
            images[kind, name] = image
            objects.append(_object(kind, name, namespace, site.images[image], first=number == 0))
    api.create_namespace(namespace)
    api.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return images


def _object(kind: str, name: str, namespace: str, image: str, *, first: bool) -> Object:
    """Return an object whose pods are its own: each has a label of its own to select them by."""
    if kind == "Pod":
        return pod(name, namespace, pod_spec(image))
    wanted: dict[str, Any] = json.loads(
        json.dumps(workload(kind, name, namespace, pod_spec(image), replicas=0 if first else 1))
    )
    _relabel(wanted, name)
    if kind == "CronJob":
        wanted["spec"]["suspend"] = first
    return wanted


def _relabel(value: Any, name: str) -> None:  # noqa: ANN401 - any JSON
    """Give every selector and template that `workload` wrote the label `app: NAME`."""
    if isinstance(value, dict):
        if value.get("app") == "api":
            value["app"] = name
        for inner in value.values():
            _relabel(inner, name)


def pods_of(api: ApiServer, namespace: str) -> list[Mapping[str, Any]]:
    """Return the pods of a namespace."""
    _, body = api.get(f"/api/v1/namespaces/{namespace}/pods")
    pods: list[Mapping[str, Any]] = json.loads(body)["items"]
    return pods


def wait_for_pods(api: ApiServer, namespace: str, count: int) -> None:
    """Wait until the controllers have made so many pods."""
    wait_until(lambda: len(pods_of(api, namespace)) >= count, f"{count} pods in {namespace}", timeout_s=90)


def let_run(api: ApiServer, pods: Iterable[Mapping[str, Any]], image_id: str) -> None:
    """Write into the status of pods what a kubelet would: that their first container runs `image_id`."""
    for each in pods:
        container = each["spec"]["containers"][0]
        status = {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": image_id,
                    "ready": True,
                    "restartCount": 0,
                }
            ],
        }
        metadata = each["metadata"]
        patch = ("--subresource=status", "--type=merge", f"--patch={json.dumps({'status': status})}")
        api.kubectl("patch", "pod", metadata["name"], f"--namespace={metadata['namespace']}", *patch)
