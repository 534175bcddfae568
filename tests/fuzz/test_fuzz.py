"""The short form of `make fuzz`: what failed once, and the same few hundred changed inputs each time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.engine import Run, Target
from tests.fuzz.mutate import mutated
from tests.fuzz.targets import TARGETS

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@each_target
def test_driftd_does_what_it_says_of_any_input(target: Target, tmp_path: Path) -> None:
    run = Run(target, target.attempt(tmp_path), random.Random(7))
    run.fuzz(lambda executions: executions < target.quick)
    assert [crash.text for crash in run.crashes.values()] == []
    assert run.signs > 1


def test_what_fails_is_found_once_and_made_small(tmp_path: Path) -> None:
    def attempt(data: bytes) -> bool:
        if b"!" in data:
            raise IndexError("driftd is wrong about this one")
        return b"?" in data

    target = Target("wrong", lambda _: attempt, lambda: [b"a long way around"], (b"!", b"?"))
    run = Run(target, target.attempt(tmp_path), random.Random(1))
    run.fuzz(lambda executions: executions < 300)
    (crash,) = run.crashes.values()
    assert crash.data == b"!"
    assert "IndexError" in crash.text


def test_the_same_seed_makes_the_same_inputs() -> None:
    one, other = ([mutated(b"abc" * 20, [b"x" * 9], [b"!"], rng) for _ in range(50)] for rng in _twins())
    assert one == other


def _twins() -> list[random.Random]:
    return [random.Random(5), random.Random(5)]


def test_the_corpus_belongs_to_targets() -> None:
    folders = [path.name for path in (Path(__file__).parent / "corpus").iterdir()]
    assert set(folders) <= TARGETS.keys()
