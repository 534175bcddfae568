"""A schema compiled for a mapping: structs nested as the paths are, so that a record is decoded in one pass.

    mapping  time: ts (ms), features: request.inputs, prediction: result.class
    structs  Event(x0 <- ts, n1 <- request(n0 <- inputs: Features(f0, f1)), n2 <- result(x0 <- class))
    read     event.time = x0 / 1000, event.features = n1.n0, event.prediction = n2.x0

Properties stand in for the fields of driftd's own events, so whoever reads columns sees no difference. What the structs
refuse, for whatever reason, is put into driftd's own shape (rewrite.py) and decided on the strict path.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any, Final

from msgspec import NODEFAULT, Raw, defstruct

from driftd.core.event import Kind, Schema
from driftd.decode.fields import COLUMNS, FIELDS, Holds
from driftd.decode.json.compiled import (
    FEATURE,
    MAX_SPARE,
    NEVER,
    PREDICTION,
    TYPES,
    CompiledSchema,
    getters,
    plain,
    tuples,
)
from driftd.decode.mapping.leaves import NULL
from driftd.decode.mapping.rewrite import skipped
from driftd.decode.mapping.spec import ROOT, UNITS, Path, RecordMapping, Source, Step

_READ: Final = ("time", "version", "id", *(f.name for f in COLUMNS))
"""What columns are read from, besides the features."""
_PARTS: Final = {Holds.NUMBERS: float | None, Holds.STRINGS: str | None}
_HOLDS: Final = {f.name: f.holds for f in FIELDS}


class Indirect(Exception):
    """The mapping has something that structs cannot say; records are rewritten then."""


class _Leaf:
    """One value: its ``type``, and the ``attribute`` that it should have, "" where any will do."""

    __slots__ = ("attribute", "key", "required", "type")

    def __init__(self, key: str, kind: Any, attribute: str = "", *, required: bool = False) -> None:
        self.key, self.type, self.attribute, self.required = key, kind, attribute, required


class _Node:
    """An object or a list on the way to leaves. ``closed``: refuses what it does not know; ``nullable``: its struct may
    be null; ``exact``: a list of just these items.
    """

    def __init__(self) -> None:
        self.inside: dict[Step, _Leaf | _Node] = {}
        self.closed = self.nullable = self.exact = False
        self.struct: Any = None
        self.properties: dict[str, Any] = {}

    def at(self, path: Path) -> _Node:
        node = self
        for step in path:
            inner = node.get(step)
            if inner is None:
                inner = node.inside[step] = _Node()
            if isinstance(inner, _Leaf):
                raise Indirect
            node = inner
        return node

    def put(self, path: Path, leaf: _Leaf) -> None:
        node = self.at(path[:-1])
        if node.get(path[-1]) is not None:
            raise Indirect
        node.inside[path[-1]] = leaf

    def get(self, step: Step) -> _Leaf | _Node | None:
        if any(isinstance(step, int) is not isinstance(other, int) for other in self.inside):
            raise Indirect
        return self.inside.get(step)

    def build(self, found: dict[str, str], prefix: str = "", **extra: Any) -> Any:
        """The struct; ``found`` gets the attribute path of each leaf, by key, behind ``prefix``."""
        fields: list[Any] = []
        rename: dict[str, str] = {}
        items = self.inside
        array = any(isinstance(step, int) for step in items)
        steps: Iterable[Step] = range(max(s for s in items if isinstance(s, int)) + 1) if array else items
        for n, step in enumerate(steps):
            entry = items.get(step)
            if entry is None:
                fields.append((f"g{n}", Raw, NULL))
                continue
            if isinstance(entry, _Leaf):
                attribute = entry.attribute or f"x{n}"
                empty: Any = NULL if entry.type is Raw else None
                fields.append((attribute, entry.type, NODEFAULT if self.exact or entry.required else empty))
                found[entry.key] = prefix + attribute
            else:
                attribute = f"n{n}"
                inner = entry.build(found, f"{prefix}{attribute}.")
                nullable = entry.nullable
                fields.append((attribute, inner | None if nullable else inner, None if nullable else inner()))
            if not array:
                rename[attribute] = str(step)
        namespace = {**self.properties, **extra.pop("namespace", {})}
        self.struct = defstruct(
            "Record",
            fields,
            rename=rename,
            array_like=array,
            kw_only=not array,
            forbid_unknown_fields=self.closed or self.exact,
            namespace=namespace,
            gc=False,
            frozen=True,
            **extra,
        )
        return self.struct


class MappedSchema(CompiledSchema):
    """As CompiledSchema, for records of another shape. Raises Indirect where it cannot be."""

    def __init__(self, schema: Schema, spare: Iterable[str], mapping: RecordMapping) -> None:
        self.schema = schema
        self.names = tuple(schema.features)
        self.full = len(self.names) >= schema.max_features
        self.spare = tuple(name for name in spare if name not in schema.features and plain(name))[:MAX_SPARE]
        self._mapping = mapping
        self._build()
        self.getters = getters([*schema.features.values()])
        self.spare_values = tuples([f"s{i}" for i in range(len(self.spare))]) if self.spare and self.full else None

    def _build(self) -> None:
        root, features = _Node(), self._mapping.features
        namespace: dict[str, Any] = {"owner": self.schema.model}
        tag = self._tag()
        self._fields(root, namespace)
        picked = features.paths
        under = None if features.under is None else root.at(features.under)
        alone = under is not None and features.under != ROOT and not picked
        home = under if alone and under is not None else root
        if features.prefix:  # names that are not known yet cannot be told from those without it
            raise Indirect
        if features.names:
            if not alone or under is None:
                raise Indirect
            self._listed(under)
        columns = self._columns()
        inside = under if not features.names else None
        if inside is not None:
            for name, (attribute, kind) in columns.items():
                if name not in picked:
                    self._feature(inside, name, attribute, kind, real=home is inside)
        self._picked(root, inside, columns)
        if inside is not None:
            self._ignored(inside, tag.get("tag_field") if inside is root else None)
            _close(inside, closed=self.schema.open or any(not plain(name) for name in self.names))
        if alone and under is not None:
            under.nullable = True
        if tag.get("tag_field") in root.inside:
            raise Indirect
        self._one_row(root)
        self._assemble(root, home, columns, namespace, tag)

    def _one_row(self, root: _Node) -> None:
        """Refuses records of more rows, which are as many events (rows.py)."""
        under = self._mapping.features.under
        if under and under[-1] == 0:
            root.at(under[:-1]).exact = True

    def _picked(self, root: _Node, under: _Node | None, columns: dict[str, tuple[str, Any]]) -> None:
        """Features with paths of their own; those of the same names under the other path must be values too."""
        for name, path in self._mapping.features.paths.items():
            if name in columns:
                root.put(path, _Leaf(*columns[name]))
            elif self.schema.open:
                # there in every event, if only as null: until it has a column no event is for the fast path
                root.inside["\x7fnever"] = _Leaf("\x7f", NEVER, required=True)
            else:
                root.put(path, _Leaf(f"?{name}", Raw))
            if under is not None:
                self._feature(under, name, f"?{name}.", FEATURE[Kind.ANY], real=False)

    def _assemble(
        self, root: _Node, home: _Node, columns: dict[str, Any], namespace: dict[str, Any], tag: dict[str, Any]
    ) -> None:
        """The structs, and properties for what is not an attribute where it is looked for."""
        places: dict[str, str] = {}
        # once to learn where everything is, and again with the properties that this takes
        _clone(root).build(places)
        at = _prefix_of(root, home)
        wanted = {attribute for attribute, _ in columns.values()}
        home.properties |= {
            a: property(attrgetter(places[a].removeprefix(at))) if a in places else None
            for a in wanted
            if places.get(a) != f"{at}{a}"
        }
        home.properties["columns"] = tuple(wanted)
        for name in _READ:
            if name not in namespace and places.get(name) != name:
                namespace[name] = self._reader(name, places)
        if home is root:
            always = self._mapping.features.under is not None or bool(self._mapping.features.paths)
            namespace["features"] = property(lambda event: event) if always else None
        else:
            namespace["features"] = property(attrgetter(at.removesuffix(".")))
        self.envelope = root.build({}, namespace=namespace, **tag)
        self.features = home.struct
        fields = [(attribute, Any, None) for attribute, _ in columns.values()]
        self.flat = defstruct("Flat", fields, namespace={"columns": tuple(wanted)}, gc=False)
        self.empty = self.flat()

    def fit(self, features: Any) -> Any:
        if isinstance(features, (self.features, self.flat)):
            return features
        if features is None:
            return self.empty
        if isinstance(features, dict):
            return self.flat(*map(features.get, self.names))
        return self.flat(**{a: v for a in features.columns if (v := getattr(features, a)) is not None})

    def _tag(self) -> dict[str, Any]:
        """How the models are told apart: by a name at the top, or not at all."""
        source = self._mapping.sources["model"]
        assert isinstance(source, Source)
        if source.type or (source.path is not None and len(source.path) != 1):
            raise Indirect
        if source.path is not None:
            return {"tag_field": str(source.path[0]), "tag": self.schema.model}
        if source.value != self.schema.model:
            raise Indirect
        return {}

    def _fields(self, root: _Node, namespace: dict[str, Any]) -> None:
        """Puts leaves of all fields but the model and features."""
        for name, source in self._mapping.sources.items():
            if not isinstance(source, Source):
                for n, path in enumerate(source.values()):
                    root.put(path, _Leaf(f"{name}.{n}", _PARTS[_HOLDS[name]]))
            elif name == "model":
                continue
            elif source.path is None:
                if isinstance(source.value, bool):
                    raise Indirect
                namespace[name] = source.value
            elif source.type == "text" or source.zone:
                raise Indirect
            else:
                kind = float | None if source.type == "number" else self._type(name)
                root.put(source.path, _Leaf(name, kind, name if len(source.path) == 1 and not source.unit else ""))

    def _type(self, name: str) -> Any:
        return PREDICTION[self.schema.prediction] if name == "prediction" else TYPES[_HOLDS[name]]

    def _reader(self, name: str, places: Mapping[str, str]) -> Any:
        source, place = self._mapping.sources[name], places.get(name)
        if not isinstance(source, Source):
            parts = [(inner, attrgetter(places[f"{name}.{n}"])) for n, inner in enumerate(source)]
            return property(lambda event: {inner: get(event) for inner, get in parts})
        if place is None:
            return None
        if source.unit:
            get, each = attrgetter(place), UNITS[source.unit]

            def scaled(event: Any) -> Any:
                value = get(event)
                return value / each if type(value) is float else value

            return property(scaled)
        return property(attrgetter(place))

    def _columns(self) -> dict[str, tuple[str, Any]]:
        """Attribute and type by feature, those without a column too."""
        out: dict[str, tuple[str, Any]] = {}
        for i, (name, kind) in enumerate(self.schema.features.items()):
            out[name] = f"f{i}", FEATURE[kind]
        for i, name in enumerate(self.spare):
            out[name] = f"s{i}", FEATURE[Kind.ANY] if self.full else None
        return out

    def _feature(self, under: _Node, name: str, attribute: str, kind: Any, *, real: bool) -> None:
        """The leaf of a feature whose name has a dot for each object; nothing where the name cannot be matched.

        A record may have the dots in its own names instead, which is refused here: both together have an order.
        """
        parts = name.split(".")
        if not plain(name) or not all(parts):
            return
        try:
            if under.get(parts[0]) is None or len(parts) > 1:
                under.put(tuple(parts), _Leaf(attribute, kind, attribute if real and len(parts) == 1 else ""))
        except Indirect:
            return
        for begin in range(len(parts) - 1):
            node = under.at(tuple(parts[:begin]))
            for end in range(begin + 2, len(parts) + 1):
                node.inside.setdefault(".".join(parts[begin:end]), _Leaf(f"!{name}.{begin}.{end}", NEVER | None))

    def _listed(self, under: _Node) -> None:
        """A list with a name for each item; what is new there is for the strict path."""
        columns = self._columns()
        for i, name in enumerate(self._mapping.features.names):
            attribute, kind = columns.get(name, (f"?{i}", NEVER if self.schema.open else Raw))
            under.put((i,), _Leaf(attribute, kind, attribute if name in columns else ""))
        under.exact = True

    def _ignored(self, under: _Node, tag_field: str | None) -> None:
        """What is no feature, and is no field either; msgspec knows the field that tells models apart."""
        assert self._mapping.features.under is not None
        for name in skipped(self._mapping, self._mapping.features.under):
            path = tuple(name.split("."))
            if path == (tag_field,):
                continue
            try:
                if _there(under, path) is None:
                    under.put(path, _Leaf(f"-{name}", Raw))
            except Indirect:
                continue


def _there(node: _Node, path: Path) -> _Node | _Leaf | None:
    entry: _Node | _Leaf | None = node
    for step in path:
        if not isinstance(entry, _Node):
            return entry
        entry = entry.inside.get(step)
    return entry


def _close(node: _Node, *, closed: bool) -> None:
    """The object and those in it refuse names that they do not know."""
    node.closed = closed
    for step, inner in node.inside.items():
        if isinstance(inner, _Node) and isinstance(step, str) and not any(isinstance(s, int) for s in inner.inside):
            _close(inner, closed=closed)


def _clone(node: _Node) -> _Node:
    out = _Node()
    out.inside = {s: _clone(i) if isinstance(i, _Node) else i for s, i in node.inside.items()}
    out.closed, out.nullable, out.exact = node.closed, node.nullable, node.exact
    return out


def _prefix_of(root: _Node, home: _Node) -> str:
    """The attribute path of ``home``, with a dot; "" of the root itself."""

    def search(node: _Node) -> str | None:
        if node is home:
            return ""
        steps = [*node.inside]
        for step, inner in node.inside.items():
            if isinstance(inner, _Node) and (rest := search(inner)) is not None:
                n = step if isinstance(step, int) else steps.index(step)
                return f"n{n}.{rest}"
        return None

    return search(root) or ""
