"""The result of a workload or of a container, as a word in its colour."""

from __future__ import annotations

from webhook.core.reporting.document import WorkloadDocument
from webhook.core.reporting.page.markup import Markup, element
from webhook.core.verdicts import Result

__all__ = ["MEANINGS", "ORDER", "badge", "is_drifted"]

MEANINGS = {
    Result.FAIL: "breaks an enforced rule",
    Result.ERROR: "could not be judged",
    Result.WARN: "warned about",
    Result.PASS: "in order",
    Result.SKIP: "exempt, not judged",
}

ORDER = {result.value: number for number, result in enumerate(Result)}
"""How bad a result is: the worst is 0."""


def badge(result: str) -> Markup:
    """Return the result as the report names it. The word says it all; the colour only helps."""
    return element("span", result, class_=f"result {result}" if result in ORDER else "result")


def is_drifted(workload: WorkloadDocument) -> bool:
    """Whether something runs that the images of the workload do not mean today."""
    return any(container.seen == "running" for container in workload.containers)
