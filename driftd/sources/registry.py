"""Schema registries over HTTP: Confluent's API, which others have, too, and Apicurio's own.

Ids are immutable, so what was fetched stays. A registry that does not answer is asked again after a pause that grows.
Sources: confluent-kafka-python, schema_registry; apicurio-registry, common/src/main/resources/META-INF/openapi.json.
"""

from __future__ import annotations

import base64
import json
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any, Final
from urllib import error, parse, request

from driftd.core.errors import ConfigError, SourceError
from driftd.core.text import clean
from driftd.decode.registry import GLUE, RegisteredSchema, SchemaRef
from driftd.sources.proto_text import NotCompiled, compiled, is_text

SETTING: Final = "schema_registry"
ANSWER_SECONDS: Final = 5.0
MOST_BYTES: Final = 4 << 20
"""Of an answer. Chosen: schemas have kilobytes."""
MOST_KEPT: Final = 1000
MOST_REFERENCES: Final = 100
"""Of one schema, with those of its references."""
UNKNOWN_SECONDS: Final = 60.0
"""For so long a schema that the registry does not have is not asked for again: ids come from records."""
LONGEST_PAUSE_SECONDS: Final = 30.0


class _Unknown(Exception):
    """The registry answers that it has no such schema, or one that cannot be used."""


