{{/* The chart's name, or nameOverride. */}}
{{- define "driftd.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* The name of all objects: the release, or release and chart. 52: the StatefulSet adds a hash of 10 to its pods' labels. */}}
{{- define "driftd.fullname" -}}
{{- $name := include "driftd.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 52 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "driftd.selectorLabels" -}}
app.kubernetes.io/name: {{ include "driftd.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "driftd.labels" -}}
{{ include "driftd.selectorLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/component: monitor
app.kubernetes.io/part-of: {{ include "driftd.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Of `driftd receive`: another name, so that no selector of the monitor chooses its pods. */}}
{{- define "driftd.receiveSelectorLabels" -}}
app.kubernetes.io/name: {{ include "driftd.name" . | trunc 55 }}-receive
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "driftd.receiveLabels" -}}
{{ include "driftd.receiveSelectorLabels" . }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/component: receive
app.kubernetes.io/part-of: {{ include "driftd.name" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "driftd.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "driftd.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "driftd.image" -}}
{{- $image := .Values.image.repository }}
{{- if .Values.image.registry }}
{{- $image = printf "%s/%s" .Values.image.registry $image }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" $image .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" $image (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* "true" where members share models, so that state lies in topics and pods need no volume. */}}
{{- define "driftd.members" -}}
{{- if dig "members" "enabled" false .Values.config }}true{{ end }}
{{- end }}

{{/* "true" where each pod keeps its state on a volume. */}}
{{- define "driftd.persistent" -}}
{{- if and .Values.persistence.enabled (not (include "driftd.members" .)) }}true{{ end }}
{{- end }}

{{- define "driftd.scheme" -}}
{{- if dig "http" "web_config" "" .Values.config }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* Mistakes that Kubernetes would not find. */}}
{{- define "driftd.validate" -}}
{{- if and (gt (int .Values.replicas) 1) (not (include "driftd.members" .)) }}
{{- fail (printf "replicas is %d, but config.members.enabled is not true: each pod would judge a share of every model's events. Set config.members.enabled=true (docs/members.md says which three topics it needs) or replicas=1." (int .Values.replicas)) }}
{{- end }}
{{- if and .Values.persistence.existingClaim (gt (int .Values.replicas) 1) (include "driftd.persistent" .) }}
{{- fail "persistence.existingClaim is one volume and cannot serve several replicas." }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) }}
{{- fail "ingress.hosts: name at least one host." }}
{{- end }}
{{- if hasKey (.Values.config.http | default dict) "listen" }}
{{- fail "config.http.listen is set by the chart (0.0.0.0:9477): remove it, or change service.port." }}
{{- end }}
{{- if hasKey (.Values.config.receive | default dict) "listen" }}
{{- fail "config.receive.listen is set by the chart (0.0.0.0:9478): remove it, or change receive.port." }}
{{- end }}
{{- if hasKey (.Values.config.state | default dict) "directory" }}
{{- fail "config.state.directory is set by the chart (/var/lib/driftd): remove it, or change persistence." }}
{{- end }}
{{- if hasKey (.Values.config.kafka | default dict) "group_instance_id" }}
{{- fail "config.kafka.group_instance_id is the pod's name with this chart: remove it." }}
{{- end }}
{{- end }}

{{/* A label of an alert that depends on its model, as a template of Prometheus; empty where no model has one. */}}
{{- define "driftd.ofModel" -}}
{{- $label := .label }}
{{- $branches := list }}
{{- range $model, $facts := .owners }}
{{- with get $facts $label }}
{{- $segments := printf "%s(/labels)?%s" (regexQuoteMeta $model) (regexQuoteMeta "/segments/") }}
{{- $of := printf "or (eq $labels.model %q %q) (match %q $labels.model)" $model (printf "%s/labels" $model) (printf "^%s" $segments) }}
{{- $branches = append $branches (printf "if %s }}%s{{" $of .) }}
{{- end }}
{{- end }}
{{- if $branches }}
{{- printf "{{ %s end }}" (join " else " $branches) }}
{{- end }}
{{- end }}
