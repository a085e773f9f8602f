"""The tables of docs/scaling.md are what the plan says."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path

from esper.planning import costs
from esper.planning.machine import machine_of
from esper.planning.sample_machine import sample_text

ROOT = Path(__file__).parents[3]


def test_its_tables_are_what_the_script_makes() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "write_scaling_docs.py"))
    written = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    assert written == script["page"](written), "run python scripts/write_scaling_docs.py"
    assert written.count("<!-- Made by") == len(script["TABLES"])


def test_it_has_every_field_of_a_machine() -> None:
    written = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    fields = json.loads(sample_text())
    machine_of(fields)
    rows = re.findall(r"^\| `(\w+)` \|", written, re.MULTILINE)
    assert rows == [*fields, "gpu_tokens_per_s"]


def test_the_decision_has_every_constant() -> None:
    written = (ROOT / "docs" / "decisions" / "planning.md").read_text(encoding="utf-8")
    for name, value in vars(costs).items():
        if isinstance(value, float) and name not in {"NS", "MS"}:
            unit = costs.MS if name.endswith("ONCE") else costs.NS
            shown = re.escape(f"{value / unit:.6g}")
            assert re.search(rf"(?<![\d.]){shown}(?:\.0)?(?![\d.]\d)", written), name
