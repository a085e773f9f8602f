"""What the outside is told of a node: in the order in which it happened, and all of it."""

from __future__ import annotations

import struct
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from esper.consensus.template import BlockPlan
from esper.events.log import EventLog
from esper.events.zmq_topics import HIGH_WATER
from esper.node.events import CallReady
from esper.node.telling import teller as teller_module
from esper.node.telling.teller import Teller, raw_block
from esper.node.telling.wiring import whole_block
from esper.node.views.rpc_formats import address_text
from esper.primitives.ids import BlockId, Txid
from esper.rpc import methods as m
from esper.rpc import schema as s
from esper.storage.block_reader import BlockReader
from esper.storage.errors import ProofPrunedError, UnknownBlockError
from esper.vm.answers import answer_bytes
from esper.vm.payload import Output
from esper.vm.transfer import Transfer
from tests.support.node.node_world import (
    PARAMS,
    NodeWorld,
    copied,
    go,
    node_world,
    pay,
    rest,
    running,
)
from tests.support.node.rpc_asking import LONG, mined_with_what_waits
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address


class Published:
    """Remembers what is published."""

    def __init__(self, topics: Collection[str] = tuple(HIGH_WATER)) -> None:
        self.topics = topics
        self.sent: list[tuple[str, bytes]] = []
        self.skipped = 0

    def wants(self, topics: Collection[str]) -> bool:
        return bool(set(topics) & set(self.topics))

    def publish(self, topic: str, body: bytes) -> None:
        if topic in self.topics:
            self.sent.append((topic, body))

    def skip(self) -> None:
        self.skipped += 1

    def of(self, topic: str) -> list[bytes]:
        return [body for one, body in self.sent if one == topic]


class Told:
    """A log that is fed, and what is published beside it."""

    def __init__(self, world: NodeWorld, published: Published) -> None:
        self.log = EventLog("5f")
        self.published = published
        node = world.node
        self.lost: set[BlockId] = set()

        def block_bytes(block_id: BlockId) -> Any:
            if block_id in self.lost:
                raise UnknownBlockError("there is no such block")
            return whole_block(node.chain.blocks, block_id)

        self.teller = Teller(
            node.events,
            self.log,
            published,
            world.params,
            block_bytes=block_bytes,
            waiting=lambda: [one.txid for one, _, _ in node.mempool.pool.kept()],
        )

    def news(self) -> list[tuple[str, dict[str, Any]]]:
        """What the log holds."""
        return [(one.topic, dict(one.data)) for one in self.log.after(0, 10_000)]

    def topics(self) -> list[str]:
        return [topic for topic, _ in self.news()]


@asynccontextmanager
async def telling(world: NodeWorld, *topics: str) -> AsyncIterator[Told]:
    told = Told(world, Published(topics or tuple(HIGH_WATER)))
    async with trio.open_nursery() as nursery:
        await nursery.start(told.teller.run)
        yield told
        nursery.cancel_scope.cancel()


