"""A branch of headers knows as much of heights to come as its last proven block does."""

from dataclasses import replace

from esper.consensus.header_chain import HeaderChain
from esper.p2p.sync.headers.header_branch import HeaderBranch, Link
from tests.support.net.sync_world import LIMITS, PARAMS, Makers


def test_its_top_is_told_what_was_executed_below() -> None:
    makers = Makers()
    chain = makers.chain(makers.genesis, 4)
    fork: HeaderChain = makers.genesis.headers
    branch = HeaderBranch(fork, fork)
    for made in chain:
        branch.append(Link.on(branch.top, made.header, 100))
    assert branch.top.executed_height == 0
    branch.prove_next()
    act = makers.activation(1 + LIMITS.horizon)
    branch.tell(replace(branch.base.executed((act,)), params=PARAMS))
    assert branch.base.schedule == branch.top.schedule == (act,)
    assert branch.top.horizon == 1 + LIMITS.horizon
    # So does the next base, and nobody is told less than he knows.
    branch.prove_next()
    assert branch.base.executed_height == 1
    branch.tell(fork)
    assert branch.base.executed_height == 1
