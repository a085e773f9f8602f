"""Taking the place of a transaction that waits: the same with more, or one that does nothing."""

from dataclasses import replace
from typing import Final

from esper.crypto.signatures import SignatureClaim
from esper.crypto.signing import KeyPair
from esper.primitives.address import Address
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.params import LimitParameters, NetworkParameters
from esper.primitives.units import MAX_AMOUNT
from esper.rpc.methods import GET_TRANSACTION
from esper.rpc.schema import TransactionParams
from esper.vm.fees import fee_of_bytes, least_fixed_fee, signed_size
from esper.vm.llm_call import LlmCall
from esper.vm.payload import Output
from esper.vm.transaction import Transaction, decode_transaction
from esper.vm.transfer import Transfer
from esper.wallet.asked_call import MAX_BID
from esper.wallet.errors import MisuseError, NodeContradictionError, NotReplaceableError
from esper.wallet.making.affordability import check_affordable
from esper.wallet.making.fee_terms import FeeTerms
from esper.wallet.making.intents import account_of
from esper.wallet.node_port import Node

RISE_PERCENT: Final = 10
"""A replacement pays so much more at least, or what its bytes pay, whichever is more."""


def waiting(
    node: Node, params: NetworkParameters, txid: str, addresses: set[str]
) -> tuple[Transaction, str]:
    """A transaction of one of ``addresses`` that waits, and which of them.

    ``txid`` is its id, or the first digits of it.
    The node gives the bytes, the id proves them; that their sender signed them it does not prove,
    see ``check_signed_by``. Raises NotReplaceableError, NodeContradictionError, and the node's
    errors.
    """
    reply = node.call(GET_TRANSACTION, TransactionParams(txid))
    if reply.status != "pending":
        by = f" and replaced by {reply.replaced_by}" if reply.replaced_by else ""
        raise NotReplaceableError(
            f"the transaction is {reply.status}{by}: only one that waits can be replaced"
        )
    try:
        found = decode_transaction(bytes.fromhex(reply.hex), params.limits.transaction_bytes)
    except (RuleViolation, ValueError) as error:
        raise NodeContradictionError(f"the node's transaction is unreadable: {error}") from error
    if not found.txid.hex().startswith(txid):
        raise NodeContradictionError("the node gave another transaction: ask another node")
    sender = _text(found, params)
    if sender not in addresses:
        raise NotReplaceableError(f"the transaction is {sender}'s, not this wallet's")
    return found, sender


def check_signed_by(old: Transaction, key: KeyPair, genesis_hash: bytes) -> None:
    """Whoever replaces a transaction signs its payload or its fee again, so it must be their own.

    An id is a hash without the signature: a node, or whoever names the id, can make one of any
    payment in anybody's name. Raises NodeContradictionError.
    """
    digest = old.signing_digest(genesis_hash)
    if not SignatureClaim(key.suite, key.public, digest, old.signature).holds:
        raise NodeContradictionError(
            "nobody with this wallet's key has signed that transaction: do not replace it, and ask "
            "another node"
        )


def bumped(
    old: Transaction, limits: LimitParameters, fee: int | None = None, *, most: int = MAX_AMOUNT
) -> Transaction:
    """The same payload, unsigned, with a fee of ``fee`` units or the least that replaces the old.

    A call pays no fee; its bid rises instead. Raises MisuseError for a fee that is too small, or
    for any fee of a call, FeeCapError for one above ``most`` units, NotReplaceableError for a bid
    at its end.
    """
    bare = replace(old, signature=b"")
    if isinstance(old.payload, LlmCall):
        if fee is not None:
            raise MisuseError("a call pays no fee: leave --fee out, its bid rises by a tenth")
        price = old.payload.price + max(1, -(-old.payload.price * RISE_PERCENT // 100))
        if price > MAX_BID:
            raise NotReplaceableError("the bid is the largest there can be")
        return replace(bare, payload=replace(old.payload, price=price))
    return _with_rise(bare, old.fee, limits, FeeTerms(fee, most))


def cancelling(old: Transaction, limits: LimitParameters) -> Transaction:
    """A transfer of one unit to oneself in the old one's place, unsigned: it does nothing else.

    Its fee needs no cap: it is a tenth above one that the owner agreed to, or the least.
    """
    nothing = Transfer((Output(old.sender, 1),))
    bare = replace(old, payload=nothing, fee=0, signature=b"")
    return _with_rise(bare, old.fee, limits, FeeTerms(None, MAX_AMOUNT))


def check_replacement(
    node: Node, params: NetworkParameters, old: Transaction, new: Transaction
) -> None:
    """The account can pay for the new one once the old is gone.

    Raises FundsShortError, StakeShortError, CreditsShortError, and the node's errors.
    """
    account = account_of(node, _text(new, params))
    if isinstance(new.payload, LlmCall):
        # The old call's credits are still bound; the node judges the difference.
        return
    released = old.payload.outlay + old.fee
    check_affordable(account, new.payload, new.fee, params, released=released)


def _with_rise(
    bare: Transaction, old_fee: int, limits: LimitParameters, terms: FeeTerms
) -> Transaction:
    """``bare`` with the fee asked for, or the least that pays for itself and replaces ``old_fee``.

    Raises MisuseError for a fee that is too small, FeeCapError for one that is too large,
    NotReplaceableError if none is large enough.
    """
    fee = terms.fee

    def asked(size: int) -> int:
        relay = limits.fee_per_byte * size
        own = fee_of_bytes(size, limits)
        # Without a fee a call's place is taken: it paid nothing for being relayed.
        risen = old_fee + max(-(-old_fee * RISE_PERCENT // 100), relay) if old_fee else own + relay
        if max(own, risen) > MAX_AMOUNT:
            raise NotReplaceableError("the fee is so large that none replaces it")
        return max(own, risen)

    least = least_fixed_fee(bare, asked)
    if fee is None:
        terms.check(least)
        return replace(bare, fee=least)
    # A larger fee may take more bytes: then more than the least fee is asked for.
    least = max(least, asked(signed_size(replace(bare, fee=min(fee, MAX_AMOUNT)))))
    terms.check_least(least, " to replace the old one")
    terms.check(fee)
    return replace(bare, fee=fee)


def _text(transaction: Transaction, params: NetworkParameters) -> str:
    return Address.from_bytes(transaction.sender).to_text(params.address_prefix)
