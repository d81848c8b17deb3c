"""What real cosign signs with a real Sigstore, and what the gate says of it."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from tests.e2e.clients import ClientHome
from tests.e2e.gate import dhi_gate, make_certificates
from tests.e2e.keyless import Identity, KeylessCosign, keyless, logged_key, person, workflow, write_policy
from tests.e2e.pushed import Bundle, bundle_of, push_image, push_with_bundle
from tests.e2e.tools import processes
from tests.e2e.tools.processes import ProcessFailedError
from tests.e2e.tools.real_sigstore import SigstoreStand, sigstore

pytestmark = pytest.mark.e2e

EMAIL = "alice@shop.example"
SOURCE = "shop/api"
SBOM: Mapping[str, object] = {"spdxVersion": "SPDX-2.3", "name": "api"}

RegistryName = Literal["hub", "plain"]


def scan(*severities: str) -> Mapping[str, object]:
    """Return what a scanner says who found a vulnerability with a fix for each of `severities`, a moment ago."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    found = [
        {"VulnerabilityID": f"CVE-2026-{number}", "Severity": severity, "FixedVersion": "2"}
        for number, severity in enumerate(severities)
    ]
    result = {"SchemaVersion": 2, "Results": [{"Target": "app", "Vulnerabilities": found}]}
    scanner = {"uri": "https://github.com/aquasecurity/trivy", "version": "1", "result": result}
    return {"scanner": scanner, "metadata": {"scanStartedOn": now, "scanFinishedOn": now}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """A Sigstore, a cosign that uses it, two registries, and a policy that trusts the Sigstore."""

    home: ClientHome
    cosign: KeylessCosign
    registries: Mapping[RegistryName, str]  # `hub` has a referrers API, `plain` has none
    policy: Path

    @property
    def alice(self) -> Identity:
        """A person, logged in a moment ago."""
        return person(self.cosign.stand, EMAIL)

    @property
    def release(self) -> Identity:
        """The release workflow, started a moment ago."""
        return workflow(self.cosign.stand, SOURCE)

    def push(self, name: str, *, to: RegistryName = "hub") -> str:
        """Push a new image and return its pinned reference."""
        return push_image(self.home, f"{self.registries[to]}/shop/{name}", name)

    def push_with_bundle(self, name: str, bundle: Bundle, *, copy: str) -> str:
        """Push an image once more, under the name `copy`, with any bundle hanging on it."""
        return push_with_bundle(self.home, f"{self.registries['hub']}/shop/{copy}", name, bundle)

    def expect(self, image: str, rule: str, *codes: str, policy: Path | None = None) -> None:
        """Check an image by one rule: these reason codes, and the exit status that goes with them."""
        flags = [f"--policy={policy or self.policy}", f"--rule={rule}", f"--registry-config={self.home.docker_config}"]
        flags += [f"--insecure-registry={registry}" for registry in self.registries.values()]
        done = dhi_gate("check", image, "--output=json", *flags, status=1 if codes else 0)
        (result,) = json.loads(done.stdout)["results"]
        assert [problem["code"] for problem in result["containers"][0]["problems"]] == list(codes)


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """Run a Sigstore and two registries."""
    folder = tmp_path_factory.mktemp("workshop")
    home = ClientHome.furnish(folder, ca_file=make_certificates(folder / "certificates").ca, passwords={})
    with (
        sigstore(folder) as stand,
        processes.oci_registry(folder) as hub,
        processes.oci_registry(folder, referrers=False) as plain,
    ):
        yield Workshop(
            home=home,
            cosign=KeylessCosign(home, stand),
            registries={"hub": hub, "plain": plain},
            policy=write_trusting_policy(folder / "policy.yaml", stand),
        )


def write_trusting_policy(path: Path, stand: SigstoreStand) -> Path:
    """Write a policy with an authority for every way to name an identity, and a rule for each of them."""
    people, workflows = stand.people.url, stand.workflows.url
    main = f"https://github.com/{SOURCE}/.github/workflows/release.yml@refs/heads/main"
    authorities = {
        "alice": keyless(issuer=people, subject=EMAIL),
        "release": keyless(issuer=workflows, subject=main),
        "any-shop": keyless(issuer=workflows, subjectRegExp=r"https://github\.com/shop/[a-z]+/.*@refs/heads/main"),
        "prefix": keyless(issuer=people, subject=EMAIL.removesuffix("le")),
        "prefix-pattern": keyless(issuer=people, subjectRegExp=r"alice@shop\.examp"),
        "wrong-issuer": keyless(issuer=workflows, subject=EMAIL),
        "logged": logged_key(),
        "wrong-branch": keyless(issuer=workflows, subject=main.replace("main", "next")),
    }
    single = {name: {"signatures": {"from": [name]}} for name in authorities}
    both = {
        "two-signers": {"signatures": {"from": ["alice", "release"], "atLeast": 2}},
        "one-signer-twice": {"signatures": {"from": ["release", "any-shop"], "atLeast": 2}},
    }
    attested = {
        "bill-of-materials": _attestation("https://spdx.dev/Document"),
        "scan": _attestation("https://cosign.sigstore.dev/attestation/vuln/v1", maxAge="1d"),
        "clean-scan": _attestation(
            "https://cosign.sigstore.dev/attestation/vuln/v1", deny={"severities": ["CRITICAL"], "fixedOnly": True}
        ),
    }
    return write_policy(path, authorities=authorities, rules={**single, **both, **attested})


def _attestation(kind: str, **conditions: object) -> Mapping[str, object]:
    return {"attestations": [{"type": kind, "from": ["release"], **conditions}]}


@pytest.fixture(scope="module")
def first(workshop: Workshop) -> str:
    """Return the image whose signature is the first entry of the log."""
    image = workshop.push("first")
    workshop.cosign.sign(image, workshop.alice)
    return image


def test_the_first_entry_of_a_log(workshop: Workshop, first: str) -> None:
    """A log that holds one entry proves it with no hashes, which its client leaves out of the bundle."""
    (entry,) = bundle_of(first)["verificationMaterial"]["tlogEntries"]
    assert "hashes" not in entry["inclusionProof"]

    workshop.expect(first, "alice")


@pytest.mark.parametrize("registry", ["hub", "plain"])
@pytest.mark.parametrize("rule", ["alice", "release", "any-shop"])
@pytest.mark.usefixtures("first")
def test_an_identity_is_enough(workshop: Workshop, rule: str, registry: RegistryName) -> None:
    """A certificate, a log entry and a timestamp are a signature, with and without a referrers API."""
    image = workshop.push(f"{rule}-{registry}", to=registry)
    workshop.cosign.sign(image, workshop.alice if rule == "alice" else workshop.release)

    workshop.expect(image, rule)


@pytest.mark.parametrize("rule", ["prefix", "prefix-pattern", "wrong-issuer", "release"])
def test_another_identity_is_refused(workshop: Workshop, first: str, rule: str) -> None:
    """An identity counts as a whole and with its issuer."""
    workshop.expect(first, rule, "untrusted-signer")


@pytest.mark.usefixtures("first")
def test_another_branch_is_refused(workshop: Workshop) -> None:
    """The workflow on another branch, and that of a fork, are other identities."""
    stand = workshop.cosign.stand
    image = workshop.push("branch")
    for who in (workflow(stand, SOURCE, ref="refs/heads/evil"), workflow(stand, "shop-evil/api")):
        workshop.cosign.sign(image, who)

    for rule in ("release", "wrong-branch", "any-shop"):
        workshop.expect(image, rule, "untrusted-signer")


def test_cosign_says_the_same(workshop: Workshop, first: str) -> None:
    """Cosign itself accepts the one and refuses the other."""
    people = workshop.cosign.stand.people.url
    workshop.cosign.verify(first, issuer=people, subject=EMAIL)
    with pytest.raises(ProcessFailedError, match="no matching"):
        workshop.cosign.verify(first, issuer=people, subject=EMAIL.removesuffix("le"))


@pytest.mark.usefixtures("first")
def test_two_signers_are_two_identities(workshop: Workshop) -> None:
    """Two signatures by one identity are one signer, whatever the authorities are called."""
    image = workshop.push("two")
    for _ in range(2):
        workshop.cosign.sign(image, workshop.release)
    workshop.expect(image, "two-signers", "untrusted-signer")
    workshop.expect(image, "one-signer-twice", "untrusted-signer")

    workshop.cosign.sign(image, workshop.alice)
    workshop.expect(image, "two-signers")


@pytest.mark.parametrize(("kind", "predicate"), [("spdxjson", SBOM), ("vuln", scan())])
@pytest.mark.usefixtures("first")
def test_an_attestation_is_no_signature(workshop: Workshop, kind: str, predicate: Mapping[str, object]) -> None:
    """Who attested what is in an image has not signed it."""
    image = workshop.push(f"attested-{kind}")
    workshop.cosign.attest(image, workshop.release, kind=kind, predicate=predicate)

    workshop.expect(image, "release", "unsigned")


@pytest.fixture(scope="module")
def bundles(workshop: Workshop, first: str) -> tuple[Bundle, Bundle]:
    """Return two genuine bundles of one signer, over the images `victim` and `other`."""
    images = [workshop.push(name) for name in ("victim", "other")]
    for image in images:
        workshop.cosign.sign(image, workshop.release)
    victim, other = (bundle_of(image) for image in images)
    return victim, other


def test_a_genuine_bundle_can_be_carried(workshop: Workshop, bundles: tuple[Bundle, Bundle]) -> None:
    """The same bytes on the same image in another repository are the same signature."""
    workshop.expect(workshop.push_with_bundle("victim", bundles[0], copy="carried"), "release")


@pytest.mark.parametrize("part", ["certificate", "tlogEntries", "timestampVerificationData"])
def test_a_part_of_another_signature_is_refused(workshop: Workshop, bundles: tuple[Bundle, Bundle], part: str) -> None:
    """Certificate, log entry and timestamp of another signature by the same identity vouch for nothing here."""
    victim, other = bundles
    mixed = {**victim["verificationMaterial"], part: other["verificationMaterial"][part]}
    bundle = {**victim, "verificationMaterial": mixed}

    workshop.expect(
        workshop.push_with_bundle("victim", bundle, copy=f"mixed-{part.lower()}"), "release", "invalid-signature"
    )


def test_a_bundle_of_another_image_is_refused(workshop: Workshop, bundles: tuple[Bundle, Bundle]) -> None:
    """A genuine signature over another image is none over this one."""
    workshop.expect(workshop.push_with_bundle("victim", bundles[1], copy="moved"), "release", "invalid-signature")


def test_a_sigstore_that_nobody_trusts(workshop: Workshop, tmp_path: Path) -> None:
    """The right names, certified and logged by strangers, are worth nothing."""
    home = ClientHome.furnish(tmp_path, ca_file=workshop.home.ca_file, passwords={})
    with sigstore(tmp_path) as stand:
        image = workshop.push("strangers")
        KeylessCosign(home, stand).sign(image, person(stand, EMAIL))
        theirs = keyless(issuer=stand.people.url, subject=EMAIL)
        policy = write_policy(
            workshop.home.folder / "strangers.yaml",
            authorities={"alice": theirs},
            rules={"alice": {"signatures": {"from": ["alice"]}}},
        )

    workshop.expect(image, "alice", "invalid-signature", policy=policy)


def test_a_signature_that_no_log_has_seen(workshop: Workshop) -> None:
    """A classic signature with a certificate and a timestamp alone is not enough: nobody could see it being misused."""
    image = workshop.push("unlogged")
    workshop.cosign.sign_without_log(image, workshop.release)

    workshop.expect(image, "release", "invalid-signature")


@pytest.mark.parametrize(("logged", "codes"), [(True, ()), (False, ("invalid-signature",))])
@pytest.mark.usefixtures("first")
def test_a_key_whose_signatures_must_be_logged(workshop: Workshop, codes: tuple[str, ...], *, logged: bool) -> None:
    """An authority that requires the log accepts a key's signature with an entry and refuses it without."""
    image = workshop.push(f"key-{logged}".lower())
    workshop.cosign.sign_with_key(image, logged=logged)

    workshop.expect(image, "logged", *codes)


@pytest.mark.parametrize(
    ("rule", "kind", "predicate", "codes"),
    [
        ("bill-of-materials", "spdxjson", SBOM, ()),
        ("bill-of-materials", "vuln", scan(), ("missing-attestation",)),
        ("scan", "vuln", scan("CRITICAL"), ()),
        ("clean-scan", "vuln", scan("LOW"), ()),
        ("clean-scan", "vuln", scan("LOW", "CRITICAL"), ("failed-attestation",)),
    ],
)
@pytest.mark.usefixtures("first")
def test_what_a_pipeline_attested(
    workshop: Workshop, rule: str, kind: str, predicate: Mapping[str, object], codes: tuple[str, ...]
) -> None:
    """What real cosign attests satisfies the rule that asks for it, as far as it says what the rule wants to hear."""
    image = workshop.push(f"pipeline-{rule}-{kind}-{len(codes)}")
    workshop.cosign.attest(image, workshop.release, kind=kind, predicate=predicate)

    workshop.expect(image, rule, *codes)


@pytest.mark.usefixtures("first")
def test_who_attested_counts(workshop: Workshop) -> None:
    """A bill of materials by somebody else is none, and the pipeline's own is one beside it."""
    image = workshop.push("attested-by-alice")
    workshop.cosign.attest(image, workshop.alice, kind="spdxjson", predicate=SBOM)
    workshop.expect(image, "bill-of-materials", "missing-attestation")

    workshop.cosign.attest(image, workshop.release, kind="spdxjson", predicate=SBOM)
    workshop.expect(image, "bill-of-materials")


@pytest.mark.usefixtures("first")
def test_a_clean_report_hides_no_other(workshop: Workshop) -> None:
    """Of two fresh reports one fails, in whichever order they were signed: a registry may serve an old clean one."""
    image = workshop.push("scanned-twice")
    for severity in ("CRITICAL", "LOW"):
        workshop.cosign.attest(image, workshop.release, kind="vuln", predicate=scan(severity))

    workshop.expect(image, "clean-scan", "failed-attestation")
