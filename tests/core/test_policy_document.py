"""The ImagePolicy document: what it means, and everything that can be wrong with it."""

from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from typing import Any

import pytest

from tests.core.policies import Path, complete, errors, files, parse, plain, public_pem, replaced, without, written
from webhook.core.errors import ParseError
from webhook.core.policy import (
    BaseEvidence,
    BaseRequirement,
    EndOfLife,
    Exemption,
    KeyAuthority,
    Mode,
    Requirements,
    Revocation,
)
from webhook.core.policy_reading.document import MAX_POLICY_BYTES
from webhook.core.references import Digest, Glob, Repository
from webhook.core.workloads import ContainerKind

RULES: Path = ("spec", "rules")
REQUIRE: Path = (*RULES, 0, "require")


def test_a_policy_is_read_into_values() -> None:
    """Every key of a policy that uses them all arrives where it belongs."""
    policy = parse(complete())

    assert policy.name == "production"
    assert [authority.name for authority in policy.authorities][:2] == ["docker-dhi", "release"]
    assert [len(authority.keys) for authority in policy.authorities if isinstance(authority, KeyAuthority)] == [2, 1]
    assert policy.authorities[0].annotations == {"env": "production"}
    assert policy.authorities[1].repositories == (Glob("registry.example/**"), Glob("dhi.io/*"))
    assert policy.bases[0].repository == Repository(registry="dhi.io", path="python")
    assert policy.bases[0].tags == (Glob("3.13*"),)
    assert policy.bases[0].signed_by == ("docker-dhi", "release")
    assert policy.bases[0].mirrors == (Repository(registry="registry.example", path="mirror/dhi-python"),)
    assert str(policy.bases[0].attestations) == "registry.scout.docker.com/example/dhi-python"
    assert policy.registries[0].host == "registry.example"
    assert policy.registries[0].mirrors == ("cache.example",)
    assert str(policy.registries[0].signatures) == "sigs.example/all"
    assert str(policy.registries[0].ca_pem).startswith("-----BEGIN CERTIFICATE-----")
    assert policy.revoked == (Revocation(digest=Digest.parse(f"sha256:{'a' * 64}"), reason="leaked token in layer 4"),)
    assert policy.pin_tags


def test_rules_are_read_into_values() -> None:
    """Rules, their requirements and their cases arrive with everything that is said about them."""
    production, system, rest = parse(complete()).rules

    assert isinstance(production.outcome, Requirements)
    assert production.outcome.signatures
    assert production.outcome.signatures.authorities == ("release", "docker-dhi")
    assert production.outcome.signatures.at_least == 2
    assert production.outcome.non_root
    assert production.outcome.base == BaseRequirement(
        repositories=(Repository(registry="dhi.io", path="python"),),
        variants=("runtime",),
        max_age=timedelta(days=60),
        max_lag=timedelta(days=14),
        fips=True,
        evidence=(BaseEvidence.LAYERS, BaseEvidence.PROVENANCE),
    )
    debugging, agent = production.cases
    assert debugging.containers == frozenset({ContainerKind.EPHEMERAL})
    assert debugging.groups == frozenset({"sre"})
    assert agent.images == (Glob("vendor.example/agent"),)
    assert agent.outcome == Exemption(reason="PLAT-112", expires=date(2027, 3, 31))
    assert system.outcome == Exemption(reason="cluster add-ons", expires=date(2027, 3, 31))
    assert (rest.namespaces, rest.mode) == (None, Mode.WARN)


def test_defaults_are_the_safe_ones() -> None:
    """What is left out is enforced, pinned, of the runtime variant, and denied past its end of life."""
    policy = parse(plain())
    (rule,) = policy.rules

    assert rule.mode is Mode.ENFORCE
    assert isinstance(rule.outcome, Requirements)
    assert rule.outcome.pinned
    assert rule.outcome.base == BaseRequirement(variants=("runtime",), end_of_life=EndOfLife.DENY)
    assert rule.outcome.signatures
    assert rule.outcome.signatures.at_least == 1
    assert not policy.pin_tags


def test_a_policy_may_be_written_as_yaml_with_comments() -> None:
    """YAML and JSON are read alike, and a day needs no quotes."""
    policy = parse(
        """
        apiVersion: dhi-gate.dev/v1alpha1
        kind: ImagePolicy
        metadata: {name: small}   # a comment
        spec:
          rules:
            - name: system
              namespaces: [kube-system]
              exempt: {reason: add-ons, expires: 2027-03-31}
            - name: rest
              require: {}
        """
    )

    assert policy.rules[0].outcome == Exemption(reason="add-ons", expires=date(2027, 3, 31))


