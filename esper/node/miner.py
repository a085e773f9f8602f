"""Mining step by step in one thread: template, search, proof, block.

Tools, benchmarks and tests mine with it. A node runs the same steps in processes of their own:
see ``mining_service``. The clock is an argument; nothing here prints or stores.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from esper.consensus.block import Block
from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState, Inference, WorkProver
from esper.consensus.template import (
    EMPTY_PLAN,
    BlockPlan,
    Template,
    build_template,
    finished_block,
)
from esper.crypto.vrf import VrfKey
from esper.node.search import PromptSource, SearchJob, Ticket, TicketSearch
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters

Clock = Callable[[], int]
"""Milliseconds; only differences and the header's time are taken from it."""


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class MinedBlock:
    """A found and proven block and what it took."""

    block: Block
    """The block."""
    attempts: int
    """Batches answered, the winning one included."""
    tokens: int
    """Rows of the model computed: inputs and answers, less the last answer of each."""
    search_ms: int
    """Time of the search."""
    proof_ms: int
    """Time of the proof."""


class TemplateMaker:
    """Templates for one payee and one model; keeps the VRF key of the window it is in."""

    def __init__(
        self, params: NetworkParameters, payee: bytes, vrf_secret: bytes, model: ModelEntry
    ) -> None:
        self._depth = params.limits.vrf_depth
        self.payee = payee
        """33 bytes: who is paid."""
        self._secret = vrf_secret
        self._model = model
        self._key: VrfKey | None = None

    def pay(self, payee: bytes) -> None:
        """Pay another address from the next template on."""
        self.payee = payee
        self._key = None

    def template(
        self, chain: ChainContext, state: ChainState, plan: BlockPlan, *, time_ms: int
    ) -> Template:
        """The next block of ``chain``, whose state is ``state``. Raises what the plan breaks."""
        key = self._key_for(chain.height + 1)
        return build_template(
            chain,
            state,
            self.payee,
            key,
            time_ms=time_ms,
            tier=self._model.tier,
            plan=plan,
        )

    def _key_for(self, height: int) -> VrfKey:
        """The key whose window covers ``height``; windows follow each other from 0 on."""
        if self._key is None or not self._key.covers(height):
            start = height >> self._depth << self._depth
            self._key = VrfKey(self._secret, start=start, depth=self._depth, payee=self.payee)
        return self._key


def job_of(number: int, template: Template, chain: ChainContext) -> SearchJob:
    """The search for a template's ticket."""
    return SearchJob(number, template.pre, chain.median_time_ms + 1)


def block_of(template: Template, ticket: Ticket, proof: bytes) -> Block:
    """The block of a template whose ticket was found and proven."""
    won = replace(template, pre=ticket.pre)
    return finished_block(won, ticket.result, ticket.outputs, proof)


class Miner:
    """Finds blocks for one payee with one model."""

    def __init__(
        self,
        params: NetworkParameters,
        *,
        inference: Inference,
        prover: WorkProver,
        bank: PromptSource,
        payee: bytes,
        vrf_secret: bytes,
        attempts_per_call: int = 8,
        model: ModelEntry | None = None,
    ) -> None:
        """``model`` is the tier's to mine, the first tier's if None.

        Raises WrongModelError if the engine runs another model.
        """
        mined = params.model if model is None else model
        self._search = TicketSearch(params.puzzle, mined, inference, bank)
        self._templates = TemplateMaker(params, payee, vrf_secret, mined)
        self._prover = prover
        self._attempts_per_call = attempts_per_call

    def mine(
        self,
        chain: ChainContext,
        state: ChainState,
        clock: Clock,
        plan: BlockPlan = EMPTY_PLAN,
        interrupted: Callable[[], bool] = _never,
    ) -> MinedBlock | None:
        """The next block of ``chain``, whose state is ``state``. Takes as long as it takes.

        ``interrupted`` is asked between batches; None if it says so before a ticket wins.
        """
        template = self._templates.template(chain, state, plan, time_ms=clock())
        job = job_of(0, template, chain)
        began = clock()
        attempts = tokens = first = 0
        while not interrupted():
            searched = self._search.step(
                job, clock(), range(first, first + self._attempts_per_call)
            )
            first += self._attempts_per_call
            attempts += searched.attempts
            tokens += searched.tokens
            if searched.ticket is not None:
                found = clock()
                proof = self._prover.prove(searched.ticket.claim)
                block = block_of(template, searched.ticket, proof)
                return MinedBlock(block, attempts, tokens, found - began, clock() - found)
        return None
