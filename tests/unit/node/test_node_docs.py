"""The page of settings comes from their fields."""

from __future__ import annotations

import runpy
from pathlib import Path

from esper.node.setting_fields import declared
from esper.node.settings import Settings

ROOT = Path(__file__).resolve().parents[3]


def test_the_table_of_settings_is_what_the_script_makes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "write_node_docs.py"))
    written = (ROOT / "docs" / "node.md").read_text(encoding="utf-8")
    assert written == script["page"](written), "run python scripts/write_node_docs.py"
    rows = [line for line in written.splitlines() if line in script["table"]().splitlines()[2:]]
    assert [row.split("`")[1] for row in rows] == [one.name for one in declared(Settings)]
