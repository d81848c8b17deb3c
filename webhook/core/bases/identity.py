"""What a base is: told by its verified config, and only if that fits the repository and the tag it was found under.

The labels are those of Docker Hardened Images (`com.docker.dhi.*`, docker-hardened-images/catalog). They are read only
after the signature over the base has been verified: on any other image they are the author's words.

A base may lack them: a company's own hardened base that the policy lists, or an older image of Docker. What is not
labelled cannot contradict anything; then the tag tells the variant (`-dev` at its end, else `runtime`), the config its
age, and the build has no definition, no distribution and no end of life.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from webhook.core.bases.ancestry import chain_ids, only_empty_layers
from webhook.core.bases.entries import CLOCK_SKEW, calendar_date
from webhook.core.errors import ParseError
from webhook.core.facts import PlatformImage
from webhook.core.reading.plain_text import printable
from webhook.core.references import Digest, Repository

__all__ = ["BaseIdentity", "Unfit", "identify", "tag_contradiction", "variant_by_tags"]

DEV = "dev"
RUNTIME = "runtime"

_PREFIX = "com.docker.dhi."
_WORD = re.compile(r"[A-Za-z0-9._/+-]{1,255}")
_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)")
_DISTRIBUTION = re.compile(r"-(debian|alpine)([0-9.]*)(?=-|$)")
_FRACTION = re.compile(r"(\.\d{6})\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseIdentity:
    """What one platform of a base says about itself, with the chain ID that was computed.

    `version` is the label's (`3.13.13-debian13`), `variant` the label's, or what the version tells; None where there is
    no such label, and `distro` and `definition` are empty then. `created` is the label's, else the config's, None if
    neither is there.
    """

    chain_id: Digest
    variant: str | None
    version: str | None
    distro: str
    definition: str
    created: datetime | None
    end_of_life: date | None
    user: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """Why something is not the base it is offered as, in one clause."""

    why: str


def identify(image: PlatformImage, repository: Repository, *, now: datetime) -> BaseIdentity | Unfit:
    """Read what a verified base is; `repository` is the canonical one, never a mirror's.

    1. It has layers, and not only empty ones: otherwise every image would stand on it.
    2. A chain ID in its labels is the one computed from its diff IDs.
    3. The last segment of its name is that of the repository, a leading `dhi-` on either aside.
    4. Dates can be read, and it was not created in the future (ten minutes are forgiven).
    5. Version and variant say the same about being a development image.
    """
    labels = image.config.labels
    try:
        identity = BaseIdentity(
            chain_id=_chain_id(image, labels),
            variant=_variant(labels),
            version=_word(labels, "version"),
            distro=_word(labels, "distro") or "",
            definition=_word(labels, "definition") or "",
            created=_created(labels) or image.config.created,
            end_of_life=_end_of_life(labels),
            user=image.config.user,
        )
        _check_name(_word(labels, "name"), repository)
    except ParseError as error:
        return Unfit(why=str(error))
    if identity.created is not None and identity.created > now + CLOCK_SKEW:
        return Unfit(why=f"it was created in the future, {identity.created:%Y-%m-%d %H:%M} UTC")
    if identity.variant and identity.version and (identity.variant == DEV) != _is_dev(identity.version):
        return Unfit(why=f"its variant `{identity.variant}` does not fit its version `{identity.version}`")
    return identity


def tag_contradiction(identity: BaseIdentity, tag: str) -> Unfit | None:
    """Tell in which way a base is not what the tag says, as far as tag and labels say anything.

    Tags read `<version>[-<distro>][-<flavor>][-fips][-<variant>]`, and `_<suffix>` for customised images. The version
    of the tag must agree with the label's as far as both are written: `3.13` is `3.13.13`, and `3.14` is not.
    """
    plain = tag.partition("_")[0]
    if identity.variant is not None and (identity.variant == DEV) != _is_dev(plain):
        return Unfit(why=f"its variant is `{identity.variant}`, which the tag `{tag}` does not say")
    wanted, labelled = _VERSION.match(plain), _VERSION.match(identity.version or "")
    if wanted and labelled and not _agree(wanted[1], labelled[1]):
        return Unfit(why=f"its version is `{identity.version}`, which is not the tag's `{tag}`")
    distribution = _DISTRIBUTION.search(plain)
    if distribution and identity.distro and not _is_distribution(identity.distro, distribution[1], distribution[2]):
        return Unfit(why=f"its distribution is `{identity.distro}`, which is not the tag's `{tag}`")
    return None


def variant_by_tags(tags: tuple[str, ...]) -> str:
    """Tell the variant of a base without labels: one tag for development makes it a development image."""
    return DEV if any(_is_dev(tag.partition("_")[0]) for tag in tags) else RUNTIME


def _chain_id(image: PlatformImage, labels: Mapping[str, str]) -> Digest:
    chain = chain_ids(image.config.diff_ids)
    if only_empty_layers(image.config.diff_ids):
        raise ParseError("", "it has no layer that holds anything")
    labelled = labels.get(f"{_PREFIX}chain-id")
    if labelled and labelled != str(chain[-1]):
        raise ParseError("", f"its label says chain ID `{printable(labelled)}`, its layers make {chain[-1]}")
    return chain[-1]


def _variant(labels: Mapping[str, str]) -> str | None:
    variant, version = _word(labels, "variant"), _word(labels, "version")
    if variant is None and version is not None:
        return DEV if _is_dev(version) else RUNTIME
    return variant


def _check_name(name: str | None, repository: Repository) -> None:
    if name is not None and _last_segment(name) != _last_segment(repository.path):
        raise ParseError("", f"its name is `{name}`, which is not {repository}")


def _last_segment(path: str) -> str:
    return path.rpartition("/")[2].removeprefix("dhi-")


def _word(labels: Mapping[str, str], key: str) -> str | None:
    """Return a label, None if it is absent or empty; a ParseError if it holds more than a word or a path."""
    text = labels.get(f"{_PREFIX}{key}")
    if text and not _WORD.fullmatch(text):
        raise ParseError("", f"its label {_PREFIX}{key} is `{printable(text)}`, which is no word")
    return text or None


def _created(labels: Mapping[str, str]) -> datetime | None:
    text = labels.get(f"{_PREFIX}created")
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(_FRACTION.sub(r"\1", text))
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ParseError("", f"its creation label `{printable(text)}` is no instant")


def _end_of_life(labels: Mapping[str, str]) -> date | None:
    text = labels.get(f"{_PREFIX}date.end-of-life")
    if not text:
        return None
    try:
        return calendar_date(text)
    except ParseError:
        raise ParseError("", f"its end-of-life label `{printable(text)}` is no day") from None


def _is_dev(name: str) -> bool:
    """Tell whether a tag or version is that of a development image; the variant always stands last."""
    return name == DEV or name.endswith(f"-{DEV}")


def _agree(one: str, other: str) -> bool:
    """Tell whether two dotted versions are the same as far as both go."""
    return all(left == right for left, right in zip(one.split("."), other.split("."), strict=False))


def _is_distribution(labelled: str, name: str, release: str) -> bool:
    """Tell whether the label (`debian-13`, `alpine-3.24`) is the tag's distribution, of its release if it says one."""
    own_name, _, own_release = labelled.partition("-")
    return own_name == name and (not release or _agree(release, own_release))