@dataclass(slots=True)
class HttpRegistry:
    """A Registry (driftd.decode.registry). ``authorization``: the header's value."""

    url: str
    apicurio: bool = False
    authorization: str | None = field(default=None, repr=False)
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    _kept: OrderedDict[tuple[SchemaRef, bool], RegisteredSchema] = field(default_factory=OrderedDict)
    _unknown: OrderedDict[tuple[SchemaRef, bool], tuple[float, str]] = field(default_factory=OrderedDict)
    _away: tuple[float, float, str] | None = None
    """Until when nobody is asked, how long the pause is, and why."""

    def load(self, ref: SchemaRef, *, serialized: bool) -> RegisteredSchema | str:
        if ref.kind == GLUE:
            return "AWS Glue's registry is not asked"
        key, now = (ref, serialized), self.clock()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if key in self._unknown and now < self._unknown[key][0]:
            return self._unknown[key][1]
        if self._away is not None and now < self._away[0]:
            raise SourceError(self._away[2])
        try:
            found = self._apicurio(ref) if self.apicurio else self._confluent(ref, serialized=serialized)
            if serialized and found.type in {"PROTOBUF", ""} and is_text(found.text):  # Apicurio has no other
                found = compiled(found)
        except (_Unknown, NotCompiled) as e:
            _keep(self._unknown, key, (now + UNKNOWN_SECONDS, str(e)))
            return str(e)
        except SourceError as e:
            pause = 1.0 if self._away is None else min(2 * self._away[1], LONGEST_PAUSE_SECONDS)
            self._away = self.clock() + pause, pause, str(e)
            raise
        self._away = None
        _keep(self._kept, key, found)
        return found

    # -- Confluent --

    def _confluent(self, ref: SchemaRef, *, serialized: bool) -> RegisteredSchema:
        if ref.kind not in {"id", "guid"}:
            raise _Unknown(f"{ref}: only Apicurio has such ids; set {SETTING}.type: apicurio")
        form = "?format=serialized" if serialized else ""
        said = self._object(f"/schemas/{'ids' if ref.kind == 'id' else 'guids'}/{ref.value}{form}")
        references: dict[str, str] = {}
        self._refer(said, form, references, ())
        return RegisteredSchema(str(said.get("schemaType") or "AVRO"), _text(said), references)

    def _refer(self, said: Mapping[str, Any], form: str, found: dict[str, str], within: tuple[str, ...]) -> None:
        """What a schema refers to, the innermost first."""
        for each in said.get("references") or ():
            try:
                name, subject, version = str(each["name"]), str(each["subject"]), int(each["version"])
            except (KeyError, TypeError, ValueError):
                raise _Unknown("a reference without name, subject and version") from None
            if name in found or name in within:
                continue
            if len(found) + len(within) >= MOST_REFERENCES:
                raise _Unknown(f"more than {MOST_REFERENCES} references")
            inner = self._object(f"/subjects/{parse.quote(subject, safe='')}/versions/{version}{form}")
            self._refer(inner, form, found, (*within, name))
            found[name] = _text(inner)

    # -- Apicurio --

    def _apicurio(self, ref: SchemaRef) -> RegisteredSchema:
        if ref.kind == "guid":
            raise _Unknown(f"{ref}: Apicurio has no GUIDs; set {SETTING}.type: confluent")
        kind = "globalIds" if ref.kind == "global" else "contentIds"
        text = self._get(f"/apis/registry/v3/ids/{kind}/{ref.value}").decode(errors="replace")
        references: dict[str, str] = {}
        self._apicurio_refer(f"/apis/registry/v3/ids/{kind}/{ref.value}", references, ())
        return RegisteredSchema("", text, references)

    def _apicurio_refer(self, of: str, found: dict[str, str], within: tuple[str, ...]) -> None:
        listed = _json(self._get(f"{of}/references"))
        for each in listed if isinstance(listed, list) else ():
            try:
                name = str(each["name"])
                group, artifact, version = (
                    parse.quote(str(each.get(key) or default), safe="")
                    for key, default in (("groupId", "default"), ("artifactId", ""), ("version", ""))
                )
            except (KeyError, TypeError, AttributeError):
                raise _Unknown("a reference without name") from None
            if name in found or name in within:
                continue
            if len(found) + len(within) >= MOST_REFERENCES:
                raise _Unknown(f"more than {MOST_REFERENCES} references")
            path = f"/apis/registry/v3/groups/{group}/artifacts/{artifact}/versions/{version}"
            self._apicurio_refer(path, found, (*within, name))
            found[name] = self._get(f"{path}/content").decode(errors="replace")

    # -- HTTP --

    def _object(self, path: str) -> Mapping[str, Any]:
        said = _json(self._get(path))
        if not isinstance(said, dict):
            raise self._strange()
        return said

    def _get(self, path: str) -> bytes:
        headers = {"Accept": "application/json, */*;q=0.5", "User-Agent": "driftd"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        asked = request.Request(self.url.rstrip("/") + path, headers=headers)  # noqa: S310  http or https: config looks
        opener = request.build_opener(_NoRedirects, request.HTTPSHandler(context=self._context()))
        try:
            with opener.open(asked, timeout=ANSWER_SECONDS) as answer:
                body: bytes = answer.read(MOST_BYTES + 1)
        except error.HTTPError as e:
            with e:
                raise self._refused(e.code) from None
        except (OSError, HTTPException, ValueError) as e:
            raise SourceError(f"schema registry {self._where}: {_said(e)}; reading waits, nothing is lost") from None
        if len(body) > MOST_BYTES:
            raise _Unknown(f"its schema has more than {MOST_BYTES >> 20} MiB")
        return body

    @property
    def _where(self) -> str:
        return clean(self.url, 200)

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.cafile)
            if self.certfile is not None:
                context.load_cert_chain(self.certfile, self.keyfile)
        except (OSError, ssl.SSLError) as e:
            raise ConfigError(f"{SETTING}: cafile, certfile or keyfile: {getattr(e, 'strerror', None) or e}") from None
        return context

    def _refused(self, status: int) -> Exception:
        if status == 404:
            return _Unknown(f"schema registry {self._where} has no such schema")
        cure = f"; check {SETTING}.username and password_file, or token_file" if status in {401, 403} else ""
        return SourceError(f"schema registry {self._where}: answers {status}{cure}; reading waits, nothing is lost")

    def _strange(self) -> SourceError:
        return SourceError(f"schema registry {self._where}: not a registry's answer; check {SETTING}.url and type")


class _NoRedirects(request.HTTPRedirectHandler):
    """Another address gets no secret of ours."""

    def redirect_request(self, *_: Any) -> None:
        return None


def basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"


def _text(said: Mapping[str, Any]) -> str:
    text = said.get("schema")
    if not isinstance(text, str):
        raise _Unknown("an answer without a schema")
    return text


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _keep(table: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > MOST_KEPT:
        table.popitem(last=False)


def _said(e: Exception) -> str:
    cause = e.reason if isinstance(e, error.URLError) and isinstance(e.reason, Exception) else e
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"certificate not trusted: {cause.verify_message}; set {SETTING}.cafile"
    if isinstance(cause, TimeoutError):
        return f"no answer in {ANSWER_SECONDS:g} s"
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror[0].lower() + cause.strerror[1:]
    return type(cause).__name__
