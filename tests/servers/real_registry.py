"""Apicurio Registry for tests: a real schema registry in a JVM, in memory, with its own API and Confluent's.

``python -m tests.servers.real_registry --install`` fetches it into ``.tools/apicurio`` (Maven, once, 109 MB).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib import request

import pytest

from tests.servers import ROOT, find_free_port, need, spawn
from tests.servers.kafka import find_java, run
from tests.servers.run import keeping, kept, locked, tell, wait_for_the_end

VERSION: Final = "3.0.9"
"""The last on Maven Central that runs on Java 17: 3.3.3 wants 21. 2.x has no API v3, which driftd reads."""
ARTIFACT: Final = f"io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all"
TOOLS: Final = ROOT / ".tools" / "apicurio"
JAR: Final = TOOLS / f"apicurio-registry-app-{VERSION}-runner.jar"
NAME: Final = "apicurio"
START_SECONDS: Final = 120.0


@dataclass(frozen=True)
class Apicurio:
    """``url`` is what driftd is given with ``type: apicurio``, ``confluent`` what it is given without."""

    url: str

    @property
    def confluent(self) -> str:
        return f"{self.url}/apis/ccompat/v7"

    def register(self, subject: str, body: Mapping[str, Any]) -> int:
        """What Confluent's serializers do with a schema; the id of their frame."""
        said = _post(f"{self.confluent}/subjects/{subject}/versions", body)
        return int(said["id"])

    def create(self, group: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        """What Apicurio's serializers do with a schema; its globalId and contentId are in the answer."""
        path = f"/apis/registry/v3/groups/{group}/artifacts?ifExists=FIND_OR_CREATE_VERSION"
        version: Mapping[str, Any] = _post(self.url + path, body)["version"]
        return version


def _post(url: str, body: Mapping[str, Any]) -> Any:
    headers = {"Content-Type": "application/json"}
    with request.urlopen(request.Request(url, json.dumps(body).encode(), headers), timeout=30) as answer:
        return json.load(answer)


def install() -> str:
    """Fetch it, unless it is there; the answer is empty, or says why not."""
    if not find_java():
        return "no java (17 or newer) on PATH"
    if JAR.is_file():
        return ""
    maven = shutil.which("mvn")
    if maven is None:
        return "no mvn on PATH to fetch Apicurio Registry with"
    shutil.rmtree(TOOLS, ignore_errors=True)
    TOOLS.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="apicurio-", dir=TOOLS.parent) as name:
        new = Path(name)
        try:
            run([maven, "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={new}"])
            (packed,) = new.glob("*.tar.gz")
            with tarfile.open(packed) as archive:
                archive.extractall(new / "app", filter="data")
            (new / "app").rename(TOOLS)
        except (RuntimeError, OSError, ValueError, tarfile.TarError, subprocess.TimeoutExpired) as error:
            return f"mvn could not fetch Apicurio Registry {VERSION}: {str(error)[-300:]}"
    return "" if JAR.is_file() else f"mvn fetched no {JAR.name}"


@contextlib.contextmanager
def serving() -> Iterator[str]:
    """Its address, while it runs."""
    port = find_free_port()
    with tempfile.TemporaryDirectory(prefix="driftd-apicurio-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        log, url = folder / "log", f"http://127.0.0.1:{port}"
        listen = ["-Dquarkus.http.host=127.0.0.1", f"-Dquarkus.http.port={port}"]
        small = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        process = spawn([find_java(), *small, *listen, "-jar", str(JAR)], log, cwd=folder, own_session=True)
        try:
            end = time.monotonic() + START_SECONDS
            while not _answers(url):
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"apicurio: did not start\n{log.read_text(errors='replace')[-3000:]}")
                time.sleep(0.2)
            yield url
        finally:
            process.kill()
            process.wait(timeout=20)


def _answers(url: str) -> bool:
    try:
        with request.urlopen(f"{url}/apis/registry/v3/system/info", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.fixture(scope="session")
def apicurio(run_folder: Path) -> Apicurio:
    """A registry for the whole run of tests: give subjects and artifacts names that nobody else has."""
    with locked(run_folder / "install-apicurio.lock"):
        reason = install()
    need(NAME, not reason, reason)
    keeper = [sys.executable, "-m", "tests.servers.real_registry", "--keep", str(run_folder)]
    return Apicurio(kept(run_folder, NAME, keeper)["bootstrap"])


def keep(folder: Path) -> None:
    """Run it until the run of tests ends, or until SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with contextlib.suppress(KeyboardInterrupt), keeping(folder), serving() as url:
        tell(folder, NAME, {"what": f"Apicurio Registry {VERSION} in a local JVM", "bootstrap": url})
        wait_for_the_end(folder)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.servers.real_registry", description="A schema registry for tests"
    )
    parser.add_argument("--install", action="store_true", help="fetch Apicurio Registry into .tools/apicurio")
    parser.add_argument("--run", action="store_true", help="run it until Ctrl-C")
    parser.add_argument("--keep", type=Path, help="run it until a run of tests ends, whose folder this is")
    options = parser.parse_args()
    if options.keep:
        keep(options.keep)
        return 0
    reason = install()
    if reason:
        print(f"apicurio: {reason}", file=sys.stderr)
        return 1
    print(f"apicurio: Apicurio Registry {VERSION} is in {TOOLS}")
    if options.run:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt), serving() as url:
            print(f"apicurio: listening at {url}", flush=True)
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
