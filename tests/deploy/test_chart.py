"""The Helm chart: linted and rendered by Helm's engine, valid for Kubernetes, with least rights, clear messages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import helm_python as helm
import jsonschema
import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from driftd import __version__
from driftd.cli import cli
from driftd.config import load
from driftd.config.describe import settings
from driftd.engine.timing import Timing
from tests.deploy.reading import ROOT, read_yaml
from tests.deploy.rendering import CHART, MEMBERS, OPERATOR, PLAIN, PLAIN_FILES, objects, one, plain, render
from tests.deploy.test_dashboard import DASHBOARDS
from tests.rules.reading import alerts

KUBERNETES: Final = ("1.27.0", "1.37.0")
FULL: Final[dict[str, Any]] = {
    **OPERATOR,
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "kafkaPorts": [9092, 9093],
        "extraEgress": [{"ports": [{"port": 443, "protocol": "TCP"}]}],
    },
    "image": {"registry": "registry.example", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "existingSecret": "kafka-login",
    "commonLabels": {"team": "platform"},
    "podLabels": {"tier": "back"},
    "podAnnotations": {"example/annotation": "x"},
    "priorityClassName": "high",
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "x", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
    ],
    "persistence": {"storageClass": "fast", "size": "5Gi"},
    "service": {"annotations": {"a": "b"}},
    "ingress": {"enabled": True, "className": "x", "hosts": ["driftd.corp"], "tls": [{"secretName": "tls"}]},
    "serviceAccount": {"annotations": {"role": "kafka"}},
    "extraArgs": ["--log-format", "json"],
    "extraEnv": [{"name": "DRIFTD_LOG__LEVEL", "value": "debug"}],
    "extraEnvFrom": [{"secretRef": {"name": "more"}}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
    "initContainers": [{"name": "first", "image": "x:1"}],
    "extraContainers": [{"name": "beside", "image": "y:1"}],
}
CASES: Final = {
    "default": {},
    "full": FULL,
    "members": MEMBERS,
    "no volume": {"persistence": {"enabled": False}},
    "own claim": {"persistence": {"existingClaim": "mine"}},
    "TLS": {"config": {"http": {"web_config": "/etc/driftd-secrets/web.yml"}}},
    "receive": {**FULL, "receive": {"enabled": True, "from": [{"podSelector": {}}]}},
    "nothing optional": {"podDisruptionBudget": {"enabled": False}, "serviceAccount": {"create": False}},
}
each_case = pytest.mark.parametrize("values", CASES.values(), ids=CASES)
OPERATORS: Final = {"PodMonitor", "PrometheusRule"}


@each_case
def test_helm_lint_is_strict_and_content(values: dict[str, Any]) -> None:
    report = helm.lint(CHART, values, strict=True)
    assert report["errors"] == []
    assert [message["error"] for message in report["messages"] if "icon" not in message["error"]] == []


@each_case
@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_knows_every_field(values: dict[str, Any], version: str) -> None:
    for found in objects(values):
        if found["kind"] not in OPERATORS:
            kubernetes_validate.validate(found, version, strict=True)


def test_a_misspelt_field_is_noticed() -> None:
    found = one("StatefulSet")
    found["spec"]["template"]["spec"]["containers"][0]["readinesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(found, KUBERNETES[-1], strict=True)


def refused(found: dict[str, Any]) -> list[str]:
    """What the operator's schema has against an object."""
    schema = json.loads((Path(__file__).parent / "operator.schema.json").read_text())[found["kind"]]
    return [error.message for error in jsonschema.Draft202012Validator(schema).iter_errors(found)]


@pytest.mark.parametrize("kind", sorted(OPERATORS))
def test_the_operator_knows_every_field_of_its_objects(kind: str) -> None:
    monitor = {"basicAuth": {"username": {"name": "s", "key": "user"}}, "tlsConfig": {"insecureSkipVerify": True}}
    for values in (FULL, {**OPERATOR, "podMonitor": {**OPERATOR["podMonitor"], **monitor}}):
        assert refused(one(kind, values)) == []


def test_a_field_that_the_operator_does_not_know_is_noticed() -> None:
    wrong = one("PodMonitor", FULL)
    wrong["spec"]["podMetricEndpoints"] = wrong["spec"].pop("podMetricsEndpoints")
    assert refused(wrong) != []


