"""How the ends of a stretch of a topic are written."""

from datetime import UTC, datetime

import pytest

from driftd.core.errors import ConfigError
from driftd.sources.kafka.stretch import Place, place


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, None),
        ("latest", None),
        ("offset:17", 17),
        ("2026-11-23T06:00:00Z", datetime(2026, 11, 23, 6, tzinfo=UTC)),
        ("2026-11-23T07:00:00+01:00", datetime(2026, 11, 23, 6, tzinfo=UTC)),
        ("2026-11-23 06:00", datetime(2026, 11, 23, 6, tzinfo=UTC)),
        ("1795413600", datetime(2026, 11, 23, 6, tzinfo=UTC)),
        ("-2h", datetime(2026, 11, 23, 4, tzinfo=UTC)),
    ],
)
def test_a_place_is_a_time_in_utc_an_offset_or_an_edge(text: str | None, expected: Place) -> None:
    assert place(text, "--from", now=1795413600) == expected


@pytest.mark.parametrize("text", ["yesterday", "2h", "offset:-1", "9" * 400, ""])
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(ConfigError, match="--from: expected a time such as 2026-11-23T06:00:00Z"):
        place(text, "--from")
