"""Events from a file, a folder or standard input: what kind of file it is."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from driftd.core.errors import ConfigError
from driftd.decode import Limits
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.decode.mapping.spec import JSON
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.looks import HEAD_BYTES, looks_like, may_be_csv
from driftd.sources.files.records import JsonLines, ParquetRecords, RecordFile, TfRecords
from driftd.sources.files.stream import STDIN, FileEvents, open_bytes, undamaged

_JSON: Final = (".jsonl", ".ndjson", ".json")
_TFRECORD: Final = (".tfrecord", ".tfrecords")
_PARQUET: Final = (".parquet", ".pq")
_FLAT: Final = (".csv", ".tsv", *_PARQUET)


def open_events(
    path: str, layout: Layout | None = None, limits: Limits = DEFAULT_LIMITS, *, placed: bool = False
) -> FileEvents:
    """The events of ``path`` by its suffix (.gz and .zst may follow), or by its first bytes. ``-`` is standard input, a
    folder has files of one kind. ``placed``: records say in which file they were, whatever their format is.

    Raises ConfigError where there is no such file, nobody knows what it is, or the layout does not fit it.
    """
    if Path(path).is_dir():
        return _open_folder(path, layout, limits, placed)
    if path == STDIN:
        kind = ".jsonl"
    else:
        _require_file(path)
        _require_packed(path)
        kind = _kind(path)
    if kind in (*_JSON, *_TFRECORD) or _has_format(path, limits):
        _require_no_columns(path, layout)
        return _of_records(path, kind, limits, None, placed)
    from driftd.sources.files.flat import FlatFile  # noqa: PLC0415  pyarrow takes 0.2 s to import

    return FlatFile(path, kind, layout or Layout(), limits)


def _open_folder(path: str, layout: Layout | None, limits: Limits, placed: bool) -> FileEvents:
    from driftd.sources.files.folder import Folder, RecordFolder, files_of  # noqa: PLC0415  it takes pyarrow

    found = {kinds: files for kinds in (_PARQUET[:1], _JSON, _TFRECORD) if (files := files_of(Path(path), kinds))}
    if not found:
        words = ", ".join((_PARQUET[0], *_JSON, *_TFRECORD))
        raise ConfigError(f"{path}: expected a folder with files that end in {words}")
    if len(found) > 1:
        words = " and ".join(kinds[0] for kinds in found)
        raise ConfigError(f"{path}: expected a folder with files of one kind, got {words}")
    ((kinds, files),) = found.items()
    if kinds[0] in _PARQUET and not _has_format(path, limits):
        return Folder(path, files, layout or Layout(), limits)
    _require_no_columns(path, layout)
    return RecordFolder(path, files, limits, lambda file: _of_records(file, kinds[0], limits, path, placed))


def _of_records(path: str, kind: str, limits: Limits, named: str | None, placed: bool) -> RecordFile:
    of = TfRecords if kind in _TFRECORD else ParquetRecords if kind in _PARQUET else JsonLines
    return of(path, limits, named, placed=placed)


def rows_as_records(path: str, limits: Limits) -> FileEvents | None:
    """Rows of a Parquet file, or of a folder of them, as JSON objects, for who wonders what they are; else None."""
    if not Path(path).is_dir():
        return ParquetRecords(path, limits, placed=True) if Path(path).is_file() and _kind(path) in _PARQUET else None
    from driftd.sources.files.folder import RecordFolder, files_of  # noqa: PLC0415  it takes pyarrow

    files = files_of(Path(path), _PARQUET[:1])
    return (
        RecordFolder(path, files, limits, lambda file: ParquetRecords(file, limits, path, placed=True))
        if files
        else None
    )


def _has_format(path: str, limits: Limits) -> bool:
    """Whether the mapping says that rows of the file are records of some platform."""
    mapping = limits.mappings.of(Path(path).name)
    return mapping is not None and mapping.format != JSON


def _require_no_columns(path: str, layout: Layout | None) -> None:
    if layout is not None and layout != Layout():
        raise ConfigError(f"{path}: columns can be named for CSV and Parquet; JSON lines name their own fields")


def _require_file(path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror}") from e


def _kind(path: str) -> str:
    name = Path(path.lower().removesuffix(".gz").removesuffix(".zst"))
    if name.suffix in (*_JSON, *_TFRECORD, *_FLAT):
        return name.suffix
    with undamaged(path), open_bytes(path) as (stream, _):
        head = stream.read(HEAD_BYTES)
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if begin.startswith(b"PAR1"):
        return ".parquet"
    if begin.startswith((b"{", b"[")):
        return ".jsonl"
    words = ", ".join((*_JSON, *_TFRECORD, *_FLAT))
    known = looks_like(head) or ("If it is CSV, its name has to end in .csv." if may_be_csv(head) else "")
    expected = f"expected a name that ends in {words}, with or without .gz or .zst"
    raise ConfigError(f"{path}: {expected}{'. ' * bool(known)}{known}")


def _require_packed(path: str) -> None:
    """That a name which says so is that of a packed file."""
    if path.endswith((".gz", ".zst")):
        with Path(path).open("rb") as file:
            head = file.read(4)
        magic, end = (b"\x1f\x8b", ".gz") if path.endswith(".gz") else (b"\x28\xb5\x2f\xfd", ".zst")
        if head and not head.startswith(magic):
            raise ConfigError(f"{path}: its name ends in {end}, and it is not packed so; take {end} off its name")
