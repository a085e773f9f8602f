"""What a farm works for in tests."""

from pathlib import Path

from esper.dao.registry import Puzzle
from esper.embedded import find_embedded
from esper.node.workers.farm.farm import Assignment
from esper.node.workers.farm.worker_spec import Role, WorkerSpec
from esper.node.workers.loadable import Loadable
from esper.node.workers.worker_process import NATIVE, EngineChoice
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters

EMBEDDED = find_embedded()


def entry_of(params: NetworkParameters) -> Loadable:
    return Loadable(params.model, Puzzle.of(params.puzzle))


def spec_of(
    role: Role,
    params: NetworkParameters = REGTEST,
    model: Path = EMBEDDED.model,
    bank: Path = EMBEDDED.bank,
    engine: EngineChoice = NATIVE,
    gpus: int = 0,
) -> WorkerSpec:
    return WorkerSpec(role, params.name, entry_of(params), model, bank, 1, gpus, engine)


def assignment_of(
    params: NetworkParameters = REGTEST, searchers: int = 4, provers: int = 2, gpus: int = 0
) -> Assignment:
    specs = {
        Role.SEARCH: spec_of(Role.SEARCH, params, gpus=gpus),
        Role.PROVE: spec_of(Role.PROVE, params),
    }
    return Assignment(entry_of(params), specs, {Role.SEARCH: searchers, Role.PROVE: provers})
