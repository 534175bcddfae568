"""Findings as log lines and as JSON lines; the formatters of everything that driftd logs."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final, Literal

import orjson

from driftd.core.errors import StateUnwritable
from driftd.core.finding import Finding, Status
from driftd.core.text import jsonable, printable, utc

LOG: Final = logging.getLogger("driftd.finding")
_LEVELS: Final = {
    Status.OK: logging.INFO,
    Status.LEARNING: logging.INFO,
    Status.WARNING: logging.WARNING,
    Status.DRIFT: logging.WARNING,
}
_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def finding_fields(finding: Finding) -> dict[str, Any]:
    """The finding as plain data, in the order it is written; NaN and infinity are None."""
    f = finding
    fields: dict[str, Any] = jsonable({
        "id": f.id,
        "model": f.model,
        "feature": f.feature,
        "segment": f.segment,
        "detector": f.detector,
        "status": f.status.name,
        "previous": f.previous.name,
        "statistic": f.statistic,
        "threshold": f.threshold,
        "effect": f.effect,
        "noise": f.noise,
        "ratio": f.ratio,
        "events": f.events,
        "effective_events": f.effective_events,
        "tests": f.tests,
        "regime": f.regime or None,
        "window_start": f.window_start,
        "window_end": f.window_end,
        "since": f.since,
        "because": f.because,
        "moved": [{"bin": m.bin, "reference": m.reference, "current": m.current} for m in f.moved],
        "channels": f.channels,
        "severity": f.severity,
        "kind": f.kind or None,
        "value": f.value,
        "reference_value": f.reference_value,
        "new_version": f.new_version,
        "cause": f.cause or None,
        "detail": f.detail or None,
        "times": f.times,
        "first_since": f.first_since,
        "since_error_seconds": f.since_error_seconds,
        "unit": f.unit or None,
    })  # fmt: skip
    return fields


def finding_json(finding: Finding) -> bytes:
    """One line of a findings file or one message of the findings topic, without the line break.

    The same finding gives the same bytes: fixed order of keys, shortest text of each number.
    """
    return orjson.dumps(finding_fields(finding))


def describe(finding: Finding) -> str:
    """One sentence for a person: who, what, since when, how much, which bins."""
    f = finding
    who = f"{f.model}: model" if f.feature is None else f"{f.model}: {f.feature}"
    parts = [f"{who} is {f.status.name} (was {f.previous.name})"]
    if f.since is not None:
        parts.append(f"since {utc(f.since)}")
    if f.because:
        parts.append(f.because)
    return "; ".join(parts)


class LogFindings:
    """One log event per finding: WARNING for WARNING and DRIFT, INFO for the rest."""

    def flush(self) -> None:
        """Nothing waits: the handlers write each line at once."""

    def emit(self, findings: Iterable[Finding]) -> None:
        for f in findings:
            LOG.log(_LEVELS[f.status], "%s", describe(f), extra={"finding": f})


class FileFindings:
    """Appends one JSON object a line; ``flush`` returns when the lines are on the disk.

    Raises: StateUnwritable.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("ab", buffering=0)  # whole lines: members of a host share the file
            if _torn(path):  # a crash in the middle of a line; the finding is written again, on a line of its own
                self._file.write(b"\n")
        except OSError as e:
            raise self._unwritable(e) from e

    def emit(self, findings: Iterable[Finding]) -> None:
        lines = memoryview(b"".join(finding_json(f) + b"\n" for f in findings))
        try:
            while lines:
                lines = lines[self._file.write(lines) :]
        except OSError as e:
            raise self._unwritable(e) from e

    def flush(self) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as e:
            raise self._unwritable(e) from e

    def close(self) -> None:
        if not self._file.closed:
            try:
                self.flush()
            finally:
                self._file.close()

    def _unwritable(self, error: OSError) -> StateUnwritable:
        return StateUnwritable(
            f"findings {self._path}: cannot be written: {error.strerror or error}; make room or mend the permissions"
        )


def _torn(path: Path) -> bool:
    with path.open("rb") as f:
        end = f.seek(0, os.SEEK_END)
        f.seek(max(0, end - 1))
        return end > 0 and f.read() != b"\n"


def _extras(record: logging.LogRecord) -> Mapping[str, Any]:
    """What the caller gave as ``extra``; a finding is spread out into its fields."""
    extras = {k: v for k, v in vars(record).items() if k not in _STANDARD}
    finding = extras.pop("finding", None)
    return finding_fields(finding) | extras if isinstance(finding, Finding) else extras


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time (UTC), level, logger, event, then the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {
            "time": utc(record.created, digits=3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        # ensure_ascii keeps line breaks of every alphabet out of the line
        return json.dumps(jsonable(fields), default=str)


class TextFormatter(logging.Formatter):
    """2026-11-23T08:53:00.123Z WARNING message key=value ...; one line, whatever stands in names.

    A finding is in the message and has no fields here.
    """

    def format(self, record: logging.LogRecord) -> str:
        fields = {} if isinstance(getattr(record, "finding", None), Finding) else _extras(record)
        words = [utc(record.created, digits=3), f"{record.levelname:<7}", printable(record.getMessage())]
        line = " ".join([*words, *(f"{k}={_word(v)}" for k, v in fields.items())])
        return line + ("\n" + self.formatException(record.exc_info) if record.exc_info else "")


def _word(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)


def configure(level: str = "INFO", style: Literal["text", "json"] = "text", stream: IO[str] | None = None) -> None:
    """Sends the log of everything to ``stream`` (standard error), libraries from WARNING on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if style == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("driftd").setLevel(level.upper())
