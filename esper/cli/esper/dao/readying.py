"""`esper dao ready`: how many blocks are ready for a model, and the payee's signature that it is.

Where the payee's key is on the mining node that shows it by itself. Where it is elsewhere, the node
rehearses the model, and the wallet that has the key fetches what is to be signed from that node.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from esper.cli.esper.dao.proposal_ids import ProposalId, proposal_of, shown_proposal
from esper.cli.esper.dao.proposal_text import readiness_line
from esper.cli.esper.session import (
    DEFAULT_DATADIR,
    Datadir,
    Json,
    Session,
    WalletName,
    Yes,
    session,
)
from esper.cli.esper.spend.building import tell_built
from esper.cli.esper.spend.fee_options import Fee, From, MaxFee
from esper.cli.esper.spend.paying import own_address, pay, tell_submitted
from esper.dao.ready import READY_SUBJECT
from esper.primitives.errors.dao_errors import DaoEncodingViolation
from esper.primitives.ids import txid_of
from esper.rpc.methods import DAO_READINESS, DAO_REHEARSAL
from esper.rpc.schema import NoParams, ProposalReply, RehearsalParams, RehearsalReply
from esper.vm.governance.prove import Prove
from esper.wallet.errors import MisuseError, NodeContradictionError, WalletError
from esper.wallet.making.fee_terms import DEFAULT_MAX_FEE, FeeTerms
from esper.wallet.making.intents import DEFAULT_WINDOW, drafted

AWAITED: Final = frozenset({"round0", "check"})
"""Steps of a model at which miners show that they are ready."""


class NotAwaitedError(WalletError):
    """Readiness for a proposal that waits for none."""


def ready_command(
    proposal: ProposalId,
    sign: Annotated[
        bool,
        typer.Option(
            "--sign", help="Sign what this wallet's mining node rehearsed, and hand it in."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write that, unsigned, for a wallet elsewhere.")
    ] = None,
    sender: From = None,
    fee: Fee = None,
    max_fee: MaxFee = DEFAULT_MAX_FEE,
    wallet: WalletName = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
    yes: Yes = False,
) -> None:
    """How many blocks are ready for a model, and what its miners do."""
    with session(datadir, wallet, as_json, yes) as s:
        if sign and out is not None:
            raise MisuseError("--sign or --out: it is signed here, or elsewhere")
        if not sign and out is None:
            _tell(s, shown_proposal(s.any_node, proposal))
            return
        terms, own = FeeTerms.parsed(fee, max_fee), own_address(s, sender)
        found = proposal_of(s.node, proposal)
        _check_awaited(found)
        said = s.node.call(DAO_REHEARSAL, RehearsalParams(found.live.id, own))
        prove, window = _prove_of(said, found), _window(said)
        if said.lapsed:
            s.note(f"what was signed before is of no use any more: {said.lapsed}")
        if out is not None:
            draft = drafted(
                s.node, s.rules, own, prove, window=window, fees=terms, least_nonce=said.nonce
            )
            tell_built(s, draft.transaction, out)
            return
        reply = pay(s, own, prove, window, terms, least_nonce=said.nonce)
        tell_submitted(s, reply)
        s.note(
            f"it waits on this node, for its next own block, up to height {said.last_height}; "
            "other nodes do not have it"
        )


def _prove_of(said: RehearsalReply, asked: ProposalReply) -> Prove:
    """What the node wants signed, of the proposal that was named and of nothing else."""
    if said.id != asked.live.id or not 0 <= said.nonce < 1 << 64 or not 0 <= said.room < 1 << 32:
        raise NodeContradictionError("the node rehearsed something else: ask another node")
    try:
        prove = Prove(READY_SUBJECT, txid_of(said.id), said.room, bytes.fromhex(said.body))
        prove.check_isolated()
    except (ValueError, DaoEncodingViolation) as error:
        raise NodeContradictionError(f"what the node rehearsed shows nothing: {error}") from error
    return prove


def _window(said: RehearsalReply) -> int:
    """Blocks that it is signed for: behind its last height no block may have it."""
    left = said.last_height - said.as_of.height
    if left < 1:
        raise NodeContradictionError(f"no block after height {said.last_height} may have it")
    return min(left, DEFAULT_WINDOW)


def _check_awaited(found: ProposalReply) -> None:
    if found.live.subject != "model" or found.live.step not in AWAITED:
        now = " now" if found.live.subject == "model" else ", which is about no model"
        raise NotAwaitedError(
            f"nobody has to be ready for proposal {found.live.number}{now}; at height "
            f"{found.live.next}: {found.live.then}"
        )


def _tell(s: Session, found: ProposalReply) -> None:
    """The counts, and what to do. No wallet is needed."""
    _check_awaited(found)
    counts = s.any_node.call(DAO_READINESS, NoParams()).proposals
    count = next((one for one in counts if one.id == found.live.id), None)
    lines = [] if count is None else [readiness_line(count)]
    run = s.command_of("esperd", "mine")
    by_hand = s.command("dao", "ready", found.live.id[:16], "--sign", wallet=True)
    package = "" if found.model is None else found.model.package
    lines += [
        f"package   {package}",
        "ready     a mining node fetches the package, rehearses the model and says that it is "
        "ready by itself:",
        f"          {run}",
        "          beforehand, `esper model check DIR` says what it would find",
        "          where its payee's key is in a wallet elsewhere, that signs what it rehearsed:",
        f"          {by_hand}",
    ]
    document = {
        "proposal": found.live.id,
        "package": package,
        "count": None if count is None else msgspec.to_builtins(count),
        "run": run,
        "sign": by_hand,
    }
    s.answer(document, *lines)
