"""What is answered to a request."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

TEXT: Final = "text/plain; charset=utf-8"
HTML: Final = "text/html; charset=utf-8"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    type: str = TEXT
    status: HTTPStatus = HTTPStatus.OK
    gzipped: bool = False
    headers: tuple[tuple[str, str], ...] = ()
