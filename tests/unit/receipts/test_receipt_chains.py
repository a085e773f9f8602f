"""Receipts of two tiers, of a branch that was lost, and with an anchor that anyone could write."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest

from esper.consensus.header import decode_header
from esper.consensus.ports import WorkClaim
from esper.consensus.registry import genesis_registry
from esper.consensus.template import BlockPlan
from esper.dao.descriptor import DescribedModel
from esper.node.workers.call_answerer import CallAnswerer, OpenCall
from esper.primitives.ids import ModelId, Txid
from esper.primitives.model_entry import ModelEntry
from esper.primitives.params import NetworkParameters, TierParameters
from esper.primitives.units import FIXED_POINT_ONE
from esper.receipts.build import build_proof
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.parts import AnswerReceipt
from esper.receipts.ports import ChainWord, NamedModel, Surroundings, Verified
from esper.receipts.verdict import EXIT_PROVEN, Verdict
from esper.vm.call_rows import call_rows
from esper.vm.llm_call import LlmCall
from esper.vm.stake import Stake
from tests.support.block_workshop import PARAMS, Made, Workshop
from tests.support.fake_work import FakeInference, FakeProver, FakeVerifier, prompt_source
from tests.support.growing import Growing
from tests.support.receipt_world import (
    PRICE,
    FakeTokenizer,
    Followed,
    WorkshopAnchor,
    WorkshopSource,
    action,
    around,
    call,
    receipt_world,
    transactions,
)
from tests.support.vm_world import ALICE, BOB, COIN, MINER, address

SECOND = replace(PARAMS.model, model_id=ModelId(b"2" * 64), tier=1)
TIERS: NetworkParameters = replace(
    PARAMS, further_tiers=(TierParameters(SECOND, FIXED_POINT_ONE // 2),)
)
MODELS = {one.model_id: one for one in (PARAMS.model, SECOND)}


class Recorded:
    """The fake prover and verifier of both models, which remember whose proof each is."""

    last: Verified | None = None

    def __init__(self) -> None:
        self._of: dict[bytes, ModelEntry] = {}

    def prove(self, claim: WorkClaim) -> bytes:
        proof = FakeProver().prove(claim)
        self._of[proof] = MODELS[claim.model_id]
        return proof

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        FakeVerifier(PARAMS.model).verify(claim, proof)

    def described(self, proof: bytes) -> DescribedModel:
        one = self._of[proof]
        return DescribedModel(one.model_id, one.shape, one.bos, one.eos, 8)


WORK = Recorded()


@dataclass
class TwoTiers(WorkshopSource):
    """The chain of two tiers."""

    params: NetworkParameters = TIERS

    def model(self, model_id: ModelId, height: int) -> NamedModel:
        for tier in genesis_registry(TIERS).tiers:
            if tier.model.model_id == model_id:
                return NamedModel(tier.model, tier.puzzle)
        raise KeyError(model_id)

    def rows(self, model_id: ModelId, height: int) -> Sequence[int]:
        return (call_rows(PARAMS.calls, PARAMS.model.shape),)


def answered(growing: Growing, called: ModelEntry, mined: ModelEntry, token: int) -> Txid:
    """A call to one model in a block that was mined with another."""
    genesis = growing.tip.chain.context.genesis_hash
    made = growing.signed(ALICE, LlmCall(called.model_id, (1, token), 6, PRICE))
    assert isinstance(made.payload, LlmCall)
    answerer = CallAnswerer(FakeInference(called), WORK, TIERS.calls, genesis_hash=genesis)
    [said] = answerer.answer([OpenCall(made.txid, made.payload)])
    group = answerer.prove_own([said], address(MINER))
    growing.grow(BlockPlan((made,), (said.answer,), (group,)), model=mined)
    return made.txid


def test_two_tiers() -> None:
    growing = Growing(TIERS, prompt_source(TIERS), FakeInference, WORK, WORK)
    stakes = tuple(growing.signed(key, Stake(4 * COIN)) for key in (ALICE, BOB))
    growing.grow(BlockPlan(stakes))
    for _ in range(9):
        growing.grow()
    pairs = [(one, two) for one in MODELS.values() for two in MODELS.values()]
    ids = [answered(growing, *pair, 40 + at) for at, pair in enumerate(pairs)]
    for _ in range(3):
        growing.grow(model=SECOND)
    genesis = growing.tip.chain.context.genesis_hash
    source = TwoTiers(growing.tip, genesis_hash=genesis)
    known = Surroundings(
        networks={TIERS.name: (TIERS, genesis)},
        judge=WORK,
        tokenizers=[FakeTokenizer()],
        chain=Followed(growing.tip),
    )
    for txid, (called, mined) in zip(ids, pairs, strict=True):
        receipt = build_proof(source, txid, WORK, anchor=WorkshopAnchor(growing.tip))
        assert receipt.header is not None
        assert decode_header(receipt.header, 4096).pre.tier == mined.tier
        verdict = judge_bytes(encode_receipt(receipt), known)
        assert verdict.exit_code == EXIT_PROVEN, verdict.links
        assert verdict.status("chain") == verdict.status("paid") == "ok"
        [said] = [link.detail for link in verdict.links if link.name == "model"]
        assert said == f"tier {called.tier}, genesis"


@dataclass(frozen=True)
class Forked:
    """A call that both of two branches answer, each in a block of its own."""

    left: Made
    right: Made
    txid: Txid


@pytest.fixture(scope="module")
def forked() -> Forked:
    workshop = Workshop(real_signatures=False)
    stem = workshop.block(workshop.genesis, [action("stake", "alice", 4 * COIN)])
    for _ in range(9):
        stem = workshop.block(stem, [])
    asked = [call("alice", (1, 50, 51))]
    left, right = workshop.block(stem, asked), workshop.block(stem, asked, payee="carol")
    txid = transactions(left)[0].txid
    assert transactions(right)[0].txid == txid
    for _ in range(3):
        left, right = workshop.block(left, []), workshop.block(right, [])
    return Forked(left, right, txid)


def made(tip: Made, txid: Txid) -> AnswerReceipt:
    from tests.support.receipt_world import FakeJudge

    return build_proof(WorkshopSource(tip), txid, FakeJudge(), anchor=WorkshopAnchor(tip))


def judged(receipt: AnswerReceipt, chain: ChainWord | None) -> Verdict:
    return judge_bytes(encode_receipt(receipt), replace(around(chain=False), chain=chain))


def test_a_branch_that_was_lost(forked: Forked) -> None:
    lost = made(forked.left, forked.txid)
    assert judged(lost, Followed(forked.left)).status("paid") == "ok"
    broken = judged(lost, Followed(forked.right)).broken
    assert broken is not None
    assert broken.name == "chain"
    # All but the chain's part holds: the model gave this answer all the same.
    alone = judged(lost, None)
    assert alone.exit_code == EXIT_PROVEN
    assert alone.status("chain") == alone.status("paid") == "open"


def test_anchors_of_the_other_branch_do_not_hold_the_block(forked: Forked) -> None:
    lost, kept = made(forked.left, forked.txid), made(forked.right, forked.txid)
    assert judged(kept, Followed(forked.right)).strict_exit_code == EXIT_PROVEN
    glued = replace(lost, anchor=kept.anchor)
    for chain in (None, Followed(forked.right), Followed(forked.left)):
        broken = judged(glued, chain).broken
        assert broken is not None
        assert broken.name == "chain"


def test_a_bare_anchor_is_open_until_somebody_knows_it() -> None:
    world = receipt_world()
    receipt = world.receipt(world.alone)
    verdict = judged(receipt, None)
    assert verdict.status("chain") == verdict.status("paid") == "open"
    said = {link.name: link.detail for link in verdict.links}["chain"]
    assert said == f"compare --tip {world.tip.height}:{world.tip.block_id.hex()}"
    # A header that nobody mined, over the very same state.
    assert receipt.anchor is not None
    header = decode_header(receipt.anchor.header, 4096)
    written = replace(header, pre=replace(header.pre, nonce=header.pre.nonce + 1))
    forged = replace(receipt, anchor=replace(receipt.anchor, header=written.to_bytes()))
    assert judged(forged, None).status("chain") == "open"
    broken = judged(forged, Followed(world.tip)).broken
    assert broken is not None
    assert broken.name == "chain"
