"""Charts as SVG: real scales, round ticks with units, marks at the data; the text never scales, colour is never alone.

x is in percent of the width and y in pixels, so one copy serves 320 to 1920 px without script. Lines and areas lie in
an inner picture, 1000 wide, that is stretched.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from markupsafe import Markup

from driftd.web.format import number, share
from driftd.web.scales import Axis, Floats, Span


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """Values over times; ``css``: l-ink, l-soft, l-now or l-ref. ``gap``: seconds from which on it is broken."""

    times: Floats
    values: Floats
    css: str = "l-ink"
    gap: float = math.inf


@dataclass(frozen=True, slots=True, eq=False)
class Band:
    times: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment, with a word beside it; ``css``: cp for a change point."""

    time: float
    label: str
    css: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TimeChart:
    """``title`` with its ``unit``; ``said``: what a screen reader says; ``last``: the last value, written at its end.
    ``limits`` are (value, label, css) across all of it.
    """

    title: str
    unit: str
    said: str
    span: Span
    lines: Sequence[Line]
    band: Band | None = None
    marks: Sequence[Mark] = ()
    last: str = ""
    height: int = 120
    shares: bool = False
    from_zero: bool = False
    limits: Sequence[tuple[float, str, str]] = field(default_factory=tuple)

    @property
    def empty(self) -> bool:
        return not any(np.isfinite(line.values).any() for line in self.lines if line.css != "l-ref")

    def svg_with_caption(self) -> Markup:
        """As a figure: the title and unit, then the picture."""
        room = room_for(map(self._spell, self._axis.ticks()))
        return Markup(
            '<figure><figcaption><b>{}</b> <span class="unit">{}</span></figcaption>'
            '<div class="plot{}">{}</div></figure>'
        ).format(self.title, self.unit, room, self.svg())

    @property
    def _spell(self) -> Callable[[float], str]:
        return share if self.shares else number

    @property
    def _axis(self) -> Axis:
        shown = [line.values for line in self.lines]
        shown += [np.array([v]) for v, _, _ in self.limits]
        if self.band is not None:
            shown += [self.band.low, self.band.high]
        return Axis.of(shown, from_zero=self.shares or self.from_zero, most=1.0 if self.shares else math.inf)

    def svg(self) -> Markup:
        axis, high = self._axis, self.height
        out = [y_axis(axis, high, self._spell), _x_axis(self.span, high)]
        out.append(stretched(high))
        if self.band is not None:
            out.append(self._band(axis))
        for line in self.lines:
            path = _path(self.span.place(line.times), axis.place(line.values), high, line.times, line.gap)
            if path:
                out.append(Markup('<path class="{}" d="{}"/>').format(line.css, path))
        out.append(Markup("</svg>"))
        last = self._last_place(axis) if self.last else None
        out.extend(self._limits(axis, last))
        out.extend(self._marks())
        if last is not None:
            out.append(self._last(*last))
        return svg(high, self.said, out)

    def _band(self, axis: Axis) -> Markup:
        band, high = self.band, self.height
        assert band is not None
        known = np.isfinite(band.low) & np.isfinite(band.high)
        x = self.span.place(band.times[known]) * 1000
        upper, lower = ((1 - axis.place(v[known])) * high for v in (band.high, band.low))
        points = [
            *zip(x.tolist(), upper.tolist(), strict=True),
            *reversed([*zip(x.tolist(), lower.tolist(), strict=True)]),
        ]
        d = " ".join(f"{a:.1f} {b:.1f}" for a, b in points)
        return Markup('<path class="band" d="M{}Z"/>').format(d) if d else Markup()

    def _marks(self) -> Iterator[Markup]:
        """Those that are near each other have their words one below the other."""
        taken = list[tuple[int, float, float]]()
        for mark in self.marks:
            place = float(self.span.place(np.array([mark.time]))[0])
            if not 0 <= place <= 1:
                continue
            css = f"mark {mark.css}".strip()
            yield Markup('<line class="{0}" x1="{1:.2f}%" x2="{1:.2f}%" y1="-6" y2="{2}"/>').format(
                css, place * 100, self.height
            )
            if mark.label:
                left, at, wide = place > 0.6, place * NARROW, pixels(mark.label) + 6
                start, end = (at - wide, at) if left else (at, at + wide)
                meets = {row for row, a, b in taken if start < b and a < end}
                row = next((row for row in range(MOST_ROWS) if row not in meets), MOST_ROWS - 1)
                taken.append((row, start, end))
                lab, anchor = "lab now" if mark.css == "cp" else "lab", "end" if left else "start"
                yield text(f"{place:.2%}", 6 + ROW * row, mark.label, lab, dx=-6 if left else 6, anchor=anchor)

    def _limits(self, axis: Axis, last: tuple[float, float] | None) -> Iterator[Markup]:
        """Lines across all of it, each with its label: above it, else below, but never over another label."""
        taken = list[float]()
        for value, label, css in sorted(self.limits, key=lambda limit: -limit[0]):
            y = self.height - float(axis.place(np.array([value]))[0]) * self.height
            meets = last is not None and last[0] * NARROW - pixels(self.last) < pixels(label) + TOP
            others = [*taken, last[1]] if meets and last is not None else taken
            places = [y - 4, y + TOP, y + 2 * TOP] if y >= TOP else [y + TOP, y + 2 * TOP, y + 3 * TOP]
            free = (at for at in places if all(abs(at - other) >= TOP - 1 for other in others))
            taken.append(next(free, places[-1]))
            yield Markup('<line class="th-{0}" x1="0" x2="100%" y1="{1:.1f}" y2="{1:.1f}"/>').format(css, y) + text(
                "0%", taken[-1], label, f"lab {css}", dx=4
            )

    def _last_place(self, axis: Axis) -> tuple[float, float] | None:
        """Where the last value is written: at the end of the line, under it where it is high up."""
        line = self.lines[-1]
        known = np.flatnonzero(~np.isnan(line.values))
        if not len(known):
            return None
        x = float(self.span.place(line.times[known[-1:]])[0])
        y = self.height - float(axis.place(line.values[known[-1:]])[0]) * self.height
        return x, y + 17 if y < 24 else y - 7

    def _last(self, x: float, y: float) -> Markup:
        left = x > 0.5
        css = "lab now" if self.lines[-1].css == "l-now" else "lab"
        return text(f"{x:.2%}", y, self.last, css, dx=-2 if left else 4, anchor="end" if left else "start")


