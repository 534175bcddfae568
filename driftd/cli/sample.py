"""`driftd check --sample`: some records of a file or a topic, and what driftd makes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from driftd.cli.output import print_json
from driftd.cli.sample_lines import guess, print_sample

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.core.event import Decoded, EventBatch, ListColumn, RecordBatch, Reject
    from driftd.decode import Codec
    from driftd.decode.mapping.propose import Proposal
    from driftd.decode.mapping.spec import RecordMapping

SHOWN: Final = 5
"""Events in the table: more make it no clearer."""
SHOWN_KINDS: Final = 20
"""Kinds of rejects, the most frequent first: a list that people still read to its end."""
_EPOCH_2000: Final = 946_684_800.0
_HEAD: Final = 4096
"""Bytes of a file that tell what it is."""


def sample(loaded: Loaded, what: str, most: int, output: str) -> int:
    """Prints the events, what could not be used, and a mapping if that would do better. 2 if no event can be used."""
    records = list(_records(loaded, what, most))
    tried = Tried.of(loaded, records, what)
    report = tried.report()
    file = Path(what)
    report["guess"] = ""
    if not report["accepted"] and file.is_file():
        with file.open("rb") as opened:
            report["guess"] = guess(opened.read(_HEAD))
    if output == "json":
        print_json(report)
    else:
        print_sample(report, what)
    return 0 if report["accepted"] else 2


class Tried:
    """The sample, decoded with the configuration and, where that uses too little, with a mapping of driftd's own."""

    def __init__(self, decoded: list[Decoded], records: list[RecordBatch], hidden: bool) -> None:
        self.decoded, self.records, self.hidden = decoded, records, hidden
        self.proposal: Proposal | None = None
        self.would: Tried | None = None
        """What the proposal makes of the sample."""
        self.unread: dict[str, Any] = {}
        """Members of the records that are no fields of an event, and what of a mapping would read each, if any."""
        self.waiting = 0
        """Requests and answers without their other half in the sample."""
        self.of_json = True
        """Whether each record is an event, or several: not a row of a flat file."""
        self.new_format = False
        """Whether the proposal is of a format that the sample was not read as."""
        self.on_topic = 0
        """Events that could be used, with what is configured, if the records had the time that a topic gives them."""

    @classmethod
    def of(cls, loaded: Loaded, records: list[tuple[Codec, RecordBatch]], what: str) -> Tried:
        from driftd.decode.json.codec import EventsCodec  # noqa: PLC0415
        from driftd.decode.mapping.propose import unread  # noqa: PLC0415
        from driftd.ingest.halves import Halves  # noqa: PLC0415
        from driftd.wiring.decoding import limits_of  # noqa: PLC0415

        batches, halves = [batch for _, batch in records], Halves()
        of_json = all(isinstance(codec, EventsCodec) for codec, _ in records)
        decoded = [codec.decode(batch, {}, halves) for codec, batch in records]
        out = cls(decoded, batches, loaded.settings.privacy.hides)
        out.waiting, out.of_json = len(halves.waiting), of_json
        limits = limits_of(loaded.settings)
        if of_json and (out.accepted < out.received or out.refused):
            out._propose(limits, "" if what == "-" else Path(what).name)
        elif of_json and all(limits.mappings.of(batch.source) is None for batch in batches):
            out.unread = unread([value for batch in batches for value in batch.values])
        return out

    def _propose(self, limits: Any, name: str) -> None:
        """Keeps a proposal that would use more of the sample than the configuration does; where something is
        configured, more events, with no fewer fields.
        """
        from time import time  # noqa: PLC0415

        import numpy as np  # noqa: PLC0415

        from driftd.decode import codec_of  # noqa: PLC0415
        from driftd.decode.cloudevents import unwrap  # noqa: PLC0415
        from driftd.decode.mapping.propose import NAMELESS, nameless, propose  # noqa: PLC0415
        from driftd.decode.mapping.spec import JSON  # noqa: PLC0415
        from driftd.decode.recognise import recognised  # noqa: PLC0415
        from driftd.ingest.halves import Halves  # noqa: PLC0415

        values: list[bytes | None] = []
        for batch in self.records:
            opened = unwrap(batch, limits)
            values += batch.values if opened is None else opened.values
        known = [limits.mappings.of(batch.source) for batch in self.records]
        of_platform = any(mapping is not None and mapping.format != JSON for mapping in known)
        proposal = recognised(self.records) or (None if of_platform else propose(values, name))
        # a file has no timestamps, and the topic that the mapping is for will
        timed = [replace(b, timestamps=np.where(np.isnan(b.timestamps), time(), b.timestamps)) for b in self.records]

        def tried_with(mapping: Mapping[str, Any] | None) -> Tried:
            """None: with what is configured."""
            own = limits if mapping is None else _mapped(limits, mapping)
            codec, halves = codec_of(own), Halves()
            out = Tried([codec.decode(batch, {}, halves) for batch in timed], timed, self.hidden)
            out.waiting = len(halves.waiting)
            return out

        mine = tried_with(None)
        self.on_topic = mine.accepted
        if proposal is None:
            return
        tried = tried_with(proposal.mapping)
        if not tried.accepted and any(r["detail"] == "model: missing" for r in tried.report()["rejected"]):
            proposal.mapping["model"] = {"value": nameless(name)}
            proposal.remarks = [*proposal.remarks, NAMELESS]
            tried = tried_with(proposal.mapping)
        self.would = tried
        better = (tried.accepted, -tried.refused) > (mine.accepted, -mine.refused)
        if any(mapping is not None for mapping in known):
            better = tried.accepted > mine.accepted and not _reads_less(proposal.mapping, known)
        if proposal.mapping and (better or (tried.waiting and not self.waiting)):
            self.proposal = proposal
            formats = {JSON if mapping is None else mapping.format for mapping in known}
            self.new_format = proposal.mapping.get("format", JSON) not in formats

    @property
    def received(self) -> int:
        return sum(decoded.received for decoded in self.decoded)

    @property
    def accepted(self) -> int:
        return sum(map(_accepted, self.decoded))

    @property
    def refused(self) -> int:
        """Values of features, in events that can be used."""
        return sum(int(f.sum()) for d in self.decoded for batch in d.batches for f in batch.refused.values())

    def report(self) -> dict[str, Any]:
        events = [e for d in self.decoded for batch in d.batches for e in _events(batch, self.hidden)]
        proposal = self.proposal
        return {
            "received": self.received,
            "waiting": self.waiting,
            "accepted": self.accepted,
            "on_topic": max(self.on_topic, self.accepted),
            "events": sorted(events, key=lambda e: e["offset"])[:SHOWN],
            "rejected": self._rejected(),
            "rejected_by_reason": dict(Counter(r.reason.value for d in self.decoded for r in d.rejects)),
            "dropped": self._dropped(),
            "refused_values": self._refused(),
            "before_2000": self._old(),
            "unread": self.unread,
            "frame": self._frame(),
            "proposal": None
            if proposal is None
            else {
                "recognised": proposal.shapes,
                "mapping": proposal.mapping,
                "would_accept": self.would.accepted if self.would else None,
                "of": self.would.received if self.would else None,
                "waiting": self.would.waiting if self.would else None,
                "remarks": proposal.remarks,
                "new_format": self.new_format,
            },
        }

    def _dropped(self) -> dict[str, int]:
        """By reason. Of what is configured: a sample has no models that are too many."""
        from driftd.core.event import DropReason  # noqa: PLC0415

        counts: Counter[str] = Counter()
        for decoded in self.decoded:
            counts.update({reason.value: n for reason, n in decoded.dropped.items()})
        counts.pop(DropReason.MODEL_LIMIT.value, None)
        counts.pop(DropReason.UNCONFIGURED_MODEL.value, None)
        return dict(counts)

    def _rejected(self) -> list[dict[str, Any]]:
        """By kind: the first, and how many."""
        from driftd.decode.mapping.hints import kind_of  # noqa: PLC0415

        first: dict[tuple[str, str], Reject] = {}
        counts: Counter[tuple[str, str]] = Counter()
        for decoded in self.decoded:
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
        why = {(v.model, v.feature): v.why for decoded in self.decoded for v in reversed(decoded.refused)}
        counts: Counter[tuple[str, str]] = Counter()
        for decoded in self.decoded:
            for batch in decoded.batches:
                counts.update({(batch.model, name): int(flags.sum()) for name, flags in batch.refused.items()})
        return [{"model": m, "feature": f, "count": counts[m, f], "detail": text} for (m, f), text in why.items()]

    def _old(self) -> int:
        """Events of before 2000: seconds that were read as milliseconds are of 1970. Rows of a flat file that has no
        column of times are, too.
        """
        times = [batch.times for d in self.decoded for batch in d.batches] if self.of_json else []
        return sum(int((each < _EPOCH_2000).sum()) for each in times)

    def _frame(self) -> str | None:
        from driftd.decode.mapping.frames import frame_of  # noqa: PLC0415

        for batch in self.records:
            headers = batch.headers or [()] * len(batch)
            for value, own in zip(batch.values, headers, strict=True):
                if frame := frame_of(value, own):
                    return frame
        return None


