"""The cause that alerts share: decided at the beginning, and never changed by what comes later."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.cause import causes
from driftd.core.incident import Incident
from driftd.monitor.incidents import folded
from tests.unit.monitor.test_incidents import PAGE, finding

AT = 100_000.0


def incident(
    model: str, channel: str = "amount", kind: str = "missing", since: float = AT, told: float = 300
) -> Incident:
    (made,) = folded((), [finding(channel, since + told, PAGE, since=since, kind=kind, model=model)], 10)
    return made


def models_of(incidents: Sequence[Incident]) -> list[set[str]]:
    """The models of each cause."""
    known = causes(incidents, {})
    groups: dict[str, set[str]] = {}
    for i in incidents:
        groups.setdefault(known[i.id], set()).add(i.models[0])
    return sorted(groups.values(), key=sorted)


@pytest.mark.parametrize(
    ("others", "same"),
    [
        pytest.param([("b", "amount", "frozen", AT + 60)], True, id="a channel of the same name"),
        pytest.param([("b", "age", "missing", AT - 500)], True, id="the same kind"),
        pytest.param([("b", "age", "frozen", AT)], False, id="another channel, another kind"),
        pytest.param([("b", "amount", "missing", AT + 700)], False, id="twelve minutes later"),
        pytest.param([("b", "*", "", AT)], False, id="how channels move together says nothing"),
        pytest.param([("a", "age", "missing", AT)], False, id="the same model"),
    ],
)
def test_what_has_one_cause(others: list[tuple[str, str, str, float]], same: bool) -> None:
    both = [incident("a"), *(incident(*other) for other in others)]
    assert (len(set(causes(both, {}).values())) == 1) is same


def test_a_model_is_in_a_cause_once() -> None:
    other = incident("a", "age", told=500)
    groups = models_of([incident("a"), incident("b", told=400), other, incident("c", told=600)])
    assert groups == [{"a"}, {"a", "b", "c"}]


@given(
    starts=st.lists(st.integers(-900, 900), min_size=1, max_size=8),
    kinds=st.lists(st.sampled_from(["missing", "frozen", "unit"]), min_size=8, max_size=8),
)
def test_a_cause_once_said_stays_whatever_joins_grows_or_ends(starts: list[int], kinds: list[str]) -> None:
    every = [incident(f"m{k}", "amount", kinds[k], AT + s, 300 + 60 * k) for k, s in enumerate(starts)]
    said: dict[str, str] = {}
    for k in range(len(every)):
        now = causes(every[: k + 1], said)
        assert now.items() >= said.items()
        said = now
    ended = [replace(i, ended=AT + 10_000, called=AT + 5000) for i in every]
    assert causes(ended, said) == said
    assert said[min(every, key=lambda i: (i.opened, i.id)).id] in said


def test_after_a_restart_causes_are_the_same() -> None:
    every = [incident(f"m{k}", told=300 + k) for k in range(5)]
    said: dict[str, str] = {}
    for k in range(5):
        said = causes(every[: k + 1], said)
    assert causes(reversed(every), {}) == said
