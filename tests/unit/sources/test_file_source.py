"""Files of events: JSON lines by line number, flat files to the very columns that the same events as JSON give."""

import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import Decoded, DropReason, EventBatch, Kind, RejectReason, Schema, versions
from driftd.data import flights
from driftd.decode import Limits
from driftd.decode.tabular.columns import numbers
from driftd.decode.tabular.layout import Layout
from driftd.sources.files import flat
from driftd.sources.files.source import open_events
from driftd.sources.files.stream import Progress

ROWS: list[dict[str, Any]] = [
    {"time": 1e3 + i,"prediction": p, "score": s, "label": y, "latency_seconds": t, "amount": a, "country": c, "vip": v}
    for i, (p, s, y, t, a, c, v) in enumerate([
        (1, 0.5, 1, 0.25, 1.5, "DE", True),
        (0, 0.25, None, None, None, "FR", False),
        (1, None, 0, 0.5, 3.0, None, None),
        (0, 0.75, 1, 0.125, -2.25, "Côte d'Ivoire", True),
    ])
]  # fmt: skip
LAYOUT = Layout({"model": "m", "version": "7"})
SCHEMAS = {
    "open": {},
    "typed": {
        "m": Schema(
            "m", {"amount": Kind.NUMERIC, "country": Kind.CATEGORICAL, "vip": Kind.CATEGORICAL}, Kind.CATEGORICAL
        )
    },
    "categories": {
        "m": Schema("m", dict.fromkeys(("amount", "country", "gone"), Kind.CATEGORICAL), Kind.NUMERIC, open=False)
    },
}


def as_json(folder: Path) -> str:
    path = folder / "m.jsonl"
    envelope = ("time", "prediction", "score", "label", "latency_seconds")
    with path.open("w") as out:
        for row in ROWS:
            features = {k: v for k, v in row.items() if k not in envelope}
            out.write(
                json.dumps({"model": "m", "version": "7", "features": features, **{k: row[k] for k in envelope}}) + "\n"
            )
    return str(path)


def as_parquet(folder: Path) -> str:
    path = folder / "m.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    return str(path)


def as_csv(folder: Path) -> str:
    path = folder / "m.csv"
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, list(ROWS[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()} for row in ROWS)
    return str(path)


def decode(
    path: str, layout: Layout | None = None, schemas: Any = None, size: int = 4096, **limits: Any
) -> list[Decoded]:
    events = open_events(path, layout, Limits(**limits))
    out = []
    for records in events.batches(size):
        decoded = events.codec.decode(records, schemas or {})
        good = sum(len(b) + b.label_only for b in decoded.batches)
        assert decoded.received == good + len(decoded.rejects) + sum(decoded.dropped.values())
        assert all(records.offsets[r.index] == r.offset for r in decoded.rejects)
        out.append(decoded)
    return out


def values(decoded: list[Decoded]) -> list[Any]:
    """Everything that came out, as plain values, batches laid end to end."""

    def listed(column: Any) -> list[Any]:
        return [None if v is None or v != v else v for v in column]  # noqa: PLR0124  NaN

    def rows(b: EventBatch) -> Iterator[Any]:
        blank = [None] * len(b)
        parts = [b.offsets, b.times, versions(b), b.prediction, b.score, b.label, b.latency_seconds, b.failed]
        columns = {**{f"#{i}": p for i, p in enumerate(parts)}, **dict(sorted(b.columns.items()))}
        lists = [blank if c is None else listed(c) for c in columns.values()]
        for row in zip(*lists, strict=True):
            yield b.model, dict(zip(columns, row, strict=True))

    return [row for d in decoded for b in d.batches for row in rows(b)]


@pytest.mark.parametrize("schemas", SCHEMAS.values(), ids=SCHEMAS)
@pytest.mark.parametrize("write", [as_parquet, as_csv])
def test_a_flat_file_gives_what_the_same_events_give_as_json(tmp_path: Path, write: Any, schemas: Any) -> None:
    expected = values(decode(as_json(tmp_path), None, schemas))
    assert len(expected) == len(ROWS)
    assert values(decode(write(tmp_path), LAYOUT, schemas)) == expected


