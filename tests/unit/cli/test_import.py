"""`driftd import`: a baseline in, a reference out; what it cannot give is said, and what drifts makes tickets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from driftd.cli import cli
from driftd.core.errors import ConfigError, SourceError
from tests.unit.migrate.test_sagemaker import SDK_CONSTRAINTS, document, numbers, texts

EVENTS = 6000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A baseline, and events of which the last third has amounts ten times as large and a country that is new."""
    rng = np.random.default_rng(3)
    (tmp_path / "statistics.json").write_bytes(
        document(
            numbers("amount", rng.lognormal(3, 1, 4900), 100),
            numbers("age", rng.integers(18, 90, 5000).astype(float)),
            texts("country", {"DE": 3500, "FR": 1500}),
            numbers("fraud", (rng.random(5000) < 0.1).astype(float)),
            events=5000,
        )
    )
    late = np.arange(EVENTS) >= 2 * EVENTS // 3
    amount = rng.lognormal(3, 1, EVENTS) * np.where(late, 10, 1)
    country = np.where(late & (rng.random(EVENTS) < 0.2), "XX", rng.choice(["DE", "FR"], EVENTS, p=[0.7, 0.3]))
    rows = zip(amount.tolist(), rng.integers(18, 90, EVENTS).tolist(), country.tolist(), strict=True)
    with (tmp_path / "events.jsonl").open("w") as file:
        for i, (a, b, c) in enumerate(rows):
            features = {"amount": a, "age": b, "country": c}
            file.write(
                json.dumps({"model": "fraud", "time": 1.7e9 + 2 * i, "features": features, "prediction": 0}) + "\n"
            )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*words: str) -> Result:
    done = CliRunner().invoke(cli, [*words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


def imported(*words: str) -> Any:
    return json.loads(
        run("import", "sagemaker", "statistics.json", "--model", "fraud", *words, "--output", "json").stdout
    )


def test_what_drifts_from_the_baseline_makes_tickets_and_no_page(folder: Path) -> None:
    said = imported("--prediction", "fraud", "--to-file", "f.reference")
    assert [*said["bins"]] == ["age", "amount", "country", "prediction"]
    assert yaml.safe_load(said["settings"])["models"][0]["reference"] == {"path": "f.reference"}
    (folder / "driftd.yaml").write_text(said["settings"])
    done = run("replay", "--events", "events.jsonl", "--findings", "found.jsonl")
    assert "No pages" in done.stdout
    found = [json.loads(line) for line in (folder / "found.jsonl").read_text().splitlines()]
    told = {(f["feature"], f["detector"]) for f in found if f["status"] in {"WARNING", "DRIFT"} and f["feature"]}
    assert {("amount", "psi"), ("country", "unseen")} <= told
    assert "age" not in {feature for feature, _ in told}
    assert {f["severity"] for f in found} <= {None, "ticket"}


def test_check_says_what_such_a_reference_cannot_do(folder: Path) -> None:
    (folder / "driftd.yaml").write_text(imported("--to-file", "f.reference")["settings"])
    checked = json.loads(run("check", "--offline", "--output", "json").stdout)
    (model,) = checked["models"]
    assert model["remarks"][0].startswith("the reference holds counts alone")
    assert model["window"] is None
    assert checked["certificate"]["models_without_a_judge"] == ["fraud"]
    shown = run("check", "--offline").stdout
    assert "nothing pages" in shown
    assert "events a day" not in shown


def test_into_the_store_as_the_next_version_with_the_times_that_are_given(folder: Path) -> None:
    for version in (1, 2):
        said = imported("--from", "2026-09-01", "--to", "2026-10-01", "--ignore", "fraud")
        assert (said["version"], said["last"] - said["first"]) == (version, 30 * 86400)
    assert "prediction" not in said["bins"]
    assert [*(folder / "driftd-state" / "references").iterdir()]


def test_constraints_are_answered_in_words(folder: Path) -> None:
    (folder / "constraints.json").write_text(SDK_CONSTRAINTS)
    shown = run(
        "import", "sagemaker", "statistics.json", "--constraints", "constraints.json", "--model", "m", "--to-file", "r"
    ).stdout
    assert "constraint on second_message: the statistics do not have it" in shown
    assert "The file cannot give:" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--prediction", "fruad"), "no column 'fruad'; did you mean 'fraud'?"),
        (("--ignore", "x"), "no column 'x'"),
    ],
)
def test_a_column_that_is_not_there_is_told(folder: Path, words: tuple[str, str], told: str) -> None:
    assert folder.is_dir()
    with pytest.raises(ConfigError, match=told.replace("?", "[?]")):
        run("import", "sagemaker", "statistics.json", "--model", "m", *words)


