"""Who and what helps with a model at night, as its owners have it in driftd.yaml."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contacts:
    """``owner`` of the model; ``upstream``: who sends its inputs; ``fallback``: what to do while its answers cannot be
    trusted; ``runbook``: the address of its own. "" where nobody says.
    """

    owner: str = ""
    upstream: str = ""
    fallback: str = ""
    runbook: str = ""


NOBODY = Contacts()
