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

    @property
    def help(self) -> str:
        """All but the owner, whom alerts have as a label, in a line."""
        told = (("Inputs come from", self.upstream), ("Fallback:", self.fallback), ("Its own runbook:", self.runbook))
        return " ".join(f"{what} {text.removesuffix('.')}." for what, text in told if text)


NOBODY = Contacts()
