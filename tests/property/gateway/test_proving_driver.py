"""The driver over a naive chain that reorganises and forgets, cut off at any of its steps."""

from __future__ import annotations

from typing import Any

import trio
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from esper.gateway.proving_rows import (
    DEEP_BLOCKS,
    PENDING_LIMIT,
    Answered,
    Block,
    Row,
    Spent,
    Status,
    encode_row,
    row_of,
)
from esper.gateway.store.errors import StoreFullError
from esper.node.gateway.proving.proving_driver import ProvingDriver
from esper.node.gateway.standing import Standing
from tests.support.gateway.driver_world import MODEL, CutOffError, Disk, Fate, World

FORGET = 50


class Drivers(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.fate = Fate()
        self.disk = Disk(self.fate)
        self.world = World(self.disk, self.fate)
        self.asked = self.made = 0
        self.restart()

    @rule()
    def restart(self) -> None:
        self.driver = ProvingDriver(
            self.world, self.disk, self.world.sign, Standing(), lambda step: None, forget=FORGET
        )
        trio.run(self.driver.load)

    @rule(count=st.integers(1, 4), price=st.sampled_from([5, 10, 25, 1000]))
    def ask(self, count: int, price: int) -> None:
        for _ in range(count):
            self.asked += 1
            call = f"{self.asked:032x}"
            row = Row(call, MODEL, 3, (self.asked, 7), price, self.world.now_ms)
            self.disk.rows[call] = encode_row(row)
            self.driver.enqueue(row)

    @rule(kill=st.integers(1, 25))
    def work_and_die(self, kill: int) -> None:
        self.fate.kill, self.fate.steps = kill, 0
        try:
            trio.run(self.driver.turn)
        except CutOffError:
            self.restart()
        self.fate.kill = -1

    @rule(fail=st.integers(1, 25))
    def work_on_a_full_disk(self, fail: int) -> None:
        self.fate.fail, self.fate.steps = fail, 0
        try:
            trio.run(self.driver.turn)
        except StoreFullError:
            trio.run(self.driver.load)
        self.fate.fail = -1

    @rule()
    def work(self) -> None:
        trio.run(self.driver.turn)

    @rule(most=st.integers(0, 5))
    def mine(self, most: int) -> None:
        self.block(most)

    @rule(blocks=st.sampled_from([1, 6, 41]))
    def mine_nothing(self, blocks: int) -> None:
        for _ in range(blocks):
            self.block(0)
        trio.run(self.driver.turn)

    @rule(undo=st.integers(1, DEEP_BLOCKS - 1), data=st.data())
    def reorganise(self, undo: int, data: st.DataObject) -> None:
        chain, world = self.world.chain, self.world
        undo = min(undo, len(chain), max(0, DEEP_BLOCKS - 1 - (world.highest - len(chain))))
        gone = [chain.pop() for _ in range(undo)]
        sent = sorted(world.sent)
        for txid in data.draw(st.permutations(sent))[:3]:
            version = world.known[txid][0]
            if version.expiry > len(chain):
                world.mempool[version.nonce] = version
        for _ in range(len(gone) + 1):
            self.block(data.draw(st.integers(0, 4)))

    @rule()
    def lose_mempool(self) -> None:
        self.world.mempool.clear()

    def block(self, most: int) -> None:
        world = self.world
        height = len(world.chain) + 1
        nonce = sum(len(block.spent) for block in world.chain)
        spent: list[Spent] = []
        while len(spent) < most and (version := world.mempool.get(nonce)) is not None:
            if version.expiry < height:
                break
            spent.append(Spent(version.txid, nonce))
            nonce += 1
        answered = tuple(
            Answered(one.txid, world.known[one.txid][1])
            for one in spent
            if world.known[one.txid][1]
        )
        self.made += 1
        world.chain.append(Block(height, b"block%d" % self.made, tuple(spent), answered))
        world.highest = max(world.highest, height)
        kept = world.mempool.items()
        world.mempool = {n: v for n, v in kept if n >= nonce and v.expiry > height}

    def paid(self) -> list[str]:
        rows = [row_of(data) for data in self.disk.rows.values()]
        owner = {version.txid: row.call for row in rows for version in row.versions}
        return [owner[one.txid] for block in self.world.chain for one in block.answered]

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        paid = self.paid()
        assert len(paid) == len(set(paid))
        assert set(self.disk.charges).isdisjoint(self.disk.releases)
        assert len(self.world.mempool) <= PENDING_LIMIT

    def teardown(self) -> None:
        """From anywhere on, an honest chain brings everything to its end."""
        for _ in range(400):
            rows = [row_of(data) for data in self.disk.rows.values()]
            if all(row.settled_at is not None for row in rows):
                break
            trio.run(self.driver.turn)
            self.block(16)
            self.world.now_ms += 600_000
        trio.run(self.driver.turn)
        assert not self.disk.stopped
        paid = set(self.paid())
        calls = [row_of(data) for data in self.disk.rows.values()]
        calls = [row for row in calls if not row.cancel]
        assert len(calls) == self.asked
        for row in calls:
            final = row.call in paid
            assert row.status is (Status.FINAL if final else Status.UNPROVEN), row
            assert (row.call in self.disk.charges) is final
            assert (row.call in self.disk.releases) is not final


TestDrivers: Any = Drivers.TestCase
TestDrivers.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
