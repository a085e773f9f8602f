"""The numbers of the network page, section 5, and what follows from a network's parameters.

Times are milliseconds, sizes bytes, rates a second unless a name says otherwise.
"""

from dataclasses import dataclass
from typing import Final

from esper.consensus.block import MAX_CALL_GROUPS, MAX_ITEM_BYTES, MAX_RESULTS, MAX_TRANSACTIONS
from esper.primitives.params import NetworkParameters

KIB: Final = 1 << 10
MIB: Final = 1 << 20

# Frames and records.
FRAME_HEAD_BYTES: Final = 4
TALK_RECORD_BYTES: Final = 64 * KIB
COMPACT_EXTRA_BYTES: Final = 96 * KIB
"""What a compact block and the transactions asked for it may hold beyond a whole body."""
ANSWER_HEAD_BYTES: Final = 128
"""Request number, block id and the heads of their record around a body or a proof."""
TRANSACTIONS_BYTES: Final = 512 * KIB
HEADERS_BYTES: Final = 513 * KIB
HEADER_BYTES: Final = 4096
OUTPUTS_BYTES: Final = 64 * KIB
TRANSACTION_BYTES: Final = 64 * KIB
PREFIX_BYTES: Final = 16
MOST_HEADERS: Final = 128
MOST_LOCATOR: Final = 32
MOST_BLOCKS: Final = 16
MOST_ADDRESSES: Final = 256
MOST_ANNOUNCED: Final = 256
MOST_ASKED: Final = 64
MOST_TRANSACTIONS: Final = MAX_TRANSACTIONS
MOST_RESULTS: Final = MAX_RESULTS
MOST_GROUPS: Final = MAX_CALL_GROUPS
ITEM_BYTES: Final = MAX_ITEM_BYTES
AGENT_BYTES: Final = 64
WEIGHT_BYTES: Final = 64

# Packages of models.
DIGEST_BYTES: Final = 32
CHUNK_BYTES: Final = MIB
MOST_CHUNKS: Final = 1 << 16
"""Of a package, its manifest counted: 64 GiB."""
PAGE_DIGESTS: Final = 4_096
"""Digests of a whole page of a package's list."""
MOST_PAGES: Final = MOST_CHUNKS // PAGE_DIGESTS
PAGE_BYTES: Final = PAGE_DIGESTS * DIGEST_BYTES
HOLDINGS_BYTES: Final = MOST_CHUNKS // 8

# Connections.
HANDSHAKE_MS: Final = 10_000
HELLO_MS: Final = 5_000
PING_EVERY_MS: Final = 30_000
PONG_MS: Final = 20_000
SEND_MS: Final = 20_000
SEND_MS_PER_64_KIB: Final = 1_000
TALK_QUEUE_BYTES: Final = 512 * KIB
EVENTS_WAITING: Final = 64
"""Events of a connection that wait for the machines; beyond, requests are busy, news is dropped."""
FULL_OUTBOUND: Final = 8
BLOCKS_ONLY_OUTBOUND: Final = 2
INBOUND: Final = 32
CONNECTIONS: Final = FULL_OUTBOUND + BLOCKS_ONLY_OUTBOUND + 1 + INBOUND
OUTBOUND_PART: Final = 3
"""Of every limit "in all" one part in so many is kept for outbound peers."""

# Requests.
BLOCK_WHOLE_MS: Final = 10_000
QUICK_BEGINS_MS: Final = 3_000
"""Of txs and block_txs."""
ANSWER_BEGINS_MS: Final = 10_000
DRIP_BYTES_PER_S: Final = 64 * KIB
DRIP_OVER_MS: Final = 8_000
CLOSING_MS: Final = 60_000
"""A cancelled or late request must have ended by then."""
REQUESTS_PER_S: Final = 20
REQUEST_BURST: Final = 60
BUSY_REFUSALS: Final = 200
BUSY_WINDOW_MS: Final = 600_000
TALK_PER_S: Final = 64 * KIB
TALK_BURST: Final = MIB
SERVED_PER_S: Final = 16 * MIB
SERVED_BURST: Final = 32 * MIB
ANSWERS_HELD: Final = 6

# Blocks.
ANNOUNCES_PER_S: Final = 1
ANNOUNCE_BURST: Final = 16
PROOFS_PER_S: Final = 2
PROOF_BURST: Final = 16
PROOFS_PER_S_IN_ALL: Final = 50
FETCHES_INBOUND: Final = 6
FETCHES_OUTBOUND: Final = 5
PUSHES: Final = 2
FETCHES_OF_A_WORK: Final = 3
ANOTHER_FETCH_MS: Final = 1_000
WAIT_FOR_OUTBOUND_MS: Final = 50
WAIT_FOR_PUSH_MS: Final = 250
WORKS_OF_A_PEER: Final = 4
NEAR_FORK: Final = 6
"""A branch that leaves our chain deeper than this below the tip is left to sync."""
FUTURE_MS: Final = 600_000
FUTURE_HEADERS_OF_A_PEER: Final = 2
FUTURE_HEADERS: Final = 16
PREFERRED: Final = 2
PREFERRERS: Final = 10
PREFER_GRACE_MS: Final = PING_EVERY_MS + PONG_MS + 10_000
"""A connection that fails for no longer than pings bear brings what was pushed before: nobody is
to blame for that."""
FIRST_OF: Final = 8
FIRST_IN: Final = 3
FILLED_BYTES: Final = 64 * KIB
RECENT_BLOCKS: Final = 8
RECENT_BYTES: Final = 12 * MIB
UNPROVEN_HEADERS: Final = 2_048
SYNC_BYTES: Final = 32 * MIB