@pytest.mark.parametrize("write", [as_json, as_parquet, as_csv])
@pytest.mark.parametrize("size", [1, 3])
def test_the_result_does_not_depend_on_the_size_of_the_batches(tmp_path: Path, write: Any, size: int) -> None:
    path, layout = write(tmp_path), None if write is as_json else LAYOUT
    schemas = SCHEMAS["typed"]
    assert values(decode(path, layout, schemas, size)) == values(decode(path, layout, schemas))


def test_offsets_are_line_numbers_and_blank_lines_are_no_records(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a":1}\r\n\n  \n{"a":2}\n{"a":3}')
    (batch,) = open_events(str(path)).batches()
    assert batch.offsets.tolist() == [0, 3, 4]
    assert batch.values == [b'{"a":1}', b'{"a":2}', b'{"a":3}']
    assert (batch.source, batch.partition, batch.next_offset) == ("events.jsonl", 0, 5)
    assert np.isnan(batch.timestamps).all()


def test_an_endless_line_is_refused_and_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * 100_000 + b'\n{"model":"m","prediction":1,"time":5}\n')
    events = open_events(str(path), limits=Limits(record_bytes=1024))
    (batch,) = events.batches()
    assert [len(v or b"") for v in batch.values] == [1026, 37]
    decoded = events.codec.decode(batch, {})
    assert [r.reason for r in decoded.rejects] == [RejectReason.TOO_LARGE]
    assert [len(b) for b in decoded.batches] == [1]


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("write", [as_json, as_csv])
def test_compressed_files_read_as_what_is_in_them(tmp_path: Path, write: Any, suffix: str) -> None:
    layout = None if write is as_json else LAYOUT
    plain = Path(write(tmp_path))
    expected = values(decode(str(plain), layout))
    raw = plain.read_bytes()
    packed = plain.with_name(plain.name + suffix)
    pack = gzip.compress if suffix == ".gz" else zstandard.compress
    packed.write_bytes(pack(raw[:150]) + pack(raw[150:]))  # a file of two frames, as `cat` makes it
    assert values(decode(str(packed), layout)) == expected


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_file_that_is_cut_off_is_refused_not_taken_for_shorter(tmp_path: Path, suffix: str) -> None:
    raw = b"".join(b'{"model":"m","prediction":%d}\n' % (i * 7919 % 10_007) for i in range(9000))
    packed = gzip.compress(raw) if suffix == ".gz" else zstandard.compress(raw)
    path = tmp_path / f"events.jsonl{suffix}"
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(SourceRefused, match=r"events\.jsonl.*cannot be read on"):
        decode(str(path))


def test_standard_input_is_json_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b'{"model":"m","prediction":1,"time":5}\n'))
    monkeypatch.setattr("sys.stdin", stdin)
    events = open_events("-")
    (batch,) = events.batches()
    assert (batch.source, len(batch)) == ("stdin", 1)
    assert events.progress().total is None
    assert events.progress().done == 38


def test_progress_goes_from_nothing_to_all(tmp_path: Path) -> None:
    for path in (as_json(tmp_path), as_parquet(tmp_path), as_csv(tmp_path)):
        events = open_events(path)
        assert events.progress().done == 0
        list(events.batches(1))
        assert events.progress().done == events.progress().total


def write_csv(folder: Path, text: str | bytes, name: str = "flat.csv") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(path)


TEXT, ENDLESS = "expected a number, got a string", "a number beyond the range of a float"


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.LIST])
def test_a_value_of_a_wrong_type_is_missing_and_its_row_accepted(tmp_path: Path, kind: Kind) -> None:
    rows = [*["1"] * 57, "1e400", "12,50", "2"]
    csv_file = write_csv(tmp_path, "time;x\n" + "".join(f"{i};{x}\n" for i, x in enumerate(rows)))
    schemas = {"flat": Schema("flat", {"x": kind})}
    for size in (100, 7):
        out = decode(csv_file, None, schemas, size)
        found = [row[1]["x"] for row in values(out)]
        refused = {int(b.offsets[i]) for d in out for b in d.batches for i in np.flatnonzero(b.refused.get("x", []))}
        assert not [r for d in out for r in d.rejects]
        text = None if kind is Kind.NUMERIC else "12,50"
        assert found[57:] == [None, text, "2" if kind is Kind.CATEGORICAL else 2.0]
        assert refused == ({57, 58} if kind is Kind.NUMERIC else {57})
        first, *_ = [v for d in out for v in d.refused]
        assert (first.model, first.feature, first.offset, first.time, first.why) == ("flat", "x", 57, 57.0, ENDLESS)


