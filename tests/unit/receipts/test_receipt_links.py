"""Each link by itself: what is open or absent, and the words of what fails."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from esper.consensus.call_groups import decode_call_group
from esper.consensus.header import decode_header
from esper.primitives.ids import ModelId
from esper.primitives.params import NetworkParameters
from esper.receipts.build import build_proof, listed_in
from esper.receipts.case import Case
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.links.model import model_bytes
from esper.receipts.links.text import prompt_text
from esper.receipts.parts import AnswerReceipt, Words
from esper.receipts.ports import NamedModel, Surroundings
from esper.receipts.promise import decode_promise
from esper.receipts.verdict import EXIT_BROKEN, EXIT_OPEN, EXIT_PROVEN, Status, Verdict
from esper.vm.llm_call import LlmCall
from tests.support.block_workshop import PARAMS
from tests.support.receipt_world import (
    GENESIS,
    MODEL,
    REQUEST,
    FakeJudge,
    FakeTokenizer,
    WorkshopAnchor,
    WorkshopSource,
    around,
    promise_receipt,
    receipt_world,
    signed,
)
from tests.support.vm_world import CAROL

WORLD = receipt_world()
FULL = WORLD.promised(WORLD.together[0])


def judged(receipt: AnswerReceipt, surroundings: Surroundings | None = None) -> Verdict:
    return judge_bytes(encode_receipt(receipt), surroundings or around())


def broken(receipt: AnswerReceipt, surroundings: Surroundings | None = None) -> tuple[str, str]:
    verdict = judged(receipt, surroundings)
    assert verdict.exit_code == EXIT_BROKEN
    assert verdict.broken is not None
    assert verdict.links[-1] is verdict.broken
    return verdict.broken.name, verdict.broken.detail


def part(which: str, /, **changes: Any) -> AnswerReceipt:
    """The full receipt with a part changed."""
    changed: AnswerReceipt = replace(FULL, **{which: replace(getattr(FULL, which), **changes)})
    return changed


def test_optional_parts() -> None:
    plain = judged(WORLD.receipt(WORLD.alone, work=False, anchor=False))
    assert plain.status("instant") == plain.status("work") == Status.ABSENT
    assert plain.status("chain") == plain.status("paid") == Status.OPEN
    assert plain.exit_code == EXIT_OPEN
    worked = judged(WORLD.receipt(WORLD.alone, anchor=False))
    assert worked.exit_code == EXIT_PROVEN


def test_without_a_tokenizer_text_is_open_but_specials_are_not() -> None:
    bare = around(tokenizer=False)
    assert judged(FULL, bare).status("text") == Status.OPEN
    assert judged(FULL, bare).exit_code == EXIT_OPEN
    assert broken(part("text", tokenizer_id=bytes(64)), bare)[0] == "text"
    assert broken(part("text", prompt=(2, *FULL.text.prompt[1:])), bare)[0] == "text"
    assert broken(part("text", prompt=FULL.text.prompt[1:]), bare)[0] == "text"
    assert judged(part("text", answer="lies"), bare).status("text") == Status.OPEN
    assert broken(part("text", answer="lies")) == ("text", "the answer decodes to another text")


def test_without_a_chain_an_anchor_is_checked_and_open() -> None:
    bare = around(chain=False)
    verdict = judged(FULL, bare)
    assert verdict.status("chain") == verdict.status("paid") == Status.OPEN
    assert verdict.exit_code == EXIT_PROVEN
    assert FULL.anchor is not None
    wrong = replace(FULL.anchor.blocks, weight=bytes(32))
    assert broken(part("anchor", blocks=wrong), bare)[0] == "chain"
    fee = replace(FULL.anchor.receipts, number=0)
    assert broken(part("anchor", receipts=fee), bare)[0] == "paid"


def test_an_anchor_of_another_chain() -> None:
    class Other:
        whose = "--tip"

        def block_id(self, height: int) -> bytes | None:
            return bytes(64)

    assert broken(FULL, replace(around(), chain=Other())) == (
        "chain",
        f"--tip has block 00000000 at height {WORLD.tip.height}",
    )


def test_an_unknown_network() -> None:
    assert broken(part("network", name="othernet"))[0] == "network"
    assert broken(FULL, replace(around(), networks={}))[0] == "network"
    elsewhere = {PARAMS.name: (PARAMS, bytes(64))}
    assert broken(FULL, replace(around(), networks=elsewhere))[0] == "network"


def test_a_promise_by_itself() -> None:
    verdict = judged(promise_receipt())
    assert verdict.exit_code == EXIT_OPEN
    assert verdict.status("instant") == verdict.status("text") == Status.OK
    assert verdict.status("proof") == Status.ABSENT


def promised(**changes: Any) -> AnswerReceipt:
    called = WORLD.source.call(WORLD.together[0]).payload
    assert isinstance(called, LlmCall)
    assert FULL.group is not None
    answer = changes.pop("answer", FULL.group.members[FULL.group.position].answer)
    return replace(FULL, instant=signed(called, answer, **changes))


def test_promises_that_do_not_fit() -> None:
    assert judged(promised()).exit_code == EXIT_PROVEN
    assert broken(promised(genesis=bytes(64)))[0] == "instant"
    assert "another call or answer" in broken(promised(answer=(9, 2)))[1]
    latest = 14 + PARAMS.limits.undo_depth
    assert judged(promised(height=latest)).exit_code == EXIT_PROVEN
    assert broken(promised(height=latest + 1))[0] == "instant"
    assert FULL.instant is not None
    assert "signature" in broken(part("instant", key=CAROL.public))[1]
    assert "salt" in broken(part("instant", salt=b"s"))[1]
    other = replace(REQUEST, max_tokens=3)
    assert broken(replace(FULL, request=other)) == (
        "instant",
        "the promise is about another request",
    )
    assert judged(replace(FULL, request=None)).exit_code == EXIT_PROVEN


@pytest.mark.parametrize("height", [0, 13, WORLD.tip.height + 1000])
def test_both_ends_of_a_promise_s_time_as_evidence_are_shown(height: int) -> None:
    """A height that is far too low is over, one far too high has not begun: a reader can tell."""
    called = LlmCall(PARAMS.model.model_id, (1, 70, 71), 6, 1)
    alone = promise_receipt()
    assert alone.instant is not None
    answer = decode_promise(alone.instant.record).answer
    verdict = judged(replace(alone, instant=signed(called, answer, height=height)))
    assert verdict.exit_code == EXIT_OPEN
    [told] = [one.detail for one in verdict.links if one.name == "instant"]
    last = height + PARAMS.reward.unbonding
    assert told.endswith(f"evidence from height {height} to {last}")


def test_the_proof_s_model_is_the_entry_s() -> None:
    other = replace(PARAMS.model, eos=0)
    judge = FakeJudge()
    judge.model = other
    assert broken(FULL, replace(around(), judge=judge)) == (
        "proof",
        "the model's entry differs from what the proof describes",
    )


def test_rows_that_no_vote_leads_to() -> None:
    assert broken(part("group", rows=96)) == ("group", "96 rows, which no vote leads to")
    assert broken(part("group", rows=64))[0] == "proof"


def test_an_old_proof_s_rows_are_found() -> None:
    source = WorkshopSource(WORLD.tip, more_rows=(512, 64))
    found = build_proof(source, WORLD.alone, FakeJudge())
    assert found.group is not None
    assert found.group.rows == PARAMS.calls.rows_per_call


# A network on which the model of all these blocks is not the genesis block's.

STRANGE: NetworkParameters = replace(
    PARAMS, model=replace(PARAMS.model, model_id=ModelId(hashlib.sha3_512(b"first").digest()))
)


def foreign(*, anchor: bool = True, work: bool = True) -> AnswerReceipt:
    source = WorkshopSource(WORLD.tip, params=STRANGE)
    above = WorkshopAnchor(WORLD.tip) if anchor else None
    return build_proof(source, WORLD.alone, FakeJudge(), with_work=work, anchor=above)


def strange(**changes: Any) -> Surroundings:
    known = {"networks": {STRANGE.name: (STRANGE, GENESIS)}}
    return replace(around(), **(known | changes))


def test_a_model_that_the_anchor_names() -> None:
    receipt = foreign()
    assert receipt.models == (model_bytes(MODEL),)
    verdict = judged(receipt, strange())
    assert verdict.status("model") == Status.OK
    assert verdict.exit_code == EXIT_PROVEN
    verdict = judged(receipt, strange(chain=None))
    assert verdict.status("model") == verdict.status("chain") == Status.OPEN
    assert verdict.exit_code == EXIT_OPEN


def test_a_stranger_s_model() -> None:
    receipt = foreign(anchor=False)
    assert judged(receipt, strange()).status("model") == Status.OPEN
    by_name = strange(trusted=frozenset((MODEL.entry.model_id,)))
    assert judged(receipt, by_name).status("model") == Status.OK
    assert judged(receipt, by_name).exit_code == EXIT_OPEN
    assert judged(receipt, strange(models=[MODEL])).exit_code == EXIT_PROVEN
    other = NamedModel(replace(MODEL.entry, bank_size=5000), MODEL.puzzle)
    assert broken(receipt, strange(models=[other]))[0] == "model"


class OtherWords(FakeTokenizer):
    """A tokenizer that is at hand, and not the model's."""

    identity = bytes(64)

    def run(self, tokens: Sequence[int]) -> str:
        return "other words"

    def answer(self, prompt: Sequence[int], answer: Sequence[int]) -> str:
        return "yes"

    def encode(self, text: str) -> Sequence[int] | None:
        return None


