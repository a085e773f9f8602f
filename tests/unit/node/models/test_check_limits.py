"""What the check of a package may take, and what published models take of it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
import trio

from esper.consensus.registry import genesis_registry
from esper.dao.registry import Puzzle
from esper.model.loaded import load_model
from esper.model.package.bank import make_bank
from esper.model.package.body import BodyOptions, entry_of, longest_prompt, model_body
from esper.model.package.package import pack
from esper.model.prompts import encode_bank, read_bank
from esper.node.models.check_job import CheckJob
from esper.node.models.check_limits import bytes_of, most_memory, physical_bytes
from esper.node.models.check_process import ProcessChecker
from esper.primitives.networks import MAINNET
from tests.support.package_folders import GENESIS_BANK

TICKET = Puzzle(1, 64, 49, 16)
CELL_BYTES = 39
"""Measured with SmolLM2-135M: 134.5 million weights, just beyond 2^27 cells."""


def test_limits_follow_the_files_and_end_with_the_machine(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10))
    assert bytes_of(tmp_path, ("a", "gone")) == 10
    least = most_memory(0, 2, 1 << 40)
    assert most_memory(10, 2, 1 << 40) == least + 480
    assert most_memory(1 << 39, 2, 1 << 30) == least + (1 << 30)


@pytest.mark.parametrize("bits", range(20, 30))
def test_models_of_every_size_have_room(bits: int) -> None:
    """Just beyond a power of two, where they take the most, with 1 GiB for all beside."""
    cells = (1 << bits) + 1
    assert most_memory(cells, 1, 1 << 40) > 1.25 * ((1 << 30) + CELL_BYTES * cells)


@pytest.mark.parametrize("name", ["stories260K", "SmolLM2-135M-Instruct"])
def test_published_models_are_far_from_the_limit(shared: Path, tmp_path: Path, name: str) -> None:
    """A real tokenizer and real weights, with a bank of what fits, in the limited process."""
    job, size = published(shared / "models" / name, tmp_path / "model")
    status = tmp_path / "status"
    found = trio.run(ProcessChecker(program=("-c", telling(status))).check, job)
    assert not found.refused, found.findings
    [peak] = [int(line.split()[1]) for line in status.read_text().splitlines() if "VmPeak" in line]
    limit = most_memory(size, len(os.sched_getaffinity(0)), physical_bytes())
    assert 1024 * peak < 0.6 * limit


def telling(status: Path) -> str:
    """The program of a check that leaves there what the system says of it."""
    return (
        "from pathlib import Path; from esper.node.models import check_main as m\n"
        "def checked(job, real=m.checked):\n"
        "  found = real(job)\n"
        f"  Path({str(status)!r}).write_bytes(Path('/proc/self/status').read_bytes())\n"
        "  return found\n"
        "m.checked = checked; m.main()"
    )


def published(place: Path, folder: Path) -> tuple[CheckJob, int]:
    """The check of a shared model whose bank is what fits, and the bytes of its files."""
    copied(place, folder)
    model = load_model(folder)
    longest = longest_prompt(TICKET, entry_of(model, 1, None), MAINNET)
    bank = make_bank(folder, read_bank(GENESIS_BANK).texts, longest)
    (folder / "bank.json").write_bytes(encode_bank(bank))
    package, tiers = pack(folder), genesis_registry(MAINNET)
    options = BodyOptions(tier=1, puzzle=TICKET)
    body = model_body(model, bank, package, MAINNET, tiers, options)
    names = tuple(file.text for file in package.manifest.files)
    return CheckJob(folder, names, body, MAINNET, None), package.manifest.size


def copied(place: Path, folder: Path) -> None:
    """The files of a shared model, with a chat template where it has none."""
    if not place.is_dir():
        pytest.skip(f"needs {place.name}, which {place.parent} does not hold")
    folder.mkdir()
    for name in ("config.json", "g16.safetensors", "tokenizer.json", "LICENSE"):
        shutil.copyfile(place / name, folder / name)
    fields = json.loads((place / "tokenizer_config.json").read_bytes())
    fields.setdefault("chat_template", "{{ messages[0]['content'] }}")
    (folder / "tokenizer_config.json").write_text(json.dumps(fields))
