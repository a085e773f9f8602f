"""Files that carry a transaction to the machine with the keys, and back.

An unsigned file's bytes are those of the wire with an empty signature, and zeros where a key shall
stand. Its summary is for eyes on the building machine; whoever signs is shown what the bytes say.
"""

from dataclasses import replace
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from esper.consensus.genesis import genesis_hash
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.networks import UnknownNetworkError, network
from esper.primitives.params import NetworkParameters
from esper.vm.envelope_rules import check_isolated
from esper.vm.transaction import Transaction, decode_transaction
from esper.wallet.describing import Lines
from esper.wallet.errors import ExchangeFileError, OtherNetworkError
from esper.wallet.files.given_files import GivenTextError, without_mark

FORMAT: Final = 1
MAX_FILE_BYTES: Final = 1 << 20

What = Literal["unsigned transaction", "signed transaction"]


class ExchangeFile(Struct, frozen=True, forbid_unknown_fields=True):
    """An unsigned or a signed transaction as a file."""

    format: int
    """1."""
    what: What
    """Which of both."""
    network: str
    """Name of the network."""
    genesis_hash: str
    """64 bytes in hex: which network of that name."""
    summary: dict[str, str]
    """For people, never read by a program."""
    hex: Annotated[str, Meta(pattern=r"^(?:[0-9a-f]{2})++$(?!\n)")]
    """The transaction's bytes."""


def exchange_bytes(transaction: Transaction, params: NetworkParameters, lines: Lines) -> bytes:
    """The file of a transaction, signed or not."""
    file = ExchangeFile(
        format=FORMAT,
        what="signed transaction" if transaction.signature else "unsigned transaction",
        network=params.name,
        genesis_hash=genesis_hash(params).hex(),
        summary=_joined(lines),
        hex=transaction.to_bytes().hex(),
    )
    return msgspec.json.format(msgspec.json.encode(file), indent=1) + b"\n"


def network_named(data: bytes) -> NetworkParameters:
    """The network that a file names. Raises ExchangeFileError or OtherNetworkError."""
    try:
        return network(_decoded(data).network)
    except UnknownNetworkError as error:
        raise OtherNetworkError(f"the file: {error}") from None


def read_exchange(data: bytes, what: What, params: NetworkParameters) -> Transaction:
    """The transaction of a file of this network. Raises ExchangeFileError or OtherNetworkError."""
    file = _decoded(data)
    if file.format != FORMAT:
        raise ExchangeFileError(f"the file has format {file.format}, this program knows {FORMAT}")
    if file.what != what:
        raise ExchangeFileError(
            f"the file holds {_article(file.what)}, {_article(what)} is needed here"
        )
    known = genesis_hash(params).hex()
    if file.genesis_hash != known:
        raise OtherNetworkError(
            f"the file is for {file.network!r} with genesis {file.genesis_hash[:16]}…, the wallet "
            f"is on {params.name} with {known[:16]}…"
        )
    try:
        found = decode_transaction(bytes.fromhex(file.hex), params.limits.transaction_bytes)
    except RuleViolation as violation:
        raise ExchangeFileError(f"the file's transaction is unreadable: {violation}") from violation
    try:
        # Before anybody is shown suites and addresses that do not exist. The key is left to whoever
        # signs: zeros may stand for it.
        check_isolated(replace(found, key=b""))
    except RuleViolation as violation:
        raise ExchangeFileError(f"the file's transaction breaks a rule: {violation}") from violation
    if bool(found.signature) != (what == "signed transaction"):
        raise ExchangeFileError(f"the file's bytes are no {what}")
    return found


def _article(what: str) -> str:
    return f"an {what}" if what.startswith("u") else f"a {what}"


def _decoded(data: bytes) -> ExchangeFile:
    if len(data) > MAX_FILE_BYTES:
        raise ExchangeFileError("the file is larger than 1 MiB, as none with a transaction is")
    if not data.strip():
        raise ExchangeFileError("the file is empty: build or sign the transaction again")
    try:
        return msgspec.json.decode(without_mark(data), type=ExchangeFile)
    except GivenTextError as error:
        raise ExchangeFileError(f"the file {error}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ExchangeFileError(f"the file holds no transaction: {error}") from None


def _joined(lines: Lines) -> dict[str, str]:
    """Lines of one name become one entry."""
    texts: dict[str, list[str]] = {}
    for name, text in lines:
        texts.setdefault(name, []).append(text)
    return {name: "; ".join(found) for name, found in texts.items()}
