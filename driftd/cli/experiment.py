"""`driftd experiment`: what a running driftd says of experiments, by the JSON API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from driftd.cli import options
from driftd.cli.ask import address, asked
from driftd.cli.output import print_json, print_line
from driftd.core.text import clean


@click.group(
    epilog=options.examples(
        ("driftd experiment status", "who is worse, better, or not known yet"),
        ("driftd experiment report fraud-v8", "all of one, to be kept"),
    )
)
def experiment() -> None:
    """Say how variants of a model compare (docs/experiments.md)."""


@experiment.command(
    epilog=options.examples(
        ("driftd experiment status", "one line an experiment, those that need somebody first"),
        ("driftd experiment status fraud-v8", "and one for each challenger and metric"),
    )
)
@click.argument("name", required=False)
@address
@options.output
def status(name: str | None, url: str, output: str) -> None:
    """Say what experiments say by now, or the one called NAME."""
    body = asked(url, "/api/v1/experiments") if name is None else asked(url, "/api/v1/experiment", name=name)
    _print(body, status_lines(body), output)


@experiment.command(
    epilog=options.examples(
        ("driftd experiment report fraud-v8", "its rule, verdicts, intervals, traffic, and what they assume"),
        ("driftd experiment report --output json", "of all experiments, for a script"),
    )
)
@click.argument("name", required=False)
@address
@options.output
def report(name: str | None, url: str, output: str) -> None:
    """Print all that is known of experiments, or of the one called NAME: to be kept when it is over."""
    body = asked(url, "/api/v1/experiments") if name is None else asked(url, "/api/v1/experiment", name=name)
    _print(body, (line for e in _each(body) for line in report_lines(e, body["time"])), output)


def _print(body: Mapping[str, Any], lines: Iterator[str], output: str) -> None:
    if output == "json":
        print_json(body)
        return
    for line in lines:
        print_line(line)


def _each(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [body["experiment"]] if "experiment" in body else body["experiments"]


def status_lines(body: Mapping[str, Any]) -> Iterator[str]:
    found = _each(body)
    if not found:
        yield "No experiments. They are set up in driftd.yaml: experiments."
    for e in found:
        yield f"{_word(e):<9} {clean(e['model'], 60)}: {clean(e['sentence'], 200)}"
        if "experiment" in body:
            yield from _verdicts(e, body["time"])


def report_lines(e: Mapping[str, Any], now: float) -> Iterator[str]:
    from driftd.core.text import when  # noqa: PLC0415

    yield clean(e["sentence"], 200)
    challengers = ", ".join(clean(c, 60) for c in e["challengers"])
    yield f"  model {clean(e['model'], 60)}: {challengers} beside {clean(e['champion'], 60)}, by {clean(e['by'], 20)}"
    if e["since"] is None:
        yield "  no event of any variant yet"
    else:
        yield f"  counted since {when(e['since'], now)}, complete up to {when(e['last'], now)} (UTC)"
    yield f"  the chance that any verdict is wrong, however often one looks: {100 * e['alpha']:g}%"
    named = any(v["units"] for v in e["variants"])
    for v in e["variants"]:
        units, of = (f", {v['units']:,} units", " of the units") if named else ("", "")
        share = f", {100 * v['share']:.3g}%{of}{_wanted(v['wanted'], v['wanted_now'])}"
        if e["shadow"]:
            share = "" if v["name"] == e["champion"] else ", a shadow's"
        yield f"  {clean(v['name'], 40):<20} {v['events']:>12,} events{units}{share}"
    if e["evidence"] is not None:
        since = "" if e["broken_since"] is None else f" since {when(e['broken_since'], now)}"
        said = f"broken{since}" if e["broken"] else "as it is to be"
        yield f"  the split is {said}: evidence {e['evidence']:.3g}, enough is {e['evidence_threshold']:.3g}"
    yield from _verdicts(e, now)
    for remark in e["remarks"]:
        yield f"  {clean(remark, 300)}"


def _wanted(so_far: float | None, now: float | None) -> str:
    """Where shares change, what was to come so far is none of them."""
    far, at = ("" if x is None else f"{100 * x:.3g}%" for x in (so_far, now))
    if not far or not at or far == at:
        return f", to get {far or at}" if far or at else ""
    return f", to get {far} so far and {at} now"


def _verdicts(e: Mapping[str, Any], now: float) -> Iterator[str]:
    from driftd.core.text import when  # noqa: PLC0415

    for c in e["comparisons"]:
        since = "" if c["verdict_since"] is None else f"; since {when(c['verdict_since'], now)}"
        yield f"  {c['role']:<10} {clean(c['sentence'], 300)}{since}"


def _word(e: Mapping[str, Any]) -> str:
    if any(c["code"] < 0 for c in e["comparisons"]):
        return "WORSE"
    return "SPLIT" if e["broken"] else "PROMOTE" if e["promote"] else "NOT YET"
