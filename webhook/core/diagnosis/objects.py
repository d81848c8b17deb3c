"""The objects of an installation, as much of each as a doctor looks at. Whatever else they hold is not decoded.

Source: Kubernetes API reference, v1 of admissionregistration.k8s.io, apps, batch, core and rbac.authorization.k8s.io.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

__all__ = [
    "Binding",
    "ClientConfig",
    "Condition",
    "Container",
    "CronJob",
    "Deployment",
    "GuardBinding",
    "GuardPolicy",
    "Metadata",
    "Named",
    "PolicyRule",
    "Role",
    "RoleRef",
    "Rule",
    "Selector",
    "SelectorTerm",
    "ServiceReference",
    "Subject",
    "Webhook",
    "WebhookConfiguration",
]


class _Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Every field that an API server may leave out has a default."""


class Metadata(_Struct, frozen=True):
    """Who an object is."""

    name: str = ""
    namespace: str = ""
    labels: dict[str, str] | None = None


class Named(_Struct, frozen=True):
    """An object of which only its name and its labels matter."""

    metadata: Metadata


class ServiceReference(_Struct, frozen=True):
    """The Service behind a webhook."""

    name: str = ""
    namespace: str = ""
    path: str = ""
    port: int = 443


class ClientConfig(_Struct, frozen=True):
    """Where the API server asks; `ca_bundle` is base64 of PEM."""

    url: str = ""
    service: ServiceReference | None = None
    ca_bundle: str = ""


class Rule(_Struct, frozen=True):
    """Which requests a webhook is asked about."""

    api_groups: list[str] = []
    api_versions: list[str] = []
    operations: list[str] = []
    resources: list[str] = []
    scope: str = "*"


class SelectorTerm(_Struct, frozen=True):
    """One condition on labels."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class Selector(_Struct, frozen=True):
    """Conditions on labels, all of which have to hold; without any, everything is selected."""

    match_labels: dict[str, str] | None = None
    match_expressions: list[SelectorTerm] | None = None


class Condition(_Struct, frozen=True):
    """A CEL expression that has to be true for the webhook to be asked."""

    name: str = ""
    expression: str = ""


class Webhook(_Struct, frozen=True):
    """One entry of a webhook configuration, with the defaults of the API server."""

    name: str = ""
    client_config: ClientConfig = ClientConfig()
    rules: list[Rule] | None = None
    failure_policy: str = "Fail"
    match_policy: str = "Equivalent"
    namespace_selector: Selector | None = None
    object_selector: Selector | None = None
    side_effects: str = ""
    timeout_seconds: int = 10
    admission_review_versions: list[str] | None = None
    match_conditions: list[Condition] | None = None
    reinvocation_policy: str = "Never"


class WebhookConfiguration(_Struct, frozen=True):
    """A ValidatingWebhookConfiguration or a MutatingWebhookConfiguration."""

    metadata: Metadata
    webhooks: list[Webhook] | None = None


class Container(_Struct, frozen=True):
    """A container of the gate's pods."""

    name: str = ""
    image: str = ""
    args: list[str] | None = None


class _PodSpec(_Struct, frozen=True):
    containers: list[Container] = []


class _PodTemplate(_Struct, frozen=True):
    spec: _PodSpec = _PodSpec()


class _DeploymentSpec(_Struct, frozen=True):
    replicas: int = 1
    template: _PodTemplate = _PodTemplate()


class _DeploymentStatus(_Struct, frozen=True):
    ready_replicas: int = 0


class Deployment(_Struct, frozen=True):
    """The gate's Deployment."""

    metadata: Metadata
    spec: _DeploymentSpec = _DeploymentSpec()
    status: _DeploymentStatus = _DeploymentStatus()


class _CronJobSpec(_Struct, frozen=True):
    suspend: bool = False


class _CronJobStatus(_Struct, frozen=True):
    last_successful_time: datetime | None = None


class CronJob(_Struct, frozen=True):
    """A run that comes again and again."""

    metadata: Metadata
    spec: _CronJobSpec = _CronJobSpec()
    status: _CronJobStatus = _CronJobStatus()


class PolicyRule(_Struct, frozen=True):
    """What a role allows."""

    verbs: list[str] = []
    api_groups: list[str] | None = None
    resources: list[str] | None = None
    resource_names: list[str] | None = None


class Role(_Struct, frozen=True):
    """A Role or a ClusterRole, whose aggregated rules the controller manager has filled in."""

    metadata: Metadata
    rules: list[PolicyRule] | None = None


class RoleRef(_Struct, frozen=True):
    """The role that is bound."""

    kind: str = ""
    name: str = ""


class Subject(_Struct, frozen=True):
    """To whom."""

    kind: str = ""
    name: str = ""
    namespace: str = ""


class Binding(_Struct, frozen=True):
    """A RoleBinding or a ClusterRoleBinding."""

    metadata: Metadata
    role_ref: RoleRef = RoleRef()
    subjects: list[Subject] | None = None


class _GuardSpec(_Struct, frozen=True):
    failure_policy: str = "Fail"


class GuardPolicy(_Struct, frozen=True):
    """The ValidatingAdmissionPolicy that guards the webhook configurations."""

    spec: _GuardSpec = _GuardSpec()


class _GuardBindingSpec(_Struct, frozen=True):
    policy_name: str = ""
    validation_actions: list[str] | None = None


class GuardBinding(_Struct, frozen=True):
    """What brings it into force."""

    spec: _GuardBindingSpec = _GuardBindingSpec()
