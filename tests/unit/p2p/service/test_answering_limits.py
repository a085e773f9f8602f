"""Answers at their limits: who waits for a place or for bytes, who reads slowly, what fits."""

from __future__ import annotations

import pytest
import trio

from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.served import PLACE_MS
from esper.p2p.limits import ANSWERS_HELD, DRIP_BYTES_PER_S, MIB, TRANSACTIONS_BYTES
from esper.p2p.peer import PeerNumber
from esper.p2p.service.answering import ITEM_HEAD, LOOK_AGAIN_S, READS_OVER_S
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import ChainRequest, Message
from tests.support.net.service_world import mocked, steady
from tests.unit.p2p.service.test_answering import LOST, ONE, TWO, World, answers, world

FIRST, SECOND = PeerNumber(1), PeerNumber(2)
SPENT = 40 * 16 * MIB
"""History for which all together wait more than half a minute."""
BODY, PROOF = talk.PART_BODY, talk.PART_PROOF


def hang_up(made: World, number: PeerNumber) -> None:
    """A peer stops reading, with answers under way."""
    made.strangers[number - 1].reads_bulk = trio.Event()


def test_who_waits_too_long_for_a_place_is_told_that_we_are_busy() -> None:
    async def main() -> None:
        peers = ANSWERS_HELD + 2
        async with world(peers=peers) as made:
            made.node.body_size = MIB
            # Nobody is seen to read slowly: that alone would make room.
            made.answering._watch = _look_away  # type: ignore[method-assign,assignment]
            for place in range(1, peers):
                hang_up(made, PeerNumber(place))
                made.ask(PeerNumber(place), talk.GetBlocks(1, (ONE, TWO), BODY))
            await trio.sleep(1)
            last = PeerNumber(peers)
            made.ask(last, talk.GetBlocks(1, (ONE,), BODY))
            sent: list[Message] = []
            made.connections[last].send = sent.append  # type: ignore[method-assign,assignment]
            await trio.sleep(PLACE_MS / 1000 - 1)
            assert sent == []
            await trio.sleep(1 + LOOK_AGAIN_S)
            assert sent == [talk.Refuse(1, WHOLE_REST, talk.REFUSED_BUSY)]

    mocked(main)


async def _look_away(*about: object) -> None:
    await trio.sleep_forever()


def test_who_left_while_it_waited_is_told_nothing() -> None:
    async def main() -> None:
        peers = ANSWERS_HELD + 2
        async with world(peers=peers) as made:
            made.node.body_size = MIB
            made.answering._watch = _look_away  # type: ignore[method-assign,assignment]
            for place in range(1, peers + 1):
                hang_up(made, PeerNumber(place))
                made.ask(PeerNumber(place), talk.GetBlocks(1, (ONE, TWO), BODY))
            await trio.sleep(1)
            del made.connections[PeerNumber(peers)]
            await trio.sleep(PLACE_MS / 1000 + LOOK_AGAIN_S)
            made.ask(FIRST, talk.GetBlock(2, ONE))
            await trio.sleep(1)

    mocked(main)


