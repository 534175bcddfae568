"""Dead letters without values: nothing of a record is left but names, structure and hashes that need the key."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from driftd.core.event import RecordBatch, Reject, RejectReason
from driftd.core.hashing import Hasher
from driftd.sinks.kafka import letter
from driftd.sinks.redaction import MOST_BYTES, Redact, dropped, hashed

KEY = b"0123456789abcdef"
HASHER = Hasher(KEY)
H = HASHER.hash


def sent(
    value: bytes | None, redact: Redact | None, key: bytes | None = None, headers: Any = ()
) -> tuple[bytes | None, bytes | None, dict[str, bytes]]:
    """What a dead letter of the record carries."""
    records = RecordBatch("t", 3, np.array([7]), np.array([1.5]), [value], 8, [key], [headers])
    reject = Reject(0, 7, RejectReason.WRONG_TYPE, "time: expected a number, got a string")
    left, kept, ours = letter(records, reject, redact)
    return left, kept, dict(ours)


def test_names_and_structure_stay_and_each_value_is_hashed() -> None:
    event = {"model": "fraud", "features": {"country": "DE", "amount": 12.5, "vip": True, "note": None}, "tags": ["DE"]}
    value, key, headers = sent(json.dumps(event).encode(), hashed(HASHER), b"acct-1", [("trace", b"DE")])
    assert json.loads(value or b"") == {
        "model": H("fraud"),
        "features": {"country": H("DE"), "amount": H("12.5"), "vip": H("true"), "note": None},
        "tags": [H("DE")],
    }
    assert key == H("acct-1").encode()
    assert headers["trace"] == H("DE").encode()
    assert headers["__driftd.errors.code"] == b"wrong_type"
    assert headers["__driftd.errors.offset"] == b"7"
    assert "__driftd.errors.bytes" not in headers


def test_the_classes_of_a_score_are_values() -> None:
    value, _, _ = sent(b'{"score": {"DE": 0.5}}', hashed(HASHER))
    assert json.loads(value or b"") == {"score": {H("DE"): H("0.5")}}


def test_what_is_longer_than_a_name_may_be_is_no_name() -> None:
    secret = "DE" * 100
    value, _, headers = sent(json.dumps({secret: {secret: 1}}).encode(), hashed(HASHER), headers=[(secret, b"")])
    assert secret.encode() not in (value or b"")
    assert secret not in headers


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(b'{"country": "DE', id="cut short"),
        pytest.param(b"\xff{DE}", id="not UTF-8"),
        pytest.param(b"[" * 100_000 + b'"DE"', id="too deep"),
        pytest.param(b"[" * 450 + b'"DE"' + b"]" * 450 + b"DE", id="deep, and more behind it"),
        pytest.param(b"1" * 5000, id="a number of 5,000 digits"),
        pytest.param(b'["DE"]' + b" " * MOST_BYTES, id="too large to be taken apart"),
    ],
)
def test_what_does_not_parse_is_dropped_to_its_length(value: bytes) -> None:
    left, _, headers = sent(value, hashed(HASHER))
    assert left is None
    assert headers["__driftd.errors.bytes"] == str(len(value)).encode()


@pytest.mark.parametrize("value", [b"1e400", b"-1e400", b"NaN", b"1" * 400, b'"\\ud800"', b"5", b"true", b'"DE"'])
def test_odd_values_are_hashed_too(value: bytes) -> None:
    left, _, _ = sent(value, hashed(HASHER))
    assert json.loads(left or b"").startswith("#")


def test_hashes_that_make_a_record_too_large_are_left_out() -> None:
    left, _, headers = sent(b"[" + b"1," * 100_000 + b"1]", hashed(HASHER))
    assert left is None
    assert headers["__driftd.errors.bytes"] == b"200003"


def test_dropped_means_reason_and_place_alone() -> None:
    value, key, headers = sent(b'{"country": "DE"}', dropped, b"acct-1", [("trace", b"DE")])
    assert (value, key) == (None, None)
    assert headers["__driftd.errors.bytes"] == str(len('{"country": "DE"}acct-1traceDE')).encode()
    assert {name.partition(".")[0] for name in headers} == {"__driftd"}


def test_a_tombstone_says_nothing_of_bytes() -> None:
    assert "__driftd.errors.bytes" not in sent(None, hashed(HASHER))[2]


def test_another_key_makes_other_hashes() -> None:
    one, other = (sent(b'"DE"', hashed(Hasher(key)))[0] for key in (KEY, b"another key of 16"))
    assert one != other


def test_without_redaction_the_record_is_as_it_came() -> None:
    assert sent(b"\xff{", None, b"k", [("a", b"b")])[:2] == (b"\xff{", b"k")
