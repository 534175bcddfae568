"""Members say where they are reached, each of the models that it judges; who was followed by another is forgotten."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.errors import MessageUnreadable
from driftd.engine.exchange.addresses import Addresses
from driftd.engine.exchange.messages import Address, decode, encode, key_of

A, B, C = (f"http://driftd-{n}.driftd.svc:9477" for n in range(3))


def test_the_greatest_epoch_counts_in_whatever_order_they_come() -> None:
    for order in ((0, 1, 2), (2, 1, 0), (1, 2, 0)):
        heard = Addresses("http://new:9477")
        for i in order:
            heard.learn((Address(0, 3, A), Address(0, 5, B), Address(1, 4, C))[i])
        assert (heard.of(0), heard.of(1), heard.of(2)) == (B, C, "")
        assert heard.others() == (B, C)
    mine = Addresses(B)
    mine.learn(Address(0, 5, B))
    assert (mine.of(0), mine.others()) == ("", ()), "it is ours no more, and its new owner has not said so yet"


def test_an_address_comes_back_as_it_was_sent_and_replaces_the_one_before() -> None:
    said = [Address(3, 5, A), Address(3, 6, B)]
    assert [decode(encode(one)) for one in said] == said
    assert len({key_of(one) for one in said}) == 1
    assert key_of(Address(4, 5, A)) != key_of(said[0])


@pytest.mark.parametrize(
    "url",
    [
        "",
        "d-1:9477",
        "ftp://d-1",
        "http://",
        "http://a:p@d-1",
        "http://[",
        "http://d:x",
        "http://d\n",
        "http://" + "d" * 300,
    ],
)
def test_what_is_no_address_is_left_out(url: str) -> None:
    with pytest.raises(MessageUnreadable):
        decode(encode(Address(0, 1, url)))


def test_it_is_said_once_and_again_where_somebody_has_said_otherwise() -> None:
    mine = Addresses(A)
    assert [*mine.to_tell([(0, 4)])] == [Address(0, 4, A)]
    assert [*mine.to_tell([(0, 4)])] == []
    mine.learn(Address(0, 4, A))
    mine.learn(Address(0, 2, B))  # who was thought dead
    assert [*mine.to_tell([(0, 4)])] == [Address(0, 4, A)]
    mine.learn(Address(0, 7, C))  # now it is ours who was thought dead
    assert [*mine.to_tell([(0, 4)])] == []
    assert [*Addresses().to_tell([(0, 4)])] == []


@dataclass
class Topic:
    """Of each partition the last message, as after compaction, and all of them."""

    log: list[Address] = field(default_factory=list)
    heard: dict[str, int] = field(default_factory=dict)

    def round(self, member: Addresses, owned: Sequence[tuple[int, int]]) -> None:
        at = self.heard.get(member.own, 0)
        for message in self.log[at:]:
            member.learn(message)
        self.heard[member.own] = len(self.log)
        self.log += member.to_tell(owned)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans()), min_size=1, max_size=30))
def test_whoever_comes_later_learns_who_judges_now_also_of_a_compacted_topic(
    turns: list[tuple[int, int, bool]],
) -> None:
    members, topic = [Addresses(url) for url in (A, B, C)], Topic()
    owned: list[dict[int, int]] = [{}, {}, {}]
    epoch, now = 0, {}
    for who, owner, takes_over in turns:
        if takes_over:  # the one before goes on for as long as nobody tells it
            epoch += 1
            owned[who][owner], now[owner] = epoch, (A, B, C)[who]
        topic.round(members[who], [*owned[who].items()])
    for _ in range(4):
        for member, mine in zip(members, owned, strict=True):
            topic.round(member, [*mine.items()])
    said = len(topic.log)
    for member, mine in zip(members, owned, strict=True):
        topic.round(member, [*mine.items()])
    assert len(topic.log) == said, "it ends"
    late = Addresses("http://new:9477")
    for last in {message.owner: message for message in topic.log}.values():
        late.learn(last)
    assert {owner: late.of(owner) for owner in now} == now
