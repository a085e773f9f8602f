"""From a wish and the node's view of the account to an unsigned transaction."""

from dataclasses import dataclass
from typing import Final

from esper.primitives.address import Address
from esper.primitives.params import NetworkParameters
from esper.rpc.methods import GET_ACCOUNT
from esper.rpc.schema import AccountParams, AccountReply
from esper.vm.fees import fee_asked
from esper.vm.payload import Payload
from esper.vm.transaction import Transaction
from esper.wallet.errors import NodeContradictionError
from esper.wallet.labels import parsed_address
from esper.wallet.making.affordability import check_affordable, check_credit_dust, check_dust
from esper.wallet.making.builder import unsigned
from esper.wallet.making.fee_terms import FeeTerms
from esper.wallet.making.wishes import Everything, Wish, everything
from esper.wallet.node_port import Node

DEFAULT_WINDOW: Final = 200
"""Blocks until a transaction lapses that no block took."""


@dataclass(frozen=True, slots=True)
class Draft:
    """An unsigned transaction, and the account as it was when that was made."""

    transaction: Transaction
    """With the sender's next nonce."""
    account: AccountReply
    """What the node said of the sender."""


def prepared(
    node: Node,
    params: NetworkParameters,
    sender: str,
    wish: Wish,
    *,
    window: int = DEFAULT_WINDOW,
    fee: int | None = None,
) -> Transaction:
    """The transaction of ``drafted``, with a fee in units or the least."""
    return drafted(node, params, sender, wish, window=window, fees=FeeTerms(fee)).transaction


def drafted(
    node: Node,
    params: NetworkParameters,
    sender: str,
    wish: Wish,
    *,
    window: int = DEFAULT_WINDOW,
    fees: FeeTerms | None = None,
    least_nonce: int = 0,
) -> Draft:
    """An unsigned transaction with the sender's next nonce that the account can pay for.

    It lapses ``window`` blocks (at least 1) after the node's tip; its nonce is ``least_nonce`` at
    least. Without ``fees`` it pays the
    least. Raises FundsShortError, StakeShortError, CreditsShortError, DustError, FeeCapError,
    MisuseError for a fee below the least, NodeContradictionError, and the node's errors.
    """
    account, terms = account_of(node, sender), fees or FeeTerms()
    address = parsed_address(sender, params).to_bytes()

    def build(payload: Payload, fee: int | None) -> Transaction:
        found = unsigned(
            payload,
            sender=address,
            carries_key=not account.key_known,
            nonce=max(account.next_nonce, least_nonce),
            expiry=account.as_of.height + window,
            limits=params.limits,
            fee=fee,
        )
        terms.check_least(fee_asked(found, params.limits))
        return found

    if isinstance(wish, Everything):
        found = everything(wish, account, build, terms.fee, params)
    else:
        found = build(wish, terms.fee)
    terms.check(found.fee)
    check_affordable(account, found.payload, found.fee, params)
    _check_receivers(node, params, found.payload)
    return Draft(found, account)


def drafted_without_node(
    params: NetworkParameters,
    sender: str,
    payload: Payload,
    *,
    nonce: int,
    height: int,
    window: int = DEFAULT_WINDOW,
    fees: FeeTerms | None = None,
) -> Transaction:
    """An unsigned transaction with this nonce that lapses ``window`` blocks after ``height``.

    Nobody is asked what the account has, or whether its key is known: the key travels along. Raises
    FeeCapError, and MisuseError for a fee below the least.
    """
    terms = fees or FeeTerms()
    found = unsigned(
        payload,
        sender=parsed_address(sender, params).to_bytes(),
        carries_key=True,
        nonce=nonce,
        expiry=height + window,
        limits=params.limits,
        fee=terms.fee,
    )
    terms.check_least(fee_asked(found, params.limits))
    terms.check(found.fee)
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
