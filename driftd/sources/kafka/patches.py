"""How driftd reaches into kafka-python, all in one place; each part is checked first and left alone if it differs.

1. ``PartitionRecords`` hands over a whole Stretch instead of one object per record (``_records``). It also never
   leaves a broken partition behind: when the stock one raises, the third poll spins for ever at 100 % CPU.
2. The socket is read into the response that is decoded, as much as there is, a few MB at a time (``receiving``). With
   the stock 4 KiB each piece hands the interpreter's lock to the thread that computes, and takes up to 5 ms to get it
   back; and stock reads on for as long as the peer sends.
3. Positions are ours: kafka-python does not look for committed offsets of partitions we have not seeked yet.
4. Before a rebalance takes partitions away, poll() returns once, so that the daemon can checkpoint and commit.
5. A static member whose place was taken by another of the same group.instance.id is told so.
6. A rebalance is finished by a later poll() if it outlives the one that began it. The stock leader forgets it where new
   partitions or a new topic were its cause: it stays without partitions and heartbeats, and spins at 100 % CPU.
7. The group's assignments are asked for in the background, and a rejoin is asked for where a partition has no reader.
8. A response that is too large to be received is told: kafka-python fetches it again for ever.
9. Records are asked for by the id of the topic where brokers have ids (Fetch 13, KIP-516). By name, a topic that was
   made anew would answer from our position in the old one until the metadata tells.
10. A static member may leave its group when it closes: others have all that it knew, and need not wait for its session.
11. No fetch goes out before a partition that was answered is at its end. The stock fetcher asks for the others then, is
    not answered while they have nothing new (up to 500 ms), and asks no broker for two things at a time.
12. The next fetch goes out when all that was answered is handed over, so that it is under way while that is worked on.
    The stock fetcher does so only if poll() had not to wait. It also sleeps, up to 100 ms, where an answer comes
    between its looking for records and its looking for answers to wait for.

``tests/contract/test_kafka_private_api.py`` fails when a new kafka-python changes what is used here.
"""

# ruff: noqa: SLF001  (private members are what this module is about)
from __future__ import annotations

import base64
import functools
import inspect
import logging
import struct
from collections.abc import Callable, Iterable
from typing import Any, Final

import numpy as np
from kafka import TopicPartition as KafkaPartition
from kafka.consumer.fetcher import Fetcher
from kafka.errors import FencedInstanceIdError, InvalidReceiveError
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.admin import DescribeGroupsRequest
from kafka.protocol.consumer import ConsumerProtocolAssignment, IsolationLevel

from driftd.core.event import Headers, TopicPartition
from driftd.sources.kafka.columns import Damaged, Stretch
from driftd.sources.kafka.compression import Damage
from driftd.sources.kafka.receiving import receive
from driftd.sources.kafka.records import LegacyFormat, Unpacker

log = logging.getLogger(__name__)

STABLE: Final = "<stable>"  # kafka.coordinator.base.MemberState.STABLE
FETCH_BY_ID: Final = 13  # version of Fetch


class RevokeFirst(Exception):
    """Raised out of consumer.poll() in front of a rebalance, before anything was fetched."""


def partition_records(stock: type[Any], max_records: int, max_batch_bytes: int, *, late: bool) -> type[Any]:
    """A PartitionRecords for this consumer whose take() returns at most one Stretch."""

    class StretchRecords(stock):  # type: ignore[misc]  # Any: kafka-python has no types
        def __init__(self, fetch_offset: int, tp: Any, records: Any, **options: Any) -> None:
            self.next_fetch_offset: int
            self._next_inline_exception: Exception | None
            super().__init__(fetch_offset, tp, records, **options)
            committed_only = self.isolation_level == IsolationLevel.READ_COMMITTED
            aborted = (options.get("aborted_transactions") or ()) if committed_only else None
            self._unpacker = Unpacker(bytes(records._buffer or b""), fetch_offset, aborted, max_batch_bytes, late=late)

        def take(self, n: int | None = None) -> list[Stretch]:  # noqa: ARG002  (counts records; we count stretches)
            before = self.next_fetch_offset
            try:
                try:
                    stretch = self._unpacker.take(max_records)
                    done = self._unpacker.done or stretch.damaged is not None
                except LegacyFormat:
                    stretch, done = self._take_stock(), True
            except BaseException:
                # Left undrained this object would be asked again by every poll, for ever.
                self.drain()
                raise
            self.next_fetch_offset = stretch.next_offset
            if stretch.leader_epoch >= 0:
                self.leader_epoch = stretch.leader_epoch
            self.bytes_read = self._unpacker.bytes_read
            self.records_read += len(stretch)
            if done:
                self.drain()
            return [stretch] if len(stretch) or stretch.damaged or stretch.next_offset != before else []

        def _take_stock(self) -> Stretch:
            start = self.next_fetch_offset
            records = [record for record in super().take(None) if record.offset >= start]
            error, self._next_inline_exception = self._next_inline_exception, None
            return stretch_of(records, self.next_fetch_offset, self.leader_epoch, error)

    return StretchRecords


