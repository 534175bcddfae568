"""What may stand in an address: a value that makes no sense is refused with what was expected, and not passed over."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from driftd.core.text import clean, did_you_mean
from driftd.judge.natural.kinds import Kind
from driftd.web.format import read_time
from driftd.web.pages.fleet import SORTS, STATUSES
from driftd.web.pages.frame import Request
from driftd.web.series import RANGES

Check = Callable[[str, float], str]
"""What is wrong with a value at that time; "" where nothing is."""


def _one_of(words: Collection[str]) -> Check:
    def check(value: str, _: float) -> str:
        if value in words:
            return ""
        return f"expected one of {', '.join(words)}, and not '{clean(value)}'{did_you_mean(value, words, listed=False)}"

    return check


def _has_been(value: str, now: float) -> str:
    at = read_time(value)
    if at is not None and 0 <= at <= now:
        return ""
    return f"expected a time that has been, in UTC, such as 2026-12-01 03:07, and not '{clean(value)}'"


_OVER_TIME: Final = {"range": _one_of(RANGES), "as_of": _has_been}
_INCIDENT: Final = _one_of(("open", "past", "page", "ticket"))
_KIND: Final = _one_of(tuple(kind.value for kind in Kind))
_EXPECTED: Final[Mapping[str, Mapping[str, Check]]] = {
    "/": {"status": _one_of(STATUSES), "kind": _KIND, "sort": _one_of(tuple(SORTS))},
    "/model": _OVER_TIME,
    "/channel": _OVER_TIME,
    "/findings": {"status": _one_of(("page", "ticket")), "as_of": _has_been},
    "/incidents": {"status": _INCIDENT, "kind": _KIND},
    "/api/v1/channel": _OVER_TIME,
    "/api/v1/incidents": {"status": _INCIDENT},
}
"""By path. What is empty was not chosen, and names of models and channels are looked up."""


def refused(request: Request, now: float) -> dict[str, str]:
    """By field, what is wrong: ``expected one of page, ticket, and not 'bogus'``."""
    checks = _EXPECTED.get(request.path, {})
    wrong = ((name, check(request.get(name), now)) for name, check in checks.items() if request.get(name))
    return {name: why for name, why in wrong if why}
