"""Receipts that are put together well and still wrong in one thing: both verifiers name its link.

A header is anybody's to write, so whoever forges makes all hashes fit: what a link forbids must be
forbidden by that link alone.
"""

from dataclasses import replace
from typing import Any

import pytest

from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.block import calls_root, proof_hash, transaction_root
from esper.consensus.call_groups import decode_call_group
from esper.consensus.context import block_leaf
from esper.consensus.header import Header, decode_header, work_id, work_seed
from esper.consensus.ticket import batch_result
from esper.consensus.work_rules import ticket_claim
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId, Txid
from esper.primitives.mmr import Mmr, sibling_places
from esper.primitives.work_outputs import WORK_OUTPUTS, Opening, WorkOutputs
from esper.receipts.build import build_proof
from esper.receipts.form import encode_receipt
from esper.receipts.links.model import model_bytes
from esper.receipts.parts import (
    Anchor,
    AnswerReceipt,
    BlockListed,
    BlockWork,
    InState,
    Listed,
    OpenCall,
)
from esper.receipts.parts import OutcomeListed as Outcome
from esper.receipts.ports import NamedModel
from esper.vm.llm_call import LlmCall
from esper.vm.receipt import Receipt
from esper.vm.records import BLOCKS_PATH, RECEIPTS, RECEIPTS_PATH
from esper.vm.state_tree import StateTree
from tests.support.block_workshop import INFERENCE, PARAMS
from tests.support.fake_work import BANK, SOURCE, FakeProver
from tests.support.receipt_twin import Twins
from tests.support.receipt_world import (
    GENESIS,
    MODEL,
    FakeJudge,
    WorkshopAnchor,
    WorkshopSource,
    around,
    outcomes,
    receipt_world,
    signed,
)

WORLD = receipt_world()
AROUND = around(tokenizer=False, chain=False)
TWINS = Twins(AROUND)
BARE = WORLD.receipt(WORLD.alone, work=False, anchor=False)
STRANGE = replace(PARAMS, model=replace(PARAMS.model, model_id=ModelId(bytes(64))))


def named(receipt: AnswerReceipt, twins: Twins = TWINS) -> str | None:
    return twins.agree(encode_receipt(receipt))


def header_of(receipt: AnswerReceipt) -> Header:
    assert receipt.header is not None
    return decode_header(receipt.header, 4096)


def under(receipt: AnswerReceipt, header: Header, **parts: Any) -> AnswerReceipt:
    """The receipt in a block of this header."""
    return replace(receipt, header=header.to_bytes(), block_id=header.block_id, **parts)


def with_group(**changes: Any) -> AnswerReceipt:
    """In a block whose only group is the receipt's, changed."""
    assert BARE.group is not None
    data = replace(decode_call_group(BARE.group.data, 1 << 20), **changes).to_bytes()
    header = header_of(BARE)
    pre = replace(header.pre, calls_root=calls_root((data,)))
    group = replace(BARE.group, data=data, index=0, count=1, path=())
    return under(BARE, replace(header, pre=pre), group=group)


def test_a_group_of_another_model() -> None:
    assert named(with_group()) is None
    assert named(with_group(model_id=ModelId(bytes(64)))) == "group"
    assert named(with_group(kind=1)) == "group"
    assert named(with_group(calls=())) == "group"


def test_a_promise_from_after_the_block() -> None:
    called = WORLD.source.call(WORLD.alone).payload
    assert isinstance(called, LlmCall)
    assert BARE.group is not None
    answer = BARE.group.members[0].answer
    latest = header_of(BARE).pre.height + PARAMS.limits.undo_depth
    for height, link in ((latest, None), (latest + 1, "instant")):
        instant = signed(called, answer, height=height)
        assert named(replace(BARE, instant=instant)) == link
    assert named(replace(BARE, instant=signed(called, answer, genesis=bytes(64)))) == "instant"
    assert named(replace(BARE, instant=signed(called, (9, 2)))) == "instant"
    salted = replace(signed(called, answer), salt=b"")
    assert named(replace(BARE, instant=salted)) == "instant"


def test_a_tier_with_another_model() -> None:
    abroad = Twins(replace(AROUND, networks={STRANGE.name: (STRANGE, GENESIS)}))
    receipt = build_proof(
        WorkshopSource(WORLD.tip, params=STRANGE),
        WORLD.alone,
        FakeJudge(),
        with_work=False,
        anchor=WorkshopAnchor(WORLD.tip),
    )
    assert named(receipt, abroad) is None
    for changed in (
        NamedModel(replace(MODEL.entry, bank_size=5000), MODEL.puzzle),
        NamedModel(MODEL.entry, replace(MODEL.puzzle, max_answer=8)),
        NamedModel(MODEL.entry, replace(MODEL.puzzle, rows=128)),
    ):
        assert named(replace(receipt, models=(model_bytes(changed),)), abroad) == "chain"


def worked(target: int) -> tuple[Header, BlockWork]:
    """The header of the bare receipt with this target, and work of its seed."""
    header, puzzle, model = header_of(BARE), PARAMS.puzzle, PARAMS.model
    pre = replace(header.pre, target=target.to_bytes(64, "big"))
    seed = work_seed(work_id(pre))
    indices = draw_indices(seed, model.bank_size, puzzle.sequences)
    prompts = [BANK[index] for index in indices]
    inputs = batch_inputs(seed, prompts, puzzle, model)
    answers = INFERENCE.answer(inputs, puzzle.max_answer, puzzle.top_k)
    openings = tuple(
        Opening(index, prompt, SOURCE.tree.path(index))
        for index, prompt in zip(indices, prompts, strict=True)
    )
    outputs = WorkOutputs(openings, answers)
    result = batch_result(seed, model.model_id, puzzle, indices, inputs, answers)
    proof = FakeProver().prove(ticket_claim(seed, inputs, outputs, puzzle, model))
    made = replace(
        header, pre=pre, result=result, outputs_hash=outputs.hash, proof_hash=proof_hash(proof)
    )
    return made, BlockWork(encode(WORK_OUTPUTS, outputs), proof)


