"""One record in a hundred is poison of every kind: dead letters, throughput, memory."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import START, close, events, fill, settings
from tests.stage.daemon import DriftdProcess

PARTITIONS = 4
BOMB_BYTES: Final = 100 << 20
TICKS: Final = os.sysconf("SC_CLK_TCK")
LETTER_BYTES: Final = 900_000
"""Dead letters of larger records carry less of them (docs/events.md)."""
CHEAP: Final = (
    b'{"model":"fraud","time":1795413600,"features":{"amount":12.5,"ag',
    b'{"model":7,"time":1795413600,"features":{"amount":12.5}}',
    b'{"model":"fraud","time":1795413600,"features":[1,2]}',
    b'{"model":"fraud","time":1795413600,"prediction":1e400}',
    b'{"model":"fraud","time":1795413600,"features":{"amount":NaN}}',
    b'{"model":"fraud","time":1795413600000,"features":{"amount":1.0}}',
    b'{"model":"fraud","time":1795413600,"features":{"country":"\xff\xfe"}}',
    b"\x00\x01\x02\x03",
    gzip.compress(mtime=0, data=b'{"model":"fraud"}'),
    b"",
)
DEEP: Final = b'{"model":"fraud","features":{"amount":' + b"[" * 200_000 + b"]" * 20_000 + b"}}"
LARGE: Final = b'{"model":"fraud","features":{"amount":"' + b"9" * 1_000_000 + b'"}}'
REFUSED: Final = b'{"model":"fraud","time":%.3f,"features":{"amount":%s,"age":40.5,"country":"DE"}}'


def poisoned(total: int, large: int) -> Iterator[bytes]:
    """The events, and after each hundredth some poison; ``large`` times also deep and large records."""
    every = max(100, total // 100 // large * 100)
    for number, event in enumerate(events(total, rubbish=0, late=0)):
        yield event
        if number % 100 == 99:
            yield CHEAP[number // 100 % len(CHEAP)]
        if number % every == every - 1:
            yield from (DEEP, LARGE)
        if number % every == every - 1 and number > total // 2:  # driftd has learned by then which features are numbers
            for value in (b"1e400", b"9" * 5000, b'"12,50"', b"[" * 300 + b"]" * 300):
                yield REFUSED % (START + number * 0.002, value)


def processor_seconds(daemon: DriftdProcess) -> float:
    assert daemon.process is not None
    fields = Path(f"/proc/{daemon.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def spent(stage: Stage, topic: str, received: int, name: str, letters: str) -> float:
    """Processor seconds until so many records are counted, from those of a start alone on."""
    kafka = {"dead_letter_topic": letters}
    daemon = stage.member(name, settings(stage.broker, topic, kafka=kafka, state={"checkpoint_seconds": 10}))
    daemon.wait_received(received, 600)
    took = processor_seconds(daemon)
    daemon.kill9()
    return took


def loss(stage: Stage, outcome: Outcome, events_each: int) -> None:
    """How much longer the same events take with one poisoned record in a hundred, in turn and three times."""
    streams = (
        events(1000, rubbish=0, late=0),
        events(events_each, rubbish=0, late=0),
        poisoned(events_each, 1),
    )
    topics = []
    for number, values in enumerate(streams):
        topic = stage.broker.create_topic(f"loss{number}", PARTITIONS)
        topics.append((topic, fill(stage.broker, topic, values, PARTITIONS, max_request_size=4 << 20)))
    ratios = []
    for turn in range(3):
        start, clean, ill = (
            spent(stage, topic, received, f"{topic}-{turn}", stage.broker.create_topic("letters"))
            for topic, received in topics
        )
        ratios.append((ill - start) / (clean - start))
    outcome.at_most("throughput lost", 100 * (1 - 1 / sorted(ratios)[1]), 10, "%")


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    total = stage.of(20_000, 150_000, 1_000_000)
    topic = broker.create_topic("poison", PARTITIONS, {"max.message.bytes": str(200 << 20)})
    letters = broker.create_topic("letters")
    sent = fill(broker, topic, poisoned(total, stage.of(5, 30, 100)), PARTITIONS, max_request_size=4 << 20)
    limits = {"max_request_size": 200 << 20, "request_timeout_ms": 60_000}
    bombs = [bytes(BOMB_BYTES)] * stage.of(1, 3, 10)
    sent += fill(broker, topic, bombs, PARTITIONS, compression_type="gzip", **limits)
    sent += fill(broker, topic, events(1000, rubbish=0, late=0, begin=START + total * 0.002), PARTITIONS)
    sent += close(broker, topic, START + total * 0.002 + 2, PARTITIONS)
    daemon = stage.member("poison", settings(broker, topic, kafka={"dead_letter_topic": letters}))
    at_rest(daemon, sent)
    count = oracle.recount(broker, topic)
    oracle.compare(outcome, count, [daemon])
    outcome.at_most("peak memory", daemon.peak_memory_bytes() / (1 << 20), 300, "MB")
    daemon.terminate()
    found = oracle.letters(broker, letters)
    outcome.equal("records that dead letters are about", sorted(found), sorted(count.bad))
    outcome.true("a record has two dead letters", all(len(values) == 1 for values in found.values()))
    whole = [place for place, value in count.bad.items() if len(value or b"") <= LETTER_BYTES]
    differing = [place for place in whole if found.get(place, [None])[0] != count.bad[place]]
    outcome.equal("dead letters with other bytes", differing, [])
    outcome.measure(f"{count.rejected:,} poisoned records of {sent:,}")
    outcome.measure(f"{len(found):,} dead letters, {len(whole):,} byte-equal, of the others the place alone")
    if stage.size != "small":
        loss(stage, outcome, stage.of(0, 150_000, 500_000))
    return outcome


EXPERIMENT = Experiment(
    "1 % poison of every kind: cut, wrong types, depth 200,000, numbers beyond floats, bombs, not UTF-8, 1 MB",
    "dead letters are the poison, byte by byte; throughput loss under 10 %; memory bounded",
    run,
)
