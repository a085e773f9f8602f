"""One address cannot take all places of a route; who finds none comes back, not all at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
import trio
import trio.testing
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from esper.explorer.routes import explorer_routes
from esper.http.again import LONGEST_S, again_s
from esper.http.answers import plain_answer
from esper.http.application import application
from esper.http.routes import RefusedError, RouteLimits
from esper.http.slots import Slots
from tests.support.http.http_world import (
    App,
    connected,
    go,
    http_settings,
    request,
    route,
    routed,
    status_of,
)

ONE, OTHER = "192.0.2.1", "192.0.2.2"
PER_ADDRESS, PLACES = 2, 3


class Holding:
    """A route whose requests are being answered until they are let go."""

    def __init__(self) -> None:
        self.gate = trio.Event()
        self.slots = Slots(PLACES, PER_ADDRESS)
        self.app = routed([route("/", self.answer, limits=RouteLimits(self.slots))])

    async def answer(self, asked: Request, granted: Any) -> Response:
        await self.gate.wait()
        return PlainTextResponse("done")

    @asynccontextmanager
    async def asked(self, address: str) -> AsyncIterator[Any]:
        async with connected(self.app, address=address) as client:
            await client.say(request())
            await client.stream.send_eof()
            await trio.testing.wait_all_tasks_blocked(0.01)
            yield client


async def refusal(it: Holding, address: str) -> bytes:
    async with it.asked(address) as client:
        found: bytes = await client.hear_all()
        return found


def test_one_address_has_some_of_the_places() -> None:
    async def main() -> None:
        it = Holding()
        async with AsyncExitStack() as stack:
            held = [await stack.enter_async_context(it.asked(ONE)) for _ in range(PER_ADDRESS)]
            assert it.slots.free == PLACES - PER_ADDRESS
            answer = await refusal(it, ONE)
            assert status_of(answer) == 503
            assert b"2 requests are being answered to your address: try again" in answer
            # The same machine, whatever way its address is written.
            assert status_of(await refusal(it, f"::ffff:{ONE}")) == 503
            held.append(await stack.enter_async_context(it.asked(OTHER)))
            assert b"3 requests are being answered: try again" in await refusal(it, "192.0.2.3")
            it.gate.set()
            for client in held:
                assert status_of(await client.hear_all()) == 200
        assert it.slots.free == PLACES
        assert status_of(await refusal(it, ONE)) == 200

    go(main, mocked=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_may_have_all(address: str) -> None:
    """A proxy here brings everybody from one address."""

    async def main() -> None:
        it = Holding()
        async with AsyncExitStack() as stack:
            for _ in range(PLACES):
                await stack.enter_async_context(it.asked(address))
            assert it.slots.free == 0
            assert status_of(await refusal(it, address)) == 503
            it.gate.set()

    go(main, mocked=True)


def test_all_routes_of_pages_have_places_by_address() -> None:
    async def node(*asked: Any) -> Any:
        raise AssertionError

    routes = explorer_routes(node, remote=True, clock=lambda: 0)  # type: ignore[arg-type]
    assert len(routes) > 10
    for one in routes:
        assert 1 < one.limits.slots.per_client <= one.limits.slots.limit // 2, one.path


def ask(app: App, *, is_kept: bool = False) -> bytes:
    found: list[bytes] = []

    async def main() -> None:
        async with connected(app, is_kept=is_kept) as client:
            await client.say(request())
            await client.stream.send_eof()
            found.append(await client.hear_all())

    go(main, mocked=True)
    return found[0]


@pytest.mark.parametrize("chance", [0.0, 0.4, 0.7, 1.0])
def test_who_finds_no_place_is_told_when_by_chance(chance: float) -> None:
    limits = RouteLimits(Slots(0))
    answers = [
        ask(application([route("/", nothing, limits=limits)], http_settings(), lambda: chance)),
        ask(application([route("/", nothing)], http_settings(), lambda: chance), is_kept=True),
    ]
    for answer in answers:
        assert status_of(answer) == 503
        assert b"retry-after: %d\r\n" % again_s(chance) in answer


async def nothing(asked: Request, granted: Any) -> Response:
    return PlainTextResponse("")


def test_the_whole_seconds_of_all_chances() -> None:
    seconds = {again_s(number / 100) for number in range(101)}
    assert seconds == set(range(1, LONGEST_S + 1))


def test_an_answer_without_a_wait_has_no_header_of_one() -> None:
    assert b"retry-after" not in plain_answer(400, "no")
    assert b"\r\nretry-after: 2\r\n\r\nbusy\n" in plain_answer(503, "busy", 2)


def test_the_form_of_a_route_may_say_it_more_exactly() -> None:
    def shape(refused: RefusedError) -> Response:
        return PlainTextResponse(refused.message, 503, {"retry-after": "9"})

    def made(form: Callable[[RefusedError], Response]) -> bytes:
        limits = RouteLimits(Slots(0))
        return ask(routed([route("/", nothing, limits=limits, refusal=form)]))

    assert made(shape).count(b"retry-after") == 1
    assert b"retry-after: 9\r\n" in made(shape)
