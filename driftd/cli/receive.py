"""`driftd receive`: events over HTTP into the topic."""

from __future__ import annotations

from typing import Any

import click

from driftd.cli import options


@click.command(
    short_help="Take events over HTTP and write them to the topic.",
    epilog=options.examples(
        ("driftd receive --bootstrap-servers broker1:9092 --topic predictions", "POST events to 127.0.0.1:9478/events"),
        ("driftd receive --listen 0.0.0.0:9478", "from other machines; give it http.web_config"),
        ("driftd receive --set receive.ack_seconds=5s", "any other setting"),
    ),
)
@options.settings("bootstrap_servers", "log_level", "log_format")
@click.option(
    "--topic", metavar="TOPIC", help="Topic that the events are written to. Default: the one of kafka.topics."
)
@click.option("--listen", metavar="HOST:PORT", help="Address to take events on.")
def receive(topic: str | None, listen: str | None, **given: Any) -> int:
    """Take events over HTTP, for producers that cannot speak Kafka, and write them to the topic.

    POST JSON, JSON lines or CloudEvents to /events. The answer comes when the events are in the topic, and counts them:
    what is answered with 200 and counted as written is there. SIGTERM and SIGINT answer what is under way, then exit 0.
    """
    wanted = {"receive.topic": ("--topic", topic), "receive.listen": ("--listen", listen)}
    loaded = options.load(given, {k: v for k, v in wanted.items() if v[1] is not None})
    from driftd.wiring.receive import run  # noqa: PLC0415

    return run(loaded.settings)
