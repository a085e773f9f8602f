"""Shows a setting of sources to which it was added, in every place where settings are.

python -m tests.support.contributed.contributed_setting NAME VALUE DATADIR    prints a JSON object
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from esper.cli.esperd.app import application
from esper.node.setting_fields import SettingsError, declared
from esper.node.settings import SETTINGS_FILE, Settings, resolve

ROOT = Path(__file__).resolve().parents[3]


def config(*arguments: str, **environment: str) -> dict[str, Any]:
    """Every setting in effect, and its source."""
    done = CliRunner().invoke(application(), ["config", "--json", *arguments], env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(name: str, value: str, datadir: Path) -> None:
    os.environ["NO_COLOR"], os.environ["COLUMNS"] = "1", "200"
    [one] = [one for one in declared(Settings) if one.name == name]
    where = ["--datadir", str(datadir)]
    default = config(*where)[name]
    by_flag = config(*where, f"--{name.replace('_', '-')}")[name]
    by_variable = config(*where, **{f"ESPER_{name.upper()}": value})[name]
    (datadir / SETTINGS_FILE).write_text(f"{name} = {value}\n", encoding="utf-8")
    by_file = config(*where)[name]
    [line] = [
        line
        for line in CliRunner().invoke(application(), ["config", *where]).stdout.splitlines()
        if line.startswith(name)
    ]
    page = runpy.run_path(str(ROOT / "scripts" / "write_node_docs.py"))["table"]()
    rows = [row for row in page.splitlines() if row.startswith(f"| `{name}` |")]
    refused = ""
    try:
        resolve({}, {f"ESPER_{name.upper()}": "\0"})
    except SettingsError as error:
        refused = str(error)
    assert one.flag is not None
    helped = {
        command: one.flag in CliRunner().invoke(application(), [command, "--help"]).stdout
        for command in ("init", "node", "mine", "config")
    }
    found = {
        "default": default,
        "flag": by_flag,
        "variable": by_variable,
        "file": by_file,
        "line": line,
        "rows": rows,
        "refused": refused,
        "help": helped,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
