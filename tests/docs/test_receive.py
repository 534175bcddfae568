"""The how-to about events over HTTP: what it shows is valid, and every status that it names is one that comes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import click
import kubernetes_validate
import pytest
import yaml

from driftd.cli.receive import receive
from driftd.receive.body import BATCH, JSON, LINES, STRUCTURED

PAGE: Final = (Path(__file__).parents[2] / "docs" / "how-to" / "receive.md").read_text()
MANIFESTS: Final = [*yaml.safe_load_all(re.findall(r"^```yml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[0])]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda m: str(m["kind"]))
def test_the_manifests_are_kubernetes(manifest: dict[str, object]) -> None:
    kubernetes_validate.validate(manifest, "1.32", strict=True)


def test_the_container_s_arguments_are_the_command_s() -> None:
    (container,) = MANIFESTS[0]["spec"]["template"]["spec"]["containers"]
    command, *words = container["args"]
    assert command == "receive"
    parsed = receive.make_context("receive", words, resilient_parsing=False)
    assert isinstance(parsed, click.Context)
    assert (parsed.params["topic"], parsed.params["listen"]) == ("predictions", "0.0.0.0:9478")


def test_every_content_type_is_named() -> None:
    for name in (JSON, *LINES[:2], STRUCTURED, BATCH):
        assert f"`{name}`" in PAGE
