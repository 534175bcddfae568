"""A channel's ticket is made by the alert that its role's row names, and by no other of the four."""

from __future__ import annotations

import re
from typing import Final

import pytest

from driftd.core.channel import ALONE, Channel
from tests.rules.reading import RULES, alerts

BY_ROLE: Final = ("DriftdFeatureDrift", "DriftdPredictionDrift", "DriftdErrorDrift", "DriftdLatencyDrift")


def admits(expression: str, feature: str) -> bool:
    """Whether the matchers on ``feature`` let the channel through; regular expressions are anchored, as in PromQL."""
    found: list[tuple[str, str]] = re.findall(r'feature\s*(=~|!~|!=|=)\s*"([^"]*)"', expression)
    return all((re.fullmatch(value, feature) is not None) is operator.startswith("=") for operator, value in found)


@pytest.mark.parametrize("channel", [*ALONE, *map(Channel.of_feature, ("amount", "score"))], ids=lambda c: c.name)
def test_the_alert_of_a_channel_is_that_of_its_role(channel: Channel) -> None:
    expressions = {name: alerts()[name]["expr"] for name in BY_ROLE}
    assert [name for name in BY_ROLE if admits(expressions[name], channel.name)] == [channel.role.row.alert]
    assert (RULES / "runbooks" / f"{channel.role.row.alert}.md").is_file()
