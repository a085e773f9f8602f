"""Real proofs of calls to the genesis model, each made once, and lies about them."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec

from esper.cli.esper.calls.local_text import local_text
from esper.consensus.call_rules import group_claim
from esper.model import load_model
from esper.node.settings import Settings
from esper.node.workers.call_answerer import CallAnswerer, OpenCall
from esper.node.workers.native_work import NativeInference, NativeProver, statement_of
from esper.primitives.address import Address
from esper.primitives.networks import REGTEST
from esper.prover import Sequence as Proven
from esper.prover import Statement, proof_file
from esper.rpc import schema as s
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction
from tests.support.vm_world import BOB, GENESIS, MINER, address

Lie = Callable[[s.ProofReply], s.ProofReply]


@cache
def answerer() -> CallAnswerer:
    """The genesis model, answering and proving for regtest."""
    model = load_model(Settings(network="regtest").model)
    return CallAnswerer(
        NativeInference(model, 2), NativeProver(model), REGTEST.calls, genesis_hash=GENESIS
    )


def handed_out(made: tuple[Transaction, ...], index: int, lane: bool) -> s.ProofReply:
    """What an honest node says of a call that was proven with others, or alone in a lane."""
    calls = []
    for one in made:
        assert isinstance(one.payload, LlmCall)
        calls.append(OpenCall(one.txid, one.payload))
    reply = proven(tuple(calls), lane)
    return msgspec.structs.replace(reply, txid=made[index].txid.hex())


@cache
def proven(calls: tuple[OpenCall, ...], lane: bool) -> s.ProofReply:
    """The same of its first call; by what is proven alone, for signatures differ every time."""
    said = answerer().answer(calls)
    payee = address(BOB if lane else MINER)
    group = answerer().prove_lane(said[0], payee) if lane else answerer().prove_own(said, payee)
    members = [(one.call, one.answer, payee) for one in said]
    claim = group_claim(group, members, REGTEST.calls.rows_per_call, GENESIS, payee)
    return s.ProofReply(
        txid=calls[0].call_id.hex(),
        kind="lane" if lane else "group",
        file=proof_file.encode(statement_of(claim), group.proof).hex(),
        binding=claim.binding.hex(),
        genesis_hash=GENESIS.hex(),
        model_id=REGTEST.model.model_id.hex(),
        payee=Address.from_bytes(payee).to_text(REGTEST.address_prefix),
        call_ids=[one.call_id.hex() for one in calls],
        height=13,
        block="cd" * 64,
        confirmations=1,
        proof_id="99" * 64,
        as_of=s.AsOf(13, True),
    )


def answer_of(reply: s.ProofReply, index: int = 0) -> str:
    """The proven answer in words."""
    statement, _ = proof_file.decode(bytes.fromhex(reply.file))
    text = local_text(REGTEST)
    assert text is not None
    said = statement.sequences[index]
    return text.text(said.prompt, said.answer)


def saying(**parts: Any) -> Lie:
    """Other values in the reply's own fields."""
    return lambda reply: msgspec.structs.replace(reply, **parts)


def stating(change: Callable[[Statement], Statement]) -> Lie:
    """Another statement, with the same proof."""

    def lie(reply: s.ProofReply) -> s.ProofReply:
        statement, proof = proof_file.decode(bytes.fromhex(reply.file))
        file = proof_file.encode(change(statement), proof)
        return msgspec.structs.replace(reply, file=file.hex())

    return lie


def first(change: Callable[[Proven], Proven]) -> Lie:
    """Another first sequence."""
    return stating(
        lambda found: replace(found, sequences=(change(found.sequences[0]), *found.sequences[1:]))
    )


def other_answer(said: Proven) -> Proven:
    answer = (said.answer[0] ^ 1, *said.answer[1:])
    top = tuple(((token, at[0][1]),) for token, at in zip(answer, said.top, strict=True))
    return replace(said, answer=answer, top=top)


def flipped(reply: s.ProofReply) -> s.ProofReply:
    """One bit of the proof."""
    data = bytearray.fromhex(reply.file)
    data[-1000] ^= 1
    return msgspec.structs.replace(reply, file=data.hex())


def reordered(reply: s.ProofReply) -> s.ProofReply:
    """The ids in another order than the sequences."""
    return msgspec.structs.replace(reply, call_ids=reply.call_ids[::-1])


def swapped(found: Statement) -> Statement:
    return replace(found, sequences=found.sequences[::-1])


def made_longer(found: Statement) -> Statement:
    return replace(found, sequences=(*found.sequences, found.sequences[0]))


LIES: Sequence[tuple[str, Lie, str]] = (
    ("wrong answer", first(other_answer), "the verifier refuses the proof"),
    ("wrong proof", flipped, "the verifier refuses the proof"),
    ("other prompt", first(lambda one: replace(one, prompt=(1, 5, 6))), "another prompt"),
    ("other limit", first(lambda one: replace(one, max_answer=9)), "the call 4"),
    (
        "shorter answer",
        first(lambda one: replace(one, answer=one.answer[:2], top=one.top[:2])),
        "the verifier refuses the proof",
    ),
    ("no answer", first(lambda one: replace(one, answer=(), top=())), "0 tokens"),
    ("ids reordered", reordered, "bound to"),
    ("sequences swapped", stating(swapped), "another prompt"),
    ("a sequence more", stating(made_longer), "3 sequences for 2 calls"),
    (
        "other model",
        stating(lambda one: replace(one, model_id=b"\7" * 64)),  # type: ignore[arg-type]
        "about model 0707",
    ),
    ("other binding", stating(lambda one: replace(one, binding=b"\7" * 64)), "bound to 0707"),
    ("other rows", stating(lambda one: replace(one, rows=96)), "96 rows"),
    ("no ids", saying(call_ids=[]), "0 calls"),
    ("ids of others", saying(call_ids=["ab" * 64, "ac" * 64]), "another call's proof"),
    ("an id that is none", saying(call_ids=["zz"]), "no id"),
    ("ids without end", saying(call_ids=["ab" * 64] * 9_999), "9999 calls"),
    ("other payee", saying(payee=BOB.address.to_text(REGTEST.address_prefix)), "bound to"),
    ("a payee that is none", saying(payee="\x1b[2J"), "no address"),
    ("other kind", saying(kind="lane"), "cover 2 calls"),
    ("unknown kind", saying(kind="\x1b[2J"), "unknown kind"),
    ("other network", saying(genesis_hash="22" * 64), "another network"),
    ("no hex", saying(file="xyz"), "no hexadecimal"),
    ("empty", saying(file=""), "cannot be read"),
    ("huge", saying(file="00" * (4 << 20)), "none has so many"),
    (
        "truncated",
        lambda reply: msgspec.structs.replace(reply, file=reply.file[:-2]),
        "cut short",
    ),
    (
        "a byte more",
        lambda reply: msgspec.structs.replace(reply, file=reply.file + "00"),
        "appended",
    ),
)
"""What a node could say instead, and what the reason holds."""
