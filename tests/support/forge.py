"""A forger with a machine: does the work for any body, whatever it says."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from esper.consensus.batch import batch_inputs, draw_indices
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
from esper.consensus.chain import ProvenChain
from esper.consensus.header import Header, PreHeader, work_seed
from esper.consensus.ports import WorkClaim
from esper.consensus.template import EMPTY_PLAN, BlockPlan, Template, build_template
from esper.consensus.ticket import batch_result, wins
from esper.crypto.vrf import VrfKey, VrfProof
from esper.dao.omega import reference_work, work_done
from esper.primitives.params import NetworkParameters
from esper.primitives.work_outputs import WorkOutputs
from tests.support.fake_work import FakeInference, FakeProver, prompt_source

SECRET = bytes(32)


def worked(
    pre: PreHeader,
    params: NetworkParameters,
    vrf_proof: VrfProof,
    lists: tuple[tuple[bytes, ...], tuple[bytes, ...], tuple[bytes, ...]],
) -> Block:
    """The block of a pre-header with real work: nonces are tried until one wins."""
    puzzle, model = params.puzzle, params.model
    source, inference = prompt_source(params), FakeInference(model)
    while True:
        header = Header(pre, bytes(64), vrf_proof, bytes(64), bytes(64))
        seed = work_seed(header.work_id)
        indices = draw_indices(seed, model.bank_size, puzzle.sequences)
        inputs = batch_inputs(seed, [source.prompts[i] for i in indices], puzzle, model)
        answers = inference.answer(inputs, puzzle.max_answer, puzzle.top_k)
        result = batch_result(seed, model.model_id, puzzle, indices, inputs, answers)
        work = work_done([len(answer.tokens) for answer in answers], puzzle, model)
        reference = reference_work(puzzle, model)
        if wins(int.from_bytes(result, "big"), pre.target_value, work, reference):
            break
        pre = replace(pre, nonce=pre.nonce + 1)
    claim = WorkClaim(
        model_id=model.model_id,
        binding=seed,
        rows=puzzle.rows,
        max_answers=(puzzle.max_answer,) * puzzle.sequences,
        top_k=puzzle.top_k,
        inputs=inputs,
        answers=answers,
    )
    proof = FakeProver().prove(claim)
    outputs = WorkOutputs(source.openings(indices), answers)
    header = Header(pre, result, vrf_proof, outputs.hash, proof_hash(proof))
    return Block(header, Body(*lists, outputs), proof)


def template_of(chain: ProvenChain, payee: bytes, plan: BlockPlan = EMPTY_PLAN) -> Template:
    """What an honest program makes of a plan: reward and state root are right."""
    params = chain.context.params
    height = chain.context.height + 1
    depth = params.limits.vrf_depth
    key = VrfKey(SECRET, start=height >> depth << depth, depth=depth, payee=payee)
    time_ms = params.genesis_time_ms + 10_000 * height
    return build_template(chain.context, chain.state, payee, key, time_ms=time_ms, plan=plan)


def planned(chain: ProvenChain, payee: bytes, plan: BlockPlan) -> Block:
    """A worked block of a plan that execution accepts, whatever its groups are worth."""
    template = template_of(chain, payee, plan)
    lists = (template.transactions, template.results, template.call_groups)
    return worked(template.pre, chain.context.params, template.vrf_proof, lists)


def forged(
    chain: ProvenChain,
    payee: bytes,
    *,
    transactions: Sequence[bytes] = (),
    results: Sequence[bytes] = (),
    groups: Sequence[bytes] = (),
    coinbase: bytes | None = None,
    **changes: Any,
) -> Block:
    """A worked block of these lists; ``changes`` are fields of the pre-header."""
    params, height = chain.context.params, chain.context.height + 1
    template = template_of(chain, payee)
    if coinbase is None:
        coinbase = Coinbase(KIND_COINBASE, height, payee, 45 * 10**8).to_bytes()
    listed = (*transactions, coinbase)
    pre = replace(
        template.pre,
        tx_root=transaction_root(listed),
        result_root=result_root(results),
        calls_root=calls_root(groups),
    )
    pre = replace(pre, **changes)
    return worked(pre, params, template.vrf_proof, (listed, tuple(results), tuple(groups)))