def test_a_ticket_that_does_not_win() -> None:
    for bits, link in ((512, None), (1, "work"), (400, "work")):
        header, work = worked((1 << bits) - 1)
        assert named(under(BARE, header, work=work)) == link
    # Around the very bound, which the answers' lengths move: both count alike.
    found = {
        named(under(BARE, header, work=work))
        for header, work in (worked((1 << 511) + (step << 505)) for step in range(24))
    }
    assert found == {None, "work"}


def test_a_result_that_is_not_the_answers_digest() -> None:
    header, work = worked((1 << 512) - 1)
    assert named(under(BARE, header, work=work)) is None
    other = replace(header, result=bytes(64))
    assert named(under(BARE, other, work=work)) == "work"


@pytest.mark.parametrize(
    "changes",
    [
        {"tier": 1},
        {"bank_root": bytes(64)},
        {"nonce": 77},
    ],
)
def test_a_header_that_the_work_does_not_fit(changes: dict[str, Any]) -> None:
    header, work = worked((1 << 512) - 1)
    other = replace(header, pre=replace(header.pre, **changes))
    assert named(under(BARE, other, work=work)) == "work"


def anchored(outcome: Receipt, *, time_ms: int | None = None) -> AnswerReceipt:
    """The bare receipt with a state that has its block, and this outcome among three."""
    header = header_of(BARE)
    height = header.pre.height
    time = header.pre.time_ms if time_ms is None else time_ms
    leaf = block_leaf(header.block_id, time, 1)
    all_blocks, block_nodes = Mmr().extended([*(b"%d" % n for n in range(height)), leaf])
    all_said, said_nodes = Mmr().extended([b"first", b"second", outcome.to_bytes()])
    blocks, receipts = encode(RECEIPTS, all_blocks), encode(RECEIPTS, all_said)
    tree = StateTree().put(BLOCKS_PATH, blocks).put(RECEIPTS_PATH, receipts)
    tree = tree.put(bytes(32), b"another")

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
    return replace(BARE, anchor=Anchor(above.to_bytes(), listed, said, ()))


def test_an_outcome_that_is_not_the_call_s() -> None:
    [own] = [one for made in WORLD.tip.branch for one in outcomes(made) if one.txid == WORLD.alone]
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


def test_a_header_of_another_network() -> None:
    header = header_of(BARE)
    assert named(under(BARE, header)) is None
    other = replace(header, pre=replace(header.pre, genesis_hash=bytes(64)))
    assert named(under(BARE, other)) == "header"


@pytest.mark.parametrize(
    ("changes", "link"),
    [
        ({}, "group"),
        ({"key": b"no key of the sender's"}, "call"),
        ({"key": b"", "signature": b""}, "group"),
        ({"suite": 2}, "call"),
        ({"suite": 3, "sender": b"\x03" + bytes(32)}, "call"),
        ({"sender": b"\x02" + bytes(32), "key": b""}, "call"),
        ({"not_before": 8, "expiry": 7}, "call"),
        ({"not_before": 8, "expiry": 8}, "group"),
        ({"payload": {"prompt": ()}}, "call"),
        ({"payload": {"max_tokens": 0}}, "call"),
        ({"payload": {"max_tokens": 129}}, "call"),
        ({"payload": {"max_tokens": 128}}, "group"),
        ({"payload": {"price": (1 << 32) - 1}}, "group"),
        ({"payload": {"model_id": bytes(64)}}, "model"),
    ],
)
def test_calls_that_no_block_may_hold(changes: dict[str, Any], link: str) -> None:
    """Alone in a block that holds them; the group, which names the honest call, comes later."""
    made = WORLD.source.call(WORLD.alone)
    fields = {"nonce": made.nonce + 1} | changes
    fields["payload"] = replace(made.payload, **changes.get("payload", {}))  # type: ignore[type-var]
    if "suite" not in changes and "sender" not in changes and "key" not in changes:
        fields["key"] = made.key
    data = replace(made, **fields).to_bytes()
    header = header_of(BARE)
    header = replace(header, pre=replace(header.pre, tx_root=transaction_root((data,))))
    assert named(under(BARE, header, call=Listed(data, 0, 1, ()))) == link
    unsigned = replace(made, **fields).unsigned_bytes()
    lane = WORLD.receipt(WORLD.lanes[0], work=False, anchor=False)
    expected = "model" if link == "model" else "call"
    assert named(replace(lane, call=OpenCall(unsigned))) == expected
    assert named(replace(lane, call=OpenCall(data))) == "model"


def test_an_open_call_is_of_its_kind() -> None:
    """A record of another kind with the same fields would have another id, and no block."""
    lane = WORLD.receipt(WORLD.lanes[0], work=False, anchor=False)
    assert isinstance(lane.call, OpenCall)
    for kind in (0, 6, 7):
        data = lane.call.unsigned[:2] + bytes((kind,)) + lane.call.unsigned[3:]
        assert named(replace(lane, call=OpenCall(data))) == "model"