def test_a_misspelt_key_is_named_with_the_likely_one() -> None:
    """An unknown key is told with its path and the key that was probably meant, whatever its case."""
    document = replaced(complete(), (*RULES, 2), {"name": "x", "require": {"base": {"maxage": "60d"}}})

    assert errors(document) == ('spec.rules[2].require.base: unknown key "maxage", did you mean "maxAge"?',)


def test_an_unknown_key_like_no_other_is_named() -> None:
    """An unknown key that resembles none is told without a guess."""
    assert errors(replaced(plain(), ("spec", "x"), 1)) == ('spec: unknown key "x"',)


def test_all_errors_come_together_in_document_order() -> None:
    """Every error of a document is told at once, in the order in which a reader meets them."""
    text = """
        kind: ImagePolicy
        apiVersion: dhi-gate.dev/v2
        spec:
          rules:
            - {name: a, namespaces: [Prod], require: {signatures: {from: [nobody]}, user: root}}
            - {name: a, mode: strict, require: {}, exempt: {reason: x}}
          pinTags: "yes"
          pinTags: true
          bases: []
          authoritys: []
        metadata: {}
    """

    assert errors(text) == (
        'apiVersion: expected "dhi-gate.dev/v1alpha1", found "dhi-gate.dev/v2"',
        "spec.rules[0].namespaces[0]: `Prod` is not a namespace glob (lower-case letters, digits, hyphens and *)",
        "spec.rules[0].require.signatures.from[0]: no authority has this name",
        'spec.rules[0].require.user: expected "nonRoot", found "root"',
        'spec.rules[1]: has more than one of "require" and "exempt"; exactly one is needed',
        'spec.rules[1].name: another one is named "a" already',
        'spec.rules[1].mode: expected "enforce", "warn" or "audit", found "strict"',
        "spec.pinTags: expected true or false, found text",
        'spec: key "pinTags" stands twice (again in line 9)',
        "spec.bases: is an empty list; leave the key out or name something",
        'spec: unknown key "authoritys", did you mean "authorities"?',
        'metadata: misses the key "name"',
    )


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("metadata",), "production", "metadata: expected a mapping, found text"),
        (("metadata", "name"), 3, "metadata.name: expected text, found the number 3 (quote it if it is text)"),
        (("metadata", "name"), "", "metadata.name: is empty"),
        (("spec",), None, "spec: expected a mapping, found nothing"),
        (RULES, {}, "spec.rules: expected a list, found a mapping"),
        (RULES, "all", "spec.rules: expected a list, found text"),
        ((*RULES, 0), [], "spec.rules[0]: expected a mapping, found a list"),
        ((*REQUIRE, "pinned"), "false", "spec.rules[0].require.pinned: expected true or false, found text"),
        ((*REQUIRE, "base"), None, "spec.rules[0].require.base: expected a mapping, found nothing"),
        ((*REQUIRE, "base", "variants"), [], "is an empty list; leave the key out or name something"),
        ((*REQUIRE, "base", "maxAge"), "60", "a duration is a whole number of days, hours or minutes"),
        ((*REQUIRE, "base", "endOfLife"), "allow", 'expected "deny" or "warn", found "allow"'),
        ((*REQUIRE, "base", "repositories"), ["dhi.io/node"], "spec.bases does not list this repository"),
        ((*REQUIRE, "base", "repositories"), ["dhi.io/pyton"], ', did you mean "dhi.io/python"?'),
        ((*REQUIRE, "signatures", "from"), ["releas"], 'no authority has this name, did you mean "release"?'),
        ((*REQUIRE, "signatures", "from"), ["release", "release"], "from[1]: stands in this list twice"),
        ((*REQUIRE, "signatures", "atLeast"), 0, "is less than 1: no signature at all would be enough"),
        ((*REQUIRE, "signatures", "atLeast"), True, "expected a whole number, found true"),
        ((*REQUIRE, "signatures", "atLeast"), False, "expected a whole number, found false"),
        ((*REQUIRE, "signatures", "atLeast"), 3, "3 can never be reached"),
        ((*RULES, 0, "except", 0, "containers"), ["sidecar"], 'expected "main", "init", "ephemeral" or "volume"'),
        ((*RULES, 0, "except", 0, "digests"), [], "is an empty list; leave the key out or name something"),
        ((*RULES, 0, "except", 0, "digests"), ["latest"], "except[0].digests[0]: "),
        ((*RULES, 0, "except", 1, "name"), "debugging", 'another one is named "debugging" already'),
        ((*RULES, 0, "except", 1, "exempt", "reason"), "", "is empty"),
        ((*RULES, 1, "exempt", "expires"), "31.3.2027", "`31.3.2027` is not a day such as 2027-03-31"),
        ((*RULES, 2, "namespaces"), ["x"], "the last rule speaks about all other namespaces and names none"),
        (
            (*RULES, 2),
            {"name": "rest", "exempt": {"reason": "x", "expires": "2027-03-31"}},
            "spec.rules[2].exempt.expires: the last rule may be exempt only without an end, since nothing follows it",
        ),
        (
            (*RULES, 1),
            {"name": "early", "require": {}},
            'spec.rules[1]: misses the key "namespaces"; only the last rule speaks about all other namespaces',
        ),
        (
            (*RULES, 1),
            {"name": "early", "namespaces": ["x"]},
            'spec.rules[1]: has none of "require" and "exempt"; exactly one is needed',
        ),
        (
            (*RULES, 0, "except", 0),
            {"name": "open", "exempt": {"reason": "x"}},
            "names no containers, images, digests or groups, so it would replace the whole rule",
        ),
        (("spec", "bases", 0, "signedBy"), ["nobody"], "spec.bases[0].signedBy[0]: no authority has this name"),
        (("spec", "bases", 0, "mirrors"), ["dhi.io/python"], "mirrors: a repository is no mirror of itself"),
        (("spec", "bases", 0, "repository"), "dhi.io/python:3", "a repository has neither tag nor digest"),
        (("spec", "bases", 0, "attestations"), "a.example/b:3", "attestations: `a.example/b:3` is an image"),
        (("spec", "registries", 0, "signatures"), "a.example/b:3", "signatures: `a.example/b:3` is an image"),
        (("spec", "registries", 0, "mirrors"), ["REGISTRY.example"], "mirrors: a registry is no mirror of itself"),
        (("spec", "registries", 0, "ca", "file"), "release.pem", "ca.file: is not a list of certificates (PEM)"),
        (("spec", "registries", 0, "ca", "file"), "missing.pem", "`missing.pem` cannot be read: No such file"),
        (("spec", "registries", 0, "ca", "file"), "/etc/ca.pem", "a file is named relative to the policy"),
        (("spec", "registries", 0, "ca", "file"), "a\nb", "is not a file name"),
        (("spec", "revoked", 0, "digest"), "sha256:abc", "is not 64 lower-case hexadecimal digits"),
        (("spec", "revoked"), [{"digest": f"sha256:{'a' * 64}", "reason": "x"}] * 2, "stands in this list twice"),
        (("spec", "authorities", 0, "key", "file"), "release.pem", 'has more than one of "data" and "file"'),
        (("spec", "authorities", 0, "key", "transparencyLog"), "never", 'expected "ignore" or "require"'),
        (("spec", "authorities", 0, "annotations"), {}, "is an empty mapping; leave the key out or name something"),
        (("spec", "authorities", 0, "annotations"), {"a": 1}, "annotations.a: expected text, found the number 1"),
        (("spec", "authorities", 0, "annotations"), {"a b": 1.5}, 'annotations."a b": expected text, found the number'),
        (("spec", "authorities", 0, "annotations"), {"": "x"}, "is not the name of an annotation"),
        (("spec", "authorities", 1, "key", "file"), "missing.pem", "`missing.pem` cannot be read: No such file"),
        (("spec", "authorities", 1, "name"), "docker-dhi", 'another one is named "docker-dhi" already'),
    ],
)
def test_each_mistake_is_named(path: Path, value: object, expected: str) -> None:
    """A value that cannot be is refused at its place, and says what was expected."""
    found = errors(replaced(complete(), path, value))

    assert any(expected in error for error in found), found


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (("apiVersion",), 'misses the key "apiVersion"'),
        (("metadata",), 'misses the key "metadata"'),
        (("spec",), 'misses the key "spec"'),
        (RULES, 'spec: misses the key "rules"'),
        ((*RULES, 0, "name"), 'spec.rules[0]: misses the key "name"'),
        ((*REQUIRE, "signatures", "from"), 'spec.rules[0].require.signatures: misses the key "from"'),
        ((*RULES, 1, "exempt", "reason"), 'spec.rules[1].exempt: misses the key "reason"'),
        (
            ("spec", "authorities", 0, "key"),
            'spec.authorities[0]: has none of "key" and "keyless" and "notation"; exactly one is needed',
        ),
        (("spec", "bases", 0, "tags"), 'spec.bases[0]: misses the key "tags"'),
        (("spec", "registries", 0, "ca", "file"), 'spec.registries[0].ca: misses the key "file"'),
    ],
)
def test_each_key_that_must_be_there_is_missed(path: Path, expected: str) -> None:
    """A key that must be there and is not is named at the mapping that lacks it, once."""
    assert errors(without(complete(), path)) == (expected,)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ((*REQUIRE, "content"), {}),
        ((*REQUIRE, "pod"), {}),
        ((*REQUIRE, "base", "intact"), True),
    ],
)
def test_what_is_not_decided_yet_is_refused(path: Path, value: object) -> None:
    """A key of the contract that this version does not decide is refused by its path, never accepted and ignored."""
    assert errors(replaced(complete(), path, value)) == (f"not supported yet: {written(path)}",)


