"""The Dockerfile and the compose file: linted, least rights, healthy by driftd's own word, nothing on public ports."""

from __future__ import annotations

import itertools
import json
import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from driftd import __version__
from driftd.cli import cli
from driftd.core.event import RecordBatch
from driftd.decode import codec_of
from driftd.engine.timing import Timing
from tests.deploy.reading import DEPLOY, read_yaml, run, tool

COMPOSE = read_yaml(DEPLOY / "compose.yaml")
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONE_SHOT = {"topics", "flights", "rules"}
each_service = pytest.mark.parametrize("name", sorted(SERVICES))
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
FINAL_STAGE = DOCKERFILE.rpartition("\nFROM ")[2]


def test_hadolint_has_nothing_to_say() -> None:
    assert run(tool("hadolint"), DEPLOY / "Dockerfile") == ""


def test_compose_file_meets_the_compose_specification() -> None:
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", DEPLOY / "compose.yaml")


def test_image_runs_as_nobody_in_particular() -> None:
    assert "\nUSER 9477:9477\n" in FINAL_STAGE
    assert FINAL_STAGE.index("USER ") < FINAL_STAGE.index("ENTRYPOINT")


def test_image_says_what_it_is() -> None:
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="(.*?)"', FINAL_STAGE))
    assert labels["version"] == __version__
    assert labels.keys() >= {"title", "description", "licenses", "revision"}


def test_image_is_healthy_by_the_loop_of_driftd() -> None:
    assert "HEALTHCHECK" in FINAL_STAGE
    assert "http://127.0.0.1:9477/-/healthy" in FINAL_STAGE


def test_image_is_built_from_what_the_wheel_needs_and_nothing_else() -> None:
    kept = {line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[0] == "!"}
    copied = {word for line in DOCKERFILE.splitlines() if line.startswith("COPY p") for word in line.split()[1:-1]}
    assert kept == copied | {"driftd", "alert_rules", "deploy"}
    assert all(f"\nCOPY {folder} {folder}\n" in DOCKERFILE for folder in ("driftd", "alert_rules", "deploy"))
    assert all((DEPLOY.parent / path).exists() for path in kept)


@each_service
def test_service_has_least_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if not service["image"].startswith("apache/kafka"):  # its start script writes its configuration
        assert service["read_only"] is True


@each_service
def test_service_listens_on_this_machine_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@each_service
def test_service_has_a_fixed_version_and_bounded_memory(name: str) -> None:
    service = SERVICES[name]
    if service["image"] != "driftd":
        assert ":" in service["image"]
        assert not service["image"].endswith(":latest")
    if name not in ONE_SHOT:
        assert "mem_limit" in service


@each_service
def test_service_says_whether_it_is_healthy(name: str) -> None:
    if name not in ONE_SHOT | {"driftd"}:  # driftd's check is in its image
        assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@each_service
def test_files_that_are_mounted_exist(name: str) -> None:
    for volume in SERVICES[name].get("volumes", []):
        source = volume.split(":")[0]
        assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_shell_in_the_compose_file_passes_shellcheck() -> None:
    run(tool("shellcheck"), "--shell=bash", "-", text=SERVICES["topics"]["command"][0].replace("$$", "$"))


def test_rules_of_the_compose_file_link_into_it(tmp_path: Path) -> None:
    """The command as it stands, but for its folders."""
    config, out = str(DEPLOY / "driftd.yaml"), str(tmp_path)
    command = SERVICES["rules"]["command"]
    words = [word.replace("/etc/driftd/driftd.yaml", config).replace("/var/lib/driftd", out) for word in command]
    assert CliRunner().invoke(cli, words).exit_code == 0
    texts = "".join(path.read_text() for path in tmp_path.iterdir())
    assert "example.com" not in texts
    assert "http://localhost:8080/runbooks/DriftdDown.md" in texts
    assert "http://localhost:3000/d/driftd-model?" in texts
    assert "rules:/etc/prometheus/rules:ro" in SERVICES["prometheus"]["volumes"]


def test_time_to_stop_is_longer_than_the_drain() -> None:
    assert float(SERVICES["driftd"]["stop_grace_period"].rstrip("s")) > 2 * Timing("driftd-0").drain_seconds


def test_pager_prints_one_line_an_alert() -> None:
    line = runpy.run_path(str(DEPLOY / "compose" / "pager.py"))["line"]
    alert = {
        "status": "firing",
        "startsAt": "2026-11-23T03:00:00Z",
        "labels": {"alertname": "DriftdDown"},
        "annotations": {"summary": "driftd is down", "runbook_url": "http://localhost:8080/runbooks/DriftdDown.md"},
    }
    assert line("page", alert) == (
        "2026-11-23T03:00:00Z page FIRING DriftdDown: driftd is down  http://localhost:8080/runbooks/DriftdDown.md"
    )


def test_flights_are_events_that_driftd_accepts() -> None:
    events = runpy.run_path(str(DEPLOY / "compose" / "flights.py"))["events"]
    values = [json.dumps(event).encode() for event in itertools.islice(events(), 1000)]
    batch = RecordBatch("predictions", 0, np.arange(1000), np.full(1000, np.nan), values, 1000)
    decoded = codec_of().decode(batch, {})
    assert not decoded.rejects
    assert sum(map(len, decoded.batches)) == 1000
