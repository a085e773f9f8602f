"""The network service among the parts of its node: what it passes on, and what it bears."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from esper.node.events import Events, TipMoved
from esper.node.mining.mining_service import MinedNews
from esper.node.peers.errands import Errands
from esper.node.peers.from_memory import FromMemory
from esper.node.peers.network_service import NetworkService
from esper.p2p.actions import Brought
from esper.p2p.peer import PeerNumber
from esper.p2p.peers.peer_address import PeerAddress
from esper.p2p.service.answering import NotHere
from esper.p2p.sync.events import KeepFrom, SyncedOnce, Tell
from esper.p2p.wire.talk_messages import REFUSED_UNKNOWN
from esper.primitives.ids import BlockId
from esper.storage.errors import StorageError
from tests.support.net.peer_world import ip, peer_id

ID = BlockId(b"i" * 64)
NOTHING: Any = None
MINED = MinedNews(7, ID, NOTHING, NOTHING, 0, 0)
PREFIX = b"p" * 16
ONE = PeerNumber(1)


def service(**parts: Any) -> Any:
    """One that has nothing but what a test looks at."""
    made: Any = NetworkService.__new__(NetworkService)
    for name, value in parts.items():
        setattr(made, name, value)
    return made


def listener(port: int, *hosts: str, known: tuple[tuple[bytes, int], ...] = ()) -> Any:
    return service(
        _made_of=SimpleNamespace(
            endpoint=SimpleNamespace(port=port),
            settings=SimpleNamespace(hosts=hosts),
            node_id=peer_id(1),
        ),
        parts=SimpleNamespace(own=SimpleNamespace(known=lambda: known)),
    )


# Where it is.


def test_where_it_listens_is_told_while_it_does() -> None:
    assert listener(9333, "0.0.0.0", "::").listening == "0.0.0.0:9333, [::]:9333"
    assert listener(9333).listening == ""
    assert listener(0, "0.0.0.0").listening == ""


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (listener(9333, "2.1.0.1"), ("2.1.0.1", 9333)),
        (listener(9333, "0.0.0.0", "::", "2.1.0.1"), ("2.1.0.1", 9333)),
        (listener(9333, "0.0.0.0"), None),
        (listener(0, "2.1.0.1"), None),
        (listener(9333, "2.1.0.1", known=((ip("3.1.0.1"), 81),)), ("3.1.0.1", 81)),
        (listener(9333, "2.1.0.1", known=((ip("3.1.0.1"), 0),)), ("3.1.0.1", 9333)),
    ],
    ids=["host", "the first that is one", "anywhere", "nobody", "known", "with our port"],
)
def test_an_address_is_told_where_others_can_dial_it(
    made: Any, told: tuple[str, int] | None
) -> None:
    expected = None if told is None else PeerAddress(ip(told[0]), told[1], peer_id(1))
    assert made.own_address == expected


# Transactions.


@pytest.mark.parametrize(
    ("told", "waiting", "recent", "given"),
    [
        (True, b"waits", [b"mined"], b"waits"),
        (True, None, [b"mined"], b"mined"),
        (True, None, [], None),
        # Two of one prefix: which of them was announced is not known.
        (True, None, [b"mined", b"other"], None),
        (False, b"waits", [b"mined"], None),
    ],
)
def test_a_transaction_goes_to_whom_it_was_announced_also_once_mined(
    told: bool, waiting: bytes | None, recent: list[bytes], given: bytes | None
) -> None:
    following: Any = SimpleNamespace(
        transactions=SimpleNamespace(may_serve=lambda peer, prefix: told),
        blocks=SimpleNamespace(recent=SimpleNamespace(by_prefix=lambda prefix: recent)),
    )
    mempool: Any = SimpleNamespace(by_prefix=lambda prefix: waiting)
    made = FromMemory(following, mempool)
    assert made.transaction_for(ONE, PREFIX) == given


# Peers.


@pytest.mark.parametrize(
    ("connected", "told"),
    [
        (None, []),
        (SimpleNamespace(peer=None), [(peer_id(7), b"", 5)]),
        (SimpleNamespace(peer=SimpleNamespace(group=b"g")), [(peer_id(7), b"g", 5)]),
    ],
    ids=["gone", "no peer yet", "peer"],
)
def test_who_is_asked_counts_where_this_machine_may_be_too_slow(
    connected: Any, told: list[tuple[object, ...]]
) -> None:
    if connected is not None:
        connected.address = SimpleNamespace(peer_id=peer_id(7))
    asked: list[tuple[object, ...]] = []
    penalties = SimpleNamespace(asked=lambda *about: asked.append(about))
    made = service(
        table=SimpleNamespace(get=lambda number: connected),
        _made_of=SimpleNamespace(steady=lambda: 5),
        parts=SimpleNamespace(penalties=penalties),
    )
    made._asked(ONE)
    assert asked == told


def test_what_a_sync_brought_is_relayed_and_told() -> None:
    heard: list[tuple[str, object]] = []
    made = service(
        following=SimpleNamespace(
            blocks=SimpleNamespace(proven_by_sync=lambda block: heard.append(("relay", block)))
        ),
        _progress=SimpleNamespace(brought=lambda block: heard.append(("log", block))),
    )
    made._brought("block")
    assert heard == [("relay", "block"), ("log", "block")]


def test_what_machines_tell_is_told_and_who_brought_something_is_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[tuple[object, ...]] = []
    made = service(gate=SimpleNamespace(brought=lambda *about: heard.append(about)))
    with caplog.at_level("INFO"):
        made._told(Tell("look at this", True))
        made._told(Tell("all is well", False))
        made._told(Brought(ONE, None))
        made._told("something else")
    told = [(one.levelname, one.getMessage()) for one in caplog.records]
    assert told == [("WARNING", "look at this"), ("INFO", "all is well")]
    assert heard == [(ONE, None)]


# Errands.


class Chain:
    """Its disk may fail."""

    def __init__(self) -> None:
        self.did: list[object] = []
        self.error: Exception | None = None

    def want_undo_from(self, height: int) -> None:
        self.did.append(height)

    async def note_synced(self) -> None:
        self.did.append("synced")
        if self.error is not None:
            raise self.error

    async def keep_undo_from(self) -> None:
        self.did.append("kept")


@pytest.mark.parametrize("error", [StorageError("full"), OSError("full")])
def test_what_sync_wants_of_the_chain_is_done_in_order_whatever_fails(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        chain: Any = Chain()
        chain.error = error
        errands = Errands(chain)
        made = service(_errands=errands)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(errands.run)
            await trio.testing.wait_all_tasks_blocked()
            made._told(SyncedOnce())
            made._told(KeepFrom(7))
            # What blocks that come next need is known at once.
            assert chain.did == [7]
            await trio.testing.wait_all_tasks_blocked()
            assert chain.did == [7, "synced", "kept"]
            made._told(KeepFrom(8))
            await trio.testing.wait_all_tasks_blocked()
            assert chain.did == [7, "synced", "kept", 8, "kept"]
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert caplog.messages == ["undo records are not kept as sync wants them: full"]


# What the node tells.


def test_a_block_of_its_own_that_cannot_be_read_back_ends_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        events, sent = Events(), list[object]()
        whole = SimpleNamespace(header=b"h", body=b"b", proof=b"p")
        there = False

        async def whole_block(block_id: BlockId) -> Any:
            if not there:
                raise NotHere(REFUSED_UNKNOWN)
            return whole

        made = service(
            _made_of=SimpleNamespace(events=events, whole_block=whole_block),
            own_block=lambda *parts: sent.append(parts),
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made._follow_own_blocks)
            await trio.testing.wait_all_tasks_blocked()
            events.publish(MINED)
            await trio.testing.wait_all_tasks_blocked()
            assert sent == []
            there = True
            events.publish(MINED)
            await trio.testing.wait_all_tasks_blocked()
            assert sent == [(b"h", b"b", b"p")]
            # So many at once that some are missed.
            for _ in range(2_000):
                events.publish(MINED)
            await trio.testing.wait_all_tasks_blocked()
            assert 1 < len(sent) < 2_000
            nursery.cancel_scope.cancel()

    trio.run(main)
    assert caplog.messages == ["block 7 of this node could not be read back to be sent"]


def test_each_new_tip_is_told_and_many_at_once_as_one() -> None:
    async def main() -> None:
        events, heard = Events(), list[str]()
        made = service(
            _made_of=SimpleNamespace(events=events),
            _room=SimpleNamespace(chain_changed=lambda: heard.append("changed")),
            following=SimpleNamespace(note_busy=lambda: heard.append("busy")),
        )
        moved = TipMoved(ID, 7, (), (ID,))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made._follow_tip)
            await trio.testing.wait_all_tasks_blocked()
            events.publish(moved)
            await trio.testing.wait_all_tasks_blocked()
            assert heard == ["changed", "busy"]
            for _ in range(9):
                events.publish(moved)
            await trio.testing.wait_all_tasks_blocked()
            # One that was taken, one that waited, and one that the others make together.
            assert heard[2:] == ["changed", "busy"] * 3
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_everything_that_is_to_be_saved_is() -> None:
    saved: list[str] = []
    made = service(_saves=[])
    made.save_with(lambda: saved.append("peers"))
    made.save_with(lambda: saved.append("more"))
    made._save()
    assert saved == ["peers", "more"]