def pixels(label: str) -> int:
    """About how wide a label of a chart is: of 12 pixels' type, whose digits are 7 wide."""
    return sum(4 if c in ",. " else 7 for c in label)


def room_for(labels: Iterable[str]) -> str:
    """The class of a picture whose labels of y need more room than is left for most (driftd.css)."""
    most = max(map(pixels, labels), default=0)
    return "" if most <= ROOM else " y-long" if most <= LONG else " y-longer"


def stretched(height: int) -> Markup:
    """The beginning of an inner picture whose lines are 1000 wide."""
    return Markup('<svg width="100%" height="{0}" viewBox="0 0 1000 {0}" preserveAspectRatio="none">').format(height)


def svg(height: int, said: str, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg height="{}" role="img" aria-label="{}">').format(height, said)
    return head + Markup().join(parts) + Markup("</svg>")


def text(x: str, y: float, text: str, css: str = "", *, dx: float = 0, anchor: str = "start") -> Markup:
    attributes = Markup(' class="{}"').format(css) if css else Markup()
    return Markup('<text{} x="{}" y="{:.1f}" dx="{:g}" text-anchor="{}">{}</text>').format(
        attributes, x, y, dx, anchor, text
    )


def y_axis(axis: Axis, high: int, spell: Callable[[float], str]) -> Markup:
    out = []
    for tick in axis.ticks():
        y = high - float(axis.place(np.array([tick]))[0]) * high
        out.append(
            Markup(
                '<line class="grid" x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/>'
                '<text x="-6" y="{0:.1f}" dy=".35em" text-anchor="end">{1}</text>'
            ).format(y, spell(tick))
        )
    return Markup().join(out)


def _x_axis(span: Span, high: int) -> Markup:
    out = [Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(high)]
    ticks = span.ticks()
    for i, (time, label) in enumerate(ticks):
        place = float(span.place(np.array([time]))[0])
        anchor = "start" if place < 0.03 else "end" if place > 0.97 else "middle"
        css = Markup(' class="opt"') if i % 2 == 0 and len(ticks) > 3 else Markup()
        out.append(
            Markup('<line class="axis" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="{2}"/>').format(
                place * 100, high, high + 4
            )
            + Markup('<text{0} x="{1:.2f}%" y="{2}" text-anchor="{3}">{4}</text>').format(
                css, place * 100, high + 17, anchor, label
            )
        )
    return Markup().join(out)


def _path(x: Floats, y: Floats, high: float, times: Floats, gap: float) -> str:
    """Where values are unknown, or far apart, the line is broken; one alone is a dot."""
    known = np.flatnonzero(~np.isnan(y) & (x >= -0.02) & (x <= 1.02))
    if not len(known):
        return ""
    breaks = np.flatnonzero((np.diff(known) > 1) | (np.diff(times[known]) > gap)) + 1
    out = []
    for part in np.split(known, breaks):
        both = np.column_stack([x[part] * 1000, (1 - y[part]) * high]).ravel()
        points = ("%.1f " * len(both))[:-1] % tuple(both.tolist())
        out.append(f"M{points}" + ("h.1" if len(part) == 1 else ""))
    return "".join(out)


SPARK_GAP: Final = 3.1 / 48
"""Part of its span after which a small line is broken: three of its pieces."""


def spark(
    times: Floats,
    values: Floats,
    span: Span,
    said: str,
    *,
    since: float | None = None,
    css: str = "page",
    axis: Axis | None = None,
    ticket: float | None = None,
) -> Markup:
    """A small line; since the change in the colour of ``css``, with a dot at its end. ``axis``: None for one of its
    own; ``ticket``: where a dashed line stands.
    """
    known = np.isfinite(values)
    if not known.any():
        return Markup('<span class="soft small">no values yet</span>')
    times, values = times[known], values[known]
    if axis is None:
        low, high = float(values.min()), float(values.max())
        room = (high - low) * 0.1 or abs(high) * 0.5 or 1.0
        axis = Axis(low - room, high + room)
    x, y = span.place(times), axis.place(values)
    gap = SPARK_GAP * (span.end - span.start)
    out = [f'<path class="l" d="{_path(x, y, 28, times, gap)}"/>']
    if ticket is not None:
        high = (1 - float(axis.place(np.array([ticket]))[0])) * 28
        out.insert(0, f'<path class="t-ticket" d="M0 {high:.1f}H1000"/>')
    last = np.flatnonzero(~np.isnan(y))[-1:]
    tone = "dot"
    if since is not None:
        hot = np.where(times >= since - gap / 3, y, np.nan)
        out.append(f'<path class="hot-{css}" d="{_path(x, hot, 28, times, gap)}"/>')
        tone = f"dot-{css}"
    if len(last):
        at, high = float(x[last[0]]) * 1000, (1 - float(y[last[0]])) * 28
        out.append(f'<path class="{tone}" d="M{at:.1f} {high:.1f}h.1"/>')
    head = '<svg class="spark" viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" aria-label="{}">'
    # a page has hundreds: numbers and classes of ours need no escape
    return Markup(head).format(said) + Markup(f"{''.join(out)}</svg>")  # noqa: S704


ROOM: Final = 36
"""Pixels that labels of y have on a phone: the padding of .plot there, without the gap."""
LONG: Final = 66
"""The same of .y-long; .y-longer has 100, and no number is longer (format.number)."""
TOP: Final = 13
"""Pixels that a label needs above its line; without them it stands below."""
ROW: Final = 14
"""Height of a line of words."""
MOST_ROWS: Final = 4
"""Lines of words beside marks."""
NARROW: Final = 280
"""Pixels that a chart is wide on a phone of 390."""
BULLET: Final = Axis(0.01, 100.0, log=True)


def bullet(ratio: float | None, said: str, css: str = "") -> Markup:
    """How large something is over what counts (the tick in the middle), from a hundredth to a hundred times."""
    if ratio is None:
        return Markup('<span class="soft">-</span>')
    wide = float(BULLET.place(np.array([max(ratio, 0.0)]))[0]) * 100
    return Markup(
        '<svg class="bullet" role="img" aria-label="{}"><rect class="track" width="100%" y="3" height="10"/>'
        '<rect class="v{}" width="{:.1f}%" y="5" height="6"/>'
        '<line class="k-{}" x1="50%" x2="50%" y1="0" y2="16"/></svg>'
    ).format(said, f" v-{css}" if css else "", wide, css or "ref")


def pair(before: float, after: float, most: float, said: str) -> Markup:
    """Two bars, usual above now, of shares up to ``most``."""
    a, b = (0.0 if math.isnan(x) else 100 * x / max(most, 1e-12) for x in (before, after))
    return Markup(
        '<svg class="pair" role="img" aria-label="{}"><rect class="p-ref" width="{:.1f}%" y="1" height="6"/>'
        '<rect class="p-now" width="{:.1f}%" y="9" height="6"/></svg>'
    ).format(said, a, b)
