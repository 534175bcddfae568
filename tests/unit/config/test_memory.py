"""What the check of limits.memory_bytes allows for is what a process takes, and not much more."""

from __future__ import annotations

import pytest

from driftd import config
from driftd.config.memory import OUTPUTS, fits, needed, shapes
from driftd.core.errors import ConfigError
from tests.bench.memory import of_month


@pytest.mark.timeout(300)
@pytest.mark.parametrize("categories", [0, 100], ids=["numbers", "a hundred categories"])
def test_a_process_takes_what_is_allowed_for_and_a_quarter_of_it_at_least(categories: int) -> None:
    found = of_month(2, 15, categories)
    assert found["allowed_for_mb"] / 4 < found["peak_mb"] < found["allowed_for_mb"]


def test_what_would_fit_does_and_one_more_does_not() -> None:
    for most in (10**9, 3 * 10**9, 8 * 10**9):
        settings = config.load(None, {}, {}).settings
        models, channels = shapes(settings)
        for text in fits(settings, most):
            m, f = (int(word.replace(",", "")) for word in text.split() if word[0].isdigit())
            assert m < models or f < channels - OUTPUTS
            assert needed(settings, m, f + OUTPUTS) <= most
            assert needed(settings, m + (f == channels - OUTPUTS), f + OUTPUTS + (f < channels - OUTPUTS)) > most


def test_a_configuration_that_fits_is_taken_and_one_channel_more_is_not() -> None:
    env = {"DRIFTD_DISCOVERY__MAX_MODELS": "3", "DRIFTD_DISCOVERY__MAX_FEATURES": "20"}
    settings = config.load(None, env, {}).settings
    need = needed(settings, *shapes(settings))
    name = "DRIFTD_LIMITS__MEMORY_BYTES"
    assert config.load(None, env | {name: str(need)}, {}).settings.limits.memory_bytes == need
    with pytest.raises(ConfigError, match="3 models of 20 features may take"):
        config.load(None, env | {name: str(need - 1)}, {})
