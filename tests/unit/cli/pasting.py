"""What `driftd check --sample` prints of a file, and what comes of the proposal once it stands in driftd.yaml."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from crc32c import crc32c

from driftd.cli import main


class Sampled:
    """In an empty folder, which is the working one: records in a file, and the program over it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.out = self.err = ""
        self.code = 0

    def check(self, data: bytes | list[Any], name: str = "records.jsonl", config: str = "{}", *words: str) -> str:
        """Lists are written as JSON lines."""
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(
            data if isinstance(data, bytes) else tfrecords(data) if path.suffix == ".tfrecord" else lines(data)
        )
        Path("driftd.yaml").write_text(config)
        return self.run("check", "--sample", name, *words)

    def run(self, *words: str) -> str:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as leaving:
            main([*words])
        self.code = int(leaving.value.code or 0)
        self.out, self.err = self._capsys.readouterr()
        return self.out

    def pasted(self, name: str = "records.jsonl", more: str = "") -> dict[str, Any]:
        """The report with the last proposal as configuration; ``more`` stands before it."""
        Path("driftd.yaml").write_text(f"{more}{self.proposal}\n")
        report: dict[str, Any] = json.loads(self.run("check", "--sample", name, "--output", "json"))
        return report

    @property
    def proposal(self) -> str:
        """The block that people copy; "" where there is none."""
        return proposed(self.out)


def proposed(out: str) -> str:
    """The block in what `driftd check --sample` printed."""
    _, found, rest = f"\n{out}".partition("\n\nmapping:\n")
    return "mapping:\n" + rest.partition("\n\n")[0] if found else ""


def lines(records: list[Any]) -> bytes:
    return b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)


def tfrecords(values: list[bytes]) -> bytes:
    """Binary records whole: length, its checksum, data, its checksum (tensorflow/core/lib/io/record_writer.h)."""

    def summed(data: bytes) -> bytes:
        crc = crc32c(data)
        return data + ((((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")

    return b"".join(summed(len(value).to_bytes(8, "little")) + summed(value) for value in values)
