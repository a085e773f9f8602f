"""What all addresses of a wallet hold together, and how current that is."""

from collections.abc import Iterable
from dataclasses import dataclass

from esper.rpc.schema import AccountReply, AsOf, Release
from esper.wallet.files.keystore import WalletFile
from esper.wallet.making.intents import account_of
from esper.wallet.node_port import Node


@dataclass(frozen=True, slots=True)
class Holdings:
    """Sums over a wallet's addresses."""

    accounts: tuple[AccountReply, ...]
    """One an address, in the wallet's order."""
    available: int
    """Units that can be spent now: confirmed, less what waits to go out."""
    pending_out: int
    """Units that waiting transactions spend, fees included."""
    pending_in: int
    """Units that waiting transactions bring."""
    immature: tuple[Release, ...]
    """Mined rewards to come, by height."""
    stake: int
    """Staked units."""
    unbonding: tuple[Release, ...]
    """Unstaked units to come, by height."""
    credits: int
    """Micro-credits that may be used now."""
    as_of: AsOf
    """The lowest tip that any part was read at."""


def holdings(node: Node, file: WalletFile) -> Holdings:
    """Ask the node about every address. Raises NodeContradictionError and the node's errors."""
    accounts = tuple(account_of(node, own.address) for own in file.addresses)
    return Holdings(
        accounts=accounts,
        available=sum(map(available_of, accounts)),
        pending_out=sum(int(a.pending_out) for a in accounts),
        pending_in=sum(int(a.pending_in) for a in accounts),
        immature=_by_height(release for a in accounts for release in a.immature),
        stake=sum(int(a.stake) for a in accounts),
        unbonding=_by_height(release for a in accounts for release in a.unbonding),
        credits=sum(int(a.credits.spendable) for a in accounts),
        as_of=AsOf(
            min((a.as_of.height for a in accounts), default=0),
            all(a.as_of.synced for a in accounts),
        ),
    )


def available_of(account: AccountReply) -> int:
    """Units of one address that can be spent now."""
    return max(int(account.balance) - int(account.pending_out), 0)


def _by_height(releases: Iterable[Release]) -> tuple[Release, ...]:
    """Releases of one height become one."""
    sums: dict[int, int] = {}
    for release in releases:
        sums[release.height] = sums.get(release.height, 0) + int(release.amount)
    return tuple(Release(height, str(amount)) for height, amount in sorted(sums.items()))
