"""Protobuf schemas that a registry has as text: protoc, of the package grpcio-tools, makes descriptors of them."""

from __future__ import annotations

import base64
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Final

from driftd.core.text import clean
from driftd.decode.registry import RegisteredSchema

MAIN: Final = "driftd.main.proto"
"""Name of the schema's own file, which the registry does not say."""
SECONDS: Final = 20.0
"""For protoc. Chosen: it takes one on a busy machine."""


class NotCompiled(Exception):
    """In words why not."""


def is_text(schema: str) -> bool:
    """Whether it is a schema as people write it, and no descriptor in base64."""
    return any(mark in schema for mark in ";{")


def compiled(schema: RegisteredSchema) -> RegisteredSchema:
    """Its descriptors, as a registry gives them that has them itself. Raises NotCompiled."""
    if find_spec("grpc_tools") is None:
        raise NotCompiled("the registry has it as text, which needs a package: pip install 'driftd[protobuf]'")
    texts = {**schema.references, MAIN: schema.text}
    with TemporaryDirectory(prefix="driftd-proto-") as name:
        folder = Path(name)
        for path, text in texts.items():
            _write(folder / "in", path, text)
        _run(folder)
        made = _described(folder / "out")
    return RegisteredSchema(schema.type, made.pop(MAIN), made)


def _write(folder: Path, name: str, text: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\x00" in name:
        raise NotCompiled(f"a reference is called {clean(name, 60)}, which is no name of a file")
    try:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    except OSError as e:
        raise NotCompiled(f"a reference is called {clean(name, 60)}: {e.strerror}") from None


def _run(folder: Path) -> None:
    out = ("--include_imports", f"--descriptor_set_out={folder / 'out'}")
    words = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *out, MAIN]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False, cwd=folder / "in")  # noqa: S603  our own words
    except (OSError, subprocess.TimeoutExpired) as e:
        raise NotCompiled(f"protoc: {type(e).__name__}") from None
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if ".proto:" in line), "not a schema of Protobuf")
        raise NotCompiled(f"protoc: {clean(first, 150)}")


def _described(file: Path) -> dict[str, str]:
    """By name, each after those that it imports."""
    from google.protobuf.descriptor_pb2 import FileDescriptorSet  # noqa: PLC0415  an extra

    made = FileDescriptorSet.FromString(file.read_bytes())
    return {one.name: base64.b64encode(one.SerializeToString()).decode() for one in made.file}
