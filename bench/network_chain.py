"""Chains for the network's measurements: made once, kept in a file, followed by nodes.

python -m bench.network_chain FILE [--proven] [--blocks 96] [--transfers 200]

Proven chains hold the genesis model's real proofs, half a second of two processors a block. Others
are of FAKE WORK: a hash in place of the proof, followed by as many bytes as a real proof has, and a
verifier that computes as long as the real one, without the interpreter's lock.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.ports import ProofRejectedError, WorkClaim, WorkVerifier
from esper.consensus.template import BlockPlan
from esper.crypto.signing import KeyPair, key_from_seed
from esper.model import load_model
from esper.model.prompts import read_bank
from esper.node.workers.native_work import NativeInference, NativeProver, NativeVerifier
from esper.node.workers.search import PromptSource
from esper.primitives.params import NetworkParameters
from tests.support.fake_work import FakeInference, fake_network, prompt_source
from tests.support.plain_miner import Miner, standing

from .chain_import import FAR_MS, KEYS_PER_BLOCK, ROOT, network, transfer

UNDO_DEPTH = 1_440
"""Mainnet's, so that the windows of a sync are mainnet's too."""
PROOF_BYTES = 290_000
"""About what a proof of 64 rows has."""
_MARK = b"FAKE WORK OF THE BENCHMARK"
_COSTLY = bytes(1 << 20)


@dataclass(frozen=True, slots=True)
class BenchChain:
    """Blocks, and the network that they are of."""

    params: NetworkParameters
    proven: bool
    """Whether their proofs are real."""
    blocks: tuple[BlockBytes, ...]
    """From height 1 on."""
    first: int
    """How many come before the measured ones: they make keys known."""

    def verifier(self, verify_ms: float | None = None) -> WorkVerifier:
        """The real one, or one that takes about ``verify_ms``, where the proofs are fake."""
        return NativeVerifier() if self.proven else TimedVerifier(verify_ms or 0.0)


class LabelProver:
    """Makes proofs that anybody could make, of a real one's size."""

    def prove(self, claim: WorkClaim) -> bytes:
        """A hash of the claim and as many bytes as a proof has."""
        noise = hashlib.shake_256(repr(claim).encode()).digest(PROOF_BYTES - len(_MARK))
        return _MARK + noise


class TimedVerifier:
    """Accepts fake proofs, and computes as long as the real verifier does, in one thread."""

    def __init__(self, verify_ms: float) -> None:
        """Measures this machine when it is made."""
        best = min(_hashed() for _ in range(5))
        self._bytes = int(len(_COSTLY) * verify_ms / 1000 / best)

    def verify(self, claim: WorkClaim, proof: bytes) -> None:
        """Raises ProofRejectedError for what LabelProver did not make."""
        if not proof.startswith(_MARK):
            raise ProofRejectedError("no work of the benchmark")
        left = self._bytes
        while left > 0:
            hashlib.sha3_512(memoryview(_COSTLY)[: min(left, len(_COSTLY))]).digest()
            left -= len(_COSTLY)


def _hashed() -> float:
    began = time.perf_counter()
    hashlib.sha3_512(_COSTLY).digest()
    return time.perf_counter() - began


def keys_of(count: int) -> list[KeyPair]:
    """Senders, the same in every run."""
    return [key_from_seed(1, hashlib.sha3_256(b"sender %d" % one).digest()) for one in range(count)]


def params_of(keys: list[KeyPair], *, proven: bool) -> NetworkParameters:
    """A network where they have coins, with the windows of mainnet."""
    base = network(keys)
    limits = replace(base.limits, undo_depth=UNDO_DEPTH, pruning_depth=UNDO_DEPTH + 60)
    base = replace(base, limits=limits)
    return base if proven else fake_network(base)


def grown(
    keys: list[KeyPair], params: NetworkParameters, blocks: int, *, proven: bool
) -> Iterator[BlockBytes]:
    """Blocks that make the keys known, then so many with a transfer of each key."""
    if proven:
        model = load_model(ROOT / "genesis" / "model")
        bank = PromptSource.of(read_bank(ROOT / "prompt_bank" / "bank.json").prompts, params.model)
        engines = NativeInference(model, 2), NativeProver(model)
        verifier: WorkVerifier = NativeVerifier()
    else:
        bank = prompt_source(params)
        engines = FakeInference(params.model), LabelProver()  # type: ignore[assignment]
        verifier = TimedVerifier(0.0)
    payee = key_from_seed(1, bytes(32)).address.to_bytes()
    miner = Miner(
        params, inference=engines[0], prover=engines[1], bank=bank, payee=payee,
        vrf_secret=bytes(32), attempts_per_call=1,
    )  # fmt: skip
    chain = ProvenChain.genesis(params)
    groups = [keys[at : at + KEYS_PER_BLOCK] for at in range(0, len(keys), KEYS_PER_BLOCK)]
    for senders, with_key in [*((one, True) for one in groups), *([(keys, False)] * blocks)]:
        receivers = [*senders[1:], *senders[:1]]
        plan = BlockPlan(
            tuple(
                transfer(key, chain, to.address.to_bytes(), with_key=with_key)
                for key, to in zip(senders, receivers, strict=True)
            )
        )
        time_ms = params.genesis_time_ms + 10_000 * (chain.context.height + 1)
        found = miner.mine(chain.context, chain.state, standing(time_ms), plan)
        chain = extend(chain, found.block, verifier, now_ms=FAR_MS)
        yield BlockBytes.of(found.block)


def make(file: Path, *, proven: bool, blocks: int, transfers: int) -> BenchChain:
    """The chain of a file, which is made if it is not there."""
    keys = keys_of(transfers)
    params = params_of(keys, proven=proven)
    first = -(-transfers // KEYS_PER_BLOCK)
    if not file.exists():
        part = file.with_suffix(".part")
        with part.open("wb") as out:
            for block in grown(keys, params, blocks, proven=proven):
                for data in (block.header, block.body, block.proof):
                    out.write(len(data).to_bytes(4) + data)
        shutil.move(part, file)
    return BenchChain(params, proven, read(file)[: first + blocks], first)


def read(file: Path) -> tuple[BlockBytes, ...]:
    """The blocks of a file."""
    data, at, parts = file.read_bytes(), 0, list[bytes]()
    while at < len(data):
        size = int.from_bytes(data[at : at + 4])
        parts.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return tuple(BlockBytes(*parts[one : one + 3]) for one in range(0, len(parts), 3))


def main(arguments: Sequence[str] | None = None) -> None:
    """Command line entry."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("--proven", action="store_true")
    parser.add_argument("--blocks", type=int, default=96)
    parser.add_argument("--transfers", type=int, default=200)
    asked = parser.parse_args(arguments)
    chain = make(asked.file, proven=asked.proven, blocks=asked.blocks, transfers=asked.transfers)
    size = sum(len(one.body) + len(one.proof) for one in chain.blocks[chain.first :])
    print(f"{len(chain.blocks)} blocks, {size // max(asked.blocks, 1)} bytes each")


if __name__ == "__main__":
    main()
