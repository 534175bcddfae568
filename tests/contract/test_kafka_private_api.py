"""What driftd/sources/kafka/patches.py uses of kafka-python's insides is still there and still means the same."""

from __future__ import annotations

import inspect

from kafka.consumer.fetcher import Fetcher, FetchSessionHandler
from kafka.consumer.group import KafkaConsumer
from kafka.coordinator.base import BaseCoordinator, MemberState
from kafka.coordinator.consumer import ConsumerCoordinator
from kafka.future import Future
from kafka.net.inet import KafkaNetSocket
from kafka.net.manager import KafkaConnectionManager
from kafka.net.transport import KafkaSSLTransport, KafkaTCPTransport
from kafka.protocol.consumer import FetchRequest, FetchResponse
from kafka.protocol.parser import KafkaProtocol

from driftd.sources.kafka import patches
from driftd.sources.kafka.sockets import close_failed_attempts


def test_the_stock_unpacker_is_the_one_we_know() -> None:
    assert patches.looks_known(Fetcher.PartitionRecords)


def test_an_unpacker_that_looks_different_is_left_alone() -> None:
    class Other:
        def __init__(self, offset: int, records: bytes) -> None: ...

    class Consumer:
        class _fetcher:  # noqa: N801
            PartitionRecords = Other

    assert not patches.looks_known(Other)
    assert not patches.hand_over_stretches(Consumer(), 1000, 1 << 20)
    assert not patches.hand_over_stretches(object(), 1000, 1 << 20)
    assert Consumer._fetcher.PartitionRecords is Other


def test_the_next_fetch_goes_out_where_we_say_that_there_is_more() -> None:
    fetch = inspect.getsource(Fetcher.fetch_records)
    assert "records, partial = self.fetched_records(" in fetch
    assert "if not partial:" in fetch
    assert fetch.index("if not partial:") < fetch.index("self.send_fetches()")
    assert "in self._nodes_with_pending_fetch_requests:" in inspect.getsource(Fetcher._create_fetch_requests)


def test_the_library_sleeps_where_we_look_once_more() -> None:
    fetch = inspect.getsource(Fetcher.fetch_records)
    assert "return records, True  # nothing pending; caller should sleep" in fetch
    assert "if not records and idle and poll_timeout_ms > 0:" in inspect.getsource(KafkaConsumer._poll_once)
    assert "self._completed_fetches.append(" in inspect.getsource(Fetcher._handle_fetch_response)


def test_the_socket_is_read_where_we_replace_it() -> None:
    assert "recvd_data, err = self._sock_recv()" in inspect.getsource(KafkaTCPTransport._read_from_sock)
    assert "self._build_transport(node, timeout_at=timeout_at)" in inspect.getsource(KafkaConnectionManager._connect)
    for transport in (KafkaTCPTransport, KafkaSSLTransport):
        assert "return recvd_data, err" in inspect.getsource(transport._sock_recv)
    assert KafkaSSLTransport._read_from_sock is KafkaTCPTransport._read_from_sock
    parse = inspect.getsource(KafkaProtocol.receive_bytes)
    assert "self._rbuffer = KafkaBytes(nbytes)" in parse
    assert "self._receiving = True" in parse
    assert "data = memoryview(data.read())" in inspect.getsource(FetchResponse.decode)


def test_positions_are_looked_up_where_we_prevent_it() -> None:
    assert "self._refresh_committed_offsets(timeout_ms=" in inspect.getsource(KafkaConsumer._poll_once)


def test_poll_joins_the_group_where_we_stand_in_front() -> None:
    poll = inspect.getsource(ConsumerCoordinator.poll)
    assert "if not self.ensure_active_group(timeout_ms=timer.timeout_ms)" in poll
    assert "except Errors.KafkaTimeoutError" in poll
    assert poll.count("except") == 2, "something else catches RevokeFirst now"
    assert "if not self._coordinator.poll(" in inspect.getsource(KafkaConsumer._poll_once)
    assert hasattr(BaseCoordinator, "ensure_active_group")


def test_a_rebalance_is_under_way_where_we_look() -> None:
    join = inspect.getsource(BaseCoordinator.join_group_async)
    assert "while self.need_rejoin():" in join
    assert join.index("self.rejoining = True") < join.index("self._join_task, timer.timeout_ms")
    assert join.index("self._join_task, timer.timeout_ms") < join.index("self.rejoining = False")
    assert "if self.need_rejoin():" in inspect.getsource(ConsumerCoordinator.poll)


