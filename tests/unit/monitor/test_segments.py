"""A segment beside its whole: who rings, in one sentence that says where. Hand-drawn timelines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from driftd.core.cause import causes
from driftd.core.finding import Finding, Severity
from driftd.core.incident import Incident, together
from driftd.core.located import located
from driftd.core.slice import Slice
from driftd.monitor.incidents import folded
from driftd.monitor.segments import covered, ringing, rings
from driftd.monitor.sentence import MOST, sentence
from tests.unit.monitor.test_incidents import OK, PAGE, TICKET, finding

BEGIN = 1_796_048_400.0  # Mon 30 Nov 2026, 14:20 UTC
NOW = BEGIN + 3600
DE, FR = Slice.of_segment("fraud", "country=DE"), Slice.of_segment("fraud", "country=FR")


def amount(at: float, status: object = PAGE, *, of: Slice = Slice("fraud"), channel: str = "amount") -> Finding:  # noqa: B008
    kind = (
        {"kind": "unit", "value": 4500.0, "usual": 45.0}
        if status is PAGE
        else {"kind": "range", "value": 0.05, "usual": 0.0}
    )
    return replace(finding(channel, BEGIN + at, status, since=BEGIN, **kind), slice=of)  # type: ignore[arg-type]


def incidents(*findings: Finding, channels: int = 13) -> tuple[Incident, ...]:
    return folded((), findings, channels)


WHOLE = incidents(amount(240), amount(6000, OK))
"""A page from 14:24 to 16:00."""


@pytest.mark.parametrize(
    ("at", "severity"),
    [(200, None), (240, Severity.PAGE), (5999, Severity.PAGE), (6000, None)],
)
def test_what_the_whole_asked_for_is_what_had_been_told_by_then(at: float, severity: Severity | None) -> None:
    assert rings(WHOLE, "amount", BEGIN + at) is severity
    assert rings(WHOLE, "age", BEGIN + at) is None


@pytest.mark.parametrize(
    ("whole", "channel", "status", "quiet"),
    [
        pytest.param(PAGE, "amount", PAGE, True, id="the whole pages"),
        pytest.param(PAGE, "amount", TICKET, True, id="the whole pages, a ticket is less"),
        pytest.param(TICKET, "amount", TICKET, True, id="the whole has a ticket"),
        pytest.param(TICKET, "amount", PAGE, False, id="a page is more than the ticket of the whole"),
        pytest.param(PAGE, "age", PAGE, False, id="another channel"),
        pytest.param(OK, "amount", PAGE, False, id="the whole is calm"),
    ],
)
def test_a_segment_rings_where_its_whole_does_not_ring_as_loud(
    whole: object, channel: str, status: object, quiet: bool
) -> None:
    before = () if whole is OK else incidents(amount(240, whole))
    told, waits, felt = covered(before, (), [amount(270, status, of=DE, channel=channel)], BEGIN + 270)
    assert (told[0].severity is None) is quiet
    assert (len(waits) == 1) is quiet
    assert felt[0].severity is not None  # it is a part of the incident either way


def test_a_whole_that_pages_at_the_end_of_the_same_minute_pages_for_the_segment() -> None:
    told, _, _ = covered(incidents(amount(240)), (), [amount(230, of=DE)], BEGIN + 230)
    assert told[0].severity is None


def test_what_lasts_in_a_segment_when_the_whole_is_over_rings_then() -> None:
    """whole    240 |##### PAGE #####| 6000
    segment         270 quiet, open              6060 PAGE
    """
    _, waits, _ = covered(WHOLE, (), [amount(270, of=DE)], BEGIN + 270)
    told, still, _ = covered(WHOLE, waits, (), BEGIN + 3000)
    assert (told, still) == ((), waits)
    told, still, felt = covered(WHOLE, waits, (), BEGIN + 6060)
    assert [(f.severity, f.window_end, f.since) for f in told] == [(Severity.PAGE, BEGIN + 6060, BEGIN)]
    assert (still, felt) == ((), told)


def test_what_ends_in_a_segment_while_the_whole_rings_never_rang() -> None:
    _, waits, _ = covered(WHOLE, (), [amount(270, of=DE)], BEGIN + 270)
    told, still, _ = covered(WHOLE, waits, [amount(3000, OK, of=DE)], BEGIN + 3000)
    assert [f.severity for f in told] == [None]
    assert still == ()


def test_alerts_of_a_segment_leave_out_what_the_whole_rings_for() -> None:
    both = [amount(270, of=DE), amount(280, of=DE, channel="age")]
    _, hushed, felt = covered(incidents(amount(240)), (), both, BEGIN + 280)
    (mine,) = ringing(incidents(*felt), hushed)
    assert [p.channel for p in mine.parts] == ["age"]


def said(*groups: tuple[Incident, ...]) -> list[str]:
    return [sentence(i, NOW) for i in together(i for mine in groups for i in mine)]


ONE = incidents(amount(300, of=DE))


def test_a_fault_of_one_segment_is_told_with_its_name() -> None:
    text = "fraud: amount is 100 times larger (usually 45) in country=DE since 14:20 UTC; other segments unchanged"
    assert said(ONE) == [text]
    assert said(ONE, incidents(amount(1100, TICKET))) == [text]  # a tenth of the whole is out of range: the same fault


def diluted(at: float, of: Slice = Slice("fraud"), channel: str = "amount") -> Finding:  # noqa: B008
    """What a part's change is in more traffic: a page of its own, of another kind."""
    shown = finding(channel, BEGIN + at, PAGE, since=BEGIN, kind="range", value=0.14, usual=0.0)
    return replace(shown, slice=of)


