"""Units of time that several rooms share."""

from __future__ import annotations

from typing import Final

DAY_SECONDS: Final = 86_400.0
MONTH_SECONDS: Final = 30 * 86_400.0
"""A month of the false-alarm budget. Chosen: thirty days, so that every month has the same budget."""
