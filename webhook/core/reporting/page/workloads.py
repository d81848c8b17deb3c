"""The workloads by namespace: a row for each, which opens to show its containers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import UNSET

from webhook.core.reading.plain_text import counted
from webhook.core.reporting.document import ContainerDocument, WorkloadDocument
from webhook.core.reporting.folding import Section, codes_of
from webhook.core.reporting.page.markup import Content, Markup, element
from webhook.core.reporting.page.results import badge, is_drifted
from webhook.core.reporting.page.verdicts import DistinctVerdicts, verdict_of
from webhook.core.reporting.wording import results_counted

__all__ = ["CHANGES", "NO_NAMESPACE", "namespaces_markup", "shown_namespace"]

NO_NAMESPACE = "no namespace"
"""Shown for what has none. No namespace of Kubernetes has a space in its name."""

CHANGES = {"newly-refused": "newly refused", "newly-admitted": "newly admitted"}


def shown_namespace(section: Section) -> str:
    """Return by what name a namespace is shown, and chosen."""
    return NO_NAMESPACE if section.namespace is None else section.namespace


def namespaces_markup(sections: Iterable[Section], verdicts: DistinctVerdicts) -> Markup:
    """Return a section for each namespace, with a row for each of its workloads."""
    return element("div", *(_namespace(section, verdicts) for section in sections), id="rows")


def _namespace(section: Section, verdicts: DistinctVerdicts) -> Markup:
    namespace = shown_namespace(section)
    return element(
        "section",
        element("h3", element("span", namespace), element("span", results_counted(section), class_="quiet")),
        *(_row(workload, verdicts) for workload in section.workloads),
        class_="namespace",
        data_namespace=namespace,
    )


def _row(workload: WorkloadDocument, verdicts: DistinctVerdicts) -> Markup:
    codes = codes_of(workload)
    drifted = is_drifted(workload)
    unjudged = workload.unjudged
    change = "" if workload.change is UNSET else workload.change
    return element(
        "details",
        element(
            "summary",
            badge(workload.result),
            element("span", element("span", f"{workload.kind} ", class_="kind"), workload.name, class_="name"),
            None if workload.pods is UNSET else element("span", counted(workload.pods, "pod"), class_="pods"),
            element(
                "span",
                element("span", CHANGES[change], class_="mark") if change in CHANGES else None,
                element("span", "drift", class_="mark") if drifted else None,
                *(element("code", code, class_="code") for code in codes),
                element("span", unjudged, class_="trouble") if unjudged else None,
                class_="codes",
            ),
        ),
        *_particulars(workload),
        element("ul", *(_use(container, verdicts) for container in workload.containers), class_="uses")
        if workload.containers
        else None,
        class_="row",
        data_result=workload.result,
        data_codes=" ".join(codes) or None,
        data_change=change or None,
        data_drift=drifted,
    )


def _particulars(workload: WorkloadDocument) -> Sequence[Markup]:
    """Say what is true of the whole workload: why it has no containers, what a reader must know, where it stands."""
    origin = workload.origin
    told: tuple[tuple[str, str], ...] = (
        *((("Could not be judged", workload.unjudged),) if workload.unjudged else ()),
        *(() if workload.because is UNSET else (("No images", workload.because),)),
        *(() if workload.notes is UNSET else (("Note", note) for note in workload.notes)),
        *(() if origin is UNSET else (("File", f"{origin.file}, line {origin.line}"),)),
    )
    return tuple(element("p", element("b", label), element("span", text), class_="particular") for label, text in told)


def _use(container: ContainerDocument, verdicts: DistinctVerdicts) -> Markup:
    number = verdicts.numbers[verdict_of(container)]
    return element(
        "li",
        element(
            "p",
            badge(container.result),
            element("b", container.name),
            element("code", container.image, class_="image"),
            element("a", f"V{number}", href=f"#v{number}", title="the whole verdict"),
        ),
        element("p", container.field, _seen(container), class_="quiet"),
        data_verdict=number,
    )


def _seen(container: ContainerDocument) -> Content:
    """Say where an image was seen, if it is not in what the workload itself names."""
    pods = counted(0 if container.pods is UNSET else container.pods, "pod")
    if container.seen == "running":
        return element("span", f"drift: other bytes than the image names today run in {pods}", class_="mark")
    return (
        element("span", f"named by {pods} only, not by the template", class_="mark")
        if container.seen == "pod"
        else None
    )
