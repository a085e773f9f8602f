"""What is told of a proof while it is made: memory before it, shares and time left, ctrl-C."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from esper.cli.esper.models.proving_progress import (
    Progress,
    TooLittleMemoryError,
    apart,
    check_memory,
    memory_line,
)
from esper.prover import ProofPlan
from esper.prover.free_memory import free_memory

PLAN = ProofPlan(64, 3_000_000, 500_000, 3 << 30, (("answer", 0.25), ("b", 0.25), ("c", 0.5)))
MIB = 1 << 20


def test_the_time_left_follows_the_pace_of_what_is_over() -> None:
    now = 100.0
    progress = Progress(PLAN, lambda: now)
    assert (progress.stage, progress.share, progress.seconds_left()) == ("answer", 0.0, None)
    now = 110.0
    progress.done("answer")
    # The pace of an answer says nothing of its proof.
    assert (progress.stage, progress.share, progress.seconds_left()) == ("b", 0.25, None)
    progress.done("b")
    assert (progress.stage, progress.share, progress.seconds_left()) == ("c", 0.5, 10.0)
    progress.done("unplanned")
    assert progress.stage == "c"
    progress.done("c")
    assert (progress.stage, progress.share, progress.seconds_left()) == ("", 1.0, 0.0)


def test_a_stage_that_was_not_told_is_over_with_the_next() -> None:
    progress = Progress(PLAN)
    progress.done("b")
    assert (progress.stage, progress.share) == ("c", 0.5)
    progress.done("answer")
    assert (progress.stage, progress.share) == ("c", 0.5)


def test_memory_is_told_and_compared() -> None:
    assert memory_line(PLAN) == (
        "64 rows, 3.0 million cells beside 0.5 million of the model: about 3.0 GiB of memory"
    )
    check_memory(PLAN, None)
    check_memory(PLAN, 3 << 30)
    with pytest.raises(TooLittleMemoryError, match=r"about 3\.0 GiB .* 1\.5 GiB are free: .*--any"):
        check_memory(PLAN, 3 << 29)


def test_what_is_done_apart_returns_or_raises() -> None:
    here = threading.get_ident()
    assert apart(threading.get_ident) != here
    with pytest.raises(ZeroDivisionError):
        apart(lambda: 1 // 0)


def test_an_interrupt_does_not_wait_for_what_is_done_apart() -> None:
    code = (
        "import sys, time\n"
        "from esper.cli.esper.models.proving_progress import apart\n"
        "def work():\n"
        "    print('begun', flush=True)\n"
        "    time.sleep(600)\n"
        "try:\n"
        "    apart(work)\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(7)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(0.2)
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 7
        finally:
            process.kill()


def machine(folder: Path, free_kib: int) -> Path:
    path = folder / "meminfo"
    path.write_text(f"MemTotal: 9999999 kB\nMemAvailable:   {free_kib} kB\n")
    return path


def test_free_memory_is_the_least_of_machine_and_groups(tmp_path: Path) -> None:
    groups, own = tmp_path / "groups", tmp_path / "own"
    inner = groups / "a" / "b"
    inner.mkdir(parents=True)
    own.write_text("1:cpu:/x\n0::/a/b\n")
    info = machine(tmp_path, 900 * 1024)
    assert free_memory(info, own, groups) == 900 * MIB
    (groups / "a" / "memory.max").write_text(f"{500 * MIB}\n")
    (groups / "a" / "memory.current").write_text(f"{300 * MIB}\n")
    (groups / "a" / "memory.stat").write_text(
        f"anon 7\ninactive_file {40 * MIB}\nactive_file {10 * MIB}\nbroken\n"
    )
    assert free_memory(info, own, groups) == 250 * MIB
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("5\n")
    assert free_memory(info, own, groups) == 250 * MIB
    (inner / "memory.max").write_text("4\n")
    assert free_memory(info, own, groups) == 0


@pytest.mark.parametrize("text", ["", "MemAvailable:\n", "MemAvailable: x kB\n", "\xff\n"])
def test_what_the_system_does_not_say_is_not_known(text: str, tmp_path: Path) -> None:
    path = tmp_path / "meminfo"
    path.write_text(text, encoding="latin-1")
    assert free_memory(path, tmp_path / "none", tmp_path / "groups") is None


def test_a_group_outside_of_the_tree_is_not_looked_at(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.write_text("0::/../../etc\n")
    assert free_memory(machine(tmp_path, 1024), own, tmp_path / "groups") == MIB
