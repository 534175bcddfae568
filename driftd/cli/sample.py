"""`driftd check --sample`: some records of a file or a topic, and what driftd makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from driftd.cli.output import print_json
from driftd.cli.sample_lines import print_sample

if TYPE_CHECKING:
    from driftd.config import Loaded
    from driftd.core.event import RecordBatch
    from driftd.decode import Codec


def sample(loaded: Loaded, what: str, most: int, output: str) -> int:
    """Prints the events, what could not be used, and a mapping if that would do better. 2 if no event can be used."""
    report = _report(loaded, what, most)
    if output == "json":
        print_json(report)
    else:
        print_sample(report, what)
    return 0 if report["accepted"] else 2


def _report(loaded: Loaded, what: str, most: int) -> dict[str, Any]:
    from driftd.cli.sample_advice import advice_on, is_of_json  # noqa: PLC0415
    from driftd.cli.sample_tables import table_advice  # noqa: PLC0415
    from driftd.cli.sample_tried import Tried  # noqa: PLC0415
    from driftd.decode.mapping.propose import unread  # noqa: PLC0415
    from driftd.sources.files.looks import looks_like_at  # noqa: PLC0415
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415

    records = list(_records(loaded, what, most))
    batches, of_json, limits = [batch for _, batch in records], is_of_json(records), limits_of(loaded.settings)
    tried = Tried.of(records, hidden=loaded.settings.privacy.hides)
    report = tried.report()
    report |= {"on_topic": tried.accepted, "before_2000": tried.old() if of_json else 0, "unread": {}, "guess": ""}
    report["unit"] = (batches[0].counts if batches else "") or "offset"
    report |= {"frame": None, "proposal": None, "unusable": None, "advice": [], "kinds": []}
    if not tried.accepted:
        report["guess"] = looks_like_at(what)
    if of_json and not report["guess"] and (tried.accepted < tried.received or tried.refused):
        report |= advice_on(tried, batches, loaded, limits, "" if what == "-" else Path(what).name)
    elif of_json and all(limits.mappings.of(batch.source) is None for batch in batches):
        report["unread"] = unread([value for batch in batches for value in batch.values])
    return report | table_advice(tried, records, loaded, what)


def _records(loaded: Loaded, what: str, most: int) -> Iterator[tuple[Codec, RecordBatch]]:
    """The first records of the file, or of the topic of that name."""
    from driftd.core.errors import ConfigError  # noqa: PLC0415
    from driftd.sources import Gap  # noqa: PLC0415
    from driftd.wiring.decoding import limits_of  # noqa: PLC0415
    from driftd.wiring.kafka import kafka_settings  # noqa: PLC0415

    limits = limits_of(loaded.settings)
    events: Any
    if not what:
        raise ConfigError("--sample: expected a file or a topic, got nothing")
    if Path(what).exists() or what == "-":
        from driftd.sources.files.source import open_events  # noqa: PLC0415

        events = _rows_of_a_platform(what, limits, most) or open_events(what, None, limits, placed=True)
    else:
        from driftd.sources.kafka.stretch import TopicEvents  # noqa: PLC0415

        kafka = loaded.settings.kafka.model_copy(update={"topics": (what,)})
        if "/" in what:  # which no topic's name has
            raise ConfigError(f"--sample {what}: no such file")
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
