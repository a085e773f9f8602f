"""Failures that hinder the proving of calls: told, waited out, and no reason to end the node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from esper.gateway.proving_rows import Alarm, Row, Sign, Status, Step, encode_row, row_of
from esper.gateway.store.errors import StoreDamagedError, StoreFullError
from esper.gateway.store.line import KeptLine, NotBooked
from esper.node.gateway.proving.driver_ports import NotSignedError
from esper.node.gateway.proving.proving_driver import LOOK_S, ProvingDriver
from esper.node.gateway.proving.proving_troubles import (
    AFTER_FAILURE_S,
    LONGEST_AFTER_FAILURE_S,
    Backoff,
    ProvingTroubles,
)
from esper.node.gateway.standing import ENGINE_DISAGREES, Standing
from esper.storage.errors import StorageError
from tests.support.gateway.driver_world import MODEL, Disk, Fate, World

SECRET = "the prompt of somebody"


class TalkativeError(Exception):
    """A mistake of the program, whose message quotes what nobody is to read."""


@dataclass
class Trying(Disk):
    """A disk whose next commits and readings fail as they are told."""

    failures: list[Exception] = field(default_factory=list)
    unread: list[Exception] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    unbooked: list[NotBooked] = field(default_factory=list)

    async def load(self) -> KeptLine:
        if self.unread:
            raise self.unread.pop(0)
        kept = await super().load()
        kept.damaged.extend(self.lost)
        return kept

    async def commit(self, step: Step) -> list[NotBooked]:
        if self.failures:
            raise self.failures.pop(0)
        await super().commit(step)
        found, self.unbooked = self.unbooked, []
        return found


class Driven:
    """A driver over a naive chain, whose signer may refuse some calls."""

    def __init__(self) -> None:
        self.disk = Trying(Fate())
        self.world = World(self.disk, self.disk.fate)
        self.world.now_ms = 1_000_000
        self.standing = Standing()
        self.refusing: dict[str, Exception] = {}
        self.driver = ProvingDriver(
            self.world, self.disk, self.sign, self.standing, lambda step: None, forget=50
        )

    async def sign(self, sign: Sign, row: Row | None) -> tuple[bytes, bytes]:
        if sign.call in self.refusing:
            raise self.refusing[sign.call]
        return await self.world.sign(sign, row)

    def ask(self, call: str) -> None:
        row = Row(call, MODEL, 3, (7, 8), 1_000, self.world.now_ms)
        self.disk.rows[call] = encode_row(row)
        self.driver.enqueue(row)

    def kept(self, call: str) -> Row:
        return row_of(self.disk.rows[call])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        await self.driver.load()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.driver.run)
            await settled()
            yield
            nursery.cancel_scope.cancel()


async def settled() -> None:
    await trio.testing.wait_all_tasks_blocked(0.01)


def go(main: Any) -> None:
    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0.05))


FULL = StoreFullError(Path("gateway.db"), "no space", "free some")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (FULL, "free some"),
        (StorageError("block 3 is pruned"), "block 3 is pruned"),
        (TalkativeError(SECRET), "TalkativeError at "),
        (KeyError(SECRET), "a fault of the program"),
    ],
)
def test_what_fails_is_told_and_tried_again(error: Exception, told: str) -> None:
    async def main() -> None:
        it = Driven()
        async with it.running():
            it.disk.failures = [error]
            it.ask("a")
            await settled()
            [warning] = it.standing.warnings
            assert warning.startswith("no call is proven: ")
            assert told in warning
            assert SECRET not in warning
            assert it.kept("a").status is Status.QUEUED
            await trio.sleep(AFTER_FAILURE_S + LOOK_S)
            assert it.standing.warnings == ()
            assert it.kept("a").status is Status.SUBMITTED

    go(main)


def test_a_line_that_cannot_be_read_again_is_waited_for() -> None:
    async def main() -> None:
        it = Driven()
        async with it.running():
            it.disk.failures, it.disk.unread = [FULL], [TalkativeError(SECRET), FULL]
            it.ask("a")
            await trio.sleep(100 * AFTER_FAILURE_S)
            assert it.kept("a").status is Status.SUBMITTED
            assert it.standing.warnings == ()

    go(main)


def test_one_that_cannot_be_signed_holds_nobody_up() -> None:
    async def main() -> None:
        it = Driven()
        damaged = StoreDamagedError(Path("gateway.db"), "a page is zero", "put a backup")
        it.refusing = {"a": NotSignedError("not now"), "b": TalkativeError(SECRET), "c": damaged}
        async with it.running():
            for call in ("a", "b", "c", "d"):
                it.ask(call)
            await settled()
            assert it.kept("d").status is Status.SUBMITTED
            [warning] = it.standing.warnings
            assert warning.startswith("call c cannot be signed: ")
            assert SECRET not in warning
            it.refusing.clear()
            it.world.now_ms += 60_000
            await trio.sleep(2 * LOOK_S)
            assert {it.kept(call).status for call in "abcd"} == {Status.SUBMITTED}
            assert it.standing.warnings == ()

    go(main)


def test_one_that_never_can_be_is_given_up() -> None:
    async def main() -> None:
        it = Driven()
        it.refusing = {"a": NotSignedError("its promise is gone", is_lost=True)}
        async with it.running():
            it.ask("a")
            await settled()
            assert (it.kept("a").status, it.kept("a").reason) == (Status.UNPROVEN, "damaged")
            assert it.disk.releases == {"a"}

    go(main)


def test_what_hinders_all_calls_makes_none_give_way() -> None:
    async def main() -> None:
        it = Driven()
        it.refusing = {"a": FULL}
        async with it.running():
            it.ask("a")
            it.ask("b")
            await settled()
            assert it.kept("b").status is Status.QUEUED
            assert it.standing.warnings == (f"no call is proven: {FULL}",)

    go(main)


def test_rows_that_nobody_can_read_are_told() -> None:
    async def main() -> None:
        it = Driven()
        it.disk.lost = ["a1", "a2", "a3", "a4", "a5"]
        async with it.running():
            [warning] = it.standing.warnings
            assert "a1, a2, a3 and 2 more" in warning
            assert "backup" in warning

    go(main)


def test_books_that_contradict_the_chain_are_told() -> None:
    async def main() -> None:
        it = Driven()
        async with it.running():
            it.disk.unbooked = [NotBooked("a", "it has no promise")]
            it.ask("a")
            await settled()
            [warning] = it.standing.warnings
            assert "call a could not be booked: it has no promise" in warning

    go(main)


def test_waits_double_to_an_end() -> None:
    backoff = Backoff()
    waits = [backoff.failed() for _ in range(2_000)]
    assert waits[:3] == [AFTER_FAILURE_S, 2 * AFTER_FAILURE_S, 4 * AFTER_FAILURE_S]
    assert max(waits) == LONGEST_AFTER_FAILURE_S
    backoff.over()
    assert backoff.failed() == AFTER_FAILURE_S


def test_the_same_trouble_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        troubles = ProvingTroubles(Standing())
        for _ in range(3):
            await troubles.failed(FULL)

    go(main)
    assert len(caplog.records) == 1


def test_a_stop_names_its_call_before_it_is_kept() -> None:
    async def main() -> None:
        it = Driven()
        async with it.running():
            it.disk.failures = [FULL]
            alarm = Alarm(ENGINE_DISAGREES, "f" * 32)
            with pytest.raises(StoreFullError):
                await it.driver._keep(Step(stopped=ENGINE_DISAGREES, alarms=[alarm]))
            assert not it.standing.serves
            assert "call " + "f" * 32 in it.standing.warnings[0]

    go(main)
