"""What the DAO costs: a block full of votes, an epoch's beginning, the tiers of a height.

    python -m bench.dao_figures [--accounts 1000000] [--json]

Executions are timed on a state in memory, signatures apart: a vote's costs what a payment's costs.
Each figure stands beside a block of as many payments, or an empty one, in the same run.
"""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from esper.consensus.execution import ParentWork, execute_block
from esper.crypto.signing import key_from_seed
from esper.dao.registry import ONE, Entry, Tier, TierRegistry
from esper.dao.schedule import Activation, Scheduled, registry_at
from esper.primitives.codec import encode
from esper.primitives.ids import ModelId
from esper.vm.governance.delegate import Delegate
from esper.vm.governance.vote import Vote
from esper.vm.payload import Output, Payload
from esper.vm.records import ACCOUNT, Account, account_path
from esper.vm.transfer import Transfer
from tests.support.dao_world import DaoWorld, model_body, proposing
from tests.support.vm_world import ALICE, COIN, address, make

T = TypeVar("T")
Figures = dict[str, float]
"""Milliseconds, by what was measured."""
VOTERS = 300
"""About what a block of 2 MiB has room for."""
REPEATS = 5
EMPTY = ParentWork(bytes(64), bytes(64), 0, 0)


def best(work: Callable[[], T]) -> tuple[float, T]:
    """Least milliseconds of a few runs, and what it gave."""
    times, result = [], None
    for _ in range(REPEATS):
        began = time.perf_counter()
        result = work()
        times.append(1000 * (time.perf_counter() - began))
    assert result is not None
    return min(times), result


def full_of_votes() -> Figures:
    """Votes, delegations and payments, a block of each."""
    voters = [key_from_seed(1, number.to_bytes(32, "big")) for number in range(1, VOTERS + 1)]
    world = DaoWorld()
    for key in voters:
        account = Account(balance=10 * COIN, stake=COIN)
        world.state = world.state.with_account(address(key), account)
    world.stake(1_000)
    txid = world.propose(model_body(), bond=10 * COIN)
    receivers = [address(key) for key in voters[1:] + voters[:1]]

    def block(payloads: Sequence[Payload]) -> float:
        transactions = [make(key, one, 0) for key, one in zip(voters, payloads, strict=True)]
        context = world.context()
        elapsed, _ = best(lambda: execute_block(world.state, EMPTY, transactions, context))
        return elapsed

    votes = block([Vote(txid, 1)] * VOTERS)
    delegations = block([Delegate(receiver) for receiver in receivers])
    payments = block([Transfer((Output(receiver, 1),)) for receiver in receivers])
    return {
        f"a block of {VOTERS} votes on one proposal": votes,
        f"of {VOTERS} delegations": delegations,
        f"of {VOTERS} payments, in the same run": payments,
    }


def proposals() -> Figures:
    """Seven large proposals in one block, descriptors and all."""
    world = DaoWorld()
    world.stake(1_000)
    transactions = [
        make(ALICE, proposing(model_body(at + 1), COIN << (at + 1)), 1 + at) for at in range(7)
    ]
    context = world.context()
    elapsed, _ = best(lambda: execute_block(world.state, EMPTY, transactions, context))
    return {"of seven models proposed, descriptors and all": elapsed}


def epoch_begins(accounts: int) -> Figures:
    """The first block of an epoch beside one in the middle, among many accounts."""
    world = DaoWorld()
    tree, staked = world.state.tree, encode(ACCOUNT, Account(stake=COIN))
    for number in range(accounts):
        owner = bytes([1]) + number.to_bytes(32, "big")
        tree = tree.put(account_path(owner), staked)
    world.state = replace(world.state, tree=tree)
    found = {}
    for name, height in (("a block within an epoch", 14), ("an epoch's first block", 19)):
        world.height = height
        context = world.context()
        elapsed, _ = best(partial(execute_block, world.state, EMPTY, [], context))
        found[f"{name}, {accounts:,} accounts with a stake"] = elapsed
    return found


def tiers_of_a_height() -> Figures:
    """registry_at with full lists, as every header asks for it."""
    base = DaoWorld().registry.tiers[0]

    def entry(tier: int, name: int) -> Entry:
        model = replace(base.model, tier=tier, model_id=ModelId(name.to_bytes(64, "big")))
        return Entry(model, ONE, base.puzzle)

    tiers = TierRegistry(
        tuple(
            Tier(entry(at, at).model, ONE, ONE // 8, base.puzzle, (entry(at, 8 + at),))
            for at in range(8)
        )
    )
    schedule = [Scheduled(100 + at, Activation(entry(at % 8, 100 + at), 0)) for at in range(24)]
    found = {}
    for name, height in (("nothing due", 99), ("24 entries due, which full lists have", 200)):
        began = time.perf_counter()
        for _ in range(1_000):
            registry_at(tiers, schedule, height)
        # Of a thousand, so these are milliseconds each.
        found[f"registry(h) of a header, {name}"] = time.perf_counter() - began
    return found


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--accounts", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    wanted = parser.parse_args()
    found = {
        **full_of_votes(),
        **proposals(),
        **epoch_begins(wanted.accounts),
        **tiers_of_a_height(),
    }
    if wanted.json:
        print(json.dumps(found))
    else:
        for what, elapsed in found.items():
            print(f"{elapsed:9.4f} ms  {what}")


if __name__ == "__main__":
    main()
