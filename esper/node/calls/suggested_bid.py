"""The bid that brings a call through, from what waits and what the rules ask at least."""

from typing import Final

from esper.consensus.context import ChainContext
from esper.consensus.ports import ChainState
from esper.node.in_force import parameters_of
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.ids import ModelId
from esper.vm.llm_call import least_price

BUSY_FACTOR: Final = 2
"""With calls waiting for more than a block, a bid of so many times the least goes ahead."""


def calls_per_block(chain: ChainContext, state: ChainState) -> int:
    """Calls that one block can prove, if each has a group's rows at most."""
    rules = parameters_of(chain, state).calls
    return rules.groups_per_block * (rules.rows_per_group // rules.rows_per_call)


def suggested_bid(
    model_id: ModelId, chain: ChainContext, state: ChainState, waiting_calls: int
) -> int:
    """Micro-credits a token for a call to a model in the next block."""
    at = chain.execution_context(state, bytes(ADDRESS_BYTES))
    entry = at.entry(model_id)
    least = at.params.credits.minimum_bid if entry is None else least_price(entry, at)
    return least if waiting_calls <= calls_per_block(chain, state) else BUSY_FACTOR * least
