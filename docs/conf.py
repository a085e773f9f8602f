"""How Sphinx makes the site of these pages: `make docs`.

The pages are read in the repository as well, so links are plain paths. One that leaves `docs/`
points to nothing that the site has: it is shown as the path in the repository. Nothing is loaded
from elsewhere.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent

project = "Esperchain"
author = "the authors of Esperchain"
version = release = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
language = "en"

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["conf.py"]
nitpicky = True

myst_heading_anchors = 4
"""Sections can be linked to as on the pages of a repository."""
smartquotes = False

html_theme = "furo"
html_title = f"Esperchain {release}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_theme_options = {"navigation_with_keys": False}


class RepositoryPaths(SphinxTransform):
    """Shows links to files outside `docs/` as their paths.

    myst knows a link to a file that exists as a page or a download: of the first it would say that
    there is none, of the second it would copy what nobody asked to publish.
    """

    default_priority = 5

    def apply(self, **_: Any) -> None:
        """Replace the links of one page."""
        folder = (DOCS / self.env.docname).parent
        for link in list(self.document.findall(addnodes.download_reference)):
            self._show(link, folder / link["reftarget"])
        for link in list(self.document.findall(addnodes.pending_xref)):
            if link.get("refdomain") == "doc":
                self._show(link, DOCS / f"{link['reftarget']}.md")

    def _show(self, link: nodes.Element, file: Path) -> None:
        path = os.path.relpath(file, ROOT)
        if Path(path).parts[0] != DOCS.name:
            link.replace_self(nodes.literal(path, path))


def setup(app: Sphinx) -> dict[str, bool]:
    """Add what is defined here."""
    app.add_transform(RepositoryPaths)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
