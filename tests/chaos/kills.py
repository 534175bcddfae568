"""kill -9, at random moments and at each step of writing a checkpoint."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import numpy as np

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.traffic import START, Stream, close, events, settings
from tests.stage.daemon import DriftdProcess, wait_until

PARTITIONS = 4
SECONDS_A_KILL = 4.0
"""While events come; on a busy machine."""
SABOTAGE = Path(__file__).with_name("sabotage")


def at_rest(daemon: DriftdProcess, received: int, seconds: float = 300.0) -> oracle.Series:
    """What it says once everything was read and nothing moves any more."""
    daemon.wait_received(received, seconds)

    def settled() -> oracle.Series | None:
        before = oracle.series(daemon)
        time.sleep(4)  # longer than windows.idle_seconds
        after = oracle.series(daemon)
        return after if before == after else None

    return wait_until(settled, "a state at rest")


def end_at_step(daemon: DriftdProcess, step: int) -> bool:
    """Starts it so that it ends by SIGKILL before that step of writing; False where it did not come to it."""
    path = os.pathsep.join((str(SABOTAGE), os.environ.get("PYTHONPATH", "")))
    daemon.start({"CHAOS_STEP": str(step), "PYTHONPATH": path})
    try:
        return daemon.exit_code(30) == -9
    except subprocess.TimeoutExpired:
        daemon.kill9()
        return False


def run(stage: Stage) -> Outcome:
    outcome = Outcome()
    kills, steps, total = stage.of(3, 30, 100), stage.of(4, 20, 24), stage.of(30_000, 250_000, 1_000_000)
    topic = stage.broker.create_topic("kills", PARTITIONS)
    rate = total / (kills + steps) / SECONDS_A_KILL
    stream = Stream(stage.broker, topic, events(total), PARTITIONS, rate)
    stream.start()
    (killed,) = stage.members("killed", settings(stage.broker, topic))
    reached = sum(end_at_step(killed, step) for step in range(1, steps + 1))
    rng = np.random.default_rng(1)
    for _ in range(kills):
        killed.start()
        killed.wait_ready()
        time.sleep(float(rng.uniform(0, 1.2)))
        killed.kill9()
    killed.start()
    sent = stream.finish() + close(stage.broker, topic, START + total * 0.002, PARTITIONS)
    mine = at_rest(killed, sent)
    outcome.measure(f"{kills} kills at random moments and {reached} at steps 1 to {steps} of writing")
    outcome.equal("steps of writing at which it was killed", reached, steps)
    outcome.true("a checkpoint was found damaged", "kept as" not in killed.log)
    oracle.compare(outcome, oracle.recount(stage.broker, topic), [killed])
    quiet = stage.member("quiet", settings(stage.broker, topic))
    theirs = at_rest(quiet, sent)
    oracle.compare_series(outcome, mine, theirs, "beside an undisturbed run")
    outcome.equal("findings", sorted(killed.findings()), sorted(quiet.findings()))
    outcome.measure(f"{len(quiet.findings())} findings, byte-equal")
    outcome.true("the fault was not told", any(f["kind"] == "missing" for f in quiet.findings().values()))
    outcome.equal("what findings say", killed.findings(), quiet.findings())
    return outcome


EXPERIMENT = Experiment(
    "kill -9 over live events, 4 partitions",
    "equal to the recount and to an undisturbed run; old or new state, never a mix",
    run,
)
