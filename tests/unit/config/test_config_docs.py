"""docs/config.md names every setting as the code has it, and its example is valid."""

import re
from pathlib import Path

from driftd import config
from driftd.config.describe import settings

PAGE = Path(__file__).parents[3] / "docs" / "config.md"


def expected_tables() -> str:
    """What docs/config.md must end in; to renew the page, put this there."""
    out, section = [], None
    for s in settings():
        name = "models" if s.path.startswith("models") else s.path.split(".")[0]
        if name != section:
            section = name
            out += [f"### {name}", "", "| setting | type | default | variable | meaning |", "|---|---|---|---|---|"]
            out[-4:-4] = [""] if len(out) > 4 else []
        env = f"`{s.env}`" if s.env else ""
        out.append(f"| `{s.path}` | {s.type} | {s.default} | {env} | {s.meaning} |")
    return "\n".join(out) + "\n"


def test_every_setting_stands_in_the_docs_with_its_type_default_variable_and_meaning() -> None:
    assert PAGE.read_text().endswith("-->\n\n" + expected_tables())


def test_every_setting_has_a_meaning() -> None:
    assert not [s.path for s in settings() if not s.meaning.endswith(".")]


def test_the_example_of_the_docs_is_valid(tmp_path: Path) -> None:
    match = re.search(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert match
    path = tmp_path / "driftd.yaml"
    path.write_text(match[1])
    settings_ = config.load(path, {}).settings
    assert settings_.models[0].features["age"].effect == {"psi": 0.25}
    assert settings_.windows.window_seconds == 600
