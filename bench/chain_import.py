"""Measure the import of blocks full of transfers: the whole, and its parts.

python -m bench.chain_import [--blocks 5] [--transfers 200] [--workers 2]

Blocks are mined on the genesis model with its proof; the transfers come from as many senders, whose
keys the chain knows. Prints one JSON object: milliseconds a block, medians.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from esper.consensus.block import Block
from esper.consensus.block_isolation import check_block_in_isolation
from esper.consensus.chain import BlockBytes, ProvenChain, extend, read_block
from esper.consensus.execution import execute_block
from esper.consensus.template import BlockPlan
from esper.consensus.work_rules import check_work
from esper.crypto.signatures import SequentialVerifier, SignatureClaim
from esper.crypto.signing import KeyPair, key_from_seed
from esper.model import load_model
from esper.model.prompts import read_bank
from esper.node.chain.chain_manager import ChainManager
from esper.node.chain.store_state import StoreState, genesis_of, replay_of, stored_execution
from esper.node.signatures.batch import BatchVerifier
from esper.node.signatures.processes import SignatureProcesses
from esper.node.workers.native_work import NativeInference, NativeProver, NativeVerifier
from esper.node.workers.search import PromptSource
from esper.primitives.networks import REGTEST
from esper.primitives.params import NetworkParameters
from esper.primitives.units import UNITS_PER_ESP
from esper.storage.chain_store import ChainStore
from esper.storage.store_options import StoreOptions
from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from tests.support.plain_miner import Miner, standing

ROOT = Path(__file__).resolve().parents[1]
FAR_MS = 1 << 60
FEE = 100_000
P = ParamSpec("P")
T = TypeVar("T")
KEYS_PER_BLOCK = 100
"""Senders whose first transaction, with its key, fits a block."""


class _Believed:
    def first_invalid(self, claims: Any) -> int | None:
        """Believe every signature: the part without them is measured."""
        return None


class _Claims:
    def __init__(self) -> None:
        self.seen: list[SignatureClaim] = []

    def first_invalid(self, claims: Any) -> int | None:
        """Remember the claims of a block."""
        self.seen = list(claims)
        return None


def network(keys: list[KeyPair]) -> NetworkParameters:
    """Regtest where every sender has coins."""
    allocation = tuple((key.address.to_bytes(), 100 * UNITS_PER_ESP) for key in keys)
    return replace(REGTEST, reward=replace(REGTEST.reward, genesis_allocation=allocation))


def transfer(key: KeyPair, chain: ProvenChain, receiver: bytes, *, with_key: bool) -> Transaction:
    """A signed transfer with the sender's next nonce."""
    sender = key.address.to_bytes()
    unsigned = Transaction(
        suite=key.suite,
        sender=sender,
        key=key.public if with_key else b"",
        nonce=chain.state.account(sender).nonce,
        fee=FEE,
        not_before=0,
        expiry=1 << 31,
        payload=Transfer((Output(receiver, UNITS_PER_ESP),)),
        signature=b"",
    )
    digest = unsigned.signing_digest(chain.context.genesis_hash)
    return replace(unsigned, signature=key.sign(digest))


def mined_blocks(
    keys: list[KeyPair], params: NetworkParameters, measured: int
) -> tuple[list[Block], int]:
    """Blocks that make the keys known, then the measured ones; and how many come first."""
    model = load_model(ROOT / "genesis" / "model")
    bank = read_bank(ROOT / "prompt_bank" / "bank.json")
    miner = Miner(
        params,
        inference=NativeInference(model, 2),
        prover=NativeProver(model),
        bank=PromptSource.of(bank.prompts, params.model),
        payee=keys[0].address.to_bytes(),
        vrf_secret=bytes(32),
    )
    groups = [keys[at : at + KEYS_PER_BLOCK] for at in range(0, len(keys), KEYS_PER_BLOCK)]
    chain, blocks, verifier = ProvenChain.genesis(params), [], NativeVerifier()
    for senders, with_key in [*((g, True) for g in groups), *([(keys, False)] * measured)]:
        receivers = [*senders[1:], senders[0]]
        plan = BlockPlan(
            tuple(
                transfer(key, chain, to.address.to_bytes(), with_key=with_key)
                for key, to in zip(senders, receivers, strict=True)
            )
        )
        time_ms = params.genesis_time_ms + 10_000 * (chain.context.height + 1)
        found = miner.mine(chain.context, chain.state, standing(time_ms), plan)
        chain = extend(chain, found.block, verifier, now_ms=FAR_MS)
        blocks.append(found.block)
    return blocks, len(groups)


