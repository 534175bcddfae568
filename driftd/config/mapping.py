"""Settings of `mapping:`, what is wrong with them, and what the decoder takes of them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

from driftd.config.section import Section
from driftd.config.values import Mapped, Name, Several, Topic, Under
from driftd.config.yamlfile import Place
from driftd.core.text import did_you_mean
from driftd.core.values import category
from driftd.decode import format_names
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.mapping.spec import (
    CALLED,
    CONSTANT,
    KEYS,
    NAMED,
    ROOT,
    TIMED,
    FeatureSource,
    Mappings,
    Path,
    RecordMapping,
    Source,
    parse,
)

Mistake = tuple[Place, str]
_TYPED: Final = frozenset(KEYS.values()) - TIMED - {"error", "features"} - NAMED
"""Fields that text and numbers may be taken for one another in."""

_LONE: Final = re.compile("[\ud800-\udfff]")


class FieldMapping(Section):
    """Where one field is, as a path, or what it is in all records."""

    path: str | None = None
    value: str | float | bool | None = None
    unit: Literal["s", "ms", "us", "ns"] | None = None
    type: Literal["number", "text"] | None = None
    zone: Literal["UTC"] | None = None


class FeaturesMapping(Section):
    """What is under a path or has a prefix, lists by names, and single values by path."""

    under: str | None = None
    names: Annotated[tuple[Name, ...], Several] = ()
    paths: dict[Name, str] = Field(default_factory=dict)
    ignore: Annotated[tuple[str, ...], Several] = ()
    prefix: Annotated[str, Field(max_length=64)] = ""


MappedField = Annotated[FieldMapping, Mapped]
MappedNames = dict[Name, str] | str


class MappingFields(Section):
    format: str = Field(
        default="json", description=f"What the records are: {', '.join(f'`{name}`' for name in format_names())}."
    )
    model: MappedField | None = Field(
        default=None, description="Path of the model's name, or `{value: fraud}` for all records."
    )
    version: MappedField | None = Field(default=None, description="Path of the model's version, or `{value: ...}`.")
    time: MappedField | None = Field(
        default=None,
        description="Path of the time: RFC 3339, or a number; `{path: ts, unit: ms}` if it is not of seconds, "
        "`{path: ts, zone: UTC}` if it has no offset.",
    )
    features: Annotated[FeaturesMapping, Under] | None = Field(
        default=None,
        description="Path that the features are under, or a mapping with `under`, `prefix`, `names`, `paths`, "
        "`ignore`.",
    )
    variant: MappedField | None = Field(default=None, description="Path of the variant, or `{value: ...}`.")
    unit: MappedField | None = Field(
        default=None, description="Path of what variants are given to: a user, a session, a device."
    )
    id: MappedField | None = Field(default=None, description="Path of the id.")
    prediction: MappedField | None = Field(default=None, description="Path of the prediction.")
    score: MappedField | None = Field(default=None, description="Path of the score.")
    label: MappedField | None = Field(default=None, description="Path of the label.")
    latency: MappedField | None = Field(
        default=None, description="Path of the latency; `{path: took, unit: ms}` if it is not of seconds."
    )
    error: MappedField | None = Field(default=None, description="Path of what is set where the call failed.")
    cost: MappedNames | None = Field(default=None, description="Path of an object of numbers, or a path by name.")
    segments: MappedNames | None = Field(default=None, description="Path of an object of texts, or a path by name.")


class MappingSection(MappingFields):
    topics: Annotated[dict[Topic, MappingFields], Several] = Field(
        default_factory=dict,
        description="A mapping for single topics, with the keys above, in place of the one for all. For files: by the "
        "file's name.",
    )


def mappings_of(section: MappingSection) -> Mappings:
    """Of settings without mistakes."""
    topics = {topic: record_mapping(fields) for topic, fields in section.topics.items()}
    given = section.model_fields_set - {"topics"}
    return Mappings(record_mapping(section) if given else None, topics)


def record_mapping(section: MappingFields) -> RecordMapping:
    fields: dict[str, Source | Mapping[str, Path]] = {}
    for key, name in KEYS.items():
        chosen = getattr(section, key)
        if isinstance(chosen, FieldMapping):
            path = None if chosen.path is None else parse(chosen.path)
            fields[name] = Source(path, chosen.value, chosen.unit or "", chosen.type or "", chosen.zone or "")
        elif isinstance(chosen, str):
            fields[name] = Source(parse(chosen))
        elif isinstance(chosen, dict):
            fields[name] = {inner: parse(text) for inner, text in chosen.items()}
    features = section.features
    return RecordMapping(fields, FeatureSource() if features is None else _features(features), section.format)


def _features(f: FeaturesMapping) -> FeatureSource:
    """``paths`` alone are all features there are, and a ``prefix`` alone is of the record's own names; without either
    they are where driftd's own are.
    """
    own: Path | None = None if f.paths and not f.names and not f.ignore else ("features",)
    own = ROOT if f.prefix else own
    under = own if f.under is None else parse(f.under)
    return FeatureSource(under, f.names, {name: parse(text) for name, text in f.paths.items()}, f.ignore, f.prefix)


def mistakes(section: MappingSection) -> Iterator[Mistake]:
    """Of the mapping for all, and of each topic's."""
    yield from _mistakes(("mapping",), section)
    for topic, fields in section.topics.items():
        yield from _mistakes(("mapping", "topics", topic), fields)


