{{/*
On an UPDATE the gate is asked only where an image changes, so that a gate that is down holds up no label, finalizer or
status. Same list with same list: an image that was let in for debugging is news among the containers.
*/}}
{{- define "dhi-gate.imagesChanged" -}}
- name: images-changed
  expression: >-
    request.operation != 'UPDATE' || oldObject == null ||
    object.spec.containers.map(c, c.?image.orValue('')) !=
    oldObject.spec.containers.map(c, c.?image.orValue('')) ||
    object.spec.?initContainers.orValue([]).map(c, c.?image.orValue('')) !=
    oldObject.spec.?initContainers.orValue([]).map(c, c.?image.orValue('')) ||
    object.spec.?ephemeralContainers.orValue([]).map(c, c.?image.orValue('')) !=
    oldObject.spec.?ephemeralContainers.orValue([]).map(c, c.?image.orValue(''))
{{- end }}

{{/* What all entries have in common. Takes {root, path, timeout, failurePolicy}. */}}
{{- define "dhi-gate.webhook" -}}
admissionReviewVersions: [v1]
sideEffects: None
matchPolicy: Equivalent
failurePolicy: {{ .failurePolicy }}
timeoutSeconds: {{ .timeout }}
clientConfig:
  service:
    name: {{ include "dhi-gate.fullname" .root }}
    namespace: {{ .root.Release.Namespace | quote }}
    path: {{ .path }}
    port: 443
  {{- /* Who keeps the bundle in the other modes owns the field: it must not be said here, not even as empty. */}}
  {{- if eq .root.Values.certs.mode "provided" }}
  caBundle: {{ .root.Values.certs.provided.caBundle | b64enc }}
  {{- end }}
namespaceSelector:
  {{- $chosen := .root.Values.webhook.namespaceSelector }}
  {{- with $chosen.matchLabels }}
  matchLabels:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: NotIn
      values: {{ include "dhi-gate.excludedNamespaces" .root }}
    {{- with $chosen.matchExpressions }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}

{{/* Takes {group, resources}. */}}
{{- define "dhi-gate.rule" -}}
- apiGroups: [{{ .group | quote }}]
  apiVersions: [v1]
  operations: [CREATE, UPDATE]
  scope: Namespaced
  resources: [{{ .resources | join ", " }}]
{{- end }}

{{- define "dhi-gate.podRule" -}}
{{ include "dhi-gate.rule" (dict "group" "" "resources" (list "pods" "pods/ephemeralcontainers")) }}
{{- end }}

{{/* Name, labels and annotations of a webhook configuration, which has no namespace. */}}
{{- define "dhi-gate.webhookMetadata" -}}
name: {{ include "dhi-gate.fullname" . }}
labels:
  {{- include "dhi-gate.labels" (dict "root" . "component" "server") | nindent 2 }}
{{- $annotations := deepCopy .Values.webhook.annotations }}
{{- if eq .Values.certs.mode "certManager" }}
{{- $certificate := printf "%s/%s-tls" .Release.Namespace (include "dhi-gate.fullname" .) }}
{{- $annotations = set $annotations "cert-manager.io/inject-ca-from" $certificate }}
{{- end }}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
