"""Until when a certificate is valid: the one field of X.509 that a person must not miss."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def expiry_of(file: Path) -> float:
    """Epoch seconds of the first certificate in a PEM file: its own, not its authority's; NaN where there is none."""
    try:
        text = file.read_text("ascii", errors="replace")
        begin = text.index(_BEGIN)
        der = ssl.PEM_cert_to_DER_cert(text[begin : text.index(_END, begin) + len(_END)])
        return _not_after(der)
    except (OSError, ValueError, IndexError):
        return float("nan")


def _not_after(der: bytes) -> float:
    """Certificate { tbs { [version], serial, algorithm, issuer, validity { notBefore, notAfter }, ... } ... }"""
    _, at, _ = _head(der, 0)
    _, at, _ = _head(der, at)
    kind, _, after = _head(der, at)
    fields = _skipped(der, after if kind == _VERSION else at, 4)
    _, at, _ = _head(der, fields[3])
    _, _, at = _head(der, at)
    kind, begin, end = _head(der, at)
    text = der[begin:end].decode("ascii").removesuffix("Z")
    if kind == _UTC_TIME:  # two digits of the year: 1950 to 2049 (RFC 5280)
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def _skipped(der: bytes, at: int, n: int) -> list[int]:
    """Where each of the next ``n`` values begins."""
    out = []
    for _ in range(n):
        out.append(at)
        _, _, at = _head(der, at)
    return out


def _head(der: bytes, at: int) -> tuple[int, int, int]:
    """The tag of the value at this place, where its content begins, and where it ends."""
    length, begin = der[at + 1], at + 2
    if length >= 0x80:
        size = length - 0x80
        length, begin = int.from_bytes(der[begin : begin + size], "big"), begin + size
    return der[at], begin, begin + length
