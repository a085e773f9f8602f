"""Measure opening a long chain, and the memory of a node that idles on it.

python -m bench.chain_start fill FOLDER BLOCKS     makes a chain of blocks WITHOUT WORK
python -m bench.chain_start open FOLDER            prints one JSON object

The blocks are made with a fake work port: their outputs are empty and their proofs are a label.
Everything else is real: headers, VRF, execution, state, files, index.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import replace
from pathlib import Path

from esper.consensus.chain import BlockBytes
from esper.consensus.context import ChainContext
from esper.consensus.execution import execute_block
from esper.consensus.template import build_template, finished_block
from esper.crypto.vrf import VrfKey
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.store_state import StoreState, genesis_of, replay_of, stored_execution
from esper.node.workers.native_work import NativeVerifier
from esper.primitives.networks import DEMO_ADDRESS, REGTEST
from esper.primitives.work_outputs import WorkOutputs
from esper.storage.chain_store import ChainStore
from esper.storage.store_options import StoreOptions

PARAMS = replace(REGTEST, limits=replace(REGTEST.limits, vrf_depth=12))
PROOF = b"no proof: made by the benchmark"
FAR_MS = 1 << 60


def opened(folder: Path) -> ChainStore:
    """The store of the benchmark's network."""
    options = StoreOptions(undo_depth=PARAMS.limits.undo_depth, reserve_bytes=0)
    return ChainStore(folder, genesis_of(PARAMS), replay_of(PARAMS), options)


def fill(folder: Path, blocks: int) -> None:
    """Append blocks without work up to this height."""
    key: VrfKey | None = None
    context = ChainContext.genesis(PARAMS)
    with opened(folder) as store:
        state = StoreState(store)
        for height in range(1, blocks + 1):
            if key is None or not key.covers(height):
                start = height >> PARAMS.limits.vrf_depth << PARAMS.limits.vrf_depth
                key = VrfKey(
                    bytes(32), start=start, depth=PARAMS.limits.vrf_depth, payee=DEMO_ADDRESS
                )
            time_ms = PARAMS.genesis_time_ms + 10_000 * height
            template = build_template(context, state, DEMO_ADDRESS, key, time_ms=time_ms)
            block = finished_block(template, bytes(64), WorkOutputs((), ()), PROOF)
            execution = execute_block(
                state, context.tip_work, (), context.execution_context(state, DEMO_ADDRESS)
            )
            context = context.extended(block.header, block.body.outputs, 0)
            store.append(context.tip_id, BlockBytes.of(block), stored_execution(execution, context))


def measure(folder: Path) -> dict[str, float]:
    """Seconds until the chain can take a block, and resident memory then, in MiB."""
    began = time.perf_counter()
    with opened(folder) as store:
        manager = ChainManager(store, PARAMS, NativeVerifier(), secret=bytes(32), now_ms=FAR_MS)
        seconds = time.perf_counter() - began
        resident = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        return {
            "height": manager.context.height,
            "open_s": seconds,
            "resident_mib": resident / 2**20,
        }


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["fill", "open"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("blocks", type=int, nargs="?", default=100_000)
    options = parser.parse_args()
    if options.what == "fill":
        fill(options.folder, options.blocks)
    else:
        print(json.dumps(measure(options.folder)))


if __name__ == "__main__":
    main()