def timed(into: list[float], action: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    """Run and note the milliseconds."""
    began = time.perf_counter()
    result = action(*given, **named)
    into.append((time.perf_counter() - began) * 1000)
    return result


def parts(
    blocks: list[Block], skipped: int, params: NetworkParameters, folder: Path, workers: int
) -> dict[str, float]:
    """Medians of the parts, each by itself on the state where the block belongs."""
    names = ("read", "isolation", "work", "execution", "root", "signatures", "signatures_pool",
             "append")  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in names}
    chain, verifier = ProvenChain.genesis(params).context, NativeVerifier()
    options = StoreOptions(reserve_bytes=0)
    store = ChainStore(folder, genesis_of(params), replay_of(params), options)
    with store, BatchVerifier(workers, SignatureProcesses(workers)) as pool:
        state = StoreState(store)
        for place, block in enumerate(blocks):
            if place == skipped:
                times = {name: [] for name in names}
            data, header = BlockBytes.of(block), block.header
            timed(times["read"], read_block, data, params.limits)
            content = timed(times["isolation"], check_block_in_isolation, block, params.limits)
            work = (header, block.body.outputs, block.proof)
            timed(times["work"], check_work, *work, params.puzzle, params.model, verifier)
            claims = _Claims()
            execute_block(
                state,
                chain.tip_work,
                content.transactions,
                chain.execution_context(state, header.pre.payee, content.answers, claims),
            )
            at = chain.execution_context(state, header.pre.payee, content.answers, _Believed())
            execution = timed(
                times["execution"], execute_block, state, chain.tip_work, content.transactions, at
            )
            timed(times["root"], state.root_after, execution.changes)
            timed(times["signatures"], SequentialVerifier().first_invalid, claims.seen)
            timed(times["signatures_pool"], pool.first_invalid, claims.seen)
            chain = chain.extended(header, block.body.outputs, execution.paid_tokens)
            kept = stored_execution(execution, chain)
            timed(times["append"], store.append, header.block_id, data, kept)
    return {name: statistics.median(values) for name, values in times.items()}


def whole(
    blocks: list[Block], skipped: int, params: NetworkParameters, folder: Path, workers: int
) -> list[float]:
    """Milliseconds of each measured block through the chain manager."""
    times: list[float] = []
    options = StoreOptions(reserve_bytes=0)
    store = ChainStore(folder, genesis_of(params), replay_of(params), options)
    with store, BatchVerifier(workers, SignatureProcesses(workers)) as pool:
        manager = ChainManager(
            store, params, NativeVerifier(), secret=bytes(32), now_ms=FAR_MS, signatures=pool
        )
        for block in blocks:
            data = BlockBytes.of(block)
            timed(times, manager.submit, data, now_ms=FAR_MS)
    return times[skipped:]


def main() -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=int, default=5)
    parser.add_argument("--transfers", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    keys = [
        key_from_seed(1, hashlib.sha3_256(b"sender %d" % number).digest())
        for number in range(options.transfers)
    ]
    params = network(keys)
    blocks, skipped = mined_blocks(keys, params, options.blocks)
    with tempfile.TemporaryDirectory() as temporary:
        imported = whole(blocks, skipped, params, Path(temporary) / "whole", options.workers)
        figures = parts(blocks, skipped, params, Path(temporary) / "parts", options.workers)
    figures["import"] = statistics.median(imported)
    figures["blocks_per_s"] = 1000 / figures["import"]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
