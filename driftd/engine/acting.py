"""What an act does to the state: between two polls, so that every event is judged before it or after it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final

from driftd.core.act import Act, Deed, remembered, windows
from driftd.core.errors import ActRefused
from driftd.core.slice import Slice
from driftd.core.text import minute, plural
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import Outcome, State, together
from driftd.monitor import renewal

_OF_PARTS_TOO: Final = frozenset({Deed.MAINTENANCE, Deed.CANCEL})
"""What is true of a model is true of its labels and segments."""
_LATE_SECONDS: Final = 60.0
"""What is typed as a time is known to the minute."""


def perform(state: State, pipeline: Pipeline, act: Act) -> tuple[Outcome, str]:
    """What is found by it, and a sentence for who asked. The act is remembered.

    Raises ActRefused, and changes nothing.
    """
    key = Slice(act.model)
    model, outcome, said = state.models[key], Outcome(), f"noted: {act.by}"
    match act.deed:
        case Deed.FEEDBACK:
            verdict = "real" if act.verdict == "real" else "a false alarm"
            said = f"noted: incident {act.about} was {verdict} ({act.by})"
        case Deed.REBASELINE:
            outcome = pipeline.judging.rebaseline(state, act)
            monitor = pipeline.monitor
            said = renewal.told(state.models[key], act, monitor.settings(key), monitor.windows.pane_seconds)
            more, n = _segments_too(state, pipeline, act)
            outcome = together([outcome, *more])
            said += f"; and {n} {plural('segment', n)} of it" if n else ""
        case Deed.MAINTENANCE:
            span = f"from {minute(act.start)} to {minute(act.end)} UTC (id {act.id})"
            said = f"{act.model}: nothing rings {span}{_begun(act)}"
        case Deed.CANCEL:
            if act.about not in {window.id for window in windows(model.acts) if (window.end or 0.0) > act.when}:
                raise ActRefused(f"no maintenance window '{act.about}' of '{act.model}' that is not over")
            said = f"{act.model}: the window {act.about} is over"
        case Deed.FORGET:
            raise ActRefused(
                "this driftd keeps its state in a directory, and a model is taken out of there while it does not run: "
                "stop it, driftd forget MODEL, start it"
            )
    parts = [k for k in state.models if k.part and act.model in {k.whole, k.root}] if act.deed in _OF_PARTS_TOO else []
    for each in (key, *parts):
        if (after := state.models.get(each)) is not None:
            after.acts = remembered(after.acts, act)
    return outcome, said


def _segments_too(state: State, pipeline: Pipeline, act: Act) -> tuple[list[Outcome], int]:
    """What is normal of a model is normal of its segments: of those that have a reference, and events to learn from."""
    out = list[Outcome]()
    for key in [k for k in sorted(state.models) if k.within and k.whole == act.model]:
        model, mine = state.models[key], replace(act, model=key.model)
        if model.reference is None or not {*act.channels} <= model.reference.rows.keys():
            continue
        with suppress(ActRefused):
            out.append(pipeline.judging.rebaseline(state, mine))
            state.models[key].acts = remembered(state.models[key].acts, mine)
    return out, len(out)


def _begun(act: Act) -> str:
    """What a window that began before it was asked for does not do."""
    late = act.start is not None and act.when - act.start >= _LATE_SECONDS
    return "; what rang before now has rung" if late else ""
