"""A block full of proofs of items, as a node puts it together of what was handed in.

    python -m bench.report_blocks [--large] [--json]

Of the genesis model by devnet's rules; with ``--large`` of random weights in the 15M shape by
mainnet's. One proof more than a block may hold is handed in, of items that are as large as the
rules let them be. The node's desk checks each, its assembly fills a block, and the block is judged
as any other node would. Seconds are those of the processors.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import trio

from bench.random_checkpoint import STORIES_15M, write_random_model
from bench.report_cost import FORMS, asking_of, costliest, silent, taken
from esper.cli.esper.reports.item_proving import Sender, answered_item, proven_item
from esper.consensus.audit_rules import check_audits
from esper.consensus.block import Coinbase
from esper.consensus.block_isolation import BlockContent
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute_block, genesis_state
from esper.crypto.signing import key_from_seed
from esper.dao.benchmarks.report import Report
from esper.dao.bodies import MODEL_BODY, ModelBody, NamedSuite
from esper.dao.records import Live, Proposal, ReportPlace
from esper.dao.registry import ONE, Puzzle
from esper.dao.steps import Step
from esper.embedded import WORD, model_folder
from esper.mempool.pool import Mempool
from esper.model.benchmarks.measuring import Examinee
from esper.model.loaded import load_model
from esper.node.calls.ready_calls import ReadyCalls
from esper.node.mining.block_assembly import assemble
from esper.node.mining.block_draft import BODY_RESERVE
from esper.node.mining.proves.desk import ProveDesk
from esper.node.mining.proves.waiting import HandedIn
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.codec import encode
from esper.primitives.ids import Txid
from esper.primitives.networks import DEVNET, MAINNET
from esper.primitives.params import NetworkParameters
from esper.primitives.units import UNITS_PER_ESP
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.ledger import Ledger
from esper.vm.state import State
from esper.vm.transaction import Transaction
from esper.vm.view import Overlay

T = TypeVar("T")
PROPOSAL = Txid(bytes([7]) * 64)
FAR = 1 << 20
"""A height that no block here reaches."""


def funded(params: NetworkParameters, senders: Sequence[bytes]) -> NetworkParameters:
    """The network with coins for all, and the genesis model where it may judge."""
    allocation = tuple((sender, 1000 * UNITS_PER_ESP) for sender in senders)
    return replace(params, reward=replace(params.reward, genesis_allocation=allocation))


def begun(
    params: NetworkParameters,
    chain: ChainContext,
    model: Examinee,
    suite: NamedSuite,
    bits: dict[Txid, bytes],
) -> State:
    """The genesis state with an open model, and a report on its suite for each of ``bits``."""
    state = genesis_state(params, chain.genesis_hash)
    overlay = Overlay(state)
    records = DaoLedger(Ledger(overlay))
    puzzle = Puzzle.of(params.puzzle)
    body = ModelBody(
        *(model.entry, ONE, 0, puzzle, b"", bytes(64), bytes(64), (suite,), b"", b"", b"")
    )
    proposal = Proposal(
        number=1, subject=1, tier=model.entry.tier, proposer=bytes(33), bond=0, fee=0, base=4,
        opened=0, epoch=0, stake=0, quorum=0, close=FAR, extensions=0, ahead=0, yes=0, no=0,
        abstain=0, gate=0, seed=b"", final=0, active=0, postponed=0, seen=0, ready=0,
        reports=tuple(ReportPlace(txid, 0, FAR) for txid in bits), standing=(),
        body=encode(MODEL_BODY, body),
    )  # fmt: skip
    records.open(Live(1, PROPOSAL, 1, model.entry.tier, Step.TAIL, FAR), proposal)
    for txid, said in bits.items():
        records.set_report(txid, Report(PROPOSAL, bytes(33), 0, 0, said, (), 0, 0))
    return state.with_changes(overlay.changes())


class StandingChain:
    """A chain service whose chain stands still."""

    def __init__(self, chain: ChainContext, state: State, params: NetworkParameters) -> None:
        self.view = SimpleNamespace(context=chain, state=state, params=params)

    async def in_thread(self, work: Callable[[Any], T]) -> T:
        """Here, at once."""
        await trio.lowlevel.checkpoint()
        return work(self.view)


def full_block(model: Examinee, params: NetworkParameters, form: str) -> dict[str, Any]:
    """Hand in one more than a block takes, put it together, and judge it."""
    count = params.governance.audits_per_block + 1
    keys = [key_from_seed(1, bytes([at + 1]) * 32) for at in range(count)]
    params = funded(params, [key.address.to_bytes() for key in keys])
    if form == "judged":
        # A judge is a model of a tier: here it judges itself.
        params = replace(params, model=model.entry)
    chain = ChainContext.genesis(params)
    item = costliest(model, params)[form]
    judge = model if form == "judged" else None
    asking = asking_of(model, FORMS[form], (item,), params.governance.audit_rows, judge)
    answered = answered_item(asking, 0)
    # Each report says the opposite, so that every proof is of use.
    false = bytes([not answered.is_right])
    reports = {Txid(bytes([8 + at]) * 64): false for at in range(count)}
    suite = NamedSuite(bytes(64), asking.suite.suite.id, 1)
    state = begun(params, chain, model, suite, reports)

    pool: Any = SimpleNamespace(pool=Mempool(params))
    standing: Any = StandingChain(chain, state, params)
    events: Any = SimpleNamespace(publish=lambda event: None)
    handed, verifier = HandedIn(), NativeVerifier()
    desk = ProveDesk(handed, standing, pool, verifier, events)
    checked_s, size = 0.0, 0
    for key, report in zip(keys, reports, strict=True):
        sender = key.address.to_bytes()
        proven = proven_item(asking, answered, report, Sender(chain.genesis_hash, sender), silent)
        bare = Transaction(
            *(key.suite, sender, key.public, 0, 0, 0, (1 << 32) - 1, proven.prove, b"")
        )
        fee = params.limits.base_fee + params.limits.fee_per_byte * (
            len(bare.to_bytes()) + proven.prove.room + 8192
        )
        paid = replace(bare, fee=fee)
        signed = replace(paid, signature=key.sign(paid.signing_digest(chain.genesis_hash)))
        groups = [group.to_bytes() for group in proven.groups(signed.txid)]
        work = partial(trio.run, partial(desk.take, signed, proven.prove, groups))
        seconds, _ = taken(work)
        checked_s += seconds
        size = len(signed.to_bytes()) + sum(map(len, groups))

    assembly_s, made = taken(
        lambda: assemble(chain, state, bytes(33), [], ReadyCalls(), handed=handed)
    )
    plan = made.plan
    content = BlockContent(plan.transactions, Coinbase(0, 1, bytes(33), 0), (), plan.groups)

    def judged() -> None:
        at = chain.execution_context(state, bytes(33))
        execution = execute_block(state, chain.tip_work, plan.transactions, at)
        check_audits(content, state, execution, at, verifier)

    judge_s, _ = taken(judged)
    held = sum(len(one.to_bytes()) for one in plan.transactions)
    held += sum(len(one.to_bytes()) for one in plan.groups)
    room = params.limits.body_bytes - BODY_RESERVE
    assert plan.transactions, "the costliest item has room in a block"
    assert held <= room
    return {
        "handed": count,
        "held": len(plan.transactions),
        "most": count - 1,
        "each_bytes": size,
        "bytes": held,
        "room": room,
        "check_ms": 1000 * checked_s / count,
        "assembly_ms": 1000 * assembly_s,
        "judge_ms": 1000 * judge_s,
        "spacing_ms": params.difficulty.spacing_ms,
    }


def report_blocks(folder: Path, *, large: bool) -> dict[str, Any]:
    """By form."""
    if large:
        path = folder / "random-15M"
        write_random_model(path, STORIES_15M, gate_bits=12)
        model, params = Examinee.of(path, load_model(path)), MAINNET
    else:
        path = model_folder(WORD)
        model, params = Examinee.of(path, load_model(path)), DEVNET
    found = {form: full_block(model, params, form) for form in FORMS}
    return {"network": params.name, "model": "15M shape" if large else "genesis model"} | found


def tables(found: dict[str, Any]) -> list[str]:
    """As Markdown."""
    lines = [
        "| model, network | item | handed in | in the block | bytes | of its room | "
        "checked, each, ms | put together, ms | judged, ms |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for form in FORMS:
        one = found[form]
        lines.append(
            f"| {found['model']}, {found['network']} | {form} | {one['handed']} | "
            f"{one['held']} of {one['most']} | {one['bytes']:,} | "
            f"{100 * one['bytes'] / one['room']:.0f} % | {one['check_ms']:.0f} | "
            f"{one['assembly_ms']:.0f} | {one['judge_ms']:.0f} |"
        )
    return lines


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = report_blocks(Path(folder), large=asked.large)
    print(json.dumps(found) if asked.json else "\n".join(tables(found)))


if __name__ == "__main__":
    main()
