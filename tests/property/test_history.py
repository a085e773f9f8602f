"""The history of a node that random blocks come to, on any branch, beside a plain list."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from esper.primitives.ids import Txid
from esper.storage.history.history_records import Place
from esper.vm.answers import call_cost
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.propose import Propose
from esper.vm.governance.vote import Vote
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from tests.property.test_chain_machine import bodies, payees
from tests.support.block_workshop import INFERENCE, PARAMS, Action, Made
from tests.support.dao_world import change_body, proposing
from tests.support.node.history_world import (
    A,
    B,
    C,
    M,
    Node,
    action,
    reward_of,
    transactions,
    txids,
)
from tests.support.vm_world import COIN, pending_reward

steps = st.lists(st.tuples(st.integers(0, 3), bodies, payees, st.booleans()), max_size=12)
few_steps = st.lists(st.tuples(st.integers(0, 3), bodies, payees, st.booleans()), max_size=3)
BEGINNING: list[list[Action]] = [
    [action("stake", "alice", 5 * COIN), action("stake", "bob", 2 * COIN)],
    *([], [], [], [], []),
    [action("call", "alice", (1, 50), 4, 10**5, False)],
    [action("call", "bob", (1, 51), 3, 10**5, True), action("result", "carol", 0)],
]

WINDOW = PARAMS.governance.vote_window

PlainEvent = tuple[int, str, int, int, bytes]


@settings(max_examples=15, deadline=None)
@given(steps)
def test_the_history_is_that_of_the_chain_that_stands(
    steps: list[tuple[int, list[Action], str, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder))
        for actions in BEGINNING:
            node.grow(*actions)
        check(node, steps)
        node.close()


@settings(max_examples=6, deadline=None)
@given(few_steps)
def test_the_history_has_what_became_of_proposals(
    steps: list[tuple[int, list[Action], str, bool]],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        node = Node(Path(folder))
        for actions in BEGINNING[:6]:
            node.grow(*actions)
        limits = PARAMS.limits
        moved = ((12, limits.fee_per_byte + 1), (11, limits.base_fee + 1))
        # A second one beside the first takes twice the bond.
        bodies = [
            proposing(change_body(settings=[one]), bond)
            for one, bond in zip(moved, (COIN, 2 * COIN), strict=True)
        ]
        offers = [
            action("propose", who, one.subject, one.body, one.bond)
            for who, one in zip(("bob", "alice"), bodies, strict=True)
        ]
        first = txids(node.grow(*offers))[0]
        node.grow(action("vote", "alice", first, 1))
        closes = node.tip.height - 1 + WINDOW
        while node.tip.height < closes - 3:
            node.grow()
        check(node, [*steps, *[(0, [], "miner", True)] * 6])
        endings = [what for _, what, *_ in (*node.told_of(A), *node.told_of(B))]
        assert endings.count("bond-returned") == endings.count("bond-burned") == 1
        node.close()


def check(node: Node, steps: list[tuple[int, list[Action], str, bool]]) -> None:
    """Blocks on any branch, and the history of what stands then."""
    made = {one.block_id: one for one in node.tip.branch}
    for back, actions, payee, followed in steps:
        parent = made[node.store.tip.block_id]
        parent = parent.ancestor(max(1, parent.height - back))
        # A branch that outgrows the chain by one.
        for _ in range(back + 1):
            parent = node.workshop.block(parent, actions, payee=payee)
            made[parent.block_id] = parent
            node.submit(parent)
        if followed:
            node.history.follow()
    node.history.follow()
    standing = made[node.store.tip.block_id].branch
    node.assert_as_built_anew()
    expected = plain_events(standing)
    for who in (A, B, C, M):
        assert node.told_of(who) == expected[who][::-1]
    places = {
        one.txid: Place(block.height, index)
        for block in standing
        for index, one in enumerate(transactions(block))
    }
    for block in made.values():
        for one in transactions(block):
            assert node.history.index.transaction(one.txid) == places.get(one.txid)


def plain_events(standing: list[Made]) -> dict[bytes, list[PlainEvent]]:
    """What happened to everyone, the oldest first; knows neither receipts nor results."""
    told: dict[bytes, list[PlainEvent]] = {A: [], B: [], C: [], M: []}
    calls: dict[bytes, tuple[bytes, LlmCall]] = {}
    proposed: dict[Txid, tuple[bytes, int, int]] = {}
    voted: set[Txid] = set()
    for block in standing:
        left_open = {txid for txid, _ in block.calls}
        for one in transactions(block):
            payload, who, at, fee = one.payload, one.sender, block.height, one.fee
            match payload:
                case Transfer(outputs=outputs):
                    receivers = list(dict.fromkeys(output.receiver for output in outputs))
                    total = sum(output.amount for output in outputs)
                    only = receivers[0] if len(receivers) == 1 else b""
                    told[who].append((at, "sent", total, fee, only))
                    for receiver in receivers:
                        amount = sum(out.amount for out in outputs if out.receiver == receiver)
                        told[receiver].append((at, "received", amount, 0, who))
                case Stake(amount=amount):
                    told[who].append((at, "staked", amount, fee, b""))
                case Unstake(amount=amount):
                    told[who].append((at, "unstaked", amount, fee, b""))
                case Delegate(to=to):
                    told[who].append((at, "delegated", 0, fee, to))
                case CreditTransfer(receiver=receiver, amount=amount):
                    told[who].append((at, "credits-sent", amount, fee, receiver))
                    told[receiver].append((at, "credits-received", amount, 0, who))
                case LlmCall():
                    calls[one.txid] = who, payload
                    length = payload.max_tokens
                    if one.txid not in left_open:
                        said = INFERENCE.answer([payload.prompt], length, 1)[0].tokens
                        length = len(said)
                    cost = call_cost(payload.price, len(payload.prompt), length)
                    told[who].append((at, "called", cost, fee, b""))
                case LlmResult(call_id=call_id, answer=answer):
                    caller, call = calls[call_id]
                    back = 4 * call.price * (call.max_tokens - len(answer))
                    if caller != who:
                        told[who].append((at, "answered", 0, fee, caller))
                        fee = 0
                    told[caller].append((at, "answered", back, fee, who))
                case Propose(bond=bond):
                    told[who].append((at, "proposed", bond, fee, b""))
                    proposed[one.txid] = who, bond, at + WINDOW
                case Vote(proposal=proposal):
                    told[who].append((at, "voted", 0, fee, b""))
                    voted.add(proposal)
        for txid, (who, bond, closes) in proposed.items():
            if closes == block.height:
                # Whoever votes here says yes, with five of seven coins.
                what = "bond-returned" if txid in voted else "bond-burned"
                told[who].append((closes, what, bond, 0, b""))
        payee = next(who for who in told if payee_of(block) == who)
        told[payee].append((block.height, "mined", reward_of(block), 0, b""))
    return told


def payee_of(block: Made) -> bytes:
    reward = pending_reward(block.chain.state, block.height)
    assert reward is not None
    return reward.payee
