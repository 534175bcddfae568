"""Prediction logs in Protobuf, of TensorFlow Serving and of Merlin: as their own libraries write them, and damaged."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.core.errors import SourceRefused
from driftd.core.event import DropReason, RejectReason
from driftd.decode import Limits
from driftd.decode.formats.tfserving import opener
from driftd.decode.json.strict import Refused
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.mapping.spec import RecordMapping, Source
from driftd.decode.opening import Record
from driftd.sources.files.source import open_events
from tests.bench import platforms
from tests.unit.decode.formats.make import SAMPLES, by_id, ids, limits, read
from tests.unit.decode.make import only, refused


def tfserving() -> list[bytes]:
    """Predict, classify, regress, serialized examples, a tensor of one value for three, bfloat16, multi inference."""
    (batch,) = open_events(str(SAMPLES / "tfserving.tfrecord")).batches()
    return [value for value in batch.values if value is not None]


def test_tensors_by_name_are_features_and_answers() -> None:
    one = only(read("tfserving", tfserving()[0]))
    assert (one.model, one.version, one.times.tolist()) == ("fraud", "8", [1788256800.0] * 2)
    assert {name: list(column) for name, column in one.columns.items()} == {
        "amount": [12.5, 3.0],
        "country": ["DE", "FR"],
        "pair[0]": [1.0, 3.0],
        "pair[1]": [2.0, 4.0],
    }
    assert one.prediction == [1.0, 0.0]
    assert one.score is not None
    assert [*one.score] == pytest.approx([0.9, 0.8])


@pytest.mark.parametrize("amounts", [[12.5, 3.0, float("nan"), 1e30], [0.0, -1.5, 7.0, 2.0]])
def test_rows_that_begin_as_those_before_them_are_read_as_the_first_was(amounts: list[float]) -> None:
    """Of one row and of two, mixed: what is known of the one is not taken for the other."""
    rows = [{"features": {"amount": a, "country": float(i)}, "prediction": i % 2} for i, a in enumerate(amounts)]
    sent = [
        value
        for given in ([rows[0]], [rows[1]], rows[:2], [rows[2]], rows[2:], [rows[3]])
        for _, value in platforms.tfserving(given, "")
    ]
    for i, text in enumerate(("DE", "FR", "DE")):
        (one,) = platforms.tfserving([{"features": {"country": text, "amount": 5.0 + i}, "prediction": 1}], "")
        named = only(read("tfserving", one[1], one[1]))
        assert (list(named.columns["country"]), list(named.columns["amount"])) == ([text] * 2, [5.0 + i] * 2)
    together = only(read("tfserving", *sent))
    alone = [only(read("tfserving", value)) for value in sent]
    for name in ("amount", "country"):
        found, expected = list(together.columns[name]), [v for one in alone for v in one.columns[name]]
        assert np.array_equal(np.array(found, float), np.array(expected, float), equal_nan=True)
    assert list(together.columns["country"]) == [0.0, 1.0, 0.0, 1.0, 2.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("place", range(6))
def test_a_sample_is_read_the_second_time_as_the_first(place: int) -> None:
    """One value for three rows, small floats, texts: what is known of the first time is used where it is the same."""
    one, both = only(read("tfserving", tfserving()[place])), only(read("tfserving", *[tfserving()[place]] * 2))
    assert {name: [*column] * 2 for name, column in one.columns.items()} == {n: [*c] for n, c in both.columns.items()}


def test_examples_are_features_by_their_names() -> None:
    one = only(read("tfserving", tfserving()[1]))
    assert one.prediction == ["fraud", "fine"]
    assert {name: column[0] for name, column in one.columns.items() if column[0] is not None} == {
        "amount": 12.5,
        "country": "DE",
        "age": 34.0,
    }
    one = only(read("tfserving", tfserving()[2]))
    assert (one.model, one.prediction, one.columns["shop"][0]) == ("price", [41.5], "north")
    one = only(read("tfserving", tfserving()[3]))
    assert (list(one.columns["amount"]), one.prediction) == ([12.5, 3.0], [0.5, 0.25])


def test_values_that_are_left_out_and_small_floats() -> None:
    one = only(read("tfserving", tfserving()[4]))
    assert (list(one.columns["amount"]), one.prediction) == ([2.5] * 3, ["true", "false", "true"])
    one = only(read("tfserving", tfserving()[5]))
    assert (list(one.columns["amount"]), one.prediction) == ([1.5, 2.0], [1.0, 2.0])


def test_what_is_remembered_of_one_record_changes_nothing_of_the_next() -> None:
    """How tensors begin is read once: a reader that has seen others reads any damage as one that has seen none."""

    def made(reader: Any, value: bytes) -> Any:
        try:
            return reader.read(Record("t", value, None, {}, 0.0))
        except Refused as why:
            return why.reason, why.detail

    def fresh() -> Any:
        return opener(RecordMapping(), DEFAULT_LIMITS).reader

    used, whole = fresh(), tfserving()[0]
    assert made(used, whole) == made(fresh(), whole)
    for i in range(len(whole)):
        flipped = whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :]
        for value in (flipped, whole[:i] + whole[i + 1 :], whole):
            assert made(used, value) == made(fresh(), value), i
    assert used.tensors.known, "else it remembers nothing"


def test_a_log_of_multi_inference_is_refused_by_name() -> None:
    reject = refused(read("tfserving", tfserving()[6]))
    assert (reject.reason, "multi inference" in reject.detail) == (RejectReason.UNDECODABLE, True)
    assert read("tfserving", b"\x0a\x00").dropped == {DropReason.NOT_A_PREDICTION: 1}


def size(data: bytes) -> bytes:
    out, n = b"", len(data)
    while n > 0x7F:
        out, n = out + bytes([n & 0x7F | 0x80]), n >> 7
    return out + bytes([n])


def wire(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + size(data) + data


def test_a_small_tensor_that_says_a_billion_rows_is_refused() -> None:
    dimension = wire(2, b"\x08\x80\x94\xeb\xdc\x03")  # 1,000,000,000
    tensor = b"\x08\x01" + wire(2, dimension) + wire(5, np.float32(1).tobytes())
    request = wire(2, wire(1, b"amount") + wire(2, tensor))
    reject = refused(read("tfserving", wire(6, wire(1, request))))
    assert (reject.reason, "do not fit the shape" in reject.detail) == (RejectReason.WRONG_TYPE, True)


@pytest.mark.parametrize("record_format", ["tfserving", "merlin"])
def test_any_damage_is_counted(record_format: str) -> None:
    rng = np.random.default_rng(3)
    whole = tfserving()[:6] if record_format == "tfserving" else list(merlin().values())
    values = []
    for _ in range(400):
        value = bytearray(whole[int(rng.integers(len(whole)))])
        for at in rng.integers(len(value), size=int(rng.integers(1, 5))):
            value[at] = rng.integers(256)
        values.append(bytes(value[: int(rng.integers(1, len(value) + 1))]))
    decoded = read(record_format, *values, fields={"model": Source(value="m")})
    counted = sum(len(b) + b.label_only for b in decoded.batches) + len(decoded.rejects)
    assert decoded.received == counted + sum(decoded.dropped.values())
    assert decoded.received >= len(values)
    assert decoded.rejects


def test_files_that_are_damaged_are_refused_with_their_place(tmp_path: Path) -> None:
    data = (SAMPLES / "tfserving.tfrecord").read_bytes()
    path = tmp_path / "log.tfrecord"
    for at, words in ((3, "record 0: its length"), (40, "record 0: its data"), (len(data) - 6, "record 6")):
        path.write_bytes(data[:at] + bytes([data[at] ^ 255]) + data[at + 1 :])
        with pytest.raises(SourceRefused, match=words):
            [*open_events(str(path)).batches()]
    path.write_bytes(data[:-9])
    with pytest.raises(SourceRefused, match="cut off in the middle of a record"):
        [*open_events(str(path)).batches()]


def test_a_record_of_a_file_that_is_too_large_costs_only_itself() -> None:
    small = Limits(mappings=limits("tfserving").mappings, record_bytes=100)
    events = open_events(str(SAMPLES / "tfserving.tfrecord"), None, small)
    (batch,) = events.batches()
    decoded = events.codec.decode(batch, {})
    sizes = [len(value) for value in tfserving()]
    assert [len(v or b"") for v in batch.values] == [min(size, 101) for size in sizes]
    assert sum(r.reason is RejectReason.TOO_LARGE for r in decoded.rejects) == sum(size > 100 for size in sizes)


# -- Merlin --


def merlin() -> dict[str, bytes]:
    given = json.loads((SAMPLES / "merlin.json").read_text())
    return {name: base64.b64decode(text) for name, text in given.items()}


def test_rows_of_both_tables_are_events_by_their_ids() -> None:
    one = only(read("merlin", merlin()["prediction"]))
    assert (one.model, one.version, one.times.tolist()) == ("shop/fraud", "7", [1788256800.12] * 2)
    assert by_id(one) == {
        "1234/a": {"amount": 0.8, "minutes": 24.0, "service": "FOOD", "prediction": "fraud", "score": 0.93},
        "1234/b": {"amount": 0.5, "minutes": None, "service": "RIDE", "prediction": "fine", "score": 0.02},
    }


def test_a_failed_call_is_an_error_and_names_are_the_mappings() -> None:
    one = only(read("merlin", merlin()["failed"], names=["amount", "minutes", "service"]))
    assert one.failed is not None
    assert (one.failed.tolist(), one.prediction, ids(one)) == ([True], None, ["1235/a"])
    assert {name: column[0] for name, column in one.columns.items()} == {
        "amount": 1.5,
        "minutes": 2.0,
        "service": "FOOD",
    }


def test_an_observation_is_a_label_for_its_row() -> None:
    alone = only(read("merlin", merlin()["observation"], fields={"model": Source(value="shop/fraud")})).labels_alone
    assert alone is not None
    assert (list(alone.ids), list(alone.labels), alone.times.tolist()) == (["1234/a"], ["fraud"], [1788343200.0])


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, RejectReason.EMPTY),
        (b"\x0a\x00", RejectReason.MISSING_FIELD),
        (b"\xff\xff", RejectReason.UNDECODABLE),
        (merlin()["prediction"][:-5], RejectReason.UNDECODABLE),
        (wire(1, b"\xff"), RejectReason.NOT_UTF8),
        (wire(1, b"a") + wire(10, wire(1, wire(1, wire(1, b"data")))), RejectReason.WRONG_TYPE),
    ],
)
def test_logs_of_merlin_that_cannot_be_used_are_counted(value: Any, reason: RejectReason) -> None:
    assert refused(read("merlin", value)).reason is reason


def test_a_table_of_lists_in_lists_is_refused() -> None:
    value = wire(6, b"")
    for _ in range(40):
        value = wire(6, wire(1, value))
    table = wire(1, wire(1, b"data") + wire(2, value))
    assert refused(read("merlin", wire(1, b"a") + wire(10, wire(1, table)))).reason is RejectReason.TOO_DEEP
