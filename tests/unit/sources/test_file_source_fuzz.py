"""Whatever stands in a flat file: every row is accepted, rejected or dropped, and nothing crashes."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import Kind, Schema
from driftd.sources.files.source import open_events

CELL = st.one_of(
    st.text(alphabet='0123456789.eE+-naNA ,;"\n\r\x00é\u2028', max_size=8),
    st.floats().map(repr),
    st.integers().map(str),
    st.sampled_from(["", "NA", "null", "true", "1e400", "2013-02-27T13:00:00Z", "01"]),
)
HEADER = st.lists(st.sampled_from(["time", "prediction", "score", "label", "error", "latency_seconds", "a", "b", "c"]),
                  min_size=1, max_size=5, unique=True)  # fmt: skip
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SCHEMAS = {
    "open": {},
    "numbers": {"f": Schema("f", {"a": Kind.NUMERIC, "b": Kind.NUMERIC}, Kind.NUMERIC)},
    "categories": {"f": Schema("f", {"a": Kind.CATEGORICAL, "c": Kind.CATEGORICAL}, Kind.CATEGORICAL, open=False)},
}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "f.csv"


def attempt(file: Path) -> None:
    for schemas in SCHEMAS.values():
        try:
            events = open_events(str(file))
            for records in events.batches(3):
                decoded = events.codec.decode(records, schemas)
                accepted = sum(map(len, decoded.batches))
                assert decoded.received == len(records) == accepted + len(decoded.rejects)
                for batch in decoded.batches:
                    columns = [*batch.columns.values(), batch.prediction, batch.score, batch.label]
                    assert all(len(c) == len(batch.times) for c in columns if c is not None)
        except (ConfigError, SourceRefused) as e:
            assert str(e).startswith(str(file))  # noqa: PT017


@FUZZ
@given(header=HEADER, rows=st.lists(st.lists(CELL, min_size=1, max_size=6), max_size=8))
def test_any_cells_are_accounted_for(file: Path, header: list[str], rows: list[list[str]]) -> None:
    lines = [header, *rows]
    file.write_text("\n".join(",".join(row) for row in lines) + "\n", newline="")
    attempt(file)


@FUZZ
@given(raw=st.binary(max_size=80))
def test_any_bytes_are_accounted_for(file: Path, raw: bytes) -> None:
    file.write_bytes(b"time,a,b\n" + raw)
    attempt(file)
