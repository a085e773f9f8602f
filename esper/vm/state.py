"""The records of the state, their bytes and typed access to them.

| kind | id | record |
|---|---|---|
| 1 | address, 33 bytes | Account |
| 2 | height as u64 | PendingReward |
| 3 | ``chain`` | ChainRecord |
"""

from dataclasses import dataclass, field
from typing import Final, TypeVar

from esper.primitives.address import ADDRESS_BYTES
from esper.primitives.codec import FixedBytes, Record, Unsigned, decode, encode
from esper.primitives.hashing import HASH_BYTES, u64
from esper.vm.state_tree import StateTree, state_path

R = TypeVar("R")

KIND_ACCOUNT: Final = 1
KIND_REWARD: Final = 2
KIND_CHAIN: Final = 3

RECORD_VERSION: Final = 1
RECORD_LIMIT: Final = 1024


@dataclass(frozen=True, slots=True)
class Account:
    """What an address holds."""

    nonce: int
    """Number of its transactions so far."""
    balance: int
    """Spendable units."""


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


ACCOUNT: Final = Record(
    Account, RECORD_VERSION, (("nonce", Unsigned(64)), ("balance", Unsigned(63)))
)
PENDING_REWARD: Final = Record(
    PendingReward,
    RECORD_VERSION,
    (("payee", FixedBytes(ADDRESS_BYTES)), ("amount", Unsigned(63))),
)
CHAIN_RECORD: Final = Record(
    ChainRecord,
    RECORD_VERSION,
    (
        ("beacon", FixedBytes(HASH_BYTES)),
        ("paid_tokens", Unsigned(64)),
        ("proven_tokens", Unsigned(64)),
        ("issued", Unsigned(63)),
    ),
)

_CHAIN_PATH: Final = state_path(KIND_CHAIN, b"chain")
_NO_ACCOUNT: Final = Account(nonce=0, balance=0)


def account_path(address: bytes) -> bytes:
    """Where the account of a 33-byte address stands."""
    return state_path(KIND_ACCOUNT, address)


def reward_path(height: int) -> bytes:
    """Where the pending reward of the block at ``height`` stands."""
    return state_path(KIND_REWARD, u64(height))


@dataclass(frozen=True, slots=True)
class State:
    """The records after a block. Every change gives a new state and leaves this one as it is."""

    tree: StateTree = field(default_factory=StateTree)
    """All records by path."""

    @property
    def root(self) -> bytes:
        """32 bytes: the header's state_root."""
        return self.tree.root

    def account(self, address: bytes) -> Account:
        """The account of an address; an empty one if it has none."""
        return self._read(ACCOUNT, account_path(address)) or _NO_ACCOUNT

    def pending_reward(self, height: int) -> PendingReward | None:
        """The coinbase of ``height`` if it has not matured."""
        return self._read(PENDING_REWARD, reward_path(height))

    @property
    def chain(self) -> ChainRecord:
        """The chain's own record. Raises KeyError for a state that no genesis made."""
        record = self._read(CHAIN_RECORD, _CHAIN_PATH)
        if record is None:
            raise KeyError("the state has no chain record; begin with the genesis state")
        return record

    def with_account(self, address: bytes, account: Account) -> "State":
        """This state with another account; an empty one is deleted."""
        path = account_path(address)
        if account != _NO_ACCOUNT:
            return State(self.tree.put(path, encode(ACCOUNT, account)))
        return State(self.tree.delete(path)) if self.tree.get(path) is not None else self

    def with_reward(self, height: int, reward: PendingReward) -> "State":
        """This state with the coinbase of ``height`` pending."""
        return State(self.tree.put(reward_path(height), encode(PENDING_REWARD, reward)))

    def without_reward(self, height: int) -> "State":
        """This state without the pending coinbase of ``height``. Raises KeyError if none is."""
        return State(self.tree.delete(reward_path(height)))

    def with_chain(self, record: ChainRecord) -> "State":
        """This state with another chain record."""
        return State(self.tree.put(_CHAIN_PATH, encode(CHAIN_RECORD, record)))

    def _read(self, codec: Record[R], path: bytes) -> R | None:
        value = self.tree.get(path)
        if value is None:
            return None
        return decode(codec, value, limit=RECORD_LIMIT, what="state record")
