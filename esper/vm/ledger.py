"""Typed reading and writing of records on an overlay, with the coins counted as they move."""

from collections.abc import Iterator
from typing import Any, TypeVar

from esper.primitives.codec import Record, decode_own
from esper.primitives.ids import Txid
from esper.primitives.mmr import Mmr
from esper.vm.governance.proving.taken_penalty import TakenPenalty
from esper.vm.records import (
    ACCOUNT,
    BLOCKS,
    BLOCKS_PATH,
    CHAIN_PATH,
    CHAIN_RECORD,
    CREDIT_TOTALS,
    CREDITS_PATH,
    DUE_COUNT,
    KNOWN_KEY,
    LANE,
    LANE_DUE,
    NO_ACCOUNT,
    PENDING_REWARD,
    RECEIPTS,
    RECEIPTS_PATH,
    UNBONDING,
    Account,
    ChainRecord,
    CreditTotals,
    DueCount,
    KnownKey,
    Lane,
    LaneDue,
    PendingReward,
    Unbonding,
    account_path,
    key_path,
    lane_count_path,
    lane_due_path,
    lane_path,
    reward_path,
    unbonding_count_path,
    unbonding_path,
)
from esper.vm.round_outcome import RoundOutcome
from esper.vm.settled_bond import SettledBond
from esper.vm.view import Overlay, Unencoded

R = TypeVar("R")


