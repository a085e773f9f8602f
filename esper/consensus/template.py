"""What a miner fills in before the work, and the block that comes of it."""

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
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute
from esper.consensus.header import HEADER_VERSION, TARGET_BYTES, Header, PreHeader
from esper.consensus.outputs import WorkOutputs
from esper.consensus.reward import block_reward
from esper.crypto.vrf import VrfKey, VrfProof


@dataclass(frozen=True, slots=True)
class Template:
    """A block without its work. Only nonce and time change between attempts."""

    pre: PreHeader
    """Complete pre-header."""
    coinbase: bytes
    """The block's only transaction."""
    vrf_proof: VrfProof
    """For the header."""


def build_template(
    chain: ChainContext, payee: bytes, key: VrfKey, *, time_ms: int, nonce: int = 0
) -> Template:
    """The next block of ``chain`` for ``payee`` (33 bytes).

    ``time_ms`` is the miner's clock; the template takes the median's successor if that is later.
    Raises VrfKeyError if the key does not cover the height.
    """
    height = chain.height + 1
    reward = block_reward(height, burned_credits=0, fees=0, rules=chain.params.reward)
    coinbase = Coinbase(KIND_COINBASE, height, payee, reward)
    state = execute(chain.state, chain.tip_work, coinbase, chain.params)
    transactions = (coinbase.to_bytes(),)
    model = chain.params.model
    pre = PreHeader(
        version=HEADER_VERSION,
        genesis_hash=chain.genesis_hash,
        parent=chain.tip_id,
        height=height,
        time_ms=max(time_ms, chain.median_time_ms + 1),
        tx_root=transaction_root(transactions),
        result_root=result_root(()),
        calls_root=calls_root(()),
        state_root=state.root,
        payee=payee,
        model_id=model.model_id,
        tier=model.tier,
        target=chain.next_target.to_bytes(TARGET_BYTES, "big"),
        omega=chain.next_omega,
        bank_root=model.bank_root,
        vrf_root=key.root,
        vrf_index=height - key.start,
        nonce=nonce,
    )
    return Template(pre, transactions[0], key.prove(height, chain.tip_work_id))


def finished_block(template: Template, result: bytes, outputs: WorkOutputs, proof: bytes) -> Block:
    """The block of a template whose work is done and proven."""
    header = Header(
        pre=template.pre,
        result=result,
        vrf_proof=template.vrf_proof,
        outputs_hash=outputs.hash,
        proof_hash=proof_hash(proof),
    )
    body = Body(transactions=(template.coinbase,), results=(), call_groups=(), outputs=outputs)
    return Block(header, body, proof)
