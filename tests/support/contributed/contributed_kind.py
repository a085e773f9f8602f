"""Use the kind of transaction that ``docs/contributing.md`` adds; what happened goes to stdout.

Run as ``python -m tests.support.contributed.contributed_kind`` on sources that have it.
"""

from __future__ import annotations

import json
from typing import Any

from esper.mempool.lines.next_block import NextBlock
from esper.mempool.lines.projection import Projection
from esper.node.views.rpc_formats import outputs_of
from esper.primitives.codec import Reader
from esper.primitives.networks import REGTEST
from esper.vm.kinds import KINDS
from esper.vm.transaction import decode_transaction
from esper.wallet.describing import described
from tests.support.mempool_world import PoolWorld
from tests.support.vm_world import ALICE, BOB, COIN, World, address, make, sign

LIMIT = 1 << 16


def used(number: int) -> dict[str, Any]:
    """A transaction of the kind from its bytes to its receipt and its words."""
    kind = next(kind for kind in KINDS if number == kind.KIND)
    payload = kind(receiver=address(BOB), amount=COIN)  # type: ignore[call-arg]
    transaction = sign(ALICE, make(ALICE, payload, 0))
    reader = Reader(transaction.to_bytes())
    reader.array_length("transaction")
    world = World(checked=True)
    before = world.account(ALICE).balance, world.account(BOB).stake
    (receipt,) = world.block(transaction).receipts
    pool = PoolWorld()
    below = NextBlock(pool.world.state, pool.chain)
    projection = Projection(address(ALICE), below)
    projection.apply(transaction, below)
    pool.add(transaction)
    return {
        "name": kind.NAME,
        "same": decode_transaction(transaction.to_bytes(), LIMIT) == transaction,
        "on the wire": [reader.unsigned("version"), reader.unsigned("kind")],
        "receipt": [receipt.kind, receipt.txid == transaction.txid, receipt.fee],
        "paid": before[0] - world.account(ALICE).balance - receipt.fee,
        "staked": world.account(BOB).stake - before[1],
        "projected": projection.account.balance == 999 * COIN - receipt.fee,
        "waits": pool.pool.get(transaction.txid) == transaction,
        "described": described(transaction, REGTEST, {})[1:4],
        "outputs": [one.amount for one in outputs_of(transaction, REGTEST)],
    }


if __name__ == "__main__":
    print(json.dumps(used(12)))
