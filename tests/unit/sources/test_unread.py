"""Partitions that no member of the group reads are found, told once, and make a rebalance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from kafka.future import Future
from kafka.protocol.consumer import ConsumerProtocolAssignment

from driftd.core.event import TopicPartition, places
from driftd.sources.kafka import patches
from driftd.sources.kafka.unread import UnreadPartitions

ALL: dict[str, set[int]] = {"t": {0, 1, 2}}


def encoded(topics: Mapping[str, list[int]]) -> bytes:
    return bytes(ConsumerProtocolAssignment(version=0, assigned_partitions=[*topics.items()], user_data=b"").encode())


def description(*members: Mapping[str, list[int]] | bytes, state: str = "Stable", code: int = 0) -> Any:
    found = [
        SimpleNamespace(member_assignment=one if isinstance(one, bytes) else encoded(one), member_id="m")
        for one in members
    ]
    return SimpleNamespace(groups=[SimpleNamespace(error_code=code, group_state=state, members=found)])


@dataclass
class Coordinator:
    """Of kafka-python: a settled member, whose questions are answered at once from ``answers``."""

    answers: list[Any] = field(default_factory=list)
    asked: int = 0
    rejoins: int = 0
    state: str = patches.STABLE
    rejoining: bool = False
    rejoin_needed: bool = False
    coordinator_id: str | None = "c"

    @property
    def _manager(self) -> Coordinator:
        return self

    def send(self, *_: object, **__: object) -> None: ...

    def call_soon(self, _: object) -> Any:
        self.asked += 1
        answer = self.answers.pop(0)
        return Future().failure(answer) if isinstance(answer, Exception) else Future().success(answer)

    def request_rejoin(self) -> None:
        self.rejoins += 1


class World:
    """A consumer of topic t, a clock, and what looks after unread partitions every 30 s."""

    def __init__(self, *answers: Any) -> None:
        self.now = 100.0
        self.coordinator = Coordinator([*answers])
        self.topics = dict(ALL)
        self.consumer = SimpleNamespace(
            _coordinator=self.coordinator, _cluster=SimpleNamespace(partitions_for_topic=self.topics.get)
        )
        self.unread = UnreadPartitions("g", 30.0, lambda: self.now)

    def look(self, seconds: float = 0.0) -> tuple[TopicPartition, ...]:
        """Two polls: one asks, the next finds the answer."""
        self.now += seconds
        for _ in range(2):
            self.unread.look(self.consumer, ["t", "not-there-yet"])
        return self.unread.partitions


@pytest.mark.parametrize(
    ("members", "unread"),
    [
        pytest.param([{"t": [0, 1, 2]}], [], id="one member has all"),
        pytest.param([{"t": [0, 2]}, {"t": [1], "other": [0]}], [], id="together they have all"),
        pytest.param([{"t": [0]}], [("t", 1), ("t", 2)], id="two were added"),
        pytest.param([{}], [("t", 0), ("t", 1), ("t", 2)], id="the topic is new"),
        pytest.param([{"t": [0, 1, 2, 3]}], [], id="more than our metadata has"),
    ],
)
def test_a_partition_that_no_member_has_is_unread_and_the_group_rebalances(
    members: list[Mapping[str, list[int]]], unread: list[TopicPartition]
) -> None:
    world = World(description(*members))
    assert world.look() == tuple(unread)
    assert world.coordinator.rejoins == bool(unread)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(description({}, state="PreparingRebalance"), id="the group rebalances"),
        pytest.param(description(state="Dead", code=15), id="the coordinator moves"),
        pytest.param(description(b"\x00"), id="an assignment of another kind"),
        pytest.param(ConnectionError(), id="no answer"),
    ],
)
def test_an_answer_that_says_nothing_changes_nothing_and_is_asked_for_again(answer: Any) -> None:
    world = World(answer, description({"t": [0, 1]}))
    assert world.look() == ()
    assert world.look(0.5) == ()
    assert world.look(0.5) == (("t", 2),)


def test_nothing_is_asked_while_we_join() -> None:
    world = World(description({"t": [0]}))
    world.coordinator.rejoining = True
    assert world.look() == ()
    world.coordinator.rejoining = False
    assert world.look(1) == (("t", 1), ("t", 2))


def test_it_is_told_once_until_it_is_over_and_rejoins_are_rare(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    world = World(*[description({"t": [0, 1]})] * 3, description({"t": [0, 1, 2]}))
    world.look()
    world.unread.ask_soon()  # we were assigned something else, and our leader has not seen the partition yet
    assert world.look(1) == (("t", 2),)
    assert world.coordinator.rejoins == 1
    world.look(30)
    assert world.coordinator.rejoins == 2
    assert world.look(30) == ()
    assert [record.getMessage() for record in caplog.records] == [
        "no member of group 'g' reads t/2; rebalancing",
        "every partition is read by a member of group 'g'",
    ]


def test_many_places_are_cut_short() -> None:
    assert places([("t", 0)]) == "t/0"
    assert places([("t", n) for n in range(2000)], 2) == "t/0, t/1 and 1,998 more"
