"""What would make more of a sample: the format or the mapping to write down, tried on it, or what has to change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from driftd.cli.sample_lines import numbers_as_text
from driftd.cli.sample_tried import Tried

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.core.event import RecordBatch
    from driftd.decode import Codec, Limits
    from driftd.decode.mapping.kinds import Kind
    from driftd.decode.mapping.proposal import Proposal
    from driftd.decode.mapping.spec import RecordMapping

_FEATURES: Final = "features."
_TRIED_KINDS: Final = 5
_CUT: Final = (
    "A file of lines holds no binary records whole: they are cut where they have a byte 0A. Name the topic in place of "
    "the file."
)


def is_of_json(records: Sequence[tuple[Codec, RecordBatch]]) -> bool:
    """Whether each record is an event, or several: not a row of a flat file."""
    from driftd.decode.json.codec import EventsCodec  # noqa: PLC0415

    return all(isinstance(codec, EventsCodec) for codec, _ in records)


def advice_on(mine: Tried, records: Sequence[RecordBatch], loaded: Loaded, limits: Limits, name: str) -> dict[str, Any]:
    """Of a sample that the configuration (``mine``) cannot use all of; ``name`` is the topic's or the file's.

    A proposal has to use more than the configuration does; where something is configured, more events, with no fewer
    fields.
    """
    from driftd.decode.mapping.spec import JSON  # noqa: PLC0415

    trying = _Trying(records, limits, hidden=loaded.settings.privacy.hides)
    known = [limits.mappings.of(batch.source) for batch in records]
    on_topic = trying.on_topic(None)
    out: dict[str, Any] = {"on_topic": max(mine.accepted, on_topic.accepted)}
    proposal, frame, advice, kinds = _proposal(trying, name, known)
    out |= {"frame": frame, "advice": advice}
    if proposal is None:
        return out | {"kinds": trying.kinds(kinds, None, name)}
    out["advice"] = [*advice, *(f"{warning[:1].upper()}{warning[1:]}." for warning in proposal.warnings)]
    if not proposal.mapping:
        return out
    tried = trying.named(proposal, name)
    if not tried.accepted and not tried.waiting:
        if proposal.needs:
            out["unusable"] = _unusable(proposal, tried)
        return out
    as_it_is = trying.as_it_is(proposal.mapping)
    gain = (tried.useful, as_it_is.useful) > (on_topic.useful, mine.useful)
    if any(mapping is not None for mapping in known):
        better = gain and not _reads_less(proposal.mapping, known)
    else:
        better = gain or (tried.useful, -tried.refused) > (on_topic.useful, -on_topic.refused)
    better = better and (tried.told > 0 or not on_topic.told)
    out["kinds"] = trying.kinds(kinds, proposal.mapping if better else None, name)
    if proposal.mapping and (better or (tried.waiting and not mine.waiting)):
        formats = {JSON if mapping is None else mapping.format for mapping in known}
        out["proposal"] = reported(proposal, tried, as_it_is) | {
            "new_format": proposal.mapping.get("format", JSON) not in formats,
            "schema_registry": _registry(loaded) if frame is not None else {},
        }
    return out


def _proposal(
    trying: _Trying, name: str, known: Iterable[RecordMapping | None]
) -> tuple[Proposal | None, str | None, list[str], list[Kind]]:
    """With the frame of the records and what is to be done about it, where they have one; and with the shapes of
    records of JSON.
    """
    from driftd.decode.mapping.kinds import kinds_of  # noqa: PLC0415
    from driftd.decode.mapping.spec import JSON  # noqa: PLC0415
    from driftd.decode.recognise import framed, recognised, with_fields  # noqa: PLC0415

    records, limits = trying.records, trying.limits
    of_platform = any(mapping is not None and mapping.format != JSON for mapping in known)
    if (proposal := recognised(records)) is not None:
        return with_fields(proposal, records, limits, name), None, [], []
    if of_platform:
        return None, None, [], []
    if (framing := framed(records, limits)) is not None:
        advice = [_CUT] if framing.cut else []
        if framing.proposal is None:
            return None, framing.frame, [framing.missing, *advice], []
        return with_fields(framing.proposal, records, limits, name), framing.frame, advice, []
    kinds = kinds_of(trying.values())
    return trying.best(kinds, name), None, [], kinds


@dataclass(slots=True)
class _Trying:
    """The sample, with mappings that nobody has configured."""

    records: Sequence[RecordBatch]
    limits: Limits
    hidden: bool

    def values(self) -> list[bytes | None]:
        """Of the records, those of CloudEvents opened."""
        from driftd.decode.cloudevents import unwrap  # noqa: PLC0415

        out: list[bytes | None] = []
        for batch in self.records:
            opened = unwrap(batch, self.limits)
            out += batch.values if opened is None else opened.values
        return out

    def best(self, kinds: Sequence[Kind], name: str) -> Proposal | None:
        """The proposal for one shape that uses most of the sample, with what others have and it has not: a label."""
        from driftd.decode.mapping.propose import propose  # noqa: PLC0415

        proposals = [p for kind in kinds[:_TRIED_KINDS] if (p := propose(kind.values, name)) is not None]
        if len(proposals) < 2:
            return proposals[0] if proposals else None
        tried = {id(p): self.on_topic(p.mapping or None) for p in proposals}
        chosen = max(proposals, key=lambda p: (tried[id(p)].told > 0, tried[id(p)].useful))
        for other in proposals:
            more = {k: v for k, v in other.mapping.items() if k not in chosen.mapping and k in {"label", "id"}}
            if more and chosen.mapping and self.on_topic(chosen.mapping | more).useful > tried[id(chosen)].useful:
                chosen.mapping |= more
        return chosen

    def kinds(self, kinds: Sequence[Kind], mapping: Mapping[str, Any] | None, name: str) -> list[dict[str, Any]]:
        """Where records are of several shapes: how many of each, whether ``mapping`` (None: what is configured) reads
        them, and the mapping for a topic of their own.
        """
        from driftd.decode.mapping.kinds import shared_id  # noqa: PLC0415
        from driftd.decode.mapping.propose import propose  # noqa: PLC0415

        if len(kinds) < 2:
            return []
        out: list[dict[str, Any]] = []
        for kind in kinds[:_TRIED_KINDS]:
            used = self._of_kind(kind, mapping).accepted
            own = propose(kind.values, name) if not used else None
            can = own is not None and own.mapping and self._of_kind(kind, own.mapping).told
            joined = next((found for other in kinds if other is not kind and (found := shared_id(kind, other))), None)
            out.append({
                "records": len(kind.values),
                "names": kind.outer,
                "used": used,
                "mapping": own.mapping if own is not None and can else None,
                "joined_by": joined,
            })  # fmt: skip
        return out if any(not kind["used"] for kind in out) else []

    def _of_kind(self, kind: Kind, mapping: Mapping[str, Any] | None) -> Tried:
        from time import time  # noqa: PLC0415

        import numpy as np  # noqa: PLC0415

        from driftd.core.event import RecordBatch  # noqa: PLC0415

        count, source = len(kind.values), self.records[0].source
        values: list[bytes | None] = [*kind.values]
        batch = RecordBatch(source, 0, np.arange(count), np.full(count, time()), values, count)
        return self._tried([batch], mapping)

    def as_it_is(self, mapping: Mapping[str, Any]) -> Tried:
        return self._tried(self.records, mapping)

    def on_topic(self, mapping: Mapping[str, Any] | None) -> Tried:
        """With the time that a topic gives each record. None: with what is configured."""
        from time import time  # noqa: PLC0415

        import numpy as np  # noqa: PLC0415

        now = time()
        timed = [replace(b, timestamps=np.where(np.isnan(b.timestamps), now, b.timestamps)) for b in self.records]
        return self._tried(timed, mapping)

    def named(self, proposal: Proposal, name: str) -> Tried:
        """A proposal, on a topic; completed by what only trying it can tell."""
        from driftd.decode.mapping.familiar import NAMES  # noqa: PLC0415
        from driftd.decode.mapping.propose import NAMELESS, nameless  # noqa: PLC0415

        tried = self.on_topic(proposal.mapping)
        if not tried.accepted and tried.nameless():
            proposal.mapping["model"] = {"value": nameless(name)}
            proposal.remarks = [*proposal.remarks, NAMELESS]
            tried = self.on_topic(proposal.mapping)
        if tried.accepted and (useless := tried.useless()):
            tried = self._without(proposal, useless, tried)
        if "format" in proposal.mapping and "prediction" not in proposal.mapping and tried.accepted:
            there = {*tried.features()}
            column = next((n for n in ("prediction", *NAMES["prediction"]) if n in there), None)
            if column is not None and any(what.startswith("no event has a prediction") for what in tried.lacks()):
                with_it = self.on_topic(proposal.mapping | {"prediction": _FEATURES + column})
                if with_it.told > tried.told:
                    proposal.mapping["prediction"] = _FEATURES + column
                    return with_it
        return tried

    def _without(self, proposal: Proposal, names: Sequence[str], tried: Tried) -> Tried:
        """Without features of which no value can be used, where the mapping can leave them out."""
        from driftd.decode.mapping.proposal import sayable  # noqa: PLC0415
        from driftd.decode.mapping.spec import spell  # noqa: PLC0415

        given = proposal.mapping.get("features", "features")
        features = {"under": given} if isinstance(given, str) else dict(given)
        if "format" in proposal.mapping or "under" not in features or {"names", "prefix"} & features.keys():
            return tried
        before = proposal.mapping.get("features")
        paths = [tuple(name.split(".")) for name in names]
        features["ignore"] = [*features.get("ignore", ()), *(spell(path) for path in paths if all(map(sayable, path)))]
        proposal.mapping["features"] = features
        less = self.on_topic(proposal.mapping)
        if less.refused < tried.refused and less.accepted == tried.accepted:
            return less
        proposal.mapping["features"] = before if before is not None else "features"
        return tried

    def _tried(self, records: Sequence[RecordBatch], mapping: Mapping[str, Any] | None) -> Tried:
        from driftd.decode import codec_of  # noqa: PLC0415

        codec = codec_of(self.limits if mapping is None else mapped(self.limits, mapping))
        return Tried.of([(codec, batch) for batch in records], hidden=self.hidden)


def reported(proposal: Proposal, on_topic: Tried, as_it_is: Tried) -> dict[str, Any]:
    lacks = [*on_topic.lacks()]
    texts = [numbers_as_text(name, value) for name, value in on_topic.report()["numbers_as_text"].items()]
    needs = [proposal.needs] if proposal.needs and (lacks or not on_topic.accepted) else []
    return {
        "recognised": proposal.shapes,
        "mapping": proposal.mapping,
        "would_accept": on_topic.accepted,
        "models": on_topic.models(),
        "of_file": as_it_is.accepted,
        "of": on_topic.received,
        "waiting": on_topic.waiting,
        "left": on_topic.unused(),
        "remarks": [*proposal.remarks, *filter(None, [on_topic.alone()]), *lacks, *texts, *needs],
    }


def _registry(loaded: Loaded) -> dict[str, str]:
    """Where schemas come from, as far as the file does not say it yet: the mapping is of no use without."""
    given = loaded.settings.schema_registry
    texts = {"url": given.url, "type": given.type, "folder": given.folder}
    return {
        key: str(value)
        for key, value in texts.items()
        if value is not None and loaded.origins.get(f"schema_registry.{key}", "").startswith("DRIFTD_")
    }


def _unusable(proposal: Proposal, tried: Tried) -> dict[str, Any]:
    """Records of a format that it can read nothing of: what they are, why, and what the platform has to write."""
    return {
        "recognised": proposal.shapes,
        "of": tried.received,
        "left": tried.unused(),
        "remarks": [*proposal.remarks, proposal.needs],
    }


def mapped(limits: Limits, mapping: Mapping[str, Any]) -> Limits:
    from driftd.config.mapping import MappingSection, mappings_of  # noqa: PLC0415

    return replace(limits, mappings=mappings_of(MappingSection.model_validate(mapping)))


def _reads_less(proposed: Mapping[str, Any], known: Iterable[RecordMapping | None]) -> bool:
    """Whether a proposal leaves out a field that is configured: it may accept more records for that alone."""
    from driftd.decode.mapping.spec import CALLED  # noqa: PLC0415

    own = {CALLED[name] for mapping in known if mapping is not None for name in mapping.fields}
    return "format" not in proposed and not own <= proposed.keys()
