"""The stages of judging a block, each by itself, as its parts come in over a network."""

from dataclasses import replace
from pathlib import Path

import pytest

from esper.consensus.block import Block, proof_hash, transaction_root
from esper.consensus.chain import BlockBytes, ProvenChain
from esper.consensus.context import ChainContext
from esper.consensus.header import Header
from esper.node.chain.block_judge import BlockJudge, JudgementError
from esper.primitives.codec import encode
from esper.primitives.errors.block_errors import (
    CoinbaseViolation,
    OutputsHashViolation,
    ProofHashViolation,
    SizeViolation,
    StateRootViolation,
    TransactionRootViolation,
)
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import TimeOldViolation
from esper.primitives.errors.rule_violation import Consequence, RuleViolation
from esper.primitives.errors.work_errors import (
    OutputsEncodingViolation,
    ProofEncodingViolation,
)
from esper.primitives.ids import BlockId
from esper.primitives.work_outputs import WORK_OUTPUTS, WorkOutputs, outputs_hash
from tests.support.fake_work import FakeVerifier
from tests.support.node.node_world import PARAMS, go, mined_block
from tests.support.vm_world import CAROL, address
from tests.unit.node.chain.test_chain_manager import _LyingState
from tests.unit.node.chain.test_node_chain_service import FAR, LEFT, Bench, bench

GENESIS = ChainContext.genesis(PARAMS)
BLOCK = LEFT[0]
LISTS = BLOCK.body.transactions, BLOCK.body.results, BLOCK.body.call_groups


def outputs_of(block: Block) -> bytes:
    return encode(WORK_OUTPUTS, block.body.outputs)


def judge() -> BlockJudge:
    return BlockJudge(FakeVerifier(PARAMS.model), PARAMS.limits)


def refused(error: pytest.ExceptionInfo[JudgementError]) -> tuple[Stage, type[RuleViolation]]:
    return error.value.stage, type(error.value.violation)


def test_a_block_is_put_together_from_its_parts_and_proven_once() -> None:
    verifier = FakeVerifier(PARAMS.model)
    staged = BlockJudge(verifier, PARAMS.limits)
    staged.check_header(BLOCK.header, GENESIS, now_ms=FAR)
    staged.check_work(BLOCK.header, outputs_of(BLOCK), BLOCK.proof, GENESIS)
    block, content = staged.check_lists(BLOCK.header, outputs_of(BLOCK), BLOCK.proof, *LISTS)
    judged = staged.judged(block, content, GENESIS, received_ms=7)
    assert verifier.verified == 1
    whole = judge().judge(BlockBytes.of(BLOCK), GENESIS, now_ms=FAR, received_ms=7)
    assert judged == whole


def test_nothing_is_put_together_whose_work_nobody_checked() -> None:
    fresh = judge()
    block, content = fresh.check_lists(BLOCK.header, outputs_of(BLOCK), BLOCK.proof, *LISTS)
    with pytest.raises(ValueError, match="nobody has checked the work"):
        fresh.judged(block, content, GENESIS, received_ms=0)


def test_another_proof_is_not_put_under_a_proven_header() -> None:
    staged = judge()
    staged.check_work(BLOCK.header, outputs_of(BLOCK), BLOCK.proof, GENESIS)
    block, content = staged.check_lists(BLOCK.header, outputs_of(BLOCK), b"another", *LISTS)
    with pytest.raises(JudgementError) as error:
        staged.judged(block, content, GENESIS, received_ms=0)
    assert refused(error) == (Stage.WORK, ProofHashViolation)


@pytest.mark.parametrize(
    ("outputs", "proof", "rule"),
    [(b"\x90", BLOCK.proof, OutputsHashViolation), (None, b"junk", ProofHashViolation)],
)
def test_wrong_bytes_say_nothing_of_the_block(
    outputs: bytes | None, proof: bytes, rule: type[RuleViolation]
) -> None:
    staged = judge()
    with pytest.raises(JudgementError) as error:
        staged.check_work(BLOCK.header, outputs or outputs_of(BLOCK), proof, GENESIS)
    assert refused(error) == (Stage.WORK, rule)
    assert error.value.consequence is Consequence.WRONG_BYTES
    assert error.value.block_id == BLOCK.header.block_id
    staged.check_header(BLOCK.header, GENESIS, now_ms=FAR)
    staged.check_work(BLOCK.header, outputs_of(BLOCK), BLOCK.proof, GENESIS)


def assert_marked(staged: BlockJudge, header: Header, stage: Stage) -> None:
    """Refused again at once, with what it was refused for and where that was."""
    with pytest.raises(JudgementError) as error:
        staged.check_header(header, GENESIS, now_ms=FAR)
    assert error.value.stage is stage
    assert error.value.consequence is Consequence.INVALID


def test_outputs_that_hash_well_and_do_not_decode_mark_the_id() -> None:
    staged, junk = judge(), b"\x93\x01\x90"
    header = replace(BLOCK.header, outputs_hash=outputs_hash(junk))
    with pytest.raises(JudgementError) as error:
        staged.check_work(header, junk, BLOCK.proof, GENESIS)
    assert refused(error) == (Stage.WORK, OutputsEncodingViolation)
    assert_marked(staged, header, Stage.WORK)


def test_a_forged_proof_marks_the_id_at_the_stage_of_the_work() -> None:
    staged = judge()
    header = replace(BLOCK.header, proof_hash=proof_hash(b"forged"))
    with pytest.raises(JudgementError) as error:
        staged.check_work(header, outputs_of(BLOCK), b"forged", GENESIS)
    assert refused(error) == (Stage.WORK, ProofEncodingViolation)
    assert_marked(staged, header, Stage.WORK)


