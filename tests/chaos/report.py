"""Results as rows of docs/reliability.md's table; a row that was measured again replaces the one before."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.experiment import Experiment, Outcome, Size

BEGIN: Final = "<!-- measured: make chaos -->"
END: Final = "<!-- end -->"
HEAD: Final = (
    "| experiment | must show | measured | result |",
    "|---|---|---|---|",
)


@dataclass(frozen=True)
class Result:
    experiment: Experiment
    size: Size
    outcome: Outcome
    seconds: float


def line(result: Result) -> str:
    outcome = result.outcome
    verdict = "held" if outcome.passed else f"**falls short**: {'; '.join(outcome.faults)}"
    run = f"({result.size}, {result.seconds:.0f} s, {time.strftime('%Y-%m-%d', time.gmtime())})"
    cells = (result.experiment.name, result.experiment.shows, f"{'; '.join(outcome.measured)} {run}", verdict)
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def renewed(page: str, name: str, row: str) -> str:
    """The page with this row in its table, in the place of the row of that name if there is one."""
    before, rest = page.split(BEGIN)
    table, after = rest.split(END)
    rows = [each for each in table.strip().splitlines() if each not in HEAD]
    mine = [number for number, each in enumerate(rows) if each.startswith(f"| {name} |")]
    if mine:
        rows[mine[0]] = row
    else:
        rows.append(row)
    return "\n".join((f"{before}{BEGIN}\n", *HEAD, *rows, f"\n{END}{after}"))


def renew(page: Path, result: Result) -> None:
    page.write_text(renewed(page.read_text(), result.experiment.name, line(result)))
