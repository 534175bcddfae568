"""The status page as text: what it says first, and that nothing from outside gets through as markup."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser

import orjson
import pytest

from driftd.core.finding import Joint, Status
from driftd.judge.budget import Certificate
from driftd.metrics.aggregates import ModelCounts
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.findings import WINDOW_ALONE
from driftd.web import ModelView, page
from driftd.web.format import html_range
from driftd.web.sections.health import health
from driftd.web.snapshot import channels, status_json
from tests.stage.judgement import END, NAN, changes, cover, evidence, finding, judgement, scores
from tests.stage.snapshot import NOW, snapshot

HOSTILE = "</title><script>alert(1)</script><img src=x onerror='alert(2)'>\"\n\u202e"
VOID = {"meta", "link", "img", "br", "rect", "path"}


class Elements(HTMLParser):
    """All elements with their attributes, and the text outside of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "


def headline(html: bytes) -> str:
    found = re.search(r"<h1><span[^>]*>.</span> (.*?)</h1>", html.decode())
    assert found
    return found[1]


def model(name: str, status: Status) -> ModelView:
    if status is Status.LEARNING:
        return ModelView(name, None, 0.5)
    j = judgement(name)
    object.__setattr__(j, "status", status)
    return ModelView(name, j)


@pytest.mark.parametrize(
    ("statuses", "not_ready", "says"),
    [
        pytest.param([], (), "No model seen yet", id="nothing yet"),
        pytest.param([Status.OK], (), "Nothing has drifted", id="one quiet model"),
        pytest.param([Status.OK] * 3, (), "Nothing has drifted in 3 models", id="all quiet"),
        pytest.param(
            [Status.OK, Status.LEARNING], (), "1 of 2 models is still learning; nothing has drifted", id="learns"
        ),
        pytest.param([Status.OK, Status.WARNING, Status.LEARNING], (), "Tickets, no page: m1 has changed", id="warns"),
        pytest.param([Status.WARNING] * 2, (), "Tickets, no page: 2 of 2 models have changed", id="two warn"),
        pytest.param([Status.WARNING, Status.DRIFT], (), "m1 has drifted", id="the worst wins"),
        pytest.param([Status.DRIFT] * 2 + [Status.OK], (), "2 of 3 models have drifted", id="two drift"),
        pytest.param(
            [Status.OK], ("no partitions",), "driftd is not ready: no partitions", id="blind is worse than quiet"
        ),
        pytest.param([Status.DRIFT], ("a", "b"), "driftd is not ready: a; b. m0 has drifted", id="both are said"),
    ],
)
def test_the_headline_says_the_worst(statuses: list[Status], not_ready: tuple[str, ...], says: str) -> None:
    models = [model(f"m{i}", status) for i, status in enumerate(statuses)]
    assert headline(page.render(snapshot(models=models, not_ready=not_ready))) == says


def test_the_page_answers_what_since_when_how_much_and_what_to_do() -> None:
    shown = said(page.render(snapshot()))
    for part in (
        "pages since 2026-11-23 05:53 UTC 8.6 minutes ago · 2 of 6 channels drifted: hour, cat_country",
        "hour, cat_country · 1 more channel has a ticket",
        "Pages: a change of a page's size is open cat_country ▲ DRIFT",
        "missing 0% → 24% 2026-11-23 05:53 UTC 8.6 minutes ago",
        "1.2 × a page's size missing 0.24 ≥ 0.05",
        "Tickets: can wait for the morning prediction ! WARNING prediction · independent 2026",
        "31 × A 2026-11-23 06:00 UTC from 1,000 events (effective sample size 600)",
        "without drift A is reached once in 1 million events",
        "3.1 × threshold",
        "psi 0.31 ≥ 0.1",
        "30..40 25.0% → 70.0%",
        "Values are missing: look at the producer",
        "DriftdModelDrift",
        "2 versions answered in this window (7, 8)",
        "42% of the reference",
        "842 records, 2.1 seconds, over 2 partitions",
        "1,204,001 of 1,204,113 events",
    ):
        assert part in shown


def said(html: bytes) -> str:
    return " ".join(Elements(html.decode()).text.replace("\u2068", "").replace("\u2069", "").split())


