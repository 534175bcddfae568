"""A loop that stands still ends the process, with the stacks of all threads in the log."""

from __future__ import annotations

import threading

import pytest

from driftd.engine.watchdog import STUCK_EXIT_CODE, Stillness, watched


@pytest.mark.parametrize(
    ("looks", "still"),
    [
        # (beats, monotonic time)
        pytest.param([(1, 0), (2, 1), (3, 2)], 0, id="it beats"),
        pytest.param([(1, 0), (1, 1), (1, 2), (1, 3)], 3, id="no beat for three seconds"),
        pytest.param([(1, 0), (1, 1), (1, 2), (2, 3), (2, 4)], 1, id="counted from the last beat"),
        pytest.param([(1, 0), (1, 1), (1, 3601), (1, 3602)], 4, id="stopped for an hour, it had no chance to beat"),
    ],
)
def test_how_long_the_loop_has_stood_still(looks: list[tuple[int, float]], still: float) -> None:
    clock = Stillness()
    assert [clock.look(*look) for look in looks][-1] == still


def test_a_stuck_loop_ends_the_process_and_says_where_it_stands(caplog: pytest.LogCaptureFixture) -> None:
    left, codes = threading.Event(), []

    def leave(code: int) -> None:
        codes.append(code)
        left.set()

    def a_loop_that_waits_for_ever() -> bool:
        return left.wait(30)

    with watched(lambda: 7, 0.05, leave=leave, check_seconds=0.01):
        assert a_loop_that_waits_for_ever()
    assert codes == [STUCK_EXIT_CODE]
    told, *threads = [record.getMessage() for record in caplog.records]
    assert "the loop has not gone round for" in told
    (mine,) = [line for line in threads if line.startswith("thread MainThread: ")]
    assert "a_loop_that_waits_for_ever (engine/test_watchdog.py:" in mine


def test_a_loop_that_goes_round_is_left_alone() -> None:
    beats, enough = [0], threading.Event()

    def beat() -> int:
        beats[0] += 1
        if beats[0] == 30:
            enough.set()
        return beats[0]

    codes: list[int] = []
    with watched(beat, 0.02, leave=codes.append, check_seconds=0.001):
        assert enough.wait(30)
    assert codes == []
