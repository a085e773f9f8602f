"""Measure how many blocks a second a chain takes up as sync gives them, without a network.

python -m bench.adopting [--blocks 400] [--transfers 0] [--undo-depth 1440]

A node of fake work with its history and mempool. Blocks are judged in one thread, then adopted: one
by one, in groups of 16, and in groups of blocks whose proofs are taken on trust. Prints one JSON
object: judged, adopted and both, in blocks a second. The fake verifier runs its model again, which
a proof's verifier does not.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from esper.consensus.chain import BlockBytes, extend
from esper.node.chain.block_judge import JudgedBlock
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.chain_service import ChainService
from esper.node.chain.changes.arrival import GROUP_BLOCKS
from esper.primitives.params import NetworkParameters
from tests.support.chain_world import ChainWorld
from tests.support.node.node_world import PARAMS, go, node_world, pay
from tests.support.plain_miner import standing
from tests.support.vm_world import ALICE, BOB, COIN, address

FAR_MS = 1 << 60
MODES = ("one by one", "in groups", "on trust")


def made_blocks(params: NetworkParameters, count: int, transfers: int) -> list[BlockBytes]:
    """A chain of blocks of so many transfers each."""
    world, blocks = ChainWorld(params), list[BlockBytes]()
    for number in range(count):
        nonce = world.chain.state.account(address(ALICE)).nonce
        payload = pay(BOB, COIN // 1000)
        sent = [world.signed(ALICE, payload, nonce=nonce + place) for place in range(transfers)]
        time_ms = params.genesis_time_ms + 10_000 * (number + 1)
        context, state = world.chain.context, world.chain.state
        found = world.miner.mine(context, state, standing(time_ms), world.planned(*sent).plan)
        world.chain = extend(world.chain, found.block, world.verifier, now_ms=FAR_MS)
        blocks.append(BlockBytes.of(found.block))
    return blocks


def judged_all(
    manager: ChainManager, blocks: Sequence[BlockBytes], *, assumed: bool
) -> list[JudgedBlock]:
    """Each on the headers of the one before."""
    judged: list[JudgedBlock] = []
    parent = manager.headers_of(manager.context.tip_id)
    for data in blocks:
        assert parent is not None
        one = manager.block_judge.judge(data, parent, now_ms=FAR_MS, received_ms=0, assumed=assumed)
        judged.append(one)
        parent = one.headers
    return judged


async def adopt_all(chain: ChainService, judged: Sequence[JudgedBlock], *, grouped: bool) -> None:
    """One turn each, or one for a group."""
    if not grouped:
        for one in judged:
            await chain.adopt(one)
        return
    for first in range(0, len(judged), GROUP_BLOCKS):
        adopted = await chain.adopt_many(judged[first : first + GROUP_BLOCKS])
        if adopted.failure is not None:
            raise adopted.failure


def measured(params: NetworkParameters, blocks: Sequence[BlockBytes], mode: str) -> dict[str, int]:
    """Blocks a second."""

    async def run() -> dict[str, int]:
        with tempfile.TemporaryDirectory() as folder:
            async with node_world(Path(folder), params, mines=False) as world:
                began = time.perf_counter()
                judged = judged_all(world.node.manager, blocks, assumed=mode == "on trust")
                judging = time.perf_counter() - began
                began = time.perf_counter()
                await adopt_all(world.node.chain, judged, grouped=mode != "one by one")
                adopting = time.perf_counter() - began
                assert world.height == len(blocks)
        count = len(blocks)
        return {
            "judged": round(count / judging),
            "adopted": round(count / adopting),
            "both": round(count / (judging + adopting)),
        }

    return go(run)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--blocks", type=int, default=400)
    parser.add_argument("--transfers", type=int, default=0)
    parser.add_argument("--undo-depth", type=int, default=1440)
    asked = parser.parse_args()
    depth = asked.undo_depth
    limits = replace(PARAMS.limits, undo_depth=depth, pruning_depth=depth + 60)
    params = replace(PARAMS, limits=limits)
    blocks = made_blocks(params, asked.blocks, asked.transfers)
    print(json.dumps({mode: measured(params, blocks, mode) for mode in MODES}, indent=1))


if __name__ == "__main__":
    main()
