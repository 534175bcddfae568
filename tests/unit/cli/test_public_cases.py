"""Mistakes from public reports, as whole replays: each answers as the one who made it would expect."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from driftd.cli import main

T0 = 1_788_220_800  # a Tuesday, 00:00 UTC
Value = Any
Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def replay(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def run(events: Iterable[Any], reference_events: int | None) -> tuple[int, dict[str, Any], str]:
        """The exit code, the report and what standard error says."""
        Path("events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
        words = ["replay", "--events", "events.jsonl", "--output", "json"]
        words += [] if reference_events is None else ["--reference-events", str(reference_events)]
        with pytest.raises(SystemExit) as leaving:
            main(words)
        out, err = capsys.readouterr()
        return int(leaving.value.code or 0), json.loads(out), err

    return run


def alarms(report: dict[str, Any]) -> set[str]:
    """Channels that paged or made a ticket."""
    return {t["channel"] for t in report["tickets"]} | {c for page in report["pages"] for c in page["channels"]}


def binary(
    prediction: Callable[[bool], Value], label: Callable[[bool], Value], change: str, n: int = 5000, at: int = 3000
) -> Any:
    """A model of two classes, 5 % wrong; from ``at`` on 40 % wrong ("error") or all labels are true ("label")."""
    rng = np.random.default_rng(1)
    p = rng.random(n) < 0.3
    y = p ^ (rng.random(n) < np.where((np.arange(n) >= at) & (change == "error"), 0.4, 0.05))
    y[at:] |= change == "label"
    rows = zip(map(bool, p), map(bool, y), strict=True)
    return (
        {
            "model": "b",
            "time": T0 + i * 10,
            "features": {"x": float(i % 5)},
            "prediction": prediction(a),
            "label": label(b),
        }
        for i, (a, b) in enumerate(rows)
    )


def yes(value: bool) -> str:
    return "yes" if value else "no"


@pytest.mark.parametrize(
    ("prediction", "label"),
    [(bool, int), (int, bool), (int, lambda v: str(int(v))), (lambda v: str(int(v)), float)],
    ids=["true and 1", "1 and true", '1 and "1"', '"1" and 1.0'],
)
@pytest.mark.parametrize("change", ["error", "nothing"])
def test_true_is_1_and_text_of_a_number_is_that_number(
    replay: Run, prediction: Callable[[bool], Value], label: Callable[[bool], Value], change: str
) -> None:
    code, report, _ = replay(binary(prediction, label, change), 2000)
    assert code == 0
    assert not report["remarks"]
    assert [c for page in report["pages"] for c in page["channels"]] == ["prediction_error"] * (change == "error")
    assert change == "error" or not alarms(report)


def with_bad_hours(worse: float, days: int = 8) -> Iterable[Any]:
    """5 % are wrong, in two hours of each day 40 to 60 %; on the last day these hours are ``worse``."""
    rng, each = np.random.default_rng(4), 60.0
    for i in range(int(days * 86_400 / each)):
        day, second = divmod(i * each, 86_400)
        bad = (0.4 + 0.03 * (day % 7) if day < days - 1 else worse) if 36_000 <= second < 43_200 else 0.05
        y = bool(rng.random() < 0.3)
        event = {"model": "b", "time": T0 + i * each, "features": {"x": float(i % 5)}}
        yield event | {"prediction": int(y ^ bool(rng.random() < bad)), "label": int(y)}


@pytest.mark.parametrize(("worse", "pages"), [(0.65, False), (1.0, True)])
def test_errors_page_beyond_the_bad_hours_that_the_reference_has(replay: Run, worse: float, pages: bool) -> None:
    report = replay(with_bad_hours(worse), 7 * 1440 - 60)[1]
    assert [c for page in report["pages"] for c in page["channels"]] == ["prediction_error"] * pages


def test_what_cannot_be_compared_is_told_and_the_label_is_watched(replay: Run) -> None:
    _, report, err = replay(binary(yes, int, "label"), 2000)
    told = (
        "b: prediction (no, yes) and label (0, 1) cannot be compared: "
        "prediction_error is not watched, the label itself is"
    )
    assert report["remarks"] == [told]
    assert told in err.splitlines()
    assert "label" in alarms(report)
    assert "prediction_error" not in alarms(report)


def test_labels_that_are_all_alike_page(replay: Run) -> None:
    report = replay(binary(yes, int, "label", 14_000, 10_000), 8000)[1]
    assert [c for page in report["pages"] for c in page["channels"]] == ["label"]
    assert not replay(binary(yes, int, "nothing", 14_000), 8000)[1]["pages"]


def test_labels_that_become_booleans_are_the_same_labels(replay: Run) -> None:
    events = [*binary(int, int, "nothing")]
    for event in events[3000:]:
        event["label"] = bool(event["label"])
    assert not alarms(replay(events, 2000)[1])


def test_labels_that_become_text_are_refused(replay: Run) -> None:
    events = [*binary(int, int, "nothing")]
    for event in events[3000:]:
        event["label"] = yes(event["label"])
    assert {"label", "prediction_error"} <= alarms(replay(events, 2000)[1])


def ratios(n: int = 5000, values: int = 6) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Prices in tenths; six of them have a bin each, fifty share quantile bins."""
    return np.random.default_rng(9).integers(1, values + 1, n) / 10


