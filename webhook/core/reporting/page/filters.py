"""The form with which the script narrows the list. Without a script it stays hidden: it could do nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from webhook.core.reading.plain_text import counted
from webhook.core.reporting.folding import Section, codes_of
from webhook.core.reporting.page.markup import Markup, element
from webhook.core.reporting.page.results import ORDER, is_drifted
from webhook.core.reporting.page.workloads import CHANGES, shown_namespace

__all__ = ["filter_form"]


def filter_form(sections: Sequence[Section]) -> Markup:
    """Return a form with a field for text, and a choice of each result, code and namespace that there is."""
    workloads = [workload for section in sections for workload in section.workloads]
    codes = Counter(code for workload in workloads for code in codes_of(workload))
    changes = Counter(workload.change for workload in workloads if workload.change in CHANGES)
    drifted = sum(map(is_drifted, workloads))
    return element(
        "form",
        element(
            "label",
            element("span", "Namespace, workload or image"),
            element("input", type="search", name="q", autocomplete="off", spellcheck="false"),
        ),
        _choice("Code", "code", "any code", ((code, f"{code} ({codes[code]:,})") for code in sorted(codes))),
        _choice("Namespace", "namespace", "all", _namespaces(sections)),
        _choice("Change", "change", "any", ((str(one), f"{CHANGES[str(one)]} ({n:,})") for one, n in changes.items()))
        if changes
        else None,
        _results(Counter(workload.result for workload in workloads)),
        element(
            "label", element("input", type="checkbox", name="drift", value="yes"), f"drift ({drifted:,})", class_="tick"
        )
        if drifted
        else None,
        element("button", "Clear", type="reset"),
        element("output", counted(len(workloads), "workload"), id="shown", role="status"),
        id="filter",
        role="search",
        aria_label="Filter the workloads",
        autocomplete="off",
        hidden=True,
    )


def _namespaces(sections: Sequence[Section]) -> Iterable[tuple[str, str]]:
    counts = {shown_namespace(section): len(section.workloads) for section in sections}
    return ((name, f"{name} ({counts[name]:,})") for name in sorted(counts))


def _choice(label: str, name: str, everything: str, values: Iterable[tuple[str, str]]) -> Markup:
    return element(
        "label",
        element("span", label),
        element(
            "select",
            element("option", everything, value=""),
            *(element("option", text, value=value) for value, text in values),
            name=name,
        ),
    )


def _results(counts: Mapping[str, int]) -> Markup:
    return element(
        "fieldset",
        element("legend", "Result"),
        *(
            element(
                "label",
                element("input", type="checkbox", name="result", value=result),
                f"{result} ({counts[result]:,})",
                class_="tick",
            )
            for result in ORDER
            if counts[result]
        ),
    )
