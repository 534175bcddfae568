"""Arrow IPC: as pyarrow writes it, beside the same events as JSON, and hostile."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from driftd.cli.sample_advice import mapped
from driftd.core.event import Decoded, EventBatch, Kind, RejectReason, Schema
from driftd.decode import Limits, codec_of
from driftd.decode.json.codec import EventsCodec
from driftd.decode.mapping.spec import Source
from driftd.decode.recognise import recognised, with_fields
from driftd.decode.tabular import columns as tabular_columns
from tests.unit.decode.formats.make import batch, ids, limits, read
from tests.unit.decode.make import NOW, only, records, refused

ROWS = [
    {"model": "a", "time": NOW - 5, "id": "1", "features": {"x": 1.5, "c": "DE"}, "prediction": 1.0, "error": False},
    {"model": "b", "time": NOW - 4, "id": "2", "features": {"x": None, "c": "FR"}, "prediction": 0.0, "error": True},
    {"model": "a", "time": NOW - 3, "id": "3", "features": {"x": 2.5, "c": None}, "prediction": None, "error": False},
]


def ipc(table: Any, compression: str | None = None, file: bool = False) -> bytes:
    out = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    new = pa.ipc.new_file if file else pa.ipc.new_stream
    with new(out, table.schema, options=options) as writer:
        writer.write_table(table)
    data: bytes = out.getvalue().to_pybytes()
    return data


def table(**columns: Any) -> Any:
    return pa.table(columns)


def arrow(*values: bytes | None, schemas: dict[str, Schema] | None = None, **other: Any) -> Decoded:
    return codec_of(limits("arrow", **other)).decode(batch([([], value) for value in values]), schemas or {})


def plain(one: EventBatch) -> dict[str, Any]:
    columns = {**one.columns, **one.fields}
    told = {name: [None if v != v else v for v in column] for name, column in columns.items()}  # noqa: PLR0124  NaN
    return {"model": one.model, "times": one.times.tolist(), "ids": ids(one), **told}


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("file", [False, True], ids=["stream", "file"])
def test_events_are_those_of_json(compression: str | None, file: bool) -> None:
    given = pa.Table.from_pylist(ROWS)
    decoded = arrow(ipc(given, compression, file))
    of_json = read("json", json.dumps(ROWS).encode())
    assert [plain(b) for b in decoded.batches] == [plain(b) for b in of_json.batches]
    assert decoded.received == of_json.received == 3


def test_records_keep_their_offsets_and_settle_into_known_kinds() -> None:
    one = table(model=["m"] * 2, x=[1.0, 2.0], prediction=[1.0, 0.0])
    known = {"m": Schema("m", {"x": Kind.NUMERIC}, Kind.NUMERIC, open=False)}
    (got,) = arrow(ipc(one), ipc(one), schemas=known).batches
    assert got.offsets.tolist() == [0, 0, 1, 1]
    assert isinstance(got.columns["x"], np.ndarray)
    assert got.times.tolist() == [NOW] * 4  # no time: that of the record


def test_a_row_that_is_faulty_costs_itself_and_a_record_that_cannot_be_read_one_event() -> None:
    one = table(model=["m", "", None], time=[NOW, NOW, NOW], x=[1.0, 2.0, 3.0])
    late = table(model=["m"] * 3, time=[NOW + 1000, -1.0, None], x=[1.0, 2.0, 3.0])
    decoded = arrow(b"junk", ipc(one), None, ipc(late))
    assert [(r.index, r.reason) for r in decoded.rejects] == [
        (0, RejectReason.UNDECODABLE),
        (1, RejectReason.MISSING_FIELD),
        (1, RejectReason.MISSING_FIELD),
        (2, RejectReason.EMPTY),
        (3, RejectReason.FUTURE_TIME),
        (3, RejectReason.BAD_TIME),
    ]
    assert decoded.received == 8
    assert sum(map(len, decoded.batches)) == 2


def test_lists_of_numbers_are_read_as_in_json() -> None:
    given = [[3.0, 4.0], None, [], [1.0] * 20, [float("nan")], [1.0, None]]
    decoded = arrow(ipc(table(model=["m"] * 6, embedding=given, prediction=[[0.25, 0.75]] * 6)))
    one = only(decoded)
    assert one.columns["embedding"] == [5.0, None, 0.0, pytest.approx(20**0.5), None, None]
    assert one.refused["embedding"].tolist() == [False, False, False, False, True, True]
    assert "a number that is missing or not finite" in decoded.refused[0].why
    lists = [json.dumps({"model": "m", "features": {"embedding": v}, "prediction": [0.25, 0.75]}) for v in given[:4]]
    like = only(EventsCodec(Limits()).decode(records([v.encode() for v in lists]), {}))
    for name in ("list.embedding", "list.prediction"):
        np.testing.assert_array_equal(np.asarray(one.fields[name])[:4], like.fields[name])


def test_values_of_a_feature_that_is_a_list_of_text_are_refused_and_nothing_else_is() -> None:
    decoded = arrow(ipc(table(model=["m"] * 2, x=[1.0, 2.0], embedding=[["a"], None])))
    one = only(decoded)
    assert one.refused["embedding"].tolist() == [True, False]
    assert "expected a number or a string, got a column of list" in decoded.refused[0].why


@pytest.mark.parametrize(
    ("columns", "reason", "words"),
    [
        ({"x": [1.0]}, RejectReason.MISSING_FIELD, "model: missing"),
        ({"model": ["m"], "time": [[1.0]]}, RejectReason.WRONG_TYPE, "column 'time' is of type list"),
        ({"model": ["m"], "x" * 200: [1.0]}, RejectReason.NAME_TOO_LONG, "128 bytes"),
        ({"model": ["m"]} | {f"x{i}": [1.0] for i in range(1001)}, RejectReason.TOO_MANY_FEATURES, "1001 columns"),
        ({"model": pa.array([], pa.string())}, RejectReason.EMPTY, "no rows"),
        ({"model": ["m"], "score": ["high"]}, RejectReason.WRONG_TYPE, "score: expected a number"),
    ],
)
def test_columns_that_are_no_events_are_refused(columns: dict[str, Any], reason: RejectReason, words: str) -> None:
    reject = refused(arrow(ipc(table(**columns))))
    assert (reject.reason, words in reject.detail) == (reason, True)


def test_a_column_twice_is_refused() -> None:
    doubled = pa.Table.from_arrays([pa.array(["m"]), pa.array([1.0]), pa.array([2.0])], ["model", "x", "x"])
    assert refused(arrow(ipc(doubled))).reason is RejectReason.WRONG_TYPE


def test_paths_of_a_mapping_are_names_of_columns() -> None:
    one = table(ts=[int(NOW * 1000)], who=["m"], amount=[12.5], trace=["t"])
    fields = {"model": Source(("who",)), "time": Source(("ts",), unit="ms")}
    got = only(arrow(ipc(one), fields=fields))
    assert (got.model, got.times.tolist(), {*got.columns}) == ("m", [NOW], {"amount", "trace"})
    reject = refused(arrow(ipc(one), fields={"model": Source(("nobody",))}))
    assert "no column 'nobody'" in reject.detail


def views(size: int, rows: int) -> Any:
    """Rows that all see the same text."""
    one = np.frombuffer(np.array([size], "<i4").tobytes() + b"yyyy" + bytes(8), np.uint8)
    buffers = [None, pa.py_buffer(np.tile(one, rows).tobytes()), pa.py_buffer(b"y" * size)]
    return pa.Array.from_buffers(pa.string_view(), rows, buffers)


BOMBS = {
    "zeros that compress": lambda: ipc(pa.table({"x": np.zeros(4_000_000)}), "zstd"),
    "a text that compresses": lambda: ipc(table(model=["m"], c=["x" * 20_000_000]), "zstd"),
    "rows of nothing": lambda: ipc(pa.table({"x": pa.nulls(50_000_000)})),
    "a text that a dictionary repeats": lambda: ipc(
        pa.table({"model": pa.DictionaryArray.from_arrays(np.zeros(20_000, np.int8), ["x" * 20_000])})
    ),
    "a text that views share": lambda: ipc(pa.table({"model": views(100_000, 5_000)})),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_unpacks_to_too_much_is_refused(bomb: str) -> None:
    value = BOMBS[bomb]()
    assert len(value) < 262_144
    assert refused(arrow(value)).reason is RejectReason.TOO_LARGE


def test_texts_of_polars_are_read() -> None:
    """It writes views."""
    one = table(model=["m"] * 2, c=pa.array(["DE", "a text of more than twelve bytes"]).cast(pa.string_view()))
    assert [*only(arrow(ipc(one))).columns["c"]] == ["DE", "a text of more than twelve bytes"]


def test_any_damage_is_counted() -> None:
    rng = np.random.default_rng(3)
    whole = [ipc(pa.Table.from_pylist(ROWS), kind, file) for kind in (None, "lz4", "zstd") for file in (False, True)]
    values = []
    for _ in range(600):
        value = bytearray(whole[int(rng.integers(len(whole)))])
        for at in rng.integers(len(value), size=int(rng.integers(1, 6))):
            value[at] = rng.integers(256)
        values.append(bytes(value[: int(rng.integers(len(value) // 2, len(value) + 1))]))
    decoded = arrow(*values)
    assert decoded.received == sum(map(len, decoded.batches)) + len(decoded.rejects)
    assert len(decoded.rejects) > 100


def test_streams_and_files_are_recognised() -> None:
    for file in (False, True):
        found = recognised([batch([([], ipc(pa.Table.from_pylist(ROWS), file=file))])])
        assert found is not None
        assert found.mapping == {"format": "arrow"}


def test_the_code_of_the_page_makes_events() -> None:
    page = (Path(__file__).parents[4] / "docs" / "how-to" / "arrow.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    moment = datetime.fromtimestamp(NOW - 1, UTC)
    one = only(arrow(names["record"]([12.5, 3.0], ["DE", "FR"], [1, 0], [moment] * 2)))
    assert plain(one) == {
        "model": "fraud",
        "times": [NOW - 1] * 2,
        "ids": [],
        "amount": [12.5, 3.0],
        "country": ["DE", "FR"],
        "prediction": [1.0, 0.0],
    }


def test_dates_without_an_end_and_large_whole_numbers_in_lists_are_numbers() -> None:
    """9999-12-31 in microseconds and 2**62 are beyond what a float has exactly: the nearest is told."""
    never = datetime(9999, 12, 31, tzinfo=UTC)
    until = pa.array([never.replace(tzinfo=None)], pa.timestamp("us"))
    decoded = arrow(
        ipc(table(model=["m"], until=until, ids=pa.array([[2**62, 0]]), lasts=pa.array([2**60], pa.duration("us"))))
    )
    columns = only(decoded).columns
    assert columns["until"][0] == never.timestamp()
    assert columns["ids"][0] == 2.0**62
    assert columns["lasts"][0] == 2**60 / 1e6


def test_one_record_that_driftd_did_not_foresee_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = tabular_columns.plain

    def fails(column: Any) -> Any:
        if pa.types.is_floating(column.type) and 4929.0 in column.to_pylist():
            raise ZeroDivisionError
        return taken(column)

    monkeypatch.setattr(tabular_columns, "plain", fails)
    decoded = arrow(*(ipc(table(model=["m"], x=[x])) for x in (1.0, 4929.0, 3.0)))
    assert decoded.received == 3
    assert [(r.index, r.reason) for r in decoded.rejects] == [(1, RejectReason.UNDECODABLE)]
    assert "ZeroDivisionError in test_arrow.py" in decoded.rejects[0].detail
    assert sorted(float(x or 0) for b in decoded.batches for x in b.columns["x"]) == [1.0, 3.0]


def test_batches_of_columns_that_nobody_named_for_driftd_are_read_with_what_is_proposed() -> None:
    columns = {
        "ts": pa.array([datetime.fromtimestamp(NOW, UTC)] * 2, pa.timestamp("us", "UTC")),
        "amount": [12.5, 3.0],
        "pred": [0.9, 0.1],
        "latencyMs": [12, 13],
    }
    taken = batch([([], b"cut"), ([], ipc(pa.table(columns)))])
    found = recognised([batch([([], ipc(pa.table(columns)))])])
    assert found is not None
    mapping = with_fields(found, [taken], Limits(), "fraud").mapping
    events = only(codec_of(mapped(Limits(), mapping)).decode(batch([([], ipc(pa.table(columns)))]), {}))
    assert events.model == "fraud"
    assert [*events.columns] == ["amount"]
    assert events.prediction is not None
    assert [*events.columns["amount"]] == [12.5, 3.0]
    assert [*events.prediction] == [0.9, 0.1]
    assert [*events.fields["latency_seconds"]] == [0.012, 0.013]
    assert events.times.tolist() == [NOW, NOW]


def test_batches_as_driftd_has_them_need_no_more_than_the_format() -> None:
    taken = [batch([([], ipc(pa.Table.from_pylist(ROWS)))])]
    found = recognised(taken)
    assert found is not None
    assert with_fields(found, taken, Limits(), "fraud").mapping == {"format": "arrow"}
