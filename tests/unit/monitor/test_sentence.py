"""The one sentence: a known answer for each kind, and never longer than a phone shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.finding import Finding
from driftd.core.incident import Incident, changed_now, together
from driftd.judge.natural.kinds import Kind
from driftd.monitor.alert_texts import MOST_CHANNELS, texts_of
from driftd.monitor.incidents import folded
from driftd.monitor.sentence import MOST, began, cut, first_told, sentence
from tests.unit.monitor.test_incidents import OK, PAGE, TICKET, call, finding

BEGIN = 1_796_048_400.0  # Mon 30 Nov 2026, 14:20 UTC
NOW = BEGIN + 600


def one(kind: str, value: float, usual: float, channel: str = "amount") -> Finding:
    return finding(channel, BEGIN + 240, PAGE, since=BEGIN, kind=kind, value=value, usual=usual, ratio=value)


def said(*findings: Finding, channels: int = 13, now: float = NOW) -> str:
    (incident,) = folded((), findings, channels)
    return sentence(incident, now)


KNOWN: Sequence[tuple[str, str, float, float, str]] = [
    ("missing", "country", 1.0, 0.002, "country 100% missing (usually 0.2%)"),
    ("refused", "amount", 0.52, 0.0, "amount 52% of another type (usually 0%)"),
    ("frozen", "face_score", 0.98, 0.031, "face_score is frozen, 98% repeats (usually 3.1%)"),
    ("unit", "amount", 4500.0, 45.0, "amount is 100 times larger (usually 45)"),
    ("unit", "amount", 62.1, 3.1, "amount is 20 times larger (3.1 → 62.1)"),
    ("unit", "amount", 0.045, 45.0, "amount is 1,000 times smaller (usually 45)"),
    ("unit", "amount", 45_000.000001, 45.0, "amount is 1,000 times larger (usually 45)"),
    ("unit", "amount", 48_000.0, 45.0, "amount is over 1,000 times larger (45 → 48,000)"),
    ("range", "income", 0.31, 0.001, "income 31% out of range (usually 0.1%)"),
    ("new_value", "device", 0.012, 0.0, "device 1.2% new values (usually 0%)"),
    ("renamed", "country", 0.061, 0.0, "country is renamed, 6.1% new values for known ones (usually 0%)"),
    ("level", "price", 22.0, 25.0, "price is 12% smaller (mean 25 → 22)"),
    ("level", "price", 60.0, 25.0, "price is 2.4 times larger (mean 25 → 60)"),
    ("level", "balance", 3.0, -2.0, "balance is higher (mean -2 → 3)"),
    ("spread", "amount", 3.14, 1.0, "amount varies 3.1 times as much as usual"),
    ("mix", "browser", 0.34, 0.0, "browser has another mix, 34% of the values moved"),
    ("mix", "browser", 0.0, 0.0, "browser has another mix"),
    ("gradual", "tenure", 0.12, 0.01, "tenure moved away slowly, 12% out of range (usually 1%)"),
    ("joint", "income", 0.1, 0.8, "income no longer moves with other channels"),
    ("errors", "error", 0.075, 0.002, "7.5% of requests fail (usually 0.2%)"),
    ("errors", "prediction_error", 0.2, 0.1, "prediction_error 20% errors (usually 10%)"),
    ("latency_p99", "latency", 1.7, 0.21, "latency p99 is 8.1 times larger (0.21 → 1.7 s)"),
    ("latency_p50", "latency", 0.035, 0.0042, "latency p50 is 8.3 times larger (4.2 → 35 ms)"),
    ("unknown", "price", 22.0, 25.0, "price has changed, cause unknown (25 → 22)"),
]


@pytest.mark.parametrize(("kind", "channel", "value", "usual", "what"), KNOWN, ids=[f"{k[0]} {k[4]}" for k in KNOWN])
def test_each_kind_says_what_how_much_and_since_when(
    kind: str, channel: str, value: float, usual: float, what: str
) -> None:
    told = said(one(kind, value, usual, channel))
    reach = "; 12 other channels unchanged"
    assert told == f"fraud: {what} since 14:20 UTC{reach if len(what) <= 70 else ''}"
    assert len(told) <= MOST


CAUSES: Sequence[tuple[str, str, str, str]] = [
    ("swapped", "with fee", "unit", "amount and fee have swapped"),
    ("sign_flipped", "", "range", "amount has changed sign"),
    ("clipped", "below 3 and above 100", "frozen", "amount is clipped below 3 and above 100"),
    ("hours_shifted", "5 hours earlier", "level", "amount is shifted, 5 hours earlier"),
    ("join_broken", "", "joint", "amount has values of other events (relations gone)"),
    ("unit", "C to F", "range", "amount reads 1.8 x + 32 (C to F?)"),
    ("unit", "x 100", "unit", "amount is 25 times larger (0.02 → 0.5)"),
    ("new_value", "'XX'", "new_value", "amount has the new value 'XX', 50% of all"),
    ("new_value", "'a' and 'b'", "new_value", "amount has the new values 'a' and 'b', 50% of all"),
    ("new_value", "", "new_value", "amount 50% new values (usually 2%)"),
    ("renamed", "'DE' to 'de'", "renamed", "amount is renamed, 'DE' to 'de'"),
    ("type_changed", "text in place of numbers", "refused", "amount 50% text in place of numbers"),
    ("missing", "", "missing", "amount 50% missing (usually 2%)"),
]


@pytest.mark.parametrize(("cause", "detail", "kind", "what"), CAUSES, ids=[f"{c[0]} {c[1]}" for c in CAUSES])
def test_a_cause_is_said_in_place_of_numbers(cause: str, detail: str, kind: str, what: str) -> None:
    told = said(replace(one(kind, 0.5, 0.02), cause=cause, detail=detail))
    assert told == f"fraud: {what} since 14:20 UTC; 12 other channels unchanged"


def test_the_other_channel_of_a_swap_is_no_more_channel_and_a_cause_goes_before_none() -> None:
    fee = one("range", 0.5, 0.02, "fee")
    amount = replace(one("unit", 45, 4500), cause="swapped", detail="with fee")
    assert said(fee, amount) == "fraud: amount and fee have swapped since 14:20 UTC; 11 other channels unchanged"


def test_everything_at_once_is_the_pipeline_whatever_each_channel_has() -> None:
    more = [replace(one("missing", 1.0, 0, name), cause="missing") for name in ("a", "b", "c")]
    (incident,) = folded((), more, 4)
    assert (incident.cause, incident.detail) == ("pipeline", "")
    (alone,) = folded((), more[:1], 4)
    assert alone.cause == "missing"


@pytest.mark.parametrize(("cause", "detail", "kind", "what"), CAUSES, ids=[f"{c[0]} {c[1]}" for c in CAUSES])
def test_what_alerts_say_has_no_value_of_an_event_but_the_rest(cause: str, detail: str, kind: str, what: str) -> None:
    told = replace(one(kind, 0.5, 0.02), cause=cause, detail=detail)
    (incident,) = folded((), [told], 13)
    text = sentence(incident, NOW, values=False)
    assert (what in text) == (not detail or cause not in {"new_value", "renamed"})
    assert not {"XX", "DE", "'a'"} & {word.strip(",") for word in text.split()}
    assert "14:20" in text


def test_what_comes_and_goes_says_how_often_and_since_when() -> None:
    again = replace(finding("amount", NOW + 3600, PAGE, since=NOW + 3500, kind="missing"), severity=None)
    told = said(
        one("missing", 1.0, 0.0),
        finding("amount", NOW, OK, PAGE),
        replace(again, times=3, first_since=BEGIN),
        now=NOW + 3600,
    )
    assert (
        told
        == "fraud: amount 100% missing (usually 0%) since 15:28 UTC, 3rd time since 14:20; 12 other channels unchanged"
    )


def test_a_version_that_began_then_is_named_before_what_is_unchanged() -> None:
    told = [one("level", 0.4511, 0.2992, name) for name in ("score", "prediction")]
    new = [replace(f, new_version="8") for f in told]
    assert said(*new) == (
        "fraud: prediction is 51% larger (mean 0.2992 → 0.4511) and 1 more channel changed since 14:20 UTC; "
        "new version 8"
    )


def test_a_version_that_began_then_is_named() -> None:
    told = said(replace(one("missing", 1.0, 0.0), new_version="v" * 30))
    assert (
        told
        == "fraud: amount 100% missing (usually 0%) since 14:20 UTC; new version vvvv…vvvv; 12 other channels unchanged"
    )


@pytest.mark.parametrize(
    ("kind", "value", "usual", "cause", "what"),
    [
        ("unit", 4500.0, 45.0, "", "amount is 100 times larger (usually 45 EUR)"),
        ("unit", 62.1, 3.1, "", "amount is 20 times larger (3.1 → 62.1 EUR)"),
        ("level", 22.0, 25.0, "", "amount is 12% smaller (mean 25 → 22 EUR)"),
        ("unknown", 22.0, 25.0, "", "amount has changed, cause unknown (25 → 22 EUR)"),
        ("frozen", 0.5, 0.1, "clipped", "amount is clipped above 100 EUR"),
        ("missing", 1.0, 0.002, "", "amount 100% missing (usually 0.2%)"),
        ("spread", 3.14, 1.0, "", "amount varies 3.1 times as much as usual"),
    ],
)
def test_numbers_have_their_unit_and_shares_have_none(
    kind: str, value: float, usual: float, cause: str, what: str
) -> None:
    given = replace(one(kind, value, usual), unit="EUR", cause=cause, detail="above 100" if cause else "")
    assert said(given) == f"fraud: {what} since 14:20 UTC; 12 other channels unchanged"


def test_every_kind_has_a_known_answer() -> None:
    assert {kind for kind, *_ in KNOWN} == {kind.value for kind in Kind}


def test_without_numbers_or_a_kind_it_still_says_what_where_and_when() -> None:
    none = finding("age", BEGIN, TICKET, kind="", detector="psi")
    assert said(none) == "fraud: age has changed since 14:20 UTC; 12 other channels unchanged"
    assert said(finding("*", BEGIN, TICKET, kind="joint", detector="judge"), channels=2) == (
        "fraud: channels no longer move together since 14:20 UTC; 2 other channels unchanged"
    )


def test_how_channels_move_together_is_no_channel() -> None:
    joint = finding("*", BEGIN + 300, TICKET, kind="joint", detector="judge", since=BEGIN)
    assert said(one("unit", 4500, 45), joint) == (
        "fraud: amount is 100 times larger (usually 45) since 14:20 UTC; 12 other channels unchanged"
    )


def test_several_channels_and_all_of_them() -> None:
    amount = one("unit", 4500, 45)
    more = [amount, one("missing", 0.3, 0, "age"), one("level", 0.2, 0.1, "score")]
    assert said(*more) == (
        "fraud: amount is 100 times larger (usually 45) and 2 more channels changed since 14:20 UTC; "
        "10 other channels unchanged"
    )
    assert said(*more[:2]) == (
        "fraud: amount is 100 times larger (usually 45) and 1 more channel changed since 14:20 UTC; "
        "11 other channels unchanged"
    )
    assert said(*more, channels=4) == (
        "fraud: 3 of 4 channels changed (amount is 100 times larger) since 14:20 UTC; probably the pipeline"
    )
    assert said(*more, channels=3).startswith("fraud: all 3 channels changed (amount is 100 times larger) since 14:20")
    calmed = finding("amount", BEGIN + 9000, OK, PAGE)
    assert said(*more, calmed).startswith("fraud: age 30% missing (usually 0%) and 1 more channel changed since")


def test_several_models() -> None:
    def of(model: str, channel: str, kind: str, value: float) -> tuple[Incident, ...]:
        one = finding(channel, BEGIN + 60, PAGE, since=BEGIN, kind=kind, value=value, model=model)
        return folded((), [one, call(BEGIN + 60, channel, model=model)], 9)

    same = together(i for k in range(5) for i in of(f"m{k}", "amount", "missing", 1.0))
    assert sentence(same[0], NOW) == "m0 + 4 models: amount 100% missing (usually 0%) since 14:20 UTC"
    two = together(i for name in ("a" * 50, "b" * 50) for i in of(name, "amount", "missing", 1.0))
    assert sentence(two[0], NOW) == (
        "aaaaaaaaaaaaa…aaaaaaaaaaaaaa and bbbbbbbbbbbbb…bbbbbbbbbbbbbb: amount 100% missing since 14:20 UTC"
    )
    (kind,) = together([*of("a", "age", "missing", 0.6), *of("b", "sex", "missing", 0.5)])
    assert sentence(kind, NOW) == "2 models: age 60% missing in a, sex 50% missing in b since 14:20 UTC"
    (sizes,) = together(i for k, v in enumerate([0.99, 0.98, 0.99, 0.6]) for i in of(f"m{k}", "amount", "missing", v))
    assert sentence(sizes, NOW) == (
        "4 models: amount 99% missing in m0 and 1 more, amount 98% missing in m1; 1 more model since 14:20 UTC"
    )


def test_a_model_in_which_it_is_over_is_not_told_as_one_in_which_it_lasts() -> None:
    def of(model: str, *, over: bool) -> tuple[Incident, ...]:
        told = finding("fx_rate", BEGIN + 60, PAGE, since=BEGIN, kind="unit", value=1080.0, usual=1.08, model=model)
        end = finding("fx_rate", BEGIN + 500, OK, PAGE, model=model)
        return folded((), [told, *([end] if over else [])], 9)

    (both,) = together([*of("limits", over=False), *of("payouts", over=False)])
    assert sentence(both, NOW).startswith("limits and payouts: fx_rate is 1,000 times larger")
    (one_left,) = together([*of("limits", over=True), *of("payouts", over=False)])
    assert sentence(one_left, NOW) == (
        "payouts: fx_rate is 1,000 times larger (usually 1.08) since 14:20 UTC; 8 other channels unchanged"
    )
    (gone,) = together([*of("limits", over=True), *of("payouts", over=True)])
    assert sentence(gone, NOW).startswith("limits and payouts: fx_rate was 1,000 times larger")


def test_of_several_models_with_changes_of_their_own_none_is_lost_and_the_first_start_is_told() -> None:
    def of(model: str, since: float, told: float) -> tuple[Incident, ...]:
        one = finding(f"{model}_feature", BEGIN + told, PAGE, since=BEGIN + since, kind="range", value=1.0, model=model)
        return folded((), [one], 9)

    long = [f"{k}-recommendations-of-the-shop" for k in "abc"]
    for names in (["a", "b", "c"], long):
        (whole,) = together(i for k, name in enumerate(names) for i in of(name, 120.0 - 60 * k, 300.0 + k))
        text = sentence(whole, NOW)
        assert text.startswith("3 models: ")
        assert text.endswith(
            "; 1 more model since 14:20 UTC" if names is not long else "; 2 more models since 14:20 UTC"
        )
        assert len(text) <= MOST
        assert (began(whole), first_told(whole)) == (BEGIN, BEGIN + 300)


def test_what_another_model_has_takes_no_number_from_a_pipeline_and_the_pipeline_stays_told() -> None:
    def of(model: str, channels: str, value: float) -> tuple[Incident, ...]:
        told = [finding(c, BEGIN + 60, PAGE, since=BEGIN, value=value, model=model) for c in channels]
        return folded((), told, 8)

    alone = "nulls: 5 of 8 channels changed (a 100% missing) since 14:20 UTC; probably the pipeline"
    apart = together([*of("nulls", "abcde", 1.0), *of("nl", "a", 0.13)])
    assert {sentence(i, NOW) for i in apart} == {
        alone, "nl: a 13% missing (usually 0%) since 14:20 UTC; 7 other channels unchanged"
    }  # fmt: skip
    (whole,) = together([*of("nulls", "abcde", 1.0), *of("nl", "a", 0.6)])
    assert sentence(whole, NOW) == (
        "2 models: 5 of 8 channels changed in nulls (probably the pipeline), a 60% missing in nl since 14:20 UTC"
    )


def test_each_ticket_of_an_incident_is_told_with_its_sentence() -> None:
    """Each channel has an alert of its own; those beside the strongest said "differs from its reference"."""

    def ticket(channel: str, at: float, kind: str = "level") -> Finding:
        return finding(channel, BEGIN + at, TICKET, since=BEGIN, kind=kind, value=4.0, usual=2.0)

    (i,) = folded((), [ticket("score", 240), ticket("prediction", 250), ticket("age", 260, "mix")], 13)
    texts = [*texts_of((i,), NOW, "https://driftd.example")]
    assert [(t.severity, t.feature, t.kind) for t in texts] == [
        ("ticket", "score", "level"), ("ticket", "prediction", "level"), ("ticket", "age", "mix"),
    ]  # fmt: skip
    assert {(t.summary, t.url) for t in texts} == {(sentence(i, NOW), f"https://driftd.example/incident?id={i.id}")}
    (paged,) = folded((), [one("unit", 4500, 45), ticket("age", 260)], 13)
    found = [(t.severity, t.feature) for t in texts_of((paged,), NOW, "")]
    assert found == [("page", "amount"), ("ticket", "age")]
    (many,) = folded((), [ticket(f"f{k}", 240) for k in range(99)], 120)
    assert len([*texts_of((many,), NOW, "")]) == MOST_CHANNELS


def test_what_other_incidents_of_the_model_hold_open_is_not_unchanged() -> None:
    later = [finding(c, BEGIN + 9000, PAGE, since=BEGIN + 8900, kind="mix") for c in ("a", "b", "c")]
    first, second = folded((), [one("unit", 4500, 45), *later, finding("c", BEGIN + 9900, OK, PAGE)], 13)
    every = changed_now((first, second))
    assert every == {"fraud": {"amount", "a", "b"}}
    assert sentence(first, NOW, changed=every) == (
        "fraud: amount is 100 times larger (usually 45) since 14:20 UTC; 10 other channels unchanged"
    )
    (text, *_) = texts_of((first, second), NOW, "")
    assert {t.summary.rpartition("; ")[2] for t in texts_of((first,), NOW, "")} == {"12 other channels unchanged"}
    assert "12" not in text.summary


def test_an_ended_one_says_from_when_to_when() -> None:
    told = one("unit", 4500, 45), finding("amount", BEGIN + 2580, OK, PAGE)
    assert said(*told) == "fraud: amount was 100 times larger (usually 45) from 14:20 to 15:03 UTC"
    assert said(told[0], finding("amount", BEGIN + 86_400, OK, PAGE), now=BEGIN + 90_000) == (
        "fraud: amount was 100 times larger (usually 45) from Mon 14:20 to 14:20 UTC"
    )


def test_the_day_is_said_where_it_is_not_today_and_the_text_stays_the_same_within_a_day() -> None:
    told = one("missing", 1.0, 0.0)
    midnight = BEGIN + 34_800
    assert len({said(told, now=t) for t in (BEGIN, NOW, midnight - 1)}) == 1
    assert "since Mon 14:20 UTC" in said(told, now=midnight)
    assert "since 30 Nov 14:20 UTC" in said(told, now=midnight + 7 * 86_400)


NAMES = st.text(min_size=1, max_size=300) | st.sampled_from(
    [
        "<script>alert(1)</script>" * 9,
        "{{ $labels.x }}",
        "نموذج الاحتيال " * 9,
        "欺诈模型" * 40,
        "a\nb\u202ec",
        "x" * 120,
    ]
)


@given(
    model=NAMES, channel=NAMES, other=NAMES, kind=st.sampled_from(["", *(k.value for k in Kind)]),
    value=st.none() | st.floats(), usual=st.none() | st.floats(), size=st.integers(1, 4), ends=st.booleans(),
    cause=st.sampled_from([("", ""), *((c, d) for c, d, _, _ in CAUSES)]) | st.tuples(st.just("swapped"), NAMES),
)  # fmt: skip
def test_it_is_never_too_long_and_never_without_its_time(
    model: str,
    channel: str,
    other: str,
    kind: str,
    value: float,
    usual: float,
    size: int,
    cause: tuple[str, str],
    *,
    ends: bool,
) -> None:
    detail = f"with {cause[1]}" if cause[0] == "swapped" else cause[1]
    told = [
        finding(name, BEGIN, PAGE, since=BEGIN, kind=kind, model=m, value=value, usual=usual)
        for m in (model, f"{model}2")
        for name in dict.fromkeys((channel, other))
    ]
    told = [replace(f, cause=cause[0], detail=detail) for f in told]
    if ends:
        told += [finding(f.feature, BEGIN + 99 * 3600, OK, PAGE, model=f.model) for f in told]
    incidents = [
        i for m in dict.fromkeys(f.model for f in told) for i in folded((), [f for f in told if f.model == m], size)
    ]
    for incident in (*incidents, *together(incidents)):
        text = sentence(incident, NOW)
        assert len(text) <= MOST
        assert text.isprintable()
        assert "14:20" in text
        assert "UTC" in text


def test_long_names_lose_their_middle_and_what_is_said_of_them_stays() -> None:
    long = "team-payments-europe/" + "model-" * 9 + "name-00"
    told = finding("customer_transaction_amount_" * 4, BEGIN, PAGE, kind="unit", value=4500, usual=45, model=long)
    (incident,) = folded((), [told], 13)
    text = sentence(incident, NOW)
    assert text.endswith("is 100 times larger since 14:20 UTC")
    assert "name-00: " in text
    assert cut("abcdefghijkl", 9) == "abcd…ijkl"


@pytest.mark.parametrize(
    ("error", "told"), [(None, ""), (120.0, ""), (899.0, ""), (900.0, "about "), (7200.0, "about ")]
)
def test_a_beginning_that_is_known_roughly_is_told_so(error: float | None, told: str) -> None:
    level = replace(one("level", 60.0, 25.0, "price"), since_error_seconds=error)
    assert f"since {told}14:20 UTC" in said(level)
