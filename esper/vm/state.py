"""The state as an immutable value with typed access, for one block after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from esper.primitives.codec import Record, decode, encode
from esper.vm.records import (
    ACCOUNT,
    CHAIN_PATH,
    CHAIN_RECORD,
    NO_ACCOUNT,
    RECORD_LIMIT,
    Account,
    ChainRecord,
    account_path,
)
from esper.vm.state_tree import StateTree
from esper.vm.view import Change

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class State:
    """The records after a block. Every change gives a new state and leaves this one as it is."""

    tree: StateTree = field(default_factory=StateTree)
    """All records by path."""

    @property
    def root(self) -> bytes:
        """32 bytes: the header's state_root."""
        return self.tree.root

    def get(self, path: bytes) -> bytes | None:
        """The record's bytes at a 32-byte path: a state is a StateView."""
        return self.tree.get(path)

    def account(self, address: bytes) -> Account:
        """The account of an address; an empty one if it has none."""
        return self._read(ACCOUNT, account_path(address)) or NO_ACCOUNT

    @property
    def chain(self) -> ChainRecord:
        """The chain's own record. Raises KeyError for a state that no genesis made."""
        record = self._read(CHAIN_RECORD, CHAIN_PATH)
        if record is None:
            raise KeyError("the state has no chain record; begin with the genesis state")
        return record

    def with_account(self, address: bytes, account: Account) -> "State":
        """This state with another account; an empty one is deleted."""
        path = account_path(address)
        if account != NO_ACCOUNT:
            return State(self.tree.put(path, encode(ACCOUNT, account)))
        return State(self.tree.delete(path)) if self.tree.get(path) is not None else self

    def with_record(self, path: bytes, record: bytes) -> "State":
        """This state with other bytes at a 32-byte path."""
        return State(self.tree.put(path, record))

    def with_chain(self, record: ChainRecord) -> "State":
        """This state with another chain record."""
        return State(self.tree.put(CHAIN_PATH, encode(CHAIN_RECORD, record)))

    def root_after(self, changes: Iterable[Change]) -> bytes:
        """32 bytes: the root that these changes lead to. Raises ValueError as with_changes."""
        return self.with_changes(changes).root

    def with_changes(self, changes: Iterable[Change]) -> "State":
        """This state after changes made on top of it.

        Raises ValueError if one of them begins with other bytes than this state has.
        """
        tree = self.tree
        for change in changes:
            if tree.get(change.path) != change.before:
                raise ValueError(f"the change at {change.path.hex()} belongs to another state")
            if change.after is not None:
                tree = tree.put(change.path, change.after)
            elif change.before is not None:
                tree = tree.delete(change.path)
        return State(tree)

    def _read(self, codec: Record[R], path: bytes) -> R | None:
        value = self.tree.get(path)
        if value is None:
            return None
        return decode(codec, value, limit=RECORD_LIMIT, what="state record")