def stretches_of(found: list[Any], *, fast: bool) -> list[Stretch]:
    """What a poll found of a partition; ``fast`` where ``hand_over_stretches`` is at work."""
    return found if fast else [stretch_of(found, found[-1].offset + 1, -1)]


def stretch_of(records: list[Any], next_offset: int, leader_epoch: int, error: Exception | None = None) -> Stretch:
    """kafka-python's ConsumerRecords as a Stretch."""
    damaged = None
    if error is not None:
        damaged = Damaged(next_offset, next_offset + 1, Damage.MALFORMED, str(error)[:200])
    return Stretch(
        offsets=np.array([record.offset for record in records], np.int64),
        timestamps_ms=np.array([-1 if record.timestamp is None else record.timestamp for record in records], np.int64),
        values=[record.value for record in records],
        next_offset=next_offset,
        leader_epoch=leader_epoch,
        keys=keys_of(records),
        headers=headers_of(records),
        damaged=damaged,
    )


def keys_of(records: list[Any]) -> list[bytes | None] | None:
    return [record.key for record in records] if any(record.key is not None for record in records) else None


def headers_of(records: list[Any]) -> list[Headers] | None:
    return [clean(record.headers) for record in records] if any(record.headers for record in records) else None


def clean(headers: Iterable[tuple[str, bytes | None]]) -> Headers:
    return [(key, value or b"") for key, value in headers]


def hand_over_stretches(consumer: Any, max_records: int, max_batch_bytes: int, *, late: bool = False) -> bool:
    """Set up part 1 on this consumer, ``late`` as in Unpacker. False, and the stock unpacker stays, where kafka-python
    looks different.
    """
    fetcher = getattr(consumer, "_fetcher", None)
    stock = getattr(fetcher, "PartitionRecords", None)
    if fetcher is None or stock is None or not looks_known(stock):
        return False
    fetcher.PartitionRecords = partition_records(stock, max_records, max_batch_bytes, late=late)
    return True


def looks_known(stock: Any) -> bool:
    expected = {"fetch_offset", "tp", "records", "isolation_level", "aborted_transactions", "on_drain"}
    uses = (
        "self.next_fetch_offset = fetch_offset",
        "self.leader_epoch = -1",
        "self.bytes_read = 0",
        "self.records_read = 0",
        "self._next_inline_exception = None",
    )
    try:
        source = inspect.getsource(stock.__init__)
        callers = inspect.getsource(Fetcher._append) + inspect.getsource(Fetcher._parse_fetched_data)
        parameters = inspect.signature(stock.__init__).parameters.keys()
    except (AttributeError, TypeError, OSError):
        return False
    return (
        expected <= parameters
        and all(use in source for use in uses)
        and "part_records = part.take(max_records)" in callers
        and "self.PartitionRecords(fetch_offset, tp, records," in callers
        and callable(getattr(stock, "drain", None))
    )


def drain(consumer: Any) -> None:
    """Let go of a partition whose unpacking raised (for the stock unpacker, which would spin on it)."""
    pending = getattr(getattr(consumer, "_fetcher", None), "_next_partition_records", None)
    if pending is not None:
        pending.drain()


def pick_up_parked(consumer: Any) -> None:
    """The library parks what it had fetched of a partition that was paused. After a resume it looks there only when the
    records that it hands out are None, not when they are at their end, and would wait for another partition's.
    """
    fetcher: Any = getattr(consumer, "_fetcher", None)
    pending = getattr(fetcher, "_next_partition_records", None)
    if pending is not None and not pending:
        fetcher._next_partition_records = None


def finish_partitions(consumer: Any) -> bool:
    """Parts 11 and 12, for a consumer that hands over stretches: of one answer there may be several."""
    fetcher: Any = getattr(consumer, "_fetcher", None)
    drain, fetch = getattr(fetcher, "fetched_records", None), getattr(fetcher, "fetch_records", None)
    if drain is None or fetch is None or not hasattr(fetcher, "_next_partition_records"):
        return False

    def fetched_records(max_records: int | None = None, update_offsets: bool = True) -> Any:
        found, more = drain(max_records, update_offsets=update_offsets)
        return found, more or bool(fetcher._next_partition_records)

    def fetch_records(max_records: int | None = None, **options: Any) -> Any:
        found, idle = fetch(max_records, **options)
        if idle and fetcher._completed_fetches:  # it has come meanwhile, and would be slept over
            found, idle = fetch(max_records, **options)
        if found and not (fetcher._completed_fetches or fetcher._next_partition_records):
            fetcher.send_fetches()
        return found, idle

    fetcher.fetched_records, fetcher.fetch_records = fetched_records, fetch_records
    return True


