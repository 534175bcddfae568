"""`driftd check --sample` of tables whose columns have other names: what it proposes works once it is pasted."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.cli.pasting import Sampled

T0 = 1_788_220_800  # 2026-09-01
N = 120
SECONDS = range(T0, T0 + N)
ISO = [str(np.datetime64(t, "s")) for t in SECONDS]
REST = {"amount": [i / 8 for i in range(N)], "country": ["DE", "FR", "IT"] * (N // 3)}


@pytest.fixture
def sampled(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sampled:
    monkeypatch.chdir(tmp_path)
    return Sampled(capsys)


def as_csv(columns: dict[str, Any]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def as_parquet(columns: dict[str, Any]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def moments(unit: str, zone: str | None = None) -> Any:
    each = {"s": 1, "ms": 1000, "us": 10**6, "ns": 10**9}[unit]
    return pa.array([t * each for t in SECONDS], pa.timestamp(unit, zone))


TIMES = {
    "s": [*SECONDS],
    "ms": [t * 1000 for t in SECONDS],
    "us": [t * 10**6 for t in SECONDS],
    "ns": [t * 10**9 for t in SECONDS],
    "float": [t + 0.0 for t in SECONDS],
    "text": ISO,
    "text with a zone": [f"{t}+00:00" for t in ISO],
    "text with Z": [f"{t}Z" for t in ISO],
}
TYPED = {f"timestamp[{u}]": moments(u) for u in ("s", "ms", "us", "ns")} | {"zoned": moments("us", "Europe/Berlin")}


@pytest.mark.parametrize(
    ("suffix", "times"),
    [*(("csv", key) for key in TIMES), *(("parquet", key) for key in (*TIMES, *TYPED))],
)
def test_a_column_of_times_is_found_whatever_it_holds(sampled: Sampled, suffix: str, times: str) -> None:
    name = {"csv": "ts", "parquet": "event_time"}[suffix]
    columns = {name: (TIMES | TYPED)[times], "y_pred": REST["amount"], **REST}
    file = f"calls.{suffix}"
    out = sampled.check((as_csv if suffix == "csv" else as_parquet)(columns), file)
    assert "No column is called `time`" in out
    assert sampled.proposal.strip() == f"mapping:\n  time: {name}\n  prediction: y_pred"
    report = sampled.pasted(file)
    assert (report["accepted"], report["rejected"], report["refused_values"]) == (100, [], [])
    assert report["proposal"] is None
    assert [e["time"] for e in report["events"]] == [*SECONDS[:5]]
    assert {*report["events"][0]["features"]} == {"amount", "country"}
    sampled.run("replay", "--events", file)
    assert (sampled.code, sampled.err.splitlines()[-1]) == (
        0,
        f"read {N} = accepted {N} + rejected 0 + late 0 + dropped 0",
    )
    assert "1970" not in sampled.out + sampled.err


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_every_field_has_its_column_and_names_may_be_odd(sampled: Sampled, suffix: str) -> None:
    columns = {
        "ts": TIMES["ms"], "model name": ["fraud"] * N, "model_name": ["fraud"] * N, "predicted": REST["country"],
        "probability": [0.5] * N, "y_true": REST["country"], "latency_ms": [12.5] * N,
        "request_id": [f"r{i}" for i in range(N)], "model_version": ["7"] * N, **REST,
    }  # fmt: skip
    file = f"calls.{suffix}"
    sampled.check((as_csv if suffix == "csv" else as_parquet)(columns), file)
    report = sampled.pasted(file)
    assert (report["accepted"], report["rejected"]) == (100, [])
    first = report["events"][0]
    assert {k: v for k, v in first.items() if k not in {"offset", "features"}} == {
        "time": float(T0), "model": "fraud", "version": "7", "prediction": "DE", "score": 0.5, "label": "DE",
        "latency_seconds": 0.0125,
    }  # fmt: skip
    assert {*first["features"]} == {"amount", "country", "model name"}


def test_a_table_with_our_names_gets_no_proposal(sampled: Sampled) -> None:
    out = sampled.check(
        as_csv({"time": TIMES["ms"], "prediction": REST["amount"], "class": REST["country"]}), "calls.csv"
    )
    assert "mapping" not in out
    assert "1970" not in out


@pytest.mark.parametrize("command", [("replay",), ("reference", "build", "calls")])
def test_a_table_without_times_is_told_where_it_is_used(sampled: Sampled, command: tuple[str, ...]) -> None:
    sampled.check(as_csv({"ts": TIMES["ms"], "x": REST["amount"]}), "calls.csv")
    sampled.run(*command, "--events", "calls.csv")
    assert "before 2001-09-09: is the unit right?" in sampled.out + sampled.err
    assert "'--time COLUMN' names one" in sampled.out + sampled.err


def test_a_folder_of_a_platforms_parquet_is_recognised(sampled: Sampled) -> None:
    for part in range(2):
        row = {
            "databricks_request_id": [f"{part}-{i}" for i in range(60)],
            "request_time": pa.array([(T0 + 10 * i + part) * 10**6 for i in range(60)], pa.timestamp("us", "UTC")),
            "request": ['{"dataframe_records": [{"a": 1}]}'] * 60,
            "response": ['{"predictions": [[0.5]]}'] * 60,
        }
        Path("calls").mkdir(exist_ok=True)
        Path(f"calls/part-{part}.parquet").write_bytes(as_parquet(row))
    out = sampled.run("check", "--sample", "calls")
    assert "Recognised: Databricks inference table" in out
    assert "format: databricks" in sampled.proposal
    report = sampled.pasted("calls", more="")
    assert (report["accepted"], report["rejected"]) == (100, [])
    sampled.run("replay", "--events", "calls")
    assert sampled.err.splitlines()[-1] == "read 120 = accepted 120 + rejected 0 + late 0 + dropped 0"
