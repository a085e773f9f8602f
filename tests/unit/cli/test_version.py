"""`--version`: what is installed, at once, whether the extension can be loaded or not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import esper
from esper.cli import version
from esper.native_check import NativeCpuError, Usable
from esper.native_record import BuildRecord, Extension
from tests.support.node.node_process import environment

HEAVY = ("numpy", "typer", "rich", "esper._native", "msgspec", "trio")


@pytest.mark.parametrize("program", ["esper", "esperd"])
def test_it_is_told_without_importing_anything_heavy(program: str, tmp_path: Path) -> None:
    code = f"""
import json, sys
from esper.cli.entry import {program}
sys.argv = [{program!r}, "--version"]
try:
    {program}()
except SystemExit as ended:
    assert not ended.code
print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert told[0] == f"{program} {esper.__version__}"
    assert told[1].startswith("extension  native, ")
    assert told[2].startswith("built for  ")
    assert told[3].startswith("commit     ")
    assert json.loads(told[-1]) == []


def entry(level: str, *features: str) -> Extension:
    return Extension(level, f"_native_{level}.abi3.so", "00", features)


def test_of_several_extensions_it_names_the_one_that_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    new, old = entry("v3", "avx2", "sse3", "sse4.2"), entry("v2", "sse3")
    record = BuildRecord("x86_64", "00", None, (new, old))
    monkeypatch.setattr(
        version, "usable_extension", lambda **_: Usable(Path("nowhere"), new, record)
    )
    assert version.described("esper").splitlines()[1:] == [
        "extension  v3 (beside v2), x86_64",
        "built for  sse4.2, avx2 and 1 more",
        "commit     not known to the build",
    ]


def test_an_extension_that_cannot_be_loaded_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> Usable:
        raise NativeCpuError("this one lacks avx2")

    monkeypatch.setattr(version, "usable_extension", refuse)
    assert version.described("esperd") == (
        f"esperd {esper.__version__}\nextension  none: this one lacks avx2"
    )
