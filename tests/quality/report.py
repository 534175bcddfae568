"""docs/quality.md: what was measured, as Markdown; the losses are found in the numbers, not chosen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from tests.quality import nulls, ours, sensitivity
from tests.quality.contest import Contestant
from tests.quality.losses import DataSet, Loss, losses
from tests.quality.streams import RUN_LENGTH

GROUP_TITLES = {
    "iid": "Exchangeable streams (rows in random order)",
    "seasonal": "Seasonal streams (whole weeks in random order)",
    "real": "Real streams in time order",
}


@dataclass(frozen=True, slots=True)
class About:
    """Where, when and how."""

    machine: str
    date: str
    versions: Sequence[str]
    command: str
    minutes: float
    notes: Sequence[str]


def number(x: float, digits: int = 0) -> str:
    """As a reader wants it: - for nothing, never -0."""
    if math.isnan(x):
        return "-"
    if math.isinf(x):
        return "never"
    text = f"{x:,.{digits}f}"
    return text.lstrip("-") if float(text.replace(",", "")) == 0 else text


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [_line(head), "|" + "---|" * len(head), *(_line(r) for r in rows), ""]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(c.replace("|", "/") for c in cells) + " |"


def document(
    about: About,
    sets: Sequence[DataSet],
    null: Sequence[nulls.Measured],
    delays: Sequence[sensitivity.Delay],
    seeds: str,
) -> str:
    lines = [
        "# Quality of detection",
        "",
        "Written by `make quality` (`python -m tests.quality`); do not edit: run it again. Nothing here is a test.",
        "",
        f"Machine: {about.machine}. {about.date}.",
        f"{'; '.join(about.versions)}.",
        f"The run took {about.minutes:.0f} minutes (what had been cached is not measured again).",
        "",
        f"    {about.command}",
        "",
        *(f"{note}\n" for note in about.notes),
        *_how(),
    ]
    for data in sets:
        lines += _data_set(data)
    lines += _losses(sets) + _nulls(null, seeds) + _sensitivity(delays)
    return "\n".join(lines).rstrip() + "\n"


def _how() -> list[str]:
    return [
        "## How it is measured",
        "",
        "- **driftd** is run as its users run it: `driftd replay --events FILE --reference-events N`, default",
        "  configuration, nothing tuned to a stream. An alarm is a finding of a channel (or of `*`, the channels",
        "  together) that opens DRIFT. The budget is stated, not tuned: `false_alarms_per_month` is set so that every",
        f"  channel may alarm falsely once in A = {RUN_LENGTH[False]:.0e} of its events, and once in",
        f"  {RUN_LENGTH[True]:.0e} where the stream has a period; from A = events a month x shares / budget.",
        "  Streams without a clock are replayed at one event a second, those with one at their own times.",
        "- **The peers** run as their users run them, on every channel: river's detectors see each value in order",
        "  (categories as their rank by frequency in the reference; missing values are left out, since the detectors",
        "  take none; scaling is by the reference's range, or its mean and standard deviation); Evidently, NannyML and",
        "  PSI compare tumbling windows of 1,000 rows with the reference rows. What a detector does after its alarm is",
        "  left to its library. KSWIN's calls of scipy are answered from a table of scipy's own p-values; the seconds",
        "  shown for it are those without the table.",
        "- **Scores** are the data folder's own `score.py`. *found*: drifts with an alarm on an affected channel",
        "  within their horizon; *by luck*: what the contestant's own rate of false alarms would find; *named*: found",
        "  on the channel that drifted; *wait*: mean share of the horizon spent undetected, a miss counts 100; *false",
        "  alarms* per 100,000 events of a channel on stretches without drift. Seconds are processor time per",
        "  100,000 rows, every channel of them, driftd's start included.",
        "",
    ]


def _data_set(data: DataSet) -> list[str]:
    lines = [f"## {data.title}: {data.streams} streams", ""]
    for group, title in GROUP_TITLES.items():
        having = [c for c in data.contestants if group in c.scores]
        if not having:
            continue
        lines += [f"### {title}", ""]
        lines += table(
            [
                "contestant",
                "drifts",
                "found %",
                "by luck %",
                "named %",
                "wait %",
                "median delay",
                "false alarms per 100k",
                "(count / channel-events)",
                "s per 100k rows",
            ],
            [_summary(c, group) for c in having],
        )
        if having[0].scores[group].all.drifts:
            lines += _classes(having, group)
    remarks = [f"{c.title}: {c.remark}." for c in data.contestants if c.remark]
    return lines + ([" ".join(remarks), ""] if remarks else [])


def _summary(c: Contestant, group: str) -> list[str]:
    s = c.scores[group]
    a = s.all
    title = f"**{c.title}**" if c.name == ours.NAME else c.title
    shares = [number(x) for x in (a.detected, a.luck, a.own, a.wait, a.median_delay)]
    counted = f"{s.false_alarms:,} / {s.channel_events:,}"
    return [title, str(a.drifts), *shares, number(s.per_100k, 2), counted, number(c.seconds_per_100k[group], 1)]


def _classes(having: Sequence[Contestant], group: str) -> list[str]:
    lines = ["By class of drift: found % (by luck %) / median delay / wait %.", ""]
    classes = [r.cls for r in having[0].scores[group].rows[:-1]]
    rows = []
    for c in having:
        by = {r.cls: r for r in c.scores[group].rows}
        cells = [
            f"{number(r.detected)} ({number(r.luck)}) / {number(r.median_delay)} / {number(r.wait)}"
            for r in (by[cls] for cls in classes)
        ]
        rows.append([f"**{c.name}**" if c.name == ours.NAME else c.name, *cells])
    drifts = {r.cls: r.drifts for r in having[0].scores[group].rows}
    return lines + table(["contestant", *(f"{cls} ({drifts[cls]})" for cls in classes)], rows)


def _losses(sets: Sequence[DataSet]) -> list[str]:
    if not sets:
        return []
    lines = ["## Where driftd is worse than a peer", "", "Computed from the tables above, nothing left out.", ""]
    for data in sets:
        found = list(losses(data))
        for fair, what in ((True, "at no more false alarms than driftd"), (False, "at more false alarms than driftd")):
            chosen = [x for x in found if x.fair is fair]
            lines += [f"{data.title}, {what}: {len(chosen) or 'nothing'}.", ""]
            if chosen:
                head = ["peer", "false alarms per 100k: peer, driftd", "where", "better at (peer, driftd)"]
                lines += table(head, _together(chosen))
    return lines


def _together(found: Sequence[Loss]) -> Iterator[list[str]]:
    """One row for a peer and a place."""
    for (peer, where), group in groupby(sorted(found, key=lambda x: (x.peer, x.where)), lambda x: (x.peer, x.where)):
        same = list(group)
        better = "; ".join(f"{x.what} {_short(x.theirs)}, {_short(x.mine)}" for x in same)
        yield [peer, f"{number(same[0].peer_false, 2)}, {number(same[0].my_false, 2)}", where, better]


def _short(x: float) -> str:
    return number(x, 1 if x < 10 else 0)


def _nulls(null: Sequence[nulls.Measured], seeds: str) -> list[str]:
    if not null:
        return []
    by = {(m.kind, m.budget): m for m in null}
    rows = []
    for kind in nulls.KINDS:
        if (kind.name, nulls.BUDGETS[0]) not in by:
            continue
        cells = []
        for b in nulls.BUDGETS:
            m = by[kind.name, b]
            low, high = m.interval
            cells.append(f"{m.rate:.2f} [{low:.2f}, {high:.2f}] {m.verdict} ({m.pages} in {m.months:.0f} months)")
        rows.append([kind.name, kind.what, f"{kind.clock.monthly:,.0f}", f"{kind.n_ref:,}", *cells])
    return [
        "## Streams without drift: false pages a month against the budget",
        "",
        f"Simulated, through `driftd replay`, {seeds}. A cell: pages a month [exact Poisson 99 % interval], and",
        "what it says of the budget: *held* (the whole interval is at or below it), *BROKEN* (the whole interval is",
        "above it), *inside* (the interval holds the budget). A month is short in events, so that many can be",
        "simulated.",
        "",
        *table(
            [
                "stream",
                "what",
                "events a month",
                "reference",
                *(f"budget {b:g} a month" for b in nulls.BUDGETS),
            ],
            rows,
        ),
    ]


def _sensitivity(delays: Sequence[sensitivity.Delay]) -> list[str]:
    if not delays:
        return []
    rows = []
    for d in delays:
        floor = sensitivity.any_test(d.shift, sensitivity.RUN_LENGTH)
        finite = sensitivity.finite_reference(d.shift, sensitivity.RUN_LENGTH, d.n_ref)
        rows.append([
            f"{d.n_ref:,}",
            f"{d.shift:g}",
            number(floor),
            number(finite),
            number(d.median),
            f"{len(d.delays)} of {d.seeds}",
            number(d.median / floor, 1) if math.isfinite(d.median) else "-",
        ])  # fmt: skip
    return [
        "## Sensitivity: a shift of a normal channel",
        "",
        f"One false alarm in A = {sensitivity.RUN_LENGTH:.0e} events of a channel; {len(sensitivity.SHIFTS)} channels,",
        f"one event a second, panes of ten events; the shift comes {sensitivity.BEFORE:,} events after the reference,",
        f"and is looked for in {sensitivity.AFTER:,}. *Any test*: 2 ln A / shift^2 events, the least mean delay of any",
        "test with that run length that knows the reference exactly (Lorden 1971, Lai 1998; asymptotic in A).",
        f"*Allowing for the reference*: 2 ln A / (shift - eps)^2, eps = {sensitivity.DEVIATIONS} / sqrt(reference):",
        "a test that takes the reference's error at its worst; one that averages over it can be quicker.",
        "Medians are over all seeds; *never* where less than half found it.",
        "",
        *table(
            [
                "reference",
                "shift (sd)",
                "any test",
                "allowing for the reference",
                "driftd, median delay",
                "found",
                "times any test",
            ],
            rows,
        ),
    ]
