"""`driftd detectors`: the detectors there are, with their settings."""

from __future__ import annotations

from itertools import product

import click

from driftd.cli import options
from driftd.cli.output import print_json, print_line, print_table


@click.command(
    epilog=options.examples(
        ("driftd detectors", "names, settings with their defaults, and what each measures"),
        ("driftd detectors --output json | jq '.[] | select(.default)'", "those that run by default"),
    )
)
@options.output
def detectors(output: str) -> None:
    """List the detectors with their settings."""
    from driftd.core.channel import Role  # noqa: PLC0415
    from driftd.core.event import Kind  # noqa: PLC0415
    from driftd.detectors.registry import defaults_for, is_sequential, registry, settings_of  # noqa: PLC0415

    titles = {"errors": "errors", "outputs": "predictions and scores"}
    defaults: dict[str, list[str]] = {}
    for role, kind in product(Role, (Kind.NUMERIC, Kind.CATEGORICAL)):
        title = titles.get(role.row.group, f"{kind.value} features")
        for name in defaults_for(kind, role):
            defaults.setdefault(name, [])
            if title not in defaults[name]:
                defaults[name].append(title)
    rows = [
        {
            "detector": name,
            "sequential": is_sequential(name),
            "settings": settings_of(name),
            "default": defaults.get(name, []),
            "measures": (cls.__doc__ or "").strip().splitlines()[0],
            "metric": cls.metric,
        }
        for name, cls in registry().items()
    ]
    if output == "json":
        print_json(rows)
        return
    print_table(
        ("detector", "settings", "on by default for", "what it measures"),
        [
            (
                str(row["detector"]),
                " ".join(f"{k}={v}" for k, v in settings_of(str(row["detector"])).items()),
                ", ".join(defaults.get(str(row["detector"]), ["-"])),
                str(row["measures"]),
            )
            for row in rows
        ],
    )
    print_line()
    print_line(
        "To choose in driftd.yaml: 'detectors: [psi, {kind: ks, effect: 0.2}]', by kind of channel, model or feature."
    )
