"""`esper status, tx, block, models`: looking at the chain through a node. No wallet is needed."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
import typer

from esper.cli.esper import environment
from esper.cli.esper.session import DEFAULT_DATADIR, Datadir, Json, session
from esper.cli.esper.shown_text import in_a_line
from esper.cli.esper.typed_ids import LEAST_DIGITS, TxId, checked_id
from esper.rpc.client import NodeError
from esper.rpc.errors import NOT_FOUND
from esper.rpc.methods import GET_BLOCK, GET_CALL, GET_STATUS, GET_TRANSACTION, LIST_MODELS
from esper.rpc.schema import (
    AsOf,
    BlockParams,
    BlockReply,
    NoParams,
    PenaltyReply,
    Status,
    TransactionParams,
    TransactionReply,
)
from esper.wallet.amounts import counted, credits_text, esp_text
from esper.wallet.call_progress import INTERVAL_S, phrase
from esper.wallet.errors import NodeContradictionError
from esper.wallet.moments import as_of_text, time_text
from esper.wallet.node_port import Node

DAO_KINDS: Final = frozenset({"propose", "vote", "delegate", "claim", "prove"})
MAX_BYTES: Final = 1 << 17
"""No transaction of any network is longer."""
ON_DEMAND: Final = "regtest"
"""The network whose nodes mine what is asked for. Its parameters are much to load for a line."""


def status_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """The node and its chain."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(GET_STATUS, NoParams())
        # Whole numbers alone: what the node says may be more than a float holds.
        percent, tenth = divmod(found.usefulness_per_mille, 10)
        s.answer(
            msgspec.to_builtins(found),
            f"{found.network}, {as_of_text(AsOf(found.height, found.synced), found)}",
            f"tip         {found.tip}",
            f"tip time    {time_text(found.tip_time_ms)} UTC",
            f"issued      {esp_text(found.issued)}",
            f"usefulness  {percent}.{tenth} % of proven tokens were paid",
            f"waiting     {counted(found.mempool_transactions, 'transaction')}, "
            f"{counted(found.mempool_calls, 'call')}",
            f"mining      {_mining_text(found)}",
            *_dao_lines(found),
            *_peer_lines(found),
            *(f"warning     {one}" for one in found.warnings),
        )


def _dao_lines(found: Status) -> list[str]:
    """What comes next, and which models grow old; nothing where nothing is under way."""
    lines = [f"reminder    {one}" for one in found.reminders]
    if found.dao_next_height is not None:
        lines.insert(0, f"dao         at {found.dao_next_height}, {found.dao_next}")
    return lines


def _peer_lines(found: Status) -> list[str]:
    """How many there are; nothing of a node without a network."""
    if found.outbound is None or found.inbound is None:
        return []
    best = found.best_height or 0
    ahead = f"; the best claims height {best}" if best > found.height else ""
    dialled = f"{found.outbound} that this node dialled, {found.inbound} that dialled it"
    return [f"peers       {dialled}{ahead}"]


def _mining_text(found: Status) -> str:
    """Whether the node mines, and what becomes of calls there."""
    if found.paused:
        return "paused (`esperd resume` lets it go on); calls are answered and proven meanwhile"
    if not found.mining:
        return "no; calls wait here for other miners"
    if found.network == ON_DEMAND:
        return "when blocks are asked for: `esperd generate`"
    return "yes"


