"""One thing is let through now, by an exemption in the policy file of a running gate."""

from pathlib import Path

import pytest

from tests.e2e.answers import create
from tests.e2e.conftest import register
from tests.e2e.objects import pod, pod_spec
from tests.e2e.site import Site
from tests.e2e.tools.processes import ApiServer, wait_until
from webhook.core.references import ImageReference

pytestmark = pytest.mark.e2e

COUNTER = 'dhi_gate_exemptions_total{type="except"} '


def test_an_exemption_in_the_file_is_in_force_within_seconds(tmp_path: Path, api: ApiServer, site: Site) -> None:
    """It lets in what it names and nothing else, is counted and logged, and ends when it is taken out."""
    policy, catalog = site.copy_documents(tmp_path)
    strict = policy.read_text()
    repository = str(ImageReference.parse(site.images["stranger"]).repository)
    exempt = f'exempt: {{reason: "INC-7", expires: 2999-12-31}}, images: ["{repository}"]'
    with site.gate(tmp_path, documents=(policy, catalog)) as gate:
        namespace = register(api, gate, site, name="glass").create("prod-glass")

        def admitted(image: str) -> bool:
            return create(api, pod("api", namespace, pod_spec(site.images[image])), dry_run=True).allowed

        def used() -> float:
            (line,) = (line for line in gate.metrics().splitlines() if line.startswith(COUNTER))
            return float(line.removeprefix(COUNTER))

        assert not admitted("stranger")
        before = used()

        policy.write_text(strict.replace("except:\n", f"except:\n        - {{name: inc-7, {exempt}}}\n", 1))
        wait_until(lambda: admitted("stranger"), "the exemption", timeout_s=10)

        assert used() > before
        skipped = [one for one in gate.events() if one["event"] == "decision" and one.get("result") == "skip"]
        assert skipped[-1]["rule"] == "production"
        assert not admitted("unsigned")

        policy.write_text(strict)
        wait_until(lambda: not admitted("stranger"), "the end of the exemption", timeout_s=10)
