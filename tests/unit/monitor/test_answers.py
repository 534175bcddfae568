"""Whether a model's last pages were right: by what people said, once for all models of one cause."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from driftd.core.act import Act, Deed
from driftd.core.incident import Incident, together
from driftd.monitor.answers import MOST_PAGES, Answers, answers
from driftd.monitor.incidents import folded
from tests.unit.monitor.test_incidents import OK, PAGE, TICKET, call, finding

DAY = 86_400.0


def page(model: str, day: float, channel: str = "amount", *, rings: bool = True) -> Incident:
    at = day * DAY
    told = [finding(channel, at, PAGE if rings else TICKET, model=model), finding(channel, at + 9000, OK, model=model)]
    if rings:
        told.insert(1, call(at, channel, model=model))
    (made,) = folded((), told, 10)
    return made


def verdict(incident: Incident, said: str, when: float = 0.0) -> Act:
    return Act(Deed.FEEDBACK, "anna", when, "", incident.parts[0].model, about=incident.id, verdict=said)


def of(incidents: Sequence[Incident], *acts: Act) -> dict[str, Answers]:
    return answers(together(incidents), acts)


def test_pages_are_real_false_or_not_answered() -> None:
    first, second, third = (page("fraud", day) for day in (1, 3, 5))
    assert of([first, second, third], verdict(first, "real"), verdict(third, "false_alarm")) == {
        "fraud": Answers(1, 1, 1)
    }


def test_of_several_answers_the_last_one_counts_whatever_their_order() -> None:
    one = page("fraud", 1)
    said = [verdict(one, "false_alarm", 2.0), verdict(one, "real", 1.0)]
    assert of([one], *said) == of([one], *reversed(said)) == {"fraud": Answers(0, 1, 0)}


def test_an_answer_is_about_all_models_of_the_cause_and_no_other() -> None:
    here, there, later = page("a", 1), page("b", 1), page("b", 5)
    found = of([here, there, later], verdict(there, "false_alarm"))
    assert found == {"a": Answers(0, 1, 0), "b": Answers(0, 1, 1)}


def test_tickets_are_no_pages() -> None:
    assert of([page("fraud", 1, rings=False)], verdict(page("fraud", 1, rings=False), "real")) == {}


def test_the_last_pages_count() -> None:
    every = [page("fraud", 2 * k) for k in range(MOST_PAGES + 7)]
    acts = [verdict(i, "false_alarm") for i in every[:7]]
    assert of(every, *acts) == {"fraud": Answers(0, 0, MOST_PAGES)}


@pytest.mark.parametrize(
    ("known", "text"),
    [
        (Answers(), "no page yet"),
        (Answers(0, 0, 1), "nobody has said whether the last page was real"),
        (Answers(0, 0, 11), "nobody has said whether the last 11 pages were real"),
        (Answers(1, 0, 0), "of the last page 1 was real, 0 false alarms, 0 not answered"),
        (Answers(2, 1, 3), "of the last 6 pages 2 were real, 1 false alarm, 3 not answered"),
    ],
)
def test_it_reads_as_a_sentence(known: Answers, text: str) -> None:
    assert str(known) == text
