"""JSON events: one quick decoder for a batch, one strict decoder that defines what is accepted."""

from __future__ import annotations

from driftd.decode import Codec, Limits


def record_codec(limits: Limits) -> Codec:
    """The codec of the format ``json`` (docs/events.md)."""
    from driftd.decode.json.codec import EventsCodec  # noqa: PLC0415  which imports modules of this package

    return EventsCodec(limits)
