"""A naive chain and disk for the proving line's driver, which fail and end when they are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import trio

from esper.gateway.proving_rows import (
    Block,
    Conditions,
    Row,
    Sign,
    Step,
    Version,
    encode_row,
    row_of,
)
from esper.gateway.store.errors import StoreFullError
from esper.gateway.store.line import KeptLine, NotBooked
from esper.node.gateway.proving.driver_ports import NotTakenError

MODEL = b"m" * 64


class CutOffError(BaseException):
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

    async def commit(self, step: Step) -> list[NotBooked]:
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
        return []


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