def test_a_fenced_member_stops_its_heartbeat_and_stays_stable() -> None:
    heartbeat = inspect.getsource(BaseCoordinator._do_heartbeat)
    fenced = heartbeat[heartbeat.index("FencedInstanceIdError") :]
    assert "self._disable_heartbeat()" in fenced
    assert "self._heartbeat_enabled = False" in inspect.getsource(BaseCoordinator._disable_heartbeat)
    assert MemberState.STABLE == patches.STABLE
    # While it joins, the heartbeat is off as well, and the state is another.
    joining = inspect.getsource(BaseCoordinator._do_join_and_sync_async)
    assert joining.index("MemberState.REBALANCING") < joining.index("join_request = JoinGroupRequest(")


def test_the_group_is_asked_and_joined_anew_where_we_think() -> None:
    assert "self.rejoin_needed = True" in inspect.getsource(BaseCoordinator.request_rejoin)
    join = inspect.getsource(BaseCoordinator.join_group_async)
    assert "self.rejoin_needed = False" in join
    assert "node_id=self.coordinator_id" in inspect.getsource(BaseCoordinator._do_join_and_sync_async)
    assert inspect.signature(KafkaConnectionManager.send).parameters.keys() >= {"request", "node_id"}
    assert "is_done" in Future.__slots__


def test_a_static_member_stays_silent_where_we_let_it_leave() -> None:
    leave = inspect.getsource(BaseCoordinator.maybe_leave_group_async)
    assert "if (self.is_dynamic_member() and" in leave
    assert "group_instance_id=self.group_instance_id," in leave
    assert "self.maybe_leave_group(" in inspect.getsource(BaseCoordinator.close)


def test_an_answer_that_is_too_large_ends_where_we_notice_it() -> None:
    assert "raise Errors.InvalidReceiveError(" in inspect.getsource(KafkaProtocol._validate_frame_size)
    send = inspect.getsource(Fetcher._send_fetches_async)
    assert "future.add_errback(self._handle_fetch_error, node_id)" in send
    assert "def _handle_fetch_error(self, node_id, exception)" in inspect.getsource(Fetcher._handle_fetch_error)


def test_fetches_are_built_and_answered_where_we_write_ids() -> None:
    send = inspect.getsource(Fetcher._send_fetches_async)
    assert "in self._create_fetch_requests().items()" in send
    assert "future.add_callback(self._handle_fetch_response, node_id, fetch_offsets, time.monotonic())" in send
    assert "max_version=max_version," in inspect.getsource(Fetcher._create_fetch_requests)
    assert FetchRequest(max_version=12)._max_version == 12
    answer = inspect.getsource(Fetcher._handle_fetch_response)
    assert answer.index("self._session_handlers[node_id].handle_response(response)") < answer.index("topic_data.topic,")
    assert hasattr(FetchSessionHandler(0).next_metadata, "next_close_existing")
    assert FetchRequest.FetchTopic(topic="t").topic_id is None


def test_a_failed_attempt_leaves_its_socket_where_we_close_it() -> None:
    assert close_failed_attempts()
    assert "return await self.sock_connect(net, sock, sockaddr, timeout_at=timeout_at)" in inspect.getsource(
        KafkaNetSocket.connect
    )
    assert "await transport.handshake()" in inspect.getsource(KafkaConnectionManager._build_transport)
    assert "self._sock.do_handshake()" in inspect.getsource(KafkaSSLTransport.handshake)


def test_consumers_of_another_kind_are_left_alone() -> None:
    consumer = object()
    assert not patches.receive_in_place(consumer)
    assert not patches.leave_positions_alone(consumer)
    assert not patches.announce_revocation(consumer, lambda: True)
    assert not patches.finish_rebalances(consumer)
    assert not patches.notice_oversized(consumer, lambda _: None)
    assert not patches.fetch_by_id(consumer)
    assert not patches.finish_partitions(consumer)
    assert patches.ask_for_assignments(consumer, "g") is None
    assert patches.partitions_of(consumer, "t") == set()
    assert patches.is_connected(consumer)
    patches.drain(consumer)
