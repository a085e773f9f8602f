"""Unsigned transactions to the node or to a file: `esper sign`, `submit`, `cancel`, `bump`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.consensus.genesis import genesis_hash
from esper.primitives.address import Address
from esper.rpc.methods import GET_STATUS, SUBMIT_TRANSACTION
from esper.rpc.schema import NoParams, SubmitParams, Submitted
from esper.vm.transaction import Transaction
from esper.wallet.amounts import parse_esp
from esper.wallet.builder import signed
from esper.wallet.describing import Lines, described, labels_of
from esper.wallet.errors import ExchangeFileError, MisuseError, NodeContradictionError
from esper.wallet.exchange import MAX_FILE_BYTES, exchange_bytes, network_named, read_exchange
from esper.wallet.keys import signing_key
from esper.wallet.labels import address_called
from esper.wallet.node_port import Node, check_same_network
from esper.wallet.private_file import SHARED_MODE, create_private
from esper.wallet.replacing import (
    bumped,
    cancelling,
    check_replacement,
    check_signed_by,
    waiting,
)

TxId = Annotated[str, typer.Argument(help="Id of a transaction.")]
Out = Annotated[Path, typer.Option("--out", help="File to write.")]


def sign_command(
    file: Annotated[Path, typer.Argument(help="What `esper build` wrote.")],
    out: Out,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Sign a transaction that was built elsewhere. Needs no node."""
    with session(datadir, wallet, as_json, yes) as s:
        transaction = read_exchange(_file(file), "unsigned transaction", s.params)
        found = sign(s, transaction)
        lines = _lines(s, found)
        _write(out, exchange_bytes(found, s.params, lines))
        document = {"txid": found.txid.hex(), "file": str(out)}
        s.answer(document, *_shown(lines), f"signed into {out}: esper submit {out}")


def submit_command(
    file: Annotated[Path, typer.Argument(help="What `esper sign` wrote.")],
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Hand a signed transaction to the node. Needs no wallet."""
    with session(datadir, None, as_json) as s:
        data = _file(file)
        params = network_named(data)
        transaction = read_exchange(data, "signed transaction", params)
        check_same_network(s.any_node.call(GET_STATUS, NoParams()), params, genesis_hash(params))
        reply = submitted(s.any_node, transaction)
        _tell_submitted(s, reply)


def cancel_command(
    txid: TxId,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Put a transaction that does nothing in the place of one that waits."""
    with session(datadir, wallet, as_json, yes) as s:
        old = _waiting(s, txid)
        fresh = cancelling(old, s.params.limits)
        check_replacement(s.node, s.params, old, fresh)
        hand_in(s, fresh)


def bump_command(
    txid: TxId,
    fee: Annotated[
        str | None, typer.Option(help="ESP; the least that replaces it without.")
    ] = None,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Make a transaction that waits pay more, so that it goes sooner."""
    with session(datadir, wallet, as_json, yes) as s:
        units = None if fee is None else parse_esp(fee)
        old = _waiting(s, txid)
        fresh = bumped(old, s.params.limits, units)
        check_replacement(s.node, s.params, old, fresh)
        hand_in(s, fresh)


def own_address(s: Session, named: str | None) -> str:
    """The wallet's address of this text or label, the first without one. Raises MisuseError."""
    own = s.file.addresses
    if named is None:
        if not own:
            raise MisuseError("the wallet has no address yet: esper wallet address --new")
        return own[0].address
    return address_called(s.file, named, own=True)


def sign(s: Session, transaction: Transaction) -> Transaction:
    """Show what the bytes say, ask, and sign with the wallet's key."""
    sender = Address.from_bytes(transaction.sender).to_text(s.params.address_prefix)
    s.confirm("Sign this?", *_shown(_lines(s, transaction)))
    key = signing_key(s.file, s.secrets, sender)
    return signed(transaction, key, s.genesis, s.params.limits)


def submitted(node: Node, transaction: Transaction) -> Submitted:
    """Hand a transaction in. Raises NodeContradictionError if the node names another."""
    reply = node.call(SUBMIT_TRANSACTION, SubmitParams(transaction.to_bytes().hex()))
    if reply.txid != transaction.txid.hex():
        raise NodeContradictionError(
            f"the node took {transaction.txid.hex()} for another transaction: ask another node"
        )
    return reply


def hand_in(s: Session, transaction: Transaction) -> None:
    """Sign, submit and tell the id."""
    _tell_submitted(s, submitted(s.node, sign(s, transaction)))


def build_file(s: Session, transaction: Transaction, out: Path) -> None:
    """Write an unsigned transaction for another machine."""
    lines = _lines(s, transaction)
    _write(out, exchange_bytes(transaction, s.params, lines))
    s.answer({"file": str(out)}, *_shown(lines), f"written to {out}: esper sign {out}")


def _waiting(s: Session, txid: str) -> Transaction:
    """One that waits and that the wallet's key has signed: nothing else is worth raising."""
    found, sender = waiting(s.node, s.params, txid, {own.address for own in s.file.addresses})
    check_signed_by(found, signing_key(s.file, s.secrets, sender), s.genesis)
    return found


def _tell_submitted(s: Session, reply: Submitted) -> None:
    lines = [reply.txid] + ([f"in the place of {reply.replaced}"] if reply.replaced else [])
    s.answer({"txid": reply.txid, "replaced": reply.replaced}, *lines)


def _lines(s: Session, transaction: Transaction) -> Lines:
    return described(transaction, s.params, labels_of(s.file))


def _shown(lines: Lines) -> list[str]:
    return [f"{name:11} {text}" for name, text in lines]


def _file(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MAX_FILE_BYTES + 1)


def _write(out: Path, data: bytes) -> None:
    """A new file: no transaction is ever overwritten. Raises ExchangeFileError, OSError."""
    try:
        create_private(out.absolute(), data, mode=SHARED_MODE)
    except FileExistsError:
        raise ExchangeFileError(f"{out} exists: name another file with --out") from None
