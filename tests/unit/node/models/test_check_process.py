"""Checks in a process of their own: a right package, a wrong one, and programs that misbehave."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from esper.consensus.registry import genesis_registry
from esper.dao.bodies import ModelBody
from esper.model.loaded import load_model
from esper.model.package.body import BodyOptions, model_body
from esper.model.package.package import pack
from esper.model.prompts import PromptBank, encode_bank, read_bank
from esper.node.models.check_job import CheckFailedError, CheckJob, CheckResult
from esper.node.models.check_process import ProcessChecker
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
    found = checked(replace(honest, folder=plain_folder(tmp_path / "plain")))
    assert found.refused


def test_files_that_are_not_there_are_refused(honest: CheckJob, tmp_path: Path) -> None:
    assert checked(replace(honest, folder=tmp_path / "nowhere")).refused


def test_a_check_that_never_ends_is_a_refusal(honest: CheckJob) -> None:
    sleeper = ProcessChecker(0.5, ("-c", "import time; time.sleep(600)"))
    found = checked(honest, sleeper)
    assert (found.refused, found.findings) == (
        True,
        ("time: its checks did not end within 0.5 s",),
    )


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