def test_the_certificate_says_what_a_page_is_worth() -> None:
    card = said(page.render(snapshot()))
    for part in (
        "Budget 1 false page a month, for all models together",
        "At most 0.023 expected false pages a month from the models known now",
        "the budget is shared by up to 100 models",
        "Counted 1 page in the last 30 days, 2 since monitoring began",
        "Pages 16 of 17 channels; pricing: the reference holds counts alone, tickets only",
        "Threshold A is 1 million events or more: without drift one false alarm in so many events",
        "spans 1 hour or more; daily patterns are unknown to driftd",
        "Assumes that each channel keeps the regime that was measured on the reference",
        "1 channel can page only for faults and large changes: Channel Regime Measured on the reference fraud · age",
    ):
        assert part in card
    assert "Pages 7 of 7 channels" in said(page.render(snapshot(), model="recommendations"))


def test_before_the_first_reference_nothing_is_promised() -> None:
    card = said(page.render(snapshot(models=[], certificate=Certificate.of(0.5, 10, []))))
    assert "Budget 0.5 false pages a month" in card
    assert "no model has a judge yet: nothing pages" in card
    assert b"Can you trust a page?" not in page.render(snapshot(certificate=None))


def test_a_channel_that_opens_tickets_only_says_so_and_why() -> None:
    j = judgement("m", ["x"], verdicts=(evidence([0.4, 0.0]),))
    promise = Certificate.of(1.0, 1, [cover(j.reference, dependent=[0])])
    shown = snapshot(models=[ModelView("m", j)], findings=[], certificate=promise)
    assert re.search(
        r'<span title="autocorrelation 0.61 [^"]*">dependent, tickets only</span>',
        page.render(shown, model="m").decode(),
    )
    assert "1 channel can open tickets only: Channel" in said(page.render(shown))
    assert "no evidence is kept" in page.render(snapshot(), model="fraud").decode()


def test_what_a_channel_cannot_see_stands_in_its_row() -> None:
    j = judgement("m", ["x"], verdicts=(evidence([0.4, 0.0]),))
    promise = Certificate.of(1.0, 1, [replace(cover(j.reference), blind=(("level", "mix"), ()))])
    shown = snapshot(models=[ModelView("m", j)], findings=[], certificate=promise)
    assert said(page.render(shown, model="m")).count("cannot see: ") == 1
    assert "cannot see: level, mix" in said(page.render(shown, model="m"))
    told = {f["feature"]: f["cannot_see"] for f in orjson.loads(status_json(shown))["models"][0]["features"]}
    assert told == {"x": ["level", "mix"], "prediction": []}


def changed_model(**over: object) -> str:
    j = judgement("m", ["x", "y"], verdicts=(evidence([NAN, NAN, NAN]), changes([1.5, 3.0, 0.0], tickets=[0])))
    object.__setattr__(j, "kinds", {0: "spread", 1: "frozen"})
    return said(page.render(snapshot(**({"models": [ModelView("m", j)]} | over))))


def test_a_change_shows_its_kind_its_value_beside_the_reference_and_since_when() -> None:
    frozen = finding("m", "y", detector="change", kind="frozen", value=1.0, reference_value=0.02)
    spread = finding("m", "x", detector="change", status=Status.WARNING, kind="spread", value=2.31, reference_value=1.0)
    card = changed_model(findings=[frozen, spread])
    assert "frozen 2% → 100% 2026-11-23 05:53 UTC 8.6 minutes ago beyond its natural variation" in card
    assert "at the budget of pages 3 × a page's size" in card
    assert "spread 2.3 times the reference's 2026-11-23 05:53 UTC 8.6 minutes ago" in card
    assert "at the budget of tickets 1.5 × a ticket's size" in card
    assert "Values repeat: is a cache, a job or a sensor stuck? DriftdFeatureDrift" in card


def test_a_better_name_replaces_the_first_and_after_a_restart_the_kind_is_left() -> None:
    over = {"detector": "change", "value": 0.5, "reference_value": 0.0}
    first = finding("m", "y", kind="mix", **over)
    better = finding("m", "y", kind="missing", previous=Status.DRIFT, **over)
    assert "missing 0% → 50%" in changed_model(findings=[better, first])
    ended = finding("m", "y", kind="mix", **over | {"status": Status.OK, "previous": Status.DRIFT})
    for found in ([ended, first], []):
        assert "feature frozen 2026-11-23 05:53 UTC" in changed_model(findings=found)


def test_an_episode_from_before_the_restart_is_still_an_episode() -> None:
    assert "an episode is open evidence since 31 × A" in said(page.render(snapshot(findings=[])))


def test_an_episode_that_another_detector_of_the_budget_opened_names_it() -> None:
    because = "adwin detected a change; its share of the budget is one false alarm in 1e+06 events"
    told = finding("m", "error", detector="judge", statistic=0.1, threshold=13.8, because=because, effective_events=NAN)
    j = judgement("m", ["error"], verdicts=(evidence([1.0, 0.0]),))
    card = said(page.render(snapshot(models=[ModelView("m", j)], findings=[told])))
    assert "adwin detected a change 2026-11-23 06:00 UTC from 1,000 events;" in card


