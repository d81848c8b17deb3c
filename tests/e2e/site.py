"""Everything that stands before a gate can: registries with images in them, a policy, a catalog, certificates."""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from tests.e2e.applications import APPLICATIONS, WITHDRAWN
from tests.e2e.bases import Bases, publish_bases
from tests.e2e.clients import KEYS, Buildah, ClientHome, Cosign
from tests.e2e.gate import Certificates, Gate, dhi_gate, make_certificates, running_gate
from tests.e2e.tools import processes

POLICY_TEMPLATE = Path(__file__).resolve().parent / "policy.yaml"
USER, PASSWORD = "robot", "wide-open sesame"  # of the registry that asks for a password


class FragileRegistry:
    """A registry that goes down once, when it is told to."""

    def __init__(self, folder: Path) -> None:
        self._stack = ExitStack()
        self.address = self._stack.enter_context(processes.oci_registry(folder))

    def stop(self) -> None:
        """Go down; nothing happens the second time."""
        self._stack.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registries:
    """Addresses of the registries. All applications are in `hub`; the others hold what a test puts there."""

    hub: str  # plain HTTP, with a referrers API
    plain: str  # plain HTTP, without a referrers API
    guarded: str  # Debian's, with TLS and a password; without a referrers API
    fragile: FragileRegistry

    @property
    def flags(self) -> Sequence[str]:
        """The flags by which `dhi-gate serve` reaches those without TLS."""
        plain = (self.hub, self.plain, self.fragile.address)
        return [f"--insecure-registry={address}" for address in plain]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A site that is set up. `images` are the pinned references of the applications in `registries.hub`, by name."""

    home: ClientHome
    cosign: Cosign
    registries: Registries
    certificates: Certificates
    bases: Bases
    images: Mapping[str, str]
    policy: Path
    catalog: Path

    @property
    def registry_flags(self) -> Sequence[str]:
        """The flags by which any command reaches all registries."""
        return [f"--registry-config={self.home.docker_config}", *self.registries.flags]

    def copy_documents(self, folder: Path) -> tuple[Path, Path]:
        """Copy policy and catalog, with what the policy refers to, to where a test may change them; return both."""
        for source in (self.policy, self.catalog, *(self.cosign.public_key(key) for key in KEYS)):
            shutil.copy(source, folder)
        shutil.copytree(self.certificates.folder, folder / "certificates")
        return folder / self.policy.name, folder / self.catalog.name

    @contextmanager
    def gate(
        self,
        folder: Path,
        *,
        documents: tuple[Path, Path] | None = None,
        certificates: Certificates | None = None,
        flags: Sequence[str] = (),
    ) -> Iterator[Gate]:
        """Run a gate with the site's policy and catalog, or with other `documents`, until the end of the block."""
        policy, catalog = documents or (self.policy, self.catalog)
        with running_gate(
            folder,
            policy=policy,
            catalog=catalog,
            certificates=certificates or self.certificates,
            flags=[*self.registry_flags, *flags],
        ) as gate:
            yield gate


@contextmanager
def open_site(folder: Path) -> Iterator[Site]:
    """Set everything up in an empty folder and keep the registries running until the end of the block."""
    certificates = make_certificates(folder / "certificates")
    with ExitStack() as stack:
        fragile = FragileRegistry(folder)
        stack.callback(fragile.stop)
        registries = Registries(
            hub=stack.enter_context(processes.oci_registry(folder)),
            plain=stack.enter_context(processes.oci_registry(folder, referrers=False)),
            guarded=stack.enter_context(
                processes.debian_registry(
                    folder, htpasswd={USER: PASSWORD}, tls=(certificates.certificate, certificates.key)
                )
            ),
            fragile=fragile,
        )
        home = ClientHome.furnish(folder, ca_file=certificates.ca, passwords={registries.guarded: (USER, PASSWORD)})
        cosign = Cosign(home)
        bases = publish_bases(home, cosign, registries.hub)
        images = _publish(home, cosign, registries.hub, bases)
        policy = _write_policy(folder, registries, withdrawn=images[WITHDRAWN.name].partition("@")[2])
        yield Site(
            home=home,
            cosign=cosign,
            registries=registries,
            certificates=certificates,
            bases=bases,
            images=images,
            policy=policy,
            catalog=_sync_catalog(folder, policy, home),
        )


def _publish(home: ClientHome, cosign: Cosign, hub: str, bases: Bases) -> Mapping[str, str]:
    buildah = Buildah(home, registry=hub, build_args={"CHAIN_ID": str(bases.chain_id)})
    return {name: application.publish(buildah, cosign, hub) for name, application in APPLICATIONS.items()}


def _write_policy(folder: Path, registries: Registries, *, withdrawn: str) -> Path:
    """Write the policy beside the public keys and certificates that it refers to; `withdrawn` is a digest."""
    policy = folder / "policy.yaml"
    text = Template(POLICY_TEMPLATE.read_text(encoding="utf-8")).substitute(
        hub=registries.hub,
        plain=registries.plain,
        guarded=registries.guarded,
        fragile=registries.fragile.address,
        withdrawn=withdrawn,
    )
    policy.write_text(text, encoding="utf-8")
    return policy


def _sync_catalog(folder: Path, policy: Path, home: ClientHome) -> Path:
    catalog = folder / "catalog.json"
    flags = (f"--policy={policy}", f"--catalog={catalog}", f"--registry-config={home.docker_config}")
    dhi_gate("catalog", "sync", *flags)
    return catalog
