"""Write the golden vectors of hashes, encodings, work and blocks.

    python -m tests.vectors.writers.write_consensus [NAME...]

writes the named files, or all of them. Run it only to add vectors: bytes that change for an old
vector break every chain that exists.
"""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from esper.consensus.batch import batch_inputs, draw_indices
from esper.consensus.chain import BlockBytes, ProvenChain, extend
from esper.consensus.difficulty import Anchor, asert_target, block_weight
from esper.consensus.genesis import genesis_hash, genesis_header, parameter_bytes
from esper.consensus.header import work_id, work_seed
from esper.consensus.ticket import batch_result, digest_elements
from esper.crypto.poseidon import digest_bytes
from esper.crypto.vrf import VrfKey
from esper.dao.omega import computed_omega, reference_work, work_done
from esper.primitives.address import Address
from esper.primitives.hashing import Xof, make_tag, tagged_hash, tagged_hash32
from esper.primitives.ids import WorkId
from esper.primitives.merkle import MerkleTree
from esper.primitives.model_entry import ModelShape
from esper.primitives.networks import MAINNET
from esper.vm.state_tree import StateTree, state_path
from tests.support.fake_work import (
    BANK,
    FakeInference,
    FakeProver,
    FakeVerifier,
    fake_network,
    prompt_source,
)
from tests.support.plain_miner import Miner, standing

FOLDER = Path(__file__).parents[1]
PAYEE = Address(1, bytes(range(32)))


def hashing() -> Any:
    tag = make_tag("esper/test/v1")
    messages = [b"", b"abc", bytes(range(200))]
    return [
        {
            "tag": "esper/test/v1",
            "message": message.hex(),
            "sha3_512": tagged_hash(tag, message).hex(),
            "sha3_256": tagged_hash32(tag, message).hex(),
            "shake256_100": Xof(tag, message).read(100).hex(),
        }
        for message in messages
    ]


def merkle() -> Any:
    trees = []
    for count in (0, 1, 2, 3, 5, 8):
        tree = MerkleTree.build(make_tag("esper/test/v1"), [bytes([i]) * i for i in range(count)])
        paths = [[step.hex() for step in tree.path(i)] for i in range(count)]
        trees.append({"count": count, "root": tree.root.hex(), "paths": paths})
    return trees


def poseidon2() -> Any:
    from esper._native import poseidon2_permute

    inputs = [[], [0], list(range(8)), list(range(9)), [(1 << 64) - (1 << 32)] * 17]
    return {
        "permutation": {"input": list(range(16)), "output": poseidon2_permute(list(range(16)))},
        "digests": [
            {
                "tag": "esper/test/v1",
                "input": [str(value) for value in values],
                "digest": digest_bytes("esper/test/v1", values).hex(),
            }
            for values in inputs
        ],
    }


def vrf() -> Any:
    key = VrfKey(bytes(range(32)), start=8, depth=3, payee=PAYEE.to_bytes())
    proofs = [key.prove(height, WorkId(bytes([height]) * 64)) for height in (8, 13, 15)]
    return {
        "secret": bytes(range(32)).hex(),
        "start": 8,
        "depth": 3,
        "payee": PAYEE.to_bytes().hex(),
        "root": key.root.hex(),
        "proofs": [
            {
                "height": height,
                "parent_work_id": (bytes([height]) * 64).hex(),
                "value": proof.value.hex(),
                "path": [step.hex() for step in proof.path],
                "output": proof.output.hex(),
            }
            for height, proof in zip((8, 13, 15), proofs, strict=True)
        ],
    }


def asert() -> Any:
    """Near the anchor, at both ends of what a target can be, and far beyond them.

    A whole number of half-lives late or early doubles or halves the target so many times; blocks
    that all have the anchor's time are one half-life early every 360.
    """
    anchor = Anchor(height=720, time_ms=1_000_000_000, target=(1 << 500) + 12345)
    rules = MAINNET.difficulty
    half_life_ms = rules.half_life_blocks * rules.spacing_ms
    at_once = [(n * rules.half_life_blocks, -n * half_life_ms) for n in (499, 500, 501)]
    cases = []
    for blocks, late_ms in (
        (1, 0),
        (1, 1),
        (1, -1),
        (10, 90_000),
        (300, -4_000_000),
        (5, 10**9),
        (1, 4 * half_life_ms - 1),
        *at_once,
        (1, -(10**18)),
        (1, 10**18),
    ):
        height = anchor.height + blocks
        time_ms = anchor.time_ms + blocks * rules.spacing_ms + late_ms
        target = asert_target(anchor, height, time_ms, rules)
        cases.append(
            {
                "blocks": blocks,
                "late_ms": late_ms,
                "target": f"{target:x}",
                "weight": f"{block_weight(target, 1 << 16):x}",
            }
        )
    return {"network": "mainnet", "anchor_target": f"{anchor.target:x}", "cases": cases}


def state_tree() -> Any:
    tree, steps = StateTree(), []
    for index in range(6):
        tree = tree.put(state_path(1, bytes([index])), b"value %d" % index)
        steps.append({"put": index, "root": tree.root.hex()})
    for index in (3, 0):
        tree = tree.delete(state_path(1, bytes([index])))
        steps.append({"delete": index, "root": tree.root.hex()})
    return steps


