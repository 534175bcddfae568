"""Samples of every platform, damaged: each value in them replaced, and bytes lost or changed. Nothing ends the process,
nothing makes driftd fail, everything is counted, and the records before and after are read.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pytest

from driftd.config.mapping import MappingSection, mappings_of
from driftd.core.event import Decoded, RecordBatch
from driftd.decode import Limits, codec_of
from driftd.ingest.halves import Halves
from tests.integration.samples import SAMPLED, Call, Record
from tests.unit.decode.make import NOW, accounted

INSTEAD: Final[list[Any]] = [None, [], {}, "x", -1, [[]], 2**70]
SOUND: Final = [Call(number, NOW - 10 + number, (100.0, 101.0)) for number in (1, 2)]
HURT: Final = Call(3, NOW - 5, (100.0, 101.0))


def damaged(value: bytes) -> Iterator[bytes]:
    """Each value of a JSON in turn something else, or gone; bytes of any record."""
    with suppress(ValueError):
        yield from (json.dumps(made).encode() for made in _changed(json.loads(value)))
    rng = random.Random(7)
    for _ in range(40):
        at, cut = rng.randrange(len(value)), rng.randrange(1, 9)
        yield value[:at] + value[at + cut :]
        yield value[:at] + bytes([rng.randrange(256)]) + value[at + 1 :]
    yield from (b"", value[: len(value) // 2], value * 2, bytes(50), b"\xff" * 50)


def _changed(given: Any) -> Iterator[Any]:
    yield from INSTEAD
    if isinstance(given, str) and given[:1] in {"{", "["}:  # JSON in text
        with suppress(ValueError):
            yield from (json.dumps(inner) for inner in _changed(json.loads(given)))
    steps: Any = given.items() if isinstance(given, dict) else enumerate(given) if isinstance(given, list) else ()
    for step, value in steps:
        rest = {k: v for k, v in given.items() if k != step} if isinstance(given, dict) else None
        if rest is not None:
            yield rest
        for made in _changed(value):
            if rest is not None:
                yield {**rest, step: made}
            else:
                yield [*given[:step], made, *given[step + 1 :]]


def stretch(topic: str, records: list[Record]) -> RecordBatch:
    count = len(records)
    stamps = np.full(count, NOW)
    headers, keys = [r.headers for r in records], [r.key for r in records]
    return RecordBatch(topic, 0, np.arange(count), stamps, [r.value for r in records], count, keys, headers)


def decoded(name: str, records: list[Record]) -> list[Decoded]:
    sample = SAMPLED[name]
    mapping = {"format": name.partition("-")[0], **sample.mapping}
    codec = codec_of(Limits(mappings=mappings_of(MappingSection.model_validate(mapping))))
    topics = [f"seldon.{end}" if end else "t" for end in sample.topics]
    halves = Halves()
    stretches = [stretch(topic, [r for r in records if r.topic == i]) for i, topic in enumerate(topics)]
    return [codec.decode(one, {}, halves) for one in stretches]


@pytest.mark.parametrize("name", SAMPLED)
def test_any_damage_to_a_sample_is_counted_and_its_neighbours_are_read(name: str) -> None:
    before, after = ([*SAMPLED[name].records(call)] for call in SOUND)
    whole = [*SAMPLED[name].records(HURT)]
    expected = sum(len(batch) for found in decoded(name, before + after) for batch in found.batches)
    for place, record in enumerate(whole):
        for value in damaged(record.value):
            hurt = [replace(other, value=value) if i == place else other for i, other in enumerate(whole)]
            found = decoded(name, [*before, *hurt, *after])
            assert all(map(accounted, found)), value[:300]
            assert sum(len(batch) for one in found for batch in one.batches) >= expected, value[:300]
            wrong = [r.detail for one in found for r in one.rejects if "driftd failed" in r.detail]
            assert not wrong, (wrong, value[:300])
