"""A workshop for the commands that decide: policy and catalog in a folder, a registry on loopback with images in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from tests.loopback import loopback_registry
from tests.shop import Shop
from webhook.cli.main import cli
from webhook.core.bases.document import print_catalog
from webhook.demo.images import push

__all__ = ["Workshop", "deployment", "open_workshop"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A folder with policy and catalog, and a registry with a good and an unsigned image."""

    folder: Path
    good: str
    unsigned: str
    tagged: str
    missing: str

    @property
    def documents(self) -> tuple[str, ...]:
        """The flags that name policy and catalog."""
        return ("--policy", str(self.folder / "policy.yaml"), "--catalog", str(self.folder / "catalog.json"))

    def run(self, command: str, *arguments: str, stdin: bytes | None = None) -> Result:
        """Run a command of `dhi-gate` with policy and catalog, in a home that knows no cluster."""
        environment = {"HOME": str(self.folder), "KUBECONFIG": None, "KUBERNETES_SERVICE_HOST": None}
        return CliRunner().invoke(cli, [command, *self.documents, *arguments], input=stdin, env=environment)

    def check(self, *arguments: str, stdin: bytes | None = None) -> Result:
        """Run `dhi-gate check`."""
        return self.run("check", *arguments, stdin=stdin)

    def write(self, name: str, *documents: object) -> str:
        """Write a manifest of these documents and return its path."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump_all(documents))
        return str(path)


@contextmanager
def open_workshop(folder: Path) -> Iterator[Workshop]:
    """Furnish a folder, and keep its registry up until the end of the block."""
    shop = Shop()
    shop.clock.advance((datetime.now(UTC) - shop.clock.now()).total_seconds())
    shop.builds = (shop.record(shop.base),)
    store = shop.registry.store
    good = push(store, "shop/api", shop.app(), tag="1.0")
    shop.release.sign_bundle(store, "shop/api", good)
    unsigned = push(store, "shop/api", shop.app(name="unsigned"))
    keys = {name: getattr(shop, name).public_pem for name in ("docker", "release")}
    (folder / "policy.yaml").write_text(yaml.safe_dump(_policy(**keys)))
    (folder / "catalog.json").write_bytes(print_catalog(shop.catalog))
    with loopback_registry(store) as registry:
        yield Workshop(
            folder=folder,
            good=f"{registry.host}/shop/api@{good}",
            unsigned=f"{registry.host}/shop/api@{unsigned}",
            tagged=f"{registry.host}/shop/api:1.0",
            missing=f"{registry.host}/shop/none@{good}",
        )


def deployment(image: str, **metadata: str) -> dict[str, object]:
    """Return a Deployment of one container."""
    template = {"spec": {"containers": [{"name": "api", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "api", **metadata},
        "spec": {"template": template},
    }


def _policy(docker: str, release: str) -> dict[str, object]:
    wanted = {"signatures": {"from": ["release"]}, "base": {}}
    return {
        "apiVersion": "dhi-gate.dev/v1alpha1",
        "kind": "ImagePolicy",
        "metadata": {"name": "trial"},
        "spec": {
            "authorities": [
                {"name": "docker-dhi", "key": {"data": docker}},
                {"name": "release", "key": {"data": release}},
            ],
            "bases": [{"repository": "dhi.io/python", "tags": ["3.13*"], "signedBy": ["docker-dhi"]}],
            "rules": [
                {"name": "watched", "namespaces": ["watched"], "mode": "warn", "require": wanted},
                {"name": "strict", "require": wanted},
            ],
        },
    }
