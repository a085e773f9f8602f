"""Rehearsals without an engine: a vote that passed, and a miner who shows that he is ready."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from esper.consensus.execution import ParentWork
from esper.dao.bodies import ModelBody
from esper.dao.ready import ReadyBody, ready_bytes
from esper.dao.registry import Entry
from esper.dao.steps import Step
from esper.model.prompts import read_bank
from esper.node.workers.loadable import Loadable
from esper.node.workers.rehearsal import Rehearsal, RehearsalJob, rehearse
from esper.node.workers.search import PromptSource
from esper.node.workers.worker_process import WorkerError
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.primitives.networks import REGTEST
from esper.primitives.work_outputs import Candidate, ProvenAnswer, WorkOutputs
from tests.support.dao_world import DaoWorld
from tests.support.package_folders import GENESIS_BANK
from tests.support.vm_world import ALICE, COIN, GENESIS, MINER, address


@dataclass
class Branch(DaoWorld):
    """Two of another ``mark`` draw another seed for the same proposal."""

    mark: int = 0

    def _parent(self) -> ParentWork:
        height = self.height + (self.mark << 32)
        return ParentWork(height.to_bytes(64, "big"), bytes(64), 0, 0)


@dataclass
class Draft:
    """In the place of a ``BlockDraft``: the state allows everything."""

    world: DaoWorld
    room: int = 8 << 20
    added: list[Any] = field(default_factory=list)
    refuses: TransactionViolation | None = None

    @property
    def params(self) -> Any:
        return self.world.params

    @property
    def view(self) -> Any:
        return self.world.state

    def nonce(self, address: bytes) -> int:
        return 0

    def add(self, transaction: Any) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.added.append(transaction)


class Engine:
    """Answers at once, and proves with so many bytes."""

    def __init__(self, proof_bytes: int = 10) -> None:
        self._proof_bytes = proof_bytes

    def answer(self, inputs: Any, longest: int, top_k: int) -> tuple[ProvenAnswer, ...]:
        top = tuple(Candidate(at, -at) for at in range(top_k))
        return tuple(ProvenAnswer((REGTEST.model.eos,), (top,)) for _ in inputs)

    def prove(self, claim: Any) -> bytes:
        return bytes(self._proof_bytes)


def sign(chain: Any, limits: Any, prove: Any, nonce: int) -> Any:
    return SimpleNamespace(txid=Txid(bytes(64)), prove=prove)


def awaited(world: DaoWorld, *bodies: ModelBody) -> list[Txid]:
    """Models of which rehearsals count from now on."""
    world.stake(600, 300, 100)
    found = [world.propose(body, bond=100 * COIN) for body in bodies]
    for one in found:
        world.vote(one, ALICE)
    while not all(world.step(one) == Step.CHECK for one in found):
        world.block()
    return found


def rehearsed(world: DaoWorld, proposal: Txid, body: ModelBody, proof_bytes: int = 10) -> Rehearsal:
    job = RehearsalJob(
        entry=Entry(body.entry, body.omega, body.puzzle),
        network=world.params.puzzle,
        genesis_hash=GENESIS,
        proposal=proposal,
        sender=address(MINER),
        drawn=world.proposal(proposal).seed,
        reward_height=world.height,
    )
    bank = PromptSource.of(read_bank(GENESIS_BANK).prompts, body.entry)
    engine: Any = Engine(proof_bytes)
    return rehearse(job, engine, engine, bank)


def chain_of(world: DaoWorld) -> Any:
    return SimpleNamespace(params=world.params, height=world.height, genesis_hash=GENESIS)


class Crew:
    """Has the models of these bodies; notes what is rehearsed, but for what ``fails``."""

    def __init__(self, *here: ModelBody) -> None:
        self._here = {Loadable.of(Entry(one.entry, one.omega, one.puzzle)) for one in here}
        self.rehearsed: list[Txid] = []
        self.fails: set[Txid] = set()
        self.proof = b""

    def is_here(self, entry: Loadable) -> bool:
        return entry in self._here

    def workers(self, entry: Loadable) -> Any:
        return SimpleNamespace(call_prover=self)

    async def rehearse(self, job: RehearsalJob) -> Rehearsal:
        self.rehearsed.append(job.proposal)
        if job.proposal in self.fails:
            raise WorkerError("no memory")
        body = ready_bytes(ReadyBody(job.reward_height, WorkOutputs((), ())))
        return Rehearsal(body, 256, self.proof, job.entry, job.drawn, job.reward_height)

    async def close(self) -> None:
        pass
