"""Calls on their way into a naive chain that reorganises, forgets, lapses and is restarted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from esper.gateway.proving import ProvingLine
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

MODEL = b"m" * 64
LANE_BLOCKS = 3


@dataclass
class Kept:
    """What the database holds."""

    rows: dict[str, bytes] = field(default_factory=dict)
    charges: dict[str, int] = field(default_factory=dict)
    releases: set[str] = field(default_factory=set)
    followed: list[tuple[int, bytes]] = field(default_factory=list)
    next_nonce: int = 0
    stopped: str = ""

    def commit(self, step: Step) -> None:
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


class Lines(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.kept = Kept()
        self.chain: list[Block] = []
        self.highest = 0
        self.known: dict[bytes, Version] = {}
        self.answers: dict[bytes, tuple[int, ...]] = {}
        self.mempool: dict[int, Version] = {}
        self.asked = 0
        self.made = 0
        self.now = 0
        self.line = self.loaded()

    # The machine around it

    def loaded(self) -> ProvingLine:
        rows = [row_of(data) for data in self.kept.rows.values()]
        tip = self.kept.followed[-1][0] if self.kept.followed else 0
        return ProvingLine(rows, self.kept.next_nonce, tip, self.kept.stopped)

    @property
    def tip(self) -> int:
        return len(self.chain)

    @property
    def spent(self) -> list[Spent]:
        return [spent for block in self.chain for spent in block.spent]

    def conditions(self) -> Conditions:
        nonce = len(self.spent)
        waiting = frozenset(v.txid for v in self.mempool.values())
        return Conditions(self.now, nonce, 10**9, 10**9, 10, frozenset({MODEL}), None, waiting)

    def follow(self) -> None:
        followed = self.kept.followed
        while followed and (
            len(self.chain) < followed[-1][0]
            or self.chain[followed[-1][0] - 1].block_id != followed[-1][1]
        ):
            self.commit(self.line.undone(*followed[-1]))
        for block in self.chain[len(followed) :]:
            self.commit(self.line.added(block))

    def commit(self, step: Step) -> None:
        assert not step.stopped, step.alarms
        assert not step.alarms
        self.kept.commit(step)

    def send(self, versions: list[Version]) -> None:
        for version in versions:
            if version.expiry > self.tip and version.nonce >= len(self.spent):
                self.mempool.setdefault(version.nonce, version)

    def sign(self, sign: Sign) -> tuple[bytes, bytes]:
        self.made += 1
        txid = b"tx%d" % self.made
        self.known[txid] = Version(txid, b"", sign.nonce, sign.bid, sign.expiry)
        if not sign.cancel:
            self.answers[txid] = row_of(self.kept.rows[sign.call]).answer
        return txid, b"bytes"

    def look(self, crash: int = 9) -> None:
        """``crash``: the point at which the program dies, counted from 0."""
        step = self.line.look(self.conditions())
        if crash == 0:
            return self.restart()
        self.commit(step)
        if crash == 1:
            return self.restart()
        self.send(step.sends)
        if step.sign is None:
            return None
        signed = self.line.signed(step.sign, *self.sign(step.sign))
        if crash == 2:
            # Signed, and neither kept nor sent: as if it had never been.
            return self.restart()
        self.commit(signed)
        if crash == 3:
            return self.restart()
        self.send(signed.sends)
        for version in signed.sends:
            self.commit(self.line.submitted(version.txid))
        return None

    # What may happen

    @rule(count=st.integers(1, 4), price=st.sampled_from([5, 10, 25, 1000]))
    def ask(self, count: int, price: int) -> None:
        for _ in range(count):
            self.asked += 1
            call = f"{self.asked:032x}"
            row = Row(call, MODEL, 3, (self.asked, 7), price, self.now)
            self.kept.rows[call] = encode_row(row)
            self.line.enqueue(row)

    @rule(crash=st.integers(0, 9), times=st.integers(1, 40))
    def work(self, crash: int, times: int) -> None:
        for turn in range(times):
            self.look(crash if turn == times - 1 else 9)

    @rule(most=st.integers(0, 5), lane=st.booleans(), answer_lanes=st.booleans())
    def mine(self, most: int, lane: bool, answer_lanes: bool) -> None:
        self.block(most, lane, answer_lanes)
        self.follow()

    @rule(blocks=st.sampled_from([1, 6, 41]))
    def mine_nothing(self, blocks: int) -> None:
        for _ in range(blocks):
            self.block(0, False, False)
            self.follow()

    @rule(undo=st.integers(1, DEEP_BLOCKS - 1), late=st.booleans(), data=st.data())
    def reorganise(self, undo: int, late: bool, data: st.DataObject) -> None:
        undo = min(undo, len(self.chain), max(0, DEEP_BLOCKS - 1 - (self.highest - self.tip)))
        gone = [self.chain.pop() for _ in range(undo)]
        # Any version that was ever sent may be in another's mempool, also one that lapsed.
        for version in data.draw(st.permutations(list(self.known.values())))[:3]:
            if version.expiry > self.tip and version.txid in self.sent():
                self.mempool[version.nonce] = version
        for _ in range(len(gone) + 1):
            self.block(data.draw(st.integers(0, 4)), data.draw(st.booleans()), True)
        if not late:
            self.follow()

    @rule()
    def lose_mempool(self) -> None:
        self.mempool.clear()

    @rule()
    def restart(self) -> None:
        self.line = self.loaded()
        self.follow()

    @rule()
    @precondition(lambda self: self.asked)
    def wait(self) -> None:
        self.now += 6 * 3600 * 1000

    def sent(self) -> set[bytes]:
        rows = [row_of(data) for data in self.kept.rows.values()]
        return {version.txid for row in rows for version in row.versions}

    def open_lanes(self) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for block in self.chain:
            found.update({s.txid: block.height for s in block.spent if s.txid in self.answers})
            for txid in (*(a.txid for a in block.answered), *block.lapsed):
                found.pop(txid, None)
        return found

    def block(self, most: int, lane: bool, answer_lanes: bool) -> None:
        height, nonce = self.tip + 1, len(self.spent)
        lanes = self.open_lanes()
        lapsed = tuple(txid for txid, at in lanes.items() if height - at > LANE_BLOCKS)
        answered = [txid for txid in lanes if txid not in lapsed and answer_lanes]
        spent: list[Spent] = []
        while len(spent) < most and (version := self.mempool.get(nonce)) is not None:
            if version.expiry < height:
                break
            spent.append(Spent(version.txid, nonce))
            if version.txid in self.answers and not lane:
                answered.append(version.txid)
            nonce += 1
        self.made += 1
        answers = tuple(Answered(txid, self.answers[txid]) for txid in answered)
        self.chain.append(Block(height, b"block%d" % self.made, tuple(spent), answers, lapsed))
        self.highest = max(self.highest, height)
        self.mempool = {n: v for n, v in self.mempool.items() if n >= nonce and v.expiry > height}

    # What always holds

    def paid(self) -> list[str]:
        owner = {
            version.txid: call
            for call, data in self.kept.rows.items()
            for version in row_of(data).versions
        }
        return [owner[a.txid] for block in self.chain for a in block.answered]

    @invariant()
    def nothing_is_paid_twice(self) -> None:
        paid = self.paid()
        assert len(paid) == len(set(paid))
        assert set(self.kept.charges).isdisjoint(self.kept.releases)

    @invariant()
    def few_wait(self) -> None:
        assert len(self.mempool) <= PENDING_LIMIT

    @invariant()
    def nonces_are_unbroken(self) -> None:
        nonces = [spent.nonce for spent in self.spent]
        assert nonces == list(range(len(nonces)))

    def teardown(self) -> None:
        """From anywhere on, an honest chain brings everything to its end."""
        self.follow()
        for _ in range(400):
            if all(row_of(data).settled_at is not None for data in self.kept.rows.values()):
                break
            for _ in range(PENDING_LIMIT + 2):
                self.look()
            self.block(16, False, True)
            self.follow()
            self.now += 600_000
        rows = [row_of(data) for data in self.kept.rows.values()]
        calls = [row for row in rows if not row.cancel]
        assert len(calls) == self.asked
        paid = set(self.paid())
        for row in calls:
            final = row.call in paid
            assert row.status is (Status.FINAL if final else Status.UNPROVEN), row
            assert bool(row.reason) is not final
            assert (row.call in self.kept.charges) is final
            assert (row.call in self.kept.releases) is not final
        self.nothing_is_paid_twice()


TestLines: Any = Lines.TestCase
TestLines.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
