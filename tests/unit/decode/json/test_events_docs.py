"""docs/events.md says what the code does: every reason has its row, and the example is an event."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from pathlib import Path

import numpy as np
import pytest

from driftd.core.event import MAX_NAME_BYTES, DropReason, RejectReason
from driftd.decode import Limits
from driftd.decode.fields import FIELDS
from driftd.decode.limits import MAX_DEPTH
from tests.unit.decode.make import decode, only

TEXT = Path(__file__).parents[4].joinpath("docs", "events.md").read_text(encoding="utf-8")


def first_column(heading: str) -> list[str]:
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)


@pytest.mark.parametrize(("heading", "reasons"), [("What is refused", RejectReason), ("What is dropped", DropReason)])
def test_every_reason_has_its_row(heading: str, reasons: type[StrEnum]) -> None:
    assert first_column(heading) == [reason.value for reason in reasons]


def test_every_field_has_its_row() -> None:
    assert sorted(first_column("Fields")) == sorted(field.name for field in FIELDS)


def test_the_limits_are_the_codes() -> None:
    limits = Limits()
    assert limits.name_bytes == MAX_NAME_BYTES
    for words in (
        f"over {limits.record_bytes:,} bytes",
        f"carry {limits.features_per_event} features",
        f"up to {limits.name_bytes} bytes",
        f"more than {limits.future_seconds:.0f} s",
        f"deeper than {MAX_DEPTH} levels",
    ):
        assert words in TEXT


def test_the_example_is_an_event() -> None:
    example = TEXT.split("```json\n")[1].split("```")[0]
    batch = only(decode(json.loads(example)))
    assert batch.columns == {"amount": [12.5], "country": ["DE"], "age": [None]}
    assert batch.version == "7"
    assert (batch.model, batch.prediction, batch.label) == ("fraud", [1.0], [1.0])
    np.testing.assert_array_equal(batch.score, [0.93])
