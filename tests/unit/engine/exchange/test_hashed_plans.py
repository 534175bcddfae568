"""A member with another key does not count on bins whose categories it cannot make."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from driftd.core.errors import HashedOtherwise
from driftd.core.hashing import Hasher
from driftd.core.slice import Slice
from driftd.engine.exchange.member import Member, View
from driftd.engine.exchange.messages import Plan, encode
from driftd.engine.exchange.reader import Plans
from driftd.learn.build import Learning, build
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import choose, pipeline_of, stream


class Topic:
    def __init__(self, message: Plan) -> None:
        self.data = encode(message)

    def hear(self, *, to_end: bool) -> list[bytes]:  # noqa: ARG002
        return [self.data]


def member(key: bytes, topic: Topic) -> Member:
    learning = Learning(bins=5, hashing=Hasher(key, text=True).hashing)
    pipeline = pipeline_of(ModelSettings(choose, learning))
    nothing = cast(Any, None)
    return Member(
        pipeline, View(), nothing, None, nothing, nothing, nothing,
        exchange=cast(Any, topic), panes_topic="panes", plans=Plans(pipeline), sources=list, generation=lambda: 1,
        group="g", panes_partitions=lambda: 1,
    )  # fmt: skip


def test_a_plan_of_another_key_ends_the_member() -> None:
    key, other = b"0123456789abcdef", b"another key of 16"
    learning = Learning(bins=5, hashing=Hasher(key, text=True).hashing)
    topic = Topic(Plan(Slice("m"), "m/1", build(stream(np.random.default_rng(1), 200), learning)))
    same = member(key, topic)
    same._hear()
    assert same.plans.names == {Slice("m"): "m/1"}
    with pytest.raises(HashedOtherwise, match="another key") as e:
        member(other, topic)._hear()
    assert e.value.exit_code == 4
