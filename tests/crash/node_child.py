"""Runs mining nodes, one after the other, each in a process of its own that may be killed.

python node_child.py            reads lines: DATADIR SEED SCRIPT [MODE NUMBER]

SCRIPT ``random`` mines, takes transactions in and meets branches at random; ``rehearsed`` mines
six blocks, arms the fault, meets a branch that takes three blocks off, and goes on. A process is a
fork of this one, which has imported everything and never opened a store. It tells, on stdout:

    alive PID                        its process
    ready                            the node is open
    begin WHAT                       a step begins
    sent TXID                        a transaction is in the inbox
    dropped TXID REASON              the node refuses it
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
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from esper.consensus.chain import BlockBytes, read_block
from esper.node.chain_manager import Arrival
from esper.node.mining_node import MiningNode
from esper.storage.errors import StorageError
from tests.crash.failing_files import Fault
from tests.crash.node_world import PARAMS, Surroundings, open_node

STEPS = 400
BRANCH_SHARE = 0.35
DEEPEST = 4
REHEARSED_BLOCKS = 6
REHEARSED_DEPTH = 3


def tell(*words: object) -> None:
    """A line in one write, so that no kill cuts it."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


class Life:
    """One node until its end."""

    def __init__(self, datadir: Path, node: MiningNode, seed: int) -> None:
        self._chooser = random.Random(seed)
        self._node = node
        self._around = Surroundings(datadir, node, self._chooser)

    def at_random(self) -> None:
        for _ in range(STEPS):
            depth = self._chooser.randint(1, DEEPEST)
            if self._chooser.random() < BRANCH_SHARE and depth <= self._around.deepest:
                self.change_chain(self._around.branch(depth))
            else:
                self.mine()

    def rehearsed(self, fault: Fault) -> None:
        for _ in range(REHEARSED_BLOCKS):
            self.mine()
        branch = self._around.branch(REHEARSED_DEPTH)
        fault.arm()
        for step in (lambda: self.change_chain(branch), self.mine, self.mine):
            try:
                step()
            except (OSError, StorageError) as error:
                tell("refused", type(error).__name__, error)
                return
        tell("begin", "nothing")

    def mine(self) -> None:
        tell("begin", "inbox")
        for _ in range(self._chooser.randrange(3)):
            tell("sent", self._around.send().txid.hex())
        tell("begin", "mine")
        new = self._node.next_block()
        self._tell_block(BlockBytes.of(new.mined.block), new.arrival)
        self._around.follow(new)

    def change_chain(self, branch: list[BlockBytes]) -> None:
        tell("begin", "branch")
        for block in branch:
            self._tell_block(block, self._around.arrive(block))

    def _tell_block(self, data: BlockBytes, arrival: Arrival) -> None:
        pre = read_block(data, PARAMS.limits).header.pre
        weight = self._node.manager.context.weight
        tell("block", pre.height, arrival.block_id.hex(), pre.parent.hex(), weight)
        if arrival.undone:
            tell("moved", len(arrival.undone), len(arrival.applied))


def live(datadir: Path, seed: int, script: str, mode: str = "", number: int = 0) -> None:
    fault = Fault(mode, number)

    def refusal(txid: bytes, reason: str) -> None:
        tell("dropped", txid.hex(), reason)

    with open_node(datadir, fault.opener, refusal) as node:
        life = Life(datadir, node, seed)
        tell("ready")
        if script == "random":
            life.at_random()
        else:
            life.rehearsed(fault)


def main() -> None:
    for line in sys.stdin:
        datadir, seed, script, *fault = line.split()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                tell("alive", os.getpid())
                live(Path(datadir), int(seed), script, *fault[:1], *map(int, fault[1:]))
                code = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        tell("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
