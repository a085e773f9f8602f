"""What sync does, in words for people: where something hinders it, the cause and a remedy."""

from esper.p2p.sync.board import Board
from esper.p2p.sync.sync_state import Phase

RESYNC = (
    "stop the node and run `esperd resync --accept-loss` to follow that branch, "
    "or keep this one if it is yours"
)

PARTED = (
    "half of the outbound peers follow a heavier chain that parts from this one deeper than a node "
    f"goes back by itself: {RESYNC}"
)


def words_of(
    board: Board, phase: Phase, *, target: int, pace: float, left: int | None, busy: bool
) -> str:
    """One phrase, without a full stop."""
    height = board.chain.tip.height
    if phase is Phase.HALTED:
        return f"halted at block {height}: {board.halted}"
    hindrance = _hindrance(board, phase)
    if phase is Phase.ASKING:
        return hindrance or f"listens to what its peers have; {_groups(board)}"
    if phase is Phase.NEAR:
        return f"at block {height}{hindrance and '; ' + hindrance}"
    if hindrance:
        return f"at block {height} of {target}; {hindrance}"
    speed = f", {pace:.1f} blocks a second" if pace else ""
    time = f", {left} s left" if left is not None else ""
    waits = "; mining waits for another branch" if busy else ""
    return f"at block {height} of {target}{speed}{time}{waits}"


def _groups(board: Board) -> str:
    groups = {peer.peer.group for peer in board.peers.values() if peer.claim is not None}
    return f"heard from {len(groups)} so far"


def _hindrance(board: Board, phase: Phase) -> str:
    if not board.peers and not board.settings.alone:
        return "no peer is connected: name one with --connect, or wait for the network"
    if board.has_parted:
        return PARTED
    if any(peer.ahead_of_clock for peer in board.peers.values()):
        return "the next block lies ahead of this machine's clock: check the clock"
    if phase in (Phase.HEADERS, Phase.BLOCKS):
        for lead in board.leads:
            height = lead.window.next_missing()
            if height is None or board.is_assumed(lead, height):
                continue
            if _is_pruned(board, height):
                return (
                    f"no connected peer keeps the proof of block {height}: "
                    "connect to an archive (--connect)"
                )
    return ""


def _is_pruned(board: Board, height: int) -> bool:
    """Whether all that have a block keep no proof of it."""
    have = [peer for peer in board.peers.values() if peer.height >= height]
    return bool(have) and all(peer.proofs_from > height for peer in have)
