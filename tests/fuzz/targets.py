"""All targets, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from tests.fuzz import decoding, files, state, wire
from tests.fuzz.engine import Target

TARGETS: Final[Mapping[str, Target]] = {
    target.name: target for target in (*decoding.TARGETS, *files.TARGETS, *wire.TARGETS, *state.TARGETS)
}
