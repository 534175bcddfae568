"""The wheel has all that `driftd generate` reads: it works from an installed package, without a checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Final

import pytest

from driftd import __version__
from tests.deploy.reading import DEPLOY, ROOT, run
from tests.rules.reading import RULE_FILES, RUNBOOKS

SHARE: Final = "driftd/share"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return folder / f"driftd-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds what the wheel installs."""
    folder = tmp_path_factory.mktemp("site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def generate(installed: Path, *words: str) -> str:
    """`driftd generate` of the installed package, in an empty folder."""
    code = (
        "import sys, driftd.cli; assert sys.argv.pop(1) in driftd.cli.__file__, driftd.cli.__file__; driftd.cli.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(installed), "generate", *words],
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin"},
        cwd=installed.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_rules_runbooks_chart_unit_and_templates(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    shared = [*RULE_FILES, *RUNBOOKS, DEPLOY / "systemd" / "driftd.service", DEPLOY / "driftd.yaml"]
    shared += (path for folder in ("alertmanager", "helm") for path in (DEPLOY / folder).rglob("*") if path.is_file())
    assert {f"{SHARE}/{path.relative_to(ROOT)}" for path in shared} <= names
    assert "driftd/py.typed" in names
    assert any(name.startswith("driftd/data/") for name in names)
    assert not [name for name in names if name.startswith("tests/")]


def test_rules_and_alertmanager_come_out_of_the_installed_package(installed: Path) -> None:
    out = installed.parent / "out"
    generate(installed, "rules", "-o", str(out / "rules"))
    assert {path.name: path.read_text() for path in (out / "rules").iterdir()} == {
        path.name: path.read_text() for path in RULE_FILES
    }
    generate(installed, "alertmanager", "-o", str(out / "am"))
    assert (out / "am" / "driftd.tmpl").read_text() == (DEPLOY / "alertmanager" / "driftd.tmpl").read_text()


@pytest.mark.parametrize(("what", "source"), [("chart", "helm/driftd"), ("unit", "systemd")])
def test_chart_and_unit_come_out_of_the_installed_package(installed: Path, what: str, source: str) -> None:
    out = installed.parent / what
    generate(installed, "files", what, "-o", str(out))
    run("diff", "-r", DEPLOY / source, out)
