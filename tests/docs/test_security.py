"""docs/security.md names files, tests and settings that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driftd.config.describe import settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
FILES = sorted(set(re.findall(r"`((?:tests|driftd|deploy|docs)/[\w./-]+)`", PAGE)))
SECTIONS = {setting.path.split(".")[0] for setting in settings()}
NAMED = sorted(
    {name for name in re.findall(r"`([a-z_]+\.[a-z_.]+)(?:: [^`]*)?`", PAGE) if name.split(".")[0] in SECTIONS}
)


@pytest.mark.parametrize("name", FILES)
def test_what_holds_a_claim_is_there(name: str) -> None:
    assert (ROOT / name).exists()


@pytest.mark.parametrize("name", NAMED)
def test_a_setting_that_is_named_is_one(name: str) -> None:
    assert name in {setting.path for setting in settings()}


def test_links_lead_somewhere() -> None:
    for target, anchor in re.findall(r"\]\(([\w./-]+\.md)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / target).read_text()
        headings = {
            re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        assert not anchor or anchor in headings, (target, anchor)
    assert len(FILES) > 15
    assert len(NAMED) > 8
