"""The sizes in force: the table, what a channel's nature asks for, what the user wants, and the least effect."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from driftd.judge.natural.calendar import bad_hours
from driftd.judge.natural.changes import CHANGES, EXACT, SIZES, Change, OwnSize, OwnSizes
from driftd.judge.natural.runtime import natural_of
from driftd.judge.natural.size_table import sizes_of
from driftd.learn.build import Learning, build
from tests.unit.judge.natural.stage import DAY, MONDAY, Stage, batch, traffic

NEVER = float("inf")


@cache
def week() -> Stage:
    return Stage.of(np.random.default_rng(1), 7)


def least(own: OwnSizes, name: str, change: Change, *, page: bool, effect: float = 0.0) -> float:
    stage = week()
    channels = len(stage.reference.channels)
    table = sizes_of(stage.learned, [own] * channels, np.full(channels, effect))
    return table.least(CHANGES.index(change), stage.channel(name), page=page)


@pytest.mark.parametrize(
    ("own", "name", "change", "page", "ticket"),
    [
        pytest.param(OwnSizes(), "amount", Change.MISSING, 0.15, 0.03, id="the table"),
        pytest.param(OwnSizes(), "score", Change.LEVEL, NEVER, 0.15, id="outputs make no such page"),
        pytest.param(OwnSizes(), "amount", Change.NEW, 0.1, 0.02, id="levels of numbers wander"),
        pytest.param(
            OwnSizes({Change.MISSING: OwnSize(page=0.4)}), "amount", Change.MISSING, 0.4, 0.03, id="the user's"
        ),
        pytest.param(OwnSizes({Change.MISSING: OwnSize(page=NEVER)}), "amount", Change.MISSING, NEVER, 0.03, id="none"),
        pytest.param(
            OwnSizes({Change.NEW: OwnSize(0.03, 0.01)}), "amount", Change.NEW, 0.1, 0.01, id="its nature asks for more"
        ),
        pytest.param(
            OwnSizes({Change.NEW: OwnSize(0.3)}), "amount", Change.NEW, 0.3, 0.02, id="the user asks for more still"
        ),
        pytest.param(
            OwnSizes(channel={Change.LEVEL: OwnSize(page=1.5)}), "score", Change.LEVEL, 1.5, 0.15, id="its own"
        ),
        pytest.param(
            OwnSizes({Change.MISSING: OwnSize(0.4, 0.1)}, {Change.MISSING: OwnSize(0.6)}),
            "city", Change.MISSING, 0.6, 0.1, id="the channel's own over the model's",
        ),
    ],
)  # fmt: skip
def test_who_asks_for_what(own: OwnSizes, name: str, change: Change, page: float, ticket: float) -> None:
    assert least(own, name, change, page=True) == page
    assert least(own, name, change, page=False) == ticket


def test_exact_evidence_follows_the_tickets_that_the_user_wants() -> None:
    stage, place = week(), CHANGES.index(Change.MISSING)
    plain = sizes_of(stage.learned)
    assert np.all(plain.exact[place] == EXACT[Change.MISSING])
    assert np.all(plain.ticket[place] == SIZES[Change.MISSING].ticket)
    channels = len(stage.reference.channels)
    wanted = OwnSizes({Change.MISSING: OwnSize(ticket=0.07)}, {Change.LEVEL: OwnSize(ticket=0.3)})
    table = sizes_of(stage.learned, [wanted] * channels)
    assert np.all(table.exact[place] == 0.07)
    assert np.all(table.exact[CHANGES.index(Change.LEVEL)] == 0.3)


@pytest.mark.parametrize("effect", [0.002, 0.04, 0.25])
def test_an_effect_is_a_least_change_of_distributions_and_relations_but_not_of_faults(effect: float) -> None:
    """Normal distributions, whose PSI is known in closed form: (s - 1/s)**2 / 2 and so on."""
    none = OwnSizes()
    d, s, m = (least(none, "age", c, page=False, effect=effect) for c in (Change.LEVEL, Change.SPREAD, Change.MIX))
    assert d == max(0.15, np.sqrt(effect))
    assert s == 0.2 or np.cosh(2 * s) - 1 == pytest.approx(effect, rel=0.1)
    assert 4 * m**2 >= effect
    assert least(none, "age", Change.MISSING, page=False, effect=effect) == 0.03
    learned = week().learned
    assert learned.relations is not None
    row = week().channel("age")
    (k,) = np.flatnonzero(learned.scores.rows[learned.relations.rows] == row)
    r = float(learned.relations.strongest[k])
    assert r > 0.4
    lost = least(none, "age", Change.RELATION, page=False, effect=effect)
    now = r * (1 - lost)
    psi = (1 - r * now) / (1 - now**2) + (1 - r * now) / (1 - r**2) - 2  # of two correlations
    assert lost == 0.35 or psi == pytest.approx(effect, rel=0.1)
    assert (lost > 0.35) is (effect > 0.05)


def test_a_relation_that_breaks_is_not_told_where_the_effect_is_larger() -> None:
    stage = week()

    def broken(columns: dict[str, np.ndarray], now: np.ndarray) -> None:
        columns["age"][now] = np.random.default_rng(3).permutation(columns["age"][now])

    told = stage.turns(np.random.default_rng(5), 24, broken, at=4.0)
    assert {t.kind for t in told} == {"joint"}
    channels = len(stage.reference.channels)
    large = replace(stage.limits, sizes=sizes_of(stage.learned, effects=np.full(channels, 3.0)))
    assert not replace(stage, limits=large).turns(np.random.default_rng(5), 24, broken, at=4.0)


def test_errors_of_prediction_page_by_what_they_exceed_the_worst_natural_hours() -> None:
    """One model errs evenly, the other has two bad hours a day: the same errors of 40 % page only the first."""
    pages = []
    for bad in (0.05, 0.5):
        rows = batch(traffic(np.random.default_rng(6), MONDAY, MONDAY + 7 * DAY))
        often = np.where((rows.times // 3600) % 24 == 10, bad, 0.05)
        wrong = np.random.default_rng(7).random(len(rows)) < often
        prediction = np.asarray(rows.fields["prediction"])
        rows = replace(rows, fields={**rows.fields, "label": np.where(wrong, 1 - prediction, prediction)})
        reference = build(rows, Learning())
        learned = natural_of(reference)
        assert learned is not None
        row = reference.rows["prediction_error"]
        pages.append(sizes_of(learned).least(CHANGES.index(Change.ERRORS), row, page=True))
    assert 0.2 < pages[0] < 0.35 < pages[1]


def test_a_few_days_do_not_tell_how_wrong_a_model_is_on_other_days_where_its_hours_differ() -> None:
    """All day, by a half: the world's where one day is known, of which some hours were bad; a fault where a week is, or
    where errors do not depend on the hour.
    """
    of_the_world = {}
    for days in (1, 7):
        for bad in (0.05, 0.3):
            rows = batch(traffic(np.random.default_rng(6), MONDAY, MONDAY + days * DAY))
            often = np.where((rows.times // 3600) % 24 >= 17, bad, 0.05)
            wrong = np.random.default_rng(7).random(len(rows)) < often
            prediction = np.asarray(rows.fields["prediction"])
            rows = replace(rows, fields={**rows.fields, "label": np.where(wrong, 1 - prediction, prediction)})
            reference = build(rows, Learning())
            learned = natural_of(reference)
            assert learned is not None
            row = reference.rows["prediction_error"]
            found = bad_hours(learned, CHANGES.index(Change.ERRORS), row, 20 * 3600.0, 0.5)
            of_the_world[days, bad > 0.1] = found
    assert of_the_world == {(1, False): False, (1, True): True, (7, False): False, (7, True): False}