class Ledger:
    """The records that transactions read and write.

    Accounts of zeros, credit totals of zeros and counts of zero are absent from the state.
    """

    __slots__ = ("_decoded", "_overlay", "burned", "coins", "penalties", "rounds", "settled")

    def __init__(self, overlay: Overlay) -> None:
        self._overlay = overlay
        # By path, the bytes last seen there and their record: a transaction reads its sender's
        # account many times, and decoding is most of what that costs.
        self._decoded: dict[bytes, tuple[bytes, Any]] = {}
        self.coins = 0
        """Units that balances, stakes, unbondings, pending rewards, bonds and fees held by
        proposals have gained through it."""
        self.burned = 0
        """Units of ``coins`` lost that nobody has any more."""
        self.settled: list[SettledBond] = []
        """What became of coins that proposals held, in order."""
        self.rounds: list[RoundOutcome] = []
        """What rounds of hidden sets came to, in order."""
        self.penalties: list[TakenPenalty] = []
        """What evidence took from gateways, in order."""

    @property
    def chain(self) -> ChainRecord:
        """The chain's own record. Raises KeyError for a state that no genesis made."""
        return self.required(CHAIN_RECORD, CHAIN_PATH)

    def set_chain(self, record: ChainRecord) -> None:
        """Replace it."""
        self.write(CHAIN_RECORD, CHAIN_PATH, record)

    @property
    def receipts(self) -> Mmr:
        """The mountain range over the receipts of all blocks."""
        return self.read(RECEIPTS, RECEIPTS_PATH) or Mmr()

    def set_receipts(self, receipts: Mmr) -> None:
        """Replace it."""
        self.write(RECEIPTS, RECEIPTS_PATH, receipts)

    @property
    def blocks(self) -> Mmr:
        """The mountain range over all blocks before the last one."""
        return self.read(BLOCKS, BLOCKS_PATH) or Mmr()

    def set_blocks(self, blocks: Mmr) -> None:
        """Replace it."""
        self.write(BLOCKS, BLOCKS_PATH, blocks)

    def reward(self, height: int) -> PendingReward | None:
        """The pending coinbase of ``height``, if it has not matured."""
        return self.read(PENDING_REWARD, reward_path(height))

    def add_reward(self, height: int, reward: PendingReward) -> None:
        """Let the coinbase of ``height`` wait for its maturity."""
        self.coins += reward.amount
        self.write(PENDING_REWARD, reward_path(height), reward)

    def take_reward(self, height: int) -> PendingReward | None:
        """Remove the pending coinbase of ``height``, if there is one."""
        reward = self.read(PENDING_REWARD, reward_path(height))
        if reward is not None:
            self.coins -= reward.amount
            self.write(PENDING_REWARD, reward_path(height), None)
        return reward

    def cut_reward(self, height: int, units: int) -> None:
        """Take units off the pending coinbase of ``height``; one of nothing is removed.

        Raises KeyError if there is none.
        """
        reward = self.required(PENDING_REWARD, reward_path(height))
        self.coins -= units
        left = PendingReward(reward.payee, reward.amount - units)
        self.write(PENDING_REWARD, reward_path(height), left if left.amount else None)

    def account(self, address: bytes) -> Account:
        """The account of a 33-byte address; one of zeros if it has none."""
        return self.read(ACCOUNT, account_path(address)) or NO_ACCOUNT

    def set_account(self, address: bytes, account: Account) -> None:
        """Replace an account; one of zeros is deleted."""
        path = account_path(address)
        old = self.read(ACCOUNT, path) or NO_ACCOUNT
        self.coins += account.balance + account.stake - old.balance - old.stake
        # Whoever sent a transaction has a nonce; comparing all fields is slow.
        absent = account.nonce == 0 and account == NO_ACCOUNT
        self.write(ACCOUNT, path, None if absent else account)

    def known_key(self, address: bytes) -> KnownKey | None:
        """The public key of an address, None if no transaction has carried it."""
        return self.read(KNOWN_KEY, key_path(address))

    def set_known_key(self, address: bytes, key: KnownKey) -> None:
        """Remember the public key of an address."""
        self.write(KNOWN_KEY, key_path(address), key)

    @property
    def totals(self) -> CreditTotals:
        """The credits of everyone together."""
        return self.read(CREDIT_TOTALS, CREDITS_PATH) or CreditTotals()

    def set_totals(self, totals: CreditTotals) -> None:
        """Replace them."""
        self.write(CREDIT_TOTALS, CREDITS_PATH, totals if totals != CreditTotals() else None)

    def add_unbonding(self, height: int, entry: Unbonding) -> None:
        """Let units be released at the start of the block at ``height``."""
        index = self._append(unbonding_count_path(height))
        self.coins += entry.amount
        self.write(UNBONDING, unbonding_path(height, index), entry)

    def unbonding(self, height: int, index: int) -> Unbonding | None:
        """The ``index``-th of those released at ``height``, if it is not released yet."""
        return self.read(UNBONDING, unbonding_path(height, index))

    def unbondings_due(self, height: int) -> int:
        """How many are released at ``height``."""
        return (self.read(DUE_COUNT, unbonding_count_path(height)) or DueCount()).count

    def cut_unbonding(self, height: int, index: int, units: int) -> None:
        """Take units off an unbonding. One of nothing stays: what is released is counted.

        Raises KeyError if there is none.
        """
        entry = self.required(UNBONDING, unbonding_path(height, index))
        self.coins -= units
        left = Unbonding(entry.owner, entry.amount - units)
        self.write(UNBONDING, unbonding_path(height, index), left)

    def take_unbondings(self, height: int) -> Iterator[Unbonding]:
        """Remove what is released at ``height``, in the order in which it was added.

        Raises KeyError for a state whose count and entries contradict each other.
        """
        for index in range(self._take_count(unbonding_count_path(height))):
            entry = self.required(UNBONDING, unbonding_path(height, index))
            self.coins -= entry.amount
            self.write(UNBONDING, unbonding_path(height, index), None)
            yield entry

    def lane(self, call_id: Txid) -> Lane | None:
        """The unanswered lane of the call with this txid."""
        return self.read(LANE, lane_path(call_id))

    def lanes_due(self, height: int) -> int:
        """How many lanes were opened that lapse at ``height``."""
        return (self.read(DUE_COUNT, lane_count_path(height)) or DueCount()).count

    def lane_ids_due(self, height: int) -> list[Txid]:
        """Ids of the calls whose lanes lapse at ``height``, unanswered so far, in their order."""
        entries = (
            self.read(LANE_DUE, lane_due_path(height, index))
            for index in range(self.lanes_due(height))
        )
        return [entry.call_id for entry in entries if entry is not None]

    def add_lane(self, call_id: Txid, lane: Lane) -> None:
        """Add a lane whose index is the number of those due at its height so far."""
        self._append(lane_count_path(lane.lapse_height))
        due = lane_due_path(lane.lapse_height, lane.due_index)
        self.write(LANE_DUE, due, LaneDue(call_id))
        self.write(LANE, lane_path(call_id), lane)

    def remove_lane(self, call_id: Txid, lane: Lane) -> None:
        """Remove a lane and its place among those due."""
        self.write(LANE_DUE, lane_due_path(lane.lapse_height, lane.due_index), None)
        self.write(LANE, lane_path(call_id), None)

    def take_lanes_due(self, height: int) -> Iterator[Lane]:
        """Remove the lanes that lapse at ``height``, in the order in which they were opened.

        Answered ones are gone already. Raises KeyError for a state that contradicts itself.
        """
        for index in range(self._take_count(lane_count_path(height))):
            due = self.read(LANE_DUE, lane_due_path(height, index))
            if due is not None:
                lane = self.required(LANE, lane_path(due.call_id))
                self.remove_lane(due.call_id, lane)
                yield lane

    def _append(self, path: bytes) -> int:
        count = (self.read(DUE_COUNT, path) or DueCount()).count
        self.write(DUE_COUNT, path, DueCount(count + 1))
        return count

    def _take_count(self, path: bytes) -> int:
        count = (self.read(DUE_COUNT, path) or DueCount()).count
        self._overlay.put(path, None)
        return count

    def read(self, codec: Record[R], path: bytes) -> R | None:
        """The record at a path, None if there is none."""
        data = self._overlay.peek(path)
        if data is None:
            return None
        known: R
        if isinstance(data, Unencoded):
            known = data.value
            return known
        seen = self._decoded.get(path)
        if seen is None or seen[0] != data:
            record = decode_own(codec, data, what="state record")
            seen = self._decoded[path] = data, record
        known = seen[1]
        return known

    def required(self, codec: Record[R], path: bytes) -> R:
        """The record at a path that others point to. Raises KeyError if there is none."""
        record = self.read(codec, path)
        if record is None:
            raise KeyError(f"the state lacks the record at {path.hex()} that others point to")
        return record

    def write(self, codec: Record[R], path: bytes, value: R | None) -> None:
        """Replace the record at a path; None deletes it. Coins are counted by the caller."""
        self._overlay.put(path, None if value is None else Unencoded(codec, value))
