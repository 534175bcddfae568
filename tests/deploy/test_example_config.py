"""deploy/driftd.yaml: valid as it stands, shows every setting, and says its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from driftd.config import load
from driftd.config.describe import settings
from tests.deploy.reading import DEPLOY

PATH = DEPLOY / "driftd.yaml"
OWN = {
    "kafka.bootstrap_servers": "127.0.0.1:9092",
    "kafka.topics": "predictions",
    "state.directory": "/var/lib/driftd",
}
"""What it must name for itself."""
IN_FILES = {"kafka.sasl_password", "kafka.ssl_password", "kafka.sasl_oauthbearer_client_secret", "privacy.key"}
IN_FILES |= {"schema_registry.password", "schema_registry.token"}
"""Secrets that it shows as files only."""


def test_values_are_the_defaults() -> None:
    defaults = {setting.path: setting.default for setting in settings()}
    rows = {path: value for path, value, _ in load(PATH, env={}).rows()}
    assert {path: value for path, value in rows.items() if value != defaults.get(path)} == OWN


@pytest.mark.parametrize("path", sorted({s.path for s in settings()} - IN_FILES))
def test_setting_is_shown(path: str) -> None:
    section = path.split(".", maxsplit=1)[0].removesuffix("[]")
    start = re.search(rf"^{section}:", PATH.read_text(), flags=re.MULTILINE)
    assert start, section
    body = re.split(r"^[a-z]+:", PATH.read_text()[start.end() :], maxsplit=1, flags=re.MULTILINE)[0]
    key = path.rsplit(".", maxsplit=1)[-1].removesuffix("[]")
    assert key == section or re.search(rf"^[ #-]*{re.escape(key)}:", body, flags=re.MULTILINE), path


@pytest.mark.parametrize("section", ["mapping", "models", "detectors", "findings"])
def test_example_that_is_commented_out_is_valid(section: str, tmp_path: Path) -> None:
    example = re.search(rf"^# {section}:\n(#.*\n)*", PATH.read_text(), flags=re.MULTILINE)
    assert example
    shown = yaml.safe_load(re.sub("^# ?", "", example.group(), flags=re.MULTILINE))
    whole = {**yaml.safe_load(PATH.read_text()), **shown}
    file = tmp_path / "driftd.yaml"
    file.write_text(yaml.safe_dump(whole))
    load(file, env={})
