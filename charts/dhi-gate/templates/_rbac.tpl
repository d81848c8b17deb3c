{{/* Binds a role to an account of the release. Takes {root, component, suffix, namespace, kind, role} and, optionally, {annotations}; with an empty namespace, for the whole cluster. */}}
{{- define "dhi-gate.binding" -}}
apiVersion: rbac.authorization.k8s.io/v1
kind: {{ ternary "RoleBinding" "ClusterRoleBinding" (ne .namespace "") }}
metadata:
  name: {{ .role }}
  {{- with .namespace }}
  namespace: {{ . }}
  {{- end }}
  labels:
    {{- include "dhi-gate.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .role }}
subjects:
  - kind: ServiceAccount
    name: {{ include "dhi-gate.fullname" .root }}{{ .suffix }}
    namespace: {{ .root.Release.Namespace | quote }}
{{- end }}
