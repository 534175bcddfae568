"""What a file is said to be that has no record driftd can read: by what other programs write."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import pytest
import zstandard

from driftd.core.errors import ConfigError
from driftd.sources.files.looks import HEAD_BYTES, looks_like, looks_like_at, may_be_csv
from driftd.sources.files.source import open_events

EVENT = {"model": "m", "time": 1_788_256_800, "features": {"x": 1.5}, "prediction": 1}
LINE = json.dumps(EVENT).encode() + b"\n"
DUMPED = (
    b"Dumping /var/kafka/t-0/00000000000000000000.log\nLog starting offset: 0\n"
    b"baseOffset: 0 lastOffset: 0 count: 1 baseSequence: -1 producerId: -1 isControl: false\n"
    b"| offset: 0 CreateTime: 1788256800000 keySize: -1 valueSize: 80 headerKeys: [] payload: " + LINE
)


def zipped() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        archive.writestr("a.jsonl", LINE)
    return written.getvalue()


@pytest.mark.parametrize(
    ("head", "said"),
    [
        pytest.param(b"", "There is nothing in it.", id="empty"),
        pytest.param(b"\n \n", "There are blank lines in it and nothing else.", id="blank lines"),
        pytest.param(gzip.compress(LINE, mtime=0), "its name must end with .gz.", id="gzip"),
        pytest.param(zstandard.compress(LINE), "its name must end with .zst.", id="zstd"),
        pytest.param(bz2.compress(LINE), "'bunzip2' unpacks it", id="bzip2"),
        pytest.param(lzma.compress(LINE), "'unxz' unpacks it", id="xz"),
        pytest.param(zipped(), "It is a zip archive", id="zip"),
        pytest.param(LINE.decode().encode("utf-16"), "It is UTF-16", id="UTF-16"),
        pytest.param(LINE.decode().encode("utf-16-le"), "It is UTF-16", id="UTF-16 without a mark"),
        pytest.param("time,x\n".encode("utf-16-le"), "It is UTF-16", id="CSV as UTF-16"),
        pytest.param(json.dumps([EVENT], indent=2).encode(), "\"jq -c '.[]'\"", id="an array over lines"),
        pytest.param(json.dumps([EVENT], indent=None)[:40].encode() + b'\n"x": 1}]', "\"jq -c '.[]'\"", id="wrapped"),
        pytest.param(json.dumps(EVENT, indent=2).encode(), '"jq -c ."', id="an object over lines"),
        pytest.param(b'{"a": 1,\n"b": 2}\n', '"jq -c ."', id="an object over two lines"),
        pytest.param(json.dumps([EVENT] * 2000).encode()[:HEAD_BYTES], "It is one long array", id="a long array"),
        pytest.param(b"<!DOCTYPE html>\n<html>", "It is HTML or XML", id="HTML"),
        pytest.param(LINE[:-1] + b",\n" + LINE[:-1] + b",\n" + LINE, "\"sed 's/,$//'\"", id="commas"),
        pytest.param(repr(EVENT).encode(), "'json.dumps' writes JSON", id="a dict of Python"),
        pytest.param(json.dumps(LINE.decode()).encode(), "'jq -r .' takes it out", id="JSON as text"),
        pytest.param(b"k1\t" + LINE + b"k2\t" + LINE, "kafka-console-consumer prints", id="print.key"),
        pytest.param(b"CreateTime:1788256800000\tk\t" + LINE, "\"sed 's/^[^{]*//'\"", id="print.timestamp"),
        pytest.param(b"2026-09-01 10:00:00 INFO " + LINE, "something else before the JSON", id="a log"),
        pytest.param(DUMPED, "\"sed -n 's/^.* payload: //p'\"", id="kafka-dump-log"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(100), "It is binary", id="a picture"),
        pytest.param(bytes(range(256)), "It is binary", id="all bytes"),
        pytest.param(b"time,x\n", "It has a header and no row.", id="a header"),
    ],
)
def test_a_file_is_told_for_what_it_is(head: bytes, said: str) -> None:
    assert said in looks_like(head)


@pytest.mark.parametrize(
    "head",
    [
        LINE * 3,
        b"\xef\xbb\xbf" + LINE,
        b"a,b\n1,2\n",
        b"\0\0\0\0\x07abc\0",
        b"[" + LINE.strip() + b"]\n",
        b'"a","b"\n1,2\n',
    ],
    ids=["lines", "a mark of UTF-8", "CSV", "a frame", "an array a line", "CSV in quotes"],
)
def test_nothing_is_said_of_what_driftd_reads(head: bytes) -> None:
    assert looks_like(head) == ""


def test_what_the_words_say_to_type_makes_records(tmp_path: Path) -> None:
    """The commands for sed, as this machine's shell runs them."""
    import subprocess  # noqa: PLC0415

    for data in (b"k1\t" + LINE + b"k2\t" + LINE, DUMPED, LINE[:-1] + b",\n" + LINE):
        command = looks_like(data).partition('"')[2].partition('"')[0]
        done = subprocess.run(["sh", "-c", command], input=data, capture_output=True, check=True)
        made = [json.loads(line) for line in done.stdout.splitlines()]
        assert made
        assert all(record == EVENT for record in made)
    (tmp_path / "a.jsonl").write_bytes(b"\n")
    assert looks_like_at(str(tmp_path / "a.jsonl")) == "There are blank lines in it and nothing else."
    assert looks_like_at(str(tmp_path)) == ""


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.txt", b"time,x,y\n1,2,3\n4,5,6\n", "If it is CSV, its name has to end in .csv."),
        ("a.txt", b"", "There is nothing in it."),
        ("a.txt", DUMPED, "It is what kafka-dump-log prints"),
        ("a.csv", "time,x\n".encode("utf-16"), "It is UTF-16"),
        ("a.csv", b"", "There is nothing in it."),
        ("a.jsonl.gz", LINE, "its name ends in .gz, and it is not packed so; take .gz off its name"),
        ("a.csv.zst", b"a,b\n1,2\n", "its name ends in .zst, and it is not packed so; take .zst off its name"),
    ],
)
def test_a_file_that_cannot_be_opened_says_what_it_is(tmp_path: Path, name: str, data: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=r"^.*a\.") as refused:
        open_events(str(tmp_path / name))
    assert said in str(refused.value)


def test_lines_of_one_width_may_be_csv() -> None:
    assert may_be_csv(b"a;b\n1;2\n")
    assert not may_be_csv(b"a;b\n1;2;3\n")
    assert not may_be_csv(b"")
