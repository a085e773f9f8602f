"""Templates of the next block, and the block of a template whose ticket was found and proven."""

from dataclasses import replace

from esper.consensus.block import Block
from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution
from esper.consensus.ports import ChainState
from esper.consensus.template import BlockPlan, Template, build_template, finished_block
from esper.crypto.vrf import VrfKey
from esper.node.workers.search import SearchJob, Ticket
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters


class TemplateMaker:
    """Templates for one payee; keeps the VRF key of the window it is in."""

    def __init__(self, params: NetworkParameters, payee: bytes, vrf_secret: bytes) -> None:
        self._depth = params.limits.vrf_depth
        self.payee = payee
        """33 bytes: who is paid."""
        self._secret = vrf_secret
        self._key: VrfKey | None = None

    def pay(self, payee: bytes) -> None:
        """Pay another address from the next template on."""
        self.payee = payee
        self._key = None

    def template(
        self,
        chain: ChainContext,
        state: ChainState,
        plan: BlockPlan,
        *,
        model: ModelEntry,
        time_ms: int,
        execution: BlockExecution | None = None,
    ) -> Template:
        """The next block of ``chain``, whose state is ``state``. Raises what the plan breaks.

        It is mined with ``model``. ``execution`` is what the plan does to the state, where it was
        executed before.
        """
        key = self._key_for(chain.height + 1)
        return build_template(
            chain,
            state,
            self.payee,
            key,
            time_ms=time_ms,
            model=model,
            plan=plan,
            execution=execution,
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