@each_case
def test_pods_meet_the_restricted_profile(values: dict[str, Any]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/, and a read-only root beyond it."""
    found = objects(values)
    pods = [o["spec"]["template"]["spec"] for o in found if o["kind"] in {"StatefulSet", "Deployment"}]
    pods += [o["spec"] for o in found if o["kind"] == "Pod"]
    assert len(pods) == 2 + bool(values.get("receive"))
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        ours = next(c for c in pod["containers"] if c["name"] in {"driftd", "ready"})
        assert ours["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert "memory" in ours["resources"]["limits"]


@each_case
def test_what_is_mounted_exists_and_what_exists_is_mounted(values: dict[str, Any]) -> None:
    spec = one("StatefulSet", values)["spec"]
    pod = spec["template"]["spec"]
    volumes = [v["name"] for v in pod["volumes"]] + [
        c["metadata"]["name"] for c in spec.get("volumeClaimTemplates", [])
    ]
    mounts = [m["name"] for m in pod["containers"][0]["volumeMounts"]]
    assert sorted(volumes) == sorted(mounts)
    assert len(set(volumes)) == len(volumes)


def test_state_lies_on_a_volume_unless_members_keep_it_in_topics() -> None:
    def claims(values: dict[str, Any]) -> int:
        return len(one("StatefulSet", values)["spec"].get("volumeClaimTemplates", []))

    assert claims({}) == 1
    assert claims(MEMBERS) == claims(CASES["no volume"]) == claims(CASES["own claim"]) == 0
    assert "lost with the pod" in render(CASES["no volume"])["NOTES.txt"]
    assert "lost with the pod" not in render(MEMBERS)["NOTES.txt"] + render()["NOTES.txt"]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"replicas": 2},
            r"replicas is 2, but config\.members\.enabled is not true: .* Set config\.members\.enabled=true",
        ),
        ({"config": {"http": {"listen": "0.0.0.0:80"}}}, r"config\.http\.listen is set by the chart"),
        ({"config": {"state": {"directory": "/x"}}}, r"config\.state\.directory is set by the chart"),
        ({"config": {"kafka": {"group_instance_id": "a"}}}, r"group_instance_id is the pod's name"),
        ({"config": {"kafak": {}}}, "'kafak' not allowed"),
        ({"config": {"kafka": {"topic": "x"}}}, "'topic' not allowed"),
        ({"replica": 1}, "'replica' not allowed"),
        ({"image": {"tags": "x"}}, "'tags' not allowed"),
        ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
        ({"prometheusRule": {"enabled": True, "disabled": ["DriftdDwon"]}}, '"DriftdDwon" is not an alert of driftd'),
        ({"ingress": {"enabled": True}}, "ingress.hosts: name at least one host"),
        ({"links": {"grafana": "grafana.local"}}, "grafana"),
    ],
)
def test_a_mistake_is_told_by_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(helm.HelmError, match=sentence):
        render(values)


def test_every_section_of_the_configuration_is_known_to_the_schema() -> None:
    known = json.loads((CHART / "values.schema.json").read_text())["properties"]["config"]["properties"]
    assert set(known) == {setting.path.replace("[]", "").split(".")[0] for setting in settings()}


def test_driftd_takes_the_configuration_that_is_mounted(tmp_path: Path) -> None:
    config = {"kafka": {"bootstrap_servers": ["a:1"], "topics": ["x"]}, "windows": {"window_seconds": "30m"}}
    file = tmp_path / "driftd.yaml"
    file.write_text(one("ConfigMap", {"config": config})["data"]["driftd.yaml"])
    container = one("StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    env = {row["name"]: row.get("value", "driftd-0") for row in container["env"]}
    loaded = load(file, env=env).settings
    assert (loaded.windows.window_seconds, loaded.kafka.topics) == (1800, ("x",))
    assert (loaded.http.listen, str(loaded.state.directory)) == ("0.0.0.0:9477", "/var/lib/driftd")
    assert loaded.kafka.group_instance_id == "driftd-0"


def test_a_new_configuration_restarts_the_pods() -> None:
    def checksum(**config: object) -> str:
        pod = one("StatefulSet", {"config": config})["spec"]["template"]
        return str(pod["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum()
    assert checksum() != checksum(log={"level": "debug"})


@each_case
def test_selectors_choose_the_pods_and_no_others(values: dict[str, Any]) -> None:
    found = [o for o in objects(values, name="one") if not o["metadata"]["name"].endswith("-receive")]
    stateful = next(o for o in found if o["kind"] == "StatefulSet")
    labels = stateful["spec"]["template"]["metadata"]["labels"]
    test = next(o for o in found if o["kind"] == "Pod")["metadata"]["labels"]
    chosen = [stateful["spec"]["selector"]["matchLabels"]]
    chosen += [o["spec"]["selector"] for o in found if o["kind"] == "Service"]
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        chosen += [o["spec"]["selector"]["matchLabels"] for o in found if o["kind"] == kind]
    chosen += [o["spec"]["podSelector"]["matchLabels"] for o in found if o["kind"] == "NetworkPolicy"]
    for selector in chosen:
        assert selector.items() <= labels.items()
        assert not selector.items() <= test.items()
    services = {o["metadata"]["name"] for o in found if o["kind"] == "Service"}
    assert stateful["spec"]["serviceName"] in services


def test_the_receiver_is_off_by_default_and_has_selectors_and_settings_of_its_own(tmp_path: Path) -> None:
    assert not [o for o in objects() if o["metadata"]["name"].endswith("-receive")]
    values = {"receive": {"enabled": True, "replicas": 3}, "networkPolicy": {"enabled": True}}
    mine = {o["kind"]: o for o in objects(values, name="one") if o["metadata"]["name"] == "one-driftd-receive"}
    others = [o for o in objects(values, name="one") if not o["metadata"]["name"].endswith("-receive")]
    pod = mine["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"]
    selectors = [mine["Deployment"]["spec"]["selector"]["matchLabels"], mine["Service"]["spec"]["selector"]]
    selectors += [mine["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]]
    selectors += [mine["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"]]
    for selector in selectors:
        assert selector.items() <= labels.items()
        for other in (o["spec"]["template"]["metadata"]["labels"] for o in others if o["kind"] == "StatefulSet"):
            assert not selector.items() <= other.items()
    for service in (o for o in others if o["kind"] == "Service"):
        assert not service["spec"]["selector"].items() <= labels.items()
    (container,) = pod["spec"]["containers"]
    env = {row["name"]: row["value"] for row in container["env"]}
    file = tmp_path / "driftd.yaml"
    file.write_text(next(o for o in others if o["kind"] == "ConfigMap")["data"]["driftd.yaml"])
    assert load(file, env=env).settings.receive.listen == f"0.0.0.0:{container['ports'][0]['containerPort']}"
    assert container["args"][0] == "receive"


def test_probes_ask_with_tls_where_there_is_tls() -> None:
    for values, scheme in ((CASES["default"], "HTTP"), (CASES["TLS"], "HTTPS")):
        container = one("StatefulSet", values)["spec"]["template"]["spec"]["containers"][0]
        probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
        assert {probe["scheme"] for probe in probes.values()} == {scheme}
        assert {name: probe["path"] for name, probe in probes.items()} == {
            "startup": "/-/healthy",
            "liveness": "/-/healthy",
            "readiness": "/-/ready",
        }
        assert one("PodMonitor", {**values, **OPERATOR})["spec"]["podMetricsEndpoints"][0]["scheme"] == scheme.lower()


def test_the_rules_select_the_job_that_the_pod_monitor_names() -> None:
    values = {"podMonitor": {"enabled": True}, "prometheusRule": {"enabled": True, "job": "ml/driftd"}}
    relabelings = one("PodMonitor", values)["spec"]["podMetricsEndpoints"][0]["relabelings"]
    assert {"targetLabel": "job", "replacement": "ml/driftd"} in relabelings
    text = render(values)["prometheusrule"]
    assert 'up{job="ml/driftd"}' in text
    assert 'job="driftd"' not in text


def test_time_to_stop_is_longer_than_the_drain() -> None:
    pod = one("StatefulSet")["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > 2 * Timing("driftd-0").drain_seconds


def test_dashboards_have_the_label_and_the_namespace_of_the_sidecar() -> None:
    values = {"dashboards": {"enabled": True, "namespace": "grafana", "annotations": {"grafana_folder": "driftd"}}}
    each = [o for o in objects(values) if "dashboard" in o["metadata"]["name"]]
    assert {uid for o in each for uid in map(uid_of, o["data"].values())} == DASHBOARDS.keys()
    assert {o["metadata"]["namespace"] for o in each} == {"grafana"}
    assert {o["metadata"]["labels"]["grafana_dashboard"] for o in each} == {"1"}
    assert [o["metadata"]["annotations"] for o in each] == [{"grafana_folder": "driftd"}] * len(each)
    # kubectl apply keeps an object once more in an annotation of 262,144 bytes
    assert max(len(json.dumps(o)) for o in each) < 200_000


def uid_of(dashboard: str) -> str:
    uid: str = json.loads(dashboard)["uid"]
    return uid


def test_links_lead_where_the_values_say() -> None:
    links = {"links": {"runbooks": "https://wiki.corp/rb/", "grafana": "https://g.corp"}}
    text = "".join(render({**OPERATOR, **links}).values())
    assert "example.com" not in text
    assert "https://wiki.corp/rb/DriftdDown.md" in text
    assert "https://g.corp/d/driftd-model?var-model=" in text


def test_versions_are_those_of_driftd() -> None:
    chart = read_yaml(CHART / "Chart.yaml")
    assert chart["appVersion"] == chart["version"] == __version__


@pytest.mark.parametrize("name", PLAIN_FILES)
def test_plain_manifests_are_those_of_the_chart(name: str) -> None:
    assert (PLAIN / name).read_text() == plain(name), "run 'python -m tests.deploy.rendering'"


@pytest.mark.parametrize("path", sorted(PLAIN.glob("*.yaml")), ids=lambda path: path.stem)
def test_kubernetes_knows_every_field_of_the_plain_manifests(path: Path) -> None:
    found = [o for o in yaml.safe_load_all(path.read_text()) if o["kind"] not in OPERATORS]
    assert found or path.stem == "monitoring"
    for each in found:
        kubernetes_validate.validate(each, KUBERNETES[-1], strict=True)
    assert str(ROOT) not in path.read_text()


def test_driftd_takes_the_configuration_of_the_sidecar(tmp_path: Path) -> None:
    config, _, deployment = yaml.safe_load_all((PLAIN / "sidecar.yaml").read_text())
    file = tmp_path / "driftd.yaml"
    file.write_text(config["data"]["driftd.yaml"])
    pod = deployment["spec"]["template"]["spec"]
    sidecar = pod["initContainers"][0]
    loaded = load(file, env={row["name"]: row["value"] for row in sidecar["env"]}).settings
    assert loaded.kafka.group_instance_id == "fraud-driftd"
    assert sidecar["image"] == f"driftd:{__version__}"
    assert sidecar["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_chart_makes_the_rules_that_driftd_makes_of_the_same_configuration(tmp_path: Path) -> None:
    """Through `driftd generate chart-values`: links, job, owners, severities, labels, waits, what is left out."""
    file = tmp_path / "driftd.yaml"
    config = {
        "kafka": {"bootstrap_servers": ["k:9092"], "topics": ["x"], "group_instance_id": "a"},
        "models": [{"name": "fraud", "team": "risk", "owner": "ann"}, {"name": 'a"b\\c-d.e', "team": "crm"}],
        "windows": {"window_seconds": "1h"},
        "http": {"runbooks": "https://wiki.corp/d/", "external_url": "https://driftd.corp/w/", "listen": "0.0.0.0:1"},
        "rules": {
            "dashboards": "https://grafana.corp",
            "job": "ml/driftd",
            "disabled": ["DriftdDegraded", *(name for name, a in alerts().items() if a["labels"]["area"] == "quality")],
            "severities": {"DriftdRejects": "critical"},
            "labels": {"env": "prod"},
        },
    }
    file.write_text(yaml.safe_dump(config))
    values = yaml.safe_load(_generate("chart-values", "--config", str(file)))
    values["prometheusRule"]["enabled"] = True
    ours = yaml.safe_load(_generate("rules", "--format", "prometheusrule", "--config", str(file)))
    assert one("PrometheusRule", values)["spec"] == ours["spec"]
    mounted = yaml.safe_load(one("ConfigMap", values)["data"]["driftd.yaml"])
    assert mounted == {
        **config,
        "kafka": {"bootstrap_servers": ["k:9092"], "topics": ["x"]},
        "http": {"runbooks": "https://wiki.corp/d/", "external_url": "https://driftd.corp/w/"},
    }


def _generate(*words: str) -> str:
    done = CliRunner().invoke(cli, ["generate", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_values_that_the_docs_show_are_valid() -> None:
    shown = re.findall(
        r"^```yaml\n(.*?)^```", (ROOT / "docs/how-to/kubernetes.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert len(shown) == 3
    for text in shown:
        render(yaml.safe_load(text))
