"""Whom a change of chain concerns: judging those whose records it touched is judging everybody.

At every change of chain of ``test_mempool_machine`` the mempool is prepared twice from the same
contents, once with the paths that the node would name and once with all lines put in order anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, rule

from esper.crypto.signing import KeyPair
from esper.mempool.pool import Prepared
from esper.vm.llm_call import LlmCall
from esper.vm.records import account_path
from esper.vm.stake import Stake
from esper.vm.transaction import Transaction
from tests.property.test_mempool_machine import (
    KEYS,
    MempoolMachine,
    RoomyMachine,
    coins,
    longest,
    who,
)
from tests.support.mempool_world import PARAMS
from tests.support.vm_world import World, address, make, sign


class TouchedMachine(RoomyMachine):
    """Changes of chain that name what they touched, above calls that wait from the start."""

    # After block 19 what the first epoch gave has lapsed: there would be nothing to call with.
    @initialize(height=st.integers(0, 18))
    def begin_with_calls(self, height: int) -> None:
        self.begin()
        self.world.until(height)
        for key in KEYS:
            for nonce in range(2):
                call = LlmCall(PARAMS.model.model_id, (1, 50), 3, 4 * 10**9)
                bare = make(key, call, nonce, expiry=height + 1000)
                if bare not in self.signed:
                    self.signed[bare] = sign(key, bare)
                one = self.signed[bare]
                self.pool.add(one, self.world.state, self.chain, now_ms=self.now_ms)
                self.taken[address(key), nonce] = one

    @rule(count=st.integers(0, 8), foreign=st.none() | st.tuples(who, coins), all_=st.just(False))
    def mine(self, count: int, foreign: tuple[KeyPair, int] | None, all_: bool) -> None:
        del all_
        after, block = self.grown(count, foreign)
        self.worlds.append((after, tuple(block)))
        # As the node names them where nothing is undone: blocks make none but senders poorer.
        self.change(block, [], {account_path(one.sender) for one in block})

    @rule(blocks=st.integers(1, 9))
    def pass_time(self, blocks: int) -> None:
        """Blocks without transactions: credits come, and lapse with their epochs."""
        for _ in range(blocks):
            after, block = self.grown(0, None)
            self.worlds.append((after, tuple(block)))
            self.change([], [], set())

    @rule(
        depth=st.integers(1, 3),
        length=st.integers(0, 2),
        count=st.integers(0, 4),
        foreign=st.none() | st.tuples(who, coins),
    )
    def replace_branch(
        self, depth: int, length: int, count: int, foreign: tuple[KeyPair, int] | None
    ) -> None:
        """Another branch, of other blocks, takes the place of some."""
        undone: list[Transaction] = []
        old = self.world
        depth = min(depth, len(self.worlds) - 1)
        for _ in range(depth):
            undone = [*self.worlds.pop()[1], *undone]
        fork = self.world
        # Its transactions in the order of their nonces, whatever was selected for the old branch.
        own = [one for one in undone if not isinstance(one.payload, LlmCall)][:count]
        self.branch += 1
        included: list[Transaction] = []
        for number in range(max(1, depth - 1 + length)):
            if number > 0 or not self.executes(own):
                own = []
            after, block = self.grown(0, None if own else foreign, own)
            self.worlds.append((after, tuple(block)))
            included += block
        for one in undone:
            self.taken[one.sender, one.nonce] = one
        self.change(included, undone, changed(fork, old) | changed(fork, self.world))

    def grown(
        self,
        count: int,
        foreign: tuple[KeyPair, int] | None,
        order: Iterable[Transaction] = (),
    ) -> tuple[World, list[Transaction]]:
        """A block: some that were selected, and one that the mempool never saw."""
        world = self.world
        block = [*order, *list(self.pool.select(world.height + 1, self.budget))[:count]]
        if foreign is not None:
            key, amount = foreign
            own = make(key, Stake(amount), world.account(key).nonce)
            if self.executes([own]):
                block = [own, *(one for one in block if one.sender != own.sender)]
        after = replace(world)
        calls = [one for one in block if isinstance(one.payload, LlmCall)]
        after.block(*block, answers=[longest(one) for one in calls])
        return after, block

    def change(
        self, included: list[Transaction], returned: list[Transaction], touched: set[bytes]
    ) -> None:
        ids = {one.txid for one in included}
        back = [one for one in returned if one.txid not in ids]

        def prepared(paths: set[bytes] | None) -> Prepared:
            return self.pool.prepared(
                self.world.state,
                self.chain,
                included=ids,
                returned=back,
                touched=paths,
                now_ms=self.now_ms,
            )

        everybody, some = prepared(None), prepared(touched)
        assert shown(some) == shown(everybody)
        self.pool.put_in_place(some)


def changed(fork: World, tip: World) -> set[bytes]:
    """Paths of the records that differ: of a net change, so fewer than a node names."""
    before, after = dict(fork.state.tree), dict(tip.state.tree)
    return {path for path in {*before, *after} if before.get(path) != after.get(path)}


def shown(prepared: Prepared) -> object:
    contents = prepared.contents
    return (
        {
            sender: ([one.txid for one in line.ready], [one.txid for one in line.aside])
            for sender, line in contents.lines.items()
        },
        {one.txid for one in prepared.dropped},
        [(room.bytes, room.least()) for room in contents.rooms],
        set(contents.calls),
    )


del MempoolMachine, RoomyMachine

TestTouchedMempool = TouchedMachine.TestCase
TestTouchedMempool.settings = settings(
    max_examples=15,
    stateful_step_count=30,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
)
