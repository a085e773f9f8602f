"""Anchors that are put together well and still wrong in one thing: both verifiers name the link."""

from dataclasses import replace

from esper.consensus.context import block_leaf
from esper.consensus.header import decode_header
from esper.dao.entry_records import MODEL_ENTRY, TIER
from esper.dao.registry import Entry, Tier
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId, Txid
from esper.primitives.mmr import Mmr, sibling_places
from esper.receipts.build import build_proof
from esper.receipts.form import encode_receipt
from esper.receipts.parts import Anchor, AnswerReceipt, BlockListed, InState, TierListed
from esper.receipts.parts import OutcomeListed as Outcome
from esper.vm.receipt import Receipt
from esper.vm.records import BLOCKS_PATH, RECEIPTS, RECEIPTS_PATH, tier_path
from esper.vm.state_tree import StateTree
from tests.support.block_workshop import PARAMS
from tests.support.receipt_twin import Twins
from tests.support.receipt_world import (
    GENESIS,
    MODEL,
    FakeJudge,
    WorkshopSource,
    around,
    outcomes,
    receipt_world,
)

WORLD = receipt_world()
AROUND = around(tokenizer=False, chain=False)
BARE = WORLD.receipt(WORLD.alone, work=False, anchor=False)
[OWN] = [one for made in WORLD.tip.branch for one in outcomes(made) if one.txid == WORLD.alone]


def named(receipt: AnswerReceipt, twins: Twins | None = None) -> str | None:
    return (twins or Twins(AROUND)).agree(encode_receipt(receipt))


def anchored(
    outcome: Receipt,
    *,
    time_ms: int | None = None,
    receipt: AnswerReceipt = BARE,
    tier: bytes | None = None,
) -> AnswerReceipt:
    """A receipt with a state that has its block, this outcome among three, and a tier."""
    assert receipt.header is not None
    header = decode_header(receipt.header, 4096)
    height = header.pre.height
    time = header.pre.time_ms if time_ms is None else time_ms
    leaf = block_leaf(header.block_id, time, 1)
    all_blocks, block_nodes = Mmr().extended([*(b"%d" % n for n in range(height)), leaf])
    all_said, said_nodes = Mmr().extended([b"first", b"second", outcome.to_bytes()])
    blocks, receipts = encode(RECEIPTS, all_blocks), encode(RECEIPTS, all_said)
    tree = StateTree().put(BLOCKS_PATH, blocks).put(RECEIPTS_PATH, receipts)
    tree = tree.put(tier_path(0), tier or b"another")

    def state(path: bytes) -> InState:
        proof = tree.prove(path)
        return InState(proof.count, proof.siblings)

    block_known, said_known = dict(block_nodes), dict(said_nodes)
    block_way = tuple(block_known[at] for at in sibling_places(height, all_blocks.count))
    said_way = tuple(said_known[at] for at in sibling_places(2, all_said.count))
    weight = (1).to_bytes(32, "big")
    above = replace(header, pre=replace(header.pre, state_root=tree.root))
    listed = BlockListed(state(BLOCKS_PATH), blocks, weight, block_way)
    said = Outcome(state(RECEIPTS_PATH), receipts, 2, outcome.to_bytes(), said_way)
    tiers = () if tier is None else (TierListed(state(tier_path(0)), tier),)
    return replace(receipt, anchor=Anchor(above.to_bytes(), listed, said, tiers))


def test_an_outcome_that_is_not_the_call_s() -> None:
    own = OWN
    assert named(anchored(own)) is None
    assert named(anchored(own, time_ms=1)) == "chain"
    for changes in (
        {"burned": own.burned + 1},
        {"paid_tokens": own.paid_tokens + 1},
        {"kind": 6},
        {"txid": Txid(bytes(64))},
        {"sender": bytes(33)},
    ):
        assert named(anchored(replace(own, **changes))) == "paid"
    # What the chain says of fees is the chain's.
    assert named(anchored(replace(own, fee=own.fee + 1))) is None


def test_a_tier_s_record_holds_its_models() -> None:
    """The own one or the previous one; a record that no tier can have is none."""
    strange = replace(PARAMS, model=replace(PARAMS.model, model_id=ModelId(bytes(64))))
    twins = Twins(replace(AROUND, networks={strange.name: (strange, GENESIS)}))
    source = WorkshopSource(WORLD.tip, params=strange)
    receipt = build_proof(source, WORLD.alone, FakeJudge(), with_work=False)
    other = replace(MODEL.entry, model_id=ModelId(b"\1" * 64))
    own = Tier(MODEL.entry, 1 << 16, 1 << 16, MODEL.puzzle)
    before = Entry(MODEL.entry, 1, MODEL.puzzle)
    former = Tier(other, 1, 1, MODEL.puzzle, (before,), 3)

    def judged(record: bytes) -> str | None:
        return named(anchored(OWN, receipt=receipt, tier=record), twins)

    assert judged(encode(TIER, own)) is None
    assert judged(encode(TIER, former)) is None
    assert judged(encode(TIER, replace(own, model=other))) == "chain"
    record = encode(TIER, former)
    # Behind version and entry: a weight and a share, neither of which may be 0.
    least = encode(TIER, replace(own, omega=1, share=1))
    at = 2 + len(encode(MODEL_ENTRY, MODEL.entry))
    assert least[at : at + 2] == b"\1\1"
    assert judged(least) is None
    assert judged(least[:at] + b"\0" + least[at + 1 :]) == "chain"
    assert judged(least[: at + 1] + b"\0" + least[at + 2 :]) == "chain"
    assert judged(b"") == "chain"
    assert judged(record + b"\0") == "chain"
