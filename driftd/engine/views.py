"""What the web pages show of a model, and of the process's memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from driftd.engine.model_counts import judged_counts, maintenance_of
from driftd.engine.state import State
from driftd.monitor import growing, regrowth, renewal
from driftd.monitor.model import Monitor
from driftd.monitor.silence import Quiet
from driftd.monitor.state import ModelState
from driftd.monitor.view import ModelView

STATM: Final = Path("/proc/self/statm")
"""Linux: its second number are pages that are resident."""


def view_of(
    monitor: Monitor, m: ModelState, state: State, unwatched: tuple[str, ...], quiet: Quiet | None
) -> ModelView:
    reference, settings, renewed = m.reference, monitor.settings(m.slice), regrowth.told(m)
    windows, muted = maintenance_of(monitor, m, state)
    return ModelView(
        m.name,
        m.judgement,
        monitor.learning_ratio(m),
        judged_counts(monitor, m, state.counters(m.slice), state),
        "; ".join(filter(None, (growing.told(m), *renewed.values()))),
        unwatched,
        m.timeline,
        None if reference is None else monitor.reader(reference),
        None if reference is None else monitor.hours(reference),
        {**m.started},
        m.hops,
        quiet,
        m.acts,
        windows,
        muted,
        m.growth is not None and m.growth.sample is not None,
        renewal.renews(m, settings),
        renewed,
        settings.given,
        m.quality,
        settings.contacts,
        m.natural,
    )


def memory_bytes() -> int | None:
    """What the process takes, where the system says so."""
    try:
        pages = int(STATM.read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")
