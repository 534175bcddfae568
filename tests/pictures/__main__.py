"""Pictures of the pages from a real run: `python -m tests.pictures --serve 9720` to look, `--write FOLDER` to keep."""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import threading
from pathlib import Path
from typing import Final

from driftd.web import HttpServer, Views
from tests.pictures.fleet import fleet
from tests.servers.prometheus import find

PICTURES: Final = (
    ("fleet", "/?refresh=off", 1280, 800, "light"),
    ("model", "/model?model=fraud-card&refresh=off", 1280, 1320, "light"),
    ("incident", "/incident?id={incident}&refresh=off", 1280, 1950, "light"),
    ("channel", "/channel?model=fraud-card&channel=amount&refresh=off", 1280, 1520, "dark"),
)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--models", type=int, default=20)
    asked.add_argument("--features", type=int, default=0, help="so many more numbers in each model")
    asked.add_argument("--calm", action="store_true", help="without faults")
    asked.add_argument("--serve", type=int, metavar="PORT", help="until Ctrl-C")
    asked.add_argument("--write", type=Path, metavar="FOLDER")
    args = asked.parse_args()
    shown = fleet(args.models, calm=args.calm, features=args.features)
    views = Views(lambda _: b"", lambda: 0.0, lambda: (), lambda: (False, ""), shown.snapshot)
    server = HttpServer(("127.0.0.1", args.serve or 0), views)
    server.start()
    if args.write is not None:
        args.write.mkdir(parents=True, exist_ok=True)
        incident = next((i.id for i in shown.snapshot().incidents if i.first.channel == "amount"), "")
        for name, path, width, height, scheme in PICTURES:
            take(f"{server.url}{path.format(incident=incident)}", args.write / f"{name}.png", width, height, scheme)
    if args.serve is not None:
        print(f"serving on {server.url}", flush=True)
        threading.Event().wait()
    server.close()


def take(url: str, picture: Path, width: int, height: int, scheme: str) -> None:
    """A picture of a page, as a browser paints it."""
    chromium = find("chromium")
    if chromium is None:
        raise SystemExit("no chromium: make servers installs it")
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    with tempfile.TemporaryDirectory() as profile:
        command = [str(chromium), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", *dark]
        command += [
            "--virtual-time-budget=3000",
            "--run-all-compositor-stages-before-draw",  # else parts of it may be empty on a busy machine
            f"--user-data-dir={profile}",
            f"--window-size={width},{height}",
            f"--screenshot={picture}",
            url,
        ]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
    print(picture, flush=True)


if __name__ == "__main__":
    main()