def test_a_fault_of_one_segment_stays_told_with_its_name_when_the_whole_pages_for_it_later() -> None:
    """country=DE   300 |##### 100 times larger
    whole              500 |##### 14% out of range
    device=web            600 |## 50% out of range, as half of it is DE
    """
    whole, web = incidents(diluted(500)), incidents(diluted(600, Slice.of_segment("fraud", "device=web")))
    text = "fraud: amount is 100 times larger (usually 45) in country=DE since 14:20 UTC"
    assert said(ONE, whole) == [f"{text}; other segments unchanged"]
    assert said(ONE, whole, web) == [text]
    (together_,) = together(i for mine in (ONE, whole, web) for i in mine)
    found = located(together_)
    assert (found.first.model, found.first.kind, found.segments) == (DE.model, "unit", ("country=DE",))
    score = incidents(diluted(500), diluted(520, channel="score"))
    assert said(ONE, score, web) == [text.replace("(usually 45)", "(usually 45) and 1 more channel changed")]


def test_a_fault_of_the_whole_is_told_as_that_when_its_segments_were_told_as_soon() -> None:
    (text,) = said(ONE, incidents(diluted(300)))
    assert text == "fraud: amount 14% out of range (usually 0%) since 14:20 UTC; 12 other channels unchanged"


def test_a_fault_that_lasts_in_the_whole_alone_is_told_of_the_whole() -> None:
    over = incidents(amount(300, of=DE), amount(900, OK, of=DE))
    (text,) = said(over, incidents(diluted(500)))
    assert text.startswith("fraud: amount 14% out of range")


def test_a_fault_of_several_segments_is_told_once() -> None:
    (text,) = said(ONE, incidents(amount(360, of=FR)))
    assert text == "fraud: amount is 100 times larger (usually 45) in country=DE and 1 more segment since 14:20 UTC"


def test_a_fault_of_the_whole_is_told_as_that() -> None:
    (text,) = said(ONE, incidents(amount(300)), incidents(amount(360, of=FR)))
    assert text == "fraud: amount is 100 times larger (usually 45) since 14:20 UTC; 12 other channels unchanged"
    assert located(ONE[0]).segments == ("country=DE",)


def test_changes_of_other_channels_are_other_incidents() -> None:
    assert len(said(ONE, incidents(amount(300, channel="age")))) == 2


def test_long_names_of_segments_are_cut() -> None:
    long = incidents(amount(300, of=Slice.of_segment("fraud-" + "m" * 80, "merchant_category=" + "x" * 200)))
    assert all(len(text) <= MOST for text in said(long))


def test_notifications_of_one_fault_in_whole_and_segments_have_one_cause() -> None:
    mine = [
        *ONE,
        *incidents(amount(310)),
        *incidents(amount(330, of=FR)),
        *incidents(amount(320, of=FR, channel="age")),
    ]
    found = causes(mine, {})
    assert {found[i.id] for i in mine[:3]} == {ONE[0].id}
    assert found[mine[3].id] == mine[3].id
