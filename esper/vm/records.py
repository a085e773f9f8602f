"""The records of the state, their bytes and their places in the tree.

| kind | id | record |
|---|---|---|
| 1 | address, 33 bytes | Account |
| 2 | height as u64 | PendingReward |
| 3 | ``chain`` | ChainRecord |
| 4 | address | KnownKey |
| 5 | ``credits`` | CreditTotals |
| 6 | release height as u64 | DueCount of the unbondings |
| 7 | release height as u64, index as u32 | Unbonding |
| 8 | lapse height as u64 | DueCount of the lanes |
| 9 | lapse height as u64, index as u32 | LaneDue |
| 10 | txid of the call, 64 bytes | Lane |
| 11 | ``receipts`` | Mmr over the receipts of all blocks |
| 12 | ``governance`` | Governance, see ``dao.records`` for this and all below |
| 13 | ``settings`` | SettingValues |
| 14 | tier, one byte | Tier |
| 15 | txid of a proposal, 64 bytes | Proposal |
| 16 | address | Voter |
| 17 | txid of a report | Report, see ``dao.benchmarks.report`` |
| 20 | digest of a receipt, 64 bytes | Punished, see ``dao.evidence`` |
| 23 | ``blocks`` | Mmr over all blocks but the last |

Nothing in the state is ever searched: what falls due at a height stands under that height and an
index, so a block reads just what it needs.
"""

from dataclasses import dataclass
from typing import Final

from esper.crypto.signatures import MAX_KEY_BYTES
from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes, WideUnsigned
from esper.primitives.hashing import HASH_BYTES, u32, u64
from esper.primitives.ids import ModelId, Txid
from esper.primitives.mmr import Mmr
from esper.vm.state_tree import state_path

KIND_ACCOUNT: Final = 1
KIND_REWARD: Final = 2
KIND_CHAIN: Final = 3
KIND_KEY: Final = 4
KIND_CREDITS: Final = 5
KIND_UNBONDING_COUNT: Final = 6
KIND_UNBONDING: Final = 7
KIND_LANE_COUNT: Final = 8
KIND_LANE_DUE: Final = 9
KIND_LANE: Final = 10
KIND_RECEIPTS: Final = 11
KIND_GOVERNANCE: Final = 12
KIND_SETTINGS: Final = 13
KIND_TIER: Final = 14
KIND_PROPOSAL: Final = 15
KIND_VOTER: Final = 16
KIND_REPORT: Final = 17
KIND_HIDDEN_SET: Final = 18
KIND_TOKENIZER: Final = 19
KIND_EVIDENCE: Final = 20
KIND_BLOCKS: Final = 23

RECORD_VERSION: Final = 1
RECORD_LIMIT: Final = 8192
"""No record is larger; a lane with the longest prompt is the largest."""

INDEX_BYTES: Final = 32
"""Width of the global credit index."""

MAX_PROMPT_TOKENS: Final = 1024
"""Tokens of a call's prompt on the wire; the networks' rows per call are lower in effect."""


@dataclass(frozen=True, slots=True)
class Account:
    """What an address holds. The credit fields are as of ``epoch`` and ``index``: see ``credits``.

    An account of zeros throughout is the same as none and takes no place in the state.
    """

    nonce: int = 0
    """Number of its transactions so far."""
    balance: int = 0
    """Spendable units."""
    stake: int = 0
    """Staked units; they earn credits."""
    epoch: int = 0
    """e0: credit epoch of the last settlement."""
    index: int = 0
    """g0: global credit index of that epoch at the last settlement."""
    older_credits: int = 0
    """Micro-credits earned in the epoch before ``epoch``: they lapse with it."""
    newer_credits: int = 0
    """Micro-credits earned in ``epoch``."""
    epoch_stake: int = 0
    """Staked units when ``epoch`` began."""
    used: int = 0
    """Micro-credits burned, locked or given away in ``epoch``, less those received."""
    allowance: int = 0
    """Micro-credits received in ``epoch``, less those used: it may burn so many more."""

    def moved(self, units: int, *, transactions: int = 0) -> "Account":
        """With so many units more (fewer if negative) and so many transactions more.

        What ``replace`` would give, in half the time: three times for each transfer.
        """
        return Account(
            self.nonce + transactions,
            self.balance + units,
            self.stake,
            self.epoch,
            self.index,
            self.older_credits,
            self.newer_credits,
            self.epoch_stake,
            self.used,
            self.allowance,
        )


@dataclass(frozen=True, slots=True)
class PendingReward:
    """A coinbase that is not spendable yet."""

    payee: bytes
    """33 bytes: address that gets it."""
    amount: int
    """Units."""


