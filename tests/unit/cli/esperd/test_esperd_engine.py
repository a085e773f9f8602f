"""Settings ``engine`` and ``device``: which workers they reach, and what is refused in time."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from esper.cli.esperd import node_commands
from esper.node.workers.worker_process import NATIVE, EngineChoice, WorkerSettings
from tests.support.fake_work import fake_network
from tests.support.node.esperd_world import mine, run, use_fakes
from tests.support.node.fake_workers import FakeProverPort, FakeSearcher

PARAMS = fake_network()
TORCH = ("--engine", "torch", "--device", "cuda:1")


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, PARAMS)


def install(monkeypatch: pytest.MonkeyPatch, *, torch: bool) -> None:
    """Let PyTorch be there, or not: it is looked for, and never imported."""
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> Any:
        if name == "torch":
            return find("json") if torch else None
        return find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)


def test_the_search_alone_has_the_engine_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, torch=True)
    searching: list[EngineChoice] = []
    proving: list[EngineChoice] = []

    def search(settings: WorkerSettings) -> FakeSearcher:
        searching.append(settings.engine)
        return FakeSearcher(PARAMS, node_commands.now_ms)

    def prove(settings: WorkerSettings) -> FakeProverPort:
        proving.append(settings.engine)
        return FakeProverPort(PARAMS)

    monkeypatch.setattr(node_commands, "ProcessSearcher", search)
    monkeypatch.setattr(node_commands, "ProcessProver", prove)
    mine(tmp_path / "chain", *TORCH, blocks=1)
    assert set(searching) == {EngineChoice("torch", "cuda:1")}
    mine(tmp_path / "chain", blocks=1)
    assert searching[-1].name == "native"
    assert set(proving) == {NATIVE}


def test_a_machine_without_pytorch_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, torch=False)
    told = mine(tmp_path / "chain", *TORCH, status=2)
    assert "engine torch: PyTorch is not installed; run: pip install '.[torch]'" in told
    assert not (tmp_path / "chain").exists()
    # `esperd config` refuses what a start would refuse.
    assert "PyTorch is not installed" in run(
        "config", "--network", "regtest", "--engine", "torch", status=2
    )
    run("config", "--network", "regtest")


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:100", "CUDA", "cuda:1\n"])
def test_what_names_no_device_is_refused(tmp_path: Path, device: str) -> None:
    told = mine(tmp_path / "chain", "--device", device, status=2)
    assert "must be cuda, cuda:NUMBER or cpu" in " ".join(told.split())


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    assert "engine" in mine(tmp_path / "chain", "--engine", "jax", status=2)
