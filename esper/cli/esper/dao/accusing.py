"""`esper dao accuse`: a gateway signed an answer that its model does not give.

Exit status: 0 accused, 1 refused, 2 misused or no receipt, 3 the answer is honest.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer

from esper.cli.esper.models.model_argument import model_folder
from esper.cli.esper.models.proving_progress import (
    Progress,
    TooLittleMemoryError,
    apart,
    check_memory,
    memory_line,
    shown,
    status,
)
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.spend.fee_options import Fee, From, MaxFee
from esper.embedded import WORD
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE

if TYPE_CHECKING:
    from esper.cli.esper.dao.accusation import SignedAnswer, Takings
    from esper.consensus.ports import WorkClaim
    from esper.dao.benchmarks.answers import ShownAnswer
    from esper.model.loaded import LoadedModel
    from esper.wallet.making.fee_terms import FeeTerms

HONEST: Final = 3
"""Exit status: the model gives the answer that was signed."""


def accuse_command(
    receipt: Annotated[Path, typer.Argument(metavar="RECEIPT", help="File of a receipt.")],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=model_folder,
            help="Folder of the model that the receipt is about; `genesis` without it.",
        ),
    ] = None,
    any_memory: Annotated[
        bool, typer.Option("--any-memory", help="Begin even if the memory seems too little.")
    ] = False,
    sender: From = None,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Prove a signed answer false: 0 accused, 1 refused, 2 misused, 3 honest."""
    from esper.cli.esper.dao import accusation as a
    from esper.cli.esper.spend.paying import own_address
    from esper.primitives.address import Address
    from esper.receipts.form import MAX_BYTES
    from esper.wallet.making.fee_terms import FeeTerms
    from esper.wallet.making.intents import account_of

    with session(datadir, wallet, as_json, yes) as s:
        terms, own = FeeTerms.parsed(fee, max_fee), own_address(s, sender)
        with receipt.open("rb") as opened:
            found = a.signed_answer(opened.read(MAX_BYTES + 1), s.genesis)
        promise = found.promise
        gateway = Address.from_bytes(promise.gateway).to_text(s.params.address_prefix)
        left = a.blocks_left(promise, s.status.height, s.params)
        s.note(f"signed by {gateway} at height {promise.height}, evidence for {left} blocks")

        loaded = _model(s, model, found)
        said = _answer(found, loaded, a.provable_tokens(promise, loaded, s.params))
        shown = a.contradiction(promise.answer, said, loaded.eos)
        document: dict[str, Any] = {
            "gateway": gateway,
            "receipt": found.digest.hex(),
            "signed": list(promise.answer),
            "answer": list((shown or said).tokens),
            "honest": shown is None,
        }
        if shown is None:
            _tell_honest(s, document)
        _check_mines(s)
        place = a.first_difference(promise.answer, shown.tokens)
        s.note(f"contradicted: token {place + 1} of {len(promise.answer)} is another")
        named = a.takings(account_of(s.node, gateway), s.rules)
        _accuse(s, own, terms, found, shown, named, loaded, document, any_memory=any_memory)


def _check_mines(s: Session) -> None:
    """Before anything is proven: a proof is of use to a node that mines alone."""
    from esper.rpc.client import NodeError
    from esper.rpc.errors import NOT_MINING
    from esper.rpc.methods import GET_MINING
    from esper.rpc.schema import NoParams

    try:
        s.node.call(GET_MINING, NoParams())
    except NodeError as error:
        if error.code != NOT_MINING:
            raise
        s.refuse(
            "NotMinedHereError",
            "this node does not mine, and a proof travels with the block that holds it: name one "
            "that does with ESPER_RPC and ESPER_RPC_TOKEN",
        )


def _tell_honest(s: Session, document: dict[str, Any]) -> NoReturn:
    count = len(document["signed"])
    s.answer(document, f"honest: the model gives the {count} tokens that were signed")
    raise typer.Exit(HONEST)


