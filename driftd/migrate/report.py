"""What an import gives, what it cannot give, and what to write into driftd.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import yaml

from driftd.core.channel import Role
from driftd.core.event import Kind
from driftd.core.reference import Reference
from driftd.core.text import plural
from driftd.migrate.columns import Buckets, Counted, Profile

DETECTORS: Final = ("psi", "missing", "unseen", "out_of_range")
"""Those that counts are enough for, and that say what a baseline of another platform is looked at for."""
CANNOT: Final = (
    "the order of values in time: what varies by itself, and daily and weekly patterns, are unknown. So nothing pages",
    "relations between columns, latency, service errors, prediction errors",
)


def left(profile: Profile) -> Iterator[str]:
    """A sentence on each column that is not, or not wholly, there; then what the file's reader has to say."""
    for name, why in profile.left_out.items():
        yield f"{name}: left out: {why}"
    for column in profile.columns:
        content = column.content
        if isinstance(content, Counted) and content.rest:
            yield (
                f"{column.name}: {content.rest:,} of {column.present:,} values are of categories that the file does "
                "not name, so a new one cannot be told from them"
            )
        elif isinstance(content, Buckets):
            n = len(content.counts)
            yield f"{column.name}: {n} {plural('bucket', n)} of the file; a change within one is not seen"
    yield from profile.remarks


def settings(reference: Reference, path: str | None) -> str:
    """The model's part of driftd.yaml: types as they were imported, and detectors that make tickets of them."""
    features = {
        c.feature: "numeric" if c.kind is Kind.NUMERIC else "categorical"
        for c in reference.channels
        if c.role is Role.FEATURE and c.feature is not None
    }
    model: dict[str, object] = {"name": reference.model, "features": features, "detectors": [*DETECTORS]}
    if path is not None:
        model["reference"] = {"path": path}
    return yaml.safe_dump({"models": [model]}, sort_keys=False, default_flow_style=None, allow_unicode=True, width=110)