def work() -> Any:
    """Batches of three seeds; the nonces are picked so that answers end early in the last."""
    params = fake_network()
    puzzle, model = params.puzzle, params.model
    pre = replace(genesis_header(params).pre, height=1, payee=PAYEE.to_bytes())
    cases = []
    for nonce in (0, 1, _early_nonce(pre, params)):
        identity = work_id(replace(pre, nonce=nonce))
        seed = work_seed(identity)
        indices = draw_indices(seed, model.bank_size, puzzle.sequences)
        inputs = batch_inputs(seed, [BANK[i] for i in indices], puzzle, model)
        answers = FakeInference(model).answer(inputs, puzzle.max_answer, puzzle.top_k)
        lengths = [len(answer.tokens) for answer in answers]
        elements = digest_elements(seed, model.model_id, puzzle, indices, inputs, answers)
        cases.append(
            {
                "nonce": nonce,
                "pre_header": replace(pre, nonce=nonce).to_bytes().hex(),
                "work_id": identity.hex(),
                "seed": seed.hex(),
                "indices": indices,
                "inputs": inputs,
                "answers": [answer.tokens for answer in answers],
                "elements": [str(element) for element in elements],
                "result": batch_result(
                    seed, model.model_id, puzzle, indices, inputs, answers
                ).hex(),
                "work": work_done(lengths, puzzle, model),
                "reference_work": reference_work(puzzle, model),
            }
        )
    return cases


def _early_nonce(pre: Any, params: Any) -> int:
    puzzle, model = params.puzzle, params.model
    nonce = 2
    while True:
        seed = work_seed(work_id(replace(pre, nonce=nonce)))
        prompts = [BANK[i] for i in draw_indices(seed, model.bank_size, puzzle.sequences)]
        inputs = batch_inputs(seed, prompts, puzzle, model)
        answers = FakeInference(model).answer(inputs, puzzle.max_answer, puzzle.top_k)
        if all(1 < len(answer.tokens) < puzzle.max_answer for answer in answers):
            return nonce
        nonce += 1


def blocks() -> Any:
    """Three blocks of a network whose model and proof are fakes, and the ids that follow."""
    params = fake_network()
    chain = ProvenChain.genesis(params)
    miner = Miner(
        params,
        inference=FakeInference(params.model),
        prover=FakeProver(),
        bank=prompt_source(params),
        payee=PAYEE.to_bytes(),
        vrf_secret=bytes(32),
    )
    verifier = FakeVerifier(params.model)
    mined = []
    for height in range(1, 4):
        time_ms = params.genesis_time_ms + 10_000 * height
        block = miner.mine(chain.context, chain.state, standing(time_ms)).block
        chain = extend(chain, block, verifier, now_ms=time_ms)
        data = BlockBytes.of(block)
        mined.append(
            {
                "header": data.header.hex(),
                "body": data.body.hex(),
                "proof": data.proof.hex(),
                "work_id": block.header.work_id.hex(),
                "block_id": block.header.block_id.hex(),
                "state_root": chain.state.root.hex(),
            }
        )
    return {
        "parameters": parameter_bytes(params).hex(),
        "genesis_hash": genesis_hash(params).hex(),
        "genesis_block_id": genesis_header(params).block_id.hex(),
        "blocks": mined,
    }


def address() -> Any:
    return [
        {
            "suite": suite,
            "key": key.hex(),
            "bytes": Address.of_key(suite, key).to_bytes().hex(),
            "text": {
                p: Address.of_key(suite, key).to_text(p) for p in ("esp", "tesp", "desp", "resp")
            },
        }
        for suite, key in ((1, bytes(1952)), (2, bytes(range(32))))
    ]


SHAPES = {
    "genesis": MAINNET.model.shape,
    "stories260K": ModelShape(512, 64, 172, 5, 8, 4, 8, 512),
    "15M": ModelShape(32_000, 288, 768, 6, 6, 6, 48, 256),
    "SmolLM2-135M": ModelShape(49_152, 576, 1536, 30, 9, 3, 64, 8192),
    "8B of a public family": ModelShape(128_256, 4096, 14_336, 32, 32, 8, 128, 8192),
    "70B of the same": ModelShape(128_256, 8192, 28_672, 80, 64, 8, 128, 8192),
    "405B of the same": ModelShape(128_256, 16_384, 53_248, 126, 128, 8, 128, 8192),
}


def omega() -> Any:
    genesis = MAINNET.model
    return [
        {
            "name": name,
            "shape": asdict(shape),
            "omega": computed_omega(
                MAINNET.puzzle,
                replace(genesis, shape=shape, special_ids=(0, 1, 2)),
                MAINNET.puzzle,
                genesis,
            ),
        }
        for name, shape in SHAPES.items()
    ]


VECTORS = {
    "hashing": hashing,
    "merkle": merkle,
    "poseidon2": poseidon2,
    "vrf": vrf,
    "asert": asert,
    "state_tree": state_tree,
    "work": work,
    "blocks": blocks,
    "address": address,
    "omega": omega,
}


def main() -> None:
    for name in sys.argv[1:] or VECTORS:
        text = json.dumps(VECTORS[name](), indent=1)
        (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
