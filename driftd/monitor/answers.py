"""Whether the last pages of a model were right, by what people said of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from driftd.core.act import Act, Deed
from driftd.core.finding import Severity
from driftd.core.incident import Incident
from driftd.core.text import plural

MOST_PAGES: Final = 20
"""Pages of a model that are counted, the most recent: weeks of one that pages often, years of one that does not."""
REAL: Final = "real"
FALSE_ALARM: Final = "false_alarm"


@dataclass(frozen=True, slots=True)
class Answers:
    """Of a model's last pages: how many were real, false alarms, and not answered."""

    real: int = 0
    false_alarms: int = 0
    unanswered: int = 0

    @property
    def pages(self) -> int:
        return self.real + self.false_alarms + self.unanswered

    def __str__(self) -> str:
        """``of the last 5 pages 1 was real, 2 false alarms, 2 not answered``"""
        if not self.pages:
            return "no page yet"
        were = "was" if self.real == 1 else "were"
        false = f"{self.false_alarms} {plural('false alarm', self.false_alarms)}"
        last = "the last page" if self.pages == 1 else f"the last {self.pages} pages"
        if self.unanswered == self.pages:
            return f"nobody has said whether {last} {'was' if self.pages == 1 else 'were'} real"
        return f"of {last} {self.real} {were} real, {false}, {self.unanswered} not answered"


def answers(incidents: Iterable[Incident], acts: Iterable[Act]) -> dict[str, Answers]:
    """By model. ``incidents`` as ``together`` gives them: what was said of one is said of all that have its cause. Of
    several answers the last counts; incidents of which a model only had tickets are none of its pages.
    """
    said: dict[str, str] = {}
    for act in sorted(acts, key=lambda act: act.when):
        if act.deed is Deed.FEEDBACK:
            said[act.about] = act.verdict
    told: dict[str, list[str]] = {}
    for incident in sorted(incidents, key=lambda i: -i.opened):
        if incident.called is None:
            continue
        verdict = next((said[id_] for id_ in (incident.id, *incident.ids) if id_ in said), "")
        for model in {part.model for part in incident.parts if part.severity is Severity.PAGE}:
            told.setdefault(model, []).append(verdict)
    return {model: _counted(verdicts[:MOST_PAGES]) for model, verdicts in told.items()}


def _counted(verdicts: list[str]) -> Answers:
    real, false = verdicts.count(REAL), verdicts.count(FALSE_ALARM)
    return Answers(real, false, len(verdicts) - real - false)