@pytest.mark.parametrize("path", [("spec", "authorities", 0, "key", "data"), ("spec", "authorities", 1, "key", "file")])
def test_a_private_key_is_refused_and_not_repeated(path: Path) -> None:
    """A private key in place of a public one is refused without being shown."""
    secret = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg"
    pem = f"-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----\n"
    value = pem if path[-1] == "data" else "secret.pem"

    (error,) = errors(replaced(complete(), path, value), read_file=files(secret_pem=pem.encode()))

    assert error.startswith(f"{written(path)}: holds a private key")
    assert secret not in error


def test_a_private_key_beside_a_certificate_is_refused() -> None:
    """A file of certificates that holds a private key as well is refused."""
    both = b"-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\nMIGHAgEA\n"
    document = replaced(complete(), ("spec", "registries", 0, "ca", "file"), "both.pem")

    assert errors(document, read_file=files(both_pem=both)) == (
        "spec.registries[0].ca.file: holds a private key; the certificates alone are needed",
    )


def test_a_file_that_the_reader_refuses_is_named() -> None:
    """What the reader of files says about a file is told at the key that names the file."""

    def read_file(name: str) -> bytes:
        raise ParseError("", f"is larger than allowed ({len(name)})")

    assert errors(complete(), read_file=read_file)[0] == (
        "spec.authorities[1].key.file: `release.pem` cannot be read: is larger than allowed (11)"
    )


