"""Folders of files are read in order of time: nothing is late that a topic of the same events would not have late."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.cli import main
from driftd.core.event import RecordBatch
from driftd.decode import codec_of
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.lanes import Lanes
from driftd.sources.files.source import open_events

DAY = 1_788_220_800.0  # 2026-09-01


class Memory:
    """A file of events, by their times; None has none."""

    def __init__(self, times: Sequence[float | None]) -> None:
        self.times = times

    def batches(self, size: int) -> Any:
        for begin in range(0, len(self.times), size):
            part = self.times[begin : begin + size]
            values = [json.dumps({"model": "m", "prediction": 1, "time": t}).encode() for t in part]
            offsets = np.arange(begin, begin + len(part))
            yield RecordBatch("f", 0, offsets, np.full(len(part), np.nan), values, begin + len(part))


def lanes(files: Mapping[str, Sequence[float | None]]) -> Lanes:
    return Lanes("f", [*files], lambda path: Memory(files[path]), codec_of())


def late(batches: Sequence[RecordBatch]) -> tuple[int, Counter[float]]:
    """How many come behind what all partitions that are known and not at their end have reached; and what was read."""
    reached: dict[int, float] = {}
    ended: set[int] = set()
    read: Counter[float] = Counter()
    count, closed = 0, -np.inf
    for batch in batches:
        if not len(batch):
            ended.add(batch.partition)
        for value in batch.values:
            time = json.loads(value or b"")["time"]
            read[time] += 1
            if time is not None:
                count += time < closed
                reached[batch.partition] = max(reached.get(batch.partition, -np.inf), time)
        closed = max(closed, min((t for p, t in reached.items() if p not in ended), default=-np.inf))
    return count, read


@pytest.mark.parametrize("size", [1, 7, 1000])
@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(1, 60), st.sampled_from([1, 3, 40])), min_size=1, max_size=12)
)
def test_files_that_overlap_make_nothing_late(size: int, spans: list[tuple[int, int, int]]) -> None:
    files = {f"{i:02d}": [DAY + begin + step * n for n in range(count)] for i, (begin, count, step) in enumerate(spans)}
    count, read = late([*lanes(files).batches(size)])
    assert count == 0
    assert read == Counter(time for times in files.values() for time in times)


def test_files_one_after_the_other_are_one_partition_in_order_of_time_whatever_they_are_called() -> None:
    files = {"z": [DAY, DAY + 1], "a": [DAY + 10, DAY + 11], "m": [DAY + 5, DAY + 6]}
    batches = [*lanes(files).batches(10)]
    assert {b.partition for b in batches} == {0}
    assert [o for b in batches for o in b.offsets.tolist()] == [*range(6)]
    assert [json.loads(v or b"")["time"] - DAY for b in batches for v in b.values] == [0, 1, 5, 6, 10, 11]


def test_hours_of_two_sources_are_two_partitions_however_many_hours_there_are() -> None:
    names = [(h, i, f"{source}/{h:03d}") for h in range(30) for i, source in enumerate("ab")]
    files = {name: [DAY + 3600 * h + i + n / 2 for n in range(7000)] for h, i, name in names}
    batches = [*lanes(files).batches(1000)]
    assert {b.partition for b in batches} == {0, 1}
    assert late(batches)[0] == 0


def test_files_without_times_keep_their_places() -> None:
    files: dict[str, list[float | None]] = {"a": [None, None], "b": [None], "c": [DAY], "d": [None]}
    read = [json.loads(v or b"")["time"] for b in lanes(files).batches(10) for v in b.values]
    assert read == [None, None, None, DAY, None]


def test_one_wrong_clock_at_an_end_opens_no_files() -> None:
    files = {f"{h:02d}": [DAY + 3600 * h + 10 * n for n in range(300)] for h in range(20)}
    files["03"] = [*files["03"][:-1], DAY * 2]
    assert {b.partition for b in lanes(files).batches(1000)} == {0}


def test_a_lane_that_ends_holds_nobody_back() -> None:
    short = [DAY + n for n in range(10)]
    files = {"a": short, "b": [DAY + 10 * n for n in range(3000)], "c": [t + 20000 for t in short]}
    batches = [*lanes(files).batches(100)]
    (ended,) = [i for i, b in enumerate(batches) if not len(b) and b.partition == batches[0].partition]
    assert ended < len(batches) / 3
    assert late(batches)[0] == 0


# -- with what people type --


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as leaving:
        main([*words])
    out = capsys.readouterr()
    return int(leaving.value.code or 0), out.out + out.err


def capture(folder: Path, variants: str = "ab", hours: int = 6) -> int:
    """Data capture of SageMaker: an invocation every ten seconds of each variant, a file each half hour."""
    for variant in variants:
        for part in range(2 * hours):
            at = DAY + 1800 * part
            path = folder / f"fraud/{variant}/2026/09/01/{part // 2:02d}"
            path.mkdir(parents=True, exist_ok=True)
            lines = []
            for n in range(180):
                when = np.datetime64(int(at + 10 * n), "s")
                data = {"observedContentType": "text/csv", "encoding": "CSV", "data": f"{n % 7}.5"}
                halves = {"endpointInput": data, "endpointOutput": {**data, "data": "0.5"}}
                about = {"eventId": f"{variant}{part}-{n}", "inferenceTime": f"{when}Z"}
                lines.append({"captureData": halves, "eventMetadata": about})
            (path / f"{part % 2 * 30:02d}-00-x.jsonl").write_text("".join(json.dumps(x) + "\n" for x in lines))
    return len(variants) * 2 * hours * 180


def test_variants_of_an_endpoint_are_read_side_by_side(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count = capture(tmp_path / "captured")
    (tmp_path / "driftd.yaml").write_text("mapping: {topics: {captured: {format: sagemaker}}}\n")
    events = ("--events", str(tmp_path / "captured"), "--config", str(tmp_path / "driftd.yaml"))
    code, told = run(capsys, "replay", *events)
    assert code == 0, told
    assert f"read {count} = accepted {count} + rejected 0 + late 0 + dropped 0" in told
    code, told = run(capsys, "reference", "build", "fraud", *events, "--state-dir", str(tmp_path / "state"))
    assert code == 0, told
    assert f"{count:,}" in told


# -- Parquet --


def written(folder: Path, name: str, **columns: Any) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / name)


def events_of(folder: Path, layout: Layout | None = None) -> list[dict[str, Any]]:
    """All rows in the order in which they are read."""
    events = open_events(str(folder), layout)
    out: list[dict[str, Any]] = []
    for rows in events.batches(3):
        for batch in events.codec.decode(rows, {}).batches:
            columns = {"time": batch.times.tolist(), **batch.columns, **batch.fields}
            out += [{"model": batch.model, **{n: c[i] for n, c in columns.items()}} for i in range(len(batch))]
    return out


def test_columns_that_only_some_files_have_are_missing_in_the_others(tmp_path: Path) -> None:
    written(tmp_path, "p/part-0.parquet", time=[DAY], amount=pa.array([1], pa.int64()))
    written(tmp_path, "p/part-1.parquet", country=pa.array(["DE"]).dictionary_encode(), amount=[2.5], time=[DAY + 1])
    assert events_of(tmp_path / "p") == [
        {"model": "p", "time": DAY, "amount": 1.0, "country": None},
        {"model": "p", "time": DAY + 1, "amount": 2.5, "country": "DE"},
    ]


def test_names_of_folders_are_columns_but_those_that_say_when(tmp_path: Path) -> None:
    for day, model, region in ((2, "fraud", "7"), (1, "churn", "8"), (1, "fraud", "__HIVE_DEFAULT_PARTITION__")):
        name = f"p/date=2026-09-{day:02d}/model={model}/region={region}/part-0.parquet"
        written(tmp_path, name, time=[DAY + 86400 * day], x=[float(day)])
    read = events_of(tmp_path / "p")
    assert sorted((e["model"], e["time"] - DAY, e["x"], str(e["region"])) for e in read) == [
        ("churn", 86400, 1.0, "8.0"), ("fraud", 86400, 1.0, "None"), ("fraud", 172800, 2.0, "7.0"),
    ]  # fmt: skip
    assert all({*e} == {"model", "time", "x", "region"} for e in read)


def test_a_folders_date_is_the_time_of_rows_that_have_no_other(tmp_path: Path) -> None:
    for day in (2, 1):
        written(tmp_path, f"p/date=2026-09-{day:02d}/part-0.parquet", x=[float(day)])
    assert [(e["time"], e["x"]) for e in events_of(tmp_path / "p", Layout({"time": "date"}))] == [
        (DAY, 1.0), (DAY + 86400, 2.0),
    ]  # fmt: skip


def test_parts_whose_rows_are_in_no_order_are_read_in_order_of_time(tmp_path: Path, capsys: Any) -> None:
    rng = np.random.default_rng(7)
    times = DAY + 60.0 * rng.permutation(4000)
    for part in range(4):
        mine = times[part::4]
        moments = pa.array((mine * 1e3).astype(np.int64), pa.timestamp("ms"))
        written(tmp_path, f"p/part-{part}.parquet", time=moments, x=mine)
    read = events_of(tmp_path / "p")
    assert sorted(e["x"] for e in read) == sorted(times.tolist())
    assert all(e["x"] == e["time"] for e in read)
    code, told = run(capsys, "replay", "--events", str(tmp_path / "p"))
    assert code == 0
    assert "read 4000 = accepted 4000 + rejected 0 + late 0 + dropped 0" in told
    state = ("--state-dir", str(tmp_path / "state"))
    code, told = run(capsys, "reference", "build", "p", "--events", str(tmp_path / "p"), *state)
    assert (code, "4,000" in told) == (0, True)


def test_a_file_without_rows_and_rows_without_a_time_are_no_hindrance(tmp_path: Path) -> None:
    written(tmp_path, "p/a.parquet", time=pa.array([], pa.float64()), x=pa.array([], pa.float64()))
    written(tmp_path, "p/b.parquet", time=[DAY + 1, None, DAY], x=[1.0, 2.0, 3.0])
    assert [e["x"] for e in events_of(tmp_path / "p")] == [3.0, 1.0]
