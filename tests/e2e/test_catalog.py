"""The catalog of bases, kept by the real command against a real registry."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.answers import create
from tests.e2e.bases import BASE
from tests.e2e.conftest import register
from tests.e2e.gate import dhi_gate
from tests.e2e.objects import pod, pod_spec
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer, wait_until

pytestmark = pytest.mark.e2e


@pytest.fixture
def documents(tmp_path: Path, site: Site) -> tuple[Path, Path]:
    """Return a policy and a catalog of the test's own."""
    return site.copy_documents(tmp_path)


def read(catalog: Path) -> dict[str, Any]:
    """Return the catalog without what depends on when it was written."""
    document: dict[str, Any] = json.loads(catalog.read_text(encoding="utf-8"))
    del document["metadata"]["syncedAt"]
    for build in document["bases"]:
        del build["lastSeen"]
    return document


def test_it_records_what_is_signed(site: Site) -> None:
    """A sync records both variants for both platforms, by the authority that signed them."""
    bases = read(site.catalog)["bases"]

    found = {(base["variant"], base["platform"]) for base in bases}
    assert {(variant, f"linux/{cpu}") for variant in ("runtime", "dev") for cpu in ("amd64", "arm64")} == found
    assert {base["indexDigest"] for base in bases} == {str(site.bases.runtime), str(site.bases.development)}
    assert {base["verifiedBy"]["authority"] for base in bases} == {"publisher"}
    assert {base["status"] for base in bases} == {"active"}


def test_a_second_sync_changes_nothing(documents: tuple[Path, Path]) -> None:
    """What is on record already stays as it is."""
    policy, catalog = documents
    before = read(catalog)

    dhi_gate("catalog", "sync", f"--policy={policy}", f"--catalog={catalog}")

    assert before == read(catalog)


def test_a_base_that_nobody_signed_is_skipped(documents: tuple[Path, Path], site: Site) -> None:
    """A tag without a valid signature is reported and not recorded, and is no failure of its repository."""
    policy, catalog = documents
    before = read(catalog)
    hub = site.registries.hub
    site.home.run("crane", "copy", f"{hub}/library/python:3.13-slim", f"{hub}/{BASE}:3.13-slim")
    try:
        done = dhi_gate("catalog", "sync", f"--policy={policy}", f"--catalog={catalog}")
    finally:
        site.home.run("crane", "delete", f"{hub}/{BASE}:3.13-slim")

    assert "3.13-slim" in done.stderr
    assert before == read(catalog)


def test_an_older_build_is_enrolled(documents: tuple[Path, Path], site: Site) -> None:
    """`catalog add` records a build that no tag points to any more, `list` and `show` have it."""
    policy, catalog = documents
    name = f"{site.registries.hub}/{BASE}"

    dhi_gate("catalog", "add", f"{name}@{site.bases.old}", f"--policy={policy}", f"--catalog={catalog}")

    listed = dhi_gate("catalog", "list", f"--catalog={catalog}", "--output=name").stdout.split()
    added = [build for build in read(catalog)["bases"] if build["indexDigest"] == str(site.bases.old)]
    assert {build["platform"] for build in added} == {"linux/amd64", "linux/arm64"}
    assert {f"{name}@{build['digest']}" for build in added} <= set(listed)
    assert str(site.bases.old) in dhi_gate("catalog", "show", added[0]["chainID"], f"--catalog={catalog}").stdout


def test_what_another_key_signed_is_not_enrolled(documents: tuple[Path, Path], site: Site) -> None:
    """`catalog add` refuses an image that the listed authority did not sign, and leaves the catalog alone."""
    policy, catalog = documents
    before = catalog.read_bytes()
    hub = site.registries.hub
    forged = site.home.run("crane", "digest", f"{hub}/library/python:3.13-slim").strip()
    site.home.run("crane", "copy", f"{hub}/library/python:3.13-slim", f"{hub}/{BASE}@{forged}")
    site.cosign.sign(f"{hub}/{BASE}@{forged}", key="stranger", form="oci11")

    dhi_gate("catalog", "add", f"{hub}/{BASE}@{forged}", f"--policy={policy}", f"--catalog={catalog}", status=2)

    assert before == catalog.read_bytes()


def test_a_revocation_reaches_the_gate(
    tmp_path: Path, documents: tuple[Path, Path], api: ApiServer, site: Site
) -> None:
    """Once a base is revoked, the running gate refuses what stands on it; other messages stay as they were."""
    _, catalog = documents
    with site.gate(tmp_path, documents=documents) as gate:
        namespace = register(api, gate, site, name="revoking").create("prod-revoking")
        good = pod("good", namespace, pod_spec(site.images["api"]))
        assert create(api, good, dry_run=True).allowed

        chain = str(site.bases.chain_id)
        dhi_gate("catalog", "revoke", chain, "--reason=leaked token in layer 2", f"--catalog={catalog}")
        wait_until(lambda: not create(api, good, dry_run=True).allowed, "the revocation", timeout_s=15)

        refused = create(api, good, dry_run=True)
        assert refused.codes == ("revoked-base",)
        assert "leaked token in layer 2" in refused.message
