{{/* What all pods of the release have in common. */}}
{{- define "dhi-gate.podMetadata" -}}
labels:
  {{- include "dhi-gate.labels" . | nindent 2 }}
  {{- with .root.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.podAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dhi-gate.podSettings" -}}
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dhi-gate.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Copies the programs of credential helpers where the containers find them: on their PATH, in /usr/local/bin. */}}
{{- define "dhi-gate.initContainers" -}}
{{- with .Values.registry.helperPrograms }}
initContainers:
  {{- range . }}
  - name: {{ .name }}
    image: {{ .image }}
    command:
      {{- toYaml .command | nindent 6 }}
    securityContext:
      {{- include "dhi-gate.securityContext" $ | nindent 6 }}
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 64Mi}
    volumeMounts:
      - {name: helpers, mountPath: /helpers}
  {{- end }}
{{- end }}
{{- end }}

{{- define "dhi-gate.container" -}}
image: {{ include "dhi-gate.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- include "dhi-gate.securityContext" . | nindent 2 }}
{{- with .Values.extraEnv }}
env:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* /tmp is memory: keys of serving certificates pass through it, and a full disk is then not the gate's end. */}}
{{- define "dhi-gate.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- if .Values.registry.existingSecret }}
- name: registry
  secret:
    secretName: {{ .Values.registry.existingSecret }}
    items: [{key: {{ .Values.registry.key | quote }}, path: config.json}]
{{- else if .Values.registry.credHelpers }}
- name: registry
  configMap:
    name: {{ include "dhi-gate.fullname" . }}-registry
{{- end }}
{{- with .Values.registry.caConfigMap }}
- name: registry-ca
  configMap:
    name: {{ . }}
    items: [{key: {{ $.Values.registry.caKey | quote }}, path: ca.crt}]
{{- end }}
{{- if .Values.registry.helperPrograms }}
- name: helpers
  emptyDir: {sizeLimit: 256Mi}
{{- end }}
{{- end }}

{{- define "dhi-gate.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if or .Values.registry.existingSecret .Values.registry.credHelpers }}
- {name: registry, mountPath: /etc/dhi-gate/registry, readOnly: true}
{{- end }}
{{- if .Values.registry.caConfigMap }}
- {name: registry-ca, mountPath: /etc/dhi-gate/registry-ca, readOnly: true}
{{- end }}
{{- range .Values.registry.helperPrograms }}
- {name: helpers, mountPath: {{ printf "/usr/local/bin/%s" .name }}, subPath: {{ .name }}, readOnly: true}
{{- end }}
{{- end }}

{{/* The pod of a run that ends. Takes {root, component, account, arguments, resources}. */}}
{{- define "dhi-gate.runTemplate" -}}
metadata:
  {{- include "dhi-gate.podMetadata" . | nindent 2 }}
spec:
  serviceAccountName: {{ .account }}
  automountServiceAccountToken: true
  restartPolicy: Never
  {{- include "dhi-gate.podSettings" .root | nindent 2 }}
  {{- with include "dhi-gate.initContainers" .root }}
  {{- . | nindent 2 }}
  {{- end }}
  containers:
    - name: {{ .component }}
      {{- include "dhi-gate.container" .root | nindent 6 }}
      args:
        {{- .arguments | nindent 8 }}
      resources:
        {{- toYaml .resources | nindent 8 }}
      volumeMounts:
        {{- include "dhi-gate.mounts" .root | nindent 8 }}
  volumes:
    {{- include "dhi-gate.volumes" .root | nindent 4 }}
{{- end }}

{{/* The Job of `catalog sync`. Three tries: registries have bad moments. */}}
{{- define "dhi-gate.syncJob" -}}
backoffLimit: 2
template:
  {{- $run := dict "root" . "component" "sync" "account" (printf "%s-sync" (include "dhi-gate.fullname" .)) }}
  {{- include "dhi-gate.runTemplate" (merge $run (dict "arguments" (include "dhi-gate.syncArguments" .) "resources" .Values.sync.resources)) | nindent 2 }}
{{- end }}
