"""What the mempool still has when a node ends without closing anything."""

from pathlib import Path

import trio

from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.mempool.journal import MempoolJournal
from esper.node.running_node import JOURNAL_FILE
from esper.vm.payload import Output
from esper.vm.transaction import decode_transaction
from esper.vm.transfer import Transfer
from tests.support.crash.crash_world import GENESIS, PARAMS, VERIFIER, now_ms, open_node
from tests.support.fake_work import FakeInference, FakeProver, prompt_source
from tests.support.plain_miner import Miner
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, address, make, sign

PAY = Transfer((Output(address(BOB), COIN),))


def journaled(datadir: Path) -> set[bytes]:
    """Ids in the journal as it lies on disk at this moment."""
    limit = PARAMS.limits.transaction_bytes
    kept = MempoolJournal(datadir / JOURNAL_FILE, limit).load()
    return {decode_transaction(one.data, limit).txid for one in kept}


def rival_branch(blocks: int) -> list[BlockBytes]:
    """Blocks of another miner, without transactions, from genesis on."""
    rival = Miner(
        PARAMS,
        inference=FakeInference(PARAMS.model),
        prover=FakeProver(),
        bank=prompt_source(PARAMS),
        payee=address(CAROL),
        vrf_secret=b"\1" * 32,
    )
    chain, branch = ProvenChain.genesis(PARAMS), []
    for _ in range(blocks):
        found = rival.mine(chain.context, chain.state, now_ms)
        branch.append(BlockBytes.of(found.block))
        chain = extend(chain, found.block, VERIFIER, now_ms=now_ms())
    return branch


def test_what_a_change_of_chain_gives_back_is_in_the_journal(tmp_path: Path) -> None:
    paid = sign(ALICE, make(ALICE, PAY, 0), GENESIS)

    async def mined() -> None:
        with open_node(tmp_path) as node:
            mining = node.mining()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(mining.run)
                await node.mempool.submit(paid.to_bytes())
                assert journaled(tmp_path) == {paid.txid}
                await mining.control.generate(1, None)
                nursery.cancel_scope.cancel()
            assert len(node.mempool.pool) == 0

    async def undone() -> None:
        with open_node(tmp_path) as node:
            # It is in the chain, and was written out of the journal at the last end.
            assert journaled(tmp_path) == set()
            for block in rival_branch(2):
                await node.chain.submit(block)
            assert node.manager.context.height == 2
            assert paid.txid in node.mempool.pool
            # A node that is killed now has it back.
            assert journaled(tmp_path) == {paid.txid}

    trio.run(mined)
    trio.run(undone)
