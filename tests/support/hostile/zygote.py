"""Runs commands on machines that it makes hostile, each in a fork of a process that has loaded all.

Reads cases as lines of JSON and writes what became of each. Run as a program.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import signal
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from esper.cli import program
from esper.cli.esper.app import application as esper
from esper.cli.esperd.app import application as esperd
from tests.support.hostile.conditions import CONDITIONS

PATIENCE_S = 60
BEGUN_WITH = ("typer._adapters",)
"""Of the library that reads the command line: it waits with this for the first argument."""


def ran(case: dict[str, Any]) -> dict[str, Any]:
    """Status and output of a case, or that it had no end."""
    pipes = [os.pipe() for _ in range(2)]
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        for number, (reader, writer) in enumerate(pipes, start=1):
            os.dup2(writer, number)
            os.close(reader)
            os.close(writer)
        run(case)
    for _, writer in pipes:
        os.close(writer)
    said, ended = listened(child, [reader for reader, _ in pipes], case)
    _, waited, _ = os.wait4(child, 0)
    return {"status": os.waitstatus_to_exitcode(waited), "ended": ended, "said": said}


def run(case: dict[str, Any]) -> NoReturn:
    """Be the command."""
    status = 99
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        # As an interpreter that begins would make them: those of this process were files, perhaps.
        for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
        os.environ.clear()
        os.environ.update(case["environment"])
        os.chdir(case["folder"])
        sys.argv = [case["program"], *case["arguments"]]
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        CONDITIONS[case["condition"]](Path(case["folder"]))
        program.start(case["program"])
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 98
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    finally:
        os._exit(status)


def listened(child: int, readers: list[int], case: dict[str, Any]) -> tuple[list[str], bool]:
    """What the child says until it ends; ctrl-C comes when the case says so."""
    said = dict.fromkeys(readers, b"")
    began = time.monotonic()
    stop_s = case.get("stop_s")
    ended = True
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(0.05):
                data = os.read(key.fd, 1 << 16)
                said[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
            passed = time.monotonic() - began
            if stop_s is not None and passed > stop_s:
                stop_s = None
                os.kill(child, signal.SIGINT)
            if passed > PATIENCE_S:
                ended = False
                os.killpg(child, signal.SIGKILL)
                break
    for reader in readers:
        os.close(reader)
    return [said[reader].decode(errors="replace") for reader in readers], ended


def load_all() -> None:
    """What commands import while they begin: each fork would do so again, in most of its time."""
    esper(), esperd()
    for name in BEGUN_WITH:
        import_module(name)


def main() -> None:
    load_all()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        print(json.dumps(ran(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
