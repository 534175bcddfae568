"""Checkpoints that are cut, changed, foreign, of another format, or gone, while a ticket is open."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import START, close, events, fill, settings

TOTAL = 24_000
NAMES = ("checkpoint", "checkpoint.previous")
TICKET = 2.0
FORMAT = slice(7, 9)
"""Where a state file has its format."""


def changed(how: Callable[[bytes], bytes], *names: str) -> Callable[[Path], None]:
    def damage(state: Path) -> None:
        for name in names:
            path = state / name
            path.write_bytes(how(path.read_bytes()))

    return damage


def gone(state: Path) -> None:
    for name in NAMES:
        (state / name).unlink()


def part_gone(state: Path) -> None:
    """The references that both checkpoints name."""
    for path in (state / "parts").iterdir():
        path.unlink()


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def flipped(raw: bytes) -> bytes:
    return raw[:-1] + bytes([raw[-1] ^ 1])


def foreign(raw: bytes) -> bytes:
    return b"SQLite format 3\x00" + bytes(len(raw))


def of_format(number: int) -> Callable[[bytes], bytes]:
    return lambda raw: raw[: FORMAT.start] + number.to_bytes(2, "big") + raw[FORMAT.stop :]


USED_BEFORE = {
    "cut": changed(cut, NAMES[0]),
    "one bit changed": changed(flipped, NAMES[0]),
    "a foreign file": changed(foreign, NAMES[0]),
}
"""The checkpoint before is used: nothing is lost."""
LOST = {
    "both changed": changed(flipped, *NAMES),
    "both gone": gone,
    "parts gone": part_gone,
}
"""Counts are lost; references are not."""
REFUSED = {"a later format": changed(of_format(999), NAMES[0]), "an earlier format": changed(of_format(1), NAMES[0])}


def one(stage: Stage, outcome: Outcome, name: str, damage: Callable[[Path], None]) -> None:
    topic = stage.broker.create_topic("checkpoints", 2)
    values = list(events(TOTAL, late=0, ill=(0.6, 1)))
    known = fill(stage.broker, topic, values[: TOTAL * 3 // 4], 2)
    daemon = stage.member(topic, settings(stage.broker, topic))
    at_rest(daemon, known)
    status = daemon.value("driftd_model_status", model="fraud")
    outcome.true(f"{name}: the fault was not told", status >= TICKET)
    reference = sorted(path.name for path in (daemon.folder / "state" / "references").iterdir())
    outcome.equal(f"{name}: exit code", daemon.terminate(), 0)
    damage(daemon.folder / "state")
    daemon.start()
    if name in REFUSED:
        outcome.equal(f"{name}: exit code", daemon.exit_code(), 4)
        outcome.true(f"{name}: not named", "this driftd reads format" in daemon.log)
        return
    daemon.wait_ready()
    sent = fill(stage.broker, topic, values[TOTAL * 3 // 4 :], 2) + close(stage.broker, topic, START + TOTAL * 0.002, 2)
    at_rest(daemon, sent if name in LOST else known + sent)
    outcome.equal(f"{name}: status after", daemon.value("driftd_model_status", model="fraud"), status)
    if name != "both gone":
        outcome.true(f"{name}: not named", "kept as checkpoint.bad" in daemon.log)
    if name in USED_BEFORE:
        oracle.compare(outcome, oracle.recount(stage.broker, topic), [daemon])
    else:
        outcome.true(f"{name}: not balanced", daemon.balanced())
    after = sorted(path.name for path in (daemon.folder / "state" / "references").iterdir())
    outcome.equal(f"{name}: references", after, reference)
    daemon.kill9()


def run(stage: Stage) -> Outcome:
    outcome = Outcome()
    for name, damage in (USED_BEFORE | LOST | REFUSED).items():
        if stage.size != "small" or name in {"one bit changed", "both gone"}:
            one(stage, outcome, name, damage)
            outcome.measure(name)
    return outcome


EXPERIMENT = Experiment(
    "a checkpoint that is damaged, foreign, of another format or gone, while a ticket is open",
    "detected, previous used, exit code right, the ticket stays or comes again, no reference learned from the fault",
    run,
)