def test_a_suspicion_of_the_judge_is_a_ticket_and_no_episode() -> None:
    j = judgement("m", ["x"], verdicts=(evidence([0.4, 0.0]),))
    j.scores[0].status[0] = j.channel_status[0] = Status.WARNING
    object.__setattr__(j, "status", Status.WARNING)
    promise = Certificate.of(1.0, 1, [cover(j.reference)])
    card = said(page.render(snapshot(models=[ModelView("m", j)], findings=[], certificate=promise)))
    assert "Tickets: can wait for the morning x ! WARNING" in card
    assert "0.4 × A A: 1 million events only the last window differs" in card
    assert "an episode is open" not in card
    tickets_only = Certificate.of(1.0, 1, [cover(j.reference, dependent=[0])])
    found = [finding("m", "x", detector="judge", status=Status.WARNING, because=f"{WINDOW_ALONE}; a: 1% -> 2%")]
    card = said(page.render(snapshot(models=[ModelView("m", j)], findings=found, certificate=tickets_only)))
    assert "only the last window differs" in card


def test_channels_that_no_longer_move_together_page_as_one_row() -> None:
    joint = Joint(0.2, math.log1p(1e6), Status.DRIFT, END - 300)
    j = judgement("m", verdicts=(evidence([0.0, 0.0, 0.0]),), joint=joint)
    f = finding("m", "*", detector="judge", statistic=math.log1p(4e6), threshold=math.log1p(1e6))
    f = replace(
        f, because="evidence 4e+06, threshold 1e+06; amount and age no longer move together as in the reference"
    )
    card = said(page.render(snapshot(models=[ModelView("m", j)], findings=[f])))
    assert "m has drifted" in card
    assert "how channels move together ▲ DRIFT joint, pages 2026-11-23 05:55 UTC 6.6 minutes ago 4 × A" in card
    assert "amount and age no longer move together as in the reference Each channel alone may look normal" in card
    assert "1 page, 0 tickets" in card


def test_the_page_needs_no_script_and_no_other_address() -> None:
    elements = Elements(page.render(snapshot(runbooks="/runbooks")).decode()).elements
    assert not [tag for tag, _ in elements if tag in {"script", "iframe", "object", "form"}]
    assert not [a for _, attrs in elements for a in attrs if a.startswith("on") or a == "style"]
    links = {attrs.get("href") or attrs.get("src") for _, attrs in elements} - {None}
    assert all(str(link).startswith(("/", "data:,")) for link in links)


def hostile() -> bytes:
    j = judgement(HOSTILE, [HOSTILE, "cat<b>"], versions=(HOSTILE,), verdicts=(scores("psi", [1.0, 1.0, NAN]),))
    object.__setattr__(j, "because", HOSTILE)
    f = finding(HOSTILE, HOSTILE, because=HOSTILE)
    return page.render(
        snapshot(models=[ModelView(HOSTILE, j), ModelView("\ud800", None)], findings=[f], not_ready=[HOSTILE])
    )


def test_hostile_names_are_text() -> None:
    html = hostile().decode()
    tame = {tag for tag, _ in Elements(page.render(snapshot()).decode()).elements}
    found = Elements(html)
    assert {tag for tag, _ in found.elements} <= tame
    assert not [a for _, attrs in found.elements for a in attrs if a.startswith("on")]
    assert "<script>alert(1)</script>" in found.text


def test_a_model_has_a_page_of_all_its_channels() -> None:
    html = page.render(snapshot(), model="recommendations").decode()
    assert html.count('<th scope="row">') == 6
    assert "Quiet" in html
    assert "No model is called &lt;x&gt;" in page.render(snapshot(), model="<x>").decode()


def test_without_an_address_for_runbooks_the_file_is_named_and_nothing_is_linked() -> None:
    html = page.render(snapshot(runbooks="")).decode()
    assert "<code>runbooks/DriftdModelDrift.md</code>" in html
    assert ".md" not in "".join(str(attrs.get("href")) for _, attrs in Elements(html).elements)


def test_a_model_between_reference_and_first_window_says_what_it_waits_for() -> None:
    assert b"waits for a full window" in page.render(snapshot(models=[ModelView("m", None, 1.0)]))


def test_refreshing_can_be_stopped() -> None:
    assert b'http-equiv="refresh"' in page.render(snapshot())
    assert b'http-equiv="refresh"' not in page.render(snapshot(), refresh=False)


