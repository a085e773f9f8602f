"""Mining step by step in one thread: template, search, proof, block.

A node runs the same steps in processes of their own: see ``node/mining/mining_service``. The clock
is an argument; nothing here prints or stores.
"""

from dataclasses import dataclass

from esper.consensus.block import Block
from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState, Inference, WorkProver
from esper.consensus.template import EMPTY_PLAN, BlockPlan
from esper.node.clock import Clock
from esper.node.mining.templates import TemplateMaker, block_of, job_of
from esper.node.workers.search import PromptSource, TicketSearch
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters


def standing(time_ms: int) -> Clock:
    """A clock that stands still."""
    return lambda: time_ms


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
        self._templates = TemplateMaker(params, payee, vrf_secret)
        self._model = mined
        self._prover = prover
        self._attempts_per_call = attempts_per_call

    def mine(
        self,
        chain: ChainContext,
        state: ChainState,
        clock: Clock,
        plan: BlockPlan = EMPTY_PLAN,
    ) -> MinedBlock:
        """The next block of ``chain``, whose state is ``state``. Takes as long as it takes."""
        template = self._templates.template(chain, state, plan, model=self._model, time_ms=clock())
        job = job_of(0, template, chain)
        began = clock()
        attempts = tokens = first = 0
        while True:
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
