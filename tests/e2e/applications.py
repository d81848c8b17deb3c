"""The images of these tests: what each is built from, who signs it, and what the gate has to say of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.e2e.clients import Buildah, ClientHome, Cosign, Form, Key

TAG = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An image on its way into a cluster. `codes` are why the gate must refuse it in production, in their order."""

    name: str
    dockerfile: str
    signature: tuple[Key, Form] | None
    codes: tuple[str, ...] = ()
    build_args: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    folder: str = "shop"

    @property
    def path(self) -> str:
        """The repository, without its registry."""
        return f"{self.folder}/{self.name}"

    def publish(self, buildah: Buildah, cosign: Cosign, registry: str) -> str:
        """Build, push and sign the image; return its pinned reference."""
        digest = buildah.build_and_push(
            self.dockerfile, f"{self.path}:{TAG}", build_args=self.build_args, flags=self.flags
        )
        return self._sign(cosign, registry, digest)

    def copy(self, home: ClientHome, cosign: Cosign, image: str, registry: str) -> str:
        """Copy the published `image` to another registry and sign it there; return its pinned reference."""
        home.run("crane", "copy", image.replace(f":{TAG}@", "@"), f"{registry}/{self.path}:{TAG}")
        return self._sign(cosign, registry, image.partition("@")[2])

    def _sign(self, cosign: Cosign, registry: str, digest: str) -> str:
        if self.signature is not None:
            key, form = self.signature
            cosign.sign(f"{registry}/{self.path}@{digest}", key=key, form=form)
        return f"{registry}/{self.path}:{TAG}@{digest}"


RELEASED: tuple[Key, Form] = ("release", "bundle")

GOOD = (
    Application(name="api", dockerfile="hardened", signature=RELEASED),
    Application(name="web", dockerfile="hardened", signature=("release", "classic"), build_args={"RELEASE": "web"}),
    Application(
        name="two-platforms",
        dockerfile="hardened",
        signature=RELEASED,
        flags=("--platform=linux/amd64,linux/arm64",),
    ),
)
BAD = (
    Application(name="unsigned", dockerfile="hardened", signature=None, codes=("unsigned",)),
    Application(name="stranger", dockerfile="hardened", signature=("stranger", "bundle"), codes=("untrusted-signer",)),
    Application(
        name="by-publisher", dockerfile="hardened", signature=("publisher", "classic"), codes=("untrusted-signer",)
    ),
    Application(name="other-base", dockerfile="other-base", signature=RELEASED, codes=("unapproved-base",)),
    Application(name="labelled", dockerfile="labelled", signature=RELEASED, codes=("unapproved-base",)),
    Application(name="copied", dockerfile="copied", signature=RELEASED, codes=("unapproved-base",)),
    Application(
        name="squashed",
        dockerfile="hardened",
        signature=RELEASED,
        codes=("unapproved-base",),
        flags=("--squash",),
    ),
    Application(
        name="development",
        dockerfile="development",
        signature=RELEASED,
        codes=("wrong-variant", "runs-as-root"),
    ),
    Application(name="nothing-right", dockerfile="other-base", signature=None, codes=("unsigned", "unapproved-base")),
)
# Good but for this: the policy has revoked its digest.
WITHDRAWN = Application(
    name="withdrawn",
    dockerfile="hardened",
    signature=RELEASED,
    codes=("revoked",),
    build_args={"RELEASE": "withdrawn"},
)
DATA = (
    Application(name="model", dockerfile="data", signature=RELEASED, folder="data"),
    Application(
        name="unsigned-model",
        dockerfile="data",
        signature=None,
        codes=("unsigned",),
        build_args={"RELEASE": "unsigned"},
        folder="data",
    ),
)
APPLICATIONS: Mapping[str, Application] = {
    application.name: application for application in (*GOOD, *BAD, WITHDRAWN, *DATA)
}
