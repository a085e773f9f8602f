"""Write the table of settings in docs/node.md from the fields of ``Settings``.

python scripts/write_node_docs.py
"""

from __future__ import annotations

from pathlib import Path

from esper.node.setting_fields import Setting, declared
from esper.node.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "docs" / "node.md"
BEGIN = "<!-- Made by scripts/write_node_docs.py from esper/node/settings.py -->\n"
END = "<!-- End of what is made -->\n"
HEAD = "| setting | default | flag of | |\n|---|---|---|---|\n"


def default(one: Setting) -> str:
    """What holds if nobody says anything."""
    if one.traits.shown_default is not None:
        return one.traits.shown_default
    value = one.plain(one.default)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"`{value}`" if value or value == 0 else "none"


def row(one: Setting) -> str:
    """One line of the table."""
    flag = "none" if one.flag is None else one.traits.use.value
    return f"| `{one.name}` | {default(one)} | {flag} | {one.described} |\n"


def table() -> str:
    """The whole table."""
    return HEAD + "".join(map(row, declared(Settings)))


def page(written: str) -> str:
    """The page with its table made anew."""
    before, _, rest = written.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
