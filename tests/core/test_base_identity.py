"""What a base is comes from its verified config, and must fit its repository and its tag."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.given import NOW
from tests.core.test_ancestry import platform_image
from webhook.core.bases.identity import BaseIdentity, Unfit, identify, tag_contradiction, variant_by_tags
from webhook.core.facts import PlatformImage
from webhook.core.references import Repository
from webhook.demo.bases import dhi_base
from webhook.demo.images import build
from webhook.demo.layers import EMPTY_TAR, Layer

PYTHON = Repository.parse("dhi.io/python")
PREFIX = "com.docker.dhi."


def labelled(image: PlatformImage | None = None, /, **labels: str | None) -> PlatformImage:
    """Return a base with other labels; None removes one."""
    image = image or platform_image(dhi_base())
    changed = {f"{PREFIX}{KEYS.get(key, key)}": value for key, value in labels.items()}
    merged = {key: value for key, value in {**image.config.labels, **changed}.items() if value is not None}
    return replace(image, config=replace(image.config, labels=merged))


KEYS = {"chain_id": "chain-id", "end_of_life": "date.end-of-life"}


def identity(image: PlatformImage, repository: Repository = PYTHON) -> BaseIdentity:
    """Return the identity of a base that has one."""
    found = identify(image, repository, now=NOW)
    assert isinstance(found, BaseIdentity), found
    return found


def objection(image: PlatformImage, repository: Repository = PYTHON) -> str:
    """Return why something is not a base."""
    found = identify(image, repository, now=NOW)
    assert isinstance(found, Unfit)
    return found.why


def test_a_hardened_image_tells_what_it_is() -> None:
    """Every field comes from the labels of the config, but the chain ID, which is computed."""
    base = dhi_base(created=datetime(2026, 11, 20, 10, tzinfo=UTC))
    expected = BaseIdentity(
        chain_id=base.chain_id,
        variant="runtime",
        version="3.13.9-debian13",
        distro="debian-13",
        definition="image/python/debian-13/3.13",
        created=datetime(2026, 11, 20, 10, tzinfo=UTC),
        end_of_life=date(2029, 10, 31),
        user="65532",
    )

    assert expected == identity(platform_image(base))


def test_a_base_without_labels_is_told_by_its_config() -> None:
    """A company's own base needs no labels of Docker: nothing contradicts, and the config gives age and user."""
    plain = platform_image(build(None, [{"etc/os": b"x"}], user="1000", created=datetime(2026, 11, 1, tzinfo=UTC)))
    found = identity(plain)

    assert (
        found.variant,
        found.version,
        found.distro,
        found.definition,
        found.end_of_life,
    ) == (None, None, "", "", None)
    assert (datetime(2026, 11, 1, tzinfo=UTC), "1000") == (found.created, found.user)


@pytest.mark.parametrize(
    ("repository", "name", "fits"),
    [
        ("dhi.io/python", "dhi/python", True),
        ("registry.example/mirrors/dhi-python", "dhi/python", True),
        ("docker.io/shop/python", "dhi/dhi-python", True),
        ("dhi.io/python", "dhi/node", False),
        ("dhi.io/python-fips", "dhi/python", False),
        ("dhi.io/python", "dhi/my-dhi-python", False),
        ("dhi.io/python", "", True),
    ],
)
def test_the_name_must_be_that_of_the_repository(repository: str, name: str, fits: bool) -> None:  # noqa: FBT001
    """The last segments must agree, a leading `dhi-` aside: a signed node image is no python base."""
    found = identify(labelled(name=name), Repository.parse(repository), now=NOW)

    assert fits == isinstance(found, BaseIdentity)


def test_a_chain_id_in_the_labels_must_be_the_computed_one() -> None:
    """A label is never believed: absent, the chain is computed; wrong, the base is refused."""
    assert identity(labelled(chain_id=None)).chain_id == dhi_base().chain_id
    assert "its layers make" in objection(labelled(chain_id=f"sha256:{'0' * 64}"))


def test_a_base_of_empty_layers_is_refused() -> None:
    """With a base that holds nothing, every image would descend from it; one without layers likewise."""
    empty = Layer(tar=EMPTY_TAR, blob=EMPTY_TAR, media_type="application/vnd.oci.image.layer.v1.tar")

    assert objection(platform_image(build(None, [empty, empty]))) == "it has no layer that holds anything"
    assert objection(platform_image(build(None, []))) == "it has no layer that holds anything"


def test_a_base_from_the_future_is_refused() -> None:
    """Ten minutes are forgiven to clocks, more to nobody, whichever field says it."""
    soon, later = NOW + timedelta(minutes=10), NOW + timedelta(minutes=11)

    assert identity(labelled(created=soon.isoformat())).created == soon
    assert "future" in objection(labelled(created=later.isoformat()))
    assert "future" in objection(platform_image(build(None, [{"a": b""}], created=later)))


