"""PSI as Evidently has it: its own numbers, computed with evidently 0.7.23 on the tables of ``tables``.

from evidently.legacy.calculations.stattests.psi import _psi
_psi(pd.Series(reference), pd.Series(current), ColumnType..., 0.1)[0]
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest

from driftd.core.errors import ConfigError
from driftd.core.reference import Reference
from driftd.core.summary import NO_EXTREMES, Summary
from driftd.detectors.psi import PSI
from driftd.detectors.registry import build
from tests.unit.detectors import make

EVIDENTLY: Final = {
    "categories": 0.6726261210205987,
    "few": 0.15570691680166238,
    "same": 0.0070853777873537555,
    "shift": 0.23946442351126945,
    "scale": 0.8360438021426606,
    "lognormal": 0.04630359983155704,
}
EXACT: Final = {"categories", "few"}


def tables() -> dict[str, tuple[Any, Any]]:
    rng, n, m = np.random.default_rng(42), 5000, 3000
    return {
        "categories": (
            rng.choice(["DE", "FR", "IT", "ES"], n, p=[0.6, 0.25, 0.1, 0.05]).tolist(),
            rng.choice(["DE", "FR", "IT", "XX"], m, p=[0.5, 0.3, 0.15, 0.05]).tolist(),
        ),
        "few": (rng.poisson(2, n).clip(0, 9).astype(float), rng.poisson(2.6, m).clip(0, 9).astype(float)),
        "same": (rng.normal(size=n), rng.normal(size=m)),
        "shift": (rng.normal(size=n), rng.normal(0.5, 1, size=m)),
        "scale": (rng.normal(size=n), rng.normal(0, 2, size=m)),
        "lognormal": (rng.lognormal(3, 1, n), rng.lognormal(3.3, 1, m)),
    }


@pytest.fixture(scope="module")
def both() -> tuple[Reference, Summary]:
    old, new = ({name: pair[i] for name, pair in tables().items()} for i in (0, 1))
    reference = make.reference(old)
    reference = replace(reference, summary=with_extremes(reference.summary, old))
    return reference, with_extremes(make.window(reference, new), new)


def with_extremes(summary: Summary, values: dict[str, Any]) -> Summary:
    own = [(v.min(), v.max()) if isinstance(v, np.ndarray) else NO_EXTREMES for v in values.values()]
    return replace(summary, extremes=np.array(own))


def found(both: tuple[Reference, Summary], **settings: Any) -> dict[str, float]:
    reference, window = both
    psi = build("psi", **settings).statistic(reference, window)  # type: ignore[union-attr]
    return {c.name: float(v) for c, v in zip(reference.channels, psi, strict=True)}


def test_of_categories_and_few_numbers_it_is_evidently_s_own(both: tuple[Reference, Summary]) -> None:
    mine = found(both, binning="evidently")
    assert {name: mine[name] for name in EXACT} == pytest.approx({name: EVIDENTLY[name] for name in EXACT}, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "off"), [("shift", 0.06), ("scale", 0.23), ("lognormal", 0.12), ("same", 0.4)], ids=str
)
def test_of_other_numbers_it_is_as_close_as_the_how_to_says(
    name: str, off: float, both: tuple[Reference, Summary]
) -> None:
    assert found(both, binning="evidently")[name] == pytest.approx(EVIDENTLY[name], rel=off)


def test_driftd_s_own_is_another_and_stays_as_it_is(both: tuple[Reference, Summary]) -> None:
    reference, window = both
    own = found(both)
    assert own["categories"] == pytest.approx(float(PSI().statistic(reference, window)[reference.rows["categories"]]))
    assert abs(own["categories"] - EVIDENTLY["categories"]) > 0.01


def test_several_windows_at_once_give_what_each_gives(both: tuple[Reference, Summary]) -> None:
    reference, window = both
    old = {name: old for name, (old, _) in tables().items()}
    other = with_extremes(make.window(reference, old), old)
    detector = PSI(binning="evidently")
    each = [detector.statistic(reference, w) for w in (window, other)]
    counts, extremes = (np.stack([getattr(w, what) for w in (window, other)]) for what in ("counts", "extremes"))
    together = detector.statistic(reference, replace(window, counts=counts, extremes=extremes))
    np.testing.assert_allclose(together, np.stack(each), rtol=1e-12)
    assert np.abs(each[1]).max() < 1e-12, "the reference against itself"


def test_an_empty_window_has_none(both: tuple[Reference, Summary]) -> None:
    reference, window = both
    empty = Summary.empty(window.bins_id, *window.counts.shape)
    assert np.isnan(PSI(binning="evidently").statistic(reference, empty)).all()


def test_another_binning_is_told() -> None:
    with pytest.raises(ConfigError, match="detector 'psi': binning: expected driftd or evidently, got 'deciles'"):
        build("psi", binning="deciles")