def test_numbers_of_parquet_that_are_not_finite_and_text_among_numbers_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "flat.parquet"
    pq.write_table(pa.table({"x": [1.0, np.inf, np.nan], "c": [-np.inf, 2.0, None], "t": ["1", "DE", None]}), path)
    schemas = {"flat": Schema("flat", {"x": Kind.NUMERIC, "c": Kind.CATEGORICAL, "t": Kind.NUMERIC})}
    (decoded,) = decode(str(path), None, schemas)
    assert {v.feature: (v.offset, v.why) for v in decoded.refused} == {
        "x": (1, ENDLESS), "c": (0, ENDLESS), "t": (1, TEXT),
    }  # fmt: skip
    (batch,) = decoded.batches
    assert {name: flags.tolist() for name, flags in batch.refused.items()} == {
        "x": [False, True, False], "c": [True, False, False], "t": [False, True, False],
    }  # fmt: skip
    assert batch.columns["c"] == [None, "2", None]
    np.testing.assert_array_equal(batch.columns["x"], [1, np.nan, np.nan])


def test_a_row_that_is_rejected_has_no_refused_value(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "time,x,score\n" + "1,1,0.5\n" * 40 + "2,a,high\n" + "3,b,0.5\n")
    (decoded,) = decode(path, None, {"flat": Schema("flat", {"x": Kind.NUMERIC})})
    assert [r.offset for r in decoded.rejects] == [40]
    assert [v.offset for v in decoded.refused] == [41]
    assert np.flatnonzero(decoded.batches[0].refused["x"]).tolist() == [40]


def test_bad_rows_are_rejected_by_reason_and_keep_their_number(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path,
        b"time,amount,latency_seconds,name\n"
        b"1,1.5,0.1,a\n"  # 0
        b"2,1.5\n"  # 1: too short
        b'3,1,"12,50",a\n'  # 2: no number
        b"\n"  # a blank line is no row
        b"x,1,0.1,a\n"  # 3: no time
        b"5,1,1e400,a\n"  # 4: infinite
        b"6,1,-1,a\n"  # 5: negative latency
        b"7,1,0.1,\xff\n"  # 6: not UTF-8
        b'8,,,"two\nlines"\n'  # 7
        b"9,1,1,1,1\n",  # 8: too long
    )
    schemas = {"flat": Schema("flat", {"amount": Kind.NUMERIC, "name": Kind.CATEGORICAL})}
    for size in (100, 2):
        out = decode(path, None, schemas, size)
        assert [row[1]["#0"] for row in values(out)] == [0, 7]
        assert values(out)[1][1]["name"] == "two\nlines"
        assert [(r.offset, r.reason.value) for d in out for r in d.rejects] == [
            (1, "not_an_event"),
            (2, "wrong_type"),
            (3, "bad_time"),
            (4, "not_finite"),
            (5, "wrong_type"),
            (6, "not_utf8"),
            (8, "not_an_event"),
        ]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["1361970000", "1361970000.5"], [1361970000.0, 1361970000.5]),
        (["1361970000000"], [1361970000.0]),
        (["1361970000000000"], [1361970000.0]),
        (["1361970000000000000"], [1361970000.0]),
        (["2013-02-27T13:00:00Z", "2013-02-27T14:00:00+01:00", "2013-02-27 13:00:00"], [1361970000.0] * 3),
    ],
)
def test_times_are_seconds_by_their_size_or_rfc_3339(tmp_path: Path, texts: list[str], expected: list[float]) -> None:
    path = write_csv(tmp_path, "when,x\n" + "".join(f"{t},1\n" for t in texts))
    assert [row[1]["#1"] for row in values(decode(path, Layout({"time": "when"})))] == expected


