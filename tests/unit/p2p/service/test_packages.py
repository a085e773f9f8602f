"""Packages over connections: fetched from strangers, given to strangers, and how both end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio

from esper.p2p.faults import Offence
from esper.p2p.flow.answer_shapes import WHOLE_REST
from esper.p2p.flow.served import PLACE_MS
from esper.p2p.limits import MIB, PACKAGE_ANSWERS_HELD, PACKAGE_TROUBLE_MS
from esper.p2p.packages.downloads import TooManyDownloadsError
from esper.p2p.packages.events import Stage
from esper.p2p.peer import CHUNKS, TRANSACTIONS
from esper.p2p.service.packages.packages import NoPackagesError, PackageHopelessError
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import frame_bytes
from esper.p2p.wire.messages import Message
from tests.support.net.package_store import CannotBeError, Shelf, package
from tests.support.net.package_world import Giver, Liar, Staller
from tests.support.net.service_node import ServiceNode, node
from tests.support.net.service_world import Stranger, hello, mocked, steady, until

Test = Callable[[ServiceNode], Awaitable[None]]
ONE = package(20, size=200)
LARGE = package(4, size=MIB)
SERVICES = TRANSACTIONS | CHUNKS
ASKED = packages.GetDigests | packages.GetHoldings | packages.GetChunk
KINDS = (packages.Digests, packages.Holdings, packages.Chunk, talk.Refuse)


def among(test: Test, shelf: Shelf | None = None) -> None:
    async def main() -> None:
        with trio.fail_after(3_600):
            async with node(models=shelf.source if shelf else None) as made:
                await test(made)

    mocked(main)


async def gives(made: ServiceNode, number: int, giver: Giver) -> Stranger:
    """A stranger that answers as a giver does."""
    stranger = await made.dialled_by(number, says=hello(nonce=number, services=SERVICES))
    made.nursery.start_soon(_answer, made, stranger, giver)
    return stranger


async def _answer(made: ServiceNode, stranger: Stranger, giver: Giver) -> None:
    seen = 0
    while stranger.link.closed is None:
        for message in stranger.heard[seen:]:
            seen += 1
            if isinstance(message, talk.Ping):
                await stranger.say(talk.Pong(message.nonce, 0, b"", bytes(64)))
            if isinstance(message, ASKED):
                for delay, answer in giver.answers(message, steady()):
                    made.nursery.start_soon(_say_later, stranger, delay, answer)
        await trio.sleep(0.01)


async def _say_later(stranger: Stranger, delay_ms: int, answer: Message) -> None:
    await trio.sleep(delay_ms / 1000)
    if stranger.link.closed is None:
        await stranger.say(answer)


def answers(stranger: Stranger) -> list[Message]:
    return [one for one in stranger.heard if isinstance(one, KINDS)]


# Fetching.


def test_a_package_is_fetched_from_strangers_and_given_on() -> None:
    shelf = Shelf()

    async def test(made: ServiceNode) -> None:
        for number in (1, 2):
            await gives(made, number, Giver.of(ONE))
        await made.packages.fetch(ONE.root)
        assert shelf.is_whole(ONE)
        assert made.packages.progress() == ()
        third = await made.dialled_by(3, says=hello(nonce=3, services=SERVICES))
        await third.say(packages.GetChunk(1, ONE.root, 7))
        await trio.sleep(1)
        assert answers(third) == [packages.Chunk(1, ONE.root, 7, ONE.chunks[7])]

    among(test, shelf)


def test_what_came_so_far_is_given_on() -> None:
    shelf = Shelf()

    async def test(made: ServiceNode) -> None:
        await gives(made, 1, Giver().has(ONE, range(5)))
        made.nursery.start_soon(made.packages.fetch, ONE.root)
        await trio.sleep(5)
        other = await made.dialled_by(3, says=hello(nonce=3, services=SERVICES))
        await other.say(
            packages.GetHoldings(1, ONE.root),
            packages.GetDigests(2, ONE.root, 0),
            packages.GetChunk(3, ONE.root, 4),
            packages.GetChunk(4, ONE.root, 5),
        )
        await trio.sleep(1)
        assert set(answers(other)) == {
            packages.Holdings(1, ONE.root, 20, b"\x1f\0\0"),
            packages.Digests(2, ONE.root, 0, 20, ONE.digests),
            packages.Chunk(3, ONE.root, 4, ONE.chunks[4]),
            talk.Refuse(4, ONE.root, talk.REFUSED_UNKNOWN),
        }

    among(test, shelf)


def test_what_is_fetched_without_an_offer_is_given_to_nobody() -> None:
    async def test(made: ServiceNode) -> None:
        await gives(made, 1, Giver.of(ONE))
        await made.packages.fetch(ONE.root, offer=False)
        other = await made.dialled_by(3)
        await other.say(packages.GetHoldings(1, ONE.root))
        await trio.sleep(1)
        assert answers(other) == [talk.Refuse(1, ONE.root, talk.REFUSED_UNKNOWN)]

    among(test, Shelf())


def test_a_liar_is_banned_and_the_package_comes_from_others() -> None:
    shelf = Shelf()

    async def test(made: ServiceNode) -> None:
        liar = await gives(made, 1, Liar.of(ONE, latency_ms=1))
        staller = await gives(made, 2, Staller.of(ONE, latency_ms=1, honest_chunks=2))
        await gives(made, 3, Giver.of(ONE, latency_ms=50))
        await made.packages.fetch(ONE.root)
        assert shelf.is_whole(ONE)
        await until(lambda: liar.link.closed is not None)
        assert [one for one in made.reasons if one.startswith(Offence.BYTES.value)]
        assert staller.link.closed is None
        again = await made.dialled_by(1, says=hello(nonce=9))
        await until(lambda: again.link.closed is not None)

    among(test, shelf)


def test_a_fetch_that_is_cancelled_asks_nothing_more() -> None:
    async def test(made: ServiceNode) -> None:
        giver = Giver.of(ONE, chunk_ms=500)
        await gives(made, 1, giver)
        with trio.move_on_after(3):
            await made.packages.fetch(ONE.root)
        assert made.packages.progress() == ()
        await trio.sleep(3)
        asked = len(giver.asked_for)
        await trio.sleep(30)
        assert len(giver.asked_for) == asked
        statistics = made.packages.machine.statistics()
        assert (statistics.in_flight, statistics.held) == (0, 0)
        await made.packages.fetch(ONE.root)

    among(test, Shelf())


def test_two_that_wait_for_one_package_do_not_end_each_other() -> None:
    async def test(made: ServiceNode) -> None:
        giver = Giver.of(ONE, chunk_ms=200)
        await gives(made, 1, giver)
        with trio.move_on_after(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(made.packages.fetch, ONE.root)
                made.nursery.start_soon(made.packages.fetch, ONE.root, 3)
        assert len(made.packages.progress()) == 1
        await made.packages.fetch(ONE.root)
        assert sorted(set(giver.gave)) == list(range(20))
        assert len(giver.gave) == 20

    among(test, Shelf())


def test_errors_of_fetching_name_what_helps() -> None:
    shelf = Shelf()

    async def test(made: ServiceNode) -> None:
        await gives(made, 1, Giver.of(ONE))
        shelf.fails = CannotBeError("the manifest is none")
        with pytest.raises(PackageHopelessError, match="the manifest is none"):
            await made.packages.fetch(ONE.root)
        assert ONE.root not in made.packages.serving.offers
        for call in (made.packages.fetch, made.packages.offer):
            with pytest.raises(ValueError, match="must have 64"):
                await call(b"root")
        shelf.fails = None
        await made.packages.fetch(ONE.root)
        for seed in range(8):
            made.nursery.start_soon(made.packages.fetch, package(3, seed=seed).root)
        await trio.sleep(1)
        with pytest.raises(TooManyDownloadsError):
            await made.packages.fetch(package(3, seed=99).root)

    among(test, shelf)


def test_a_node_without_a_store_says_so_and_refuses() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1, says=hello(nonce=1, services=SERVICES))
        (greeting,) = stranger.of(talk.Hello)
        assert not greeting.services & CHUNKS
        with pytest.raises(NoPackagesError, match="start it with one"):
            await made.packages.fetch(ONE.root)
        with pytest.raises(NoPackagesError):
            await made.packages.offer(ONE.root)
        made.packages.withdraw(ONE.root)
        await stranger.say(packages.GetHoldings(1, ONE.root))
        await trio.sleep(1)
        assert answers(stranger) == [talk.Refuse(1, ONE.root, talk.REFUSED_UNKNOWN)]

    among(test)


def test_a_disk_that_fails_is_said_and_tried_again() -> None:
    shelf = Shelf()

    async def test(made: ServiceNode) -> None:
        shelf.fails = OSError("no such device")
        await gives(made, 1, Giver.of(ONE))
        made.nursery.start_soon(made.packages.fetch, ONE.root)
        await trio.sleep(1)
        (waits,) = made.packages.progress()
        assert waits.stage is Stage.WAITING
        assert "no such device" in waits.trouble
        shelf.fails = None
        await trio.sleep(PACKAGE_TROUBLE_MS / 1000 + 10)
        assert shelf.is_whole(ONE)

    among(test, shelf)


def test_who_does_not_say_that_it_knows_packages_is_not_asked() -> None:
    async def test(made: ServiceNode) -> None:
        old = await made.dialled_by(1)
        made.nursery.start_soon(made.packages.fetch, ONE.root)
        await trio.sleep(5)
        assert not [one for one in old.heard if isinstance(one, ASKED)]
        new = await made.dialled_by(2, says=hello(nonce=2, services=SERVICES))
        assert [one for one in new.heard if isinstance(one, ASKED)]

    among(test, Shelf())


# Giving.


def test_a_node_with_a_store_says_so() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        assert stranger.of(talk.Hello)[0].services & CHUNKS

    among(test, Shelf())


def test_only_what_is_offered_is_given() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(packages.GetChunk(1, ONE.root, 3))
        await trio.sleep(1)
        assert await made.packages.offer(ONE.root)
        await stranger.say(packages.GetChunk(2, ONE.root, 3))
        await trio.sleep(1)
        made.packages.withdraw(ONE.root)
        await stranger.say(packages.GetChunk(3, ONE.root, 3))
        await trio.sleep(1)
        assert answers(stranger) == [
            talk.Refuse(1, ONE.root, talk.REFUSED_UNKNOWN),
            packages.Chunk(2, ONE.root, 3, ONE.chunks[3]),
            talk.Refuse(3, ONE.root, talk.REFUSED_UNKNOWN),
        ]
        assert not await made.packages.offer(package(3).root)

    among(test, Shelf(ONE))


def test_a_chunk_that_cannot_be_read_is_offered_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf(ONE)

    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await made.packages.offer(ONE.root)
        shelf.kept[ONE.root].fails = OSError("read error")
        for number in (1, 2, 3):
            await stranger.say(packages.GetChunk(number, ONE.root, number // 2))
            await trio.sleep(1)
        assert answers(stranger) == [
            talk.Refuse(number, ONE.root, talk.REFUSED_UNKNOWN) for number in (1, 2, 3)
        ]
        said = [one for one in caplog.records if "read error" in one.getMessage()]
        assert len(said) == 1
        shelf.kept[ONE.root].fails = None
        await stranger.say(packages.GetHoldings(9, ONE.root))
        await trio.sleep(1)
        assert answers(stranger)[-1] == packages.Holdings(9, ONE.root, 20, b"\xfc\xff\x0f")

    among(test, shelf)


def test_a_store_that_cannot_be_read_is_offered_as_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    shelf = Shelf(ONE)
    shelf.fails = OSError("no such device")

    async def test(made: ServiceNode) -> None:
        assert not await made.packages.offer(ONE.root)
        assert "no such device" in caplog.text

    among(test, shelf)


def test_requests_of_all_kinds_share_their_numbers() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await stranger.say(talk.GetHeaders(5, (b"i" * 64,), 1), packages.GetHoldings(5, ONE.root))
        await until(lambda: stranger.link.closed is not None)
        assert "numbers must ascend" in made.reasons[-1]

    among(test, Shelf(ONE))


def test_a_request_that_waits_is_taken_back() -> None:
    shelf = Shelf(LARGE)

    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        await made.packages.offer(LARGE.root)
        stranger.reads_bulk = trio.Event()
        await stranger.say(
            packages.GetChunk(1, LARGE.root, 0),
            packages.GetChunk(2, LARGE.root, 1),
            packages.GetChunk(3, LARGE.root, 2),
            talk.Nevermind(2),
        )
        await trio.sleep(1)
        stranger.reads_bulk.set()
        await trio.sleep(5)
        heard = answers(stranger)
        assert talk.Refuse(2, WHOLE_REST, talk.REFUSED_CANCELLED) in heard
        assert sorted(one.number for one in heard if isinstance(one, packages.Chunk)) == [1, 3]

    among(test, shelf)


def test_a_request_that_is_taken_back_while_it_is_read_is_not_sent() -> None:
    class Slow:
        async def read(self, root: bytes, index: int) -> bytes:
            await trio.sleep(1)
            return LARGE.chunks[index]

    async def test(made: ServiceNode) -> None:
        await made.packages.offer(LARGE.root)
        made.packages._answering._source = Slow()
        stranger = await made.dialled_by(1)
        await stranger.say(packages.GetChunk(1, LARGE.root, 0))
        await trio.sleep(0.5)
        await stranger.say(talk.Nevermind(1))
        await trio.sleep(3)
        assert answers(stranger) == [talk.Refuse(1, WHOLE_REST, talk.REFUSED_CANCELLED)]

    among(test, Shelf(LARGE))


def test_slow_readers_lose_their_places_to_who_waits() -> None:
    async def test(made: ServiceNode) -> None:
        await made.packages.offer(LARGE.root)
        slow = []
        for number in range(1, PACKAGE_ANSWERS_HELD - PACKAGE_ANSWERS_HELD // 3 + 1):
            stranger = await made.dialled_by(number)
            stranger.reads_bulk = trio.Event()
            await stranger.say(packages.GetChunk(1, LARGE.root, 0))
            slow.append(stranger)
        await trio.sleep(4)
        assert all(one.link.closed is None for one in slow)
        quick = await made.dialled_by(20)
        await quick.say(packages.GetChunk(1, LARGE.root, 0))
        await trio.sleep(PLACE_MS / 1000)
        assert [type(one) for one in answers(quick)] == [packages.Chunk]
        assert quick.link.closed is None

    among(test, Shelf(LARGE))


def test_what_nobody_asked_for_ends_a_connection_at_its_head() -> None:
    async def test(made: ServiceNode) -> None:
        stranger = await made.dialled_by(1)
        frame = frame_bytes(packages.Chunk(1, ONE.root, 0, bytes(MIB)))
        await stranger.link.bulk.send_all(frame[:100])
        await until(lambda: stranger.link.closed is not None)
        assert "which nobody asked for" in made.reasons[-1]

    among(test, Shelf(ONE))


def test_a_peer_that_leaves_holds_no_place() -> None:
    async def test(made: ServiceNode) -> None:
        await made.packages.offer(LARGE.root)
        stranger = await made.dialled_by(1)
        stranger.reads_bulk = trio.Event()
        await stranger.say(packages.GetChunk(1, LARGE.root, 0))
        await trio.sleep(1)
        assert made.packages.serving.statistics().answering == 1
        stranger.link.close()
        await until(lambda: not made.packages.serving.statistics().answering)

    among(test, Shelf(LARGE))


def test_more_is_not_given_than_the_rate() -> None:
    async def test(made: ServiceNode) -> None:
        await made.packages.offer(LARGE.root)
        stranger = await made.dialled_by(1)
        began = trio.current_time()
        for number in range(1, 31):
            await stranger.say(packages.GetChunk(number, LARGE.root, number % 4))
            await until(lambda number=number: len(answers(stranger)) == number)  # type: ignore[misc]
        took = trio.current_time() - began
        given = sum(isinstance(one, packages.Chunk) for one in answers(stranger))
        # A peer is given 8 MiB a second of 16, and 8 at first.
        assert given == 30
        assert took > 2.5

    among(test, Shelf(LARGE))
