"""The site is built in mkdocs' strict mode: no link and no anchor leads nowhere, runbooks included."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]


def test_the_site_is_built_and_holds_the_runbooks(tmp_path: Path) -> None:
    config = ROOT / "deploy" / "site" / "mkdocs.yml"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--config-file", config, "--site-dir", tmp_path / "site"],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for runbook in (ROOT / "alert_rules" / "runbooks").glob("*.md"):
        assert (tmp_path / "site" / "runbooks" / runbook.stem / "index.html").is_file()
        linked = (tmp_path / "site" / "runbooks" / runbook.name / "index.html").read_text()  # as alerts link to it
        assert f'href="../{runbook.stem}/"' in linked
    index = (tmp_path / "site" / "runbooks" / "index.html").read_text()
    assert 'href="DriftdModelDrift/"' in index
    pages = "".join(path.read_text() for path in (tmp_path / "site").rglob("*.html"))
    assert "fonts.googleapis.com" not in pages
    assert 'href="../../alert_rules' not in pages


def test_no_merge_has_left_its_marks() -> None:
    texts = [*ROOT.glob("*.md"), *(p for top in ("docs", "alert_rules", "deploy") for p in (ROOT / top).rglob("*.*"))]
    marked = [
        path.relative_to(ROOT)
        for path in texts
        if path.suffix in {".md", ".yml", ".yaml", ".json", ".html"} and "\n<<<<<<< " in path.read_text()
    ]
    assert marked == []