def shifted(seed: int, n: int = 18_000) -> Iterable[Any]:
    """From 10,000 on ``x`` is 0.2 sd higher, a PSI of 0.04; ``y`` has nothing to do with it."""
    rng = np.random.default_rng(1000 + seed)
    x, y = rng.normal(size=(2, n)).round(4)
    x[10_000:] += 0.2
    return ({"model": "m", "time": T0 + i * 10, "features": {"x": x[i], "y": y[i]}} for i in range(n))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(("effect", "told"), [("0.1", set()), ("0.002", {"x"})])
def test_a_shift_of_one_channel_is_that_channel_s_one_ticket_and_none_below_the_effect(
    replay: Run, seed: int, effect: str, told: set[str]
) -> None:
    Path("driftd.yaml").write_text(f"alarms: {{effect: {effect}}}")
    report = replay(shifted(seed), 10_000)[1]
    assert not report["pages"]
    assert [t["channel"] for t in report["tickets"]] == [*told]


def of_ratios(values: Iterable[float], each: float = 10) -> Iterable[Any]:
    return ({"model": "m", "time": T0 + i * each, "features": {"ratio": float(x)}} for i, x in enumerate(values))


@pytest.mark.parametrize("values", [1, 6, 50])
@pytest.mark.parametrize("order", ["float32 first", "float64 first", "mixed first"])
def test_float32_is_not_news_to_float64(replay: Run, values: int, order: str) -> None:
    x = ratios(values=values)
    rounded, later = x.astype(np.float32).astype(float), np.arange(len(x)) >= 3000
    served = {
        "float32 first": np.where(later, x, rounded),
        "float64 first": np.where(later, rounded, x),
        "mixed first": np.where(later | (np.arange(len(x)) % 2 == 0), x, rounded),
    }[order]
    assert not alarms(replay(of_ratios(served), 3000)[1])


def test_float32_of_a_parquet_file_is_not_news_to_json(replay: Run, capsys: pytest.CaptureFixture[str]) -> None:
    x = ratios()
    times = T0 + 10.0 * np.arange(3000)
    pq.write_table(pa.table({"time": times, "ratio": x[:3000].astype(np.float32)}), "learned.parquet")
    words = ["--events", "learned.parquet", "--model", "m", "--time", "time", "--to-file", "m.reference"]
    with pytest.raises(SystemExit) as leaving:
        main(["reference", "build", *words])
    assert not leaving.value.code
    capsys.readouterr()
    Path("driftd.yaml").write_text("models: [{name: m, reference: {path: m.reference}}]")
    report = replay(of_ratios(x), None)[1]
    assert report["months"] > 0
    assert not alarms(report)


