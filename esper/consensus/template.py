"""What a miner fills in before the work, and the block that comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass

from esper.consensus.block import (
    KIND_COINBASE,
    Block,
    Body,
    Coinbase,
    calls_root,
    proof_hash,
    result_root,
    transaction_root,
)
from esper.consensus.call_groups import CallGroup, encode_result
from esper.consensus.context import ChainContext
from esper.consensus.execution import BlockExecution, execute_block
from esper.consensus.header import HEADER_VERSION, TARGET_BYTES, Header, PreHeader
from esper.consensus.ports import ChainState
from esper.consensus.tiers import entry_of
from esper.crypto.vrf import VrfKey, VrfProof
from esper.primitives.model_entry import ModelEntry
from esper.primitives.work_outputs import WorkOutputs
from esper.vm.context import Answer
from esper.vm.transaction import Transaction


@dataclass(frozen=True, slots=True)
class BlockPlan:
    """What a miner puts into a block beside the work."""

    transactions: tuple[Transaction, ...] = ()
    """In order of execution, without the coinbase."""
    answers: tuple[Answer | None, ...] = ()
    """One for each call among them; None leaves a call open."""
    groups: tuple[CallGroup, ...] = ()
    """Proven groups of the answers."""


EMPTY_PLAN = BlockPlan()


@dataclass(frozen=True, slots=True)
class Template:
    """A block without its work. Only nonce and time change between attempts."""

    pre: PreHeader
    """Complete pre-header."""
    transactions: tuple[bytes, ...]
    """Canonical transactions, the coinbase last."""
    results: tuple[bytes, ...]
    """Canonical answers to the calls among them."""
    call_groups: tuple[bytes, ...]
    """Canonical groups."""
    vrf_proof: VrfProof
    """For the header."""


def build_template(
    chain: ChainContext,
    state: ChainState,
    payee: bytes,
    key: VrfKey,
    *,
    time_ms: int,
    nonce: int = 0,
    model: ModelEntry | None = None,
    plan: BlockPlan = EMPTY_PLAN,
    execution: BlockExecution | None = None,
) -> Template:
    """The next block of ``chain``, whose state is ``state``, for ``payee`` (33 bytes).

    ``time_ms`` is the miner's clock; the template takes the median's successor if that is later.
    ``execution`` is what this very plan does to this very state, where the caller has it: nothing
    is executed then, and no signature checked. The block is judged whole when it is submitted.
    ``model`` is what is mined, the first tier's own if None. Raises VrfKeyError if the key does not
    cover the height, what ``entry_of`` raises if the model may not be mined, and what
    ``execute_block`` raises if the plan's transactions do not fit.
    """
    height = chain.height + 1
    if model is None:
        model = chain.registry.tiers[0].model
    entry = entry_of(model.tier, model.model_id, model.bank_root, chain.registry)
    if execution is None:
        at = chain.execution_context(state, payee, plan.answers, mined=entry)
        execution = execute_block(state, chain.tip_work, plan.transactions, at)
    coinbase = Coinbase(KIND_COINBASE, height, payee, execution.reward)
    transactions = (*_bytes_of(plan.transactions), coinbase.to_bytes())
    results = tuple(encode_result(answer) for answer in plan.answers)
    call_groups = _bytes_of(plan.groups)
    pre = PreHeader(
        version=HEADER_VERSION,
        genesis_hash=chain.genesis_hash,
        parent=chain.tip_id,
        height=height,
        time_ms=max(time_ms, chain.median_time_ms + 1),
        tx_root=transaction_root(transactions),
        result_root=result_root(results),
        calls_root=calls_root(call_groups),
        state_root=state.root_after(execution.changes),
        payee=payee,
        model_id=model.model_id,
        tier=model.tier,
        target=chain.target(entry).to_bytes(TARGET_BYTES, "big"),
        omega=entry.omega,
        bank_root=model.bank_root,
        vrf_root=key.root,
        vrf_index=height - key.start,
        nonce=nonce,
    )
    vrf_proof = key.prove(height, chain.tip_work_id)
    return Template(pre, transactions, results, call_groups, vrf_proof)


def finished_block(template: Template, result: bytes, outputs: WorkOutputs, proof: bytes) -> Block:
    """The block of a template whose work is done and proven."""
    header = Header(
        pre=template.pre,
        result=result,
        vrf_proof=template.vrf_proof,
        outputs_hash=outputs.hash,
        proof_hash=proof_hash(proof),
    )
    body = Body(template.transactions, template.results, template.call_groups, outputs)
    return Block(header, body, proof)


def _bytes_of(items: Sequence[Transaction | CallGroup]) -> tuple[bytes, ...]:
    return tuple(item.to_bytes() for item in items)
