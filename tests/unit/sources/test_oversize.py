"""The header of a batch says where reading goes on, without the batch."""

from __future__ import annotations

import struct

import pytest

from driftd.sources.kafka.oversize import BATCH_BYTES, BEFORE_RECORDS, BEFORE_TOPIC, FoundBatch, batch_in
from tests.contract.kafka_batches import Record, batch

V2 = batch([Record(value=b"x" * 1000)] * 3, first=300)
V1 = struct.pack(">qi", 307, 5000) + b"\0\0\0\0" + b"\1" + bytes(100)
"""A set of messages in format v1: its offset is that of its last message."""


def answer(records: bytes, topic: str = "t", error: int = 0, whole: bool = False) -> tuple[bytes, int]:
    """The begin of a Fetch response, and where its topic's name ends."""
    head = BEFORE_TOPIC.pack(0, 1, 0, 1, len(topic)) + topic.encode()
    begin = head + BEFORE_RECORDS.pack(1, 0, error, 310, 310, -1, len(records)) + records
    end = len(begin) if whole else len(head) + BEFORE_RECORDS.size + BATCH_BYTES
    return begin[:end], len(head)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        pytest.param(V2, FoundBatch(len(V2), 303), id="three records from 300 on"),
        pytest.param(V1, FoundBatch(5012, 308), id="the old format"),
        pytest.param(b"", None, id="nothing there"),
    ],
)
@pytest.mark.parametrize("topic", ["t", "träge-und-lang"])
def test_the_begin_of_an_answer_has_size_and_end_of_its_batch(
    records: bytes, found: FoundBatch | None, topic: str
) -> None:
    begin, at = answer(records, topic)
    at = BEFORE_TOPIC.size + len(topic.encode())
    assert batch_in(begin, at) == found


def test_an_error_or_an_answer_cut_short_is_no_batch() -> None:
    begin, at = answer(V2, error=6)
    assert batch_in(begin, at) is None
    begin, at = answer(V2)
    assert batch_in(begin[:-1], at) is None


def test_only_a_batch_that_is_larger_is_beyond() -> None:
    assert FoundBatch(100, 1).beyond(100) == ""
    assert FoundBatch(101, 1).beyond(100) == "a batch of 101 bytes, at most 100 are fetched"
