"""`esper call`: ask a model, wait for the answer and check its proof, or leave it running."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import typer
from msgspec.structs import replace

from esper.cli.esper import environment
from esper.cli.esper.calls.call_following import follow
from esper.cli.esper.calls.kept_answer import Kept
from esper.cli.esper.calls.prompt_input import typed_prompt
from esper.cli.esper.calls.proof import not_proven
from esper.cli.esper.calls.proof_checking import fetched_proof
from esper.cli.esper.calls.proven_text import proven_document, proven_lines, words
from esper.cli.esper.calls.receipt_keeping import ReceiptFile, UntilFinal
from esper.cli.esper.models.max_tokens import DEFAULT_MAX_TOKENS, MaxTokens
from esper.cli.esper.models.out_file import Force
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.shown_text import in_a_line
from esper.cli.esper.spend.fee_options import Expires, From
from esper.cli.esper.spend.paying import own_address, pay, told_as_sent
from esper.primitives.ids import txid_of
from esper.receipts.call_proof import UnprovenError
from esper.rpc.client import RpcClientError
from esper.rpc.schema import CallReply, Estimate
from esper.vm.answers import call_cost
from esper.vm.llm_call import LlmCall
from esper.wallet.amounts import bid_text, counted, credits_text
from esper.wallet.asked_call import answered_when, asked_call, why_not_answered
from esper.wallet.call_progress import phrase
from esper.wallet.errors import CallOverdueError, MisuseError, NodeLostError, OtherNetworkError
from esper.wallet.files.keystore import WalletFile, open_wallet
from esper.wallet.keys import resealed
from esper.wallet.making.intents import DEFAULT_WINDOW, prepared

if TYPE_CHECKING:
    from esper.node.calls.text_service import ModelText

PUBLIC: Final = (
    "Prompts and answers stand in the chain, readable to everyone, for ever. "
    "Ask nothing that is private."
)


def call_command(
    text: Annotated[
        str, typer.Argument(help="What to ask, or to continue; - reads standard input.")
    ],
    max_tokens: MaxTokens = DEFAULT_MAX_TOKENS,
    bid: Annotated[
        int | None, typer.Option(help="Micro-credits a weighted token; the node's advice without.")
    ] = None,
    chat: Annotated[bool, typer.Option("--chat", help="As a message in a chat.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the answer.")] = True,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, help="Seconds to wait; without it, as long as blocks come."),
    ] = None,
    receipt: ReceiptFile = None,
    final: UntilFinal = False,
    force: Force = False,
    sender: From = None,
    expires: Expires = DEFAULT_WINDOW,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Ask a model of the chain; credits pay. The proof of the answer is checked here."""
    with session(datadir, wallet, as_json, yes) as s:
        if timeout is not None and isnan(timeout):
            raise MisuseError("--timeout is no number of seconds")
        if final and receipt is None:
            raise MisuseError("--final is of receipts: name a file with --receipt")
        if receipt is not None and not wait:
            raise MisuseError(
                "a receipt comes after the answer: leave --no-wait out, or fetch it later with "
                "`esper proof TXID --receipt FILE`"
            )
        kept = Kept(receipt, final, force, timeout)
        kept.check(s)
        prompt = typed_prompt(text)
        from esper.cli.esper.calls.local_text import tokens_of

        local = environment.model_text(s.params)
        call, estimate = asked_call(
            s.node,
            s.rules,
            prompt,
            max_tokens,
            bid=bid,
            chat=chat,
            tokens=None if local is None else tokens_of(local, prompt, chat=chat),
        )
        if call.model_id != s.params.model.model_id:
            s.note(
                f"model {call.model_id.hex()[:16]}…, by this node's word: {s.params.name} began "
                "with another"
            )
        payer = own_address(s, sender)
        transaction = prepared(s.node, s.rules, payer, call, window=expires)
        warned = _tell_what_it_takes(s, call, estimate, transaction.expiry, yes=yes)
        _tell_that_prompts_are_public(s)
        txid = pay(s, payer, call, expires).txid
        if not wait:
            with told_as_sent(s, txid):
                s.answer({"txid": txid, "status": "queued"} | warned, txid)
            return
        s.note(f"call {txid}")
        try:
            last = follow(s, txid, timeout)
        except KeyboardInterrupt:
            s.note(f"the call goes on without you; {_look(s, txid)}")
            s.answer({"txid": txid, "status": "interrupted"} | warned)
            return
        except (CallOverdueError, NodeLostError, OtherNetworkError, RpcClientError) as error:
            s.refuse(
                type(error).__name__,
                f"{error}. The call is not lost: it stands in the chain, or waits in its node's "
                f"files until it lapses after height {transaction.expiry}; {_look(s, txid)}",
                data={"txid": txid} | warned,
            )
        with told_as_sent(s, txid):
            _tell_end(s, txid, call, last, local, warned, kept)


