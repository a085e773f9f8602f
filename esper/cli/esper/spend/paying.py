"""From a wish to a transaction that the node has: shown, agreed to, numbered, signed, handed in."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

from esper.cli.esper.session import Session
from esper.cli.program import INTERRUPTED
from esper.cli.telling import system_error
from esper.consensus.call_groups import CallGroup
from esper.primitives.address import Address
from esper.primitives.ids import Txid
from esper.rpc.client import NodeAnswerError, NodeError, NodeUnreachableError
from esper.rpc.errors import REFUSED
from esper.rpc.methods import SUBMIT_TRANSACTION
from esper.rpc.schema import SubmitParams, Submitted
from esper.vm.transaction import Transaction
from esper.wallet.describing import described, labels_of, shown
from esper.wallet.errors import (
    MisuseError,
    NodeContradictionError,
    NonceTakenError,
    ReceiverError,
)
from esper.wallet.keys import signing_key
from esper.wallet.labels import address_called
from esper.wallet.making.account_lock import account_lock
from esper.wallet.making.builder import signed
from esper.wallet.making.fee_terms import FeeTerms
from esper.wallet.making.intents import Draft, drafted
from esper.wallet.making.wishes import Wish
from esper.wallet.node_port import Node
from esper.wallet.rules_in_force import least_limits

GroupsOf = Callable[[Txid], Sequence[CallGroup]]
"""The groups that a transaction needs in its block, by its id."""


def no_groups(txid: Txid) -> Sequence[CallGroup]:
    """Of all transactions but proofs."""
    del txid
    return ()


def own_address(s: Session, named: str | None) -> str:
    """The wallet's address of this text or label, the first without one. Raises MisuseError."""
    own = s.file.addresses
    if named is None:
        if not own:
            make = s.command("wallet", "address", "--new", wallet=True)
            raise MisuseError(f"the wallet has no address yet: {make}")
        return own[0].address
    try:
        return address_called(s.file, named, own=True)
    except ReceiverError as error:
        # The command that lists them, so that it can be pasted: it may need the wallet's name.
        listing = s.command("wallet", "address", wallet=True)
        raise ReceiverError(str(error).replace("esper wallet address", listing)) from error


def pay(
    s: Session,
    sender: str,
    wish: Wish,
    window: int,
    fees: FeeTerms | None = None,
    *,
    least_nonce: int = 0,
    groups: GroupsOf = no_groups,
) -> Submitted:
    """Show what would be signed, ask, and hand it in with the next nonce of ``sender``.

    Nothing that waits is replaced: the nonce is looked up when the owner has agreed, by one process
    at a time. ``least_nonce``: something that the account does not tell of waits before it.
    ``groups`` come with it. What has become dearer or other meanwhile is asked about again.
    Raises what ``drafted`` raises, NonceTakenError, NodeContradictionError, and the node's errors.
    """

    def made() -> Draft:
        return drafted(
            s.node, s.rules, sender, wish, window=window, fees=fees, least_nonce=least_nonce
        )

    draft = made()
    while True:
        lines = described(draft.transaction, s.rules, labels_of(s.file), draft.account)
        s.confirm("Sign this?", *shown(lines))
        key = signing_key(s.file, s.secrets, sender)
        with account_lock(s.folder.path, sender, lambda: _tell_that_it_waits(s)):
            fresh = made()
            if not s.asks or _no_worse(fresh, draft, window):
                ready = signed(fresh.transaction, key, s.genesis, s.rules.limits)
                return _handed_in(s, ready, groups(ready.txid))
        s.note("the account changed meanwhile, so this is asked again:")
        draft = fresh


def _handed_in(s: Session, transaction: Transaction, groups: Sequence[CallGroup]) -> Submitted:
    """Submit; a node that goes away meanwhile may have taken it, and that is said."""
    try:
        return submitted(s.node, transaction, (), groups)
    except (NodeUnreachableError, NodeAnswerError) as error:
        _not_known(s, transaction, type(error).__name__, str(error))
    except KeyboardInterrupt:
        # Whoever believes that nothing was sent sends it again, with the next nonce.
        _not_known(
            s,
            transaction,
            "Interrupted",
            "interrupted while the node was asked",
            status=INTERRUPTED,
        )


