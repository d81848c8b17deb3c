{{/* What the schema cannot say, or could not say in a sentence. Every sentence ends with what to change. */}}
{{- define "dhi-gate.validate" -}}
{{- include "dhi-gate.validatePlace" . }}
{{- include "dhi-gate.validateDocuments" . }}
{{- include "dhi-gate.validateWebhook" . }}
{{- include "dhi-gate.validateAccess" . }}
{{- end }}

{{- define "dhi-gate.validatePlace" -}}
{{- if has .Release.Namespace (list "kube-system" "kube-node-lease" "kube-public" "default") }}
{{- fail (printf "the gate is never asked about the namespace it lives in, so it cannot live in %s: install it into one of its own, with `--namespace dhi-gate --create-namespace`" .Release.Namespace) }}
{{- end }}
{{- if not .Values.image.repository }}
{{- fail "image.repository is empty, and nobody publishes an image for you to trust: build the Dockerfile of dhi-gate, push it, and name it there" }}
{{- end }}
{{- if and (eq .Values.mode "enforce") (lt (int .Values.replicas) 2) }}
{{- fail "mode: enforce with one replica would refuse every pod while that one restarts: set replicas to 2 or more, or mode to warn" }}
{{- end }}
{{- if and .Values.hostNetwork (eq (int .Values.ports.webhook) 10250) }}
{{- fail "hostNetwork with ports.webhook: 10250 would meet the kubelet, which has that port on every node: set ports.webhook to one that is free on your nodes, such as 10260" }}
{{- end }}
{{- end }}

{{- define "dhi-gate.validateDocuments" -}}
{{- $given := list }}
{{- if .Values.policy }}{{ $given = append $given "policy" }}{{ end }}
{{- if .Values.existingPolicy.configMap }}{{ $given = append $given "existingPolicy" }}{{ end }}
{{- if .Values.policyArtifact }}{{ $given = append $given "policyArtifact" }}{{ end }}
{{- if not $given }}
{{- fail "the policy is empty, and a gate without a policy judges nothing: set policy (an ImagePolicy, inline), existingPolicy.configMap or policyArtifact" }}
{{- end }}
{{- if gt (len $given) 1 }}
{{- fail (printf "%s are all given, and only one can count: keep one of them" (join " and " $given)) }}
{{- end }}
{{- if and .Values.policyFiles (not .Values.policy) }}
{{- fail "policyFiles go with an inline policy only: put them into your own ConfigMap or artefact, and leave policyFiles empty" }}
{{- end }}
{{- if and .Values.policy (or (ne (toString .Values.policy.kind) "ImagePolicy") (not (dig "spec" "rules" nil .Values.policy))) }}
{{- fail "policy is no ImagePolicy with rules: give it apiVersion: dhi-gate.dev/v1alpha1, kind: ImagePolicy and spec.rules, as docs/policy.md has it" }}
{{- end }}
{{- range $index, $rule := dig "spec" "rules" list (.Values.policy | default dict) }}
{{- range list "kube-system" "kube-node-lease" }}
{{- if and (has . ($rule.namespaces | default list)) (not $rule.exempt) (eq ($rule.mode | default "enforce") "enforce") }}
{{- fail (printf "policy.spec.rules[%d] enforces %s, and the gate is never asked about that namespace, so that no outage of the gate can stop the cluster: make the rule `exempt`, or take the namespace out of it" $index .) }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .Values.catalog.source "oci" }}
{{- if not (or .Values.catalog.authority (regexMatch "@sha256:[0-9a-f]{64}$" .Values.catalog.artifact)) }}
{{- fail "catalog.artifact must name a digest, or somebody could exchange the catalog: write REPOSITORY@sha256:…, or set catalog.authority to the authority of the policy that signs it" }}
{{- end }}
{{- if .Values.sync.enabled }}
{{- fail "with catalog.source: oci, whoever pushes the artefact runs `catalog sync`: set sync.enabled to false" }}
{{- end }}
{{- else if or .Values.catalog.artifact .Values.catalog.authority }}
{{- fail "catalog.artifact and catalog.authority go with catalog.source: oci: set that, or leave them empty" }}
{{- end }}
{{- end }}

{{- define "dhi-gate.validateWebhook" -}}
{{- if and (eq .Values.webhook.failurePolicy "Fail") (ne .Values.mode "enforce") }}
{{- fail (printf "webhook.failurePolicy: Fail with mode: %s would refuse pods when the gate is down and never otherwise: leave failurePolicy empty, or set mode to enforce" .Values.mode) }}
{{- end }}
{{- $key := "kubernetes.io/metadata.name" }}
{{- $asked := list (get (.Values.webhook.namespaceSelector.matchLabels | default dict) $key) }}
{{- range .Values.webhook.namespaceSelector.matchExpressions }}
{{- if and (eq .key $key) (eq .operator "In") }}
{{- $asked = concat $asked (.values | default list) }}
{{- end }}
{{- end }}
{{- range $asked }}
{{- if has . (list "kube-system" "kube-node-lease" $.Release.Namespace) }}
{{- fail (printf "webhook.namespaceSelector asks for %s, and the gate is never asked about that namespace, so that no outage of the gate can stop the cluster: take it out" .) }}
{{- end }}
{{- end }}
{{- if eq .Values.certs.mode "provided" }}
{{- if not .Values.certs.provided.secretName }}
{{- fail "certs.mode: provided needs your certificate: set certs.provided.secretName to a Secret with tls.crt and tls.key" }}
{{- end }}
{{- if not (contains "-----BEGIN CERTIFICATE-----" .Values.certs.provided.caBundle) }}
{{- fail "certs.mode: provided needs whoever vouches for the certificate: set certs.provided.caBundle to their certificates (PEM)" }}
{{- end }}
{{- else if or .Values.certs.provided.secretName .Values.certs.provided.caBundle }}
{{- fail (printf "certs.provided goes with certs.mode: provided, and the mode is %s: set the mode, or leave certs.provided empty" .Values.certs.mode) }}
{{- end }}
{{- if contains "PRIVATE KEY" .Values.certs.provided.caBundle }}
{{- fail "certs.provided.caBundle holds a private key: take it out, and replace that key, which everybody who reads the release has seen" }}
{{- end }}
{{- end }}

{{- define "dhi-gate.validateAccess" -}}
{{- $pull := .Values.pullSecrets }}
{{- if and $pull.enabled (not .Values.clientCA.configMap) (not $pull.withoutClientCA) }}
{{- fail "pullSecrets.enabled lets whoever reaches the webhook's port have registries asked with other people's secrets: set clientCA.configMap, so that only the API server is served, or accept it with pullSecrets.withoutClientCA: true" }}
{{- end }}
{{- if and (not $pull.enabled) (or $pull.namespaces $pull.withoutClientCA) }}
{{- fail "pullSecrets.namespaces and pullSecrets.withoutClientCA go with pullSecrets.enabled: set that to true, or leave them out" }}
{{- end }}
{{- if and .Values.registry.existingSecret .Values.registry.credHelpers }}
{{- fail "registry.existingSecret and registry.credHelpers are one file to the gate: put the credential helpers into the Secret's `credHelpers`, or leave the Secret out" }}
{{- end }}
{{- if and .Values.guard.enabled (not (or .Values.guard.users .Values.guard.groups)) }}
{{- fail "guard.enabled with nobody in guard.users and guard.groups would keep everybody from changing the webhook configurations: name who may" }}
{{- end }}
{{- end }}
