"""Names of new categories: few are kept, those are counted exactly, and any split of the events gives the same."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from driftd.core.new_names import MOST, NewName, added

EVENTS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1), st.text("abc", max_size=3)), max_size=80)


def counted(events: list[tuple[int, int, str]]) -> tuple[NewName, ...]:
    return added((*event, 1) for event in events)


@given(EVENTS, EVENTS, EVENTS)
def test_any_split_adds_up_to_the_same(
    a: list[tuple[int, int, str]], b: list[tuple[int, int, str]], c: list[tuple[int, int, str]]
) -> None:
    whole = counted([*a, *b, *c])
    assert added([*counted(c), *added([*counted(a), *counted(b)])]) == whole
    assert added([*counted([*a, *b]), *counted(c)]) == whole


@given(EVENTS)
def test_what_is_kept_is_counted_exactly_and_little_is_kept(events: list[tuple[int, int, str]]) -> None:
    true, kept = Counter(events), counted(events)
    assert all(n == true[pane, row, name] for pane, row, name, n in kept)
    assert max(Counter((pane, row) for pane, row, _, _ in kept).values(), default=0) <= MOST
    few = [at for at in {e[:2] for e in events} if len({e for e in true if e[:2] == at}) <= MOST]
    assert all((*at, name) in {k[:3] for k in kept} for at in few for *_, name in [e for e in true if e[:2] == at])