def _not_known(
    s: Session, transaction: Transaction, name: str, why: str, *, status: int = 1
) -> NoReturn:
    txid = transaction.txid.hex()
    s.refuse(
        name,
        f"{why}. Whether it took the transaction is not known; look with: {s.command('tx', txid)}",
        status=status,
        data={"txid": txid},
    )


def sign(s: Session, transaction: Transaction) -> Transaction:
    """Show what the bytes say, ask, and sign with the wallet's key."""
    sender = Address.from_bytes(transaction.sender).to_text(s.params.address_prefix)
    s.confirm("Sign this?", *shown(described(transaction, s.params, labels_of(s.file))))
    key = signing_key(s.file, s.secrets, sender)
    # No node is asked here: votes may have made fees lower than the network began with.
    return signed(transaction, key, s.genesis, least_limits(s.params))


def submitted(
    node: Node,
    transaction: Transaction,
    replaces: tuple[str, ...],
    groups: Sequence[CallGroup] = (),
) -> Submitted:
    """Hand a transaction in, which may take the place of those with the ids ``replaces`` alone.

    ``groups`` are those that a Prove needs in its block. Raises NonceTakenError if another has its
    nonce, NodeContradictionError if the node names another, and the node's errors.
    """
    proven = [b64encode(group.to_bytes()).decode() for group in groups] or None
    asked = SubmitParams(transaction.to_bytes().hex(), list(replaces), proven)
    try:
        reply = node.call(SUBMIT_TRANSACTION, asked)
    except NodeError as error:
        taken = _taken(transaction, error, replaces)
        if taken is None:
            raise
        raise NonceTakenError(taken) from error
    if reply.txid != transaction.txid.hex():
        raise NodeContradictionError(
            f"the node took {transaction.txid.hex()} for another transaction: ask another node"
        )
    return reply


def tell_submitted(s: Session, reply: Submitted) -> None:
    """The id, alone on a line of standard output; the rest beside it."""
    with told_as_sent(s, reply.txid):
        s.answer({"txid": reply.txid, "replaced": reply.replaced}, reply.txid)
    if reply.replaced:
        s.note(f"in the place of {reply.replaced}")


@contextmanager
def told_as_sent(s: Session, txid: str) -> Iterator[None]:
    """What is told of a transaction that the node has: if it cannot be, that it was sent still is.

    A status without a word would let a script send the same again.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _sent_all_the_same(s, txid, type(error).__name__, system_error(error))
    except KeyboardInterrupt:
        _sent_all_the_same(s, txid, "Interrupted", "interrupted", status=INTERRUPTED)


def _sent_all_the_same(s: Session, txid: str, name: str, why: str, *, status: int = 1) -> NoReturn:
    s.refuse(
        name,
        f"{why}. The transaction was handed in all the same; look with: {s.command('tx', txid)}",
        status=status,
        data={"txid": txid},
    )


def _no_worse(fresh: Draft, agreed: Draft, window: int) -> bool:
    """Whether whoever agreed to one agreed to the other: the same payload, no higher fee."""
    new, old = fresh.transaction, agreed.transaction
    return (
        new.payload == old.payload
        and new.fee <= old.fee
        and new.not_before == old.not_before
        and new.expiry <= old.expiry + window
    )


def _taken(transaction: Transaction, error: NodeError, replaces: tuple[str, ...]) -> str | None:
    """Why the nonce is not free, None if that is not what the node says."""
    data = error.data if error.code == REFUSED and isinstance(error.data, dict) else {}
    rule, other = data.get("rule"), data.get("waiting")
    if rule == "NonceUsedViolation":
        if replaces:
            return "it is in a block by now, or another of its nonce is: nothing was replaced"
        return (
            f"nonce {transaction.nonce} was used by a transaction that is in a block: build and "
            "sign this one again"
        )
    if rule != "NonceWaitsError":
        return None
    by = f", {other}" if isinstance(other, str) else ""
    if replaces:
        return f"another transaction took its place meanwhile{by}: nothing was replaced"
    return (
        f"another transaction of nonce {transaction.nonce} waits{by}: nothing was replaced. Look "
        "at what waits (esper history --pending), then send this one again, or build and sign it "
        "anew"
    )


def _tell_that_it_waits(s: Session) -> None:
    s.note("another esper sends from this address: waiting for it")
