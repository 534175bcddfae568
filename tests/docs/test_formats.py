"""The how-tos of serving platforms: their records, their settings and what their commands print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from driftd.decode import format_names
from tests.docs.test_any_record import driftd

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = ("kserve",)


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / "how-to" / f"{page}.md").read_text()
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES)
def test_the_sample_is_recognised_and_read_as_the_page_shows(page: str, tmp_path: Path) -> None:
    before, after = (block.partition("\n") for block in blocks(page, "console"))
    words = before[0].removeprefix("$ driftd ").split()
    assert before[0] == after[0]
    (tmp_path / words[-1]).write_text(blocks(page, "json")[0])
    shown = driftd(tmp_path, *words)
    assert (shown.stdout, shown.returncode) == (before[2], 2)
    (tmp_path / "driftd.yaml").write_text(blocks(page, "yaml")[-1])
    shown = driftd(tmp_path, *words)
    assert (shown.stdout, shown.returncode) == (after[2], 0)
    replay = blocks(page, "sh")[0].splitlines()[0].split()[1:]
    done = driftd(tmp_path, *replay)
    assert done.returncode == 0, done.stderr
    assert "rejected 0" in done.stderr


def test_every_format_has_its_row_in_events() -> None:
    table = (DOCS / "events.md").read_text().partition("## Formats")[2].partition("\n## ")[0]
    named = re.findall(r"^\| `([a-z0-9-]+)` \|", table, re.MULTILINE)
    assert sorted({*named} - {"format"}) == format_names()
