"""A node put through random blocks, branches, restarts and changes of chain, beside a plain ledger.

The node is a real chain manager on a real data directory. Blocks come in any order, sound or
spoiled, on any branch; the machine foretells what becomes of each. After every step the coins and
credits add up and the tip is the one foretold; at every change of chain and every restart all
records and receipts equal those of ``plain_chain``, which shares no code with the node.

Every run ends with at least three changes of chain deeper than two blocks, a second node that got
the same blocks in another order, and the whole chain taken off block by block.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import astuple
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from esper.crypto.signatures import SignatureVerifier
from esper.dao.registry import Puzzle
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.store_state import TreeState, genesis_of, replay_of
from esper.primitives.errors.chain_errors import InvalidAncestorViolation
from esper.primitives.errors.header_errors import UnknownParentViolation
from esper.storage.chain_index import FIRST_PROOF_FILE_KEY, TIP_KEY, proof_file_key, shared_key
from esper.storage.chain_store import ChainStore
from esper.storage.node_log import block_nodes
from esper.storage.reindex import reindex
from esper.storage.store_options import StoreOptions
from esper.vm.context import ONE_BY_ONE
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay
from tests.spec import plain_chain
from tests.support.block_workshop import INFERENCE, PARAMS, SPOILS, Action, Made, Workshop
from tests.support.fake_work import FakeVerifier
from tests.support.vm_world import COIN, Unchecked

FAR = 1 << 50
"""A clock so late that no block is from the future."""
APART_MS = 10_000
"""Between arrivals: rivals that come so far apart draw no lots, the first stays."""
DEEP = 3
DEEP_CHANGES = 3
PROOF_FILES = proof_file_key(0)[:1]
DUST = PARAMS.limits.dust
OPTIONS = StoreOptions(
    segment_bytes=1 << 14, undo_depth=PARAMS.limits.undo_depth, reserve_bytes=0
)  # fmt: skip

who = st.sampled_from(["alice", "alice", "bob", "carol", "miner"])
coins = st.sampled_from([1, DUST - 1, DUST, COIN, COIN, 3 * COIN, 10**12, 0])
credits_ = st.sampled_from([1, 10**6, 10**6, 10**8, 10**12])
prompts = st.sampled_from([(1, 50, 51), (1, 60), (1, 70, 71, 72, 73)])
prices = st.sampled_from([10, 10**5, 10**6, 10**7, 9])
outputs = st.lists(st.tuples(who, coins), min_size=1, max_size=2).map(tuple)
wishes = st.one_of(
    st.tuples(st.just("transfer"), who, outputs),
    st.tuples(st.just("stake"), who, st.tuples(coins)),
    st.tuples(st.just("unstake"), who, st.tuples(coins)),
    st.tuples(st.just("delegate"), who, st.tuples(who | st.none())),
    st.tuples(st.just("give"), who, st.tuples(who, credits_)),
    st.tuples(
        st.just("call"), who, st.tuples(prompts, st.integers(1, 8), prices, st.booleans())
    ),
    st.tuples(st.just("result"), who, st.just((0,))),
    st.tuples(st.just("result"), who, st.tuples(st.integers(0, 2))),
)  # fmt: skip
# A nonce that is not the next one now and then, and a key that travels again.
shifts = st.sampled_from([0] * 8 + [1, -1])
actions = st.builds(lambda wish, *rest: (*wish, *rest), wishes, shifts, st.booleans())
bodies = st.lists(actions, max_size=4)
payees = st.sampled_from(["miner", "miner", "alice", "carol"])
spoils = st.sampled_from([None] * 6 + [*SPOILS])


def action(kind: str, sender: str, *details: object) -> Action:
    return kind, sender, details, 0, False


SHORT = next((1, n) for n in range(3, 1024) if len(INFERENCE.answer([(1, n)], 8, 1)[0].tokens) == 1)
"""A prompt that the model has little to say to."""

BEGINNING: list[list[Action]] = [
    [action("stake", "alice", 5 * COIN), action("stake", "bob", 2 * COIN + 1)],
    [action("transfer", "alice", ("miner", COIN), ("carol", COIN))],
    [action("stake", "carol", 130_000), action("delegate", "carol", "alice")],
    [action("give", "alice", "carol", 1)],
    *([], [], [], []),
    # Carol earns so little that this takes the credits of two epochs; most of it comes back.
    [
        action("call", "carol", SHORT, 8, 30_000, False),
        action("call", "alice", (1, 50), 4, 10**5, False),
    ],
    [action("result", "bob", 0)],
]
CANNED: list[list[Action]] = [
    [
        action("unstake", "alice", COIN),
        action("call", "alice", (1, 50), 4, 10**5, False),
        action("delegate", "alice", "bob"),
    ],
    [
        action("result", "miner", 0),
        action("call", "bob", (1, 51), 4, 10**5, False),
        # Refused, so a spoiled block has it.
        action("delegate", "bob", "bob"),
    ],
    [
        action("transfer", "bob", ("carol", COIN)),
        action("call", "alice", (1, 52), 2, 10, True),
        action("delegate", "bob", "alice"),
    ],
    [
        action("give", "bob", "alice", 10**6),
        action("unstake", "bob", 7),
        action("delegate", "alice", None),
    ],
]
"""For changes of chain that a run owes at its end."""

RULES: plain_chain.Rules = {
    "genesis_hash": Workshop(real_signatures=False).genesis.chain.context.genesis_hash,
    "genesis_time": PARAMS.genesis_time_ms,
    "allocation": PARAMS.reward.genesis_allocation,
    "subsidy": PARAMS.reward.subsidy,
    "halving": PARAMS.reward.halving_blocks,
    "bonus_divisor": PARAMS.reward.bonus_divisor,
    "bonus_cap": PARAMS.reward.bonus_credit_cap,
    "maturity": PARAMS.reward.maturity,
    "unbonding": PARAMS.reward.unbonding,
    "epoch_blocks": PARAMS.credits.epoch_blocks,
    "per_block": PARAMS.credits.per_block,
    "minimum_stake": PARAMS.credits.minimum_stake,
    "lane_blocks": PARAMS.calls.lane_expiry_blocks,
    "input_tokens": PARAMS.puzzle.input_tokens,
    "model": astuple(PARAMS.model),
    "puzzle": astuple(Puzzle.of(PARAMS.puzzle)),
    "texts": PARAMS.governance.texts,
}


class Node:
    """A chain manager on a data directory of its own."""

    def __init__(self, datadir: Path, signatures: SignatureVerifier) -> None:
        self._datadir, self._signatures = datadir, signatures
        self._now_ms = FAR
        self.open()

    def open(self) -> None:
        self.store = ChainStore(self._datadir, genesis_of(PARAMS), replay_of(PARAMS), OPTIONS)
        verifier = FakeVerifier(PARAMS.model)
        self.manager = ChainManager(
            self.store,
            PARAMS,
            verifier,
            secret=bytes(32),
            now_ms=self._later(),
            signatures=self._signatures,
        )

    def restart(self, *, rebuilt: bool) -> None:
        self.store.close()
        if rebuilt:
            report = reindex(self._datadir, genesis_of(PARAMS), replay_of(PARAMS), OPTIONS)
            assert (report.lost, report.damaged_proofs, report.without_proof) == (None, (), ())
        self.open()

    def submit(self, made: Made) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Ids of the blocks that left and joined the chain."""
        arrival = self.manager.submit(made.data, now_ms=self._later())
        return arrival.undone, arrival.applied

    def receipts(self) -> list[bytes]:
        return [self.store.receipt(number) for number in range(self.store.tip.receipts)]

    def _later(self) -> int:
        self._now_ms += APART_MS
        return self._now_ms


