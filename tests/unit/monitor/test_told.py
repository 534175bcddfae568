"""What pages remember of findings: the most recent, and what is open however old it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from driftd.core.finding import Finding, Status
from driftd.core.slice import Slice
from driftd.monitor.told import MOST, plain, remembered

ONE = Finding(Slice("m"), "a", "judge", Status.WARNING, Status.OK, 1.0, 1.0, 0.0, 0.0, 1.0, 9, 0.0, 60.0, 1.0, "moved")


def test_what_is_open_is_remembered_however_much_came_since_and_what_is_over_is_not() -> None:
    opened = replace(ONE, feature="old", window_end=1.0)
    ended = [replace(ONE, feature="gone"), replace(ONE, feature="gone", status=Status.OK, previous=Status.WARNING)]
    told = remembered((), [opened, *ended])
    for number in range(3 * MOST):
        status, before = (Status.WARNING, Status.OK) if number % 2 == 0 else (Status.OK, Status.WARNING)
        told = remembered(told, [replace(ONE, status=status, previous=before, window_end=60.0 + number)])
    assert told[0] == opened
    assert len(told) == MOST + 1
    assert [f.window_end for f in told[1:]] == [60.0 + number for number in range(2 * MOST, 3 * MOST)]
    told = remembered(told, [replace(opened, status=Status.OK, previous=Status.WARNING)])
    assert opened not in told


def test_numbers_are_pythons() -> None:
    told = plain(replace(ONE, statistic=np.float64(2.5), events=np.int64(3)))  # type: ignore[arg-type]
    assert (type(told.statistic), type(told.events)) == (float, int)
