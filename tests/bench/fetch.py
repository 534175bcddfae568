"""What a record costs to fetch: kafka-python's poll() against driftd's, same topic, same broker.

    python -m tests.bench.fetch [--records 300000] [--codec none,zstd] [--bootstrap-servers ...]

Preloads a topic of 500-byte events in 4 partitions, then reads it in turn, three times each; prints the best of
wall and CPU time in microseconds a record, and the memory at its peak.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import time
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition

from driftd.sources.kafka import patches
from driftd.sources.kafka.source import KafkaSettings
from tests.servers.kafka import Broker, local_broker

PARTITIONS: Final = 4
EVENT_BYTES: Final = 500


def preload(broker: Broker, records: int, codec: str) -> str:
    topic = broker.create_topic(f"bench-{codec}", PARTITIONS)
    rng = random.Random(1)
    events = []
    for n in range(1000):
        features: dict[str, Any] = {f"feature_{i}": round(rng.random(), 6) for i in range(16)}
        event = {"model": "fraud", "time": 1795413611.828 + n, "features": features, "prediction": 1}
        text = json.dumps(event)
        events.append(json.dumps(event | {"id": "x" * max(0, EVENT_BYTES - len(text) - 10)}).encode())
    producer = broker.producer(compression_type=None if codec == "none" else codec, linger_ms=50, batch_size=128 << 10)
    for n in range(records):
        producer.send(topic, events[n % len(events)], partition=n % PARTITIONS)
    producer.flush()
    producer.close()
    return topic


def read_stock(bootstrap: str, topic: str, records: int) -> None:
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, max_poll_records=2000)
    begin(consumer, topic)
    read = 0
    while read < records:
        read += sum(map(len, consumer.poll(timeout_ms=500).values()))
    consumer.close()


def read_fast(bootstrap: str, topic: str, records: int) -> None:
    settings = KafkaSettings((bootstrap,))
    consumer = KafkaConsumer(**settings.reading(), group_id=None, max_poll_records=4)
    assert patches.hand_over_stretches(consumer, settings.max_poll_records, settings.max_batch_bytes)
    assert patches.receive_in_place(consumer)
    begin(consumer, topic)
    read = 0
    while read < records:
        read += sum(len(one) for found in consumer.poll(timeout_ms=500).values() for one in found)
    consumer.close()


def begin(consumer: Any, topic: str) -> None:
    partitions = [TopicPartition(topic, n) for n in range(PARTITIONS)]
    consumer.assign(partitions)
    for partition in partitions:
        consumer.seek(partition, 0)


def measure(read: Callable[[str, str, int], None], bootstrap: str, topic: str, records: int, answer: Any) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    read(bootstrap, topic, records)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    answer.put((wall / records * 1e6, cpu / records * 1e6, megabytes))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fetch", description="What a record costs to fetch.")
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--codec", default="none,zstd")
    parser.add_argument("--bootstrap-servers", help="a broker that runs already")
    options = parser.parse_args()
    given = options.bootstrap_servers
    spawn = multiprocessing.get_context("spawn")  # after a fork the client's first poll hangs
    with nullcontext(Broker(given, "given")) if given else local_broker() as broker:
        print(f"{'codec':8}{'path':8}{'us a record, wall':>20}{'us a record, CPU':>20}{'peak MB':>10}")
        for codec in options.codec.split(","):
            topic = preload(broker, options.records, codec)
            for name, read in (("stock", read_stock), ("driftd", read_fast)):
                runs = []
                for _ in range(3):
                    answer = spawn.Queue()
                    job = spawn.Process(target=measure, args=(read, broker.bootstrap, topic, options.records, answer))
                    job.start()
                    runs.append(answer.get(timeout=300))
                    job.join()
                wall, cpu, megabytes = (min(run[i] for run in runs) for i in range(3))
                print(f"{codec:8}{name:8}{wall:20.2f}{cpu:20.2f}{megabytes:10d}", flush=True)


if __name__ == "__main__":
    main()
