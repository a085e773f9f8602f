"""Items that fit by the rules and that no block could hold: bits that nobody could ever show false.

What a report says of such an item costs nothing, true or not; and who is asked for it loses an
honest bond. So what fits has to have room in a group of a block, whatever weights a model has: the
widest embedding values, and ids whose ways to the root of the embedding share nothing.
"""

from dataclasses import replace

import pytest

from esper.consensus.call_groups import MAX_GROUP_PROOF
from esper.dao.benchmarks.fitting import (
    EMBEDDING_ROOM,
    MOST_BESIDE_ROWS,
    batch_fits,
    rows_bytes,
    verdicts_fit,
)
from esper.dao.benchmarks.item_proof import MAX_ITEM_PROOF
from esper.node.mining.block_draft import BODY_RESERVE
from esper.primitives.model_entry import ModelShape
from esper.primitives.networks import DEVNET, MAINNET, NETWORKS, REGTEST, TESTNET
from esper.primitives.params import NetworkParameters
from tests.support.bench_suites import item

ENVELOPE = 2 * 3309 + 1952 + 256
"""Bytes of a transaction beside its body, generously."""
GROUP = 256
"""Bytes of a group beside its proof, generously."""
WIDEST = 4
"""Bytes of an embedding value of 32 bits: one is enough, and all rows have that width."""
SHAPES = [
    ModelShape(1024, 64, 172, 5, 8, 4, 8, 512),
    ModelShape(32_000, 288, 768, 6, 6, 6, 48, 2048),
    ModelShape(49_152, 576, 1536, 30, 9, 3, 64, 2048),
    ModelShape(32_000, 2048, 5632, 22, 32, 4, 64, 2048),
]
"""Genesis', the 15M shape, that of 135M weights, and one of a thousand million."""


def most_ids(shape: ModelShape, rows: int) -> int:
    """Distinct ids of the widest prompt that fits."""
    most = min(rows, shape.vocab)
    return max(n for n in range(most + 1) if not n or batch_fits([range(n)], 1, shape, rows))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("params", NETWORKS.values(), ids=NETWORKS)
def test_whatever_fits_has_room_in_a_group(shape: ModelShape, params: NetworkParameters) -> None:
    ids = most_ids(shape, params.governance.audit_rows)
    assert ids >= 24
    depth = (shape.vocab - 1).bit_length()
    row = WIDEST * shape.dim + 32 * depth
    assert (ids + 1) * row <= EMBEDDING_ROOM
    assert (ids + 1) * row + MOST_BESIDE_ROWS <= MAX_GROUP_PROOF
    # A model whose block's proof has no room in a block is never mined.
    assert params.limits.proof_bytes <= MOST_BESIDE_ROWS


@pytest.mark.parametrize("params", NETWORKS.values(), ids=NETWORKS)
def test_the_costliest_item_has_room_in_a_block(params: NetworkParameters) -> None:
    room = params.limits.body_bytes - BODY_RESERVE - MAX_ITEM_PROOF - ENVELOPE
    assert params.limits.proof_bytes + EMBEDDING_ROOM + GROUP <= room


@pytest.mark.parametrize("params", [MAINNET, TESTNET], ids=lambda one: one.name)
def test_so_has_the_costliest_that_a_judge_reads(params: NetworkParameters) -> None:
    room = params.limits.body_bytes - BODY_RESERVE - MAX_ITEM_PROOF - ENVELOPE
    assert 2 * (params.limits.proof_bytes + GROUP) + EMBEDDING_ROOM <= room


@pytest.mark.parametrize("shape", SHAPES)
def test_answer_and_verdicts_share_their_room(shape: ModelShape) -> None:
    entry = replace(MAINNET.model, shape=shape)
    rows = MAINNET.governance.audit_rows
    for ids in (1, 8, 20, most_ids(shape, rows) - 1):
        asked = item(prompt=tuple(range(ids)), limit=1)
        fitting = [
            pair
            for n in range(1, 200)
            if verdicts_fit(asked, pair := (range(n), range(n)), entry, entry, rows)
        ]
        widest = max(fitting, key=lambda pair: len(pair[0]), default=None)
        if widest is not None:
            both = rows_bytes([asked.prompt], 1, shape) + rows_bytes(widest, 1, shape)
            assert both <= EMBEDDING_ROOM


def test_local_networks_hold_two_proofs_of_their_models() -> None:
    # Measured: the genesis model's proof of 256 rows takes 318,218 bytes beside its rows.
    for params in (DEVNET, REGTEST):
        room = params.limits.body_bytes - BODY_RESERVE - MAX_ITEM_PROOF - ENVELOPE
        assert room >= 2 * (320_000 + GROUP) + EMBEDDING_ROOM
