"""Stand-ins for Docker Hardened Images: their labels, layers and users, without their content.

Source of the labels: the third-party outputs and catalog files of docker-hardened-images/catalog; the exact annotations
of a real index are not published, those here are what moby/policy-helpers `image/dhi.go` looks for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from webhook.core.manifests import Platform
from webhook.core.references import Digest
from webhook.demo.documents import timestamp
from webhook.demo.images import AMD64, DEFAULT_CREATED, BuiltImage, BuiltIndex, Child, build, chain_id, index
from webhook.demo.layers import Compression, Entry, File, Layer, Link, MediaFamily

__all__ = ["dhi_base", "dhi_index"]

_NONROOT = "65532"
_RELEASED = date(2024, 10, 7)


def dhi_base(
    name: str = "python",
    version: str = "3.13",
    variant: str = "runtime",
    distro: str = "debian-13",
    *,
    created: datetime = DEFAULT_CREATED,
    end_of_life: date | None = date(2029, 10, 31),
    platform: Platform = AMD64,
    full_version: str | None = None,
    fips: bool = False,
    compression: Compression = Compression.ZSTD,
    family: MediaFamily = MediaFamily.OCI,
) -> BuiltImage:
    """Make one platform of a hardened image; another `created` is another build with another chain.

    `variant` is `runtime` or `dev`. The development build stands on the very layers of the runtime build of the same
    moment and adds a shell and a package manager, and its user is root. `full_version` is what the version label
    begins with (`3.13.13`), by default `version` and a patch level.
    """
    contents = _layers(name=name, version=version, variant=variant, distro=distro, created=created, platform=platform)
    layers = [Layer.of(files, compression=compression, family=family) for files in contents]
    labels = _labels(
        name=name,
        version=version,
        variant=variant,
        distro=distro,
        created=created,
        end_of_life=end_of_life,
        full_version=full_version or f"{version}.9",
        fips=fips,
    )
    chain = chain_id([layer.diff_id for layer in layers])
    return build(
        None,
        layers,
        platform=platform,
        user="root" if variant == "dev" else _NONROOT,
        labels={"com.docker.dhi.chain-id": str(chain), **labels},
        created=created,
        family=family,
    )


def dhi_index(bases: Sequence[BuiltImage], *, family: MediaFamily = MediaFamily.OCI) -> BuiltIndex:
    """Offer the platforms of one hardened image as Docker does: build IDs on the children, a title on the index."""
    children = [
        Child(
            image=base,
            platform=base.platform,
            annotations={"com.docker.dhi.build.id": Digest.of(base.config).hex[:32]},
        )
        for base in bases
    ]
    labels = bases[0].labels
    return index(
        children,
        family=family,
        annotations={
            "org.opencontainers.image.title": f"{labels['com.docker.dhi.name']}:{labels['com.docker.dhi.version']}",
            "org.opencontainers.image.description": labels["com.docker.dhi.title"],
        },
    )


def _layers(
    *, name: str, version: str, variant: str, distro: str, created: datetime, platform: Platform
) -> list[dict[str, Entry]]:
    """Return the files of each layer, base first; the last of the runtime build differs from build to build."""
    system, _, release = distro.partition("-")
    root: dict[str, Entry] = {
        "etc/": File(mode=0o755),
        "etc/os-release": f'PRETTY_NAME="Docker Hardened Images ({system} {release})"\nID={system}\n'.encode(),
        "etc/passwd": b"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532::/home/nonroot:/sbin/nologin\n",
        "home/nonroot/": File(mode=0o700, uid=65532, gid=65532),
        "tmp/": File(mode=0o1777),
    }
    program: dict[str, Entry] = {
        "usr/bin/": File(mode=0o755),
        f"usr/bin/{name}{version}": File(content=f"{name} {version} for {platform}\n".encode(), mode=0o755),
        f"usr/bin/{name}": Link(target=f"{name}{version}"),
    }
    packages: dict[str, Entry] = {f"var/lib/db/{name}.status": f"Built: {timestamp(created)}\n".encode()}
    tools: dict[str, Entry] = {
        "bin/": File(mode=0o755),
        "bin/sh": File(content=f"shell for {platform}\n".encode(), mode=0o755),
        f"usr/bin/{_package_manager(distro)}": File(content=f"packages for {platform}\n".encode(), mode=0o755),
    }
    return [root, program, packages, *([tools] if variant == "dev" else [])]


def _labels(
    *,
    name: str,
    version: str,
    variant: str,
    distro: str,
    created: datetime,
    end_of_life: date | None,
    full_version: str,
    fips: bool,
) -> dict[str, str]:
    """Return all `com.docker.dhi.*` labels but the chain ID."""
    dev = variant == "dev"
    suffix = f"{'-fips' if fips else ''}{'-dev' if dev else ''}"
    shell = "busybox" if distro.startswith("alpine") else "bash"
    values = {
        "compliance": "fips,stig,cis" if fips else "cis",
        "created": timestamp(created),
        "date.release": _RELEASED.isoformat(),
        **({"date.end-of-life": end_of_life.isoformat()} if end_of_life else {}),
        "definition": f"image/{name}/{distro}/{version}{suffix}",
        "distro": distro,
        "entitlement": "enterprise" if fips else "public",
        "flavor": "",
        "name": f"dhi/{name}",
        "package-manager": _package_manager(distro) if dev else "",
        "shell": shell if dev else "",
        "title": f"{name.capitalize()} {version}.x",
        "url": f"https://dhi.io/catalog/{name}",
        "variant": variant,
        "version": f"{full_version}-{distro.replace('-', '')}{suffix}",
    }
    return {f"com.docker.dhi.{key}": value for key, value in values.items()}


def _package_manager(distro: str) -> str:
    return "apk" if distro.startswith("alpine") else "apt"
