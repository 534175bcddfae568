"""What people ask for in a form or with the command line, as acts; and acts as lines of a history."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Final
from urllib.parse import parse_qs

from driftd.core.act import MOST_NAME, MOST_WORDS, Act, Deed
from driftd.core.errors import ActRefused
from driftd.core.incident import Incident, Step, find
from driftd.core.text import clean, did_you_mean, duration, minute
from driftd.core.units import MONTH_SECONDS
from driftd.monitor.answers import Answers, answers
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.format import read_time

MOST_FIELDS: Final = 250
"""Of a form: it may name all channels of a model."""
NOBODY: Final = (
    "Read only: from another machine acting needs a password or a certificate (http.web_config). On driftd's own "
    "machine it needs none."
)
REPLAY: Final = "This is a replay: it shows what was found, and nothing can be done here."
_AGO: Final = re.compile(r"([+-])(\d{1,6})(s|m|h|d)")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
LONGEST_SECONDS: Final = 31 * 86_400.0
"""Of a maintenance window that somebody types. Chosen: a month; one that is mistyped or forgotten hides all faults."""
_VERDICTS: Final = ("real", "false_alarm")
WORDS: Final = {
    Deed.REBASELINE: "new normal",
    Deed.MAINTENANCE: "maintenance",
    Deed.CANCEL: "maintenance ended",
    Deed.ACKNOWLEDGE: "acknowledged",
    Deed.FEEDBACK: "judged",
    Deed.FORGET: "forgotten",
}


@dataclass(frozen=True, slots=True)
class ActLine:
    """An act as pages and the API show it; ``what`` says it in words."""

    id: str
    deed: str
    model: str
    channels: tuple[str, ...]
    who: str
    when: float
    why: str
    start: float | None
    end: float | None
    about: str | None
    verdict: str | None
    what: str

    @property
    def incident(self) -> bool:
        """Whether ``about`` is one."""
        return self.deed in {Deed.ACKNOWLEDGE, Deed.FEEDBACK}


def form_of(body: bytes) -> dict[str, list[str]]:
    """Raises ActRefused for what is no form."""
    try:
        return parse_qs(body.decode(), max_num_fields=MOST_FIELDS, errors="strict")
    except ValueError as e:
        raise ActRefused("expected a form: do=maintenance&model=fraud&from=now&to=%2B2h&because=...") from e


def acts_of(form: Mapping[str, Sequence[str]], who: str, now: float, snapshot: Snapshot) -> list[Act]:
    """What a form asks for, by ``who``. Raises ActRefused with what is wrong."""

    def one(name: str, most: int = MOST_WORDS) -> str:
        text = form.get(name, [""])[0].strip()
        if len(text) > most or not text.isprintable():
            raise ActRefused(f"{name}: expected at most {most} printable characters in one line")
        return text

    deed = _deed(one("do"))
    claimed, why = one("as", MOST_NAME), one("because")
    by = f"{who} as {claimed}" if claimed else who
    if not why and deed in {Deed.REBASELINE, Deed.MAINTENANCE, Deed.FORGET}:
        raise ActRefused("because: say why; whoever reads it later has nothing else")
    if why and not any(c.isalnum() for c in why):  # as runbooks have it: pasted, and not filled in
        raise ActRefused(f"because: '{clean(why)}' says nothing; put the reason in its place")
    start, end = _span(deed, one("from"), one("to"), now)
    channels = tuple(dict.fromkeys(c for c in form.get("channel", []) if c))
    verdict = one("verdict")
    if deed is Deed.FEEDBACK and verdict not in _VERDICTS:
        raise ActRefused(f"verdict: expected one of {', '.join(_VERDICTS)}")
    about = one("about")
    if deed in {Deed.ACKNOWLEDGE, Deed.FEEDBACK}:
        found = find(snapshot.incidents, about)
        if found is None:
            text = f"no incident has the id '{clean(about)}'; 'driftd status' and the pages show the ids"
            raise ActRefused(text, elsewhere=True)
        return [Act(deed, by, now, why, found.totals[0][0], (), None, None, found.id, verdict)]
    names = [*_models(deed, one("model"), about, bool(one("all")), snapshot)]
    if not names:
        raise ActRefused("all: driftd has seen no model yet", elsewhere=True)
    return [Act(deed, by, now, why, name, channels, start, end, about, verdict) for name in names]


def _deed(text: str) -> Deed:
    try:
        return Deed(text)
    except ValueError:
        raise ActRefused(f"do: unknown '{clean(text)}'{did_you_mean(text, Deed)}") from None


def _models(deed: Deed, name: str, about: str, every: bool, snapshot: Snapshot) -> Iterator[str]:
    """The models that an act is about: one; all of them; or that of the window that is cancelled."""
    if every and name:
        raise ActRefused(f"model and all: '{clean(name)}' and all models contradict each other; give one of the two")
    if every and deed is Deed.MAINTENANCE:
        yield from (m.name for m in snapshot.models)
    elif name:
        yield name
    elif deed is Deed.CANCEL:
        found = [m.name for m in snapshot.models if any(act.id == about for act in m.acts)]
        if not found:
            raise ActRefused(f"no maintenance window has the id '{clean(about)}'", elsewhere=True)
        yield from found
    else:
        raise ActRefused("model: not given")


def _span(deed: Deed, begin: str, to: str, now: float) -> tuple[float | None, float | None]:
    """From when to when, as the deed wants it."""
    start, end = _moment(begin, "from", now), _moment(to, "to", now)
    if deed is Deed.MAINTENANCE:
        start = now if start is None else start
        if end is None or end <= max(start, now):
            raise ActRefused("to: expected a time after 'from' and after now, such as +2h or 2026-12-01 03:07")
        if end - start > LONGEST_SECONDS:
            raise ActRefused(
                f"to: {duration(end - start)} is more than the {duration(LONGEST_SECONDS)} that a window may last;"
                " a longer one is planned in driftd.yaml (maintenance)"
            )
    elif start is not None and end is not None and end <= start:
        raise ActRefused("to: expected a time after 'from'")
    if deed is Deed.REBASELINE and start is not None and start > now:
        raise ActRefused("from: expected a time that has been; what came since then is the new normal")
    return start, end


def _moment(text: str, name: str, now: float) -> float | None:
    """``now``, ``+2h``, ``-30m`` or a time in UTC; None for nothing."""
    if not text:
        return None
    if text == "now":
        return now
    if match := _AGO.fullmatch(text):
        return now + float(f"{match[1]}{match[2]}") * _SECONDS[match[3]]
    at = read_time(text)
    if at is None:
        raise ActRefused(f"{name}: expected now, +2h, -30m or a time in UTC such as 2026-12-01 03:07")
    return at


def act_lines(m: ModelView) -> list[ActLine]:
    """Newest first."""
    return [act_line(act) for act in reversed(m.acts)]


def about_incident(snapshot: Snapshot, i: Incident) -> list[ActLine]:
    """Newest first; with what ended a part of it."""
    ids = {i.id, *i.ids}
    ends = [(e.model, e.detail) for e in i.timeline if e.step is Step.CALMED and e.detail]
    found = (
        act
        for m in snapshot.models
        for act in m.acts
        if act.about in ids or any(m.name == model and act.by in why for model, why in ends)
    )
    return [act_line(act) for act in sorted(found, key=lambda act: -act.when)]


def looked_at(snapshot: Snapshot) -> dict[str, str]:
    """Who last said of an incident, by its id, that they look at it."""
    acts = sorted((act for m in snapshot.models for act in m.acts), key=lambda act: act.when)
    return {act.about: act.who for act in acts if act.deed is Deed.ACKNOWLEDGE}


def verdicts(snapshot: Snapshot) -> Counter[tuple[bool, str]]:
    """What people said of the incidents of the last 30 days, and whether these called somebody; of each the last one
    counts. One that nobody remembers counts as a call: no false page may be lost.
    """
    acts = sorted((act for m in snapshot.models for act in m.acts), key=lambda act: act.when)
    last = {a.about: a for a in acts if a.deed is Deed.FEEDBACK and a.when > snapshot.now - MONTH_SECONDS}
    known = {id_: i for i in snapshot.incidents for id_ in (i.id, *i.ids)}
    paged = {about: about not in known or known[about].called is not None for about in last}
    return Counter((paged[act.about], act.verdict) for act in last.values())


def answers_of(snapshot: Snapshot) -> dict[str, Answers]:
    """By model, whether its last pages were right."""
    return answers(snapshot.incidents, (act for m in snapshot.models for act in m.acts))


def act_line(act: Act) -> ActLine:
    return ActLine(
        act.id, act.deed.value, act.model, act.channels, act.who, act.when, act.why, act.start, _known(act.end),
        act.about or None, act.verdict or None, said(act),
    )  # fmt: skip


def said(act: Act) -> str:
    """``new normal of amount, from what came since 2026-12-01 03:07``"""
    words = WORDS[act.deed]
    match act.deed:
        case Deed.REBASELINE:
            since = "from now on" if act.start is None else f"what came since {minute(act.start)}"
            until = "" if act.end is None else f", up to {minute(act.end)}"
            return f"{words}{_of(act)}: {since}{until}"
        case Deed.MAINTENANCE:
            return f"{words} from {minute(act.start)} to {minute(act.end)}"
        case Deed.FEEDBACK:
            return f"{words} {'real' if act.verdict == 'real' else 'a false alarm'}"
        case _:
            return words


def _of(act: Act) -> str:
    return f" of {', '.join(clean(c, 60) for c in act.channels)}" if act.channels else ""


def _known(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else value
