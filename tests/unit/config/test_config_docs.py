"""docs/config.md names every setting as the code has it, and its example is valid."""

import re
from pathlib import Path

import pytest

from driftd import config
from driftd.config.describe import settings
from driftd.core.errors import ConfigError

PAGE = Path(__file__).parents[3] / "docs" / "config.md"


def test_every_setting_stands_in_the_docs_with_its_type_default_variable_and_meaning() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert "| `windows.hops` | whole number | 4 | `DRIFTD_WINDOWS__HOPS` | Judgements per window length. |" in rows
    assert [row.split("`")[1] for row in rows] == [s.path for s in settings()]


def test_every_setting_has_a_meaning() -> None:
    assert not [s.path for s in settings() if not s.meaning.endswith(".")]


def test_the_example_of_the_docs_is_valid(tmp_path: Path) -> None:
    match = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match
    path = tmp_path / "driftd.yaml"
    path.write_text(match[1])
    settings_ = config.load(path, {}).settings
    assert settings_.models[0].features["age"].effect == {"psi": 0.25}
    assert settings_.windows.window_seconds == 600


def test_the_logins_of_the_docs_are_valid(tmp_path: Path) -> None:
    shown = re.findall(r"^    kafka:\n(?:      .*\n)+", (PAGE.parent / "kafka.md").read_text(), re.MULTILINE)
    assert len(shown) == 2
    path = tmp_path / "driftd.yaml"
    for example in shown:
        path.write_text(example)
        with pytest.raises(ConfigError) as missing:
            config.load(path, {})
        for line in str(missing.value).splitlines():
            assert line.endswith("No such file or directory"), "of this machine"