def _mapped(limits: Any, mapping: Mapping[str, Any]) -> Any:
    from driftd.config.mapping import MappingSection, mappings_of  # noqa: PLC0415

    return replace(limits, mappings=mappings_of(MappingSection.model_validate(mapping)))


def _reads_less(proposed: Mapping[str, Any], known: Iterable[RecordMapping | None]) -> bool:
    """Whether a proposal leaves out a field that is configured: it may accept more records for that alone."""
    from driftd.decode.mapping.spec import CALLED  # noqa: PLC0415

    own = {CALLED[name] for mapping in known if mapping is not None for name in mapping.fields}
    return "format" not in proposed and not own <= proposed.keys()


def _accepted(decoded: Decoded) -> int:
    return sum(len(batch) + batch.label_only for batch in decoded.batches)


def _records(loaded: Loaded, what: str, most: int) -> Iterator[tuple[Codec, RecordBatch]]:
    """The first records of the file, or of the topic of that name."""
    from driftd.sources import Gap  # noqa: PLC0415
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415
    from driftd.wiring.kafka import kafka_settings  # noqa: PLC0415

    limits = limits_of(loaded.settings)
    events: Any
    if Path(what).exists() or what == "-":
        from driftd.sources.files.source import open_events  # noqa: PLC0415

        events = _rows_of_a_platform(what, limits, most) or open_events(what, None, limits, placed=True)
    else:
        from driftd.core.errors import ConfigError  # noqa: PLC0415
        from driftd.sources.kafka.stretch import TopicEvents  # noqa: PLC0415

        kafka = loaded.settings.kafka.model_copy(update={"topics": (what,)})
        if not kafka.bootstrap_servers:
            raise ConfigError(f"--sample {what}: no such file; for a topic give --bootstrap-servers")
        settings = kafka_settings(loaded.settings.model_copy(update={"kafka": kafka}))
        events = TopicEvents(settings, (what,), None, None, limits)
    left = most
    for batch in events.batches(most):
        if not isinstance(batch, Gap) and len(batch):
            taken = batch.first(left)
            left -= len(taken)
            yield events.codec, taken
            if not left:  # the next may be a long time coming
                return


def _rows_of_a_platform(what: str, limits: Any, most: int) -> Any:
    """A Parquet file as records, where its rows are those of a platform; None otherwise."""
    from driftd.decode.recognise import recognised  # noqa: PLC0415
    from driftd.sources.files.source import rows_as_records  # noqa: PLC0415

    rows = rows_as_records(what, limits)
    first = next(iter(rows.batches(most)), None) if rows is not None else None
    return None if first is None or recognised([first]) is None else rows_as_records(what, limits)


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
