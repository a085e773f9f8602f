"""The parameters that a chain's next block is judged by."""

from esper.consensus.context import ChainContext
from esper.primitives.params import NetworkParameters
from esper.vm.view import StateView


def parameters_of(chain: ChainContext, state: StateView) -> NetworkParameters:
    """The parameters in force at the block after the tip of ``chain``, whose state is ``state``.

    Whatever a vote may change has to be asked for here, once for each block.
    """
    return chain.params_in_force(state)