def tx_command(
    txid: TxId,
    wait: Annotated[
        bool, typer.Option("--wait", help="Until it is in a block, or dropped: status 1 then.")
    ] = False,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """A transaction, and of a call its answer."""
    with session(datadir, None, as_json) as s:
        beginning = checked_id(txid, "transaction id")
        found = s.any_node.call(GET_TRANSACTION, TransactionParams(beginning))
        if not found.txid.startswith(beginning):
            raise NodeContradictionError("the node gave another transaction: ask another node")
        txid = found.txid
        while wait and found.status == "pending":
            environment.sleep(INTERVAL_S)
            found = s.any_node.call(GET_TRANSACTION, TransactionParams(txid))
        if wait and found.status == "dropped":
            by = f" ({found.replaced_by})" if found.replaced_by else ""
            s.refuse("Dropped", f"{txid} is not in the chain: {found.reason}{by}")
        document: dict[str, Any] = {"transaction": msgspec.to_builtins(found)}
        lines = _transaction_lines(found)
        if found.kind == "llm-call" and found.status != "dropped":
            call = s.any_node.call(GET_CALL, TransactionParams(txid))
            document["call"] = msgspec.to_builtins(call)
            lines.append(f"call      {phrase(call)}")
            if call.answer is not None:
                lines.append(call.answer)
            if int(call.cost):
                lines.append(f"cost      {credits_text(call.cost)}")
            if call.proof_id:
                lines.append(f"proof     {call.proof_id}")
                lines.append(f"check it  {s.command('proof', found.txid)}")
        s.answer(document, *lines)


def block_command(
    which: Annotated[
        str | None,
        typer.Argument(help="Height, hash, or a hash's first 8 digits and more; the tip without."),
    ] = None,
    datadir: Datadir = DEFAULT_DATADIR,
    as_json: Json = False,
) -> None:
    """A block: what it paid, what was asked and answered."""
    with session(datadir, None, as_json) as s:
        found = _block(s.any_node, which)
        s.answer(msgspec.to_builtins(found), *_block_lines(found))


def models_command(datadir: Datadir = DEFAULT_DATADIR, as_json: Json = False) -> None:
    """The models that answer calls."""
    with session(datadir, None, as_json) as s:
        found = s.any_node.call(LIST_MODELS, NoParams())
        lines = []
        for model in found:
            chat = ", chat" if model.chat_template else ""
            here = ", answered here" if model.answered_here else ""
            lines.append(f"tier {model.tier}  vocabulary {model.vocab}{chat}{here}")
            lines.append(f"  {model.model_id}")
        s.answer({"models": msgspec.to_builtins(found)}, *lines)


def _block(node: Node, which: str | None) -> BlockReply:
    """Digits alone are a height, and where there is no such block the beginning of a hash."""
    if which is None:
        return node.call(GET_BLOCK, BlockParams())
    if which.isascii() and which.isdigit() and len(which) <= 10 and int(which) < 1 << 32:
        try:
            return node.call(GET_BLOCK, BlockParams(height=int(which)))
        except NodeError as error:
            if error.code != NOT_FOUND or len(which) < LEAST_DIGITS:
                raise
            with suppress(NodeError):
                return node.call(GET_BLOCK, BlockParams(hash=which))
            raise
    return node.call(GET_BLOCK, BlockParams(hash=checked_id(which, "block")))


def _transaction_lines(found: TransactionReply) -> list[str]:
    lines = [f"{found.kind} {found.txid}".lstrip(), f"status    {found.status}"]
    if found.reason:
        lines.append(f"reason    {found.reason}")
    if found.height is not None:
        when = "" if found.time_ms is None else f", {time_text(found.time_ms)} UTC"
        confirmed = counted(found.confirmations, "confirmation")
        lines.append(f"block     {found.height}, {confirmed}{when}")
    if found.replaced_by:
        lines.append(f"replaced  by {found.replaced_by}")
    if not found.sender:
        return lines
    lines.append(f"from      {found.sender}, nonce {found.nonce}")
    text = credits_text if found.kind == "credit-transfer" else esp_text
    for output in found.outputs:
        lines.append(f"to        {output.address or 'stake'}  {text(output.amount)}")
    lines.append(f"fee       {esp_text(found.fee)}, {counted(found.size, 'byte')}")
    if found.prompt is not None:
        lines.append(f"prompt    {in_a_line(found.prompt)}")
    if found.kind in DAO_KINDS and found.hex:
        lines += _said_lines(found)
    if found.penalty is not None:
        lines += _penalty_lines(found.penalty)
    return lines


def _penalty_lines(found: PenaltyReply) -> list[str]:
    """What evidence took, of what, and where it is now."""
    parts = (("rewards", found.rewards), ("stake", found.stake), ("unbonding", found.unbonding))
    of = ", ".join(f"{esp_text(units)} of {name}" for name, units in parts if int(units))
    return [
        f"taken     {esp_text(found.taken)} from {found.gateway}: {of}",
        f"paid      {esp_text(found.paid)} to the accuser; {esp_text(found.burned)} burned",
    ]


def _said_lines(found: TransactionReply) -> list[str]:
    """What a transaction of the DAO says, from its bytes; nothing for what cannot be read."""
    # Rules are much to load for a line: only where there is something to read.
    from esper.primitives.address import Address
    from esper.primitives.errors.rule_violation import RuleViolation
    from esper.vm.governance.claim import Claim
    from esper.vm.governance.delegate import Delegate
    from esper.vm.governance.propose import Propose
    from esper.vm.governance.prove import Prove
    from esper.vm.governance.vote import Vote
    from esper.vm.transaction import decode_transaction
    from esper.wallet.dao_words import (
        claim_lines,
        delegate_lines,
        proposed_lines,
        prove_lines,
        vote_lines,
    )
    from esper.wallet.describing import shown

    try:
        payload = decode_transaction(bytes.fromhex(found.hex), MAX_BYTES).payload
    except (RuleViolation, ValueError):
        return []
    match payload:
        case Propose():
            return shown([*proposed_lines(payload), ("bond", esp_text(payload.bond))])
        case Vote():
            return shown(vote_lines(payload))
        case Delegate(to):
            # The part before the last 1 names the network of an address.
            prefix = found.sender.rpartition("1")[0]
            return shown(delegate_lines(Address.from_bytes(to).to_text(prefix) if to else ""))
        case Claim():
            return shown(claim_lines(payload))
        case Prove():
            return shown(prove_lines(payload))
    return []


def _block_lines(found: BlockReply) -> list[str]:
    lines = [
        f"block {found.height} {found.hash}",
        f"time      {time_text(found.time_ms)} UTC, {counted(found.confirmations, 'confirmation')}",
    ]
    if found.payee:
        lines.append(f"payee     {found.payee}  {esp_text(found.reward)}")
    if found.size:
        pruned = "proof pruned"
        proof = f"proof {counted(found.proof_bytes, 'byte')}" if found.proof_bytes else pruned
        lines.append(f"size      {counted(found.size, 'byte')}, {proof}")
    else:
        lines.append("genesis   made of the network's parameters, nobody worked for it")
    lines += [f"asked     {work.prompt}\nanswered  {work.answer}" for work in found.work]
    for summary in found.transactions:
        asked = "" if summary.prompt is None else f"  asked {in_a_line(summary.prompt)!r}"
        answer = "" if summary.answer is None else f"  answered {summary.answer!r}"
        lines.append(f"{summary.kind:15} {summary.txid[:16]} from {summary.sender}{asked}{answer}")
    return lines
