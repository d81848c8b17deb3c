{{/* The name of everything in the release. At most 43 characters: a CronJob's name has 52, of which `-catalog` takes 8. */}}
{{- define "dhi-gate.fullname" -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $full | trunc 43 | trimSuffix "-" -}}
{{- end }}

{{- define "dhi-gate.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{/* Labels by which pods are found; they never change. Takes {root, component}. */}}
{{- define "dhi-gate.selector" -}}
app.kubernetes.io/name: {{ include "dhi-gate.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{/* Takes {root, component}. */}}
{{- define "dhi-gate.labels" -}}
{{ include "dhi-gate.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: dhi-gate
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- end }}

{{/* Name, namespace and labels. Takes {root, component} and, optionally, {suffix}. */}}
{{- define "dhi-gate.metadata" -}}
name: {{ include "dhi-gate.fullname" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- include "dhi-gate.labels" . | nindent 2 }}
{{- end }}

{{- define "dhi-gate.image" -}}
{{- $image := .Values.image -}}
{{- $tag := $image.tag | default (ternary "" .Chart.AppVersion (ne $image.digest "")) -}}
{{- $image.repository -}}{{- with $tag }}:{{ . }}{{ end }}{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* What happens to pods when no gate answers. */}}
{{- define "dhi-gate.failurePolicy" -}}
{{- .Values.webhook.failurePolicy | default (ternary "Fail" "Ignore" (eq .Values.mode "enforce")) -}}
{{- end }}

{{/* The namespaces that the gate is never asked about, as a JSON list. */}}
{{- define "dhi-gate.excludedNamespaces" -}}
{{- concat (list "kube-system" "kube-node-lease" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq | toJson -}}
{{- end }}

{{/* The names of the ConfigMaps; the policy's is empty if it is an OCI artefact. */}}
{{- define "dhi-gate.policyConfigMap" -}}
{{- if not .Values.policyArtifact -}}
{{- .Values.existingPolicy.configMap | default (printf "%s-policy" (include "dhi-gate.fullname" .)) -}}
{{- end -}}
{{- end }}

{{- define "dhi-gate.catalogConfigMap" -}}
{{- if eq .Values.catalog.source "configMap" -}}
{{ include "dhi-gate.fullname" . }}-catalog
{{- end -}}
{{- end }}

{{/* The ConfigMaps that the policy and the catalog are in, as a JSON list of names. */}}
{{- define "dhi-gate.documents" -}}
{{- list (include "dhi-gate.policyConfigMap" .) (include "dhi-gate.catalogConfigMap" .) | compact | uniq | toJson -}}
{{- end }}

{{/* Whether the server asks the API server anything. */}}
{{- define "dhi-gate.serverUsesApi" -}}
{{- $asks := or (ne (include "dhi-gate.documents" .) "[]") (eq .Values.certs.mode "selfManaged") .Values.pullSecrets.enabled -}}
{{- ternary "true" "false" $asks -}}
{{- end }}

{{/* The Secret that the serving certificate is mounted from. */}}
{{- define "dhi-gate.tlsSecret" -}}
{{- if eq .Values.certs.mode "provided" -}}
{{ .Values.certs.provided.secretName }}
{{- else -}}
{{ include "dhi-gate.fullname" . }}-tls
{{- end -}}
{{- end }}
