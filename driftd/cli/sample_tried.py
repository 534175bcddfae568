"""A sample as one configuration decodes it: what of it can be used, what cannot, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from driftd.core.text import plural

if TYPE_CHECKING:
    from driftd.core.event import Decoded, EventBatch, ListColumn, RecordBatch, Reject
    from driftd.decode import Codec

SHOWN: Final = 5
"""Events in the table: more make it no clearer."""
SHOWN_KINDS: Final = 20
"""Kinds of rejects, the most frequent first: a list that people still read to its end."""
_EPOCH_2000: Final = 946_684_800.0
_A_NUMBER: Final = re.compile(r"-?\d+([.,]\d+)?")
_TOLD: Final = ("prediction", "score", "label")


class Tried:
    """``waiting``: requests and answers without their other half in the sample."""

    def __init__(self, decoded: Sequence[Decoded], waiting: int, answers: int, *, hidden: bool) -> None:
        self._decoded, self._hidden = decoded, hidden
        self.waiting, self._answers = waiting, answers

    @classmethod
    def of(cls, records: Sequence[tuple[Codec, RecordBatch]], *, hidden: bool) -> Tried:
        from driftd.ingest.halves import Halves  # noqa: PLC0415

        halves = Halves()
        decoded = [codec.decode(batch, {}, halves) for codec, batch in records]
        answers = sum(half.answer for half in halves.waiting.values())
        return cls(decoded, len(halves.waiting), answers, hidden=hidden)

    @property
    def received(self) -> int:
        return sum(decoded.received for decoded in self._decoded)

    @property
    def accepted(self) -> int:
        return sum(len(batch) + batch.label_only for batch in self._batches())

    @property
    def told(self) -> int:
        """Events that say what the model told, or what turned out."""
        return sum(self._told(batch) + batch.label_only for batch in self._batches())

    @property
    def useful(self) -> int:
        """Events, but for those that are none beside others: records without a prediction among some with one."""
        return self.told or self.accepted

    def _told(self, batch: EventBatch) -> int:
        given = [batch.fields[name] for name in _TOLD if name in batch.fields]
        failed = batch.failed
        return sum(
            (failed is not None and bool(failed[i])) or any(_value(column[i]) is not None for column in given)
            for i in range(len(batch))
        )

    @property
    def refused(self) -> int:
        """Values of features, in events that can be used."""
        return sum(int(f.sum()) for batch in self._batches() for f in batch.refused.values())

    def nameless(self) -> bool:
        """Whether a record is refused because nothing in it names the model."""
        return any(r.detail == "model: missing" for decoded in self._decoded for r in decoded.rejects)

    def report(self) -> dict[str, Any]:
        events = [e for batch in self._batches() for e in _events(batch, self._hidden)]
        return {
            "received": self.received,
            "waiting": self.waiting,
            "accepted": self.accepted,
            "models": self.models(),
            "numbers_as_text": dict.fromkeys(self.numbers_as_text(), "") if self._hidden else self.numbers_as_text(),
            "events": sorted(events, key=lambda e: e["offset"])[:SHOWN],
            **self.unused(),
        }

    def unused(self) -> dict[str, Any]:
        """What is not used of it, by reason."""
        return {
            "rejected": self._rejected(),
            "rejected_by_reason": dict(Counter(r.reason.value for d in self._decoded for r in d.rejects)),
            "dropped": self._dropped(),
            "refused_values": self._refused(),
        }

    def old(self) -> int:
        """Events of before 2000: seconds that were read as milliseconds are of 1970."""
        return sum(int((batch.times < _EPOCH_2000).sum()) for batch in self._batches())

    def alone(self) -> str:
        """What waits for its other half; "" where nothing does."""
        asked, told = self.waiting - self._answers, self._answers
        parts = [f"{asked} {plural('request', asked)} without an answer"] * bool(asked)
        parts += [f"{told} {plural('answer', told)} without a request"] * bool(told)
        text = " and ".join(parts)
        where = "the other half is in another topic or file, further on, or was not logged"
        return f"{text} in the sample: {where}" if text else ""

    def lacks(self) -> Iterator[str]:
        """What driftd would have nothing to say of: events without a prediction, or without features."""
        told, asked, rows = 0, 0, sum(map(len, self._batches()))
        for batch in self._batches():
            told += self._told(batch)
            columns = [*batch.columns.values()]
            asked += sum(any(_value(column[i]) is not None for column in columns) for i in range(len(batch)))
        for n, what, rest in ((told, "prediction", "features"), (asked, "features", "predictions")):
            if rows and not n:
                yield f"no event has {'a ' * (what == 'prediction')}{what}: driftd would watch the {rest} alone"
            elif n < rows:
                yield f"{rows - n} of {rows} events have no {what}"

    def useless(self) -> list[str]:
        """Features of which every value was refused."""
        refused: Counter[str] = Counter()
        good: set[str] = set()
        for batch in self._batches():
            refused.update({name: int(flags.sum()) for name, flags in batch.refused.items()})
            good.update(name for name, c in batch.columns.items() if any(_value(v) is not None for v in c))
        return [name for name, n in refused.items() if n and name not in good]

    def numbers_as_text(self) -> dict[str, str]:
        """Features that are text and whose every value is a number, some with a fraction; with one of these. Whole
        numbers as text may be codes.
        """
        values: dict[str, set[Any]] = {}
        for batch in self._batches():
            for name, column in batch.columns.items():
                values.setdefault(name, set()).update(v for item in column if (v := _value(item)) is not None)
        out: dict[str, str] = {}
        for name, found in values.items():
            if found and all(isinstance(value, str) and _A_NUMBER.fullmatch(value) for value in found):
                fraction = next((value for value in sorted(found) if not value.lstrip("-").isdigit()), None)
                out |= {} if fraction is None else {name: fraction}
        return out

    def models(self) -> dict[str, int]:
        """Events of each, the most first."""
        counts: Counter[str] = Counter()
        for batch in self._batches():
            counts[batch.model] += len(batch) + batch.label_only
        return dict(counts.most_common())

    def features(self) -> list[str]:
        """Names, in the order in which they came."""
        return [*dict.fromkeys(name for batch in self._batches() for name in batch.columns)]

    def _batches(self) -> Iterator[EventBatch]:
        return (batch for decoded in self._decoded for batch in decoded.batches)

    def _dropped(self) -> dict[str, int]:
        """By reason. Of what is configured: a sample has no models that are too many."""
        from driftd.core.event import DropReason  # noqa: PLC0415

        counts: Counter[str] = Counter()
        for decoded in self._decoded:
            counts.update({reason.value: n for reason, n in decoded.dropped.items()})
        counts.pop(DropReason.MODEL_LIMIT.value, None)
        counts.pop(DropReason.UNCONFIGURED_MODEL.value, None)
        return dict(counts)

    def _rejected(self) -> list[dict[str, Any]]:
        """By kind: the first, and how many."""
        from driftd.decode.mapping.hints import kind_of  # noqa: PLC0415

        first: dict[tuple[str, str], Reject] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for decoded in self._decoded:
            for r in decoded.rejects:
                kind = kind_of(r)
                first.setdefault(kind, r)
                counts[kind] += 1
        return [
            {"reason": r.reason.value, "detail": r.detail, "hint": r.hint, "count": n, "offset": r.offset}
            for r, n in ((first[kind], n) for kind, n in counts.most_common(SHOWN_KINDS))
        ]

    def _refused(self) -> list[dict[str, Any]]:
        """The first of each feature; how many."""
        why = {(v.model, v.feature): v.why for decoded in self._decoded for v in reversed(decoded.refused)}
        counts: Counter[tuple[str, str]] = Counter()
        for decoded in self._decoded:
            for batch in decoded.batches:
                counts.update({(batch.model, name): int(flags.sum()) for name, flags in batch.refused.items()})
        return [{"model": m, "feature": f, "count": counts[m, f], "detail": text} for (m, f), text in why.items()]


def _events(batch: EventBatch, hidden: bool) -> Iterator[dict[str, Any]]:
    """What driftd has of each event; without values where privacy hides them."""
    from driftd.core.channel import Channel  # noqa: PLC0415
    from driftd.core.event import versions  # noqa: PLC0415
    from driftd.core.lists import CLASSES, LISTS  # noqa: PLC0415

    names = versions(batch)
    of_feature = {Channel.of_feature(name).name: name for name in batch.columns}
    lists = {n.removeprefix(LISTS): cast("ListColumn", c) for n, c in batch.fields.items() if n.startswith(LISTS)}
    classes = {n.removeprefix(CLASSES): c for n, c in batch.fields.items() if n.startswith(CLASSES)}
    plain = {n: c for n, c in batch.fields.items() if not n.startswith((LISTS, CLASSES))}
    for i in range(min(len(batch), SHOWN)):
        features = {name: _value(column[i]) for name, column in batch.columns.items()}
        fields = {name: _value(column[i]) for name, column in plain.items()}
        if named := [name for name, column in classes.items() if _value(column[i]) is not None]:
            fields["score of"] = ", ".join(named)
        for name, rows in lists.items():
            if (length := int(rows[i][0])) > 0:
                at, key = (features, of_feature[name]) if name in of_feature else (fields, name)
                at[key] = f"a list of {length} numbers"
        there = {name: v for name, v in {"version": names[i], **fields}.items() if v is not None}
        if hidden:
            there, features = dict.fromkeys(there, "(hidden)"), dict.fromkeys(features, "(hidden)")
        yield {
            "offset": int(batch.offsets[i]),
            "time": float(batch.times[i]),
            "model": batch.model,
            **there,
            "features": features,
        }


def _value(value: Any) -> Any:
    """As Python has it; missing is None."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and value != value else value  # noqa: PLR0124  NaN
