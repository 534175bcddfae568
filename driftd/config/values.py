"""The types of settings that need more than pydantic has: durations, sizes, lists and addresses."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_PART: Final = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d|w)")
_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_ADDRESS: Final = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:\[\]/,@]*):(\d{1,5})")


def seconds(value: Any) -> float:
    """Seconds from a number or from text such as ``30``, ``10m``, ``1h30m``, ``31d``."""
    text = "" if isinstance(value, bool) else str(value).strip()
    if _NUMBER.fullmatch(text) or isinstance(value, float):
        number = float(text)
    elif text and not _PART.sub("", text):
        number = sum(float(n) * _UNITS[unit] for n, unit in _PART.findall(text))
    else:
        raise ValueError("expected a duration: seconds, or text such as 10m, 1h30m, 31d")
    if not math.isfinite(number) or number < 0:
        raise ValueError("expected a duration of 0 seconds or more")
    return number


def spell_seconds(value: float) -> str:
    """The shortest text that ``seconds`` reads back: 600.0 is ``10m``."""
    for unit in ("d", "h", "m"):
        if value and value % _UNITS[unit] == 0:
            return f"{value / _UNITS[unit]:.0f}{unit}"
    return f"{value:.15g}s"


def moment(value: Any) -> float:
    """Epoch seconds from a date, a time (RFC 3339, in UTC where it names no offset) or epoch seconds."""
    text = "" if isinstance(value, bool) else str(value).strip()
    try:
        if _NUMBER.fullmatch(text):
            return float(text)
        parsed = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError("expected a date or a time, such as 2026-12-24 or 2026-12-24T18:00:00Z") from None
    return (parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=UTC)).timestamp()


def spell_moment(at: float) -> str:
    """The shortest text that ``moment`` reads back."""
    text = datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z")


def stretch(value: Any) -> Any:
    """``2026-12-24/2026-12-27 Christmas`` is short for a mapping with from, to and why."""
    if not isinstance(value, str):
        return _or_mapping(value, "FROM/TO, such as 2026-12-24/2026-12-27,")
    times, _, why = value.strip().partition(" ")
    first, slash, last = times.partition("/")
    if not slash:
        raise ValueError("expected FROM/TO, such as 2026-12-24/2026-12-27")
    return {"from": first, "to": last, "why": why.strip()}


def _or_mapping(value: Any, short: str) -> Any:
    """What may be given in short, or in full."""
    if isinstance(value, Mapping | BaseModel):
        return value
    raise ValueError(f"expected {short} or a mapping")


def _several(value: Any) -> Any:
    """A list from text, as the environment has it: JSON where it begins like JSON, else split at commas."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError as e:
            raise ValueError(f"not valid JSON: {e}") from e
    return [part.strip() for part in text.split(",") if part.strip()]


def _positive(value: float) -> float:
    if value <= 0:
        raise ValueError("expected a duration of more than 0 seconds")
    return value


def _named(value: Any) -> Any:
    """``psi`` is short for ``{kind: psi}``."""
    return {"kind": value} if isinstance(value, str) else _or_mapping(value, "a detector's name")


def _typed(value: Any) -> Any:
    """``numeric`` is short for ``{type: numeric}``."""
    return {"type": value} if isinstance(value, str) else _or_mapping({} if value is None else value, "a type")


def _object(value: str) -> Any:
    """Text that begins like a JSON object is one, as the environment has it."""
    if value.strip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError as e:
            raise ValueError(f"not valid JSON: {e}") from e
    return None


def _mapped(value: Any) -> Any:
    """``request.id`` is short for ``{path: request.id}``."""
    return _object(value) or {"path": value} if isinstance(value, str) else _or_mapping(value, "a path")


def _under(value: Any) -> Any:
    """``request.inputs`` is short for ``{under: request.inputs}``."""
    return _object(value) or {"under": value} if isinstance(value, str) else _or_mapping(value, "a path")


def split_address(value: str) -> tuple[str, int]:
    """Host and port of ``host:port`` or ``[v6]:port``; an empty host means all interfaces."""
    match = _ADDRESS.fullmatch(value)
    if match is None or int(match.group(1)) > 65535:
        raise ValueError("expected host:port, such as 127.0.0.1:9477")
    host, _, port = value.rpartition(":")
    return host.strip("[]"), int(port)


def _address(value: str) -> str:
    split_address(value)
    return value


def _broker(value: str) -> str:
    address = value if _ADDRESS.fullmatch(value) else f"{value}:9092"
    host, port = split_address(address) if _ADDRESS.fullmatch(address) else ("", 0)
    if not host or not port:
        raise ValueError("expected a broker as host:port, such as broker1:9092")
    return address


def _name(value: str) -> str:
    if not value or len(value.encode("utf-8", "surrogatepass")) > 128:
        raise ValueError("expected a name of 1 to 128 bytes")
    return value


def _topic(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) or value in {".", ".."}:
        raise ValueError("expected a topic name: letters, digits, '.', '_' and '-', at most 249")
    return value


def _token_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        known = parts.scheme in {"https", "http"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known or not value.isprintable() or " " in value:
        raise ValueError("expected the URL of a token endpoint, such as https://login.example/oauth2/token")
    if "@" in parts.netloc:
        raise ValueError(
            "expected no user and password in it; give kafka.sasl_oauthbearer_client_id and _client_secret"
        )
    return value


def _registry_url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("expected a URL such as https://registry.example:8081")
    if parts.username or parts.password:
        raise ValueError("expected no user and password in it; give schema_registry.username and password_file")
    return value


def _host_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?", value):
        raise ValueError("expected a host name without scheme and port, such as driftd.example")
    return value.lower()


def _path(value: Any) -> Any:
    if isinstance(value, str) and (not value or "\0" in value):
        raise ValueError("expected a path")
    return value


def matching(pattern: str, expected: str) -> AfterValidator:
    """Text of a pattern, with what is expected in words."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


Seconds = Annotated[float, BeforeValidator(seconds)]
PositiveSeconds = Annotated[float, AfterValidator(_positive), BeforeValidator(seconds)]
Several = BeforeValidator(_several)
Moment = Annotated[float, BeforeValidator(moment)]
Stretched = BeforeValidator(stretch)
Named = BeforeValidator(_named)
Typed = BeforeValidator(_typed)
Mapped = BeforeValidator(_mapped)
Under = BeforeValidator(_under)
Address = Annotated[str, AfterValidator(_address)]
Broker = Annotated[str, AfterValidator(_broker)]
Name = Annotated[str, AfterValidator(_name)]
Topic = Annotated[str, AfterValidator(_topic)]
RegistryUrl = Annotated[str, AfterValidator(_registry_url)]
TokenUrl = Annotated[str, AfterValidator(_token_url)]
HostName = Annotated[str, AfterValidator(_host_name)]
Url = Annotated[
    str, matching(r"https?://[^\s/@'\"]+(/[^\s'\"]*)?", "a URL such as https://driftd.example, without a login")
]
FilePath = Annotated[Path, BeforeValidator(_path)]
