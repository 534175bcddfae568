"""Targets: files that a user writes or hands over."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable, Hashable, Mapping
from itertools import product
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet
import yaml

from driftd import config
from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import Kind, Schema
from driftd.core.hashing import Hasher
from driftd.decode import Limits
from driftd.sources.files.source import open_events
from driftd.web.webconfig import load as load_web_config
from tests.fuzz.engine import Target, Try, sign_of

ROOT: Final = Path(__file__).resolve().parents[2]
SCHEMAS: Final[tuple[Mapping[str, Schema], ...]] = (
    {},
    {"f": Schema("f", {"a": Kind.NUMERIC, "b": Kind.CATEGORICAL}, Kind.CATEGORICAL, open=False)},
)
LONGEST: Final = 8192
LIMITS: Final = (Limits(), Limits(hasher=Hasher(b"0123456789abcdef", text=True, channels=("a",))))
WAYS: Final = tuple(product(LIMITS, SCHEMAS))
CELLS: Final = tuple(
    b', ; \t " \n \r\n \x00 \xff \xef\xbb\xbf NA null true 1e400 -0 01 12,50 2013-02-27T13:00:00Z '
    b"time model prediction label score error latency_seconds version a b".split(b" ")
)


def table(suffix: str) -> Callable[[Path], Try]:
    """Every row is accepted, rejected or dropped; what is no such file is refused by name."""

    def target(folder: Path) -> Try:
        file = folder / f"f{suffix}"

        def attempt(data: bytes) -> Hashable:
            file.write_bytes(data[:LONGEST])
            signs: list[Hashable] = []
            limits, schemas = WAYS[zlib.crc32(data) % len(WAYS)]
            try:
                events = open_events(str(file), limits=limits)
                for records in events.batches(7):
                    decoded = events.codec.decode(records, schemas)
                    kept = sum(len(b) + b.label_only for b in decoded.batches)
                    assert decoded.received == kept + len(decoded.rejects) + sum(decoded.dropped.values())
                    signs += [(r.reason, sign_of(r.detail)) for r in decoded.rejects]
                    signs += [tuple(map(sign_of, b.columns)) for b in decoded.batches]
            except (ConfigError, SourceRefused) as error:
                assert str(error).startswith(str(file))  # noqa: PT017
                signs.append(sign_of(str(error)))
            return tuple(sorted(set(map(str, signs))))

        return attempt

    return target


def csvs() -> list[bytes]:
    rows = b"time,model,prediction,a,b\n1795413611,f,1,0.5,red\n2026-11-23T06:00:11Z,f,0,x,\n,f,1,1e400,\xc3\xa9\n"
    return [rows, rows.replace(b",", b";"), b'a,b\n"1\n2",x\n3\n']


def parquets() -> list[bytes]:
    out = []
    for compression in ("none", "zstd"):
        sink = io.BytesIO()
        columns: dict[str, Any] = {
            "time": pa.array([1_795_413_611_000, None], pa.timestamp("ms")),
            "prediction": [[0.5, 1.0], None],
            "a": pa.array(["1", None]).dictionary_encode(),
            "b": [True, None],
            "label": [1.5, 2.5],
        }
        pyarrow.parquet.write_table(pa.table(columns), sink, compression=compression)
        out.append(sink.getvalue())
    return out


def configuration(folder: Path) -> Try:
    """A configuration or a ConfigError whose lines all name the file."""
    file = folder / "driftd.yaml"

    def attempt(data: bytes) -> Hashable:
        file.write_bytes(data)
        try:
            loaded = config.load(file, {})
        except ConfigError as error:
            assert all(line.startswith(str(file)) for line in str(error).split("\n"))  # noqa: PT017
            return frozenset(map(sign_of, str(error).removeprefix(str(file)).split(f"\n{file}")))
        assert loaded.rows()
        return "accepted"

    return attempt


def _keys() -> tuple[bytes, ...]:
    from driftd.config.describe import settings  # noqa: PLC0415

    words = {part.strip("[]<>") for s in settings() for part in s.path.replace("[]", "").split(".")}
    odd = ("- ", ": ", "{", "}", "[", "]", "*a", "&a ", "<<: ", "!!python/name:os ", "|", ">", "'", "\t", "\n  ", "10m")
    return tuple(w.encode() for w in (*sorted(words), *odd))


def configurations() -> list[bytes]:
    whole = (ROOT / "deploy" / "driftd.yaml").read_bytes()
    data = yaml.safe_load(whole) or {}
    return [
        whole,
        json.dumps(data).encode(),
        b"models: [{name: m, features: {a: numeric}}]\nprivacy: {hash_text: true}\n",
    ]


def web_configuration(folder: Path) -> Try:
    """A web.config is taken or refused with a ConfigError."""
    file = folder / "web.yaml"

    def attempt(data: bytes) -> Hashable:
        file.write_bytes(data)
        try:
            load_web_config(file)
        except ConfigError as error:
            return sign_of(str(error))
        return "accepted"

    return attempt


WEB: Final = (
    b"tls_server_config: {cert_file: c.pem, key_file: k.pem, min_version: TLS12, client_auth_type: NoClientCert}\n"
    b"http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n"
    b"basic_auth_users: {a: $2b$10$zQsh3rWguvL/iW8kMlG9t.OPl4KYknh9bjj3OG3qy07ubwY3L0cgC}\n"
)
WEB_TOKENS: Final = tuple(
    b"tls_server_config cert_file key_file client_ca_file client_auth_type min_version max_version cipher_suites "
    b"http_server_config http2 headers basic_auth_users rate_limit : { } [ ] - & * << !! null true 1 TLS13".split(b" ")
)
TARGETS: Final = (
    Target("csv", table(".csv"), csvs, CELLS, quick=100),
    Target("parquet", table(".parquet"), parquets, quick=40),
    Target("config", configuration, configurations, _keys(), quick=25),
    Target("webconfig", web_configuration, lambda: [WEB], WEB_TOKENS, quick=200),
)
