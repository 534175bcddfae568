"""Segments that nobody named are found by a replay as they are live, and not behind all that was read."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from driftd.cli import cli

N, FAULT, EACH = 16_000, 12_000, 5.0


def test_a_fault_in_a_segment_that_a_history_shows_is_found_in_its_first_day(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    """Of 16,000 events one in five is from DE; from the 12,000th on their amounts are 100 times as large."""
    country = rng.choice(["US", "DE"], N, p=[0.8, 0.2])
    amount = rng.lognormal(3, 1, N) * np.where((np.arange(N) >= FAULT) & (country == "DE"), 100, 1)
    events = [
        {"model": "fraud", "time": 1.8e9 + EACH * i, "features": {"country": c, "amount": a}}
        for i, (c, a) in enumerate(zip(country.tolist(), amount.tolist(), strict=True))
    ]
    (tmp_path / "events.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    rule = {"name": "fraud", "segments": {"fields": ["country"], "min_events": 300}}
    (tmp_path / "driftd.yaml").write_text(json.dumps({"models": [rule]}))
    words = ["replay", "--config", str(tmp_path / "driftd.yaml"), "--events", str(tmp_path / "events.jsonl")]
    found = CliRunner().invoke(cli, [*words, "--reference-events", "500"], catch_exceptions=False)
    assert "PAGE    fraud/segments/country=DE: amount changed" in found.output