def test_a_turn_of_who_left_is_given_back(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with world(peers=2) as made:
            del made.connections[FIRST]
            made.connections[SECOND].link.close()
            for number in (FIRST, SECOND):
                made.ask(number, talk.GetBlock(1, ONE))
                made.ask(number, talk.GetBlocks(2, (LOST, ONE), BODY))
            await trio.sleep(1)
            assert made.served.statistics().answering == 0
            assert made.served.statistics().held == 0

    mocked(main)
    # No error of ours.
    assert caplog.messages == []


@pytest.mark.parametrize(
    "request_",
    [
        talk.GetHeaders(1, (ONE,), 3),
        talk.GetBlocks(1, (ONE,), BODY),
        talk.GetBlocks(1, (ONE,), PROOF),
    ],
    ids=["headers", "body", "proof"],
)
def test_history_is_not_read_before_it_may_be_sent(request_: ChainRequest) -> None:
    async def main() -> None:
        async with world() as made:
            made.served.sent_history(SPENT, steady())
            made.ask(FIRST, request_)
            await trio.sleep(10)
            assert made.heard() == []
            assert made.node.reads == 0
            # Taken back meanwhile, it is never read, and its end is told within a second or so.
            assert made.served.nevermind(FIRST, 1) is None
            await trio.sleep(1.5)
            assert made.heard() == [talk.Refuse(1, WHOLE_REST, talk.REFUSED_CANCELLED)]
            assert made.served.statistics().answering == 0
            await trio.sleep(60)
            assert len(made.heard()) == 1
            assert made.node.reads == 0

    mocked(main)


def test_every_byte_of_history_is_charged_and_nothing_else() -> None:
    async def main() -> None:
        async with world() as made:
            charged: list[int] = []
            made.served.sent_history = lambda size, now: charged.append(size)  # type: ignore[method-assign]
            made.ask(FIRST, talk.GetHeaders(1, (ONE,), 3))
            made.ask(FIRST, talk.GetBlocks(2, (ONE,), BODY | PROOF))
            made.ask(FIRST, talk.GetBlock(3, ONE))
            await trio.sleep(1)
            history = [one for one in made.heard() if one.number < 3]  # type: ignore[union-attr]
            assert sorted(charged) == sorted(len(frame_bytes(one)) for one in history)
            assert len(charged) == 3

    mocked(main)


@pytest.mark.parametrize("parts", [BODY, PROOF, BODY | PROOF])
def test_behind_a_part_that_was_taken_back_nothing_comes(parts: int) -> None:
    async def main() -> None:
        async with world() as made:
            made.node.takes_s = 1.0
            proofs = 0
            prove = made.node.proof

            async def proof(block_id: bytes) -> bytes:
                nonlocal proofs
                proofs += 1
                await trio.sleep(1)
                return await prove(block_id)

            made.node.proof = proof  # type: ignore[method-assign]
            made.ask(FIRST, talk.GetBlocks(1, (ONE, TWO), parts))
            await trio.sleep(0.5)
            assert made.served.nevermind(FIRST, 1) is None
            await trio.sleep(10)
            assert made.heard() == [talk.Refuse(1, WHOLE_REST, talk.REFUSED_CANCELLED)]
            assert made.node.reads + proofs == 1

    mocked(main)


def test_a_block_that_was_taken_back_is_cancelled_and_its_proof_not_sent() -> None:
    async def main() -> None:
        async with world() as made:
            is_cancelled, asked = made.served.is_cancelled, 0

            def from_the_second_on(turn: object) -> bool:
                nonlocal asked
                asked += 1
                return asked > 1

            made.served.is_cancelled = from_the_second_on  # type: ignore[method-assign]
            made.ask(FIRST, talk.GetBlock(5, ONE))
            await trio.sleep(1)
            compact, refuse = made.heard()
            assert isinstance(compact, bulk.Compact)
            assert refuse == talk.Refuse(5, WHOLE_REST, talk.REFUSED_CANCELLED)
            made.served.is_cancelled = is_cancelled  # type: ignore[method-assign]

    mocked(main)


def test_a_block_whose_compact_part_was_taken_back_ends_with_one_refusal() -> None:
    async def main() -> None:
        async with world() as made:
            made.served.is_cancelled = lambda turn: True  # type: ignore[method-assign]
            made.ask(FIRST, talk.GetBlock(5, ONE))
            await trio.sleep(1)
            assert made.heard() == [talk.Refuse(5, WHOLE_REST, talk.REFUSED_CANCELLED)]

    mocked(main)


@pytest.mark.parametrize(("more", "count"), [(0, 8), (1, 7)])
def test_transactions_fill_a_frame_to_its_last_byte(more: int, count: int) -> None:
    async def main() -> None:
        async with world() as made:
            size, rest = divmod(TRANSACTIONS_BYTES - 3 * ITEM_HEAD, 8)
            lengths = [size - ITEM_HEAD] * 8
            lengths[0] += rest
            lengths[-1] += more
            sizes = {bytes([place]) * 16: one for place, one in enumerate([*lengths, 0])}
            made.node.transaction_for = (  # type: ignore[method-assign]
                lambda peer, prefix: bytes(sizes[prefix])
            )
            made.ask(FIRST, talk.GetTxs(1, tuple(sizes)))
            await trio.sleep(1)
            (txs,) = made.heard()
            assert isinstance(txs, bulk.Txs)
            # Nothing is left out between two others: what follows was not looked at.
            assert [len(one) for one in txs.transactions] == list(sizes.values())[:count]

    mocked(main)


# Slow readers.


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize(("per_s", "slow"), [(0, True), (DRIP_BYTES_PER_S, False)])
def test_a_slow_reader_loses_its_place_to_who_waits(others: bool, per_s: int, slow: bool) -> None:
    async def main() -> None:
        async with world() as made:
            made.ask(FIRST, talk.GetBlocks(1, (ONE,), BODY))
            (turn,) = made.served.turns() or (None,)
            assert turn is not None
            connection = made.connections[FIRST]
            counted = connection.link.statistics
            began = trio.current_time()

            def statistics() -> object:
                found = counted()
                read = round(per_s * (trio.current_time() - began))
                return type(found)(
                    **{
                        name: getattr(found, name) if name != "bytes_out" else read
                        for name in found.__dataclass_fields__
                    }
                )

            connection.link.statistics = statistics  # type: ignore[method-assign,assignment]
            made.served.others_wait = lambda turn: others  # type: ignore[method-assign]
            with trio.move_on_after(2 * READS_OVER_S + 1):
                await made.answering._watch(turn, connection)
            assert bool(connection.why) is (slow and others)
            assert ("reads history slowly" in connection.why) is (slow and others)

    mocked(main)


def test_who_is_given_history_is_watched() -> None:
    async def main() -> None:
        async with world() as made:
            made.node.body_size = MIB
            made.served.others_wait = lambda turn: True  # type: ignore[method-assign]
            hang_up(made, FIRST)
            made.ask(FIRST, talk.GetBlocks(1, (ONE,), BODY))
            # What fills the window counts for the first look, or was there before it.
            await trio.sleep(2 * READS_OVER_S + 0.5)
            assert "reads history slowly" in made.connections[FIRST].why

    mocked(main)


def test_who_is_watched_is_let_go_when_its_part_has_left() -> None:
    assert len(answers(talk.GetBlocks(1, (ONE, TWO), BODY))) == 2


def test_who_closes_while_it_reads_history_frees_its_place() -> None:
    async def main() -> None:
        async with world() as made:
            made.node.body_size = MIB
            hang_up(made, FIRST)
            made.ask(FIRST, talk.GetBlocks(1, (ONE, TWO), BODY))
            await trio.sleep(1)
            made.connections[FIRST].link.close()
            await trio.sleep(1)
            assert made.served.statistics().held == 0
            assert made.node.reads == 1

    mocked(main)