class ChainMachine(RuleBasedStateMachine):
    """One node, all blocks that were ever made, and what the node must think of them."""

    real_signatures: ClassVar[bool] = False
    finished: ClassVar[int] = 0
    """Runs that came to their end."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="chain-machine-"))
        self.signatures = ONE_BY_ONE if self.real_signatures else Unchecked()
        self.node = Node(self.folder / "node", self.signatures)
        self.workshop = Workshop(real_signatures=self.real_signatures)
        genesis = self.workshop.genesis
        self.made = [genesis]
        self.held: list[Made] = []
        self.tip = genesis
        self.taken = {genesis.block_id}
        self.exposed: set[bytes] = set()
        self.worlds = {genesis.block_id: plain_chain.genesis_world(RULES)}
        self.deep_changes = 0

    def teardown(self) -> None:
        try:
            # A step that failed is the news, not what follows from it.
            if sys.exc_info()[0] is None:
                self.finish()
                type(self).finished += 1
        finally:
            self.node.store.close()
            shutil.rmtree(self.folder)

    # Steps.

    @initialize()
    def begin(self) -> None:
        for body in BEGINNING:
            self.submit(self.make(self.tip, body))

    @rule(body=bodies, payee=payees, spoil=spoils, hold=st.sampled_from([False, False, True]))
    def mine_on_the_tip(
        self, body: list[Action], payee: str, spoil: str | None, hold: bool
    ) -> None:
        self.mine(self.tip, body, payee, spoil, hold)

    @rule(
        back=st.integers(1, 8), body=bodies, payee=payees, spoil=spoils, hold=st.booleans()
    )  # fmt: skip
    def mine_on_another_block(
        self, back: int, body: list[Action], payee: str, spoil: str | None, hold: bool
    ) -> None:
        self.mine(self.made[max(-back, -len(self.made))], body, payee, spoil, hold)

    @precondition(lambda self: self.held)
    @rule(place=st.integers(0, 20))
    def submit_what_was_held_back(self, place: int) -> None:
        made = self.held[place % len(self.held)]
        if self.submit(made):
            self.held.remove(made)

    @rule(place=st.integers(0, 50))
    def submit_again(self, place: int) -> None:
        made = self.made[1:][place % (len(self.made) - 1)]
        if made not in self.held:
            self.submit(made)

    @rule(rebuilt=st.booleans())
    def restart(self, rebuilt: bool) -> None:
        self.node.restart(rebuilt=rebuilt)
        # What was found to be invalid is not kept, so it is news again.
        self.taken -= self.exposed
        self.exposed.clear()
        self.compare()

    @rule(depth=st.integers(DEEP, DEEP + 2), plan=st.lists(bodies, min_size=4, max_size=4))
    def overtake(self, depth: int, plan: list[list[Action]]) -> None:
        fork = self.tip.ancestor(max(0, self.tip.height - depth))
        length = self.tip.height - fork.height + 1
        for number in range(length):
            # Lanes rarely find their answer by chance before they lapse.
            body = [*plan[number % len(plan)], action("result", "bob", 0)]
            fork = self.make(fork, body)
            self.submit(fork)
        assert self.tip is fork

    @rule(depth=st.integers(1, DEEP), place=st.integers(0, 1), spoil=st.sampled_from([*SPOILS]))
    def follow_a_false_branch(self, depth: int, place: int, spoil: str) -> None:
        """A branch that looks heavier until a block in its middle is executed."""
        tip = self.tip
        fork = tip.ancestor(max(0, tip.height - depth))
        for number in range(tip.height - fork.height + 1):
            fork = self.make(fork, CANNED[number], spoil=spoil if number == place else None)
            self.submit(fork)
        assert self.tip is tip
        self.compare()

    # What must hold after each step.

    @invariant()
    def the_tip_is_the_one_foretold(self) -> None:
        assert self.node.manager.context.tip_id == self.tip.block_id
        assert self.node.store.state.root == self.tip.chain.state.root

    @invariant()
    def coins_add_up(self) -> None:
        held, issued = 0, None
        for fields in map(plain_chain.unpacked, dict(self.node.store.state).values()):
            match fields:
                case [1, int(), int(balance), int(stake), *rest] if len(rest) == 7:
                    held += balance + stake
                case [1, bytes(), int(amount)]:
                    # A reward or an unbonding: both are an address and an amount.
                    held += amount
                case [1, bytes(), _, _, issued]:
                    pass
        assert held == issued

    @invariant()
    def credits_add_up(self) -> None:
        for all_buckets, issued in plain_chain.credits_and_issue(self.world(self.tip)):
            assert all_buckets <= issued

    # How.

    def make(
        self, parent: Made, body: list[Action], payee: str = "miner", spoil: str | None = None
    ) -> Made:
        self.made.append(self.workshop.block(parent, body, payee=payee, spoil=spoil))
        return self.made[-1]

    def mine(
        self, parent: Made, body: list[Action], payee: str, spoil: str | None, hold: bool
    ) -> None:
        made = self.make(parent, body, payee, spoil)
        if hold or not self.submit(made):
            self.held.append(made)

    def submit(self, made: Made) -> bool:
        """Hand a block to the node and compare what it does; False if it lacks the parent."""
        assert made.parent is not None
        before = self.trace()
        if made.block_id in self.taken and made.block_id not in self.exposed:
            assert self.node.submit(made) == ((), ())
            assert self.trace() == before
            return True
        refusal = self.refusal(made)
        if refusal is not None:
            with pytest.raises(refusal):
                self.node.submit(made)
            assert self.trace() == before
            return refusal is not UnknownParentViolation
        undone, applied = self.node.submit(made)
        old, self.tip = self.tip, self.best_with(made)
        assert (undone, applied) == way(old, self.tip)
        if undone:
            self.compare()
        elif not applied:
            assert self.trace() == before
        self.deep_changes += len(undone) >= DEEP
        return True

    def refusal(self, made: Made) -> type[Exception] | None:
        """Which rule a block that the node does not have breaks as far as the node can tell.

        Notes what the node has learnt afterwards.
        """
        parent = made.parent
        assert parent is not None
        if parent.block_id not in self.taken:
            return UnknownParentViolation
        if parent.block_id in self.exposed or made.block_id in self.exposed:
            return InvalidAncestorViolation
        self.taken.add(made.block_id)
        if made.broken and made.height > self.tip.height:
            # The node follows the branch up to the first spoiled block.
            first = next(block for block in made.branch if block.spoiled)
            family = [block for block in self.made if first in block.branch]
            self.exposed |= {block.block_id for block in family} & self.taken
            return made.broken if first is made else None
        return None

    def best_with(self, made: Made) -> Made:
        better = made.height > self.tip.height and made.broken is None
        return made if better else self.tip

    def world(self, made: Made) -> plain_chain.World:
        """The plain model's world with ``made`` on top."""
        if made.block_id not in self.worlds:
            assert made.parent is not None
            self.worlds[made.block_id] = plain_chain.after_block(
                self.world(made.parent), made.data.header, made.data.body, RULES
            )
        return self.worlds[made.block_id]

    def trace(self) -> tuple[object, ...]:
        """All that a block may leave in the chain; the files may have grown."""
        store, tip = self.node.store, self.node.store.tip
        chain = (tip.height, tip.block_id, tip.state_root, tip.receipts)
        return *chain, store.state.root, store.receipt_root, self.node.manager.context

    def compare(self) -> None:
        """All records, receipts and roots are the plain model's."""
        compare(self.node, self.world(self.tip))

    def finish(self) -> None:
        while self.deep_changes < DEEP_CHANGES:
            self.overtake(DEEP, CANNED)
        assert self.deep_changes >= DEEP_CHANGES
        for made in sorted(self.held, key=lambda made: made.height):
            # What builds on a spoiled block may be lost: a restart forgets what was exposed.
            assert self.submit(made) or made.broken
        # One more, so that no other branch is as heavy.
        self.submit(self.make(self.tip, []))
        self.the_tip_is_the_one_foretold()
        self.compare()
        self.another_order()
        self.back_to_genesis()

    def another_order(self) -> None:
        other = Node(self.folder / "other", self.signatures)
        waiting = self.made[1:]
        random.Random(len(waiting)).shuffle(waiting)
        left: list[Made] = []
        while waiting != left:
            left, waiting = waiting, [made for made in waiting if not taken(other, made)]
        # A refused block is not kept, so those that build on it stay without a parent.
        assert all(made.broken for made in left)
        assert other.manager.context == self.node.manager.context
        compare(other, self.world(self.tip))
        other.store.close()

    def back_to_genesis(self) -> None:
        store = self.node.store
        for made in reversed(self.tip.branch):
            assert store.rewind() == made.block_id
            assert made.parent is not None
            assert store.state.root == made.parent.chain.state.root
        compare(self.node, plain_chain.genesis_world(RULES))
        assert store.tip.block_id == self.workshop.genesis.block_id
        fresh = Node(self.folder / "fresh", self.signatures)
        assert entries(store) == entries(fresh.store)
        fresh.store.close()