def test_dates_and_times_of_parquet_say_their_unit_themselves(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    moments = pa.array([0, 1_361_970_000_000], pa.timestamp("ms", tz="Europe/Berlin"))
    pq.write_table(pa.table({"ts": moments, "day": pa.array([1, 15_763], pa.date32())}), path)
    assert [row[1]["#1"] for row in values(decode(str(path), Layout({"time": "ts"})))] == [0.0, 1361970000.0]
    assert [row[1]["#1"] for row in values(decode(str(path), Layout({"time": "day"})))] == [86400.0, 15_763 * 86400.0]


def test_without_a_time_column_the_row_number_counts_seconds(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "x\n1\n2\n3\n")
    assert [row[1]["#1"] for row in values(decode(path, size=2))] == [0.0, 1.0, 2.0]


def test_a_postcode_is_text_though_it_looks_like_a_number_and_na_is_missing_only_among_numbers(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "zip,country,temp\n01234,NA,NA\n99999,DE,3\n,,4\n")
    rows = [row[1] for row in values(decode(path))]
    assert [r["zip"] for r in rows] == ["01234", "99999", None]
    assert [r["country"] for r in rows] == ["NA", "DE", None]
    assert [r["temp"] for r in rows] == [None, 3.0, 4.0]


def test_models_come_from_a_column_where_there_is_one_and_discovery_is_limited(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "service,x\na,1\nb,2\na,3\n,4\nc,5\n")
    (decoded,) = decode(path, Layout({"model": "service"}), max_models=2)
    assert [(b.model, len(b)) for b in decoded.batches] == [("a", 2), ("b", 1)]
    assert decoded.dropped == {DropReason.MODEL_LIMIT: 1}
    assert [r.reason for r in decoded.rejects] == [RejectReason.MISSING_FIELD]
    (decoded,) = decode(path, Layout({"model": "service"}), {"a": Schema("a")}, discover=False)
    assert decoded.dropped == {DropReason.UNCONFIGURED_MODEL: 2}


def test_features_beyond_the_limit_are_counted_and_a_closed_schema_takes_only_its_own(tmp_path: Path) -> None:
    path = write_csv(tmp_path, "a,b,c\n1,2,3\n4,5,6\n")
    (decoded,) = decode(path, max_features=2)
    assert set(decoded.batches[0].columns) == {"a", "b"}
    assert decoded.batches[0].ignored_features == 2
    (decoded,) = decode(path, None, {"flat": Schema("flat", {"c": Kind.NUMERIC}, open=False)})
    assert set(decoded.batches[0].columns) == {"c"}
    assert decoded.batches[0].ignored_features == 0


def test_errors_versions_and_lists_of_numbers_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    columns = {"error": [None, "", "boom", "0"], "version": [1, 2, 2, 2], "prediction": [[3.0, 4.0], None, [], [1.0]]}
    pq.write_table(pa.table(columns), path)
    (decoded,) = decode(str(path))
    (batch,) = decoded.batches
    assert batch.failed is not None
    assert batch.failed.tolist() == [False, False, True, False]
    assert set(versions(batch)) == {"1", "2"}
    np.testing.assert_array_equal(batch.prediction, [5.0, np.nan, 0.0, 1.0])
    lists = np.asarray(batch.fields["list.prediction"])
    assert [row[: int(row[0]) + 1].tolist() for row in lists] == [
        [2.0, 3.0, 4.0], [0.0], [0.0], [0.0],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout({"prediction": "amout"}), "--prediction: no column 'amout'; did you mean 'amount'?"),
        (Layout({"time": "when"}), "--time: no column 'when'; expected one of amount, name, day"),
        (Layout({"label": "amount", "score": "amount"}), "column 'amount' is asked for as --score and as --label"),
        (Layout(ignore=("nam",)), "--ignore: no column 'nam'; did you mean 'name'?"),
    ],
)
def test_columns_that_are_not_there_are_told(tmp_path: Path, layout: Layout, message: str) -> None:
    path = write_csv(tmp_path, "amount,name,day\n1,a,2\n")
    with pytest.raises(ConfigError) as e:
        open_events(path, layout)
    assert str(e.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    ("asked", "features", "fields"),
    [
        pytest.param({}, {"x": 1, "prediction_error": 3}, {"score": 2}, id="it plays the part of its name"),
        pytest.param({"score": "x"}, {"score": 2, "prediction_error": 3}, {"score": 1}, id="another column plays it"),
        pytest.param({"prediction": "score"}, {"x": 1, "prediction_error": 3}, {"prediction": 2}, id="it plays one"),
    ],
)
def test_a_column_that_plays_no_part_is_a_feature_whatever_it_is_called(
    tmp_path: Path, asked: dict[str, str], features: dict[str, float], fields: dict[str, float]
) -> None:
    path = write_csv(tmp_path, "x,score,prediction_error\n1,2,3\n")
    (batch,) = decode(path, Layout(asked))[0].batches
    assert {name: column[0] for name, column in batch.columns.items()} == features
    assert {name: column[0] for name, column in batch.fields.items()} == fields


