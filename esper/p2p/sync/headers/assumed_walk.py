"""Headers up to the block that an operator vouches for: only then are proofs below it skipped.

The window of headers is far shorter than a chain. So beside it the giver of a lead is asked for
headers alone, which are checked up to the horizon, linked and forgotten; of each block part of its
id is kept. If they end with the assumed block, those ids are its ancestors, and their proofs are
not fetched. Meanwhile no block of that giver's lead is. What is only linked costs a liar nothing,
so a walk has a least pace.
"""

from collections.abc import Hashable
from typing import Final

from esper.consensus.header import Header
from esper.consensus.header_isolation import read_header
from esper.p2p.faults import Offence
from esper.p2p.peer import PeerNumber
from esper.p2p.sync.board import Board, HeadersAsked
from esper.p2p.sync.claims import HEADERS_COST
from esper.p2p.sync.headers.assumed import AssumedPath
from esper.p2p.sync.headers.header_run import failure_of
from esper.p2p.sync.lead import MOST_AT_ONCE
from esper.p2p.wire.bulk_messages import Headers
from esper.primitives.errors.header_errors import HorizonViolation
from esper.primitives.errors.rule_violation import RuleViolation

MOST_FAILURES: Final = 3
"""Requests without an answer, one after the other, before another giver is asked."""
LEAST_PER_S: Final = 32
"""Headers that a giver must bring, a fifth of what it may be asked for ..."""
SLOW_MS: Final = 30_000
"""... after so long."""


class AssumedWalk:
    """Walks, with one giver at a time; whose headers do not lead there is not asked again."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._walked: set[PeerNumber] = set()
        self._path: AssumedPath | None = None
        self._key: Hashable | None = None
        self._failures = 0

    @property
    def size(self) -> int:
        """Bytes of the ids that are kept."""
        return sum(path.size for path in (self._path, self._board.assumed_path) if path is not None)

    def asked(self, key: Hashable) -> bool:
        """Whether a request belongs to it."""
        return key == self._key and key is not None

    def left(self, number: PeerNumber) -> None:
        """A peer is gone."""
        self._walked.discard(number)

    def due(self, now: int) -> list[int]:
        """When something is to be done without an event."""
        peer = self._board.walked_with
        if peer is None or self._key is not None:
            return []
        return [max(peer.paused_until, peer.affordable_at(HEADERS_COST, now))]

    def work(self, now: int) -> None:
        """Ask for the next headers."""
        board, assumed = self._board, self._board.settings.assume_valid
        if assumed is None or board.assumed_path is not None or self._key is not None:
            return
        if board.chain.tip.height >= assumed[0]:
            self._stop()
            return
        if self._path is None:
            self._begin(assumed[0], now)
        peer = board.walked_with
        if peer is None or self._path is None:
            self._stop()
            return
        path = self._path
        if now - path.began_ms > SLOW_MS + 1_000 * path.walked // LEAST_PER_S:
            self._stop()
            return
        if peer.busy_headers or now < peer.paused_until or not peer.may_spend(HEADERS_COST, now):
            return
        most = min(MOST_AT_ONCE, assumed[0] - path.height)
        asked = HeadersAsked(peer.peer.number, (path.tip_id,), most, peer.claim)
        self._key = board.ask_headers(asked, now)

    def answered(self, asked: HeadersAsked, answer: Headers) -> None:
        """Headers came. Blames whoever gave wrong ones."""
        board, assumed, path = self._board, self._board.settings.assume_valid, self._path
        if assumed is None or path is None:
            return
        if answer.fork != path.tip_id:
            # Its giver left that branch: somebody else is walked with.
            self._stop()
            return
        try:
            for data in answer.headers:
                header = read_header(data, board.chain.tip.params.limits)
                if header.pre.parent != path.tip_id:
                    words = "its headers do not follow each other"
                    board.blame(asked.peer, Offence.UNASKED, words)
                    self._stop()
                    return
                self._check(header, path)
                path.append(header)
        except RuleViolation as violation:
            failure = failure_of(violation)
            if failure.offence is not None:
                board.blame(asked.peer, failure.offence, failure.reason)
            self._stop()
            return
        if path.height == assumed[0] and path.tip_id == assumed[1]:
            board.assumed_path = path
            board.tell(
                f"headers lead to block {assumed[0]} of --assume-valid: proofs up to it are "
                "not looked at"
            )
            self._stop()
        elif path.height == assumed[0] or len(answer.headers) < asked.most:
            board.tell(
                f"the chain of a peer has another block than that of --assume-valid at height "
                f"{assumed[0]}: its proofs are all checked; look whether the id is the right one",
                alarming=True,
            )
            self._stop()

    def ended(self, key: Hashable, *, done: bool) -> None:
        """A request is over."""
        if key == self._key:
            self._key = None
            if done:
                self._failures = 0
                return
            self._failures += 1
            if self._failures >= MOST_FAILURES:
                self._stop()

    def _check(self, header: Header, path: AssumedPath) -> None:
        """All rules of a header up to the horizon, beyond it those that ask for no branch."""
        chain = self._board.chain
        if path.top is not None:
            try:
                chain.check_header(header, path.top)
                return
            except HorizonViolation:
                path.top = None
        chain.check_alone(header)

    def _begin(self, height: int, now: int) -> None:
        for lead in self._board.leads:
            giver = self._board.peers.get(lead.giver)
            if giver is None or lead.giver in self._walked or giver.claim is None:
                continue
            if giver.claim.height >= height > lead.branch.base.height:
                self._board.walker, self._path = lead.giver, AssumedPath(lead.branch.base, now)
                self._walked.add(lead.giver)
                return

    def _stop(self) -> None:
        self._board.walker = self._path = None
        self._failures = 0