def _accuse(
    s: Session,
    own: str,
    terms: FeeTerms,
    found: SignedAnswer,
    said: ShownAnswer,
    named: Takings,
    loaded: LoadedModel,
    document: dict[str, Any],
    *,
    any_memory: bool,
) -> None:
    """Prove the model's answer, sign what shows it, and hand both in."""
    from esper.cli.esper.dao import accusation as a
    from esper.cli.esper.spend.paying import pay, told_as_sent
    from esper.consensus.audits.evidence import evidence_claim
    from esper.consensus.call_groups import AUDIT, CallGroup, ProvenCall
    from esper.dao.evidence import EVIDENCE_SUBJECT, evidence_bytes
    from esper.primitives.ids import Txid
    from esper.vm.governance.prove import Prove
    from esper.wallet.amounts import esp_text
    from esper.wallet.labels import parsed_address
    from esper.wallet.making.intents import DEFAULT_WINDOW

    body = a.evidence_of(found, said, named)
    data, by = evidence_bytes(body), parsed_address(own, s.params).to_bytes()
    proof = _proof(s, evidence_claim(s.genesis, by, found.digest, data, body), loaded, any_memory)

    def groups(txid: Txid) -> list[CallGroup]:
        return [CallGroup(AUDIT, loaded.model_id, (ProvenCall(txid, ()),), proof)]

    room = sum(len(group.to_bytes()) for group in groups(Txid(bytes(64))))
    prove = Prove(EVIDENCE_SUBJECT, found.digest, room, data)
    # The proof took its time: the chain has moved, and the node may be another process by now.
    s.reconnected()
    window = min(DEFAULT_WINDOW, a.blocks_left(found.promise, s.status.height, s.params))
    reply = pay(s, own, prove, window, terms, groups=groups)
    document |= {
        "txid": reply.txid,
        "replaced": reply.replaced,
        "takes": str(named.units),
        "rewards": list(named.rewards),
        "stake": str(named.stake),
        "unbondings": [[one.height, one.index] for one in named.unbondings],
        "room": room,
    }
    with told_as_sent(s, reply.txid):
        s.answer(document, reply.txid)
    s.note(
        f"takes up to {esp_text(named.units)} from the gateway, half of it for {own}; it waits on "
        "this node, for its next own block: other nodes do not have it"
    )


def _model(s: Session, folder: Path | None, found: SignedAnswer) -> LoadedModel:
    """The model that the answer is said to be of; leaves with a sentence for any other."""
    from esper.model import load_model
    from esper.model.errors import ModelError

    place = folder or Path(model_folder(WORD))
    try:
        with status("loading the model"):
            loaded = load_model(place)
            same = loaded.model_id == found.promise.model_id
    except (ModelError, ImportError) as error:
        s.refuse(type(error).__name__, str(error))
    if not same:
        s.refuse(
            "OtherModelError",
            f"{place} is another model than the receipt's, {found.promise.model_id.hex()}: name "
            "its folder with --model",
            status=2,
        )
    return loaded


def _answer(found: SignedAnswer, loaded: LoadedModel, count: int) -> ShownAnswer:
    from esper.cli.esper.dao.accusation import answer_of

    threads = len(os.sched_getaffinity(0))
    with status("asking the model"):
        return apart(lambda: answer_of(found.promise, loaded, count, threads))


def _proof(s: Session, claim: WorkClaim, loaded: LoadedModel, any_memory: bool) -> bytes:
    """The proof of what the model says; leaves where this machine cannot make it."""
    from esper.prover import ProofError, planned, prove
    from esper.prover.free_memory import free_memory

    prompts, (limit,) = list(claim.inputs), claim.max_answers
    try:
        plan = planned(loaded.native, prompts, limit)
        if sys.stderr.isatty():
            s.note(memory_line(plan))
        if not any_memory:
            check_memory(plan, free_memory())
        progress = Progress(plan)
        with shown(progress):
            statement, proof = apart(
                lambda: prove(
                    loaded,
                    prompts,
                    max_answer=limit,
                    binding=claim.binding,
                    rows=claim.rows,
                    top_k=claim.top_k,
                    done=progress.done,
                )
            )
    except (ProofError, TooLittleMemoryError) as error:
        s.refuse(type(error).__name__, str(error))
    if statement.sequences[0].answer != claim.answers[0].tokens:
        s.refuse("DisagreementError", "two runs of the model differ: this machine computes wrongly")
    return proof
