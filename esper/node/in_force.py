"""The parameters that a chain's next block is judged by."""

from esper.consensus.header_chain import HeaderChain
from esper.primitives.params import NetworkParameters


def parameters_of(chain: HeaderChain) -> NetworkParameters:
    """The parameters in force at the block after the tip of ``chain``.

    Whatever a vote may change has to be asked for here, once for each block.
    """
    return chain.params