@pytest.mark.parametrize("changes", [{"tokenizer_id": bytes(64)}, {"special_ids": (0, 1, 2, 3)}])
def test_a_trusted_id_vouches_for_no_words(changes: dict[str, Any]) -> None:
    # The id hashes weights alone: whoever writes the receipt chooses by what it is decoded.
    entry = replace(MODEL.entry, **changes)
    tokenizer = OtherWords() if "tokenizer_id" in changes else FakeTokenizer()
    receipt = foreign(anchor=False, work=False)
    assert receipt.group is not None
    member = receipt.group.members[receipt.group.position]
    lie = replace(
        receipt,
        models=(model_bytes(NamedModel(entry, MODEL.puzzle)),),
        text=Words(
            entry.tokenizer_id,
            prompt_text(member.prompt, entry, tokenizer),
            tokenizer.answer(member.prompt, member.answer),
        ),
    )
    by_name = strange(trusted=frozenset((MODEL.entry.model_id,)), tokenizers=[tokenizer])
    verdict = judged(lie, by_name)
    assert verdict.broken is None
    assert verdict.status("text") == Status.OPEN


def test_words_by_an_entry_that_the_anchor_names() -> None:
    by_name = strange(trusted=frozenset((MODEL.entry.model_id,)))
    verdict = judged(foreign(), by_name)
    assert verdict.status("text") == Status.OK
    assert verdict.exit_code == EXIT_PROVEN
    without = replace(by_name, tokenizers=[])
    assert judged(foreign(), without).status("text") == Status.OPEN


