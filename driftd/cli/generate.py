"""`driftd generate`: rules, dashboards, Alertmanager's configuration and values of the chart, from a configuration."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from driftd.cli import options
from driftd.cli.output import print_line

if TYPE_CHECKING:
    from driftd.config import Loaded


@click.group(
    epilog=options.examples(
        ("driftd generate rules -o rules", "alert rules that fit driftd.yaml"),
        ("driftd generate dashboards -o dashboards", "the dashboards, for Grafana's provisioning"),
    )
)
def generate() -> None:
    """Make alert rules, dashboards, Alertmanager's configuration and values of the Helm chart."""


_out = click.option(
    "-o", "--out", metavar="DIR", type=click.Path(path_type=Path, file_okay=False), help="Folder; else standard output."
)
_runbooks = click.option("--runbooks", metavar="URL", help="Base URL of the runbooks (http.runbooks).")
_dashboards = click.option("--dashboards", metavar="URL", help="Base URL of Grafana (rules.dashboards).")


def _loaded(given: Mapping[str, Any]) -> Loaded:
    """The configuration, with the links of the options; files of secrets need not be here."""
    links = {"http.runbooks": "runbooks", "rules.dashboards": "dashboards"}
    extra = {setting: (f"--{name}", given[name]) for setting, name in links.items() if given.get(name)}
    return options.load(given, extra, secrets=False)


def _write(files: Mapping[str, str], out: Path | None) -> None:
    """Each into the folder, saying so; to standard output one after the other. On standard error, which links lead
    nowhere, since nobody has said where they should.
    """
    from driftd.generate.configured import GRAFANA, RUNBOOKS  # noqa: PLC0415

    examples = {RUNBOOKS: "--runbooks", GRAFANA: "--dashboards"}
    missing = [f"{url} ({option})" for url, option in examples.items() if any(url in text for text in files.values())]
    if missing:
        click.echo(f"warning: links lead to an example: {', '.join(missing)}; give your own", err=True)
    if out is None:
        click.echo("".join(files.values()), nl=False)
        return
    out.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (out / name).write_text(text, encoding="utf-8")
        print_line(f"{out / name}")


@generate.command(
    name="rules",
    epilog=options.examples(
        ("driftd generate rules --runbooks https://wiki.corp/driftd -o /etc/prometheus/rules", "a file for each area"),
        ("driftd generate rules --config driftd.yaml > driftd-rules.yml", "all in one file"),
        (
            "driftd generate rules --format prometheusrule --label release=kube-prometheus-stack",
            "for the Prometheus Operator",
        ),
        ("driftd generate rules --set rules.disabled=DriftdDegraded,DriftdRejects", "without two alerts"),
    ),
)
@options.settings()
@_runbooks
@_dashboards
@click.option("--format", "format_", type=click.Choice(["files", "prometheusrule"]), default="files", help="For whom.")
@click.option("--name", default="driftd", metavar="NAME", help="Name of the PrometheusRule.")
@click.option("--namespace", metavar="NAME", help="Namespace of the PrometheusRule.")
@click.option("--label", "labels", metavar="KEY=VALUE", multiple=True, help="Label of the PrometheusRule; repeatable.")
@_out
def rules_(out: Path | None, format_: str, name: str, namespace: str | None, **given: Any) -> None:
    """Alert rules and recording rules for Prometheus.

    Links, the scrape job, severities, labels and what is left out are settings (docs/config.md, `rules`). Models with
    `owner` or `team` give their alerts labels to route by. Waits follow `windows`.
    """
    from driftd.generate import configured  # noqa: PLC0415

    labels = dict(_pair(text) for text in given.pop("labels"))
    files = configured.rule_files(configured.rule_settings(_loaded(given).settings))
    if format_ == "prometheusrule":
        files = {f"{name}.yaml": configured.prometheus_rule(files, name, namespace, labels)}
    elif out is None:
        files = {"": configured.joined(files)}
    _write(files, out)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise click.BadParameter("expected KEY=VALUE, such as release=kube-prometheus-stack", param_hint="--label")
    return key, value


@generate.command(
    name="dashboards",
    epilog=options.examples(
        ("driftd generate dashboards -o /var/lib/grafana/dashboards", "for Grafana's provisioning"),
        ("driftd generate dashboards -o dashboards --runbooks https://wiki.corp/driftd", "to import by hand"),
    ),
)
@options.settings()
@_runbooks
@click.option(
    "-o", "--out", metavar="DIR", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder."
)
def dashboards_(out: Path, **given: Any) -> None:
    """Grafana's dashboards, which ask for their data source and lead to each other.

    driftd-fleet has all models, driftd-model one of them, driftd-channel one of its channels, driftd-daemon driftd
    itself.
    """
    from driftd.generate.configured import RUNBOOKS, rule_settings  # noqa: PLC0415
    from driftd.generate.dashboard import dashboards  # noqa: PLC0415

    runbooks = rule_settings(_loaded(given).settings).runbooks
    _write({name: text.replace(RUNBOOKS, runbooks) for name, text in dashboards().items()}, out)


