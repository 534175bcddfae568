"""What is answered and counted, whatever the topic says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from email.message import Message
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from driftd.decode import Limits, codec_of
from driftd.receive.body import Record, hint, records_of
from driftd.receive.server import Endpoint, Metrics
from driftd.receive.topic import Topic, Written

GOOD = b'{"model": "m", "features": {"x": 1}}'
NOW = 1_795_413_611.0


class Fake:
    """A topic that acknowledges what it is told to: ``outcome`` gets the records."""

    name = "events"

    def __init__(self, outcome: Any = None) -> None:
        self.outcome, self.taken = outcome, list[Record]()

    def write(self, records: Sequence[Record]) -> Written:
        out = Written((True,) * len(records)) if self.outcome is None else self.outcome(records)
        self.taken += [r for r, done in zip(records, out.acknowledged, strict=True) if done]
        return cast("Written", out)


def endpoint(topic: Fake, **limits: Any) -> Endpoint:
    return Endpoint(
        cast("Topic", topic),
        lambda: codec_of(Limits(**limits)),
        Metrics(CollectorRegistry()),
        tuple,
        10_000,
        lambda: NOW,
    )


def ask(end: Endpoint, *values: bytes | Record) -> tuple[int, dict[str, Any]]:
    answer = end.take([v if isinstance(v, Record) else Record(v) for v in values])
    return answer.status.value, json.loads(answer.body)


def counts(end: Endpoint) -> dict[str, float]:
    found = {
        s.name.removeprefix("driftd_receive_").removeprefix("events_") + "".join(f" {v}" for v in s.labels.values()): s
        for family in text_string_to_metric_families(end.metrics.page().decode())
        for s in family.samples
    }
    return {name: s.value for name, s in found.items() if s.value and name.startswith(("received", "written", "ref"))}


def test_good_events_are_written_and_counted() -> None:
    topic = Fake()
    end = endpoint(topic)
    assert ask(end, GOOD, GOOD) == (200, {"received": 2, "written": 2, "refused": 0})
    assert [r.value for r in topic.taken] == [GOOD, GOOD]
    assert counts(end) == {"received_total": 2, "written_total": 2, "written_bytes_total": 2 * len(GOOD)}


def test_events_that_driftd_would_refuse_are_named_and_the_others_written() -> None:
    end = endpoint(topic := Fake())
    bad = (b"{", b'{"features": {"x": 1}}', b'{"model": "m", "features": {}, "time": 5e12}', b'"text"')
    status, said = ask(end, GOOD, *bad)
    assert status == 200
    assert (said["received"], said["written"], said["refused"]) == (5, 1, 4)
    assert [(e["event"], e["reason"]) for e in said["errors"]] == [
        (1, "not_json"),
        (2, "missing_field"),
        (3, "bad_time"),
        (4, "not_an_event"),
    ]
    assert said["errors"][1]["detail"].startswith("model: missing")
    assert len(topic.taken) == 1
    found = counts(end)
    assert found["received_total"] == found["written_total"] + sum(v for k, v in found.items() if k.startswith("ref"))


def test_an_item_of_an_array_that_is_no_json_is_refused_alone_and_with_its_reason() -> None:
    end = endpoint(topic := Fake())
    bad = b'{"model": "m", "features": {"x": NaN}}', b'{"model": "m", "features": {"x": "\\ud800"}}'
    headers = Message()
    headers["Content-Type"] = "application/json"
    status, said = ask(end, *records_of(headers, b"[" + b",".join((GOOD, *bad, GOOD)) + b"]", 10_000))
    assert (status, said["received"], said["written"]) == (200, 4, 2)
    assert [(e["event"], e["reason"]) for e in said["errors"]] == [(1, "not_finite"), (2, "not_utf8")]
    assert [r.value for r in topic.taken] == [GOOD, GOOD]


def test_a_request_of_which_nothing_can_be_used_is_400_and_goes_nowhere() -> None:
    end = endpoint(topic := Fake())
    status, said = ask(end, *[b"{"] * 30)
    assert (status, said["refused"], len(said["errors"])) == (400, 30, 10)
    assert topic.taken == []


def test_an_event_is_judged_by_itself_and_not_by_those_before_it() -> None:
    """A driftd that has seen numbers would refuse this text; the one that reads the topic may not have."""
    end = endpoint(Fake())
    for value in (b"1.5", b'"text"', b"[1, 2]"):
        assert ask(end, b'{"model": "m", "prediction": ' + value + b"}")[0] == 200


def test_more_models_than_are_watched_are_written_all_the_same() -> None:
    end = endpoint(Fake(), max_models=1)
    models = [b'{"model": "m%d", "prediction": 1}' % n for n in range(5)]
    assert ask(end, *models) == (200, {"received": 5, "written": 5, "refused": 0})


def cloud(data: bytes, **headers: bytes) -> Record:
    given = {"ce_specversion": b"1.0", "ce_id": b"1", "ce_source": b"s", "ce_type": b"t"} | headers
    return Record(data, None, [(k, v) for k, v in given.items() if v], envelope=True)


def test_of_a_cloud_event_only_the_envelope_is_checked() -> None:
    end = endpoint(Fake())
    kserve = cloud(b'{"instances": [[1, 2]]}')
    status, said = ask(end, kserve, cloud(b"{}", ce_id=b""), cloud(b"not json"), cloud(b""))
    assert (status, said["written"]) == (200, 1)
    assert [(e["event"], e["reason"]) for e in said["errors"]] == [
        (1, "bad_envelope"),
        (2, "not_json"),
        (3, "empty"),
    ]


@pytest.mark.parametrize("acknowledged", [(False, False, False), (True, False, False)])
def test_what_was_not_acknowledged_is_503_and_claimed_by_nobody(acknowledged: tuple[bool, ...]) -> None:
    end = endpoint(Fake(lambda _: Written(acknowledged, problem="no answer")))
    answer = end.take([Record(GOOD)] * 3)
    said = json.loads(answer.body)
    written = sum(acknowledged)
    assert said == {"received": 3, "written": written, "refused": 0, "failed": 3 - written, "error": "no answer"}
    assert (answer.status, dict(answer.headers)) == (503, {"Retry-After": "1"})
    found = counts(end)
    assert (found["received_total"], found.get("written_total", 0.0)) == (3, written)
    assert found["refused_total unavailable"] == 3 - written


def test_what_the_topic_never_takes_is_refused_by_its_place_in_the_request() -> None:
    end = endpoint(Fake(lambda _: Written((True, False), frozenset({1}))))
    status, said = ask(end, b"{", GOOD, GOOD)
    assert (status, said["written"]) == (200, 1)
    assert [(e["event"], e["reason"]) for e in said["errors"]] == [(0, "not_json"), (2, "too_large")]


def test_nothing_of_a_value_is_repeated_where_values_are_hidden() -> None:
    end = endpoint(Fake(), show_values=False)
    _, said = ask(end, b'{"model": "m", "prediction": 1, "latency_seconds": "12,50"}')
    assert "12,50" not in json.dumps(said)


@pytest.mark.parametrize(("body", "kind", "said"), [
    (b'{"specversion": "1.0", "id": "1", "type": "t", "source": "/s"}', "application/json", "cloudevents+json"),
    (b'{"model": "m"}', "application/json", None),
])  # fmt: skip
def test_a_request_of_which_nothing_is_taken_says_what_it_may_be_instead(
    body: bytes, kind: str, said: str | None
) -> None:
    given = Message()
    given["Content-Type"] = kind
    answer = endpoint(Fake()).take(records_of(given, body, 10_000), lambda: hint(given, body))
    found = json.loads(answer.body).get("hint")
    assert answer.status == 400
    assert (found is None) == (said is None)
    assert said is None or said in found
