"""The how-to about records of any shape: its records, its mapping and what its commands print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from tests.stage.forked import driftd

PAGE: Final = Path(__file__).parents[2] / "docs" / "how-to" / "any-record.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "records.jsonl").write_text(blocks("json")[0])
    return tmp_path


def test_the_sample_is_read_as_the_page_shows_before_and_after_the_mapping(folder: Path) -> None:
    before, after = (block.partition("\n") for block in blocks("console"))
    words = ("check", "--sample", "records.jsonl")
    assert before[0] == after[0] == f"$ driftd {' '.join(words)}"
    shown = driftd(folder, *words)
    assert (shown.stdout, shown.returncode) == (before[2], 2)
    proposed = re.findall(r"^mapping:\n(?:  .*\n)+", shown.stdout, re.MULTILINE)[0]
    (folder / "driftd.yaml").write_text(blocks("yaml")[0])
    assert proposed.replace("{value: records}", "{value: fraud}") == blocks("yaml")[0]
    shown = driftd(folder, *words)
    assert (shown.stdout, shown.returncode) == (after[2], 0)


def test_replay_uses_every_record_with_the_mapping_and_exits_with_2_without(folder: Path) -> None:
    words = blocks("sh")[0].splitlines()[0].split()[1:]
    without = driftd(folder, *words)
    assert without.returncode == 2
    assert "None of the 2 events could be used" in without.stderr
    assert "mapping: `model: {value: NAME}`" in without.stderr
    (folder / "driftd.yaml").write_text(blocks("yaml")[0])
    done = driftd(folder, *words)
    assert done.returncode == 0, done.stderr
    assert "read 2 = accepted 2 +" in done.stderr
