"""What a configuration can see, as `driftd check` tells it: the certificate, windows, thresholds, smallest changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any

from driftd.cli import findings, output
from driftd.cli.findings import duration

if TYPE_CHECKING:
    from driftd.judge.budget import Certificate
    from driftd.monitor.sensitivity import ChannelSensitivity, ModelSensitivity


def certificate(promise: Certificate) -> dict[str, Any]:
    """What is promised about pages of all models that have a reference."""
    return {
        "false_alarms_per_month": promise.budget,
        "models_sharing": promise.models,
        "channels": promise.channels,
        "paging": promise.paging,
        "tickets_only": promise.tickets,
        "expected_false_pages_per_month_at_most": promise.bound,
        "least_events_to_a_false_page": _finite(promise.least),
        "shortest_reference_seconds": _finite(promise.shortest_span_seconds),
        "models_without_a_judge": list(promise.unjudged),
    }


def window(sight: ModelSensitivity | None) -> dict[str, Any] | None:
    """The window at the reference's rate; None without a reference."""
    if sight is None:
        return None
    return {
        "seconds": sight.window_seconds,
        "events": sight.window_events,
        "judged_every_seconds": sight.hop_seconds,
        "events_per_second": sight.events_a_second,
    }


def joint(sight: ModelSensitivity | None) -> dict[str, Any] | None:
    """How channels move together, in the fields of a channel; None where nobody looks."""
    if sight is None or not sight.channels or sight.channels[-1].channel != "*":
        return None
    return {"channel": "*", **channel(sight.channels[-1])}


def channel(sight: ChannelSensitivity) -> dict[str, Any]:
    """One channel; null where nothing is known."""
    return {
        "regime": sight.regime or None,
        "pages": sight.pages,
        "why": sight.why,
        "events_to_a_false_page": _finite(sight.a),
        "seconds_to_a_false_page": _finite(sight.apart_seconds),
        "window_events": sight.events,
        "finds": [
            {
                "change": f.kind,
                "value": f.value or None,
                "least": f.least,
                "unit": "standard deviations" if f.kind == "shift" else "share",
                "within_seconds": f.within_seconds,
                "events": f.events,
            }
            for f in sight.finds
        ],
        "unknown": sight.unknown or None,
        "thresholds": [
            {"detector": t.detector, "threshold": t.threshold, "effect": t.effect, "noise": t.noise, "from": t.source}
            for t in sight.thresholds
        ],
        "every_value": [{"detector": kind, "pages": pages} for kind, pages in sight.sequential],
    }


def _finite(value: float) -> float | None:
    return value if isfinite(value) else None


def print_certificate(promise: Mapping[str, Any]) -> None:
    budget, models = promise["false_alarms_per_month"], promise["models_sharing"]
    shared = f", shared by {models:,} models (those that may still be discovered have their part)" if models > 1 else ""
    output.line(f"Certificate: a budget of {budget:g} false {findings.plural('page', budget)} a month{shared}", "bold")
    if not promise["channels"]:
        output.line("  Nothing is promised before a reference is known: until then nothing pages.")
        return
    bound = promise["expected_false_pages_per_month_at_most"]
    output.line(
        f"  {promise['paging']} of {promise['channels']} channels page; {promise['tickets_only']} make tickets only. "
        f"False pages to expect: {bound:.2g} a month at most."
    )
    span = promise["shortest_reference_seconds"]
    if span is not None:
        output.line(
            f"  It rests on events being as independent as they were in the references, the shortest of which spans "
            f"{duration(span)}: what is rarer than that nobody has seen."
        )
    for model in promise["models_without_a_judge"]:
        output.line(
            f"  {output.clean(model)}: its reference has no judge; build a new one with 'driftd reference build'."
        )


def print_channels(model: Mapping[str, Any]) -> None:
    window = model["window"]
    rate = window["events_per_second"]
    output.line(
        f"  window: {duration(window['seconds'])}, {window['events']:,} events at the reference's rate "
        f"({rate * 86400:,.0f} a day); judged every {duration(window['judged_every_seconds'])}"
    )
    every = [*model["channels"], *([model["joint"]] if model["joint"] else [])]
    paging, others = [c for c in every if c["pages"]], [c for c in every if not c["pages"]]
    if paging:
        output.line("  These page:")
        header = ("channel", "regime", "one false page in", "finds 9 times in 10")
        output.table(header, map(_paging, paging), indent=4)
    if others:
        output.line("  These make tickets only:")
        output.table(
            ("channel", "regime", "why"), ((c["channel"], c["regime"] or "-", c["why"]) for c in others), indent=4
        )
    output.line(
        "  A ticket is made above (effect: what you said matters; noise: what chance explains in such a window):"
    )
    alike: dict[str, list[str]] = {}
    for c in model["channels"]:
        alike.setdefault(_thresholds(c), []).append(c["channel"])
    output.table(("thresholds", "channels"), ((limits, ", ".join(names)) for limits, names in alike.items()), indent=4)


def _paging(c: Mapping[str, Any]) -> tuple[str, ...]:
    apart = "-" if c["seconds_to_a_false_page"] is None else duration(c["seconds_to_a_false_page"])
    events = "" if c["events_to_a_false_page"] is None else f" (A = {c['events_to_a_false_page']:.2g} events)"
    finds = "; ".join(_finds(c["finds"])) or f"not known ({c['unknown']})"
    return c["channel"], c["regime"], apart + events, finds


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
            text = f"{value} up by {sizes[0]} {findings.plural('point', float(sizes[0]))}"
        spans = [duration(f["within_seconds"]) for f in mine]
        later = [f", {size} within {span}" for size, span in zip(sizes[1:], spans[1:], strict=True)]
        yield f"{text} within {spans[0]}{''.join(later)}"


def _thresholds(c: Mapping[str, Any]) -> str:
    parts = [f"{t['detector']} {t['threshold']:.2g} ({t['from']})" for t in c["thresholds"]]
    parts += [f"{d['detector']} ({'pages' if d['pages'] else 'tickets'}, by the budget)" for d in c["every_value"]]
    return ", ".join(parts) or "none"


__all__ = ["certificate", "channel", "print_certificate", "print_channels", "window"]
