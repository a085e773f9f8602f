"""What a transaction shall do with all that there is, before anybody knows how much that is."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from esper.primitives.params import NetworkParameters
from esper.rpc.schema import AccountReply
from esper.vm.payload import Payload
from esper.vm.transaction import Transaction
from esper.wallet.amounts import esp_text
from esper.wallet.errors import CreditsShortError, StakeShortError
from esper.wallet.making.affordability import available, check_funds

ALL: Final = "all"
"""Typed in the place of an amount: everything, down to the last unit."""


class Source(Enum):
    """What an amount is taken from."""

    BALANCE = "balance"
    STAKE = "stake"
    CREDITS = "credits"


@dataclass(frozen=True, slots=True)
class Everything:
    """A payload of all that an account has."""

    make: Callable[[int], Payload]
    """The payload of an amount of at least 1: units, or micro-credits."""
    source: Source
    """All of this."""


Wish = Payload | Everything
"""What is to be done."""

Build = Callable[[Payload, int | None], Transaction]
"""An unsigned transaction of a payload with a fee in units, the least for None."""


def everything(
    wish: Everything,
    account: AccountReply,
    build: Build,
    fee: int | None,
    params: NetworkParameters,
) -> Transaction:
    """The transaction that leaves nothing of what it takes from.

    Raises FundsShortError, StakeShortError, CreditsShortError.
    """
    if wish.source is Source.BALANCE:
        return _whole_balance(wish, account, build, fee, params)
    if wish.source is Source.STAKE:
        amount = int(account.stake)
        if not amount:
            raise StakeShortError(f"{esp_text(0)} are staked: there is nothing to unstake")
    else:
        amount = int(account.credits.spendable)
        if not amount:
            raise CreditsShortError(
                "no credits can be given away now: esper credits shows what the stake earns"
            )
    return build(wish.make(amount), fee)


def _whole_balance(
    wish: Everything,
    account: AccountReply,
    build: Build,
    fee: int | None,
    params: NetworkParameters,
) -> Transaction:
    have = available(account)
    # A smaller amount takes no more bytes, so this fee is enough for what is left of it.
    dearest = build(wish.make(max(have, 1)), fee).fee
    if have <= dearest:
        check_funds(account, 1, dearest, params)
    amount = have - dearest
    return build(wish.make(amount), dearest)