PAYLOADS = {
    "KServe v1": {"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": {"instances": [[0.1, 0.2]]}},
    "open inference v2": {"id": "0", "model_name": "iris", "outputs": [{"name": "predict", "data": [1]}]},
    "Seldon": {"request": {"data": {"ndarray": [[0.1]]}}, "response": {"data": {"ndarray": [[0.5]]}}},
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_payload_of_another_producer_is_refused_in_words(
    replay: Run, capsys: pytest.CaptureFixture[str], payload: Any
) -> None:
    code, report, err = replay([payload] * 50, 20)
    path = "model_name" if "model_name" in payload else "{value: NAME}"
    first = f"events.jsonl, line 1: model: missing; rejected (missing_field); mapping: `model: {path}`"
    nothing = "None of the 50 events could be used; 'driftd check --sample' shows why."
    assert code == 2
    assert report["remarks"] == [first, nothing]
    assert report["months"] == 0
    assert {first, nothing} <= {*err.splitlines()}
    for models in ([], ["iris"]):
        with pytest.raises(SystemExit) as leaving:
            main(["reference", "build", *models, "--events", "events.jsonl"])
        assert leaving.value.code == 2
        assert capsys.readouterr().err.endswith(f"events.jsonl: no usable events\n{first}\n{nothing}\n")


def test_one_bad_event_among_good_ones_is_named(replay: Run) -> None:
    code, report, _ = replay([*of_ratios(ratios(30)), {"model": 7}, {"model": 8}], 20)
    assert code == 0
    first = "events.jsonl, line 31: model: expected a string, got 7; rejected (wrong_type)"
    assert report["remarks"] == [f"{first}; mapping: `model: {{path: model, type: text}}`"]


def with_a_late_feature(late: Callable[[int], Value], n: int = 5000) -> Iterable[Any]:
    """``n`` comes from 1,550 on, in the batch that ends learning at 1,500; from 3,000 on ``a`` is 2 sd higher."""
    a = np.random.default_rng(55).normal(size=n).round(3)
    return (
        {
            "model": "m",
            "time": T0 + i * 10,
            "features": {"a": a[i] + 2 * (i >= 3000)} | ({"n": late(i)} if i >= 1550 else {}),
        }
        for i in range(n)
    )


@pytest.mark.parametrize("late", [lambda i: "xyz"[i % 3], float], ids=["text", "number"])
@pytest.mark.parametrize("built", [False, True], ids=["learned", "built"])
def test_a_feature_that_comes_after_the_reference_is_told_once_and_costs_nothing(
    replay: Run, capsys: pytest.CaptureFixture[str], late: Callable[[int], Value], built: bool
) -> None:
    told = "m: new feature n: not in the reference, so not watched; build a new one for that"
    if built:
        replay(with_a_late_feature(late), 1500)
        with pytest.raises(SystemExit):
            main(["reference", "build", "--events", "events.jsonl", "--first", "1500", "--to-file", "r"])
        capsys.readouterr()
        Path("driftd.yaml").write_text("models: [{name: m, reference: {path: r}}]")
    code, report, err = replay(with_a_late_feature(late), None if built else 1500)
    assert (code, report["accepted"], report["refused"]) == (0, 5000, [])
    assert report["remarks"] == [told]
    assert err.splitlines().count(told) == 1
    assert alarms(report) == {"a"}


def test_a_score_that_comes_after_the_reference_is_no_channel_of_nulls(replay: Run) -> None:
    events = [*of_ratios(ratios())]
    for event in events[1550:]:
        event["score"] = 0.5
    assert not alarms(replay(events, 1500)[1])


def test_a_column_of_a_flat_file_that_fills_late_is_told(replay: Run, capsys: pytest.CaptureFixture[str]) -> None:
    del replay
    rows = (f"{T0 + i * 10},{x},{'x' if i >= 1550 else ''}\n" for i, x in enumerate(ratios(2500)))
    Path("events.csv").write_text("time,ratio,n\n" + "".join(rows))
    words = ["--events", "events.csv", "--time", "time", "--model", "m", "--reference-events", "1500"]
    with pytest.raises(SystemExit):
        main(["replay", *words])
    assert "m: new feature n: not in the reference" in capsys.readouterr().err


def test_times_in_no_order_are_to_be_sorted(replay: Run) -> None:
    events = [*of_ratios(ratios(3000))]
    shuffled = [events[i] for i in np.random.default_rng(21).permutation(3000)]
    code, report, err = replay(shuffled, 50)
    told = f"{report['late']:,} of 3,000 events come before an earlier one and count as late: sort them by time"
    assert (code, report["remarks"]) == (0, [told])
    assert told in err.splitlines()


@pytest.mark.parametrize("at", [0, 1500])
def test_an_event_years_ahead_is_named(replay: Run, at: int) -> None:
    events = [*of_ratios(ratios(3000))]
    events[at]["time"] = T0 + 3650 * 86_400
    code, report, _ = replay(events, 50)
    ahead = "2036-08-29 00:00 UTC is 10 years ahead of the others"
    assert (code, report["remarks"]) == (
        0,
        [f"events.jsonl, line {at + 1}: {ahead}; {2999 - at:,} events after it count as late"],
    )


@pytest.mark.parametrize("reference_events", ["50", "5000"])
def test_excel_dates_are_pointed_at(capsys: pytest.CaptureFixture[str], tmp_path: Path, reference_events: str) -> None:
    rows = (f"{(T0 + i * 3600) / 86400 + 25569:.5f},{x}\n" for i, x in enumerate(ratios(300)))
    path = tmp_path / "excel.csv"
    path.write_text("date,x\n" + "".join(rows))
    with pytest.raises(SystemExit) as leaving:
        main(["replay", "--events", str(path), "--time", "date", "--reference-events", reference_events])
    assert not leaving.value.code
    assert "these look like Excel dates. Convert them" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("released", "named"),
    [
        pytest.param({0: "7", 3000: "8"}, "8", id="with the change"),
        pytest.param({0: "7", 1800: "8"}, None, id="hours before"),
        pytest.param({0: "7"}, None, id="none"),
        pytest.param({2000: "7"}, None, id="the first that is named"),
        pytest.param({0: "7", 2990: "8", 3000: "9"}, None, id="two at once"),
    ],
)
def test_a_version_that_began_with_the_change_is_named(
    replay: Run, released: dict[int, str], named: str | None
) -> None:
    del replay
    values = np.random.default_rng(2).normal(size=4000) + 2 * (np.arange(4000) >= 3000)
    events = [*of_ratios(values, 60)]  # the reference has a day: of less no level pages
    for i, event in enumerate(events):
        version = next((v for at, v in sorted(released.items(), reverse=True) if i >= at), None)
        if version is not None:
            event["version"] = version
    Path("events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    words = ["replay", "--events", "events.jsonl", "--reference-events", "2900", "--findings", "found.jsonl"]
    with pytest.raises(SystemExit):
        main(words)
    found = [json.loads(line) for line in Path("found.jsonl").read_text().splitlines()]
    pages = [f for f in found if f["severity"] == "page"]
    assert {f["feature"] for f in pages} == {"ratio", None}
    assert {f["new_version"] for f in pages} == {named}
    told = "version 8 answers since 2026-09-03 02:00"
    assert all((told in f["because"]) is (named is not None) for f in pages)


@pytest.mark.parametrize(("new_version", "paged_at"), [("keep", [3000]), ("restart", [3000, 6000])])
def test_a_new_version_keeps_the_reference_or_gets_its_own(replay: Run, new_version: str, paged_at: list[int]) -> None:
    """From 3,000 on version 8 answers 2 sd higher; from 6,000 on it drifts by 3 sd of its own."""
    del replay
    at = np.arange(8_000)
    x = np.random.default_rng(2).normal(size=len(at)) + 2 * (at >= 3000) + 3 * (at >= 6000)
    events = [e | {"version": "8" if i >= 3000 else "7"} for i, e in enumerate(of_ratios(x, 60))]
    Path("events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    Path("driftd.yaml").write_text(f"models: [{{name: m, reference: {{events: 2900, new_version: {new_version}}}}}]")
    with pytest.raises(SystemExit):
        main(["replay", "--events", "events.jsonl", "--findings", "found.jsonl"])
    found = [json.loads(line) for line in Path("found.jsonl").read_text().splitlines()]
    calls = [(f["window_end"] - T0) / 60 for f in found if f["feature"] is None and f["severity"] == "page"]
    assert calls == pytest.approx(paged_at, abs=300)
    assert next(f["new_version"] for f in found if f["feature"] is None and f["severity"] == "page") == "8"


COLUMNS: dict[str, tuple[Callable[[int], Value], Callable[[int], Value], dict[str, str]]] = {
    "empty": (lambda _: None, lambda _: None, {}),
    "empty, then numbers": (lambda _: None, float, {}),
    "a constant": (lambda _: 7, lambda _: 7.0, {}),
    "a constant that becomes another": (lambda _: 7, lambda _: 8, {"c": "ticket"}),
    "a constant that is gone": (lambda _: 7, lambda _: None, {"c": "page"}),
    "text that becomes numbers": (lambda i: "xyz"[i % 3], lambda i: i % 3, {"c": "page"}),
    "numbers with some text, as ever": (lambda i: i % 9 or "n/a", lambda i: i % 9 or "n/a", {}),
    "numbers that become text": (lambda i: i % 9, lambda i: str(i % 9), {"c": "page"}),
    "numbers that become words": (lambda i: i % 9, lambda _: "n/a", {"c": "page"}),
}
"""Values of ``c`` in the reference and from 3,000 on, and what is asked for."""


@pytest.mark.parametrize("values", COLUMNS.values(), ids=COLUMNS)
def test_an_odd_column_asks_for_what_a_person_would_ask_for(
    replay: Run, values: tuple[Callable[[int], Value], Callable[[int], Value], dict[str, str]]
) -> None:
    before, after, asked = values
    events = [*of_ratios(np.random.default_rng(8).normal(size=5000).round(3))]
    for i, event in enumerate(events):
        event["features"]["c"] = (before if i < 3000 else after)(i)
    code, report, _ = replay(events, 2500)
    assert (code, report["accepted"]) == (0, 5000)
    paged = {c for page in report["pages"] for c in page["channels"]}
    assert alarms(report) == {*asked}
    assert paged == {c for c, severity in asked.items() if severity == "page"}


@pytest.mark.parametrize(
    ("before", "after"),
    [(bool, int), (int, bool), (int, lambda v: str(int(v))), (lambda v: str(int(v)), int), (str, bool)],
    ids=["true, then 1", "1, then true", '1, then "1"', '"1", then 1', '"True", then true'],
)
def test_a_flag_is_the_same_however_its_truths_are_spelled(
    replay: Run, before: Callable[[bool], Value], after: Callable[[bool], Value]
) -> None:
    rng = np.random.default_rng(3)
    flags = (rng.random(5000) < 0.3).tolist()
    events = (
        {"model": "b", "time": T0 + i * 10, "features": {"flag": (before if i < 3000 else after)(v)}, "prediction": 1}
        for i, v in enumerate(flags)
    )
    code, report, err = replay(events, 2000)
    assert code == 0
    assert not alarms(report)
    assert "refused" not in err


def test_a_feature_that_never_had_a_usable_value_is_blind(replay: Run) -> None:
    events = ({"model": "b", "time": T0 + i, "features": {"user": {"age": 3}, "x": i % 5.0}} for i in range(50))
    _, report, _ = replay(events, 20)
    assert [(f["feature"], f["values"], f["blind"]) for f in report["refused"]] == [("user", 50, True)]
