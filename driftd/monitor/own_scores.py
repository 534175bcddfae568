"""The judge's evidence and the open changes as scores, and the worst status that they ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from driftd.core.finding import CHANGE, DRIFT, JUDGE, OK, WARNING, Joint, Scores, Status
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.state import ModelState, Standing, Verdict


def evidence(model: ModelState, standing: Standing, detectors: DetectorSet) -> tuple[Scores | None, Joint | None]:
    """The judge's evidence as scores, in nats: ln(1 + S) beside ln(1 + A); its ratio passes 1 when S passes A.

    Once an episode is open the evidence begins again from 0; the status is the episode's.
    """
    if model.judge is None:
        return None, None
    state, learned = model.judge.state, model.judge.learned
    open_, pages = state.episodes.open, learned.paging
    watched = learned.watched & ~np.append(detectors.renewed, False)
    s = np.where(watched, np.log1p(state.s), np.nan)
    a = np.where(watched, np.log1p(detectors.a), np.nan)
    if detectors.natural is not None:
        pages = np.append(standing.gross, False)
    status = np.where(open_, np.where(pages, DRIFT, WARNING), OK).astype(np.int8)
    if len(standing.suspected) == len(status) - 1:
        status[:-1] = np.maximum(status[:-1], np.where(standing.suspected, WARNING, OK))
    before = standing.verdicts.get(JUDGE)
    if before is None:
        before = Verdict(np.zeros(len(s) - 1, np.int8), np.zeros(len(s) - 1, np.int64))
    detections = before.detections + ((status[:-1] >= WARNING) & (before.status < WARNING))
    scores = Scores(JUDGE, s[:-1], a[:-1], np.zeros(len(s) - 1), a[:-1], (s / a)[:-1], status[:-1], detections)
    joint = None
    if learned.joint:
        joint = Joint(float(s[-1]), float(a[-1]), Status(int(status[-1])), float(state.episodes.since[-1]))
    return scores, joint


def changed(standing: Standing, detectors: DetectorSet) -> Scores | None:
    """The open changes as scores: their size over the least that makes a ticket or a page; 0 where there is none."""
    if detectors.natural is None:
        return None
    channels = len(detectors.tickets)
    size, needed, status = np.zeros(channels), np.full(channels, np.nan), np.zeros(channels, np.int8)
    for change in standing.changes:
        size[change.row], needed[change.row] = change.size, change.needed
        status[change.row] = change.status
    before = standing.verdicts.get(CHANGE)
    if before is None:
        before = Verdict(np.zeros(channels, np.int8), np.zeros(channels, np.int64))
    detections = before.detections + ((status >= WARNING) & (before.status < WARNING))
    ratio = np.where(np.isfinite(needed), size / needed, 0.0)
    return Scores(CHANGE, size, needed, needed, np.zeros(channels), ratio, status, detections)


def asked_for(verdicts: Mapping[str, Verdict], detectors: DetectorSet, channels: int) -> NDArray[np.int8]:
    """int8[channels]: the worst status that asks for something. Statistics of windows only show where and how much,
    unless the user chose them.
    """
    out, chosen = np.zeros(channels, np.int8), bool(detectors.tickets.any())
    for kind, verdict in verdicts.items():
        if kind in {JUDGE, CHANGE}:
            out = np.maximum(out, verdict.status)
        elif chosen:
            out = np.maximum(out, np.where(detectors.tickets, verdict.status, OK))
    return out


def worst_of(verdicts: Iterable[Scores | Verdict], channels: int) -> NDArray[np.int8]:
    out = np.zeros(channels, np.int8)
    for v in verdicts:
        out = np.maximum(out, v.status)
    return out
