"""The chart's alerts and dashboard ask for metrics that are there."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.chart.readme import CHART

OPERATIONS = (CHART.parents[1] / "docs" / "operations.md").read_text(encoding="utf-8")
METRICS = frozenset(re.findall(r"^\| `(dhi_gate_[a-z_]+)`", OPERATIONS, re.MULTILINE))
ALERTS = (CHART / "templates" / "prometheusrule.yaml").read_text(encoding="utf-8")
DASHBOARD = json.loads((CHART / "dashboards" / "dhi-gate.json").read_text(encoding="utf-8"))

# What others export: the API server (stable metrics of its admission plugins) and kube-state-metrics.
FOREIGN = frozenset(
    {
        "apiserver_admission_webhook_fail_open_count",
        "apiserver_admission_webhook_rejection_count",
        "kube_deployment_status_replicas_available",
    }
)


def asked_for(text: str) -> frozenset[str]:
    """Return the metrics that expressions ask for: our own, and names of others before a selector."""
    ours = {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(r"\bdhi_gate_[a-z_]+", text)}
    return frozenset(ours | set(re.findall(r"\b((?:apiserver|kube)_[a-z_]+)\{", text)))


def expressions() -> Iterator[str]:
    """Yield the expressions of the dashboard."""
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def test_alerts_ask_for_what_is_there() -> None:
    """Every metric of an alert is in operations.md, or of a component that is named above; each has its summary."""
    assert asked_for(ALERTS) <= METRICS | FOREIGN
    assert ALERTS.count("- alert:") == ALERTS.count("summary:") == ALERTS.count("severity:")


def test_every_metric_worth_an_alert_has_one() -> None:
    """What operations.md says is worth an alert, of the server's own metrics, is in the chart."""
    section = OPERATIONS.partition("## Alerts worth having")[2].partition("\n## ")[0]

    assert asked_for(section) <= asked_for(ALERTS)


def test_the_dashboard_asks_for_what_is_there() -> None:
    """Every panel asks for metrics that exist, says what it shows, and stands where no other does."""
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]

    assert asked_for(" ".join(expressions())) <= METRICS | FOREIGN
    assert all(panel["description"] for panel in panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
