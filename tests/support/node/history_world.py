"""A chain manager with its history, fed with blocks of the workshop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from esper.consensus.block import decode_body
from esper.consensus.header import decode_header
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.history import ChainHistory, catch_up
from esper.node.chain.store_state import genesis_of, replay_of
from esper.primitives.ids import Txid
from esper.storage.chain_store import ChainStore
from esper.storage.history.history_index import HistoryIndex
from esper.storage.kv.store_port import KeyValueStore
from esper.storage.store_options import StoreOptions
from esper.vm.transaction import Transaction, decode_transaction
from tests.support.block_workshop import PARAMS, Action, Made, Workshop
from tests.support.fake_work import FakeVerifier
from tests.support.storage.memory_store import MemoryStore
from tests.support.vm_world import (
    ALICE,
    BOB,
    CAROL,
    COIN,
    MINER,
    Unchecked,
    address,
    pending_reward,
)

A, B, C, M = map(address, (ALICE, BOB, CAROL, MINER))
FAR = 1 << 50


class Kept(MemoryStore):
    """A store in memory that counts how often it was opened and closed."""

    def __init__(self) -> None:
        super().__init__()
        self.opened = self.closed = 0

    def close(self) -> None:
        self.closed += 1


@dataclass
class Node:
    """A chain manager with its history, whose index is in memory unless asked otherwise."""

    datadir: Path
    on_disk: bool = False
    told: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.memory = Kept()
        self.workshop = Workshop(real_signatures=False)
        self.tip = self.workshop.genesis
        self.now_ms = FAR
        options = StoreOptions(
            undo_depth=PARAMS.limits.undo_depth, reserve_bytes=0, segment_bytes=1 << 16
        )
        self.store = ChainStore(self.datadir, genesis_of(PARAMS), replay_of(PARAMS), options)
        self.manager = ChainManager(
            self.store,
            PARAMS,
            FakeVerifier(PARAMS.model),
            secret=bytes(32),
            now_ms=FAR,
            signatures=Unchecked(),
        )
        self.open_history()

    def open_history(self) -> None:
        if self.on_disk:
            self.history = ChainHistory(self.store, PARAMS, self._tell)
        else:
            self.history = ChainHistory(self.store, PARAMS, self._tell, self._open_memory)

    def _open_memory(self, folder: Path) -> KeyValueStore:
        self.memory.opened += 1
        return self.memory

    def _tell(self, height: int, tip: int) -> None:
        self.told.append((height, tip))

    def close(self) -> None:
        self.history.close()
        self.store.close()

    def submit(self, made: Made) -> None:
        # Rivals that come far apart draw no lots.
        self.now_ms += 10_000
        self.manager.submit(made.data, now_ms=self.now_ms)

    def grow(self, *actions: Action, payee: str = "miner") -> Made:
        """A block of these actions on the tip, followed by the history."""
        self.tip = self.workshop.block(self.tip, list(actions), payee=payee)
        self.submit(self.tip)
        self.history.follow()
        return self.tip

    def told_of(self, who: bytes) -> list[tuple[int, str, int, int, bytes]]:
        """Height, what, amount, fee and other side of an address's events, the newest first."""
        events, cursor = self.history.index.events(who, 1000)
        assert cursor is None
        return [
            (event.height, event.what.label, event.amount, event.fee, event.other)
            for event in events
        ]

    def records(self) -> dict[bytes, bytes]:
        """All that the index holds, but for how to undo it."""
        store = self.history.index._store
        return {key: value for key, value in store.items(b"") if key[:1] != b"u"}

    def assert_as_built_anew(self) -> None:
        """The index is the one that a node without any would build."""
        index = HistoryIndex(
            anew := MemoryStore(), Path("nowhere"), self.store.index.genesis.block_id
        )
        catch_up(self.store, index, PARAMS)
        assert self.history.index.tip == index.tip
        assert self.history.index.tip.block_id == self.store.tip.block_id
        items = anew.items(b"")
        assert self.records() == {key: value for key, value in items if key[:1] != b"u"}


def action(kind: str, sender: str, *details: object) -> Action:
    return kind, sender, details, 0, False


def send(amount: int = COIN, sender: str = "alice", receiver: str = "bob") -> Action:
    return action("transfer", sender, (receiver, amount))


def transactions(made: Made) -> list[Transaction]:
    """A block's transactions without the coinbase."""
    body = decode_body(made.data.body, PARAMS.limits.body_bytes)
    return [decode_transaction(data, 1 << 20) for data in body.transactions[:-1]]


def txids(made: Made) -> list[Txid]:
    """Their ids."""
    return [transaction.txid for transaction in transactions(made)]


def reward_of(made: Made) -> int:
    reward = pending_reward(made.chain.state, made.height)
    assert reward is not None
    return reward.amount


def time_of(made: Made) -> int:
    """A block's milliseconds."""
    return decode_header(made.data.header, PARAMS.limits.header_bytes).pre.time_ms


def with_credits(node: Node) -> None:
    """Alice and Bob have credits."""
    node.grow(action("stake", "alice", 5 * COIN), action("stake", "bob", 2 * COIN))
    for _ in range(PARAMS.credits.epoch_blocks + 1):
        node.grow()
