"""`esper call`: ask a model, wait for the proven answer, or leave it running."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any, Final

import msgspec
import typer
from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from esper.cli.esper import environment
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    printable,
    session,
)
from esper.cli.esper.spend.fee_options import Expires, From
from esper.cli.esper.spend.paying import own_address, pay
from esper.rpc.schema import CallReply
from esper.wallet.amounts import bid_text, counted, credits_text
from esper.wallet.asked_call import asked_call
from esper.wallet.call_progress import call_progress, phrase
from esper.wallet.intents import DEFAULT_WINDOW, prepared
from esper.wallet.keys import resealed
from esper.wallet.keystore import WalletFile, open_wallet

PUBLIC: Final = (
    "Prompts and answers stand in the chain, readable to everyone, for ever. "
    "Ask nothing that is private."
)


def call_command(
    text: Annotated[str, typer.Argument(help="What to ask, or to continue.")],
    max_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.")] = 16,
    bid: Annotated[
        int | None, typer.Option(help="Micro-credits a weighted token; the node's advice without.")
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="As a message in a chat.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the answer.")] = True,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Ask a model of the chain; credits pay."""
    with session(datadir, wallet, as_json, yes) as s:
        call, estimate = asked_call(s.node, s.params, text, max_tokens, bid=bid, chat=chat)
        payer = own_address(s, sender)
        prepared(s.node, s.params, payer, call, window=expires)
        s.note(
            f"costs at most {credits_text(call.reserve)} at a bid of {bid_text(call.price)}; "
            f"waiting before it: {counted(estimate.waiting_calls, 'call')}, "
            f"about {counted(estimate.expected_blocks, 'block')}"
        )
        _tell_that_prompts_are_public(s)
        txid = pay(s, payer, call, expires).txid
        if not wait:
            s.answer({"txid": txid, "status": "queued"}, txid)
            return
        s.note(f"call {txid}")
        try:
            last = _follow(s, txid)
        except KeyboardInterrupt:
            s.note(f"the call goes on without you; look with: {s.command('tx', txid)}")
            s.answer({"txid": txid, "status": "interrupted"})
            return
        _tell_end(s, last)


def _tell_that_prompts_are_public(s: Session) -> None:
    """Once a wallet; the wallet's file remembers."""
    if s.file.prompts_are_public:
        return
    s.note(PUBLIC)
    s.confirm("Understood?")
    password = s.password

    def change(file: WalletFile) -> WalletFile:
        told = replace(file, prompts_are_public=True)
        return resealed(told, open_wallet(file, password), password, environment.randomness)

    s.folder.update(s.name, change)


def _follow(s: Session, txid: str) -> CallReply:
    """Show where the call stands, and the answer as soon as it is known; the last news."""
    console = Console(stderr=True)
    live = not s.as_json and environment.is_terminal()
    shown: str | None = None
    last: CallReply | None = None
    with console.status("submitted") if live else nullcontext() as line:
        for last in call_progress(s.node, txid, environment.sleep):
            if line is not None:
                line.update(Text(printable(phrase(last))))
            else:
                s.note(phrase(last))
            if last.answer is not None and last.answer != shown and last.status != "answered":
                shown = last.answer
                s.note(f"{shown}\n(not final yet)")
    assert last is not None, "progress ends with news"
    return last


def _tell_end(s: Session, last: CallReply) -> None:
    document: dict[str, Any] = msgspec.to_builtins(last)
    if last.status != "answered":
        s.refuse("CallNotAnswered", f"call {last.txid} {phrase(last)}", data=document)
    s.answer(
        document,
        last.answer or "",
        f"block {last.height}  {last.block}",
        f"proof {last.proof_id}",
        f"cost  {credits_text(last.cost)} for {last.prompt_tokens} + {last.answer_tokens} tokens",
    )