def test_silence_of_a_model_stands_out() -> None:
    j = judgement("m", verdicts=(scores("psi", [0.0, 0.0, 0.0]),))
    stale, fresh = (
        page.render(snapshot(models=[ModelView("m", j, counts=ModelCounts(last_event=t))]))
        for t in (NOW - 1300, NOW - 60)
    )
    assert b"class=stale" in stale
    assert b"class=stale" not in fresh


def test_a_reject_among_thousands_is_no_reason_to_get_up() -> None:
    quiet, loud = snapshot(), snapshot()
    loud.telemetry.set("driftd_events_total", 50_000, "rejected")
    assert b"DriftdRejects" not in page.render(quiet)
    assert b"DriftdRejects" in page.render(loud)


def test_what_driftd_sheds_is_on_the_page() -> None:
    usual, bent = snapshot(), snapshot()
    bent.telemetry.set("driftd_kafka_connected", 1)
    usual.telemetry.set("driftd_kafka_connected", 1)
    bent.telemetry.set("driftd_degradation_level", 2)
    bent.telemetry.set("driftd_circuit_breaker_open", 1)
    for told in (b"level 2: half of the records are read", b"DriftdDegraded", b"none are sent", b"DriftdMostRejected"):
        assert told in page.render(bent)
        assert told not in page.render(usual)


def test_channels_come_worst_first_and_those_not_judged_last() -> None:
    j = judgement(features=["a", "b", "c"], verdicts=(scores("psi", [0.05, 0.3, NAN, 0.2]),))
    assert [c.name for c in channels(j)] == ["b", "prediction", "a", "c"]


def test_a_window_over_midnight_names_both_days() -> None:
    assert "2026-11-23 05:50 to 06:00" in html_range(END - 600, END)
    assert "2026-11-22 06:00 to 2026-11-23 06:00" in html_range(END - 86_400, END)


def test_the_page_as_json_has_no_nan_and_names_statuses() -> None:
    body = orjson.loads(status_json(snapshot()))
    fraud = body["models"][0]
    assert (fraud["model"], fraud["status"]) == ("fraud", "DRIFT")
    worst = fraud["features"][0]
    assert (worst["feature"], worst["detectors"][0]["detector"]) == ("cat_country", "change")
    assert (worst["kind"], worst["value"], worst["reference_value"]) == ("missing", 0.24, 0.0)
    assert (worst["pages"], worst["regime"], fraud["joint"]["status"]) == (True, "independent", "OK")
    assert body["certificate"]["paging_channels"] == 16
    assert body["models"][2]["learning_ratio"] == 0.42
    assert body["partitions"][1] == {"topic": "predictions", "partition": "1", "lag_records": 830.0, "lag_seconds": 2.1}
    assert orjson.loads(status_json(snapshot(models=[ModelView("\ud800")])))["models"][0]["model"] == "?"


def test_a_replay_has_no_broker_to_speak_of() -> None:
    said = {name for name, _, _ in health(snapshot(telemetry=Telemetry()))}
    assert not said & {"Kafka", "Lag", "Checkpoint"}


@pytest.mark.parametrize(
    ("metric", "value", "alert"),
    [
        ("driftd_kafka_connected", 0, "DriftdKafkaDisconnected"),
        ("driftd_config_last_reload_successful", 0, "DriftdConfigReloadFailed"),
    ],
)
def test_what_is_wrong_names_its_alert(metric: str, value: float, alert: str) -> None:
    shown = snapshot()
    assert [a for _, _, a in health(shown) if a] == []
    shown.telemetry.set(metric, value)
    assert [a for _, _, a in health(shown) if a] == [alert]


def test_failed_checkpoints_are_shown_and_alarm_only_while_none_succeeds() -> None:
    shown = snapshot()
    shown.telemetry.set("driftd_checkpoint_failures_total", 2)
    assert ("Checkpoint", "7 seconds ago, 2 failed", "") in health(shown)
    shown.telemetry.set("driftd_checkpoint_timestamp_seconds", NOW - 600)
    assert ("Checkpoint", "10 minutes ago, 2 failed", "DriftdCheckpointFailing") in health(shown)


def test_the_hint_follows_the_worst_detector() -> None:
    verdicts = (scores("psi", [0.5, 0.0, NAN]), scores("missing", [0.12, 0.0, NAN]))
    html = page.render(snapshot(models=[ModelView("m", judgement("m", verdicts=verdicts))])).decode()
    assert 0 < html.index("The values moved") < html.index("Values are missing")
