"""Runs mining nodes, one after the other, each in a process of its own that may be killed.

python node_child.py            reads lines: DATADIR SEED SCRIPT [MODE NUMBER]

SCRIPT ``random`` mines, takes transactions in and meets branches at random; ``rehearsed`` mines
six blocks, arms the fault, meets a branch that takes three blocks off, and goes on. A process is a
fork of this one, which has imported everything, never opened a store and never ran an event loop.
It tells, on stdout:

    alive PID                        its process
    ready                            the node is open
    begin WHAT                       a step begins
    sent TXID                        a transaction was admitted
    dropped TXID REASON              the mempool let go of one that is in no block
    block HEIGHT ID PARENT WEIGHT    a block was accepted; the weight is the chain's afterwards
    moved UNDONE APPLIED             that block changed the chain
    refused STEP ERROR               a write was refused
    ended CODE                       told by the parent of them: exit status, -9 if killed
"""

from __future__ import annotations

import os
import random
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

import trio

from esper.consensus.block import Block
from esper.consensus.chain import BlockBytes, read_block
from esper.mempool.pool import Mempool
from esper.node.calls.call_book import CallBook
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.changes.followers import ChainChange, Commit
from esper.node.mining.node_mining import NodeMining
from esper.primitives.ids import Txid
from esper.storage.errors import StorageError
from tests.support.crash.crash_world import PARAMS, Node, Surroundings, open_node
from tests.support.crash.failing_files import Fault

STEPS = 400
BRANCH_SHARE = 0.35
TOGETHER_SHARE = 0.5
SYNC_SHARE = 0.3
LONGEST_GROUP = 6
DEEPEST = 4
REHEARSED_BLOCKS = 6
REHEARSED_DEPTH = 3


def tell(*words: object) -> None:
    """A line in one write, so that no kill cuts it."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def tell_block(data: BlockBytes, manager: ChainManager) -> None:
    header = read_block(data, PARAMS.limits).header
    pre, weight = header.pre, manager.context.weight
    tell("block", pre.height, header.block_id.hex(), pre.parent.hex(), weight)


class Teller:
    """Tells of every change of the chain as soon as anybody hears of it."""

    def __init__(self, manager: ChainManager) -> None:
        self._manager = manager

    def prepare(self, change: ChainChange) -> Commit:
        arrival = change.arrival
        for block_id in arrival.applied:
            tell_block(self._manager.known.block(block_id), self._manager)
        if arrival.undone:
            tell("moved", len(arrival.undone), len(arrival.applied))
        return lambda: None


class TellingBook(CallBook):
    """Tells of what the mempool let go of in the same moment: an event would come later."""

    pool: Mempool

    def settled(self, call_ids: Iterable[Txid]) -> None:
        ids = list(call_ids)
        super().settled(ids)
        for txid in ids:
            reason = self.pool.dropped_reason(txid)
            if reason is not None:
                tell("dropped", txid.hex(), reason)


class Life:
    """One node until its end."""

    def __init__(self, node: Node, mining: NodeMining, seed: int) -> None:
        self._chooser = random.Random(seed)
        self._node = node
        self._mining = mining
        self._around = Surroundings(node, self._chooser)
        node.chain.follow(Teller(node.manager))

    async def at_random(self) -> None:
        for _ in range(STEPS):
            depth = self._chooser.randint(1, DEEPEST)
            if self._chooser.random() < BRANCH_SHARE and depth <= self._around.deepest:
                together = self._chooser.random() < TOGETHER_SHARE
                await self.change_chain(self._around.branch(depth), together=together)
            elif self._chooser.random() < SYNC_SHARE:
                # Blocks of others that extend the chain, as many as may share a commit.
                count = self._chooser.randint(2, LONGEST_GROUP)
                ahead = [one for _ in range(count) for one in self._around.branch(0)]
                await self.change_chain(ahead, together=True)
            else:
                await self.mine()

    async def rehearsed(self, fault: Fault) -> None:
        for _ in range(REHEARSED_BLOCKS):
            await self.mine()
        branch = self._around.branch(REHEARSED_DEPTH)
        fault.arm()
        await self.change_chain(branch)
        await self.mine()
        await self.mine()
        tell("begin", "nothing")

    async def mine(self) -> None:
        tell("begin", "mempool")
        for _ in range(self._chooser.randrange(3)):
            await self._send()
        tell("begin", "mine")
        found: list[Block] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._generate, found)
            # While the block is searched, proven and stored.
            for _ in range(self._chooser.randrange(2)):
                await self._send()
        for block in found:
            self._around.follow(block)

    async def change_chain(self, branch: list[BlockBytes], *, together: bool = False) -> None:
        tell("begin", "branch")
        if together:
            await self._adopt_together(branch)
            return
        for block in branch:
            await self._node.chain.submit(block)
            # Beside the chain it is told of here alone.
            tell_block(block, self._node.manager)

    async def _adopt_together(self, branch: list[BlockBytes]) -> None:
        """As in sync: all of them are judged on each other's headers, then adopted in one turn."""
        chain, manager = self._node.chain, self._node.manager
        parent, judged = None, []
        for block in branch:
            header = chain.judging.read_header(block.header)
            parent = chain.judging.parent_of(header) if parent is None else parent
            judged.append(await chain.judging.judge(block, parent))
            parent = judged[-1].headers
        adopted = await chain.adopt_many(judged)
        if adopted.failure is not None:
            raise adopted.failure
        for block in branch:
            tell_block(block, manager)

    async def _generate(self, found: list[Block]) -> None:
        for block_id in await self._mining.control.generate(1, None):
            manager = self._node.manager
            found.append(read_block(manager.known.block(block_id), PARAMS.limits))

    async def _send(self) -> None:
        taken = await self._node.mempool.submit((await self._around.transaction()).to_bytes())
        tell("sent", taken.txid.hex())


async def live(datadir: Path, seed: int, script: str, fault: Fault) -> None:
    calls = TellingBook()
    with open_node(datadir, fault.opener, calls) as node:
        calls.pool = node.mempool.pool
        mining = node.mining()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(mining.run)
                life = Life(node, mining, seed)
                tell("ready")
                if script == "random":
                    await life.at_random()
                else:
                    await life.rehearsed(fault)
                nursery.cancel_scope.cancel()
        except* (OSError, StorageError) as group:
            error = group.exceptions[0]
            tell("refused", type(error).__name__, error)


def main() -> None:
    for line in sys.stdin:
        datadir, seed, script, *fault = line.split()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                tell("alive", os.getpid())
                mode, number = (fault[0], int(fault[1])) if fault else ("", 0)
                trio.run(live, Path(datadir), int(seed), script, Fault(mode, number))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        tell("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