def test_models_are_those_used_and_no_others() -> None:
    assert broken(replace(FULL, models=(model_bytes(MODEL),)))[0] == "model"
    assert broken(replace(foreign(), models=()), strange())[0] == "model"
    twice = (model_bytes(MODEL),) * 2
    assert broken(replace(foreign(), models=twice), strange())[0] == "model"


@pytest.mark.parametrize(
    "changes",
    [
        {"bank_size": 5000},
        {"special_ids": (0, 1, 2, 3)},
        {"bank_root": bytes(64)},
        {"tier": 1},
        {"tokenizer_id": bytes(64)},
        {"shape": replace(MODEL.entry.shape, max_seq=256)},
    ],
)
def test_every_field_of_an_anchored_model_is_under_a_link(changes: dict[str, Any]) -> None:
    changed = NamedModel(replace(MODEL.entry, **changes), MODEL.puzzle)
    for work in (True, False):
        receipt = replace(foreign(work=work), models=(model_bytes(changed),))
        assert broken(receipt, strange())[0] in ("text", "proof", "work", "chain")


def test_an_anchored_tier_has_the_model_and_stands_in_the_state() -> None:
    receipt = foreign(work=False)
    changed = NamedModel(replace(MODEL.entry, bank_size=5000), MODEL.puzzle)
    assert broken(replace(receipt, models=(model_bytes(changed),)), strange()) == (
        "chain",
        "tier 0 has another model",
    )
    puzzle = replace(MODEL.puzzle, max_answer=8)
    changed = NamedModel(MODEL.entry, puzzle)
    assert broken(replace(receipt, models=(model_bytes(changed),)), strange())[0] == "chain"
    assert receipt.anchor is not None
    [tier] = receipt.anchor.tiers
    for wrong in (
        replace(tier, record=tier.record[:-1]),
        replace(tier, state=replace(tier.state, count=tier.state.count + 1)),
    ):
        bad = replace(receipt, anchor=replace(receipt.anchor, tiers=(wrong,)))
        assert broken(bad, strange()) == ("chain", "tier 0 does not stand in the anchor's state")


