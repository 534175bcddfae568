"""Hooks of mkdocs: runbooks and changelog, which live elsewhere, and links that lead out of the site."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from mkdocs.structure.files import File, Files

ROOT: Final = Path(__file__).resolve().parents[2]
ELSEWHERE: Final = {"CHANGELOG.md": "changelog.md"} | {
    f"alert_rules/runbooks/{path.name}": f"runbooks/{path.name}"
    for path in (ROOT / "alert_rules/runbooks").glob("*.md")
}
"""File of the repository -> page of the site."""
_LINK: Final = re.compile(r"\[([^\]]*)\]\(([^)\s#:]+)(#[^)]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    for source, page in ELSEWHERE.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links between files of the repository become links between pages; what is no page is named without a link."""
    here = next(
        (source for source, name in ELSEWHERE.items() if name == page.file.src_uri), f"docs/{page.file.src_uri}"
    )

    def changed(link: re.Match[str]) -> str:
        text, target, place = link[1], link[2], link[3] or ""
        path = (ROOT / here).parent.joinpath(target).resolve()
        if not path.is_relative_to(ROOT):
            return link[0]
        name = path.relative_to(ROOT).as_posix()
        if name in ELSEWHERE or (name.startswith("docs/") and path.is_file()):
            goal = ELSEWHERE.get(name, name.removeprefix("docs/"))
            up = "../" * page.file.src_uri.count("/")
            return f"[{text}]({up}{goal}{place})"
        return f"{text} (`{name}`)" if path.exists() and text.strip("`") != name else text if path.exists() else link[0]

    return _LINK.sub(changed, markdown)


def on_post_build(config: Any) -> None:
    """Alerts link to NAME.md below the address of the runbooks: there is a page, too, which leads on."""
    for page in ELSEWHERE.values():
        folder, _, name = page.partition("/")
        if name:
            place = Path(config["site_dir"]) / folder / name
            place.mkdir(exist_ok=True)
            to = f"../{name.removesuffix('.md')}/"
            text = f'<!doctype html><meta http-equiv="refresh" content="0; url={to}"><a href="{to}">{name}</a>\n'
            (place / "index.html").write_text(text, encoding="utf-8")
