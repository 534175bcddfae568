"""Reference and now beside each other: shares of the events on the same bars."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from markupsafe import Markup

from driftd.web.chart import pixels, stretched, svg, text, y_axis
from driftd.web.format import number, share
from driftd.web.scales import Axis, Floats

PHONE: Final = 280
"""Pixels that it is wide on a phone of 390, and in a column of a narrow desk DESK."""
DESK: Final = 420
GAP: Final = 8
"""Pixels between two labels."""


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Shares of the events, reference and now, on the same bars. ``edges`` float64[n + 1] of the bars, or ``labels``
    [n] of bars that stand for one value each; ``apart`` are (label, reference, now) at the right: missing, beyond.
    """

    unit: str
    said: str
    reference: Floats
    now: Floats
    edges: Floats | None = None
    labels: Sequence[str] = ()
    log: bool = False
    apart: Sequence[tuple[str, float, float]] = ()
    medians: tuple[float, float] = (math.nan, math.nan)
    height: int = 170

    def svg(self) -> Markup:
        n, high = len(self.reference), self.height
        room = 0.78 if self.apart else 1.0
        shown = [self.reference, self.now, *(np.array(a[1:], np.float64) for a in self.apart)]
        axis = Axis.of(shown, from_zero=True, most=1.0)
        out = [
            y_axis(axis, high, share),
            Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(high),
        ]
        places = [i / n * room for i in range(n + 1)]
        out.append(stretched(high))
        for values, css in ((self.reference, "a-ref"), (self.now, "a-now")):
            tops = ((1 - axis.place(values)) * high).tolist()
            d = "".join(f"V{top:.1f}H{b * 1000:.1f}" for top, b in zip(tops, places[1:], strict=True))
            if not np.isnan(values).any():
                out.append(Markup('<path class="{}" d="M0 {}{}V{}Z"/>').format(css, high, d, high))
        out.append(Markup("</svg>"))
        out.extend(self._bars_apart(axis, room))
        out.extend(self._values(room))
        out.extend(self._titles(places))
        out.extend(self._medians(room))
        return svg(high, self.said, out)

    def _bars_apart(self, axis: Axis, room: float) -> Iterator[Markup]:
        step = (1 - room) / max(len(self.apart), 1)
        for i, (label, before, after) in enumerate(self.apart):
            x, wide = room + (i + 0.2) * step, step * 0.3
            for k, (value, css) in enumerate(((before, "a-ref"), (after, "a-now"))):
                if not math.isnan(value):
                    tall = float(axis.place(np.array([value]))[0]) * self.height
                    yield Markup('<rect class="{}" x="{:.2f}%" width="{:.2f}%" y="{:.1f}" height="{:.1f}"/>').format(
                        css, (x + k * wide) * 100, wide * 100, self.height - tall, tall
                    )
            middle = (x + wide) * 100
            below = self.height + 17 + 14 * (i % 2)  # on a phone two names do not fit beside each other
            yield text(f"{middle:.2f}%", below, label, "", anchor="middle")

    def _values(self, room: float) -> Iterator[Markup]:
        n = len(self.reference)
        if self.edges is None:
            widest = max(map(pixels, self.labels), default=0) + GAP
            every = 1 + max(n - 1, 0) * widest // int(PHONE * room)
            for i, label in enumerate(self.labels):
                if i % every == 0:
                    yield text(f"{(i + 0.5) / n * room:.2%}", self.height + 17, label, "", anchor="middle")
            return
        low, high = float(self.edges[0]), float(self.edges[-1])
        axis = Axis(low, high, log=self.log)
        ends = {"opt": -math.inf, "": -math.inf}
        for tick in axis.ticks(6):
            x = float(axis.place(np.array([tick]))[0]) * room
            if self.apart and x > 0.93 * room:
                continue  # the first bar apart is named there
            start = "start" if x < 0.02 else "middle"
            taken = {css: (pixels(number(tick)) + GAP) / wide for css, wide in (("", PHONE), ("opt", DESK))}
            left = {css: x if start == "start" else x - part / 2 for css, part in taken.items()}
            css = "" if left[""] >= ends[""] else "opt"
            if left["opt"] < ends["opt"]:
                continue
            ends["opt"] = left["opt"] + taken["opt"]
            if not css:
                ends[""] = left[""] + taken[""]
            yield Markup('<line class="axis" x1="{0:.2f}%" x2="{0:.2f}%" y1="{1}" y2="{2}"/>').format(
                x * 100, self.height, self.height + 4
            ) + text(f"{x:.2%}", self.height + 17, number(tick), css, anchor=start)

    def _titles(self, places: Sequence[float]) -> Iterator[Markup]:
        for i, (a, b) in enumerate(pairwise(places)):
            label = self.labels[i] if self.edges is None else f"{number(self.edges[i])} to {number(self.edges[i + 1])}"
            yield Markup(
                '<rect class="hit" x="{:.2f}%" width="{:.2f}%" y="0" height="{}">'
                "<title>{}: reference {}, now {}</title></rect>"
            ).format(
                a * 100, (b - a) * 100, self.height, label, share(float(self.reference[i])), share(float(self.now[i]))
            )

    def _medians(self, room: float) -> Iterator[Markup]:
        if self.edges is None:
            return
        axis = Axis(float(self.edges[0]), float(self.edges[-1]), log=self.log)
        for value, word, css in zip(self.medians, ("median", "now"), ("ref", "now"), strict=True):
            if math.isfinite(value):
                x = float(axis.place(np.array([value]))[0]) * room
                left = (css == "ref") == (self.medians[0] <= self.medians[1])
                yield Markup('<line class="mark" x1="{0:.2f}%" x2="{0:.2f}%" y1="-12" y2="{1}"/>').format(
                    x * 100, self.height
                )
                anchor = "end" if left and x > 0.2 else "start"
                yield text(
                    f"{x:.2%}", -4 if css == "ref" else 10, f"{word} {number(value)}", f"lab {css}",
                    dx=-5 if anchor == "end" else 5, anchor=anchor,
                )  # fmt: skip
