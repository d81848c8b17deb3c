"""Which requests a webhook is asked about: its rules and selectors against those that carry images.

Source: Kubernetes documentation, "Dynamic Admission Control", "Matching requests: rules".
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import product

from webhook.core.diagnosis.intended import NAMESPACE_NAME
from webhook.core.diagnosis.objects import Rule, Selector

__all__ = ["excluded_namespaces", "further_terms", "is_wider", "uncovered"]

OPERATIONS = ("CREATE", "UPDATE")
VERSION = "v1"


def uncovered(rules: Collection[Rule], wanted: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return the requests that no rule speaks about, as `CREATE pods`."""
    return tuple(
        f"{operation} {resource}{f'.{group}' if group else ''}"
        for group, resources in wanted.items()
        for resource, operation in product(resources, OPERATIONS)
        if not any(_covers(rule, group, resource, operation) for rule in rules)
    )


def is_wider(rules: Collection[Rule], wanted: Mapping[str, tuple[str, ...]]) -> bool:
    """Tell whether a rule speaks about more than what is wanted."""
    known = {(group, resource) for group, resources in wanted.items() for resource in resources}
    return any(
        (group, resource) not in known or operation not in OPERATIONS
        for rule in rules
        for group, resource, operation in product(rule.api_groups, rule.resources, rule.operations)
    )


def _covers(rule: Rule, group: str, resource: str, operation: str) -> bool:
    """Tell whether a rule speaks about this request.

    Source: apiserver `plugin/webhook/predicates/rules/rules.go`: `pods/*` speaks about `pods` too, `*` about no
    subresource.
    """
    return (
        rule.scope in ("*", "Namespaced")
        and bool({"*", operation} & set(rule.operations))
        and bool({"*", group} & set(rule.api_groups))
        and bool({"*", VERSION} & set(rule.api_versions))
        and any(_is_resource(each, resource) for each in rule.resources)
    )


def _is_resource(pattern: str, resource: str) -> bool:
    plural, _, subresource = resource.partition("/")
    wanted_plural, _, wanted_subresource = pattern.partition("/")
    return wanted_plural in ("*", plural) and wanted_subresource in ("*", subresource)


def excluded_namespaces(selector: Selector | None) -> frozenset[str]:
    """Return the namespaces that a selector leaves out by their names."""
    return frozenset(
        name
        for term in (selector.match_expressions or () if selector else ())
        if (term.key, term.operator) == (NAMESPACE_NAME, "NotIn")
        for name in term.values or ()
    )


def further_terms(selector: Selector | None) -> tuple[str, ...]:
    """Return the conditions of a selector that are not about names to leave out, as kubectl writes them."""
    return tuple(_further_terms(selector)) if selector else ()


def _further_terms(selector: Selector) -> Iterator[str]:
    for key, value in (selector.match_labels or {}).items():
        yield f"{key}={value}"
    for term in selector.match_expressions or ():
        if (term.key, term.operator) != (NAMESPACE_NAME, "NotIn"):
            values = f" ({', '.join(term.values)})" if term.values else ""
            yield f"{term.key} {term.operator}{values}"
