"""Hidden sets that are named on the command line, and those that are the wallet's own."""

from __future__ import annotations

from esper.cli.esper.session import Session
from esper.cli.esper.typed_ids import checked_id
from esper.rpc.methods import DAO_SET, DAO_SETS
from esper.rpc.schema import SetParams, SetReply, SetShown, SetsParams
from esper.wallet.errors import NodeContradictionError, WalletError

HEX: frozenset[str] = frozenset("0123456789abcdef")
DIGITS = 128


class OtherCuratorError(WalletError):
    """A hidden set of somebody else: nobody else has its salts, nor its bond."""


def set_named(s: Session, typed: str) -> SetShown:
    """A set of the wallet's by its id or the first digits. Raises OtherCuratorError."""
    beginning = checked_id(typed, "hidden set")
    found = s.node.call(DAO_SET, SetParams(beginning))
    if not found.set.id.startswith(beginning):
        raise NodeContradictionError("the node gave another set: ask another node")
    _check(found.set)
    if found.set.curator not in own_addresses(s):
        raise OtherCuratorError(
            f"hidden set {found.set.id[:16]}… is of {found.set.curator}, which is no address of "
            f"wallet {s.name}: name the wallet that committed to it with --wallet"
        )
    return found


def own_sets(s: Session) -> tuple[int, list[SetReply]]:
    """The tip's height, and the wallet's sets that have not ended."""
    found = s.node.call(DAO_SETS, SetsParams())
    own = own_addresses(s)
    sets = [
        one
        for tokenizer in found.tokenizers
        for one in tokenizer.sets
        if one.curator in own and one.state != "ended"
    ]
    for one in sets:
        _check(one)
    return found.as_of.height, sets


def own_addresses(s: Session) -> set[str]:
    """Of the wallet."""
    return {one.address for one in s.file.addresses}


def _check(one: SetReply) -> None:
    """What becomes a path, and what is signed for, is what it should be."""
    if not _is_hash(one.id) or (one.root and not _is_hash(one.root)):
        raise NodeContradictionError("the node gave a set without its id or root: ask another node")


def _is_hash(text: str) -> bool:
    return len(text) == DIGITS and set(text) <= HEX
