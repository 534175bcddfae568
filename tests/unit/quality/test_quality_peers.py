"""The peers are driven as their libraries say."""

from __future__ import annotations

import warnings

import numpy as np
import pyarrow as pa
import pytest
from river.drift import KSWIN
from scipy import stats

from tests.quality import peers


def test_ks_from_the_table_is_scipys(rng: np.random.Generator) -> None:
    for digits in (0, 1, 9):  # with many ties, some, none
        for _ in range(40):
            a, b = (np.round(rng.normal(m, 1, 30), digits).tolist() for m in (0, rng.uniform(0, 2)))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", category=RuntimeWarning)  # as river does
                theirs = stats.ks_2samp(a, b, method="auto")
            mine = peers.ks_2samp(a, b)
            assert mine == pytest.approx((theirs.statistic, theirs.pvalue), abs=1e-12)


def test_kswin_with_the_table_alarms_where_rivers_own_does(rng: np.random.Generator) -> None:
    values = np.concatenate([rng.normal(0, 1, 250), rng.normal(2, 1, 150)])
    theirs = peers.drive(KSWIN(seed=peers.KSWIN_SEED), values)
    assert theirs
    assert peers.kswin(values, 0, False) == theirs


def test_categories_become_their_rank_in_the_reference() -> None:
    column = pa.chunked_array([["b", "a", "b", None, "c", "a"]])
    codes = peers.codes(column, 3, categorical=True)
    assert codes[[0, 1, 2, 4, 5]].tolist() == [0, 1, 0, 2, 1]
    assert np.isnan(codes[3])
    assert peers.codes(column.dictionary_encode(), 3, categorical=True)[:3].tolist() == [0, 1, 0]


def test_scaling_is_by_the_reference_and_clipped() -> None:
    values = np.array([2.0, 4.0, 3.0, 9.0, np.nan, 0.0])
    out = peers.unit(values, 3)
    assert out[[0, 1, 2, 3, 5]].tolist() == [0, 1, 0.5, 1, 0]
    assert np.isnan(out[4])
    constant = peers.unit(np.array([5.0, 5.0, 5.0, 6.0, 4.0]), 3)
    assert constant.tolist() == [0.5, 0.5, 0.5, 1, 0]


def test_missing_values_are_left_out_and_rows_keep_their_number(rng: np.random.Generator) -> None:
    values = np.concatenate([np.full(500, np.nan), rng.normal(0, 1, 1000), np.full(500, np.nan), rng.normal(9, 1, 500)])
    alarms = peers.adwin_raw(values, 0, False)
    assert alarms
    assert min(alarms) >= 2000


def test_psi_alarms_at_the_last_row_of_its_window(rng: np.random.Generator) -> None:
    values = np.concatenate([rng.normal(0, 1, 4500), rng.normal(1.5, 1, 1600)])
    assert peers.psi(values, 3000, False) == [4999, 5999]
    swapped = np.concatenate([np.repeat([0.0, 1.0], [2700, 300]), np.repeat([0.0, 1.0], [300, 700])])
    assert peers.psi(swapped, 3000, True) == [3999]


def test_an_empty_channel_alarms_nowhere() -> None:
    nothing = np.full(5000, np.nan)
    assert [peer(nothing, 3000, False) for _, peer in peers.PEERS.values()] == [[]] * len(peers.PEERS)