# Transactions.
TX_PER_S: Final = 20
TX_BURST: Final = 256
TX_PER_S_IN_ALL: Final = 200
TX_IN_FLIGHT: Final = 64
TX_IN_FLIGHT_BYTES: Final = 512 * KIB
TX_IN_FLIGHT_BYTES_IN_ALL: Final = 4 * MIB
TX_WAIT_FOR_OUTBOUND_MS: Final = 2_000
TX_ANSWER_MS: Final = 3_000
TX_UNANSWERED: Final = 16
TX_NOT_ASKED_MS: Final = 600_000
OUTBOUND_DELAY_MS: Final = 2_000
INBOUND_DELAY_MS: Final = 5_000
KNOWN_PREFIXES: Final = 1_024
"""Kept twice a peer: what it told us and what it was told."""
REFUSED_PREFIXES: Final = 8_192
REFUSED_MS: Final = 3_600_000
AGAIN_EVERY_MS: Final = 600_000
AGAIN_PART: Final = 10

# Fetching packages.
DOWNLOADS: Final = 8
"""Packages that are wanted at once."""
CHUNKS_HELD: Final = 16
"""Chunks that are asked for or being written, in all: a MiB each."""
CHUNKS_OF_A_PEER: Final = 4
LEAST_IN_FLIGHT: Final = 2
QUICK_CHUNK_MS: Final = 4_000
"""Who gives a chunk so quickly is asked for one more at a time."""
CROWDED_MS: Final = 10_000
"""Late chunks halve what is in flight in all once in so long."""
DOUBLE_AFTER_MS: Final = 2_000
"""A chunk that is out so long is asked of a second peer that has nothing else to give."""
ASKERS_OF_A_CHUNK: Final = 2
LIST_MS: Final = 45_000
"""A peer has so long for a whole list of digests."""
HOLDINGS_EVERY_MS: Final = 15_000
"""A peer that lacks what this node lacks is asked so often what it has."""
NOT_THERE_MS: Final = 15_000
"""A peer that has nothing of a package is asked again after so long."""
SLOW_ASIDE_MS: Final = 30_000
"""Doubled each time ..."""
MOST_ASIDE_MS: Final = 600_000
"""... up to so long."""
BUSY_ASIDE_MS: Final = 2_000
MOST_BUSY_ASIDE_MS: Final = 60_000
CLAIMS_BROKEN: Final = 8
"""Chunks that a peer said it has and refused, until it is put aside."""
PACKAGE_TROUBLE_MS: Final = 60_000
"""After an error of this node's own disk."""
PACKAGE_ASKS_PER_S: Final = 30
"""Of one peer, which answers more."""
PACKAGE_ASK_BURST: Final = 60
PACKAGE_DOWN_PER_S: Final = 16 * MIB
PACKAGE_BURST: Final = 4 * MIB

# Serving packages.
PACKAGE_REQUESTS_PER_S: Final = 40
PACKAGE_REQUEST_BURST: Final = 80
PACKAGE_REQUESTS_OPEN: Final = 8
"""Of one peer."""
PACKAGE_UP_PER_S: Final = 16 * MIB
PACKAGE_PEER_PART: Final = 2
"""A peer is given one part in so many of what all are given."""
PACKAGE_ANSWERS_HELD: Final = 6
PACKAGES_OFFERED: Final = 32


@dataclass(frozen=True, slots=True)
class NetworkLimits:
    """What depends on a network's parameters."""

    undo: int
    """U: blocks that a node undoes by itself."""
    horizon: int
    """L: headers may be so far above their last executed ancestor."""
    ahead: int
    """Unproven headers above a branch's last proven block."""
    body: int
    """Largest body, bytes."""
    proof: int
    """Largest proof, bytes."""
    asking_ms: int
    """How long a starting node listens to claims before it follows the greatest."""

    @property
    def block(self) -> int:
        """A block at its limit, bytes: what a fetch in sync reserves."""
        return self.body + self.proof

    @property
    def fetch(self) -> int:
        """F: what the fetch of a relayed block reserves, bytes."""
        return self.block + COMPACT_EXTRA_BYTES

    @classmethod
    def of(cls, params: NetworkParameters) -> "NetworkLimits":
        """The limits of a network."""
        undo = params.limits.undo_depth
        horizon = params.governance.horizon
        return cls(
            undo=undo,
            horizon=horizon,
            ahead=min(256, horizon),
            body=params.limits.body_bytes,
            proof=params.limits.proof_bytes,
            asking_ms=3_000 if params.is_local else 20_000,
        )
