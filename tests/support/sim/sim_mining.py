"""Mining in simulated time: when a block is found is drawn, what it holds is real.

The work is fake (``fake_work``): a ticket is searched for after its time has come, so that a
search takes no time of the machine before.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import trio

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.crypto.signing import KeyPair
from esper.node.calls.ready_calls import ReadyCalls
from esper.node.chain.chain_view import ChainView
from esper.node.mining.block_assembly import Assembled, assemble
from esper.node.mining.mining_service import MinedNews
from esper.node.mining.templates import TemplateMaker, block_of, job_of
from esper.node.running_node import OpenNode
from esper.node.workers.search import Ticket, TicketSearch
from esper.primitives.errors.header_errors import TimeFutureViolation
from esper.primitives.params import NetworkParameters
from tests.support.fake_work import FakeInference, FakeProver, prompt_source
from tests.support.vm_world import address


@dataclass(frozen=True)
class Found:
    """A block and what went into it."""

    block: Block
    ticket: Ticket
    assembled: Assembled

    @property
    def data(self) -> BlockBytes:
        return BlockBytes.of(self.block)


class SimWorker:
    """Makes blocks for one payee."""

    def __init__(self, params: NetworkParameters, payee: KeyPair, vrf_secret: bytes) -> None:
        model = params.model
        self._payee = address(payee)
        self._search = TicketSearch(
            params.puzzle, model, FakeInference(model), prompt_source(params)
        )
        self._templates = TemplateMaker(params, self._payee, vrf_secret)
        self._model = model

    def find(self, node: OpenNode, view: ChainView, time_ms: int) -> Found:
        """The next block of a chain, of what waits in the node."""
        chain, state = view.context, view.state
        waiting = node.mempool.selection(chain.height + 1, ())
        assembled = assemble(chain, state, self._payee, waiting, ReadyCalls())
        template = self._templates.template(
            chain,
            state,
            assembled.plan,
            model=self._model,
            time_ms=time_ms,
            execution=assembled.execution,
        )
        job, nonce = job_of(0, template, chain), 0
        while True:
            ticket = self._search.step(job, time_ms, range(nonce, nonce + 1)).ticket
            if ticket is not None:
                proof = FakeProver().prove(ticket.claim)
                return Found(block_of(template, ticket, proof), ticket, assembled)
            nonce += 1


@dataclass
class Pace:
    """How fast blocks come."""

    spacing_s: float
    """Mean time between two blocks of the whole network at the genesis target."""
    proof_s: tuple[float, float]
    """Between which times a proof takes."""


def next_find_s(chain: ChainContext, pace: Pace, share: float, randomness: random.Random) -> float:
    """Seconds until somebody with this share of all work finds a block at the chain's target."""
    genesis = chain.params.difficulty.genesis_target
    mean = pace.spacing_s / share * genesis / chain.target(chain.own_entry(0))
    return randomness.expovariate(1 / mean)


async def mine_on(
    node: OpenNode,
    worker: SimWorker,
    pace: Pace,
    share: float,
    randomness: random.Random,
    wall: Callable[[], int],
    may_go_on: Callable[[], bool],
    found: Callable[[Found], None],
) -> None:
    """Mine on the node's tip while it may go on, by its own rules of when; until cancelled."""
    while True:
        tip, changed = node.chain.view, node.chain.next_change
        with trio.move_on_after(next_find_s(tip.context, pace, share, randomness)):
            await changed.wait()
            continue
        if not may_go_on():
            await trio.sleep(pace.spacing_s)
            continue
        one = worker.find(node, tip, wall())
        with trio.move_on_after(randomness.uniform(*pace.proof_s)):
            await changed.wait()
            continue
        try:
            arrival = await node.chain.submit(one.data)
        except TimeFutureViolation:
            # Its clock was set back: the chain is ahead of it.
            await trio.sleep(pace.spacing_s)
            continue
        if arrival.block_id in arrival.applied:
            height = tip.context.height + 1
            size = len(one.block.proof)
            node.events.publish(
                MinedNews(height, arrival.block_id, one.ticket, one.assembled, size, 0)
            )
            found(one)
