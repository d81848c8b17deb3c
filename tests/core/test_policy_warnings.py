"""What a policy may say and probably does not mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.core.policies import Path, complete, parse, plain, public_pem, replaced
from webhook.core.policy_reading.warnings import warnings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RULES: Path = ("spec", "rules")


def warned(document: dict[str, Any], *, as_of: datetime = NOW) -> tuple[str, ...]:
    """Return the warnings about a policy that can be used."""
    return tuple(str(warning) for warning in warnings(parse(document), as_of=as_of))


def exempt_case(**selectors: list[str]) -> dict[str, Any]:
    """Return a policy whose only rule exempts what the selectors pick."""
    document = plain()
    document["spec"]["rules"][0]["except"] = [{"name": "case", **selectors, "exempt": {"reason": "x"}}]
    return document


def test_ordinary_policies_are_not_warned_about() -> None:
    """A policy that means what it says gives no warning."""
    assert warned(plain()) == ()
    assert warned(complete()) == ()


def test_an_authority_that_nobody_asks_for_is_told() -> None:
    """An authority that no rule and no base names may be a name that was meant elsewhere."""
    document = plain()
    document["spec"]["authorities"].append({"name": "idle", "key": {"data": public_pem("idle")}})

    assert warned(document) == ("spec.authorities[1]: no rule and no base asks for `idle`",)


def test_two_authorities_with_one_key_are_told() -> None:
    """Authorities that share a key count as one signer, which their author may not have meant."""
    document = plain()
    document["spec"]["authorities"].append({"name": "twin", "key": {"data": public_pem("release")}})
    document["spec"]["rules"][0]["require"]["signatures"]["from"].append("twin")

    assert warned(document) == (
        "spec.authorities[1]: shares a key or an identity with `release`; the two count as one signer",
    )


def test_a_base_that_no_rule_admits_is_told() -> None:
    """A base that no rule asks for serves nothing."""
    document = plain()
    document["spec"]["bases"].append({"repository": "dhi.io/node", "tags": ["24"], "signedBy": ["release"]})
    document["spec"]["rules"][0]["require"]["base"] = {"repositories": ["dhi.io/python"]}

    assert warned(document) == ("spec.bases[1]: no rule asks for a base that may be `dhi.io/node`",)


def test_a_base_that_its_signer_may_not_sign_is_told() -> None:
    """An authority that is limited to other repositories can never vouch for the base."""
    document = replaced(plain(), ("spec", "authorities", 0, "repositories"), ["registry.example/**"])

    assert warned(document) == (
        "spec.bases[0].signedBy: `release` cannot vouch for this base: its `repositories` leave it out",
    )


def test_an_expired_exemption_is_told() -> None:
    """An exemption holds through its last day; from the next on, its author is told that it does not."""
    assert warned(complete(), as_of=datetime(2027, 3, 31, 23, 59, tzinfo=UTC)) == ()
    assert warned(complete(), as_of=datetime(2027, 4, 1, tzinfo=UTC)) == (
        "spec.rules[0].except[1].exempt.expires: expired on 2027-03-31; this no longer matches",
        "spec.rules[1].exempt.expires: expired on 2027-03-31; this no longer matches",
    )


def test_a_rule_that_asks_for_nothing_is_told() -> None:
    """A rule that does not even ask for a digest lets anything run."""
    document = replaced(complete(), (*RULES, 2), {"name": "rest", "require": {"pinned": False}})

    assert warned(document) == ("spec.rules[2].require: asks for nothing: any image that exists may run",)


def test_a_variant_that_no_catalog_knows_is_told() -> None:
    """A variant that does not exist is probably misspelt, and would deny everything."""
    document = replaced(plain(), (*RULES, 0, "require", "base"), {"variants": ["runtime", "develop"]})

    assert warned(document) == ("spec.rules[0].require.base.variants: `develop` is none of runtime, dev, helm",)


def test_an_exempt_rule_for_all_the_rest_is_told() -> None:
    """An exemption without namespaces exempts whatever is created later."""
    document = replaced(complete(), (*RULES, 2), {"name": "rest", "exempt": {"reason": "x"}})

    assert warned(document) == ("spec.rules[2]: exempts every namespace that no rule above it speaks about",)


@pytest.mark.parametrize("glob", ["*", "a*", "*-b*"])
def test_a_wide_namespace_glob_on_an_exempt_rule_is_told(glob: str) -> None:
    """An exemption whose glob fixes next to nothing exempts more than its author may see."""
    document = replaced(complete(), (*RULES, 1, "namespaces"), [glob, "kube-*"])

    assert f"spec.rules[1].namespaces: `{glob}` is a wide glob for an exemption" in warned(document)


@pytest.mark.parametrize("glob", ["**", "registry.example/**", "registry.example/*/*", "*/nginx", "*.example/a"])
def test_a_wide_image_glob_on_an_exempt_case_is_told(glob: str) -> None:
    """An exemption for a whole registry, or for any registry, is told."""
    assert warned(exempt_case(images=[glob])) == (
        f"spec.rules[0].except[0].images: `{glob}` is a wide glob for an exemption",
    )


def test_a_narrow_image_glob_on_an_exempt_case_is_fine() -> None:
    """An exemption for some images of one registry is what exemptions are for."""
    assert warned(exempt_case(images=["registry.example/agents/**"])) == ()


def test_an_exempt_case_that_names_no_images_is_told() -> None:
    """An exemption by container kind or group alone covers any image."""
    assert warned(exempt_case(containers=["init"])) == ("spec.rules[0].except[0]: exempts images without naming any",)


def test_an_exempt_case_that_lists_digests_is_fine() -> None:
    """Exactly these bytes are as narrow as an exemption can be, whatever their names are."""
    assert warned(exempt_case(digests=[f"sha256:{'0' * 64}"], images=["**"])) == ()


@pytest.mark.parametrize("earlier", ["prod-*", "*"])
def test_a_glob_that_is_never_reached_is_told(earlier: str) -> None:
    """A rule whose namespaces all belong to an earlier rule never speaks."""
    document = replaced(complete(), (*RULES, 1), {"name": "late", "namespaces": ["prod-*"], "require": {}})
    document = replaced(document, (*RULES, 0, "namespaces"), [earlier])

    assert warned(document) == ("spec.rules[1].namespaces: `prod-*` is never reached: rule `production` comes first",)


def test_what_follows_an_exemption_with_an_end_is_reached() -> None:
    """A rule behind an exemption that will expire waits for its turn."""
    document = complete()
    document["spec"]["rules"].insert(2, {"name": "later", "namespaces": ["kube-system"], "require": {}})

    assert warned(document) == ()
