"""The most telling experiments of `make chaos`, small: real processes beside a recount of the topic."""

from __future__ import annotations

import pytest

from tests.chaos.__main__ import perform
from tests.servers.kafka import LocalBroker

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


@pytest.mark.parametrize("row", ["kills", "poison", "checkpoints"])
def test_faults_on_purpose_change_no_count(own_kafka: LocalBroker, row: str) -> None:
    assert perform(row, "small", own_kafka).outcome.faults == []
