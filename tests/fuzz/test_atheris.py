"""Atheris over the table of decoders and the network's machines.

A minute for both together here, an hour each in ``make soak``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TARGET = Path(__file__).with_name("atheris_target.py")
NETWORK_TARGET = Path(__file__).with_name("atheris_network_target.py")
LONGEST_INPUT = 16_384
STARTS_IN_S = 120
"""Importing with instrumentation, and the honest examples, before the clock of libFuzzer runs."""

OF_A_SMALL_PARENT = ("/bin/sh", "-c", '"$@"; exit $?', "sh")
"""libFuzzer bounds the peak that getrusage tells, and Linux counts into it what the memory of the
process that started it had reached: of a pytest that has proven, more than a gigabyte."""


def fuzz(folder: Path, seconds: int, target: Path = TARGET) -> None:
    """Run a target; a finding fails with what atheris says of it."""
    result = subprocess.run(
        [
            *OF_A_SMALL_PARENT,
            sys.executable,
            str(target),
            str(folder / "corpus"),
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST_INPUT}",
            f"-artifact_prefix={folder}/",
            "-print_final_stats=1",
            "-timeout=20",
            "-rss_limit_mb=1024",
        ],
        capture_output=True,
        text=True,
        timeout=seconds + STARTS_IN_S,
        env={**os.environ, "ESPER_STALE_NATIVE": "allow"},
        check=False,
    )
    findings = [f"{path.name}: {path.read_bytes().hex()}" for path in folder.glob("*-*")]
    # What was raised stands in the one, what was tried in the other.
    said = "\n".join([result.stdout[-8000:], result.stderr[-2000:], *findings])
    assert result.returncode == 0, said
    runs = re.search(r"stat::number_of_executed_units: (\d+)", result.stderr)
    new = re.search(r"cov: (\d+)", result.stderr)
    assert runs is not None
    assert new is not None, "nothing was instrumented"
    print(f"{runs[1]} inputs in {seconds} s; {result.stderr.splitlines()[-6:]}")
    assert int(runs[1]) > 10 * seconds


def test_atheris_finds_nothing_in_the_decoders(tmp_path: Path) -> None:
    fuzz(tmp_path, 40)


def test_atheris_finds_nothing_in_the_network(tmp_path: Path) -> None:
    fuzz(tmp_path, 20, NETWORK_TARGET)


@pytest.mark.soak
def test_atheris_finds_nothing_in_an_hour(tmp_path: Path) -> None:
    fuzz(tmp_path, int(os.environ.get("ESPER_FUZZ_SECONDS", "3600")))


@pytest.mark.soak
def test_atheris_finds_nothing_in_the_network_in_an_hour(tmp_path: Path) -> None:
    fuzz(tmp_path, int(os.environ.get("ESPER_FUZZ_SECONDS", "3600")), NETWORK_TARGET)