def test_two_authorities_with_one_key_are_one_signer() -> None:
    """More signers than there are keys can never be had, so asking for them is an error."""
    document = plain()
    document["spec"]["authorities"].append({"name": "twin", "key": {"data": public_pem("release")}})
    document["spec"]["rules"][0]["require"]["signatures"] = {"from": ["release", "twin"], "atLeast": 2}

    (error,) = errors(document)

    assert error.startswith("spec.rules[0].require.signatures.atLeast: 2 can never be reached")


def test_a_broken_declaration_is_not_complained_about_at_its_uses() -> None:
    """Where the names of authorities and bases cannot be told, the rules that use them are not blamed."""
    document = plain()
    document["spec"]["authorities"] = [{"name": "Release", "key": {"data": public_pem("release")}}]
    document["spec"]["bases"][0]["repository"] = "dhi.io/Python"
    document["spec"]["rules"][0]["require"]["base"] = {"repositories": ["dhi.io/python"]}

    assert [error.split(":")[0] for error in errors(document)] == [
        "spec.authorities[0].name",
        "spec.bases[0].repository",
    ]


def test_a_rule_cannot_ask_for_a_base_where_none_is_approved() -> None:
    """A rule that asks for a base is an error in a policy that approves none."""
    assert errors(without(plain(), ("spec", "bases"))) == (
        "spec.rules[0].require.base: asks for an approved base, but spec.bases lists none",
    )


def test_a_case_may_list_digests() -> None:
    """The digests of a case are read as what they are."""
    listed = f"sha256:{'a' * 64}"
    (rule, *_) = parse(replaced(complete(), (*RULES, 0, "except", 0, "digests"), [listed])).rules

    assert rule.cases[0].digests == frozenset({Digest.parse(listed)})


def test_the_last_rule_may_be_exempt_without_an_end() -> None:
    """The rule for all other namespaces may be an exemption if it has no end."""
    (rule,) = parse(replaced(plain(), RULES, [{"name": "rest", "exempt": {"reason": "trial"}}])).rules

    assert rule.outcome == Exemption(reason="trial")


def test_the_digest_covers_the_document_and_its_files() -> None:
    """The digest is that of the document and of its files in order, each after its length."""
    document = replaced(plain(), ("spec", "authorities", 0, "key"), {"file": "release.pem"})
    data, key = json.dumps(document).encode(), public_pem("release").encode()

    expected = hashlib.sha256(len(data).to_bytes(8, "big") + data + len(key).to_bytes(8, "big") + key)

    assert str(parse(document).digest) == f"sha256:{expected.hexdigest()}"


def test_a_document_that_is_no_mapping_is_refused() -> None:
    """A document that is a list, a word or nothing is no policy."""
    assert errors("[]") == ("expected a mapping, found a list",)
    assert errors("") == ("is empty",)


def test_a_document_that_is_too_large_is_refused() -> None:
    """A document of more than 1 MiB is not read."""
    assert errors("#" * (MAX_POLICY_BYTES + 1)) == ("is larger than 1,048,576 bytes",)


def test_a_list_that_holds_several_mistakes_tells_them_all() -> None:
    """One broken item of a list does not hide the next."""
    document: dict[str, Any] = replaced(plain(), ("spec", "bases"), [{"repository": 1}, {"tags": ["3"]}])

    assert len([error for error in errors(document) if error.startswith("spec.bases")]) == 5
