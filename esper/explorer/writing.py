"""Pages as HTML: templates that escape everything, read once."""

from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import DictLoader, Environment, StrictUndefined

from esper.explorer import visible as v
from esper.explorer.page import Page

FOLDER: Final = Path(__file__).resolve().parent / "templates"
FINAL_BLOCKS: Final = 6
"""Blocks, its own among them, after which what a block says is called final."""


class Writer:
    """Writes pages."""

    def __init__(self) -> None:
        """Read and compile every template; blocks for about a tenth of a second.

        Raises OSError where templates cannot be read, TemplateSyntaxError where one is wrong.
        """
        sources = {path.name: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.html"))}
        self._templates = Environment(
            loader=DictLoader(sources),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.filters |= {
            "attempts": v.attempts,
            "beginning": v.beginning,
            "coarse": v.coarse,
            "count": v.count,
            "counted": v.counted,
            "credits": v.credits_text,
            "duration": v.duration,
            "esp": v.esp,
            "is_long": v.is_long,
            "machine_moment": v.machine_moment,
            "moment": v.moment,
            "per_mille": v.per_mille,
            "shown": v.shown,
            "size": v.size,
            "visible": v.visible,
        }
        self._templates.globals |= {"standing": standing, "fraction": v.fraction}
        # All of them now: compiled at their first page, they would hold up whatever runs by then.
        for name in sources:
            self._templates.get_template(name)

    def written(self, page: Page, **around: Any) -> str:
        """The page; ``around`` is what the frame of every page shows."""
        template = self._templates.get_template(page.template)
        return template.render(page.values, title=page.title, **around)


@cache
def page_writer() -> Writer:
    """The writer of this process: whoever is to serve pages asks before its event loop begins."""
    return Writer()


def standing(confirmations: int) -> str:
    """The word for what a block of the chain says."""
    return "final" if confirmations >= FINAL_BLOCKS else "proven"
