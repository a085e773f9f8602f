"""From a wish and the node's view of the account to an unsigned transaction."""

from dataclasses import replace
from typing import Final

from esper.primitives.address import Address
from esper.primitives.params import NetworkParameters
from esper.rpc.methods import GET_ACCOUNT
from esper.rpc.schema import AccountParams, AccountReply
from esper.vm.payload import Payload
from esper.vm.transaction import Transaction
from esper.wallet.affordability import check_affordable, check_credit_dust, check_dust
from esper.wallet.builder import unsigned
from esper.wallet.errors import MisuseError, NodeContradictionError
from esper.wallet.labels import parsed_address
from esper.wallet.node_port import Node

DEFAULT_WINDOW: Final = 200
"""Blocks until a transaction lapses that no block took."""


def prepared(
    node: Node,
    params: NetworkParameters,
    sender: str,
    payload: Payload,
    *,
    window: int = DEFAULT_WINDOW,
    fee: int | None = None,
) -> Transaction:
    """An unsigned transaction with the sender's next nonce that the account can pay for.

    It lapses ``window`` blocks (at least 1) after the node's tip. ``fee`` is units, the least
    without it. Raises FundsShortError, StakeShortError, CreditsShortError, DustError, MisuseError
    for a fee below the least, NodeContradictionError, and the node's errors.
    """
    account = account_of(node, sender)
    found = unsigned(
        payload,
        sender=parsed_address(sender, params).to_bytes(),
        carries_key=not account.key_known,
        nonce=account.next_nonce,
        expiry=account.as_of.height + window,
        limits=params.limits,
    )
    if fee is not None:
        if fee < found.fee:
            raise MisuseError(f"the fee is {fee} units, must be {found.fee} at least")
        found = replace(found, fee=fee)
    check_affordable(account, payload, found.fee, params)
    _check_receivers(node, params, payload)
    return found


def account_of(node: Node, address: str) -> AccountReply:
    """What the node says of an address. Raises NodeContradictionError for what cannot be."""
    account = node.call(GET_ACCOUNT, AccountParams(address))
    # Older files may hold a watched address in upper case; the node answers in the one form.
    if account.address not in (address, address.lower()):
        raise NodeContradictionError("the node answered about another address: ask another node")
    if not 0 <= account.nonce <= account.next_nonce < 1 << 64:
        raise NodeContradictionError(f"the node says next_nonce {account.next_nonce}: impossible")
    if not 0 <= account.as_of.height < 1 << 32:
        raise NodeContradictionError(f"the node says height {account.as_of.height}: impossible")
    return account


def _check_receivers(node: Node, params: NetworkParameters, payload: Payload) -> None:
    """Nobody new is sent dust."""
    prefix = params.address_prefix
    least = params.limits.dust
    for output in payload.payments:
        if output.amount < least:
            check_dust(_receiver(node, output.receiver, prefix), output.amount, least)
    least = params.credits.starting_allowance
    for gift in payload.gifts:
        if gift.amount < least:
            check_credit_dust(_receiver(node, gift.receiver, prefix), gift.amount, least)


def _receiver(node: Node, address: bytes, prefix: str) -> AccountReply:
    return account_of(node, Address.from_bytes(address).to_text(prefix))