def receive_in_place(consumer: Any) -> bool:
    """Part 2, for connections that this consumer opens from now on; TLS sockets too (records of 16 KiB)."""
    manager = getattr(consumer, "_manager", None)
    build = getattr(manager, "_build_transport", None)
    if manager is None or build is None or not hasattr(KafkaTCPTransport, "_sock_recv"):
        return False

    async def build_transport(node: Any, timeout_at: float | None = None) -> Any:
        transport = await build(node, timeout_at=timeout_at)
        if type(transport) in {KafkaTCPTransport, KafkaSSLTransport}:
            transport._sock_recv = functools.partial(receive, transport)
        return transport

    manager._build_transport = build_transport
    return True


def leave_positions_alone(consumer: Any) -> bool:
    """Part 3: a partition without a position of ours is simply not fetched."""
    if not hasattr(consumer, "_refresh_committed_offsets"):
        return False
    consumer._refresh_committed_offsets = lambda timeout_ms=None: True  # noqa: ARG005
    return True


def announce_revocation(consumer: Any, must_wait: Callable[[], bool]) -> bool:
    """Part 4: where the group wants to rebalance and ``must_wait()``, poll() raises RevokeFirst instead of joining."""
    coordinator = getattr(consumer, "_coordinator", None)
    join = getattr(coordinator, "ensure_active_group", None)
    if coordinator is None or join is None or not hasattr(getattr(coordinator, "_generation", None), "is_lost"):
        return False

    def ensure_active_group(timeout_ms: float | None = None) -> Any:
        # Lost already: there is nothing to hand over, others own our partitions.
        if not coordinator._generation.is_lost() and must_wait():
            raise RevokeFirst
        return join(timeout_ms=timeout_ms)

    coordinator.ensure_active_group = ensure_active_group
    return True


def finish_rebalances(consumer: Any) -> bool:
    """Part 6: the group wants us to rejoin for as long as we are about to."""
    coordinator = getattr(consumer, "_coordinator", None)
    wants = getattr(coordinator, "need_rejoin", None)
    if coordinator is None or wants is None or not hasattr(coordinator, "rejoining"):
        return False
    coordinator.need_rejoin = lambda: coordinator.rejoining or wants()
    return True


def notice_oversized(consumer: Any, note: Callable[[Any], None]) -> bool:
    """Part 8: ``note`` gets the id of the node whose answer to a fetch was too large, on kafka-python's thread."""
    fetcher = getattr(consumer, "_fetcher", None)
    stock = getattr(fetcher, "_handle_fetch_error", None)
    if fetcher is None or stock is None:
        return False

    def handle_fetch_error(node_id: Any, exception: BaseException) -> None:
        if isinstance(exception, InvalidReceiveError):
            exception.__traceback__ = None  # its frames hold what was received, until the next garbage collection
            note(node_id)
        stock(node_id, exception)

    fetcher._handle_fetch_error = handle_fetch_error
    return True


def fetch_by_id(consumer: Any) -> bool:
    """Part 9; an older broker, and a topic whose id is not known yet, are asked by name as before."""
    fetcher: Any = getattr(consumer, "_fetcher", None)
    build = getattr(fetcher, "_create_fetch_requests", None)
    handle = getattr(fetcher, "_handle_fetch_response", None)
    cluster = getattr(consumer, "_cluster", None)
    if build is None or handle is None or cluster is None or not hasattr(cluster, "topic_id"):
        return False
    ids: dict[str, Any] = {}
    names: dict[Any, str] = {}

    def create_fetch_requests() -> Any:
        known = {topic: found for topic in cluster.topics() if (found := cluster.topic_id(topic)) and found.int}
        if any(ids.get(topic, found) != found for topic, found in known.items()):
            for session in fetcher._session_handlers.values():  # the broker has the old ids in it
                session.next_metadata = session.next_metadata.next_close_existing()
        ids.update(known)
        names.update({found: topic for topic, found in known.items()})
        requests = build()
        for request, _ in requests.values():
            topics = [*request.topics, *request.forgotten_topics_data]
            if all(one.topic in ids for one in topics):
                for one in topics:
                    one.topic_id = ids[one.topic]
                request._max_version = FETCH_BY_ID
        return requests

    def handle_fetch_response(node_id: Any, fetch_offsets: Any, send_time: float, response: Any) -> None:
        for one in response.responses if response.API_VERSION >= FETCH_BY_ID else ():
            one.topic = names[one.topic_id]
        handle(node_id, fetch_offsets, send_time, response)

    fetcher._create_fetch_requests = create_fetch_requests
    fetcher._handle_fetch_response = handle_fetch_response
    return True


