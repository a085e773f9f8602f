"""Rules that a body keeps towards the parent's state.

1. execution: every rule of transactions, calls and credits   2. reward
3. state root, with lagged beacon and usefulness in it        4. call groups
5. proofs of readiness

Signatures and proofs come last in their steps: they are the dearest checks.
"""

from esper.consensus.audit_rules import check_audits
from esper.consensus.block import Block
from esper.consensus.block_isolation import BlockContent
from esper.consensus.call_rules import check_call_groups
from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution, execute_block
from esper.consensus.ports import ChainState, WorkVerifier
from esper.crypto.signatures import SignatureVerifier
from esper.primitives.errors.block_errors import RewardViolation, StateRootViolation
from esper.vm.context import ONE_BY_ONE


def check_body(
    block: Block,
    content: BlockContent,
    chain: ChainContext,
    state: ChainState,
    verifier: WorkVerifier,
    signatures: SignatureVerifier = ONE_BY_ONE,
) -> BlockExecution:
    """All rules, for a block that passed isolation and header context; ``state`` is its parent's.

    Returns what it does to the state. Raises a subclass of BodyViolation or AnswerViolation.
    """
    pre = block.header.pre

    # 1. Execution.
    entry = chain.entry_for(block.header)
    context = chain.execution_context(state, pre.payee, content.answers, signatures, entry)
    execution = execute_block(state, chain.tip_work, content.transactions, context)

    # 2. The coinbase pays exactly the reward: subsidy, the bonus for burned credits, and fees.
    if content.coinbase.amount != execution.reward:
        raise RewardViolation(content.coinbase.amount, execution.reward)

    # 3. It leads to the state that the header promises.
    root = state.root_after(execution.changes)
    if root != pre.state_root:
        raise StateRootViolation(pre.state_root, root)

    # 4. The answers to its calls are the model's.
    check_call_groups(content, state, context, verifier)

    # 5. Who claims to be ready for a model runs it.
    check_audits(content, state, execution, context, verifier)
    return execution
