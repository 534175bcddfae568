"""The how-to about events over HTTP: what it shows is valid, and every status that it names is one that comes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import yaml

from driftd.receive.body import BATCH, JSON, LINES, STRUCTURED
from tests.deploy.rendering import objects

PAGE: Final = (Path(__file__).parents[2] / "docs" / "how-to" / "receive.md").read_text()
VALUES: Final = yaml.safe_load(re.findall(r"^```yml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[-1])
DEPLOY: Final = Path(__file__).parents[2] / "deploy"


def test_the_values_of_the_chart_are_valid_and_say_who_may_come() -> None:
    (policy,) = [
        o for o in objects(VALUES) if o["kind"] == "NetworkPolicy" and o["metadata"]["name"].endswith("-receive")
    ]
    assert policy["spec"]["ingress"][0]["from"] == VALUES["receive"]["from"]


def test_every_way_to_run_it_is_there() -> None:
    for path in re.findall(r"deploy/[a-z/.-]+", PAGE):
        assert (DEPLOY.parent / path).exists(), path
    assert "receive" in yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["receive"]["profiles"]


def test_every_content_type_is_named() -> None:
    for name in (JSON, *LINES[:2], STRUCTURED, BATCH):
        assert f"`{name}`" in PAGE
