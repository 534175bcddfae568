"""References as tables and as data: what one is, its channels, and the profile of a new one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from math import isnan
from typing import TYPE_CHECKING, Any

from driftd.cli.output import print_line, print_table
from driftd.core.text import clean, minute

if TYPE_CHECKING:
    from driftd.core.reference import Reference
    from driftd.replay.drivers import Built


def fields(of: Reference) -> dict[str, Any]:
    """What a reference is and where it came from."""
    return {
        "model": of.model,
        "version": of.version,
        "kind": of.kind.value,
        "id": of.id,
        "events": of.summary.events,
        "channels": len(of.channels),
        "first": of.first,
        "last": of.last,
        "created_by": of.created_by,
        "source": of.source,
        "reason": of.reason,
        "excluded": [{"from": e.start, "to": e.end, "why": e.why} for e in of.excluded],
    }


def print_list(references: Sequence[Reference]) -> None:
    if not references:
        print_line("No references yet. driftd learns one for each model, or build one: driftd reference build")
        return
    print_table(
        ("model", "version", "kind", "events", "channels", "from (UTC)", "to (UTC)", "made by", "source", "reason"),
        [
            (
                r.model,
                f"v{r.version}",
                r.kind.value,
                f"{r.summary.events:,}",
                str(len(r.channels)),
                minute(r.first),
                minute(r.last),
                *(text or "-" for text in (r.created_by, r.source, r.reason)),
            )
            for r in references
        ],
    )


def channel_fields(of: Reference) -> dict[str, Any]:
    """The shares of each channel's bins, and the natural variation of those where it is known."""
    from driftd.learn.variation import MEASURED  # noqa: PLC0415

    own = {channel.name: natural_psi(of, row) for row, channel in enumerate(of.channels)}
    return {
        "bins": {channel.name: shares(of, row) for row, channel in enumerate(of.channels)},
        "natural_psi": {name: dict(zip(MEASURED, psi, strict=True)) for name, psi in own.items() if psi},
    }


def print_channels(of: Reference) -> None:
    from driftd.learn.profile import LARGEST, MEDIAN  # noqa: PLC0415

    rows = []
    for row, channel in enumerate(of.channels):
        counts, psi = of.summary.counts[row], natural_psi(of, row)
        bins = ", ".join(f"{label} {share:.1%}" for label, share in shares(of, row).items())
        missing = f"{int(counts[0]) / max(int(counts.sum()), 1):.1%}"
        spread = f"{psi[MEDIAN]:.2g} to {psi[LARGEST]:.2g}" if psi else "-"
        rows.append((channel.name, channel.kind.value, missing, spread, bins))
    print_table(("channel", "type", "missing", "natural PSI", "share of events per bin"), rows)


def shares(of: Reference, row: int) -> dict[str, float]:
    """Bin to share of the channel's events; empty bins are left out."""
    from driftd.core.summary import FIRST_VALUE  # noqa: PLC0415

    counts, bins = of.summary.counts[row], of.bins[row]
    total = max(int(counts.sum()), 1)
    values = counts[FIRST_VALUE : bins.used].tolist()
    return {label: count / total for label, count in zip(bins.labels, values, strict=True) if count}


def natural_psi(of: Reference, row: int) -> list[float]:
    """As learn.variation.MEASURED has it; empty where it is not known."""
    own = of.natural["psi"][row].tolist() if "psi" in of.natural else []
    return [] if any(map(isnan, own)) else own


def profile_fields(built: Built) -> dict[str, Any]:
    """A new reference and what was found in its events."""
    from driftd.learn.profile import as_data  # noqa: PLC0415
    from driftd.monitor.reach import unseen_times  # noqa: PLC0415

    return {
        **fields(built.reference),
        **as_data(built.profile, built.reference),
        "seen": [
            {"channel": name, "regime": regime, "why": why, "pages": pages, "rhythm": rhythm, "natural_psi": psi}
            for name, regime, why, pages, rhythm, psi in _profiled(built)
        ],
        "refused": [asdict(f) for f in built.refused],
        "unseen": list(unseen_times(built.reference)),
        "remarks": _remarks(built.reference),
    }


def print_profile(built: Built) -> None:
    from driftd.cli.reach import unseen  # noqa: PLC0415
    from driftd.learn.profile import in_words  # noqa: PLC0415
    from driftd.monitor.reach import unseen_times  # noqa: PLC0415

    times = unseen_times(built.reference)
    print_line(f"{clean(built.reference.model)}:", "bold")
    for text in (
        *in_words(built.profile, built.reference),
        *([unseen(times)] * bool(times)),
        *_remarks(built.reference),
    ):
        print_line(f"  {text}")
    print_line()
    print_table(
        ("channel", "regime", "rhythm", "pages", "natural PSI: median", "largest", "same hours: median", "largest"),
        [
            (
                name,
                regime or "-",
                rhythm or "-",
                "yes" if pages else "no",
                *("-" if isnan(x) else f"{x:.3g}" for x in psi.values()),
            )
            for name, regime, _, pages, rhythm, psi in _profiled(built)
        ],
        indent=2,
    )


def _profiled(built: Built) -> Iterator[tuple[str, str, str, bool, str, dict[str, float]]]:
    """Of each channel: name, regime, why, whether it pages, its rhythm, and the PSI of the reference's own windows."""
    from driftd.learn.profile import LARGEST, MEDIAN  # noqa: PLC0415

    found = built.profile
    for row, channel in enumerate(built.reference.channels):
        numbers = [
            float("nan") if table is None else float(table[row, column])
            for table in (found.whole, found.hours)
            for column in (MEDIAN, LARGEST)
        ]
        rhythm = " and ".join(name for name, has in (("daily", found.daily), ("weekly", found.weekly)) if has[row])
        psi = dict(zip(("median", "largest", "hours_median", "hours_largest"), numbers, strict=True))
        yield channel.name, found.regime[row], found.why[row], found.pages[row], rhythm, psi


def _remarks(reference: Reference) -> list[str]:
    """With what is wrong with the times of all of its events."""
    from driftd.learn.remarks import remarks, strange_times  # noqa: PLC0415

    return [*dict.fromkeys((*remarks(reference), *strange_times(reference.first, reference.last)))]
