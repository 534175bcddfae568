"""Evidently's and NannyML's default drift tests; runs in an environment of their own, since their pins are theirs.

usage: python peers_venv.py evidently|nannyml < requests.jsonl > alarms.jsonl

A request: {"stream", "file", "n_ref", "channels": {name: type}}. An answer: {"stream", "alarms": [[feature, index]],
"seconds", "raised"}. Evidently: DataDriftPreset() on tumbling windows of 1,000 rows against the reference rows.
NannyML: UnivariateDriftCalculator(chunk_size=1000), its default method (Jensen-Shannon) and thresholds.
Numbers and categories are declared to both; an alarm's index is the last row of its window.
"""

import json
import sys
import time
import warnings
from typing import Any

import pandas as pd

WINDOW = 1000


def evidently(d: pd.DataFrame, n_ref: int, numeric: list[str], categorical: list[str]) -> tuple[list[Any], int]:
    from evidently import DataDefinition, Dataset, Report  # noqa: PLC0415
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    def dataset(rows: pd.DataFrame, numbers: list[str], categories: list[str]) -> Any:
        what = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        return Dataset.from_pandas(rows[numbers + categories], data_definition=what)

    whole = dataset(d.iloc[:n_ref], numeric, categorical)

    def test(window: pd.DataFrame, numbers: list[str], categories: list[str]) -> list[str]:
        everything = len(numbers) + len(categories) == len(numeric) + len(categorical)
        current = dataset(window, numbers, categories)
        reference = whole if everything else dataset(d.iloc[:n_ref], numbers, categories)
        found = Report([DataDriftPreset()]).run(current, reference).dict()["metrics"]
        return [m["config"]["column"] for m in found if "column" in m["config"] and drifted(m)]

    alarms, raised = [], 0
    for start in range(n_ref, len(d) - WINDOW + 1, WINDOW):
        window = d.iloc[start : start + WINDOW]
        try:
            names = test(window, numeric, categorical)
        except Exception:  # noqa: BLE001  a column without a value; the others are tested one by one
            names = []
            for c in numeric + categorical:
                try:
                    names += test(window, [c] if c in numeric else [], [c] if c in categorical else [])
                except Exception:  # noqa: BLE001
                    raised += 1
        alarms += [[name, start + WINDOW - 1] for name in names]
    return alarms, raised


def drifted(metric: dict[str, Any]) -> bool:
    """A p-value below its threshold, or a distance of at least its threshold."""
    value, threshold = float(metric["value"]), float(metric["config"]["threshold"])
    return value < threshold if "p_value" in metric["config"]["method"] else value >= threshold


def nannyml(d: pd.DataFrame, n_ref: int, numeric: list[str], categorical: list[str]) -> tuple[list[Any], int]:
    import nannyml as nml  # noqa: PLC0415

    calculator = nml.UnivariateDriftCalculator(
        column_names=numeric + categorical, treat_as_categorical=categorical, chunk_size=WINDOW
    )
    calculator.fit(d.iloc[:n_ref])
    found = calculator.calculate(d.iloc[n_ref:].reset_index(drop=True)).filter(period="analysis").to_df()
    ends = found["chunk", "chunk", "end_index"].astype(int)
    alarms = []
    for c in numeric + categorical:
        method = next(m for m in found[c].columns.get_level_values(0))
        alarms += [[c, n_ref + int(end)] for end, alert in zip(ends, found[c, method, "alert"], strict=True) if alert]
    return alarms, 0


def main() -> None:
    warnings.filterwarnings("ignore")
    answers, sys.stdout = sys.stdout, sys.stderr  # what the libraries print is no answer
    peer = {"evidently": evidently, "nannyml": nannyml}[sys.argv[1]]
    for line in sys.stdin:
        request = json.loads(line)
        d = pd.read_parquet(request["file"])
        numeric = [c for c, kind in request["channels"].items() if kind == "numeric"]
        categorical = [c for c in request["channels"] if c not in numeric]
        for c in categorical:
            d[c] = d[c].astype("object").where(d[c].notna(), None)
        peer(d.iloc[: 2 * WINDOW], WINDOW, numeric[:1], categorical[:1])  # what it loads at its first call is not timed
        started = time.process_time()
        alarms, raised = peer(d, request["n_ref"], numeric, categorical)
        seconds = time.process_time() - started
        answer = {"stream": request["stream"], "alarms": alarms, "seconds": seconds, "raised": raised}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
