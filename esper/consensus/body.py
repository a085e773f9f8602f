"""Rules that a body keeps towards the parent's state.

1. reward   2. execution and supply   3. state root, lagged beacon and usefulness in it   4. work

The work comes last: its proof is the dearest check.
"""

from esper.consensus.block import Block, Coinbase
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute
from esper.consensus.ports import WorkVerifier
from esper.consensus.reward import block_reward
from esper.consensus.work_rules import check_work
from esper.primitives.block_errors import RewardViolation, StateRootViolation
from esper.vm.state import State


def check_body(
    block: Block, coinbase: Coinbase, chain: ChainContext, verifier: WorkVerifier
) -> State:
    """All rules, for a block that passed isolation and header context; returns the new state.

    Raises a subclass of BodyViolation or WorkViolation.
    """
    pre = block.header.pre

    # 1. The coinbase pays exactly the reward: no credits burn and no fees are paid yet.
    reward = block_reward(pre.height, burned_credits=0, fees=0, rules=chain.params.reward)
    if coinbase.amount != reward:
        raise RewardViolation(coinbase.amount, reward)

    # 2. Execution; raises SupplyViolation.
    state = execute(chain.state, chain.tip_work, coinbase, chain.params)

    # 3. It leads to the state that the header promises.
    if state.root != pre.state_root:
        raise StateRootViolation(pre.state_root, state.root)

    # 4. The work.
    check_work(block, chain.params, verifier)
    return state