def test_what_cannot_be_read_is_told_before_anything_is(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        open_events(str(tmp_path / "gone.csv"))
    with pytest.raises(ConfigError, match="expected a name that ends in"):
        open_events(write_csv(tmp_path, "hello", "notes.txt"))
    with pytest.raises(ConfigError, match="JSON lines name their own fields"):
        open_events(write_csv(tmp_path, "{}", "a.jsonl"), Layout({"time": "ts"}))
    with pytest.raises(ConfigError, match="column 'a' appears twice"):
        open_events(write_csv(tmp_path, "a,a\n1,2\n"))
    with pytest.raises(ConfigError, match="expected a first line"):
        open_events(write_csv(tmp_path, ""))
    with pytest.raises(SourceRefused, match="not a Parquet file"):
        open_events(write_csv(tmp_path, "no", "a.parquet"))
    path = tmp_path / "nested.parquet"
    pq.write_table(pa.table({"x": [{"a": 1}], "y": [1]}), path)
    with pytest.raises(ConfigError, match=r"column 'x' is of type struct.*--ignore x"):
        open_events(str(path))
    assert decode(str(path), Layout(ignore=("x",)))[0].batches


def test_other_separators_are_seen_and_an_index_without_a_name_is_no_feature(tmp_path: Path) -> None:
    path = write_csv(tmp_path, ";a;b\n0;1,5;x\n1;2,5;y\n")
    (decoded,) = decode(path)
    assert decoded.batches[0].columns == {"a": ["1,5", "2,5"], "b": ["x", "y"]}


def test_many_columns_come_in_shorter_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a batch of a wide file would take ten times the memory."""
    monkeypatch.setattr(flat, "MOST_VALUES", 60)
    columns = {f"f{i}": np.arange(100.0) + i for i in range(20)}
    pq.write_table(pa.table(columns), tmp_path / "wide.parquet")
    batches = [*open_events(str(tmp_path / "wide.parquet"), Layout({"model": "m"})).batches()]
    assert [len(b.offsets) for b in batches] == [3] * 33 + [1]
    assert np.concatenate([b.offsets for b in batches]).tolist() == list(range(100))


def test_the_flights_ship_whole() -> None:
    events = open_events(str(flights.path()), flights.LAYOUT)
    batches = [b for r in events.batches(50_000) for b in events.codec.decode(r, {}).batches]
    assert sum(map(len, batches)) == flights.EVENTS
    assert {b.model for b in batches} == {"flight-delay"}
    assert len(batches[0].columns) == 10
    times = np.concatenate([b.times for b in batches])
    assert (np.diff(times) >= 0).all()
    assert times[flights.REFERENCE_EVENTS - 1] < 1362114000 <= times[flights.REFERENCE_EVENTS]


def test_a_folder_is_one_history_in_order_of_time(tmp_path: Path) -> None:
    folder = tmp_path / "fraud"
    (folder / "day=2").mkdir(parents=True)
    for number, name in enumerate(["day=2/part-0", "part-1", "part-0"]):
        table = pa.table({"time": [100.0 * number, 100.0 * number + 1], "x": [float(number), 0.5]})
        pq.write_table(table, folder / f"{name}.parquet")
    (folder / "_SUCCESS").touch()
    pq.write_table(pa.table({"y": [1]}), folder / "_temporary.parquet")
    events = open_events(str(folder))
    batches = [*events.batches(1)]
    assert [rows.offsets.tolist() for rows in batches] == [[0], [1], [2], [3], [4], [5]]
    assert batches[-1].next_offset == 6
    decoded = [batch for rows in batches for batch in events.codec.decode(rows, {}).batches]
    assert [batch.times.tolist() for batch in decoded] == [[0.0], [1.0], [100.0], [101.0], [200.0], [201.0]]
    assert {(rows.source, batch.model) for rows, batch in zip(batches, decoded, strict=True)} == {("fraud", "fraud")}
    assert events.progress() == Progress(6, 6, "rows")


def test_a_folder_without_files_and_files_of_other_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a folder with files that end in \.parquet"):
        open_events(str(tmp_path))
    pq.write_table(pa.table({"time": [1.0], "x": [1.0]}), tmp_path / "a.parquet")
    pq.write_table(pa.table({"time": [1.0], "x": ["1"]}), tmp_path / "b.parquet")
    with pytest.raises(ConfigError, match=r"b\.parquet: column 'x' is of type string, and double in .*; leave it out"):
        open_events(str(tmp_path))
    events = open_events(str(tmp_path), Layout(ignore=("x",)))
    assert sum(len(rows) for rows in events.batches()) == 2


def test_truths_are_1_and_0_in_a_column_of_numbers_and_other_text_is_refused() -> None:
    faults: dict[int, tuple[RejectReason, str]] = {}
    column = pa.array(["true", "False", "1", "2.5", None, "yes"])
    np.testing.assert_array_equal(numbers(column, "x", faults), [1, 0, 1, 2.5, np.nan, np.nan])
    assert [*faults] == [5]


def test_columns_without_a_name_are_no_features(tmp_path: Path) -> None:
    """However many: exports have an index, or empty columns at the end."""
    path = write_csv(tmp_path, ",x,\n1,2.5,3\n4,5.5,6\n")
    (decoded,) = decode(path)
    assert list(decoded.batches[0].columns) == ["x"]
    assert [*decoded.batches[0].columns["x"]] == [2.5, 5.5]


LATER: list[dict[str, Any]] = [
    {"time": 1e3, "id": "1", "prediction": 1, "label": None, "amount": 1.5, "country": "DE"},
    {"time": 1001.0, "id": "2", "prediction": None, "label": None, "amount": None, "country": None},
    {"time": 1002.0, "id": "1", "prediction": None, "label": 0, "amount": None, "country": None},
    {"time": 1003.0, "id": "3", "prediction": 0, "label": 1, "amount": None, "country": None},
    {"time": 1004.0, "id": None, "prediction": None, "label": 1, "amount": None, "country": None},
    {"time": 1005.0, "id": "7", "prediction": None, "label": 1, "amount": None, "country": None},
    {"time": 1006.0, "id": "4", "prediction": None, "label": 1, "amount": None, "country": "FR"},
]  # fmt: skip
"""The third and the sixth are labels alone: the others have a prediction or a feature, or no label or id."""


@pytest.mark.parametrize("kind", ["csv", "parquet"])
@pytest.mark.parametrize("schemas", [{}, {"m": Schema("m", {"amount": Kind.NUMERIC}, Kind.CATEGORICAL, open=False)}])
def test_a_row_with_a_label_and_its_id_alone_is_a_label_that_comes_later_as_in_json(
    tmp_path: Path, kind: str, schemas: dict[str, Schema]
) -> None:
    path = tmp_path / f"m.{kind}"
    if kind == "csv":
        lines = [",".join("" if v is None else str(v) for v in row.values()) for row in LATER]
        path.write_text("\n".join([",".join(LATER[0]), *lines]) + "\n")
    else:
        pq.write_table(pa.Table.from_pylist(LATER), path)
    source = open_events(str(path), LAYOUT, Limits(keep_ids=True))
    (batch,) = (b for r in source.batches() for b in source.codec.decode(r, schemas).batches)
    labels = batch.labels_alone
    assert labels is not None
    assert ([*labels.ids], [*labels.labels]) == (["1", "7"], [0.0, 1.0])
    assert labels.times.tolist() == [1002.0, 1005.0]
    assert labels.offsets.tolist() == [batch.offsets[0] + 2, batch.offsets[0] + 5]
    assert batch.times.tolist() == [1000.0, 1001.0, 1003.0, 1004.0, 1006.0]
    assert [*(batch.ids or [])] == ["1", "2", "3", None, "4"]
