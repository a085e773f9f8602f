"""Ctrl-C that meets a program in code that nobody called, where Python forgets exceptions."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
from esper.cli import program

class Freed:
    def __del__(self):
        {what}

def invoked(name, typed):
    Freed()
    print("freed", flush=True)
    time.sleep({pause_s})
    return 0

program._invoke = invoked
program.start("esper")
"""
CTRL_C = "signal.raise_signal(signal.SIGINT)"


def ran(what: str, pause_s: float) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PROGRAM.format(what=what, pause_s=pause_s)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_ctrl_c_while_an_object_is_freed_ends_the_command_in_silence() -> None:
    done = ran(CTRL_C, pause_s=20)
    assert done.stderr == ""
    assert done.stdout == "freed\n"
    assert done.returncode == 130


def test_another_exception_there_is_told() -> None:
    done = ran("raise ValueError('odd')", pause_s=0)
    assert "ValueError: odd" in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize("pause_s", [0, 0.01])
def test_ctrl_c_as_the_command_ends_is_silent(pause_s: float) -> None:
    """The interruption comes again when nothing is left to interrupt, or just before."""
    done = ran(CTRL_C, pause_s)
    assert done.stderr == ""
    assert done.returncode in (0, 130)