def test_a_file_that_is_not_there_is_out_of_reach(folder: Path) -> None:
    assert folder.is_dir()
    with pytest.raises(SourceError, match=r"gone\.json: cannot be read: No such file") as gone:
        run("import", "sagemaker", "gone.json", "--model", "m")
    assert gone.value.exit_code == 3


def test_a_file_that_is_no_baseline_is_told(folder: Path) -> None:
    (folder / "x.json").write_text("{}")
    for source in ("sagemaker", "tfdv", "histograms"):
        with pytest.raises(ConfigError, match=r"x\.json: (features|datasets|columns): expected"):
            run("import", source, "x.json", "--model", "m")


HALF: dict[str, Any] = {"edges": [0.0, 1.0, 2.0], "counts": [5, 5]}


@pytest.mark.parametrize(
    ("source", "document", "told"),
    [
        ("histograms", {"columns": {}}, "no column has a distribution that a reference can be made of"),
        ("histograms", {"columns": {"x": {"edges": [2.0, 1.0, 3.0], "counts": [1, 1]}}}, "in order"),
        ("histograms", {"columns": {"n" * 500: HALF}}, "longer than 128 bytes, which no event may have"),
        ("histograms", {"columns": {"x": HALF | {"mean": 1e400}}}, "not JSON|a finite number"),
        ("tfdv", {"datasets": [{"numExamples": 1}]}, "no column has a distribution"),
        ("tfdv", {"datasets": [{"features": [{"path": {"step": 7}}]}]}, r"features\[0\]\.path\.step: expected a list"),
        (
            "tfdv",
            {"datasets": [{"features": [{"name": "x", "numStats": {"histograms": [{"buckets": 7}]}}]}]},
            r"features\[0\] \(x\)\.buckets: expected a list",
        ),
        ("sagemaker", {"features": []}, "no column has a distribution"),
    ],
)
def test_a_baseline_of_nothing_or_of_nonsense_is_told(folder: Path, source: str, document: Any, told: str) -> None:
    (folder / "x.json").write_text(json.dumps(document))
    with pytest.raises(ConfigError, match=told):
        run("import", source, "x.json", "--model", "m", "--to-file", "r")


def _changed(folder: Path, change: Any) -> None:
    document = json.loads((folder / "statistics.json").read_text())
    change(document)
    (folder / "statistics.json").write_text(json.dumps(document))


def test_two_columns_of_one_name_are_told(folder: Path) -> None:
    _changed(folder, lambda d: d["features"].append(d["features"][0]))
    with pytest.raises(ConfigError, match=r"column 'amount' appears twice"):
        imported("--to-file", "r")


def test_a_name_that_no_event_may_have_is_left_out_and_said(folder: Path) -> None:
    _changed(folder, lambda d: d["features"][1].update(name="n" * 500))
    said = imported("--to-file", "r")
    assert [*said["bins"]] == ["amount", "country", "fraud"]
    assert any("longer than 128 bytes" in line for line in said["remarks"])


@pytest.mark.parametrize("bounds", [(5.0, -5.0), (1.0, 0.0)])
def test_buckets_out_of_order_are_told(folder: Path, bounds: tuple[float, float]) -> None:
    def change(document: Any) -> None:
        kll = document["features"][0]["numerical_statistics"]["distribution"]["kll"]
        kll.pop("sketch", None)
        kll["buckets"] = [
            {"lower_bound": 0.0, "upper_bound": bounds[0], "count": 50.0},
            {"lower_bound": bounds[0], "upper_bound": bounds[1], "count": 50.0},
        ]

    _changed(folder, change)
    with pytest.raises(ConfigError, match=r"column 'amount': its buckets are not in order"):
        imported("--to-file", "r")
