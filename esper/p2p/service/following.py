"""The three machines together: what messages tell them, and what they tell each other.

announce, push ─▶ block relay ─ToSync─▶ sync        have_txs ─▶ transaction relay
▲ busy              │ busy                     ▲ busy
└───────────────────┴──────────────────────────┘
"""

from collections.abc import Callable, Iterable
from typing import Final

from esper.p2p.flow.open_requests import Owner
from esper.p2p.peer import PeerNumber
from esper.p2p.relay.block_relay import BlockRelay
from esper.p2p.relay.relay_actions import ToSync
from esper.p2p.relay.tx_relay import TxRelay
from esper.p2p.service.machine_room import MachineRoom
from esper.p2p.sync.sync import Sync, SyncState
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import Claim

BLOCKS: Final = Owner.BLOCKS
SYNC: Final = Owner.SYNC
TRANSACTIONS: Final = Owner.TRANSACTIONS


class Following:
    """Passes events on, and keeps the machines' view of each other."""

    def __init__(
        self,
        sync: Sync,
        blocks: BlockRelay,
        transactions: TxRelay,
        steady: Callable[[], int],
        tell: Callable[[object], None],
    ) -> None:
        """``tell`` hears of what no machine handles: words for the log, milestones."""
        self.sync = sync
        """Follows the chain that peers have."""
        self.blocks = blocks
        """Relays new blocks."""
        self.transactions = transactions
        """Relays transactions."""
        self._steady = steady
        self._tell = tell
        self.busy_changed: Callable[[], None] = _tell_nobody
        """Called when relay and mining are to rest, or may go on."""
        self._room: MachineRoom | None = None

    @property
    def machines(self) -> dict[Owner, Sync | BlockRelay | TxRelay]:
        """By owner of requests; sync hears first."""
        return {SYNC: self.sync, BLOCKS: self.blocks, TRANSACTIONS: self.transactions}

    @property
    def state(self) -> SyncState:
        """What sync says of itself."""
        return self.sync.state

    def perform_in(self, room: MachineRoom) -> None:
        """Where actions are carried out."""
        self._room = room

    def told(self, owner: Owner, action: object) -> None:
        """An action that is no message and no job."""
        match action:
            case ToSync():
                now = self._steady()
                self._do(SYNC, self.sync.header_announced(action.peer, action.header, now))
            case _:
                self._tell(action)
        self.note_busy()

    def note_busy(self) -> None:
        """Relay rests while sync catches up."""
        busy = self.sync.state.busy
        changed = busy != self.blocks.busy
        self.blocks.busy = busy
        self.transactions.busy = busy
        if changed:
            self.busy_changed()

    def claimed(self, number: PeerNumber, claim: Claim) -> None:
        """A peer says its tip."""
        self._do(SYNC, self.sync.claimed(number, claim, self._steady()))
        self.note_busy()

    def announced(self, number: PeerNumber, message: talk.Announce) -> None:
        """A peer has a block."""
        self._do(BLOCKS, self.blocks.announced(number, message.header, self._steady()))

    def pushed(self, number: PeerNumber, message: bulk.Compact | bulk.Proof) -> None:
        """A part of a block that nobody asked for."""
        self._do(BLOCKS, self.blocks.pushed(number, message, self._steady()))

    def may_push(self, number: PeerNumber) -> bool:
        """Whether a block that a peer pushes is wanted."""
        return self.blocks.may_push(number, self._steady())

    def preferred(self, number: PeerNumber, message: talk.Prefer) -> None:
        """A peer wants blocks pushed, or no more."""
        self._do(BLOCKS, self.blocks.prefer(number, bool(message.push), self._steady()))

    def have(self, number: PeerNumber, message: talk.HaveTxs) -> None:
        """A peer has transactions."""
        self._do(TRANSACTIONS, self.transactions.have(number, message, self._steady()))

    def _do(self, owner: Owner, actions: Iterable[object]) -> None:
        if self._room is not None:
            self._room.perform(owner, actions)


def _tell_nobody() -> None:
    """Nobody mines here."""