def way(old: Made, new: Made) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """Ids of what leaves and what joins on the way from one tip to another."""
    before = [made.block_id for made in old.branch]
    after = [made.block_id for made in new.branch]
    same = sum(one == other for one, other in zip(before, after, strict=False))
    return tuple(reversed(before[same:])), tuple(after[same:])


def entries(store: ChainStore) -> dict[bytes, bytes]:
    """All of the index but what it says about files, and ends of contexts, which stay."""
    return {
        key: value
        for key, value in store.index.store.items(b"")
        if key not in (TIP_KEY, FIRST_PROOF_FILE_KEY)
        and not key.startswith((PROOF_FILES, shared_key(b"")))
    }


def taken(node: Node, made: Made) -> bool:
    """Whether a node that is handed a block is done with it, one way or the other."""
    refusals = (made.broken, InvalidAncestorViolation) if made.broken else ()
    try:
        with suppress(*refusals):
            node.submit(made)
    except UnknownParentViolation:
        return False
    return True


def compare(node: Node, world: plain_chain.World) -> None:
    records = plain_chain.records(world)
    assert dict(node.store.state) == records
    assert node.store.state.root == plain_chain.state_root(records)
    # The log has the nodes of the range that the state has the peaks of.
    height = node.store.tip.height
    blocks = Ledger(Overlay(TreeState(node.store.state))).blocks
    assert block_nodes(node.store.index.store).range(height) == blocks
    assert node.receipts() == world["receipts"]
    assert node.store.receipt_root == plain_chain.receipt_root(world["receipts"])
    assert plain_chain.coins(world) == world["issued"]


class SignedChainMachine(ChainMachine):
    """The same with real signatures, which take most of its time."""

    real_signatures = True
    finished = 0


SOAK = settings.get_current_profile_name() == "soak"


@pytest.mark.parametrize(
    ("machine", "examples"), [(ChainMachine, 12), (SignedChainMachine, 2)]
)  # fmt: skip
def test_the_node_does_what_the_plain_chain_says(
    machine: type[ChainMachine], examples: int
) -> None:
    profile = settings.get_profile("soak" if SOAK else "test")
    times = 50 if SOAK else 1
    how = settings(profile, max_examples=examples * times, stateful_step_count=25)
    machine.finished = 0
    run_state_machine_as_test(machine, settings=how)
    assert machine.finished >= examples * times