def leader_of(consumer: Any, topic_partition: TopicPartition) -> tuple[Any, str]:
    """Id and address of the node that leads the partition; (None, "") where that is not known."""
    node_id = consumer._cluster.leader_for_partition(KafkaPartition(*topic_partition))
    node = None if node_id is None else consumer._cluster.broker_metadata(node_id)
    return (None, "") if node is None else (node_id, f"[{node.host}]:{node.port}")


def ask_for_assignments(consumer: Any, group_id: str) -> Any:
    """Part 7: a future of the group's description; None while we are not a settled member of it."""
    coordinator = getattr(consumer, "_coordinator", None)
    manager = getattr(coordinator, "_manager", None)
    node = getattr(coordinator, "coordinator_id", None)
    if manager is None or node is None or is_joining(coordinator):
        return None
    request = DescribeGroupsRequest(groups=[group_id], include_authorized_operations=False)
    return manager.call_soon(functools.partial(manager.send, request, node_id=node))


def is_joining(coordinator: Any) -> bool:
    return bool(coordinator.state != STABLE or coordinator.rejoining or coordinator.rejoin_needed)


def assigned_partitions(question: Any) -> tuple[set[TopicPartition], int] | None:
    """What all members have together, and how many they are; None where the answer does not say it (the group
    rebalances, no answer).
    """
    if question.failed():
        return None
    (group,) = question.value.groups
    if group.error_code or group.group_state != "Stable":
        return None
    try:
        members = [ConsumerProtocolAssignment.decode(member.member_assignment) for member in group.members]
    except (struct.error, ValueError, IndexError):
        return None
    return {(one.topic, one.partition) for member in members for one in member.partitions()}, len(members)


def generation(consumer: Any) -> int:
    """Of the group as we are in it; 0 where that is not known."""
    known = getattr(getattr(consumer, "_coordinator", None), "_generation", None)
    return max(0, int(getattr(known, "generation_id", 0)))


def rejoin(consumer: Any) -> None:
    """The next poll() joins the group anew. Of a member that the broker takes for the leader it makes a rebalance."""
    consumer._coordinator.request_rejoin()


def leave_with(consumer: Any) -> None:
    """Part 10: close() then tells the group, as a dynamic member's does."""
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is not None:
        coordinator.is_dynamic_member = lambda: True


def require_membership(consumer: Any) -> None:
    """Raise FencedInstanceIdError where another has joined with our group.instance.id.

    The heartbeat that learns it only stops; without this (or a commit) we would go on reading what is now theirs.
    """
    coordinator = getattr(consumer, "_coordinator", None)
    if getattr(coordinator, "state", None) == STABLE and getattr(coordinator, "_heartbeat_enabled", True) is False:
        raise FencedInstanceIdError


def committed_offsets(consumer: Any, partitions: list[Any], timeout_ms: int) -> dict[Any, Any]:
    """Of many partitions with one request, where the public method takes one each."""
    ask = getattr(getattr(consumer, "_coordinator", None), "fetch_committed_offsets", None)
    if ask is not None:
        return dict(ask(partitions, timeout_ms=timeout_ms))
    found = {one: consumer.committed(one, metadata=True, timeout_ms=timeout_ms) for one in partitions}
    return {one: answer for one, answer in found.items() if answer is not None}


def partitions_of(consumer: Any, topic: str) -> set[int]:
    """What the last metadata said; asks nobody."""
    cluster = getattr(consumer, "_cluster", None)
    if cluster is None:
        return set()
    return set(cluster.partitions_for_topic(topic) or ())


def denied_topics(consumer: Any) -> set[str]:
    """Topics that the last metadata kept from us."""
    return set(getattr(getattr(consumer, "_cluster", None), "unauthorized_topics", ()))


def topic_id(consumer: Any, topic: str) -> str:
    """As Kafka's own tools write it; "" where the topic does not exist, or the broker (before Kafka 2.8) has no ids."""
    ask = getattr(getattr(consumer, "_cluster", None), "topic_id", None)
    found = None if ask is None else ask(topic)
    return base64.urlsafe_b64encode(found.bytes).rstrip(b"=").decode() if found and found.int else ""


def is_connected(consumer: Any) -> bool:
    connections = getattr(getattr(consumer, "_manager", None), "_conns", None)
    if connections is None:
        return True
    return any(connection.connected for connection in list(connections.values()))
