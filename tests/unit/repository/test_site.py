"""`make docs`: a site of all pages that loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
BUILD = re.compile(r"^\t\$\(BIN\)/sphinx-build (.+) -d \S+ docs \$\(SITE\)$", re.MULTILINE)
"""The command of the Makefile."""
LOADING = frozenset({"src", "srcset", "data", "poster", "action", "formaction", "background"})
"""Attributes whose address a browser opens by itself, or sends a form to."""
STYLED = re.compile(r"""(?:url\(\s*["']?|@import\s+["']?)([^"')\s;]+)""")
"""Addresses in style sheets."""


def flags() -> list[str]:
    found = BUILD.search((ROOT / "Makefile").read_text())
    assert found is not None
    return found[1].split()


def build(docs: Path, to: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("sphinx-build"), *flags(), "-d", to / "trees", docs, to],
        capture_output=True,
        text=True,
        check=False,
        cwd=docs.parent,
        timeout=300,
    )


class Loads(HTMLParser):
    """Addresses that a page loads. A link that somebody may follow is none."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.found += [given[name] for name in LOADING & given.keys()]
        self.found += STYLED.findall(given.get("style", ""))
        if tag == "link" and "href" in given:
            self.found.append(given["href"])


def is_elsewhere(address: str) -> bool:
    return re.match(r"(?i)\s*(?:[a-z][a-z0-9+.-]*:)?//", address) is not None


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    made = build(DOCS, folder)
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS)).with_suffix(".html").is_file(), page


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    sheets = list(site.rglob("*.css"))
    assert pages
    assert sheets
    loaded = [(page, one) for page in pages for one in Loads(page.read_text()).found]
    loaded += [(sheet, one) for sheet in sheets for one in STYLED.findall(sheet.read_text())]
    assert len(loaded) > len(pages)
    assert not [one for one in loaded if is_elsewhere(one[1])]


def test_what_a_page_loads_is_found() -> None:
    text = (
        '<link rel="stylesheet" href="//a/x.css"><script src="https://b/y.js"></script>'
        '<a href="https://c/">follow</a><p style="background: url(http://d/z.png)">'
        '<img src="_static/file.png">'
    )
    assert [one for one in Loads(text).found if is_elsewhere(one)] == [
        *("//a/x.css", "https://b/y.js", "http://d/z.png")
    ]
    assert STYLED.findall('@import "https://e/f.css"; a { src: url("//g/h.woff2") }') == [
        *("https://e/f.css", "//g/h.woff2")
    ]


def test_files_of_the_repository_are_named_and_not_published(site: Path) -> None:
    text = (site / "node.html").read_text()
    for file in ("packaging/esper.toml", "packaging/seed-node.md"):
        assert f">{file}<" in re.sub(r"</?span[^>]*>", "", text)
    assert not (site / "_downloads").exists()


@pytest.mark.parametrize(
    ("text", "warning"),
    [("[gone](gone.md)", "gone.md"), ("[gone](#gone)", "gone"), ("```nosuch\nx\n```", "nosuch")],
    ids=["page", "section", "language"],
)
def test_what_sphinx_warns_of_is_an_error(tmp_path: Path, text: str, warning: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    shutil.copy(DOCS / "conf.py", docs)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (docs / "index.md").write_text(f"# Page\n\n{text}\n")
    made = build(docs, tmp_path / "site")
    assert made.returncode != 0
    assert warning in made.stderr


def test_it_is_one_of_the_checks() -> None:
    [line] = re.findall(r"^CHECKS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert "docs" in line.split()