@dataclass(frozen=True, slots=True)
class ChainRecord:
    """What the chain knows about itself, as of the parent of the block that wrote it."""

    beacon: bytes
    """64 bytes: randomness folded from every block's r and VRF output up to the parent."""
    paid_tokens: int
    """Tokens of the parent's calls, answered for credits."""
    proven_tokens: int
    """All tokens that the parent's proofs covered; paid over proven is its usefulness."""
    issued: int
    """Units in existence after the block that wrote this, pending rewards included."""


@dataclass(frozen=True, slots=True)
class KnownKey:
    """The public key of an address, once a transaction has carried it: later ones leave it out."""

    suite: int
    """Signature suite, as in the address."""
    key: bytes
    """Public key in the suite's encoding."""


@dataclass(frozen=True, slots=True)
class CreditTotals:
    """The credits of everyone together, as of the current epoch and the one before."""

    epoch: int = 0
    """e: the current credit epoch."""
    total_stake: int = 0
    """T: staked units of all accounts."""
    index: int = 0
    """G_e: micro-credits times 2^64 that a unit staked since the epoch began has earned."""
    previous_index: int = 0
    """G_{e-1} at its end."""
    issued: int = 0
    """Micro-credits handed out in the epoch so far, an upper bound of ``drawn``."""
    previous_issued: int = 0
    """The same for the epoch before, at its end."""
    drawn: int = 0
    """Micro-credits of this epoch that settlements have put into accounts."""
    previous_drawn: int = 0
    """Micro-credits of the epoch before that settlements have put into accounts."""


@dataclass(frozen=True, slots=True)
class DueCount:
    """How many entries fall due at a height. A count of zero is never stored."""

    count: int = 0
    """Entries ever made for the height; their indices are below this."""


@dataclass(frozen=True, slots=True)
class Unbonding:
    """Units on their way from stake to balance."""

    owner: bytes
    """33 bytes: address that gets them."""
    amount: int
    """Units."""


@dataclass(frozen=True, slots=True)
class LaneDue:
    """A lane that lapses at the height it stands under, unless it is answered before."""

    call_id: Txid
    """64 bytes: the call's txid."""


@dataclass(frozen=True, slots=True)
class Lane:
    """A call whose answer comes later, in a transaction of its own, and the credits it locked."""

    caller: bytes
    """33 bytes: who pays, and who gets back what is not burned."""
    model_id: ModelId
    """64 bytes: the model that answers."""
    prompt: tuple[int, ...]
    """Input token ids, so that the answer's proof can be checked from the state alone."""
    max_tokens: int
    """Answer tokens at most."""
    price: int
    """Micro-credits per weighted token."""
    epoch: int
    """Credit epoch in which the credits were locked."""
    older_credits: int
    """Locked micro-credits of the epoch before ``epoch``."""
    newer_credits: int
    """Locked micro-credits of ``epoch``."""
    lapse_height: int
    """First height at which it cannot be answered any more."""
    due_index: int
    """Its index among the lanes of that height."""


_AMOUNT: Final = Unsigned(63)
_EPOCH: Final = Unsigned(32)
_INDEX: Final = WideUnsigned(INDEX_BYTES)

ACCOUNT: Final = Record(
    Account,
    RECORD_VERSION,
    (
        ("nonce", Unsigned(64)),
        ("balance", _AMOUNT),
        ("stake", _AMOUNT),
        ("epoch", _EPOCH),
        ("index", _INDEX),
        ("older_credits", _AMOUNT),
        ("newer_credits", _AMOUNT),
        ("epoch_stake", _AMOUNT),
        ("used", _AMOUNT),
        ("allowance", _AMOUNT),
    ),
)
PENDING_REWARD: Final = Record(
    PendingReward,
    RECORD_VERSION,
    (("payee", FixedBytes(ADDRESS_BYTES)), ("amount", _AMOUNT)),
)
CHAIN_RECORD: Final = Record(
    ChainRecord,
    RECORD_VERSION,
    (
        ("beacon", FixedBytes(HASH_BYTES)),
        ("paid_tokens", Unsigned(64)),
        ("proven_tokens", Unsigned(64)),
        ("issued", _AMOUNT),
    ),
)
KNOWN_KEY: Final = Record(
    KnownKey, RECORD_VERSION, (("suite", Unsigned(8)), ("key", VarBytes(MAX_KEY_BYTES)))
)
CREDIT_TOTALS: Final = Record(
    CreditTotals,
    RECORD_VERSION,
    (
        ("epoch", _EPOCH),
        ("total_stake", _AMOUNT),
        ("index", _INDEX),
        ("previous_index", _INDEX),
        ("issued", _AMOUNT),
        ("previous_issued", _AMOUNT),
        ("drawn", _AMOUNT),
        ("previous_drawn", _AMOUNT),
    ),
)
DUE_COUNT: Final = Record(DueCount, RECORD_VERSION, (("count", Unsigned(32)),))
UNBONDING: Final = Record(
    Unbonding, RECORD_VERSION, (("owner", FixedBytes(ADDRESS_BYTES)), ("amount", _AMOUNT))
)
LANE_DUE: Final = Record(LaneDue, RECORD_VERSION, (("call_id", FixedBytes(HASH_BYTES)),))
MAX_PEAKS: Final = 64
"""Peaks of the largest count of receipts, or blocks."""