def test_a_transaction_waits_and_a_block_takes_it(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world, telling(world) as told:
            sent = await world.send(ALICE, pay(BOB))
            other = world.signed(BOB, pay(CAROL))
            block = await world.others_turn(sent, other)
            await rest()
            block_id = block.header.block_id
            waits, joined, gone = told.news()
            assert waits == (
                "tx_in",
                {
                    "txid": sent.txid.hex(),
                    "kind": "transfer",
                    "sender": address_text(address(ALICE), PARAMS),
                    "nonce": sent.nonce,
                    "fee": str(sent.fee),
                    "expiry": sent.expiry,
                    "size": len(sent.to_bytes()),
                    "replaced": None,
                },
            )
            pre = block.header.pre
            assert joined == (
                "block",
                {
                    "hash": block_id.hex(),
                    "height": pre.height,
                    "parent": pre.parent.hex(),
                    "time_ms": pre.time_ms,
                    "payee": address_text(address(CAROL), PARAMS),
                    "model_id": PARAMS.model.model_id.hex(),
                    "tier": 0,
                    "transactions": 2,
                    "answers": 0,
                },
            )
            # One that never waited here does not leave.
            assert gone == (
                "tx_out",
                {"txid": sent.txid.hex(), "why": "included", "rule": None, "reason": None},
            )
            published = told.published
            assert published.of("hashblock") == [block_id]
            assert published.of("hashtx") == [sent.txid, sent.txid, other.txid]
            raw = [sent.to_bytes(), sent.to_bytes(), other.to_bytes()]
            assert published.of("rawtx") == raw
            parts = (block.header.to_bytes(), block.body.to_bytes(), block.proof)
            whole = b"".join(struct.pack("<I", len(one)) + one for one in parts)
            assert published.of("rawblock") == [whole]
            assert published.of("sequence") == [
                sent.txid + b"A" + struct.pack("<Q", 1),
                block_id + b"C",
            ]

    go(main)


def test_what_leaves_without_a_block_is_told_with_its_reason(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world, telling(world) as told:
            old = await world.send(ALICE, pay(BOB))
            new = world.signed(ALICE, pay(CAROL), old.nonce, fee=old.fee * 3)
            await world.node.mempool.submit(new.to_bytes())
            await rest()
            _, (left, gone), (came, waits) = told.news()
            assert (left, came) == ("tx_out", "tx_in")
            assert (gone["txid"], gone["why"]) == (old.txid.hex(), "replaced")
            assert gone["reason"]
            assert waits["replaced"] == old.txid.hex()
            assert told.published.of("sequence")[1:] == [
                old.txid + b"R" + struct.pack("<Q", 2),
                new.txid + b"A" + struct.pack("<Q", 3),
            ]

    go(main)


def test_what_waited_before_is_told_to_leave(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world:
            sent = await world.send(ALICE, pay(BOB))
            async with telling(world) as told:
                await world.others_turn(sent)
                await rest()
                assert told.topics() == ["block", "tx_out"]

    go(main)


def test_a_change_of_chain_is_told_from_the_old_tip_on(datadir: Path, tmp_path: Path) -> None:
    async def main() -> None:
        async with node_world(copied(datadir, tmp_path / "rival"), mines=False) as world:
            rivals = [await world.others_turn() for _ in range(3)]
        async with node_world(datadir, mines=False) as world:
            sent = world.signed(ALICE, pay(BOB))
            left = [await world.others_turn(sent), await world.others_turn()]
            height = world.height
            async with telling(world, "sequence") as told:
                for one in rivals:
                    await world.take(one)
                await rest()
                found = told.news()
            undone = [data for topic, data in found if topic == "undone"]
            assert undone == [
                {"hash": one.header.block_id.hex(), "height": height - depth}
                for depth, one in enumerate(reversed(left))
            ]
            joined = [data for topic, data in found if topic == "block"]
            assert [one["hash"] for one in joined] == [one.header.block_id.hex() for one in rivals]
            assert [one["height"] for one in joined] == [height - 1, height, height + 1]
            # What left waits again, behind the blocks.
            assert [topic for topic, _ in found][:2] == ["undone"] * 2
            [back] = [data for topic, data in found if topic == "tx_in"]
            assert back["txid"] == sent.txid.hex()
            letters = [body[64:65] for body in told.published.of("sequence")]
            assert letters.count(b"D") == 2
            assert letters.count(b"A") == 1
            assert letters.count(b"C") == 3
            assert letters[:2] == [b"D", b"D"]

    go(main)


def test_a_chain_that_goes_far_back_is_a_gap(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world, telling(world) as told:
            left = await world.others_turn()
            await rest()
            assert told.topics() == ["block"]
            await world.node.chain.reroot(left.header.pre.parent)
            await rest()
            assert told.published.skipped == 1
            assert told.log.oldest == told.log.next == 3

    go(main)


def test_a_call_from_the_queue_to_its_result(datadir: Path) -> None:
    async def main() -> None:
        async with (
            node_world(datadir) as world,
            telling(world, "llmresult") as told,
            running(world),
        ):
            [called] = await world.send_calls(50)
            await mined_with_what_waits(world)
            found = [(topic, data) for topic, data in told.news() if topic in ("call", "result")]
            assert [data["call_id"] for _, data in found] == [called.hex()] * 4
            assert [data.get("status") for _, data in found] == [
                "queued",
                "answered",
                "proven",
                None,
            ]
            queued, said, result = found[0][1], found[1][1], found[3][1]
            assert (queued["prompt_tokens"], queued["max_tokens"]) == (2, 8)
            assert result["answer_tokens"] == said["answer_tokens"] != []
            assert result["result_id"] is None
            assert result["block"] == world.node.chain.tip.hex()
            assert result["height"] == world.height
            answer = tuple(result["answer_tokens"])
            assert told.published.sent == [("llmresult", called + answer_bytes(answer))]

    go(main)


def test_a_long_answer_is_a_result_of_a_later_block(long_datadir: Path) -> None:
    async def main() -> None:
        async with (
            node_world(long_datadir, LONG) as world,
            telling(world, "llmresult") as told,
            running(world),
        ):
            lanes = world.service._lanes
            assert lanes is not None
            await world.others_turn(world.signed(CAROL, Transfer((Output(lanes.sender, COIN),))))
            [called] = await world.send_calls(50)
            world.answerer.hold("prove_lane")
            await mined_with_what_waits(world)
            opened = [data for topic, data in told.news() if topic == "call"][-1]
            assert opened == {
                "call_id": called.hex(),
                "status": "open",
                "block": world.node.chain.tip.hex(),
                "height": 14,
            }
            world.answerer.release("prove_lane")
            await mined_with_what_waits(world)
            [result] = [data for topic, data in told.news() if topic == "result"]
            assert (result["call_id"], result["height"]) == (called.hex(), 15)
            assert result["result_id"] is not None
            assert len(told.published.sent) == 1
            assert told.published.sent[0][1].startswith(called)

    go(main)


def test_an_open_call_of_others_is_told(long_datadir: Path) -> None:
    async def main() -> None:
        async with node_world(long_datadir, LONG, mines=False) as world, telling(world) as told:
            call = world.signed(ALICE, world.call(50))
            await world.take(world.others_block(BlockPlan((call,), (None,))))
            await rest()
            assert told.topics() == ["block", "call"]
            assert told.news()[0][1]["answers"] == 0

    go(main)


def test_what_is_missed_is_a_gap_everywhere(datadir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teller_module, "ROOM", 2)

    async def main() -> None:
        async with node_world(datadir, mines=False) as world, telling(world) as told:
            for number in range(5):
                world.node.events.publish(CallReady(Txid(bytes([number]) * 64)))
            await rest()
            world.node.events.publish(CallReady(Txid(bytes([9]) * 64)))
            await rest()
            # The first went to whoever waited, two lay in the room, and two were lost.
            assert (told.log.oldest, told.log.next) == (6, 7)
            assert told.published.skipped == 1
            assert told.log.counts().dropped == 2

    go(main)


def test_a_block_that_is_gone_again_leaves_a_gap_in_what_is_published(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world, telling(world) as told:
            block = world.others_block()
            told.lost.add(block.header.block_id)
            await world.take(block)
            await rest()
            assert told.published.skipped == 1
            assert told.published.of("rawblock") == []
            assert told.topics() == ["block"]

    go(main)


def test_blocks_are_read_again_only_where_somebody_wants_them(datadir: Path) -> None:
    async def main() -> None:
        async with (
            node_world(datadir, mines=False) as world,
            telling(world, "hashblock", "sequence") as told,
        ):
            block = world.others_block()
            told.lost.add(block.header.block_id)
            await world.take(block)
            await rest()
            assert told.published.skipped == 0
            assert len(told.published.sent) == 2

    go(main)


def test_a_pruned_proof_is_empty() -> None:
    class Pruned:
        def parts(self, block_id: bytes) -> Any:
            raise ProofPrunedError(7)

        def header(self, block_id: bytes) -> bytes:
            return b"h"

        def body(self, block_id: bytes) -> bytes:
            return b"bo"

    found = whole_block(cast(BlockReader, Pruned()), BlockId(bytes(64)))
    assert raw_block(found) == b"\1\0\0\0h\2\0\0\0bo\0\0\0\0"


def test_the_rpc_gives_the_log(datadir: Path) -> None:
    async def main() -> None:
        async with node_world(datadir, mines=False) as world, trio.open_nursery() as nursery:
            telling_now = world.node.telling
            await nursery.start(telling_now.run)
            empty = await world.ask(m.GET_EVENTS)
            assert (empty.oldest, empty.next, empty.events) == (1, 1, [])
            assert empty.boot == telling_now.log.boot
            assert len(empty.boot) == 16
            for _ in range(3):
                await world.others_turn()
            await rest()
            found = await world.ask(m.GET_EVENTS, s.EventsParams(after=1, n=1))
            assert (found.oldest, found.next) == (1, 4)
            [event] = found.events
            assert (event.seq, event.topic, event.data["height"]) == (2, "block", world.height - 1)
            beyond = await world.ask(m.GET_EVENTS, s.EventsParams(after=1 << 52, n=1_000))
            assert beyond.events == []
            nursery.cancel_scope.cancel()

    go(main)
