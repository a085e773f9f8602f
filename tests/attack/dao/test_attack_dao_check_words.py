"""What the checks of a stranger's package say: in the node's memory, its log and its notes."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import trio

from esper.model.package.package import pack
from esper.node.models import check_main
from esper.node.models.check_job import CheckFailedError, CheckJob, CheckResult
from esper.node.models.check_process import ProcessChecker
from esper.node.models.notebook import Notebook
from esper.node.models.wanted import Note, Verdict
from esper.node.workers.worker_messages import LENGTH_BYTES
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from tests.support.dao_world import model_body
from tests.support.package_folders import GENESIS_MODEL, plain_folder

MOST_WORDS = 64 << 10
NAMES = ("LICENSE",)


def checked(folder: Path) -> CheckResult:
    body = model_body(1, package=pack(folder, NAMES).root)
    return check_main.checked(CheckJob(folder, NAMES, body, REGTEST, None))


def test_a_verdict_has_an_end_whatever_stands_in_the_bank(tmp_path: Path) -> None:
    """The whole of it goes through a pipe into the node, its log, its notes and its RPC."""
    folder = plain_folder(tmp_path / "package", 1000)
    bank = {"version": 1, "tokenizer_id": "", "prompts": [["A" * (4 << 20), [], []]]}
    (folder / "bank.json").write_text(json.dumps(bank))
    found = checked(folder)
    assert found.refused
    assert sum(map(len, found.findings)) <= MOST_WORDS


def test_notes_with_long_words_are_read_again(tmp_path: Path) -> None:
    """Words beyond the most that is read cost every other note, and not a line is said of it."""
    body = model_body(1, descriptor=b"")
    long = Note(Txid(b"\1" * 64), 1, body, None, Verdict.REFUSED, "A" * (17 << 20))
    good = Note(Txid(b"\2" * 64), 2, body, None, Verdict.VERIFIED, "")
    notebook = Notebook(tmp_path)
    notebook.write((long, good))
    assert good.proposal in notebook.read()


def test_words_of_a_template_can_be_told(tmp_path: Path) -> None:
    """Half a surrogate pair is in no reply of the RPC, escapes are in no terminal."""
    folder = plain_folder(tmp_path / "package", 1000)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(GENESIS_MODEL / name, folder / name)
    (folder / "chat_template.jinja").write_text(r"{{ raise_exception('\ud800 \x1b[2J') }}")
    bank = '{"version":1,"tokenizer_id":"%s","prompts":[\n[{"system":"","user":"a"},[1],[]]\n]}\n'
    (folder / "bank.json").write_text(bank % bytes(64).hex())
    found = checked(folder)
    words = "; ".join(found.findings)
    assert "refuses them" in words
    words.encode()
    assert words.isprintable()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_trouble_of_this_machine_refuses_no_package(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refusal is for good: what a disk did once is no fault of the package."""
    folder = plain_folder(tmp_path / "package", 1000)
    body = model_body(1, package=pack(folder, NAMES).root)
    opened = os.open

    def fails(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if str(path).endswith("g16.safetensors"):
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", fails)
    try:
        found = check_main.checked(CheckJob(folder, NAMES, body, REGTEST, None))
    except (OSError, CheckFailedError):
        return
    assert not found.refused, found.findings


def test_an_answer_of_a_check_that_is_too_long_is_a_failure_of_the_check() -> None:
    """It is gathered in the node's memory: what is no answer is no end of the node either."""
    writes = (
        "import sys; out = sys.stdout.buffer; size = 64 << 20;"
        "out.write(size.to_bytes(8, 'big')[-LENGTH:]); out.write(bytes(size)); out.flush()"
    ).replace("LENGTH", str(LENGTH_BYTES))
    job = CheckJob(Path("nowhere"), (), model_body(1), REGTEST, None)
    with pytest.raises(CheckFailedError):
        trio.run(ProcessChecker(60, ("-c", writes)).check, job)