RECEIPTS: Final = Record(
    Mmr,
    RECORD_VERSION,
    (("count", Unsigned(64)), ("peaks", Array(FixedBytes(HASH_BYTES), MAX_PEAKS))),
)
BLOCKS: Final = RECEIPTS
"""The same form, over blocks."""
LANE: Final = Record(
    Lane,
    RECORD_VERSION,
    (
        ("caller", FixedBytes(ADDRESS_BYTES)),
        ("model_id", FixedBytes(HASH_BYTES)),
        ("prompt", Array(Unsigned(32), MAX_PROMPT_TOKENS)),
        ("max_tokens", Unsigned(16)),
        ("price", Unsigned(32)),
        ("epoch", _EPOCH),
        ("older_credits", _AMOUNT),
        ("newer_credits", _AMOUNT),
        ("lapse_height", Unsigned(32)),
        ("due_index", Unsigned(32)),
    ),
)

NO_ACCOUNT: Final = Account()
CHAIN_PATH: Final = state_path(KIND_CHAIN, b"chain")
CREDITS_PATH: Final = state_path(KIND_CREDITS, b"credits")
RECEIPTS_PATH: Final = state_path(KIND_RECEIPTS, b"receipts")
GOVERNANCE_PATH: Final = state_path(KIND_GOVERNANCE, b"governance")
SETTINGS_PATH: Final = state_path(KIND_SETTINGS, b"settings")
BLOCKS_PATH: Final = state_path(KIND_BLOCKS, b"blocks")


def account_path(address: bytes) -> bytes:
    """Where the account of a 33-byte address stands."""
    return state_path(KIND_ACCOUNT, address)


def reward_path(height: int) -> bytes:
    """Where the pending reward of the block at ``height`` stands."""
    return state_path(KIND_REWARD, u64(height))


def key_path(address: bytes) -> bytes:
    """Where the known key of a 33-byte address stands."""
    return state_path(KIND_KEY, address)


def unbonding_count_path(height: int) -> bytes:
    """Where the number of unbondings released at ``height`` stands."""
    return state_path(KIND_UNBONDING_COUNT, u64(height))


def unbonding_path(height: int, index: int) -> bytes:
    """Where the ``index``-th unbonding released at ``height`` stands."""
    return state_path(KIND_UNBONDING, u64(height) + u32(index))


def lane_count_path(height: int) -> bytes:
    """Where the number of lanes that lapse at ``height`` stands."""
    return state_path(KIND_LANE_COUNT, u64(height))


def lane_due_path(height: int, index: int) -> bytes:
    """Where the ``index``-th lane that lapses at ``height`` is named."""
    return state_path(KIND_LANE_DUE, u64(height) + u32(index))


def lane_path(call_id: Txid) -> bytes:
    """Where the lane of a call with this 64-byte txid stands."""
    return state_path(KIND_LANE, call_id)


def tier_path(tier: int) -> bytes:
    """Where the tier of this number, 0 to 255, stands."""
    return state_path(KIND_TIER, bytes((tier,)))


def proposal_path(proposal_id: Txid) -> bytes:
    """Where the live proposal with this 64-byte txid stands."""
    return state_path(KIND_PROPOSAL, proposal_id)


def report_path(report_id: Txid) -> bytes:
    """Where the report with this 64-byte txid stands until the vote closes."""
    return state_path(KIND_REPORT, report_id)


def hidden_set_path(set_id: Txid) -> bytes:
    """Where the hidden set with this 64-byte txid stands until it ends."""
    return state_path(KIND_HIDDEN_SET, set_id)


def tokenizer_path(tokenizer: bytes) -> bytes:
    """Where the sets for a tokenizer of this 64-byte id are named."""
    return state_path(KIND_TOKENIZER, tokenizer)


def evidence_path(digest: Txid) -> bytes:
    """Where it stands what evidence about the receipt of this 64-byte digest has taken."""
    return state_path(KIND_EVIDENCE, digest)


def voter_path(address: bytes) -> bytes:
    """Where delegate, pot and votes of a 33-byte address stand."""
    return state_path(KIND_VOTER, address)
