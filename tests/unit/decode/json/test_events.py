"""What an event may be, and what each field becomes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from driftd.core.event import DropReason, Kind, RejectReason, Schema
from driftd.core.lists import CLASSES
from driftd.core.values import category
from driftd.decode import Limits
from driftd.decode.json.codec import EventsCodec
from driftd.decode.mapping.spec import FeatureSource, Mappings, RecordMapping, Source
from tests.unit.decode.make import NOW, accounted, decode, labels_alone, m, only, records, refusals, refused

R = RejectReason


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        pytest.param(None, R.EMPTY, "null value", id="tombstone"),
        pytest.param(b"", R.EMPTY, "empty value", id="no bytes"),
        pytest.param([], R.EMPTY, "an array without events", id="empty array"),
        pytest.param(b" " * 300_000, R.TOO_LARGE, "300000 bytes, at most 262144 expected", id="too large"),
        pytest.param(b'{"model": "\xff"}', R.NOT_UTF8, "not UTF-8 at byte 11", id="a byte that is not UTF-8"),
        pytest.param(
            b'{"model": "m", "features": {}, "unknown": "\xff"}',
            R.NOT_UTF8,
            "not UTF-8 at byte 43",
            id="not UTF-8 in a field nobody reads",
        ),
        pytest.param(
            b'{"model": "\\ud800"}', R.NOT_UTF8, "an escaped surrogate without its partner", id="lone surrogate"
        ),
        pytest.param(b'{"model": "m"', R.NOT_JSON, "Input data was truncated", id="truncated"),
        pytest.param(b"hello", R.NOT_JSON, "not JSON: invalid character (byte 0)", id="plain text"),
        pytest.param(b"\xef\xbb\xbf{}", R.NOT_JSON, "not JSON: invalid character (byte 0)", id="byte order mark"),
        pytest.param(b"[" * 10_000, R.TOO_DEEP, "nested deeper than 500 levels", id="10,000 open brackets"),
        pytest.param(
            b'{"model": "m", "features": {}, "unknown": ' + b"[" * 600 + b"]" * 600 + b"}",
            R.TOO_DEEP,
            "nested deeper than 500 levels",
            id="deep in a field nobody reads",
        ),
        pytest.param(b"5", R.NOT_AN_EVENT, "an event is a JSON object, got a number", id="a number"),
        pytest.param(b'[["a"]]', R.NOT_AN_EVENT, "an event is a JSON object, got a list", id="array in an array"),
        pytest.param(
            b'{"features": {"x": NaN}, "model": "m"}', R.NOT_FINITE, "NaN is not JSON; null says missing", id="NaN"
        ),
        pytest.param(
            b'{"model":"m","score": -Infinity}', R.NOT_FINITE, "-Infinity is not JSON; null says missing", id="inf"
        ),
        pytest.param(
            b'{"prediction": 1e400, "model": "m"}',
            R.NOT_FINITE,
            "prediction: a number beyond the range of a float",
            id="1e400",
        ),
        pytest.param(
            {"model": "m", "prediction": [1.7e308, 1.7e308]},
            R.NOT_FINITE,
            "prediction: the norm of the list is beyond the range of a float",
            id="norm overflows",
        ),
        pytest.param({"features": {}}, R.MISSING_FIELD, "model: missing", id="no model"),
        pytest.param({"model": None, "features": {}}, R.MISSING_FIELD, "model: missing", id="null model"),
        pytest.param({"model": "", "features": {}}, R.MISSING_FIELD, "model: an empty string", id="empty model"),
        pytest.param({"model": 3, "features": {}}, R.WRONG_TYPE, "model: expected a string, got 3", id="model 3"),
        pytest.param(
            {"model": "m"}, R.MISSING_FIELD, "features: missing, and so are prediction and label", id="model alone"
        ),
        pytest.param({"model": "m", "label": 1}, R.MISSING_FIELD, "features: label without id", id="label without id"),
        pytest.param(
            {"model": "m", "features": [1]},
            R.WRONG_TYPE,
            "features: expected an object of name to value, got a list",
            id="features as a list",
        ),
        pytest.param(m(features={"": 1}), R.MISSING_FIELD, "feature: an empty name", id="empty feature name"),
        pytest.param(
            m(features={"n" * 129: 1}),
            R.NAME_TOO_LONG,
            "feature 'nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn'...: 129 bytes, at most 128 expected",
            id="long feature name",
        ),
        pytest.param(
            m(model="\u00e9" * 65),
            R.NAME_TOO_LONG,
            f"model '{chr(233) * 32}'...: 130 bytes, at most 128 expected",
            id="long model name, in bytes",
        ),
        pytest.param(
            m(features=dict.fromkeys(map(str, range(1001)))),
            R.TOO_MANY_FEATURES,
            "features: 1001, at most 1000 expected",
            id="1,001 features",
        ),
        pytest.param(
            m(time="2026-11-23T06:00:11"),
            R.BAD_TIME,
            "time: expected RFC 3339 with an offset, or epoch seconds, "
            'got "2026-11-23T06:00:11", a time without an offset',
            id="naive time",
        ),
        pytest.param(
            m(time="noon"),
            R.BAD_TIME,
            'time: expected RFC 3339 with an offset, or epoch seconds, got "noon"',
            id="not a time",
        ),
        pytest.param(
            m(time=1795413611828),
            R.BAD_TIME,
            "time: expected epoch seconds, got 1795413611828, after the year 2200; it looks like milliseconds",
            id="ms",
        ),
        pytest.param(m(time=-1), R.BAD_TIME, "time: expected epoch seconds, got -1, before 1970", id="before 1970"),
        pytest.param(
            m(time=NOW + 3600),
            R.FUTURE_TIME,
            "time: 3600 s ahead of the record's timestamp, at most 300 s expected",
            id="an hour ahead",
        ),
        pytest.param(
            m(latency_seconds=-1),
            R.WRONG_TYPE,
            "latency_seconds: expected 0 or more, got -1",
            id="negative latency",
        ),
        pytest.param(
            m(prediction=[1, None]),
            R.WRONG_TYPE,
            "prediction: expected a number, a string, a boolean or a list of numbers, got a list",
            id="hole in a list",
        ),
        pytest.param(
            m(score="0.9"),
            R.WRONG_TYPE,
            'score: expected a number, an object of class to probability or a list of probabilities, got "0.9"',
            id="score as text",
        ),
        pytest.param(m(cost=3), R.WRONG_TYPE, "cost: expected an object of numbers, got 3", id="cost"),
        pytest.param(m(segments={"k": 1}), R.WRONG_TYPE, "segments.k: expected a string, got 1", id="segments"),
        pytest.param(m(variant=[1]), R.WRONG_TYPE, "variant: expected a string or a number, got a list", id="variant"),
        pytest.param(m(version=True), R.WRONG_TYPE, "version: expected a string or a number, got true", id="version"),
        pytest.param(m(id=[]), R.WRONG_TYPE, "id: expected a string or a number, got a list", id="id"),
    ],
)
def test_what_is_refused_and_in_which_words(value: Any, reason: RejectReason, detail: str) -> None:
    decoded = decode(value, schema=Schema("m", {"x": Kind.NUMERIC}, Kind.ANY))
    reject = refused(decoded)
    assert (reject.reason, reject.detail) == (reason, detail)
    assert accounted(decoded)


NUMBER, ANYTHING = "expected a number, got ", "expected a string, a number or a boolean, got "
WHATEVER = "expected a string, a number, a boolean or a list of numbers, got "


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        pytest.param(Kind.NUMERIC, b'"12,50"', NUMBER + '"12,50"', id="decimal comma"),
        pytest.param(Kind.NUMERIC, b'"Jane Doe"', NUMBER + "a string", id="no payload"),
        pytest.param(Kind.NUMERIC, b'"4111111111111111"', NUMBER + "a string", id="long digits may be a card"),
        pytest.param(Kind.NUMERIC, b'{"k": [1]}', NUMBER + "an object", id="object"),
        pytest.param(Kind.NUMERIC, b"[1]", NUMBER + "a list", id="list"),
        pytest.param(Kind.LIST, b"1", "expected a list of numbers, got a number", id="number among lists"),
        pytest.param(Kind.LIST, b"[1, null]", "expected a list of numbers, got a list", id="hole in a list"),
        pytest.param(Kind.CATEGORICAL, b"{}", ANYTHING + "an object", id="object among categories"),
        pytest.param(Kind.CATEGORICAL, b"[]", ANYTHING + "a list", id="list among categories"),
        pytest.param(Kind.ANY, b'{"k": 1}', WHATEVER + "an object", id="object while learning"),
        pytest.param(Kind.ANY, b'["a"]', WHATEVER + "a list", id="list while learning"),
        *(
            pytest.param(kind, number, "a number beyond the range of a float", id=f"{name}, {kind}")
            for kind in Kind
            for name, number in {"1e400": b"1e400", "an integer beyond floats": b"1" + b"0" * 400}.items()
        ),
    ],
)
@pytest.mark.parametrize("is_open", [True, False])
def test_a_value_of_a_wrong_type_is_missing_and_its_event_accepted(
    kind: Kind, value: bytes, why: str, is_open: bool
) -> None:
    event = b'{"model": "m", "features": {"x": ' + value + b', "y": 2}, "prediction": 1}'
    schema = Schema("m", {"x": kind, "y": Kind.NUMERIC}, open=is_open)
    good = m(features={"x": [1]}) if kind is Kind.LIST else m()
    decoded = decode(good, event, m(features={"x": None}), event, schema=schema)
    assert refusals(decoded) == {"x": (why, [False, True, False, True])}
    batch = only(decoded)
    one = "1" if kind is Kind.CATEGORICAL else 1.0
    assert [v if v == v else None for v in batch.columns["x"]] == [one, None, None, None]  # noqa: PLR0124  NaN
    np.testing.assert_array_equal(batch.columns["y"], [np.nan, 2, np.nan, 2])
    assert accounted(decoded)


def test_truths_are_1_and_0_in_a_feature_of_numbers_however_they_are_spelled() -> None:
    spelled = [True, False, "true", "False", "1", "0", 0, 2.5, None]
    decoded = decode(*(m(features={"x": v}) for v in spelled), schema=Schema("m", {"x": Kind.NUMERIC}))
    assert not decoded.refused
    np.testing.assert_array_equal(only(decoded).columns["x"], [1, 0, 1, 0, 1, 0, 0, 2.5, np.nan])


def test_an_array_keeps_the_event_whose_value_is_refused() -> None:
    decoded = decode(m(), [m(features={"x": "a"}), m()], schema=Schema("m", {"x": Kind.NUMERIC}))
    assert refusals(decoded) == {"x": (NUMBER + "a string", [False, True, False])}
    assert only(decoded).offsets.tolist() == [0, 1, 1]


def test_an_event_with_nothing_but_refused_values_is_accepted() -> None:
    assert len(only(decode(m(features={"x": []}), schema=Schema("m", {"x": Kind.NUMERIC})))) == 1


def test_values_of_a_rejected_event_and_of_features_that_nobody_watches_are_not_refused() -> None:
    schema = Schema("m", {"x": Kind.NUMERIC}, open=False)
    decoded = decode(m(features={"x": "a"}, score="high"), m(features={"x": 1, "y": [1]}), schema=schema)
    assert [r.reason for r in decoded.rejects] == [R.WRONG_TYPE]
    assert not decoded.refused
    assert not decoded.batches[0].refused


def test_a_refused_value_discovers_its_feature_up_to_the_limit() -> None:
    events = [m(features={"a": {"k": 1}}), m(features={"b": [1]}), m(features={"a": 2, "b": [1]})]
    decoded = decode(*events, schema=Schema("m", max_features=1))
    batch = only(decoded)
    assert refusals(decoded) == {"a": (WHATEVER + "an object", [True, False, False])}
    assert (batch.columns, batch.ignored_features) == ({"a": [None, None, 2.0]}, 2)


def test_a_prediction_in_words_is_refused_where_numbers_are_known() -> None:
    decoded = decode({"model": "m", "prediction": "12"}, schema=Schema("m", prediction=Kind.NUMERIC))
    assert refused(decoded).detail == 'prediction: expected a number, a boolean or a list of numbers, got "12"'


def test_a_list_is_no_class() -> None:
    decoded = decode({"model": "m", "prediction": [1, 2]}, schema=Schema("m", prediction=Kind.CATEGORICAL))
    assert refused(decoded).reason is R.WRONG_TYPE


def test_one_bad_record_costs_only_itself() -> None:
    decoded = decode(m(), b"{", m(), None, m(score=["a"]), m())
    assert [(r.index, r.reason) for r in decoded.rejects] == [(1, R.NOT_JSON), (3, R.EMPTY), (4, R.WRONG_TYPE)]
    assert decoded.batches[0].offsets.tolist() == [0, 2, 5]
    assert accounted(decoded)


def test_an_array_rejects_its_bad_events_only() -> None:
    decoded = decode([m(time=NOW), m(time="noon"), 7], m())
    assert decoded.received == 4
    assert [(r.index, r.offset, r.reason) for r in decoded.rejects] == [(0, 0, R.BAD_TIME), (0, 0, R.NOT_AN_EVENT)]
    assert decoded.batches[0].offsets.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        pytest.param(1795413600.25, 1795413600.25, id="epoch seconds"),
        pytest.param("2026-11-23T06:00:11.5Z", 1795413611.5, id="UTC"),
        pytest.param("2026-11-23t08:00:11.5+02:00", 1795413611.5, id="offset"),
        pytest.param(None, NOW, id="null: the record's timestamp"),
        pytest.param(0, 0.0, id="1970"),
    ],
)
def test_time(time: Any, expected: float) -> None:
    assert only(decode(m(time=time), m(time=time))).times.tolist() == [expected, expected]


def test_no_time_at_all_is_refused() -> None:
    assert refused(decode(m(), timestamp=np.nan)).detail == "time: missing, and the record has no timestamp"


def test_without_a_record_timestamp_no_time_is_in_the_future() -> None:
    assert len(only(decode(m(time=NOW + 10**6), timestamp=np.nan))) == 1


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        pytest.param(Kind.NUMERIC, [1, None, -0.0, 10**30], [1.0, np.nan, 0.0, 1e30], id="numbers"),
        pytest.param(
            Kind.CATEGORICAL,
            ["DE", None, 1, 2.5, True, 10**15],
            ["DE", None, "1", "2.5", "true", "1000000000000000.0"],
            id="categories",
        ),
        pytest.param(Kind.ANY, ["DE", None, 1, False], ["DE", None, 1.0, "false"], id="not known yet"),
    ],
)
def test_feature_columns(kind: Kind, values: list[Any], expected: list[Any]) -> None:
    batch = only(decode(*(m(features={"x": v}) for v in values), schema=Schema("m", {"x": kind})))
    column = batch.columns["x"]
    np.testing.assert_array_equal(np.array(column), np.array(expected))
    assert isinstance(column, np.ndarray) == (kind is Kind.NUMERIC)


@pytest.mark.parametrize("kind", [Kind.CATEGORICAL, Kind.ANY])
def test_long_text_is_cut_so_that_it_cannot_fill_the_memory(kind: Kind) -> None:
    text = "x" * 100_000
    batch = only(decode(m(features={"x": text}), m(features={"x": "short"}), schema=Schema("m", {"x": kind})))
    assert batch.columns["x"] == [category(text), "short"]


@pytest.mark.parametrize(
    ("kind", "values", "expected"),
    [
        pytest.param(Kind.NUMERIC, [1, True, None, [3, 4], []], [1, 1, np.nan, 5, 0], id="numbers, a list is its norm"),
        pytest.param(Kind.CATEGORICAL, ["yes", 1, False, None], ["yes", "1", "false", None], id="classes"),
        pytest.param(Kind.ANY, ["yes", 1, True, [3, 4], None], ["yes", 1.0, "true", 5.0, None], id="not known yet"),
    ],
)
def test_predictions(kind: Kind, values: list[Any], expected: list[Any]) -> None:
    batch = only(decode(*(m(prediction=v) for v in values), schema=Schema("m", {"x": Kind.NUMERIC}, kind)))
    np.testing.assert_array_equal(np.array(batch.prediction), np.array(expected))


@pytest.mark.parametrize(
    ("prediction", "score", "expected"),
    [
        pytest.param(1, 0.9, 0.9, id="a number"),
        pytest.param("yes", {"yes": 0.3, "no": 0.7}, 0.3, id="the predicted class"),
        pytest.param(1, {"0": 0.6, "1": 0.4}, 0.4, id="a number as class"),
        pytest.param(1, {"0.0": 0.6, "1.0": 0.4}, 0.4, id="a number as Python writes it"),
        pytest.param(True, {"true": 0.4, "false": 0.6}, 0.4, id="a boolean as class"),
        pytest.param(True, {"1": 0.4, "0": 0.6}, 0.4, id="a boolean as 1"),
        pytest.param("maybe", {"yes": 0.3, "no": 0.7}, 0.7, id="else the largest"),
        pytest.param([1, 2], {"yes": 0.3, "no": None}, 0.3, id="null is absent"),
        pytest.param("yes", {}, np.nan, id="nothing"),
    ],
)
def test_scores(prediction: Any, score: Any, expected: float) -> None:
    batch = only(decode(m(prediction=prediction, score=score)))
    np.testing.assert_array_equal(batch.score, [expected])


@pytest.mark.parametrize("kind", [Kind.NUMERIC, Kind.CATEGORICAL, Kind.ANY])
def test_labels_are_the_same_whatever_predictions_are(kind: Kind) -> None:
    batch = only(decode(*(m(label=v) for v in [1, True, "yes", None]), schema=Schema("m", prediction=kind)))
    assert batch.label == [1.0, "true", "yes", None]


def test_what_counts_as_a_failure() -> None:
    errors = ["time-out", {"code": 5}, True, 1, [0], None, False, "", {}, 0, []]
    batch = only(decode(*(m(error=e) for e in errors)))
    assert batch.failed is not None
    assert batch.failed.tolist() == [True] * 5 + [False] * 6


def test_columns_that_nobody_fills_are_none() -> None:
    batch = only(decode({"model": "m", "features": {}}))
    assert (batch.prediction, batch.score, batch.label, batch.latency_seconds, batch.failed) == (None,) * 5


def test_latencies_and_versions() -> None:
    batch = only(decode(m(latency_seconds=0.5, version="7"), m(version=7), m(version=None), m(version="b")))
    np.testing.assert_array_equal(batch.latency_seconds, [0.5, np.nan, np.nan, np.nan])
    assert batch.version == ["7", "7", None, "b"]


def test_the_last_of_two_keys_wins() -> None:
    value = b'{"model": "n", "features": {"x": "bad", "x": 2}, "model": "m", "model": "m"}'
    batch = only(decode(value, schema=Schema("m", {"x": Kind.NUMERIC})))
    assert np.asarray(batch.columns["x"]).tolist() == [2.0]


def test_labels_alone_are_counted_and_have_no_row() -> None:
    decoded = decode(
        {"model": "m", "id": "9f", "label": 1}, m(), {"model": "m", "id": 4, "label": "no", "features": None}
    )
    batch = only(decoded)
    assert (len(batch), batch.label_only, decoded.received) == (1, 2, 3)
    assert [row[2:] for row in labels_alone(batch)] == [("9f", 1.0), (4, "no")]


@pytest.mark.parametrize("schema", [None, Schema("m", {"x": Kind.NUMERIC}, open=False)], ids=["first", "known"])
def test_labels_alone_keep_place_time_id_and_value(schema: Schema | None) -> None:
    decoded = decode(
        {"model": "m", "id": "9f", "label": True, "time": 7.5},
        m(id="x"),
        [{"model": "m", "id": 4, "label": "no"}, {"model": "m", "id": "b", "label": 2, "time": 8}, m(id=5, label=1)],
        {"model": "m", "label": 1},
        schema=schema,
    )
    (batch,) = decoded.batches
    assert labels_alone(batch) == [(0, 7.5, "9f", "true"), (2, NOW, 4, "no"), (2, 8.0, "b", 2.0)]
    assert batch.ids == ["x", 5]
    assert [(r.reason, r.detail) for r in decoded.rejects] == [
        (RejectReason.MISSING_FIELD, "features: label without id")
    ]


def test_models_come_apart_whatever_the_order_of_keys() -> None:
    events = [
        {"model": "a", "prediction": 1},
        {"features": {"model": "a"}, "model": "b"},
        {"prediction": 2, "model": "a"},
    ]
    codec, schemas = EventsCodec(), {"a": Schema("a"), "b": Schema("b")}
    found = {b.model: b.offsets.tolist() for b in codec.decode(records(events), schemas).batches}
    assert found == {"a": [0, 2], "b": [1]}


def test_discovery_goes_in_order_up_to_the_limit() -> None:
    events = [m(features={"a": 1}), m(features={"b": 2, "null": None, "c": 3}), m(features={"c": 4, "a": 5, "d": 6})]
    batch = only(decode(*events, schema=Schema("m", max_features=2)))
    assert {name: list(c) for name, c in batch.columns.items()} == {"a": [1.0, None, 5.0], "b": [None, 2.0, None]}
    assert batch.ignored_features == 3


def test_a_rejected_event_discovers_nothing() -> None:
    decoded = decode(
        m(features={"a": 1}, score="high"), {"model": "z", "features": {"n" * 129: 1}}, m(features={"b": 1})
    )
    (batch,) = decoded.batches
    assert (batch.model, list(batch.columns)) == ("m", ["b"])


def test_a_closed_schema_passes_over_what_it_does_not_name() -> None:
    events = [m(features={"x": 1, "y": [1], "n" * 200: "z"}), m(features={"y": 1})]
    batch = only(decode(*events, schema=Schema("m", {"x": Kind.NUMERIC}, open=False)))
    assert list(batch.columns) == ["x"]
    np.testing.assert_array_equal(batch.columns["x"], [1.0, np.nan])
    assert batch.ignored_features == 0


@pytest.mark.parametrize("is_open", [True, False])
def test_names_with_quotes_and_newlines_are_names_like_others(is_open: bool) -> None:
    names = ['say "hi"', "two\nlines", "back\\slash", "tab\t", "\u00e9", "\x7ff0"]
    features = {name: float(i) for i, name in enumerate(names)}
    schema = Schema('q"\n', dict.fromkeys(names, Kind.NUMERIC), open=is_open)
    batch = only(decode(*[{"model": 'q"\n', "features": features}] * 3, schema=schema))
    assert {name: np.asarray(c).tolist() for name, c in batch.columns.items()} == {
        n: [v] * 3 for n, v in features.items()
    }


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_models=2), DropReason.MODEL_LIMIT),
        (Limits(discover=False), DropReason.UNCONFIGURED_MODEL),
    ],
)
def test_models_that_may_not_be_discovered_are_dropped(limits: Limits, reason: DropReason) -> None:
    decoded = decode(m(), m(model="n"), m(model="o"), m(model="o"), schema=Schema("m"), limits=limits)
    assert decoded.dropped == {reason: 2 if limits.discover else 3}
    assert [b.model for b in decoded.batches] == (["m", "n"] if limits.discover else ["m"])
    assert accounted(decoded)


def test_a_million_feature_names_stay_bounded() -> None:
    codec = EventsCodec(Limits(max_features=50))
    schemas: dict[str, Schema] = {}
    ignored = 0
    for start in range(0, 1_000_000, 100_000):
        values = [
            m(features=dict.fromkeys(map(str, range(a, a + 1000)), 1)) for a in range(start, start + 100_000, 1000)
        ]
        batch = only(codec.decode(records(values), schemas))
        assert len(batch.columns) == 50
        schemas = {"m": Schema("m", dict.fromkeys(batch.columns, Kind.ANY), max_features=50)}
        ignored += batch.ignored_features
    assert ignored == 1_000_000 - 50


def test_model_names_stay_bounded() -> None:
    decoded = decode(*(m(model=str(i)) for i in range(5000)))
    assert len(decoded.batches) == 100
    assert decoded.dropped == {DropReason.MODEL_LIMIT: 4900}


def test_a_topic_of_labels_has_a_mapping_of_its_own() -> None:
    """docs/labels.md: that of the predictions takes the features from the record itself."""
    label = RecordMapping({"model": Source(("m",)), "id": Source(("rid",)), "label": Source(("truth",))})
    mappings = Mappings(RecordMapping({"model": Source(("m",))}, FeatureSource(())), {"events": label})
    (batch,) = decode({"m": "fraud", "rid": "a", "truth": 0, "time": 9}, limits=Limits(mappings=mappings)).batches
    assert (len(batch), labels_alone(batch)) == (0, [(0, 9.0, "a", 0.0)])


def test_a_score_that_is_an_object_has_a_column_for_each_class() -> None:
    many = {f"c{i}": 0.01 for i in range(51)}
    batch = only(
        decode(
            m(prediction="cat", score={"cat": 0.7, "dog": 0.3}),
            m(prediction="cat", score=0.9),
            m(prediction="dog", score={"dog": None, "owl": 1}),
            m(prediction="c1", score=many),
            m(prediction="cat", score={"x" * 129: 0.5}),
        )
    )
    np.testing.assert_array_equal(batch.score, [0.7, 0.9, 1.0, 0.01, 0.5])
    found = {name: column for name, column in batch.fields.items() if name.startswith(CLASSES)}
    nan = np.nan
    np.testing.assert_equal(
        found,
        {
            "class.cat": np.array([0.7, nan, nan, nan, nan]),
            "class.dog": np.array([0.3, nan, nan, nan, nan]),
            "class.owl": np.array([nan, nan, 1.0, nan, nan]),
        },
    )