@generate.command(
    name="alertmanager",
    epilog=options.examples(
        (
            "driftd generate alertmanager --page pagerduty:/etc/am/key --ticket slack:/etc/am/slack#ml -o /etc/am",
            "pages to PagerDuty, tickets to a channel",
        ),
        (
            "driftd generate alertmanager --page pagerduty:/a --page risk=pagerduty:/b --ticket webhook:http://x",
            "a receiver of its own for the models with `team: risk`",
        ),
    ),
)
@click.option("--page", metavar="[TEAM=]RECEIVER", multiple=True, help="Who gets pages; repeatable.")
@click.option("--ticket", metavar="[TEAM=]RECEIVER", multiple=True, help="Who gets tickets; repeatable.")
@click.option("--watchdog", metavar="RECEIVER", help="The dead man's switch: gets an alert each minute.")
@click.option("--smarthost", metavar="HOST:PORT", help="Mail server, for receivers that are mail addresses.")
@click.option("--mail-from", metavar="ADDRESS", help="Sender of mails.")
@_out
def alertmanager_(out: Path | None, **given: Any) -> None:
    """Alertmanager's configuration: routes, inhibition, receivers and the templates of their messages.

    A RECEIVER is `pagerduty:KEYFILE`, `slack:URLFILE#CHANNEL`, `email:ADDRESS` or `webhook:URL`. Keys and addresses of
    hooks stand in files that Alertmanager reads. Without a folder only the configuration is written; it needs
    driftd.tmpl beside it.
    """
    from driftd.config.share import shared  # noqa: PLC0415
    from driftd.generate.alertmanager import TEMPLATES, Receivers, configuration  # noqa: PLC0415

    receivers = Receivers(given["page"], given["ticket"], given["watchdog"], given["smarthost"], given["mail_from"])
    files = {"alertmanager.yml": configuration(receivers)}
    if out is not None:
        files[TEMPLATES] = shared(f"deploy/alertmanager/{TEMPLATES}")
    _write(files, out)


@generate.command(
    name="chart-values",
    epilog=options.examples(
        ("driftd generate chart-values --config driftd.yaml > values.yaml", "then helm install -f values.yaml")
    ),
)
@options.settings()
@_runbooks
@_dashboards
@_out
def chart_values_(out: Path | None, **given: Any) -> None:
    """Values for the Helm chart, from a driftd.yaml.

    `config` is the file's content, without what the chart sets. Files of secrets get the path at which the chart
    mounts `existingSecret`. A secret that stands in the file itself is refused.
    """
    from driftd.generate.configured import rule_settings  # noqa: PLC0415
    from driftd.generate.values import chart_values  # noqa: PLC0415

    loaded = _loaded(given)
    _write({"values.yaml": chart_values(loaded.path, rule_settings(loaded.settings))}, out)


@generate.command(
    name="files",
    epilog=options.examples(
        ("driftd generate files runbooks -o /var/www/runbooks", "the runbooks, to serve them yourself"),
        ("driftd generate files chart -o driftd-chart", "the Helm chart"),
    ),
)
@click.argument("what", type=click.Choice(["runbooks", "chart", "unit", "config"]))
@click.option(
    "-o", "--out", metavar="DIR", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder."
)
def files_(what: str, out: Path) -> None:
    """Copy what comes with driftd: runbooks, the Helm chart, the systemd unit, a driftd.yaml with every setting."""
    from driftd.generate.share import FOLDERS, copied  # noqa: PLC0415

    for path in copied(FOLDERS[what], out):
        print_line(f"{path}")


@generate.command(
    name="checkout",
    hidden=True,
    epilog=options.examples(("driftd generate checkout --check", "fails where a file is not up to date")),
)
@click.argument("parts", nargs=-1, metavar="[docs|dashboard|rules|chart]...")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 where a file is not up to date.")
@click.option("--root", type=click.Path(path_type=Path), default=Path(), help="Top of a checkout of driftd.")
def checkout_(parts: tuple[str, ...], check: bool, root: Path) -> None:
    """Renew docs tables, dashboard, rules and the chart's files in a checkout of driftd."""
    from driftd.generate import PARTS, outdated  # noqa: PLC0415

    if unknown := set(parts) - PARTS.keys():
        raise click.BadParameter(f"expected {', '.join(PARTS)}, got {', '.join(sorted(unknown))}", param_hint="parts")
    found = outdated(root, parts or PARTS)
    for path, text in found.items():
        print_line(f"{path}: not up to date" if check else f"{path}: renewed")
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and found:
        sys.exit(1)
