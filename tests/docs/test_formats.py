"""The how-tos of serving platforms: their records, their settings and what their commands print."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from driftd.decode import format_names
from tests.docs.test_any_record import driftd
from tests.servers.registry import serving

DOCS: Final = Path(__file__).parents[2] / "docs"
PAGES: Final = ("kserve",)
EVENT: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "model", "type": "string"},
        {"name": "time", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "features",
            "type": {"type": "record", "name": "Features", "fields": [{"name": "amount", "type": "double"}]},
        },
        {"name": "prediction", "type": "int"},
    ],
}
"""What the record of the page about schema registries is of."""


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
    named = [
        name for row in re.findall(r"^\|([^|]*)\|", table, re.MULTILINE) for name in re.findall("`([a-z0-9-]+)`", row)
    ]
    assert sorted({*named} - {"format"}) == format_names()


def test_the_framed_record_of_the_page_is_named_and_read_with_its_settings(tmp_path: Path) -> None:
    page = "schema-registry"
    words = blocks(page, "sh")[0]
    value = base64.b64decode(re.findall("<<< (\\S+)", words)[0])
    (tmp_path / "record.json").write_bytes(value)
    shown = driftd(tmp_path, *words.splitlines()[1].split()[1:])
    said = blocks(page, "console")[0]
    assert (shown.stdout.startswith(said), shown.returncode) == (True, 2)
    with serving() as registry:
        registry.schema(7, json.dumps(EVENT))
        settings = yaml.safe_load(blocks(page, "yaml")[0])
        settings["schema_registry"] = {"url": registry.url}
        settings["mapping"]["topics"]["record.json"] = settings["mapping"]["topics"]["predictions"]
        (tmp_path / "driftd.yaml").write_text(yaml.safe_dump(settings))
        read = driftd(tmp_path, *words.splitlines()[1].split()[1:])
        assert read.returncode == 0, read.stdout
        assert "2026-09-01 10:00 UTC  pricing  1           amount=12.5" in read.stdout
    away = driftd(tmp_path, "replay", "--events", "record.json")
    assert away.returncode == 3
    assert "connection refused; reading waits, nothing is lost" in away.stderr
