"""The report as one HTML page that needs nothing else: no network, no server, no script to be read.

The page is a document first. The script that comes with it narrows the list and shows a verdict where it is asked for;
it makes no markup of any text, and its data are the rows themselves. What the page may do at all is said by a Content
Security Policy of its own: load nothing, send nothing, run nothing but this one script.
"""

from __future__ import annotations

from webhook.core.reporting.document import ReportDocument
from webhook.core.reporting.folding import by_namespace
from webhook.core.reporting.page.age_picture import ages_section
from webhook.core.reporting.page.ages import collect_bases
from webhook.core.reporting.page.assets import content_security_policy, script, stylesheet
from webhook.core.reporting.page.causes import causes_section
from webhook.core.reporting.page.filters import filter_form
from webhook.core.reporting.page.heading import headline, page_header
from webhook.core.reporting.page.markup import Markup, element, raw_element
from webhook.core.reporting.page.verdicts import distinct_verdicts, verdicts_section
from webhook.core.reporting.page.workloads import namespaces_markup

__all__ = ["html_page"]


def html_page(report: ReportDocument) -> str:
    """Return the page, in time and length linear in what the report holds. It is written as UTF-8.

    Each text of the report is cut to MAX_SHOWN_CHARACTERS and stands escaped; none of them is a URL but as a fragment
    of this page.
    """
    document = element("html", _head(report), _body(report), lang="en")
    return f"<!doctype html>\n{document.html}\n"


def _head(report: ReportDocument) -> Markup:
    # The policy comes before anything that it speaks about. Source: CSP Level 3, 3.3 "The <meta> element".
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=content_security_policy()),
        element("meta", name="referrer", content="no-referrer"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{headline(report)} (dhi-gate audit)"),
        raw_element("style", stylesheet()),
    )


def _body(report: ReportDocument) -> Markup:
    verdicts = distinct_verdicts(report.results)
    sections = by_namespace(report.results)
    listing = element(
        "section",
        element("h2", "Workloads", id="workloads-heading", tabindex=-1),
        filter_form(sections) if sections else None,
        namespaces_markup(sections, verdicts) if sections else element("p", "There is nothing to list."),
        id="workloads",
        aria_labelledby="workloads-heading",
    )
    main = element(
        "main",
        page_header(report),
        causes_section(sections),
        ages_section(collect_bases(report.results)),
        listing,
        verdicts_section(verdicts) if verdicts.numbers else None,
    )
    return element("body", main, raw_element("script", script()))
