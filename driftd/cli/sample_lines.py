"""What `driftd check --sample` prints: the events as a table, what could not be used, and a mapping to write down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from driftd.cli.output import print_line, print_table
from driftd.core.text import clean, plural

SHOWN_FEATURES: Final = 8
_CELL: Final = 60
_NO_OBJECT: Final = frozenset({"not_json", "not_utf8", "not_an_event", "empty"})
_SAID: Final = frozenset({"not_finite", "too_large", "undecodable", "unknown_schema", "bad_envelope"})
"""Reasons that no mapping changes, and that say themselves what to do."""


def print_sample(report: Mapping[str, Any], what: str) -> None:
    from driftd.config.yamlfile import flow  # noqa: PLC0415
    from driftd.core.text import minute  # noqa: PLC0415
    from driftd.decode.mapping.frames import with_article  # noqa: PLC0415

    received = report["received"]
    print_line(
        f"Sample of {clean(what)}: {received} {plural('event', received)}, {report['accepted']} can be used", "bold"
    )
    if report["frame"]:
        print_line(f"  Framed by {with_article(report['frame'])}.", "red")
    for line in report["advice"]:
        print_line(f"  {clean(line, 600)}")
    if report["events"]:
        plain = {"offset", "time", "model", "features"}
        columns = list(dict.fromkeys(name for e in report["events"] for name in e if name not in plain))
        rows = [
            (
                str(_counted(e["offset"], report["unit"])),
                f"{minute(e['time'])} UTC",
                clean(e["model"], _CELL),
                *(_cell(e.get(name)) for name in columns),
                _features(e["features"]),
            )
            for e in report["events"]
        ]
        print_table((report["unit"], "time", "model", *columns, "features"), rows, indent=2)
        _print_models(report["models"])
    proposal, unusable = report["proposal"], report["unusable"]
    as_what_it_is_not = unusable or report["frame"] or (proposal is not None and proposal["new_format"])
    if not report["guess"] and (report["accepted"] or not as_what_it_is_not):
        better = proposal is not None or report["advice"]
        _print_unused(report, report["unit"], hints=bool(report["accepted"]) or not better)
    _print_kinds(report["kinds"])
    if report["waiting"]:
        print_line(f"  {report['waiting']} {plural('record', report['waiting'])} without the other half of the call")
    for name, value in report["numbers_as_text"].items() if proposal is None else ():
        print_line(f"  {numbers_as_text(name, value)}")
    if old := report["before_2000"]:
        are = "event is" if old == 1 else "events are"
        print_line(f"  {old} {are} of before the year 2000: is the unit of the time right?")
    for name, reads in report["unread"].items():
        cure = f"; mapping: {flow(reads)} in driftd.yaml would read it" if reads else ""
        print_line(f"  {clean(name)} is no field of an event and not read{cure}")
    _print_proposal(report)


def _print_kinds(kinds: Sequence[Mapping[str, Any]]) -> None:
    """Records of several shapes, of which a mapping reads one."""
    from driftd.config.yamlfile import flow  # noqa: PLC0415

    if kinds:
        print_line(f"  Records of {len(kinds)} shapes, and a topic has one mapping: others are rejected and counted.")
    for kind in kinds:
        names = clean(", ".join(kind["names"][:SHOWN_FEATURES]), 200) or "members that differ"
        used = f"{kind['used']} used" if kind["used"] else "none used"
        line = f"    {kind['records']} with {names}: {used}"
        if kind["mapping"] is not None:
            line += f"; on a topic of their own `mapping: {flow(kind['mapping'])}` reads them"
        print_line(line)
    if joined := next((kind["joined_by"] for kind in kinds if kind["joined_by"] and not kind["used"]), None):
        print_line(
            f"  `{clean(joined)}` is the same in two shapes, as of requests and answers. A mapping joins none: the "
            "producer has to send one record for a prediction; labels may come alone."
        )


def numbers_as_text(name: str, value: str) -> str:
    """``value`` is one of them; "" where it is not to be seen."""
    such = f' ("{clean(value, _CELL)}")' * bool(value)
    return f"{clean(name, _CELL)}: numbers as text{such} are categories: have the producer send numbers"


def _print_models(models: Mapping[str, int]) -> None:
    if len(models) > 1:
        shown = [f"{clean(name, 40)} {n}" for name, n in [*models.items()][:SHOWN_FEATURES]]
        more = f" and {len(models) - SHOWN_FEATURES} more" if len(models) > SHOWN_FEATURES else ""
        print_line(f"  {len(models)} models: {', '.join(shown)}{more}")


def _counted(offset: int, unit: str) -> int:
    """Of a file as editors count: from 1."""
    return offset if unit == "offset" else offset + 1


def _print_unused(report: Mapping[str, Any], unit: str, *, hints: bool = True) -> None:
    """What is rejected, dropped or refused, and why; a hint cures one field, and no record where others are wrong."""
    for r in report["rejected"]:
        at = f"{unit} {_counted(r['offset'], unit)}"
        print_line(f"  {r['count']} rejected ({r['reason']}), first at {at}: {clean(r['detail'], 200)}", "red")
        if r["hint"] and hints:
            print_line(f"    {clean(r['hint'], 200)}")
    left = sum(report["rejected_by_reason"].values()) - sum(r["count"] for r in report["rejected"])
    if left:
        print_line(f"  {left} more rejected, each for something else", "red")
    for reason, n in report["dropped"].items():
        print_line(f"  {n} not used ({reason})")
    for r in report["refused_values"]:
        many = f"{r['count']} {plural('value', r['count'])} refused"
        print_line(f"  {many}: {clean(r['model'])}: {clean(r['feature'])}: {clean(r['detail'], 200)}")


def _print_proposal(report: Mapping[str, Any]) -> None:
    from driftd.config.yamlfile import flow  # noqa: PLC0415

    if (proposal := report["proposal"]) is None:
        _print_none(report)
        return
    print_line()
    print_line(f"{_recognised(proposal)}{_would(proposal)}:", "bold")
    print_line()
    if registry := proposal["schema_registry"]:
        print_line(f"schema_registry: {flow(registry)}")
    for line in yaml_of(proposal["mapping"]):
        print_line(line)
    if len(proposal["models"]) > 1:
        print_line()
        _print_models(proposal["models"])
    if any(proposal["left"].values()):
        print_line()
        print_line("Not used with it:")
        _print_unused(proposal["left"], report["unit"])
    _print_remarks(proposal["remarks"])


def _would(proposal: Mapping[str, Any]) -> str:
    """How much of the sample a proposal makes usable; a file has no times but those in its records."""
    usable = f"{proposal['would_accept']} of {proposal['of']} could be used"
    if not proposal["of"]:
        waiting = proposal["waiting"]
        usable = f"{waiting} {plural('record', waiting)} would be known, without the other half of the call"
    elif proposal["of_file"] < proposal["would_accept"]:
        return f"With this in driftd.yaml {usable} on a topic, and {proposal['of_file']} of this file for want of times"
    return f"With this in driftd.yaml {usable}"


def _print_none(report: Mapping[str, Any]) -> None:
    """Why nothing is proposed."""
    if report["guess"]:
        print_line(f"  {report['guess']}")
    if unusable := report["unusable"]:
        print_line()
        print_line(f"{_recognised(unusable)}0 of {unusable['of']} could be used:", "bold")
        _print_unused(unusable["left"], report["unit"])
        _print_remarks(unusable["remarks"])
    elif report["on_topic"] > report["accepted"]:
        usable, received = report["on_topic"], report["received"]
        print_line(f"  With the time that a topic gives its records {usable} of {received} can be used.")
    elif not report["guess"] and not report["advice"] and not report["accepted"] and report["received"]:
        if report["rejected_by_reason"].keys() <= _NO_OBJECT:
            print_line(
                "  None of these records is a JSON object, or of a format that driftd knows; see docs/events.md."
            )
        elif not report["rejected_by_reason"].keys() <= _SAID:
            print_line("  No mapping that driftd knows of would make events of these records; see docs/events.md.")


def _recognised(found: Mapping[str, Any]) -> str:
    return f"Recognised: {', '.join(found['recognised'])}. " if found["recognised"] else ""


def _print_remarks(remarks: Sequence[str]) -> None:
    if remarks:
        print_line()
    for remark in remarks:
        print_line(f"Note: {clean(remark, 300)}.")


def yaml_of(mapping: Mapping[str, Any]) -> Iterator[str]:
    """The block for driftd.yaml."""
    from driftd.config.yamlfile import flow  # noqa: PLC0415

    yield "mapping:"
    for key, value in mapping.items():
        yield f"  {key}: {flow(value)}"


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:g}" if isinstance(value, float) else clean(str(value), _CELL)


def _features(features: Mapping[str, Any]) -> str:
    shown = [f"{clean(name, 40)}={_cell(value)}" for name, value in [*features.items()][:SHOWN_FEATURES]]
    more = f" and {len(features) - SHOWN_FEATURES} more" if len(features) > SHOWN_FEATURES else ""
    return ", ".join(shown) + more