def test_the_creation_label_beats_the_config() -> None:
    """Reproducible builds date their config with the epoch; the label tells the age, to the microsecond."""
    base = labelled(platform_image(dhi_base()), created="2026-11-01T12:00:00.123456789+02:00")

    assert datetime(2026, 11, 1, 10, 0, 0, 123456, tzinfo=UTC) == identity(base).created
    assert platform_image(dhi_base()).config.created == identity(labelled(created="")).created


@pytest.mark.parametrize(
    ("label", "value", "why"),
    [
        ("created", "yesterday", "no instant"),
        ("created", "2026-11-01T12:00:00", "no instant"),
        ("created", "0001-01-01T00:00:00+14:00", "no instant"),
        ("end_of_life", "soon", "no day"),
        ("end_of_life", "2029-13-01", "no day"),
        ("variant", "run time", "no word"),
        ("definition", "image\n/python", "no word"),
        ("distro", "x" * 300, "no word"),
        ("version", "3.13-dev", "does not fit its version"),
        ("variant", "dev", "does not fit its version"),
    ],
)
def test_labels_that_cannot_be_read_are_refused(label: str, value: str, why: str) -> None:
    """What a label means is never guessed, and hostile text is not repeated as it is."""
    found = objection(labelled(**{label: value}))

    assert why in found
    assert "\n" not in found


@pytest.mark.parametrize(("version", "variant"), [("3.13-dev", "dev"), ("3.13", "runtime"), (None, None)])
def test_a_missing_variant_is_told_by_the_version(version: str | None, variant: str | None) -> None:
    """The version label of a development image ends with `-dev`."""
    assert variant == identity(labelled(variant=None, version=version)).variant


def test_an_absent_end_of_life_is_none() -> None:
    """Most hardened images have no such date."""
    assert identity(platform_image(dhi_base(end_of_life=None))).end_of_life is None


@pytest.mark.parametrize(
    "tag",
    ["3", "3.13", "3.13.9", "3.13.9-debian13", "3.13-debian", "3-debian13", "latest", "3.13_custom", "v3.13", "stable"],
)
def test_tags_that_fit(tag: str) -> None:
    """A tag may say less than the labels, or nothing that could be compared."""
    assert tag_contradiction(identity(platform_image(dhi_base())), tag) is None


@pytest.mark.parametrize(
    ("tag", "why"),
    [
        ("3.14", "version"),
        ("3.13.10", "version"),
        ("3.1", "version"),
        ("2", "version"),
        ("v4", "version"),
        ("3.13-dev", "variant"),
        ("3.13-dev_custom", "variant"),
        ("dev", "variant"),
        ("3.13-alpine", "distribution"),
        ("3.13-debian12", "distribution"),
        ("3.13-alpine3.24-fips", "distribution"),
    ],
)
def test_tags_that_contradict_the_labels(tag: str, why: str) -> None:
    """An old or other build under a tag of another version, variant or distribution is refused."""
    found = tag_contradiction(identity(platform_image(dhi_base())), tag)

    assert found is not None
    assert f"its {why} is" in found.why


def test_a_development_image_needs_a_development_tag() -> None:
    """The variant of the label and the end of the tag say the same, both ways."""
    dev = identity(platform_image(dhi_base(variant="dev")))

    assert tag_contradiction(dev, "3.13-dev") is None
    assert tag_contradiction(dev, "3.13-debian13-dev_tools") is None
    assert tag_contradiction(dev, "3.13") is not None


@pytest.mark.parametrize(
    ("tags", "variant"),
    [(("1.2",), "runtime"), (("1.2-dev",), "dev"), (("1.2", "1.2-dev_x"), "dev"), (("dev",), "dev"), ((), "runtime")],
)
def test_without_labels_the_tags_tell_the_variant(tags: tuple[str, ...], variant: str) -> None:
    """One development tag is enough: the stricter reading holds."""
    assert variant == variant_by_tags(tags)


@given(st.lists(st.integers(min_value=0, max_value=30), min_size=1, max_size=4), st.data())
def test_a_prefix_of_the_version_always_fits(parts: list[int], data: st.DataObject) -> None:
    """Whatever the version, each of its dotted beginnings is a tag that fits, and a changed part never does."""
    version = ".".join(map(str, parts))
    known = replace(identity(platform_image(dhi_base())), version=f"{version}-debian13")
    length = data.draw(st.integers(min_value=1, max_value=len(parts)))
    changed = [*parts[: length - 1], parts[length - 1] + 1]

    assert tag_contradiction(known, ".".join(map(str, parts[:length]))) is None
    assert tag_contradiction(known, ".".join(map(str, changed))) is not None
