"""The mempool for the network: verdicts on what peers bring, and news of what waits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from esper.mempool.departures import Departure
from esper.mempool.errors import ResultFromOutsideError
from esper.mempool.verdict import Outcome
from esper.mempool.verdict import Verdict as PoolVerdict
from esper.node.events import Events, TransactionAdmitted, TransactionGone
from esper.node.peers.transactions import PoolJobs, PoolNews, pooled
from esper.p2p.faults import Offence
from esper.p2p.relay.tx_jobs import Admit, Pooled, SelectNext, Verdict
from esper.p2p.verdicts import Failure
from esper.primitives.errors.rule_violation import Consequence
from esper.primitives.errors.transaction_errors import (
    NotYetValidViolation,
    UnreadableTransactionViolation,
)
from esper.vm.transaction import Transaction
from tests.support.mempool_world import call, pay
from tests.support.vm_world import ALICE, BOB, make, sign

HEIGHT = 7
FIRST, SECOND = (sign(ALICE, make(ALICE, pay(BOB), nonce)) for nonce in (0, 1))
CALL = sign(ALICE, make(ALICE, call(), 2))


class Mempool:
    """Holds what a test says, and says of what comes what a test wants."""

    def __init__(self, *waiting: Transaction) -> None:
        self.waiting = list(waiting)
        self.answer: PoolVerdict | Exception = PoolVerdict(Outcome.ACCEPTED)
        self.pool: Any = SimpleNamespace(kept=lambda: ((one, 0, 0) for one in self.waiting))
        self.heights: list[int] = []

    async def admit(self, data: bytes) -> PoolVerdict:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def listing(self, height: int) -> list[Transaction]:
        self.heights.append(height)
        return self.waiting


def judged(mempool: Mempool, job: Admit | SelectNext) -> object:
    pool: Any = mempool
    chain: Any = SimpleNamespace(view=SimpleNamespace(context=SimpleNamespace(height=HEIGHT)))
    return trio.run(PoolJobs(pool, chain).run, job)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (PoolVerdict(Outcome.ACCEPTED), Verdict.ACCEPTED),
        (PoolVerdict(Outcome.KNOWN), Verdict.KNOWN),
        (
            PoolVerdict.of_refusal(UnreadableTransactionViolation("why")),
            (Consequence.INVALID, Offence.BAD_TX),
        ),
        (PoolVerdict.of_refusal(NotYetValidViolation(7, 9)), (Consequence.RETRY, None)),
        (PoolVerdict.of_refusal(ResultFromOutsideError()), (Consequence.RETRY, None)),
        (OSError("the disk"), (None, None)),
    ],
    ids=["accepted", "known", "invalid", "not yet", "policy", "error of ours"],
)
def test_a_verdict_says_what_its_giver_did(
    answer: PoolVerdict | Exception, expected: object
) -> None:
    mempool = Mempool()
    mempool.answer = answer
    found = judged(mempool, Admit(b"p" * 16, b"data"))
    if isinstance(found, Failure):
        assert (found.consequence, found.offence) == expected
        assert found.reason
    else:
        assert found is expected


def test_the_next_blocks_transactions_are_listed() -> None:
    mempool = Mempool(FIRST, CALL)
    assert judged(mempool, SelectNext("key")) == tuple(
        Pooled(one.wtxid[:16], len(one.to_bytes()), one.sender, one.nonce, one is CALL)
        for one in (FIRST, CALL)
    )
    assert mempool.heights == [HEIGHT + 1]


class Told:
    """Keeps what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []

    def admitted(self, one: Pooled) -> None:
        self.heard.append(("admitted", one.prefix))

    def gone(self, prefix: bytes) -> None:
        self.heard.append(("gone", prefix))


def came(one: Transaction) -> TransactionAdmitted:
    return TransactionAdmitted(one.txid, one.to_bytes(), None, ())


def went(one: Transaction) -> TransactionGone:
    return TransactionGone(one.txid, Departure.INCLUDED)


def prefix(one: Transaction) -> bytes:
    return pooled(one, one.to_bytes()).prefix


def test_news_are_told_once_also_after_some_were_missed() -> None:
    async def main() -> None:
        events, mempool, told = Events(), Mempool(FIRST), Told()
        pool: Any = mempool
        async with trio.open_nursery() as nursery:
            await nursery.start(PoolNews(events, pool, 1 << 20, told).run)
            # What waited before it listened.
            assert told.heard == [("admitted", prefix(FIRST))]
            events.publish(went(CALL))
            events.publish(came(SECOND))
            events.publish(went(FIRST))
            events.publish(went(FIRST))
            await trio.testing.wait_all_tasks_blocked()
            assert told.heard[1:] == [("admitted", prefix(SECOND)), ("gone", prefix(FIRST))]
            # More than may wait for it: what it asks the mempool then is newer than all of them.
            mempool.waiting = [SECOND, CALL]
            for _ in range(3_000):
                events.publish(went(FIRST))
            await trio.testing.wait_all_tasks_blocked()
            assert told.heard[3:] == [("admitted", prefix(CALL))]
            mempool.waiting = [CALL]
            for _ in range(3_000):
                events.publish(went(FIRST))
            await trio.testing.wait_all_tasks_blocked()
            assert told.heard[4:] == [("gone", prefix(SECOND))]
            nursery.cancel_scope.cancel()

    trio.run(main)
