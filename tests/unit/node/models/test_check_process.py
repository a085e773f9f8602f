"""Checks in a process of their own: a right package, a wrong one, and programs that misbehave."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.consensus.registry import genesis_registry
from esper.dao.bodies import ModelBody
from esper.model.loaded import load_model
from esper.model.package.body import BodyOptions, model_body
from esper.model.package.errors import FileChangedError
from esper.model.package.findings import MOST_WORDS
from esper.model.package.package import Package, pack
from esper.model.prompts import PromptBank, encode_bank, read_bank
from esper.node.models import check_main
from esper.node.models.check_job import (
    CheckFailedError,
    CheckJob,
    CheckResult,
    FilesChangedError,
)
from esper.node.models.check_process import MOST_FINDINGS, ProcessChecker
from esper.node.workers.worker_messages import LENGTH_BYTES, frame
from esper.primitives.ids import ModelId
from esper.primitives.networks import MAINNET
from tests.support.package_folders import genesis_folder, plain_folder


def job(folder: Path, body: ModelBody) -> CheckJob:
    return CheckJob(folder, ("LICENSE",), body, MAINNET, None)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> CheckJob:
    """The genesis model with every sixteenth of its prompts, as a state keeps its proposal."""
    folder = genesis_folder(tmp_path_factory.mktemp("honest") / "model")
    whole = read_bank(folder / "bank.json")
    bank = PromptBank(whole.texts[::16], whole.prompts[::16])
    (folder / "bank.json").write_bytes(encode_bank(bank))
    tiers = genesis_registry(MAINNET)
    body = model_body(load_model(folder), bank, pack(folder), MAINNET, tiers, BodyOptions(tier=1))
    return job(folder, replace(body, descriptor=b""))


def checked(one: CheckJob, checker: ProcessChecker | None = None) -> CheckResult:
    return trio.run((checker or ProcessChecker()).check, one)


def test_a_right_package_is_right_without_the_descriptor_that_no_state_keeps(
    honest: CheckJob,
) -> None:
    found = checked(honest)
    assert not found.refused, found.findings


def test_another_model_than_the_proposal_says_is_refused(honest: CheckJob) -> None:
    entry = replace(honest.body.entry, model_id=ModelId(bytes(64)))
    found = checked(replace(honest, body=replace(honest.body, entry=entry)))
    assert found.refused
    assert any(one.startswith("model id: ") for one in found.findings)


def test_files_that_are_no_model_are_refused(honest: CheckJob, tmp_path: Path) -> None:
    folder = plain_folder(tmp_path / "plain")
    body = replace(honest.body, package=pack(folder).root)
    assert checked(replace(honest, folder=folder, body=body)).refused


def test_files_that_changed_on_this_disk_refuse_nothing(honest: CheckJob, tmp_path: Path) -> None:
    with pytest.raises(FilesChangedError, match="on this disk"):
        checked(replace(honest, folder=plain_folder(tmp_path / "plain")))


def test_files_that_change_while_they_are_read_refuse_nothing(
    honest: CheckJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    def changes(*_: object) -> Package:
        raise FileChangedError("bank.json", "longer")

    monkeypatch.setattr(check_main, "pack", changes)
    with pytest.raises(FilesChangedError, match="became longer"):
        check_main.checked(honest)


def test_an_engine_that_computes_wrongly_refuses_nothing(
    honest: CheckJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken:
        @staticmethod
        def load(_: Path) -> None:
            raise RuntimeError("a known answer is another")

    monkeypatch.setattr("esper._native.NativeModel", Broken)
    with pytest.raises(CheckFailedError, match="known answer"):
        check_main.checked(honest)


def test_files_that_are_not_there_are_refused(honest: CheckJob, tmp_path: Path) -> None:
    assert checked(replace(honest, folder=tmp_path / "nowhere")).refused


def test_a_check_that_takes_all_of_its_time_of_the_processors_is_a_refusal(
    honest: CheckJob,
) -> None:
    spins = (
        "import os; from esper.node.models import check_limits as c; c.CPU_S = 1;"
        "c.set_limits(c.Path('.'), (), 1)\nwhile True: pass"
    )
    found = checked(honest, ProcessChecker(300, ("-c", spins)))
    assert (found.refused, found.findings) == (
        True,
        ("time: its checks did not end within 7,200 s of the processors",),
    )


def test_a_check_that_the_machine_had_no_time_for_says_nothing(honest: CheckJob) -> None:
    sleeper = ProcessChecker(0.5, ("-c", "import time; time.sleep(600)"))
    with pytest.raises(CheckFailedError, match=r"within 0\.5 s"):
        checked(honest, sleeper)


def test_a_check_that_takes_more_memory_than_it_may_says_nothing(honest: CheckJob) -> None:
    grows = (
        "import sys; from esper.node.models import check_limits as c, check_main as m;"
        "c.BASE_BYTES = 1 << 28; c.TIMES_FILES = 0; m.checked = lambda job: bytes(1 << 31);"
        "m.main()"
    )
    with pytest.raises(CheckFailedError, match="MemoryError"):
        checked(honest, ProcessChecker(60, ("-c", grows)))


@pytest.mark.parametrize("answer", [b"no pickle", pickle.dumps(7)])
def test_what_is_no_answer_says_nothing(honest: CheckJob, answer: bytes) -> None:
    data = len(answer).to_bytes(LENGTH_BYTES, "big") + answer
    writes = f"import sys; sys.stdout.buffer.write({data!r})"
    with pytest.raises(CheckFailedError, match="its answer"):
        checked(honest, ProcessChecker(60, ("-c", writes)))


def test_findings_are_few_and_can_be_shown(honest: CheckJob) -> None:
    answer = frame(CheckResult(True, ("\x1b[2J" + "a" * 5000,) * 70))
    writes = f"import sys; sys.stdout.buffer.write({answer!r})"
    found = checked(honest, ProcessChecker(60, ("-c", writes))).findings
    assert len(found) == MOST_FINDINGS
    assert all(len(one) <= MOST_WORDS and one.isprintable() for one in found)


def test_a_check_that_ends_with_its_process_says_nothing(honest: CheckJob) -> None:
    with pytest.raises(CheckFailedError, match="status 3"):
        checked(honest, ProcessChecker(60, ("-c", "raise SystemExit(3)")))
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    with pytest.raises(CheckFailedError, match="memory"):
        checked(honest, ProcessChecker(60, ("-c", kill)))


def test_a_process_that_cannot_start_says_nothing(
    honest: CheckJob, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(CheckFailedError, match="cannot be started"):
        checked(honest)
