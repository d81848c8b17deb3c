{{/* Where the policy and the catalog are, for every command. A catalog behind a tag is believed by its signature. */}}
{{- define "dhi-gate.policyArgument" -}}
{{- if .Values.policyArtifact -}}
- --policy=oci:{{ .Values.policyArtifact }}
{{- else -}}
- --policy=configmap:{{ .Release.Namespace }}/{{ include "dhi-gate.policyConfigMap" . }}/
{{- ternary .Values.existingPolicy.key "policy.yaml" (ne .Values.existingPolicy.configMap "") }}
{{- end }}
{{- end }}

{{- define "dhi-gate.catalogArguments" -}}
{{- if eq .Values.catalog.source "configMap" -}}
- --catalog=configmap:{{ .Release.Namespace }}/{{ include "dhi-gate.catalogConfigMap" . }}/catalog.json
{{- else -}}
- --catalog=oci:{{ .Values.catalog.artifact }}
{{- with .Values.catalog.authority }}
- --catalog-authority={{ . }}
- --catalog-refresh={{ $.Values.catalog.refresh }}
{{- end }}
{{- end }}
{{- end }}

{{/* How registries are reached, for every command. */}}
{{- define "dhi-gate.registryArguments" -}}
{{- if or .Values.registry.existingSecret .Values.registry.credHelpers }}
- --registry-config=/etc/dhi-gate/registry/config.json
{{- end }}
{{- if .Values.registry.caConfigMap }}
- --registry-ca=/etc/dhi-gate/registry-ca/ca.crt
{{- end }}
{{- range .Values.registry.mirrors }}
- --registry-mirror={{ . }}
{{- end }}
{{- range .Values.registry.insecure }}
- --insecure-registry={{ . }}
{{- end }}
{{- end }}

{{- define "dhi-gate.tlsArguments" -}}
{{- $name := include "dhi-gate.fullname" . -}}
{{- if eq .Values.certs.mode "selfManaged" -}}
- --tls-self-managed={{ .Release.Namespace }}/{{ $name }}-ca
- --tls-service={{ .Release.Namespace }}/{{ $name }}
- --tls-webhooks={{ $name }}
{{- else -}}
- --tls-cert=/etc/dhi-gate/tls/tls.crt
- --tls-key=/etc/dhi-gate/tls/tls.key
{{- end }}
{{- if .Values.clientCA.configMap }}
- --client-ca=/etc/dhi-gate/client-ca/ca.crt
{{- end }}
{{- end }}

{{- define "dhi-gate.serverArguments" -}}
- serve
- --mode-ceiling={{ .Values.mode }}
{{ include "dhi-gate.policyArgument" . }}
{{ include "dhi-gate.catalogArguments" . }}
{{- include "dhi-gate.registryArguments" . }}
{{ include "dhi-gate.tlsArguments" . }}
- --port={{ .Values.ports.webhook }}
- --metrics-port={{ .Values.ports.metrics }}
- --trust-cache=/var/cache/dhi-gate
- --drain-seconds={{ .Values.shutdown.drainSeconds }}
- --grace-seconds={{ .Values.shutdown.graceSeconds }}
{{- if .Values.pullSecrets.enabled }}
- --pull-secrets
{{- if .Values.pullSecrets.withoutClientCA }}
- --pull-secrets-without-client-ca
{{- end }}
{{- end }}
{{- with .Values.extraArgs }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "dhi-gate.syncArguments" -}}
- catalog
- sync
{{ include "dhi-gate.policyArgument" . }}
{{ include "dhi-gate.catalogArguments" . }}
{{- include "dhi-gate.registryArguments" . }}
- --timeout={{ .Values.sync.timeout }}
- --no-progress
{{- end }}

{{- define "dhi-gate.auditArguments" -}}
- audit
- --all-namespaces
- --mode-ceiling={{ .Values.mode }}
{{ include "dhi-gate.policyArgument" . }}
{{ include "dhi-gate.catalogArguments" . }}
{{- include "dhi-gate.registryArguments" . }}
- --{{ ternary "" "no-" .Values.audit.pullSecrets }}pull-secrets
{{- if ne .Values.audit.reports "none" }}
- --write-reports
- --report-api={{ .Values.audit.reports }}
{{- end }}
{{- with .Values.audit.pushGateway }}
- --push-gateway={{ . }}
{{- end }}
- --timeout={{ .Values.audit.timeout }}
- --no-progress
{{- end }}
