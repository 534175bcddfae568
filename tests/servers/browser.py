"""A real Chromium without a window, one for all tests of a worker, told what to do over its debugging pipe.

To start it takes a second of two processors, to load a page some hundredths.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.servers import LEASH

FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
    *("--disable-background-networking", "--remote-debugging-pipe"),
)
PATIENCE: Final = 120.0
END: Final = b"\0"
"""Behind each message, in both directions."""


class Browser:
    """The process, and the messages of https://chromedevtools.github.io/devtools-protocol."""

    def __init__(self, chromium: str, profile: Path) -> None:
        asked, self._write = os.pipe()
        self._read, answered = os.pipe()
        # It reads its descriptor 3 and writes its 4.
        command = ["bash", "-c", f'exec "$@" 3<&{asked} 4>&{answered}', "chromium", *LEASH, chromium, *FLAGS]
        with (profile.parent / "chromium.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, f"--user-data-dir={profile}"],
                pass_fds=(asked, answered),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        os.close(asked)
        os.close(answered)
        self._numbers = itertools.count(1)
        self._rest = b""
        self.events: list[dict[str, Any]] = []

    def ask(self, method: str, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The answer; what happens meanwhile is kept in ``events``."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + END)
        end = time.monotonic() + PATIENCE
        while True:
            answer = self._next(end, method)
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait(self, wanted: Callable[[dict[str, Any]], bool], what: str) -> None:
        """Until such an event has come."""
        end = time.monotonic() + PATIENCE
        while not any(map(wanted, self.events)):
            self.events.append(self._next(end, what))

    def _next(self, end: float, what: str) -> dict[str, Any]:
        while END not in self._rest:
            ready, _, _ = select.select([self._read], [], [], max(end - time.monotonic(), 0.0))
            assert ready, f"chromium: {what}: not within {PATIENCE:g} s"
            part = os.read(self._read, 1 << 16)
            assert part, f"chromium has ended ({self.process.poll()})"
            self._rest += part
        first, _, self._rest = self._rest.partition(END)
        message: dict[str, Any] = json.loads(first)
        return message

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._read)
        os.close(self._write)


class Tab:
    """A page of a browser that remembers nothing of others."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.context = browser.ask("Target.createBrowserContext")["browserContextId"]
        target = browser.ask("Target.createTarget", url="about:blank", browserContextId=self.context)["targetId"]
        self.session = browser.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Log", "Runtime"):
            self._ask(f"{domain}.enable")

    def look(self, width: int, scheme: str = "light", height: int = 1400) -> None:
        """What a person has before them: the window's size, and whether they like it dark."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def go(self, url: str) -> None:
        """Load the page, with all that belongs to it."""
        self.browser.events.clear()
        self._ask("Page.navigate", url=url)
        self.browser.wait(self._of("Page.loadEventFired"), f"loading {url}")

    def run(self, script: str) -> Any:
        """The value of an expression in the page; its policy does not hold for it."""
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    @property
    def dom(self) -> str:
        return str(self.run("document.documentElement.outerHTML"))

    @property
    def picture(self) -> bytes:
        """As PNG."""
        return base64.b64decode(self._ask("Page.captureScreenshot")["data"])

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """What its console says since ``go``, chiefly of the content security policy."""
        self.run("0")  # what was said before this is here with its answer
        said = ("Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown")
        return [event["params"] for event in self.browser.events if any(self._of(kind)(event) for kind in said)]

    def close(self) -> None:
        self.browser.ask("Target.disposeBrowserContext", browserContextId=self.context)

    def _ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self.browser.ask(method, self.session, **parameters)

    def _of(self, kind: str) -> Callable[[dict[str, Any]], bool]:
        return lambda event: event.get("method") == kind and event.get("sessionId") == self.session


@pytest.fixture(scope="session")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("chromium")
    running = Browser(chromium, folder / "profile")
    yield running
    running.close()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tab(browser: Browser) -> Iterator[Tab]:
    opened = Tab(browser)
    yield opened
    opened.close()
