"""Setting ``ray``: what is refused in time, and whose workers a miner's are."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from esper.cli.esperd.farm_places import with_farm
from esper.embedded import find_embedded
from esper.node.entries.crew import ProcessCrew, Threads
from esper.node.entries.farm_crew import FarmCrew
from esper.node.entries.places import EntryPlaces
from esper.node.mining.node_mining import MiningPlan
from esper.node.settings import Settings
from esper.node.workers.farm.farm_prover import FarmProver
from esper.node.workers.farm.farm_search import FarmSearcher
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.process_prover import ProcessProver
from esper.node.workers.process_searcher import ProcessSearcher
from esper.node.workers.worker_process import NATIVE, EngineChoice
from esper.primitives.networks import REGTEST
from tests.support.fake_work import fake_network
from tests.support.farm.assignments import entry_of
from tests.support.node.esperd_world import mine, run, use_fakes

EMBEDDED = find_embedded()


@pytest.fixture
def _fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, fake_network())


@pytest.mark.usefixtures("_fakes")
def test_a_machine_without_ray_is_told_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def found(name: str, package: str | None = None) -> Any:
        return None if name == "ray" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    told = " ".join(mine(tmp_path / "chain", "--ray", "auto", status=2).split())
    assert "ray = 'auto': Ray is not installed; run: pip install '.[ray]'" in told
    assert not (tmp_path / "chain").exists()
    assert "Ray is not installed" in run(
        "config", "--network", "regtest", "--ray", "auto", status=2
    )


@pytest.mark.usefixtures("_fakes")
@pytest.mark.parametrize(
    "address", ["AUTO", "head", "head:", "head:0", "head:65536", "ray://head:1", "[::1]", "a:1\n"]
)
def test_what_names_no_cluster_is_refused(tmp_path: Path, address: str) -> None:
    told = mine(tmp_path / "chain", "--ray", address, status=2)
    assert "must be auto, or HOST:PORT of the head" in " ".join(told.split())


def plan_of(settings: Settings) -> MiningPlan:
    places = EntryPlaces(REGTEST.model, EMBEDDED.model, EMBEDDED.bank)
    crew = ProcessCrew("regtest", places, Threads(1, 1), ProcessSearcher, ProcessProver)
    return with_farm(MiningPlan(bytes(33), crew, 1, 1), settings, REGTEST, places)


@pytest.mark.parametrize("address", ["auto", "head.example:6379", "[::1]:6379", "10.0.0.1:1"])
def test_a_plan_shares_its_work_with_the_farm_that_is_named(address: str) -> None:
    settings = Settings(
        ray=address, ray_searchers=7, ray_provers=3, ray_search_cpus=2, ray_prove_cpus=4
    )
    plan = plan_of(settings)
    assert plan.farm is not None
    assert plan.farm.address == address
    entry = entry_of(REGTEST)
    assert plan.crew.is_here(entry)
    workers = plan.crew.workers(entry)
    assert isinstance(workers.searcher, FarmSearcher)
    assert isinstance(workers.work_prover, FarmProver)
    assert isinstance(workers.call_prover, FarmProver)
    assert isinstance(plan.crew, FarmCrew)
    place = EntryPlaces(REGTEST.model, EMBEDDED.model, EMBEDDED.bank).find(entry)
    assert place is not None
    made = plan.crew._assignment(entry, place)
    assert made.most == {Role.SEARCH: 7, Role.PROVE: 3}
    assert [made.specs[role].cpus for role in Role] == [2, 4]
    assert made.same_resources


@pytest.mark.parametrize(("device", "cards"), [("cuda", 1), ("cuda:3", 1), ("cpu", 0)])
def test_searches_by_torch_take_a_card_each(device: str, cards: int) -> None:
    plan = plan_of(Settings(ray="auto", engine="torch", device=device))
    entry = entry_of(REGTEST)
    place = EntryPlaces(REGTEST.model, EMBEDDED.model, EMBEDDED.bank).find(entry)
    assert isinstance(plan.crew, FarmCrew)
    assert place is not None
    specs = plan.crew._assignment(entry, place).specs
    assert (specs[Role.SEARCH].gpus, specs[Role.PROVE].gpus) == (cards, 0)
    # A worker sees its own card as the first, whichever it is of its machine.
    assert specs[Role.SEARCH].engine == EngineChoice("torch", "cuda" if cards else "cpu")
    assert specs[Role.PROVE].engine == NATIVE
