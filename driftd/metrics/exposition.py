"""Prometheus' text format, written straight from arrays: a family's lines for one model are one fragment."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
MAX_LABEL_BYTES: Final = 128
MAX_TEXT_BYTES: Final = 512

MetricType = Literal["gauge", "counter", "histogram", "summary"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the metrics table. ``unit`` is the base unit, or what is counted, or empty for facts and states.

    ``labels`` in the order they are written. A histogram's ``le`` and a summary's ``quantile`` are among them.
    ``values``: all that its one label may be, where they are known beforehand.
    """

    name: str
    type: MetricType
    unit: str
    labels: tuple[str, ...]
    help: str
    values: tuple[str, ...] = ()

    @property
    def known(self) -> Iterator[tuple[str, ...]]:
        """Label values of the series that exist from the start: a counter without labels, and those of ``values``."""
        if not self.labels and self.type == "counter":
            yield ()
        yield from ((str(value),) for value in self.values)

    def head(self) -> bytes:
        """The HELP and TYPE lines, which stand once before all lines of the family."""
        text = self.help.replace("\\", "\\\\").replace("\n", "\\n")
        return f"# HELP {self.name} {text}\n# TYPE {self.name} {self.type}\n".encode()


def label_value(value: str, most: int = MAX_LABEL_BYTES) -> str:
    """The value as it stands between the quotes: at most ``most`` bytes before escaping, then escaped.

    A longer one is cut and ends in a digest of the whole, so two long names stay two series. Code points that
    UTF-8 cannot carry become question marks.
    """
    raw = value.encode("utf-8", "replace")
    if len(raw) > most:
        digest = "~" + hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        value = raw[: most - len(digest)].decode("utf-8", "ignore") + digest
    else:
        value = raw.decode()
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def labels(pairs: Mapping[str, str], texts: Mapping[str, str] | None = None) -> str:
    """``{a="1",b="2"}``, or nothing without labels. Values are escaped here and nowhere else. ``texts`` follow: what is
    not told apart by may be MAX_TEXT_BYTES long.
    """
    values = [f'{k}="{label_value(v)}"' for k, v in pairs.items()]
    values += [f'{k}="{label_value(v, MAX_TEXT_BYTES)}"' for k, v in (texts or {}).items()]
    return "{" + ",".join(values) + "}" if values else ""


def number(value: float) -> str:
    """The shortest text that reads back as the same number: for counters, instants and sizes."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    whole = int(value)
    return str(whole) if whole == value and abs(whole) < 2**53 else repr(float(value))


def sample(name: str, pairs: Mapping[str, str], value: float) -> bytes:
    return f"{name}{labels(pairs)} {number(value)}\n".encode()


class Lines:
    """The lines of one family of one model, one a channel, formatted in one operation.

    The labels are escaped and joined once, when the model is registered; which channels have a value (the others
    have no series) seldom changes, so the template of those that do is kept.
    """

    __slots__ = ("_label_texts", "_mask", "_name", "_template")

    def __init__(self, name: str, label_texts: Sequence[str]) -> None:
        self._name = name
        self._label_texts = label_texts
        self._mask = b""
        self._template = ""

    def render(self, values: NDArray[np.float64], shown: NDArray[np.bool_]) -> bytes:
        """``values`` float64[channels] with six significant digits, for the channels that are ``shown`` and not NaN."""
        shown = shown & ~np.isnan(values)
        mask = shown.tobytes()
        if mask != self._mask:
            rows = np.flatnonzero(shown).tolist()
            self._template = "".join(f"{self._name}{self._label_texts[i]} ".replace("%", "%%") + "%.6g\n" for i in rows)
            self._mask = mask
        kept = values[shown]
        if np.isfinite(kept).all():
            return (self._template % tuple(kept.tolist())).encode()
        return self.exact(values, shown, digits=6)

    def exact(self, values: NDArray[np.float64], shown: NDArray[np.bool_], digits: int = 17) -> bytes:
        """The same for numbers that six digits would spoil (instants, counts) or that are infinite."""
        shown = shown & ~np.isnan(values)
        texts = (f"{v:.6g}" if digits == 6 and math.isfinite(v) else number(v) for v in values[shown].tolist())
        rows = np.flatnonzero(shown).tolist()
        return "".join(
            f"{self._name}{self._label_texts[i]} {text}\n" for i, text in zip(rows, texts, strict=True)
        ).encode()


def histogram(name: str, model: str, bounds: Iterable[float], counts: Iterable[int], total: float) -> bytes:
    """A histogram's lines; ``counts`` are each bucket's own, the last one beyond all ``bounds``."""
    escaped = label_value(model)
    seen, lines = 0, []
    for le, count in zip((*bounds, math.inf), counts, strict=True):
        seen += int(count)
        # le="1.0" as Prometheus 3 normalises it, so that rules read the same on 2.x and 3.x
        lines.append(
            f'{name}_bucket{{model="{escaped}",le="{"+Inf" if math.isinf(le) else repr(float(le))}"}} {seen}\n'
        )
    lines.append(f'{name}_sum{{model="{escaped}"}} {number(total)}\n')
    lines.append(f'{name}_count{{model="{escaped}"}} {seen}\n')
    return "".join(lines).encode()