def _mistakes(here: Place, section: MappingFields) -> Iterator[Mistake]:
    bad = [*_format(here, section), *_fields(here, section), *_paths(here, section)]
    yield from bad
    if not bad:
        for where, why in record_mapping(section).mistakes():
            yield (*here, *where.split(".", 2)), why


def _format(here: Place, section: MappingFields) -> Iterator[Mistake]:
    known = format_names()
    if section.format not in known:
        there = did_you_mean(section.format, known) or f"; expected {', '.join(known)}"
        yield (*here, "format"), f"no format '{section.format[:60]}'{there}"


def _fields(here: Place, section: MappingFields) -> Iterator[Mistake]:
    for key, name in KEYS.items():
        chosen = getattr(section, key)
        if not isinstance(chosen, FieldMapping):
            continue
        given = chosen.model_fields_set & {"path", "value"}
        if len(given) != 1:
            got = "both" if given else "neither"
            yield (*here, key), f"expected a path or a value, got {got}; such as `{key}: request.{key}`"
        if chosen.value is not None and name not in CONSTANT:
            fixed = ", ".join(sorted(map(CALLED.__getitem__, CONSTANT)))
            yield (*here, key, "value"), f"only {fixed} may be the same in all records; give a path, or null for none"
        elif wrong := _constant(name, chosen.value):
            yield (*here, key, "value"), wrong
        if chosen.unit is not None and name not in TIMED:
            yield (*here, key, "unit"), "only time and latency have units"
        if chosen.zone is not None and name != "time":
            yield (*here, key, "zone"), "only time has a zone"
        if chosen.type is not None and name not in _TYPED:
            yield (*here, key, "type"), f"{key} has no type to choose" + ("; see unit" if name in TIMED else "")


def _constant(name: str, value: str | float | bool | None) -> str | None:
    """What is wrong with the value of all records: with it the decoder would refuse every one."""
    if isinstance(value, str):
        size, longest = len(value.encode("utf-8", "surrogatepass")), DEFAULT_LIMITS.name_bytes
        if name == "model" and not 0 < size <= longest:
            return f"expected a name of 1 to {longest} bytes, got {size}"
        return "expected text, got half of a UTF-16 pair" if _LONE.search(value) else None
    number = isinstance(value, float) and math.isfinite(value)
    if value is None or (number and name == "version"):
        return None
    got = str(value).lower() if isinstance(value, bool) else category(value)
    quoted = f"; with quotes, '{got}', it is text" if number else ""
    return f"expected text{' or a number' if name == 'version' else ''}, got {got}{quoted}"


def _paths(here: Place, section: MappingFields) -> Iterator[Mistake]:
    """Those that cannot be read; only the features may be the record itself."""
    for place, text in _texts(section):
        try:
            path = parse(text)
        except ValueError as error:
            yield (*here, *place), f"{error}, got {text[:60]!r}"
        else:
            if not path and place != ("features", "under"):
                yield (*here, *place), "expected a path into the record; only features.under may be the record, '.'"


def _texts(section: MappingFields) -> Iterator[tuple[Place, str]]:
    for key in KEYS:
        chosen = getattr(section, key)
        if isinstance(chosen, FieldMapping) and chosen.path is not None:
            yield (key,), chosen.path
        elif isinstance(chosen, str):
            yield (key,), chosen
        elif isinstance(chosen, dict):
            yield from (((key, name), text) for name, text in chosen.items())
    if section.features is not None:
        f = section.features
        if f.under is not None:
            yield ("features", "under"), f.under
        yield from ((("features", "paths", name), text) for name, text in f.paths.items())
        yield from ((("features", "ignore"), text) for text in f.ignore)