def test_a_header_of_the_past_is_refused_at_its_own_stage() -> None:
    staged = judge()
    pre = replace(BLOCK.header.pre, time_ms=PARAMS.genesis_time_ms)
    with pytest.raises(JudgementError) as error:
        staged.check_header(replace(BLOCK.header, pre=pre), GENESIS, now_ms=FAR)
    assert refused(error) == (Stage.HEADER, TimeOldViolation)


def test_other_lists_than_the_header_s_are_their_sender_s_fault_alone() -> None:
    staged = judge()
    with pytest.raises(JudgementError) as error:
        staged.check_lists(BLOCK.header, outputs_of(BLOCK), BLOCK.proof, (), (), ())
    assert refused(error) == (Stage.LISTS, TransactionRootViolation)
    assert error.value.consequence is Consequence.WRONG_BYTES
    staged.check_header(BLOCK.header, GENESIS, now_ms=FAR)


def with_transactions(*transactions: bytes) -> Header:
    root = transaction_root(transactions)
    return replace(BLOCK.header, pre=replace(BLOCK.header.pre, tx_root=root))


def test_lists_that_the_header_names_and_that_are_none_mark_it() -> None:
    staged = judge()
    with pytest.raises(JudgementError) as error:
        staged.check_lists(with_transactions(), outputs_of(BLOCK), BLOCK.proof, (), (), ())
    assert refused(error) == (Stage.LISTS, CoinbaseViolation)
    assert_marked(staged, with_transactions(), Stage.LISTS)


def test_a_body_above_the_limit_is_found_when_its_lists_are_the_header_s() -> None:
    limits = replace(PARAMS.limits, body_bytes=len(BLOCK.body.to_bytes()) - 1)
    staged = BlockJudge(FakeVerifier(PARAMS.model), limits)
    with pytest.raises(JudgementError) as error:
        staged.check_lists(BLOCK.header, outputs_of(BLOCK), BLOCK.proof, *LISTS)
    assert refused(error) == (Stage.LISTS, SizeViolation)
    assert_marked(staged, BLOCK.header, Stage.LISTS)


@pytest.mark.parametrize("proof", [BLOCK.proof, b""])
def test_an_assumed_block_is_judged_in_all_but_its_proof(proof: bytes) -> None:
    verifier = FakeVerifier(PARAMS.model)
    staged = BlockJudge(verifier, PARAMS.limits)
    data = replace(BlockBytes.of(BLOCK), proof=proof)
    judged = staged.judge(data, GENESIS, now_ms=FAR, received_ms=0, assumed=True)
    assert (judged.block_id, verifier.verified) == (BLOCK.header.block_id, 0)
    # What was assumed is not taken for verified.
    forged = replace(data, proof=b"x")
    with pytest.raises(JudgementError) as error:
        staged.judge(forged, GENESIS, now_ms=FAR, received_ms=0, assumed=True)
    assert refused(error) == (Stage.WORK, ProofHashViolation)
    other = replace(BLOCK.body.outputs, answers=())
    body = replace(BLOCK.body, outputs=other).to_bytes()
    with pytest.raises(JudgementError) as error:
        staged.judge(replace(data, body=body), GENESIS, now_ms=FAR, received_ms=0, assumed=True)
    assert refused(error) == (Stage.WORK, OutputsHashViolation)


async def staged_block(found: Bench, block: Block) -> None:
    """A block as a peer gives it: its parts one by one."""
    chain = found.chain
    header = chain.judging.read_header(block.header.to_bytes())
    parent = chain.judging.parent_of(header)
    assert chain.judging.judge_header(header, parent).tip_id == header.block_id
    outputs = await chain.judging.judge_work(header, outputs_of(block), block.proof, parent)
    assert isinstance(outputs, WorkOutputs)
    body = block.body
    judged = await chain.judging.judge_lists(
        header,
        outputs_of(block),
        block.proof,
        parent,
        body.transactions,
        body.results,
        body.call_groups,
        received_ms=1,
    )
    arrival = await chain.submit_checked(judged, 5)
    assert arrival.applied == (header.block_id,)


def test_a_service_takes_blocks_in_stages(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            for block in LEFT:
                await staged_block(found, block)
            assert found.chain.tip == LEFT[1].header.block_id
            assert len(found.follower.told) == 2

    go(main)


def test_a_header_that_does_not_fit_is_told_with_its_stage(tmp_path: Path) -> None:
    async def main() -> None:
        async with bench(tmp_path) as found:
            pre = BLOCK.header.pre
            with pytest.raises(JudgementError) as error:
                found.chain.judging.judge_header(LEFT[1].header, GENESIS)
            assert error.value.stage is Stage.HEADER
            unknown = replace(BLOCK.header, pre=replace(pre, parent=BlockId(bytes(64))))
            with pytest.raises(JudgementError) as error:
                found.chain.judging.parent_of(unknown)
            assert error.value.consequence is Consequence.RETRY
            with pytest.raises(JudgementError) as error:
                found.chain.judging.read_header(b"junk")
            assert error.value.consequence is Consequence.OTHER_RULES
            assert error.value.block_id is None

    go(main)


def test_a_state_that_fails_is_told_with_its_stage(tmp_path: Path) -> None:
    lying = _LyingState(ProvenChain.genesis(PARAMS))
    bad = mined_block(PARAMS, GENESIS, lying, address(CAROL), PARAMS.genesis_time_ms + 9_000)

    async def main() -> None:
        async with bench(tmp_path) as found:
            judged = await found.chain.judging.judge(BlockBytes.of(bad), found.chain.view.context)
            with pytest.raises(JudgementError) as error:
                await found.chain.submit_checked(judged)
            assert refused(error) == (Stage.STATE, StateRootViolation)
            assert error.value.consequence is Consequence.FAILED

    go(main)