def _look(s: Session, txid: str) -> str:
    look, check = s.command("tx", txid), s.command("proof", txid)
    return f"look with: {look}, and once it is answered check it with: {check}"


def _tell_what_it_takes(
    s: Session, call: LlmCall, estimate: Estimate, expiry: int, *, yes: bool
) -> dict[str, Any]:
    """What it costs and how long it waits; that nobody answers here is agreed to, or refused.

    The warning as a member of the answer, if there is one.
    """
    cost = f"costs at most {credits_text(call.reserve)} at a bid of {bid_text(call.price)}"
    before = f"waiting before it: {counted(estimate.waiting_calls, 'call')}"
    why = why_not_answered(estimate)
    if not why:
        blocks = f"about {counted(estimate.expected_blocks, 'block')}"
        s.note(f"{cost}; {before}, {blocks}{answered_when(estimate)}")
        return {}
    warning = (
        f"nobody at this node would answer: {why}. The call would wait until another miner of "
        f"{s.params.name} takes it, or lapse after height {expiry}, at no cost"
    )
    if not yes and not environment.is_terminal():
        s.refuse("NobodyAnswersError", f"{warning}. To make it all the same: --yes")
    s.note(f"{cost}; {before}")
    s.note(warning)
    s.confirm("Make it all the same?")
    return {"warning": warning}


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


def _tell_end(
    s: Session,
    txid: str,
    call: LlmCall,
    last: CallReply,
    local: ModelText | None,
    warned: dict[str, Any],
    kept: Kept,
) -> None:
    document: dict[str, Any] = msgspec.to_builtins(last) | warned
    if last.status != "answered":
        s.refuse("CallNotAnswered", f"call {txid} {phrase(last)}", data=document)
    try:
        proven = fetched_proof(s.node, txid_of(txid), call, s.params, s.genesis, {call.model_id})
        prompt, answer = words(proven, local)
        if answer is not None and last.answer not in (None, answer):
            raise UnprovenError("the node shows another answer than the one that is proven")
    except UnprovenError as error:
        not_proven(s, f"{error}. The node's answer was {last.answer!r}", document)
    except RpcClientError as error:
        not_proven(s, f"the node gave no proof: {error}; try later: esper proof {txid}", document)
    cost = str(call_cost(call.price, len(call.prompt), len(proven.answer)))
    # The rest of what the node said stands beside it; what is known here is not its word.
    document |= {
        "txid": txid,
        "prompt_tokens": len(call.prompt),
        "max_tokens": call.max_tokens,
        "price": call.price,
        "answer_tokens": len(proven.answer),
        "cost": cost,
        "proof_id": proven.proof_id,
    }
    if answer is not None:
        document |= {"prompt": prompt, "answer": answer}
    document |= {"proof": proven_document(proven, local)}
    lines = [f"keep it with: esper proof {txid} --out FILE"]
    if kept.file is not None:
        told, line = kept.keep(s, txid_of(txid), call, document)
        document["receipt"] = told
        lines = [line]
    s.answer(
        document,
        (last.answer or "") if answer is None else answer,
        f"block {last.height}  {in_a_line(str(last.block))}",
        f"proof {proven.proof_id}",
        *proven_lines(proven, local),
        *lines,
        f"cost  {credits_text(cost)} for {len(call.prompt)} + {len(proven.answer)} tokens",
    )
