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
from esper.consensus.header import Header, decode_header, work_id, work_seed
from esper.consensus.ticket import batch_result
from esper.consensus.work_rules import ticket_claim
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId
from esper.primitives.merkle import MerkleTree
from esper.primitives.prompt import BankPrompt, bank_tree
from esper.primitives.work_outputs import WORK_OUTPUTS, Opening, WorkOutputs
from esper.receipts.build import build_proof
from esper.receipts.form import encode_receipt
from esper.receipts.links.model import model_bytes
from esper.receipts.parts import (
    AnswerReceipt,
    BlockWork,
    Listed,
    OpenCall,
)
from esper.receipts.ports import NamedModel
from esper.vm.llm_call import LlmCall
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


def worked(
    target: int, bank: tuple[BankPrompt, ...] = BANK, tree: MerkleTree = SOURCE.tree
) -> tuple[Header, BlockWork]:
    """The header of the bare receipt with this target and bank, and work of its seed."""
    header, puzzle, model = header_of(BARE), PARAMS.puzzle, PARAMS.model
    pre = replace(header.pre, target=target.to_bytes(64, "big"), bank_root=tree.root)
    seed = work_seed(work_id(pre))
    indices = draw_indices(seed, model.bank_size, puzzle.sequences)
    prompts = [bank[index] for index in indices]
    inputs = batch_inputs(seed, prompts, puzzle, model)
    answers = INFERENCE.answer(inputs, puzzle.max_answer, puzzle.top_k)
    openings = tuple(
        Opening(index, prompt, tree.path(index))
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


def test_a_bank_of_another_tokenizer() -> None:
    """Whoever brings a model of their own brings a bank that its entry names."""
    for tokenizer_id, link in ((MODEL.entry.tokenizer_id, None), (bytes(64), "work")):
        bank = tuple(replace(one, tokenizer_id=tokenizer_id) for one in BANK)
        tree = bank_tree(bank)
        model = NamedModel(replace(MODEL.entry, bank_root=tree.root), MODEL.puzzle)
        networks = {STRANGE.name: (STRANGE, GENESIS)}
        twins = Twins(replace(AROUND, networks=networks, models=[model]))
        header, work = worked((1 << 512) - 1, bank, tree)
        receipt = replace(under(BARE, header, work=work), models=(model_bytes(model),))
        assert named(receipt, twins) == link


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
