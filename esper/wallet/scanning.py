"""Finding the addresses of a wallet's words that were used, by asking a node about each in turn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from esper.rpc.methods import GET_HISTORY
from esper.rpc.schema import HistoryParams
from esper.wallet.making.intents import account_of
from esper.wallet.node_port import Node

GAP_LIMIT: Final = 20
"""Unused addresses in a row after which nothing more is looked for. Wallets of other chains look as
far ahead (BIP-44), so nobody used to them leaves a larger gap; one address costs the node two
questions of a millisecond."""
SCAN_LIMIT: Final = 1000
"""Addresses that one scan asks about at most: a node that calls every address used would otherwise
keep a wallet busy for ever."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a look ahead found."""

    end: int
    """Index behind the last used address, or the one that the look began at if none was used."""
    asked: int
    """How many addresses were asked about."""
    complete: bool
    """Whether it ended by a gap; if not, there may be more, and the next scan goes on from here."""
    height: int
    """The lowest tip that any answer was read at."""
    synced: bool
    """Whether the node was synced at every answer: otherwise newer use is missing."""


def scanned(
    node: Node, address_at: Callable[[int], str], begin: int, *, limit: int = SCAN_LIMIT
) -> Scan:
    """Ask about the addresses from index ``begin`` on until GAP_LIMIT in a row were never used.

    ``address_at`` gives the text of an index's address. Raises NodeContradictionError and the
    node's errors.
    """
    end, index = begin, begin
    height, synced = (1 << 32) - 1, True
    while index - end < GAP_LIMIT and index - begin < limit:
        address = address_at(index)
        account = account_of(node, address)
        height, synced = min(height, account.as_of.height), synced and account.as_of.synced
        index += 1
        shows = (
            account.next_nonce,
            account.key_known,
            int(account.balance),
            int(account.pending_in),
            int(account.stake),
            int(account.credits.available),
            account.immature,
            account.unbonding,
        )
        # What went out again, or lapsed, shows in the history alone.
        if any(shows) or node.call(GET_HISTORY, HistoryParams(address, limit=1)).events:
            end = index
    return Scan(end, index - begin, index - end >= GAP_LIMIT, height, synced)
