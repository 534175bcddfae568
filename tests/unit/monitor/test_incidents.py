"""Incidents: what has one cause is one, from its first finding to its last."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.finding import Finding, Severity, Status
from driftd.core.incident import MOST_ENTRIES, Incident, Step, find, open_ones, together
from driftd.core.slice import Slice
from driftd.monitor.incidents import MOST_ENDED, MOST_PARTS, SAME_SECONDS, folded, settled
from driftd.monitor.sentence import began, first_began, first_told

OK, TICKET, PAGE = Status.OK, Status.WARNING, Status.DRIFT
SEVERITY = {OK: None, TICKET: Severity.TICKET, PAGE: Severity.PAGE}
HOUR = 3600.0


def finding(
    channel: str | None, at: float, now: Status, was: Status = OK, *, since: float | None = None, kind: str = "missing",
    model: str = "fraud", detector: str = "change", value: float = 1.0, usual: float = 0.0, ratio: float = 2.0,
) -> Finding:  # fmt: skip
    begun = None if now is OK else at if since is None else since
    severity = SEVERITY[now] if now > was else None
    return Finding(
        Slice(model), channel, detector, now, was, 1.0, 1.0, 0.0, 0.0, ratio, 9, 0.0, at, begun, "", severity=severity,
        kind="" if now is OK else kind, value=value, reference_value=usual,
    )  # fmt: skip


def call(at: float, *channels: str, model: str = "fraud", was: Status = OK) -> Finding:
    one = finding(None, at, PAGE, was, model=model, detector="model")
    return replace(one, channels=channels, severity=Severity.PAGE)


def of(*findings: Finding, channels: int = 13) -> tuple[Incident, ...]:
    return folded((), findings, channels)


def test_it_opens_grows_calms_and_ends_with_its_last_channel() -> None:
    first = finding("amount", 600, PAGE, since=480, kind="unit")
    told = [
        first,
        call(600, "amount"),
        finding("age", 900, TICKET, since=500, kind="level"),
        finding("age", 1200, PAGE, TICKET, since=500, kind="level"),
        finding("amount", 9000, OK, PAGE),
        finding("age", 9600, OK, PAGE),
    ]
    (opened,) = of(*told[:2])
    assert (opened.id, opened.since, opened.opened, opened.called, opened.ended) == (first.id, 480, 600, 600, None)
    (grown,) = of(*told[:4])
    assert [p.channel for p in grown.strongest] == ["amount", "age"]
    (calmer,) = of(*told[:5])
    assert (calmer.ended, calmer.now, calmer.first.channel) == (None, Severity.PAGE, "age")
    (ended,) = of(*told)
    assert (ended.ended, ended.now, ended.severity, ended.id) == (9600, None, Severity.PAGE, first.id)
    steps = [(e.time, e.step, e.channel) for e in ended.timeline]
    assert steps == [
        (600, Step.JOINED, "amount"),
        (600, Step.CALLED, None),
        (900, Step.JOINED, "age"),
        (1200, Step.ROSE, "age"),
        (9000, Step.CALMED, "amount"),
        (9600, Step.CALMED, "age"),
    ]


def test_what_comes_back_uncalled_is_the_incident_that_had_ended() -> None:
    told = [finding("amount", 600, PAGE, since=480), call(600, "amount"), finding("amount", 2400, OK, PAGE)]
    back = replace(finding("amount", 4000, PAGE, since=3900), severity=None, times=2, first_since=480.0)
    (ended,) = of(*told)
    assert ended.ended == 2400
    (open_,) = of(*told, back)
    assert (open_.id, open_.ended, open_.called, open_.now) == (ended.id, None, 600, Severity.PAGE)
    assert (open_.first.times, open_.first.first_since, open_.first.since) == (2, 480, 3900)
    (again,) = of(*told, back, finding("amount", 9000, OK, PAGE))
    assert again.ended == 9000
    (lost,) = of(back)
    assert lost.ended is None  # nothing is known of the first time


def test_it_lasts_while_any_detector_holds_the_channel() -> None:
    evidence = finding("amount", 900, PAGE, detector="judge", kind="level")
    told = [finding("amount", 600, TICKET, kind="unit"), evidence, finding("amount", 5000, OK, TICKET)]
    (held,) = of(*told)
    assert held.ended is None
    assert (held.first.kind, held.now) == ("unit", Severity.PAGE)
    (over,) = of(*told, finding("amount", 6000, OK, PAGE, detector="judge"))
    assert over.ended == 6000


def test_what_began_within_half_an_hour_or_soon_after_a_call_is_one_and_what_came_later_another() -> None:
    start = finding("a", 1000, PAGE)
    near = finding("b", 9 * HOUR, PAGE, since=1000 + SAME_SECONDS)
    far = finding("b", 9 * HOUR, PAGE, since=1001 + SAME_SECONDS)
    soon = finding("b", 1000 + SAME_SECONDS, PAGE, since=-9 * HOUR)
    assert [len(of(start, other)) for other in (near, far, soon)] == [1, 2, 1]
    later = [call(1000 + 2 * SAME_SECONDS, "a"), finding("b", 1000 + 3 * SAME_SECONDS, PAGE)]
    assert len(of(start, *later)) == 1  # half an hour counts from the last call


def test_a_call_belongs_to_the_incident_that_it_names() -> None:
    first, second = of(
        finding("a", 1000, PAGE), call(1000, "a"), finding("b", 9 * HOUR, PAGE), call(9 * HOUR, "a", "b", was=PAGE)
    )
    assert (first.called, second.called) == (1000, 9 * HOUR)


def test_another_change_of_the_same_channel_long_after_is_another_incident() -> None:
    old = finding("amount", 1000, TICKET, kind="level")
    same = finding("amount", 9 * HOUR, PAGE, TICKET, since=1000, kind="level")
    other = finding("amount", 9 * HOUR, PAGE, TICKET, kind="missing")
    (risen,) = of(old, same)
    assert risen.now is Severity.PAGE
    before, after = of(old, other)
    assert (before.ended, after.ended, after.first.kind) == (9 * HOUR, None, "missing")


def test_a_better_name_and_a_share_known_better_change_the_part_and_no_more() -> None:
    (i,) = of(
        finding("amount", 600, PAGE, kind="unknown", value=0.2),
        finding("amount", 700, PAGE, PAGE, kind="missing", value=0.5, since=590),
        finding("amount", 800, PAGE, PAGE, kind="missing", value=0.5, since=590),
    )
    assert (i.first.kind, i.first.value, i.first.since) == ("missing", 0.5, 590)
    assert [e.step for e in i.timeline] == [Step.JOINED, Step.NAMED]


def test_what_only_shows_makes_no_incident() -> None:
    shown = replace(finding("a", 600, TICKET, detector="psi"), severity=None)
    assert of(shown, finding("a", 700, OK, TICKET, detector="psi")) == ()


def test_what_nothing_holds_open_any_more_ends_without_a_finding() -> None:
    incidents = of(finding("a", 600, PAGE), finding("b", 700, TICKET, detector="judge"))
    assert settled(incidents, lambda _, __: True, 900) is incidents
    (half,) = settled(incidents, lambda _, detector: detector == "change", 900)
    assert (half.ended, [p.channel for p in half.parts if p.open]) == (None, ["a"])
    (over,) = settled((half,), lambda _, __: False, 1000)
    assert over.ended == 1000


def test_history_is_bounded_and_what_is_open_is_not_forgotten() -> None:
    told = [finding("old", 0, TICKET)]
    told += [f for k in range(3 * MOST_ENDED) for f in _short("x", 10 * HOUR * (k + 1))]
    kept = of(*told)
    assert len(kept) == MOST_ENDED + 1
    assert (kept[0].ended, kept[0].parts[0].channel) == (None, "old")
    many = [finding(f"c{k}", 600, PAGE) for k in range(2 * MOST_PARTS)]
    (wide,) = of(*many)
    assert (len(wide.parts), len(wide.timeline)) == (2 * MOST_PARTS, MOST_ENTRIES)
    assert wide.timeline[0].channel == "c0"
    (ended,) = of(*many, *(finding(f"c{k}", 700, OK, PAGE) for k in range(2 * MOST_PARTS)))
    assert len(ended.parts) == MOST_PARTS


def _short(channel: str, at: float) -> tuple[Finding, Finding]:
    return finding(channel, at, TICKET), finding(channel, at + HOUR, OK, TICKET)


CHANNELS = st.sampled_from(["a", "b", "c"])
TURNS = st.tuples(
    CHANNELS, st.sampled_from(["change", "judge"]), st.sampled_from([OK, TICKET, PAGE]),
    st.sampled_from(["missing", "unit", "level"]), st.floats(1, 2 * HOUR), st.floats(0, HOUR),
)  # fmt: skip


@given(turns=st.lists(TURNS, max_size=40), cuts=st.lists(st.integers(0, 60), max_size=5))
def test_incidents_are_the_same_however_their_findings_are_split(
    turns: list[tuple[str, str, Status, str, float, float]], cuts: list[int]
) -> None:
    told = list(_told(turns))
    whole = of(*told)
    bounds = sorted({0, len(told), *(cut for cut in cuts if cut < len(told))})
    parts: tuple[Incident, ...] = ()
    for low, high in itertools.pairwise(bounds):
        parts = folded(parts, told[low:high], 13)
    assert parts == whole
    last = {(f.feature, f.detector): f.status for f in told}
    holding = {(p.channel, detector) for i in whole if i.ended is None for p in i.parts for detector, _ in p.open}
    assert holding == {key for key, status in last.items() if status is not OK}


def _told(turns: list[tuple[str, str, Status, str, float, float]]) -> list[Finding]:
    was: dict[tuple[str, str], Status] = {}
    out, now = [], 0.0
    for channel, detector, status, kind, later, before in turns:
        now += later
        old = was.get((channel, detector), OK)
        if status is not OK or old is not OK:
            out.append(finding(channel, now, status, old, since=now - before, kind=kind, detector=detector))
            was[channel, detector] = status
    return out


def test_several_models_with_the_same_start_and_channel_kind_or_everything_are_one() -> None:
    fraud = of(finding("amount", 600, PAGE, since=500))
    same_channel = of(finding("amount", 800, PAGE, since=900, kind="unit", model="churn"))
    same_kind = of(finding("age", 700, TICKET, since=520, model="eta"))
    other = of(finding("age", 700, TICKET, since=520, kind="level", model="ads"))
    late = of(finding("amount", 2000, PAGE, since=1200, model="late"))
    everyone = [*same_kind, *late, *other, *fraud, *same_channel]
    grouped = together(everyone)
    assert together(reversed(everyone)) == grouped
    assert [g.models for g in grouped] == [("late",), ("ads",), ("fraud", "churn", "eta")]
    one = grouped[-1]
    assert (one.id, one.since, one.opened, one.severity) == (fraud[0].id, 500, 600, Severity.PAGE)
    assert one.ids == (fraud[0].id, same_kind[0].id, same_channel[0].id)
    assert find(grouped, same_kind[0].id) is one
    assert find(grouped, "none") is None


@pytest.mark.parametrize(
    ("kind", "mine", "other", "one"),
    [
        ("missing", (1.0, 0.009), (0.55, 0.0), True),
        ("missing", (1.0, 0.009), (0.13, 0.0), False),
        ("unit", (4500.0, 45.0), (2.0, 0.02), True),  # 100 times each
        ("unit", (4500.0, 45.0), (45.0, 4500.0), False),
        ("level", (30.0, 20.0), (-30.0, 20.0), False),
        ("level", (30.0, 0.0), (1.0, 20.0), True),  # 0 has no quotient: nobody can say
    ],
)
def test_the_same_channel_of_another_size_is_another_cause(
    kind: str, mine: tuple[float, float], other: tuple[float, float], *, one: bool
) -> None:
    of_each = ((model, value, usual) for model, (value, usual) in (("a", mine), ("b", other)))
    found = [
        i
        for model, value, usual in of_each
        for i in of(finding("amount", 600, PAGE, kind=kind, model=model, value=value, usual=usual))
    ]
    assert len(together(found)) == (1 if one else 2)


def test_all_channels_at_once_are_one_cause_whatever_they_are_called() -> None:
    def broken(model: str, kind: str) -> tuple[Incident, ...]:
        names = [f"{model}{k}" for k in range(4)]
        return folded((), [finding(name, 600, PAGE, kind=kind, model=model) for name in names], 4)

    assert len(together([*broken("a", "unit"), *broken("b", "missing")])) == 1


def test_a_group_ends_with_its_last_model_and_pages_come_first() -> None:
    a = of(finding("x", 600, PAGE), finding("x", 5000, OK, PAGE))
    b = of(finding("x", 700, TICKET, model="b"))
    c = of(finding("y", 9000, TICKET, model="c"))
    d = of(finding("z", 100, PAGE, model="d", kind="unit"))
    every = together([*a, *b, *c, *d])
    assert [i.models[0] for i in open_ones(every)] == ["d", "c", "b"]
    ended = together([*a, *of(finding("x", 700, TICKET, model="b"), finding("x", 800, OK, TICKET, model="b"))])
    assert [i.ended for i in ended] == [5000]


def test_two_incidents_of_one_model_stay_two_and_another_model_joins_the_first() -> None:
    mine = of(finding("x", 600, PAGE), finding("x", 700, OK, PAGE), finding("x", 800, PAGE))
    other = of(finding("x", 650, PAGE, model="b"))
    assert [i.models for i in together([*mine, *other])] == [("fraud",), ("b", "fraud")]


def test_nothing_is_told_before_it_began() -> None:
    """ticket 0 ...... judge still holds ...... another change of the channel, told later, with a start of its own"""
    first = finding("amount", 600, TICKET, since=0, kind="mix", value=0.07)
    judge = finding("amount", 700, TICKET, since=0, kind="", detector="judge")
    over = finding("amount", 9000, OK, TICKET)
    again = finding("amount", 90_000, TICKET, since=80_000, kind="mix", value=0.22)
    (i,) = of(first, judge, over, again)
    assert [(p.since, p.told) for p in i.parts] == [(80_000, 90_000)]
    assert (began(i), first_told(i), first_began(i)) == (80_000, 90_000, 0)


def test_what_was_told_later_may_have_begun_before() -> None:
    (i,) = of(finding("amount", 600, PAGE, since=300, kind="missing", value=1.0),
              finding("age", 700, PAGE, since=120, kind="missing", value=1.0))  # fmt: skip
    assert (began(i), first_told(i), first_began(i)) == (300, 600, 120)
    (ended,) = of(finding("amount", 600, PAGE, since=300, kind="missing", value=1.0),
                  finding("age", 700, PAGE, since=120, kind="missing", value=1.0),
                  finding("amount", 1700, OK, PAGE), finding("age", 1800, OK, PAGE))  # fmt: skip
    assert (began(ended), ended.ended) == (120, 1800)


def test_half_of_the_features_are_a_pipeline_whatever_else_a_model_is_watched_for() -> None:
    """Of a model with five features and six more channels: prediction, score, errors, labels, latency."""
    told = [finding(name, 600, PAGE, kind="frozen", since=480) for name in ("a", "b", "c")]
    (few,) = folded((), told[:2], 11, 5)
    (many,) = folded((), told, 11, 5)
    (unknown,) = folded((), told, 11)
    assert [i.everything for i in (few, many, unknown)] == [False, True, False]
    assert many.pipelines == {"fraud": (3, 11)}
    own = [finding(name, 600, PAGE, kind="missing", since=480) for name in ("prediction", "score", "label")]
    (answers,) = folded((), own, 11, 5)
    assert not answers.everything

    (both,) = together(folded((), told, 11, 5) + folded((), [replace(f, slice=Slice("churn")) for f in told], 11, 5))
    assert (both.everything, len(both.features)) == (True, 2)