def test_a_group_says_what_is_wrong_with_it() -> None:
    part_of = FULL.group
    assert part_of is not None
    lane = replace(decode_call_group(part_of.data, 1 << 20), kind=1).to_bytes()
    assert broken(part("group", data=lane)) == ("group", "it is of kind 1, must be 0")
    at = 1 - part_of.position
    assert broken(part("group", position=at))[1] == f"position {at} is another call's"
    assert broken(part("group", position=2))[1] == "position 2 of 2 calls"
    assert broken(part("group", members=part_of.members[:1]))[1] == "1 members for 2 calls"
    cut = tuple(replace(one, answer=one.answer[:-1]) for one in part_of.members)
    assert "logits for" in broken(part("group", members=cut))[1]


def test_no_salt_alphabet_is_too_small() -> None:
    """Else the least salt would be looked for for ever."""
    everything = tuple(range(256))
    shape = replace(MODEL.entry.shape, vocab=256)
    changed = NamedModel(replace(MODEL.entry, special_ids=everything, shape=shape), MODEL.puzzle)
    receipt = replace(foreign(), models=(model_bytes(changed),))
    assert broken(receipt, strange())[0] == "model"


def test_the_member_is_the_call_with_the_result_s_answer() -> None:
    assert FULL.group is not None
    longer = tuple(replace(one, max_tokens=7) for one in FULL.group.members)
    assert broken(part("group", members=longer)) == ("group", "the member is not the call")
    assert LANE.group is not None
    [one] = LANE.group.members
    shorter = replace(LANE.group, members=(replace(one, answer=(9, 2)),))
    assert broken(replace(LANE, group=shorter)) == (
        "group",
        "the member's answer is not the result's",
    )


def test_a_header_of_another_network() -> None:
    assert FULL.header is not None
    header = decode_header(FULL.header, 4096)
    other = replace(header, pre=replace(header.pre, genesis_hash=bytes(64)))
    elsewhere = replace(FULL, header=other.to_bytes(), block_id=other.block_id)
    assert broken(elsewhere) == ("header", "it is of network 00000000")


LANE = WORLD.promised(WORLD.lanes[0])


def test_a_lane_s_answer_is_a_result_and_the_call_s() -> None:
    other = WORLD.receipt(WORLD.lanes[1])
    assert broken(replace(LANE, answer=other.answer)) == (
        "call",
        "the answer is to another call",
    )
    header, body, _ = WORLD.source.answering(WORLD.lanes[0])
    assert LANE.block_id == header.block_id
    transfer = listed_in(body, 2)
    assert broken(replace(LANE, answer=transfer)) == (
        "call",
        "the answer is a transfer, no result",
    )
    assert broken(replace(FULL, call=transfer)) == (
        "model",
        "the transaction is a transfer, no call",
    )


def test_an_anchor_of_another_network_is_none_without_a_chain_too() -> None:
    assert FULL.anchor is not None
    header = decode_header(FULL.anchor.header, 4096)
    pre = replace(header.pre, genesis_hash=bytes(64))
    anchor = replace(FULL.anchor, header=replace(header, pre=pre).to_bytes())
    name, words = broken(replace(FULL, anchor=anchor), around(chain=False))
    assert (name, words) == ("chain", "the anchor is of network 00000000")


def test_an_anchor_has_a_tier_for_each_model() -> None:
    receipt = foreign()
    assert receipt.anchor is not None
    bare = replace(receipt, anchor=replace(receipt.anchor, tiers=()))
    assert broken(bare, strange()) == ("chain", "0 tiers for 1 models")
    assert FULL.anchor is not None
    more = replace(FULL, anchor=replace(FULL.anchor, tiers=receipt.anchor.tiers))
    assert broken(more) == ("chain", "1 tiers for 0 models")


def test_a_case_begins_without_a_result() -> None:
    assert Case(FULL, around()).result is None
