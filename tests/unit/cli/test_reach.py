"""How `driftd check` writes what a channel can see: sizes and times rounded up, equal channels in one row."""

from __future__ import annotations

from typing import Any

import pytest

from driftd.cli.reach import print_legend, print_reach


def seen(change: str, least: float, seconds: float, **over: Any) -> dict[str, Any]:
    of = {"level": "level", "spread": "level", "mix": "mix"}.get(change, "fault")
    known = {"change": change, "class": of, "severity": "page", "direction": "either"}
    return known | {"least": least, "unit": "", "within_seconds": seconds} | over


def channel(name: str, *sees: dict[str, Any], **over: Any) -> dict[str, Any]:
    return {"channel": name, "type": "numeric", "finds": [], "sees": sees, "cannot_see": []} | over


def printed(
    capsys: pytest.CaptureFixture[str],
    *channels: dict[str, Any],
    unseen: tuple[str, ...] = (),
    everything: bool = True,
) -> list[str]:
    model = {"model": "m", "channels": channels, "unseen": unseen}
    letters: dict[str, str] = {}
    print_reach(model, letters, everything=everything)
    print_legend([model], letters, everything=everything)
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(
    ("one", "cell"),
    [
        (seen("missing", 0.2301, 600), "faults missing +25: page in 10 minutes"),
        (seen("missing", 0.0701, 601), "faults missing +8: page in 15 minutes"),
        (seen("errors", 0.999, 7200, severity="ticket"), "faults errors +100: ticket in 2 hours"),
        (seen("new", 0.05, 600), "faults out of range +5: page in 10 minutes"),
        (seen("unit", 0.9, 9400), "faults all values x2.5: page in 3 hours"),
        (seen("unit", 4.6, 9400), "faults all values x100: page in 3 hours"),
        (seen("level", 0.2901, 36_000), "level shift 0.3 sd: page in 12 hours"),
        (seen("level", 1.0, 36_000, direction="up"), "level shift up 1 sd: page in 12 hours"),
        (seen("spread", 0.7, 86_401, direction="down"), "level spread /2.1: page in 1.5 days"),
        (seen("mix", 0.35, 36_000), "mix +35: page in 12 hours"),
    ],
)
def test_sizes_and_times_are_rounded_up(capsys: pytest.CaptureFixture[str], one: dict[str, Any], cell: str) -> None:
    head, row, *_ = printed(capsys, channel("x", one))
    assert head == "channel change seen from this size on, and within how long"
    assert row == f"x {cell}"


def test_a_fault_is_told_by_its_soonest_page_and_a_shift_by_its_smallest(capsys: pytest.CaptureFixture[str]) -> None:
    missing = [seen("missing", 0.6, 600), seen("missing", 0.2, 7200), seen("missing", 0.05, 900, severity="ticket")]
    level = [seen("level", 1.4, 9000), seen("level", 1.1, 36_000), seen("level", 0.3, 36_000, severity="ticket")]
    _, *rows = printed(capsys, channel("x", *missing, *level))
    assert rows[0] == "x faults missing +60: page in 10 minutes"
    assert rows[1] == "level shift 1.1 sd: page in 12 hours; shift 0.3 sd: ticket in 12 hours"


def test_channels_with_equal_cells_share_a_row_and_reasons_their_changes(capsys: pytest.CaptureFixture[str]) -> None:
    blind = [
        {"change": "level", "class": "level", "direction": "down", "why": "why not"},
        {"change": "new", "class": "fault", "direction": "either", "why": "why not"},
    ]
    _, row, *below = printed(
        capsys,
        *(channel(name, cannot_see=blind) for name in ("x", "y")),
        unseen=("a night", "a weekend", "a month end"),
    )
    assert row == "x, y cannot see level down, out of range: why not"
    assert below[1].endswith("at the rate of the reference.")
    assert "has not seen a night, a weekend or a month end:" in below[2]


def test_a_channel_has_one_row_with_what_it_can_see_how_soon_and_what_not_and_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sees = [
        *(seen("missing", 0.2, 600), seen("missing", 0.1, 7200), seen("new", 0.1, 14_400)),
        *(seen("level", 1.4, 9000), seen("level", 1.1, 36_000), seen("level", 0.3, 36_000, severity="ticket")),
        seen("mix", 0.1, 86_400, severity="ticket"),
    ]
    blind = [
        {"change": "frozen", "class": "fault", "direction": "either", "why": "usually 81%: no room to rise"},
        {"change": "spread", "class": "level", "direction": "up", "why": "why not"},
    ]
    other = channel("y", seen("errors", 0.1, 900, severity="ticket"), cannot_see=blind[1:])
    exact = channel("z", finds=[{"change": "shift", "value": None, "least": 0.21, "within_seconds": 1800}])
    channels = [channel("x" * 50, *sees, cannot_see=blind), other, exact]
    head, *rows = printed(capsys, *channels, everything=False)
    assert head == "channel faults level: page / ticket mix: page / ticket cannot see"
    assert rows[0] == f"{'x' * 50} 10m-4h 1.1 (12h) / 0.3 (12h) - / +10 (1d) frozen (a), spread up (b)"
    assert rows[1] == "y ticket 15m - - spread up (b)"
    assert rows[2] == "z - - / 0.25 (30m) - -"
    assert rows[-2:] == ["(a) no room to rise", "(b) why not"]


def test_a_hundred_channels_are_a_hundred_lines_and_some(capsys: pytest.CaptureFixture[str]) -> None:
    def lines(count: int) -> int:
        level = (seen("level", 1.0, 36_000), seen("level", 0.3, 36_000, severity="ticket"))
        return len(printed(capsys, *(channel(f"f{k}", *level) for k in range(count)), everything=False))

    assert lines(100) - lines(1) == 99


def test_what_tables_mean_is_told_once_and_letters_mean_the_same_in_all_of_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    blind = [[{"change": "level", "class": "level", "direction": "down", "why": why}] for why in ("why", "why not")]
    models = [
        {"model": f"m{k}", "channels": [channel("x", cannot_see=blind[k % 2])], "unseen": ["a night"][: k % 2]}
        for k in range(4)
    ]
    letters: dict[str, str] = {}
    for model in models:
        print_reach(model, letters)
    tables = capsys.readouterr().out
    assert [line.split()[-1] for line in tables.splitlines()[1::2]] == ["(a)", "(b)", "(a)", "(b)"]
    print_legend(models, letters)
    legend = capsys.readouterr().out
    assert legend.count("Faults: within how long") == 1
    assert "(a) why\n(b) why not\n" in legend
    assert "The references of m1, m3 have not seen a night:" in legend


def test_no_more_than_all_of_a_relation_is_lost(capsys: pytest.CaptureFixture[str]) -> None:
    sees = [seen("relation", least, 86_400, **{"class": "relation"}) for least in (0.68, 1.02)]
    rows = printed(capsys, channel("x", sees[0]), channel("y", sees[1]), everything=False)
    assert "Relations to siblings: page from a loss of 68 to 100% in 1 day (2 channels)." in rows
