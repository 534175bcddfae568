"""What a configuration can detect, as `driftd check` shows it: certificate, windows, thresholds, smallest changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from driftd.cli import output
from driftd.core.text import clean, duration, plural

if TYPE_CHECKING:
    from driftd.judge.budget import Certificate
    from driftd.monitor.reach import Detectable
    from driftd.monitor.sensitivity import ChannelSensitivity, ModelSensitivity


def certificate(of: Certificate) -> dict[str, Any]:
    """What driftd guarantees about pages of all models that have a reference."""
    return {
        "false_alarms_per_month": of.budget,
        "models_sharing": of.models,
        "channels": of.channels,
        "paging": of.paging,
        "tickets_only": of.tickets,
        "expected_false_pages_per_month_at_most": of.bound,
        "least_events_to_a_false_page": of.least,
        "shortest_reference_seconds": of.shortest_span_seconds,
        "models_without_a_judge": of.unjudged,
    }


def window(model: ModelSensitivity | None) -> dict[str, Any] | None:
    """The window at the reference's rate; None without a reference."""
    if model is None:
        return None
    return {
        "seconds": model.window_seconds,
        "events": model.window_events,
        "judged_every_seconds": model.hop_seconds,
        "events_per_second": model.events_a_second,
    }


def joint(model: ModelSensitivity | None) -> dict[str, Any] | None:
    """How channels move together, in the fields of a channel; None where that is not watched."""
    if model is None or not model.channels or model.channels[-1].channel != "*":
        return None
    return {"channel": "*", **channel(model.channels[-1])}


def _seen(s: Detectable) -> dict[str, Any]:
    return {
        "change": s.change.value,
        "class": s.of.value,
        "severity": "page" if s.page else "ticket",
        "direction": s.direction,
        "least": s.least,
        "unit": s.unit,
        "within_seconds": s.within_seconds,
    }


def channel(of: ChannelSensitivity) -> dict[str, Any]:
    """One channel; NaN where the judge abstains."""
    return {
        "regime": of.regime or None,
        "pages": of.pages,
        "why": of.why,
        "events_to_a_false_page": of.a,
        "seconds_to_a_false_page": of.apart_seconds,
        "window_events": of.events,
        "finds": [
            {
                "change": f.kind,
                "value": f.value or None,
                "least": f.least,
                "unit": "standard deviations" if f.kind == "shift" else "share",
                "within_seconds": f.within_seconds,
                "events": f.events,
            }
            for f in of.finds
        ],
        "unknown": of.unknown or None,
        "thresholds": [
            {"detector": t.detector, "threshold": t.threshold, "effect": t.effect, "noise": t.noise, "from": t.source}
            for t in of.thresholds
        ],
        "every_value": [{"detector": kind, "pages": pages} for kind, pages in of.sequential],
        "sees": [_seen(s) for s in of.sees],
        "cannot_see": [
            {"change": u.change.value, "class": u.of.value, "direction": u.direction, "why": u.why}
            for u in of.cannot_see
        ],
    }


def print_certificate(of: Mapping[str, Any]) -> None:
    budget, models = of["false_alarms_per_month"], of["models_sharing"]
    shared = f", shared by {models:,} models (including those that may still be discovered)" if models > 1 else ""
    output.print_line(f"Certificate: budget of {budget:g} false {plural('page', budget)} a month{shared}", "bold")
    if not of["channels"]:
        what = "that pages" if of["models_without_a_judge"] else "yet"
        output.print_line(f"  No model has a reference {what}. Until then nothing pages.")
        return
    output.print_line(
        f"  The judge's evidence pages on {of['paging']} of {of['channels']} channels and opens tickets on "
        f"{of['tickets_only']}."
    )
    output.print_line(
        f"  Expected false pages of that evidence: at most {of['expected_false_pages_per_month_at_most']:.2g} a month."
    )
    output.print_line("  The bound assumes that events stay as independent as they were in the references.")
    span = duration(of["shortest_reference_seconds"])
    output.print_line(f"  Patterns longer than the shortest reference ({span}) are unknown to driftd.")
    output.print_line("  Faults and large changes page on any channel. Their false pages are measured, not proved.")
    for model in of["models_without_a_judge"]:
        name = clean(model)
        output.print_line(
            f"  {name}: its reference has no judge; build a new one with 'driftd reference build {name}'."
        )


def print_judge(model: Mapping[str, Any]) -> None:
    """The details of the judge: its window, where its evidence pages and where not, and thresholds of windows."""
    window = model["window"]
    output.print_line(
        f"  Window: {duration(window['seconds'])}, {window['events']:,} events at the reference's rate "
        f"({window['events_per_second'] * 86400:,.0f} a day); judged every {duration(window['judged_every_seconds'])}"
    )
    every = [*model["channels"], *([model["joint"]] if model["joint"] else [])]
    _print_rows(
        "Where the judge's evidence pages:",
        ("channel", "regime", "one false page in at least", "detected with 90% probability"),
        [_paging(c) for c in every if c["pages"]],
    )
    _print_rows(
        "Where the judge's evidence opens tickets only:",
        ("channel", "regime", "reason"),
        [(c["channel"], c["regime"] or "-", c["why"]) for c in every if not c["pages"]],
    )
    alike: dict[str, list[str]] = {}
    for c in model["channels"]:
        alike.setdefault(_thresholds(c), []).append(c["channel"])
    _print_rows(
        "Ticket thresholds (effect: the smallest change that matters to you; noise: what chance reaches in a window):",
        ("thresholds", "channels"),
        [(limits, ", ".join(names)) for limits, names in alike.items()],
    )


def _print_rows(title: str, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    if rows:
        output.print_line(f"  {title}")
        output.print_table(header, rows, indent=4)


def _paging(c: Mapping[str, Any]) -> tuple[str, ...]:
    apart, a = duration(c["seconds_to_a_false_page"]), c["events_to_a_false_page"]
    finds = "; ".join(_finds(c["finds"])) or f"unknown ({c['unknown']})"
    return c["channel"], c["regime"], apart if isnan(a) else f"{apart} (A = {a:.2g} events)", finds


def _finds(found: list[Mapping[str, Any]]) -> Iterator[str]:
    """``a shift of 0.21 standard deviations within 30 minutes, 0.06 within 1 day``."""
    groups: dict[tuple[str, str | None], list[Mapping[str, Any]]] = {}
    for find in found:
        groups.setdefault((find["change"], find["value"]), []).append(find)
    for (change, value), mine in groups.items():
        if change == "shift":
            sizes = [f"{f['least']:.2g}" for f in mine]
            text = f"a shift of {sizes[0]} standard deviations"
        else:
            sizes = [f"{100 * f['least']:.2g}" for f in mine]
            text = f"{value} up by {sizes[0]} {plural('point', float(sizes[0]))}"
        spans = [duration(f["within_seconds"]) for f in mine]
        later = [f", {size} within {span}" for size, span in zip(sizes[1:], spans[1:], strict=True)]
        yield f"{text} within {spans[0]}{''.join(later)}"


def _thresholds(c: Mapping[str, Any]) -> str:
    parts = [f"{t['detector']} {t['threshold']:.2g} ({t['from']})" for t in c["thresholds"]]
    parts += [f"{d['detector']} ({'page' if d['pages'] else 'ticket'}, from the budget)" for d in c["every_value"]]
    return ", ".join(parts) or "none"
