"""The driver over a naive chain that reorganises and forgets, cut off at any of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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
    Conditions,
    Row,
    Sign,
    Spent,
    Status,
    Step,
    Version,
    encode_row,
    row_of,
)
from esper.gateway.store.errors import StoreFullError
from esper.gateway.store.line import KeptLine
from esper.node.gateway.driver_ports import NotTakenError
from esper.node.gateway.proving_driver import ProvingDriver
from esper.node.gateway.standing import Standing

MODEL = b"m" * 64
FORGET = 50


class CutOffError(Exception):
    """The program is killed here."""


@dataclass
class Fate:
    """Kills the program at a step, or fails a commit."""

    kill: int = -1
    fail: int = -1
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.kill:
            raise CutOffError

    def may_commit(self) -> None:
        self.step()
        if self.steps == self.fail:
            raise StoreFullError(Path("gateway.db"), "no space", "free some")


@dataclass
class Disk:
    """A ``LinePort``: what outlives the program."""

    fate: Fate
    rows: dict[str, bytes] = field(default_factory=dict)
    charges: dict[str, int] = field(default_factory=dict)
    releases: set[str] = field(default_factory=set)
    followed: list[tuple[int, bytes]] = field(default_factory=list)
    next_nonce: int = 0
    stopped: str = ""

    async def load(self) -> KeptLine:
        rows = [row_of(data) for data in self.rows.values()]
        return KeptLine(rows, self.next_nonce, self.stopped, list(self.followed))

    async def begin(self, blocks: list[tuple[int, bytes]]) -> None:
        self.followed = list(blocks)

    async def commit(self, step: Step) -> None:
        self.fate.may_commit()
        self.rows.update({call: encode_row(row) for call, row in step.keep.items()})
        for charge in step.charges:
            assert charge.call not in self.charges, "charged twice"
            self.charges[charge.call] = charge.amount
        for call in step.releases:
            assert call not in self.releases, "released twice"
            self.releases.add(call)
        self.next_nonce, self.stopped = step.next_nonce, step.stopped
        if step.followed is not None:
            height, block_id = step.followed
            if block_id is None:
                assert self.followed.pop()[0] == height
            else:
                self.followed.append((height, block_id))
        self.fate.step()


@dataclass
class World:
    """A ``ChainPort``: blocks and a mempool that outlive the program too."""

    disk: Disk
    fate: Fate
    chain: list[Block] = field(default_factory=list)
    mempool: dict[int, Version] = field(default_factory=dict)
    known: dict[bytes, tuple[Version, tuple[int, ...]]] = field(default_factory=dict)
    sent: set[bytes] = field(default_factory=set)
    now_ms: int = 0
    highest: int = 0

    def now(self) -> Moment:
        return Moment(self, list(self.chain))

    async def send(self, version: Version) -> None:
        self.fate.step()
        kept = [row_of(data) for data in self.disk.rows.values()]
        assert any(version in row.versions for row in kept), "sent before it was kept"
        self.sent.add(version.txid)
        spent = sum(len(block.spent) for block in self.chain)
        if version.expiry <= len(self.chain) or version.nonce < spent:
            raise NotTakenError("too late")
        self.mempool.setdefault(version.nonce, version)
        self.fate.step()

    async def sign(self, sign: Sign, row: Row | None) -> tuple[bytes, bytes]:
        txid = b"tx%d" % len(self.known)
        answer = () if row is None else row.answer
        self.known[txid] = Version(txid, b"", sign.nonce, sign.bid, sign.expiry), answer
        self.fate.step()
        return txid, b"bytes"


@dataclass
class Moment:
    """A ``ChainMoment``."""

    world: World
    chain: list[Block]

    @property
    def height(self) -> int:
        return len(self.chain)

    def block_id(self, height: int) -> bytes | None:
        if height == 0:
            return b"genesis"
        return self.chain[height - 1].block_id if height <= self.height else None

    async def block(self, height: int, open_calls: Mapping[bytes, int]) -> Block:
        await trio.lowlevel.checkpoint()
        return self.chain[height - 1]

    def conditions(self) -> Conditions:
        nonce = sum(len(block.spent) for block in self.chain)
        waiting = frozenset(version.txid for version in self.world.mempool.values())
        models = frozenset({MODEL})
        return Conditions(
            self.world.now_ms, nonce, 10**9, 10**9, 10, models, None, waiting, {MODEL: 10}
        )


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
