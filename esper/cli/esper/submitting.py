"""`esper sign, submit`: transactions of files. `cancel, bump`: in the place of those that wait."""

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
from esper.cli.esper.spend.fee_options import MaxFee
from esper.cli.esper.spend.paying import sign, submitted, tell_submitted
from esper.cli.esper.typed_ids import TxId, checked_id
from esper.consensus.genesis import genesis_hash
from esper.rpc.methods import GET_STATUS
from esper.rpc.schema import NoParams
from esper.vm.transaction import Transaction
from esper.wallet.describing import described, labels_of, shown
from esper.wallet.errors import ExchangeFileError
from esper.wallet.files.exchange import MAX_FILE_BYTES, exchange_bytes, network_named, read_exchange
from esper.wallet.files.private_file import SHARED_MODE, create_private
from esper.wallet.keys import signing_key
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.replacing import (
    bumped,
    cancelling,
    check_replacement,
    check_signed_by,
    waiting,
)
from esper.wallet.node_port import check_same_network

Out = Annotated[Path, typer.Option("--out", help="File to write.")]


def sign_command(
    file: Annotated[Path, typer.Argument(help="What `esper build` wrote.")],
    out: Out,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Sign a transaction that was built elsewhere. Needs no node."""
    with session(datadir, wallet, as_json, yes) as s:
        transaction = read_exchange(_file(file), "unsigned transaction", s.params)
        FeeTerms.parsed(None, max_fee).check(transaction.fee)
        found = sign(s, transaction)
        lines = described(found, s.params, labels_of(s.file))
        write_new(out, exchange_bytes(found, s.params, lines))
        document = {"txid": found.txid.hex(), "file": str(out)}
        s.answer(document, *shown(lines), f"signed into {out}: {s.command('submit', str(out))}")


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
        tell_submitted(s, submitted(s.any_node, transaction, ()))


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
        fresh = cancelling(old, s.rules.limits)
        check_replacement(s.node, s.rules, old, fresh)
        _hand_in(s, fresh, old)


def bump_command(
    txid: TxId,
    fee: Annotated[
        str | None, typer.Option(help="ESP; the least that replaces it without.")
    ] = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Make a transaction that waits pay more, so that it goes sooner."""
    with session(datadir, wallet, as_json, yes) as s:
        terms = FeeTerms.parsed(fee, max_fee)
        old = _waiting(s, txid)
        fresh = bumped(old, s.rules.limits, terms.fee, most=terms.most)
        check_replacement(s.node, s.rules, old, fresh)
        _hand_in(s, fresh, old)


def _waiting(s: Session, txid: str) -> Transaction:
    """One that waits and that the wallet's key has signed: nothing else is worth raising."""
    beginning = checked_id(txid, "transaction id")
    found, sender = waiting(s.node, s.params, beginning, {own.address for own in s.file.addresses})
    check_signed_by(found, signing_key(s.file, s.secrets, sender), s.genesis)
    return found


def _hand_in(s: Session, transaction: Transaction, old: Transaction) -> None:
    """Sign what takes the place of ``old`` and of no other, submit it and tell the id."""
    reply = submitted(s.node, sign(s, transaction), (old.txid.hex(),))
    tell_submitted(s, reply)


def _file(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MAX_FILE_BYTES + 1)


def write_new(out: Path, data: bytes) -> None:
    """A new file: no transaction is ever overwritten. Raises ExchangeFileError, OSError."""
    try:
        create_private(out.absolute(), data, mode=SHARED_MODE)
    except FileExistsError:
        raise ExchangeFileError(f"{out} exists: name another file with --out") from None
