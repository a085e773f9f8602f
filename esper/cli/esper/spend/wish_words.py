"""What is typed to send, stake, unstake and give credits, as wishes."""

from __future__ import annotations

from collections.abc import Callable

from esper.primitives.params import NetworkParameters
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.payload import Output, Payload
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from esper.vm.unstake import Unstake
from esper.wallet.amounts import parse_credits, parse_esp
from esper.wallet.labels import parsed_address
from esper.wallet.making.wishes import ALL, Everything, Source, Wish

MakeWish = Callable[[NetworkParameters], Wish]
"""A wish, once the network is known."""


def sending(address: str, amount: str) -> MakeWish:
    """A transfer of ``amount`` ESP, or of all."""

    def made(params: NetworkParameters) -> Wish:
        receiver = parsed_address(address, params).to_bytes()
        return _wish(
            amount, parse_esp, Source.BALANCE, lambda units: Transfer((Output(receiver, units),))
        )

    return made


def staking(amount: str) -> MakeWish:
    """A stake of ``amount`` ESP, or of all."""
    return lambda _: _wish(amount, parse_esp, Source.BALANCE, Stake)


def unstaking(amount: str) -> MakeWish:
    """``amount`` ESP out of the stake, or all of it."""
    return lambda _: _wish(amount, parse_esp, Source.STAKE, Unstake)


def giving(address: str, amount: str) -> MakeWish:
    """A transfer of ``amount`` credits, or of all that may be used now."""

    def made(params: NetworkParameters) -> Wish:
        receiver = parsed_address(address, params).to_bytes()
        return _wish(
            amount, parse_credits, Source.CREDITS, lambda micro: CreditTransfer(receiver, micro)
        )

    return made


def _wish(
    amount: str, parse: Callable[[str], int], source: Source, make: Callable[[int], Payload]
) -> Wish:
    return Everything(make, source) if amount == ALL else make(parse(amount))
