"""`esper build`: transactions on paper, for a wallet elsewhere to sign."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.models.max_tokens import DEFAULT_MAX_TOKENS, MaxTokens
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    session,
)
from esper.cli.esper.spend.fee_options import Expires, Fee, From, Height, MaxFee, Nonce
from esper.cli.esper.spend.paying import own_address
from esper.cli.esper.spend.prompt_source import PromptSource
from esper.cli.esper.spend.wish_words import MakeWish, giving, sending, staking, unstaking
from esper.cli.esper.spending import CreditAmount, Esp, Receiver
from esper.cli.esper.submitting import write_new
from esper.cli.lazy_commands import OPTIONS
from esper.vm.transaction import Transaction
from esper.wallet.describing import described, labels_of, shown
from esper.wallet.errors import MisuseError
from esper.wallet.files.exchange import exchange_bytes
from esper.wallet.labels import address_called
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW, drafted, drafted_without_node
from esper.wallet.making.wishes import Everything, Wish

Out = Annotated[Path, typer.Option("--out", help="File to write, unsigned.")]

build_app = typer.Typer(
    help="Build a transaction for a wallet elsewhere to sign.", no_args_is_help=True, **OPTIONS
)


@build_app.command("send")
def build_send_command(
    address: Receiver,
    amount: Esp,
    out: Out,
    sender: From = None,
    nonce: Nonce = None,
    height: Height = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build a transfer of ESP."""
    with session(datadir, wallet, as_json) as s:
        _build(
            s,
            sending(address_called(s.file, address), amount),
            out,
            sender,
            Terms(expires, FeeTerms.parsed(fee, max_fee), nonce, height),
        )


@build_app.command("stake")
def build_stake_command(
    amount: Esp,
    out: Out,
    sender: From = None,
    nonce: Nonce = None,
    height: Height = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build a stake."""
    with session(datadir, wallet, as_json) as s:
        _build(
            s,
            staking(amount),
            out,
            sender,
            Terms(expires, FeeTerms.parsed(fee, max_fee), nonce, height),
        )


@build_app.command("unstake")
def build_unstake_command(
    amount: Esp,
    out: Out,
    sender: From = None,
    nonce: Nonce = None,
    height: Height = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build an unstake."""
    with session(datadir, wallet, as_json) as s:
        _build(
            s,
            unstaking(amount),
            out,
            sender,
            Terms(expires, FeeTerms.parsed(fee, max_fee), nonce, height),
        )


@build_app.command("credits")
def build_credits_command(
    address: Receiver,
    amount: CreditAmount,
    out: Out,
    sender: From = None,
    nonce: Nonce = None,
    height: Height = None,
    expires: Expires = DEFAULT_WINDOW,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build a gift of credits."""
    with session(datadir, wallet, as_json) as s:
        _build(
            s,
            giving(address_called(s.file, address), amount),
            out,
            sender,
            Terms(expires, FeeTerms.parsed(fee, max_fee), nonce, height),
        )


@build_app.command("call")
def build_call_command(
    out: Out,
    text: Annotated[
        str | None, typer.Argument(help="What to ask, or to continue; none with --tokens.")
    ] = None,
    max_tokens: MaxTokens = DEFAULT_MAX_TOKENS,
    bid: Annotated[
        int | None, typer.Option(help="Micro-credits a weighted token; the least or the node's.")
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="As a message in a chat.")] = False,
    model: Annotated[
        Path | None,
        typer.Option("--model", help="Folder of the network's model, to make the tokens here."),
    ] = None,
    tokens: Annotated[
        Path | None, typer.Option("--tokens", help="File of the prompt's token ids; - is stdin.")
    ] = None,
    sender: From = None,
    nonce: Nonce = None,
    height: Height = None,
    expires: Expires = DEFAULT_WINDOW,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """Build a call to a model. The node makes the tokens where its tokenizer is not here."""
    with session(datadir, wallet, as_json) as s:
        terms = Terms(expires, FeeTerms(), nonce, height)
        source = PromptSource(text, chat=chat, model=model, tokens=tokens)
        if terms.without_node is not None and model is None and tokens is None:
            raise MisuseError("without a node the tokens come from --model DIR or --tokens FILE")
        rules = s.rules if terms.without_node is None else s.params
        call = source.call(s, max_tokens, bid, rules)
        _build(s, lambda _: call, out, sender, terms)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a transaction is built."""

    window: int
    fees: FeeTerms
    nonce: int | None
    height: int | None

    @property
    def without_node(self) -> tuple[int, int] | None:
        """Nonce and height, None if a node says them. Raises MisuseError for one of both."""
        if self.nonce is None and self.height is None:
            return None
        if self.nonce is None or self.height is None:
            raise MisuseError("--nonce and --height: name both, and no node is asked, or neither")
        return self.nonce, self.height


def _build(s: Session, wish: MakeWish, out: Path, sender: str | None, terms: Terms) -> None:
    tell_built(s, _drafted(s, wish(s.params), own_address(s, sender), terms), out)


def tell_built(s: Session, transaction: Transaction, out: Path) -> None:
    """Write an unsigned transaction, and say what it is and who signs it how."""
    lines = described(transaction, s.params, labels_of(s.file))
    write_new(out, exchange_bytes(transaction, s.params, lines))
    signed = out.with_suffix(".signed")
    if signed == out:
        signed = out.with_name(out.name + ".signed")
    # The machine that signs has other folders and wallets: the file's name alone is the same there.
    hint = shlex.join(["esper", "sign", out.name, "--out", signed.name])
    s.answer({"file": str(out)}, *shown(lines), f"written to {out}: {hint}")


def _drafted(s: Session, wish: Wish, sender: str, terms: Terms) -> Transaction:
    told = terms.without_node
    if told is None:
        draft = drafted(s.node, s.rules, sender, wish, window=terms.window, fees=terms.fees)
        return draft.transaction
    if isinstance(wish, Everything):
        raise MisuseError("how much is all? Without a node, name the amount")
    nonce, height = told
    return drafted_without_node(
        s.params, sender, wish, nonce=nonce, height=height, window=terms.window, fees=terms.fees
    )
