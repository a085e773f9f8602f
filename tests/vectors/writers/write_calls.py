"""Write the golden vectors of calls in blocks: answers, groups, and what proofs are bound to.

    python -m tests.vectors.writers.write_calls

Run it only to add vectors: bytes that change for an old vector break every chain that exists.
"""

import json
from pathlib import Path
from typing import Any

from esper.consensus.block import calls_root, result_root
from esper.consensus.call_groups import (
    AUDIT,
    CALL_GROUP,
    LANE_ANSWER,
    OWN_CALLS,
    TAG_CALL_LIST,
    CallGroup,
    ProvenCall,
    encode_result,
    group_binding,
    lane_binding,
)
from esper.primitives.ids import ModelId, Txid
from esper.primitives.merkle import merkle_root
from tests.vectors.fields import encoding
from tests.vectors.writers.write_records import WORD, address, pattern

FILE = Path(__file__).parents[1] / "calls.json"

GENESIS_HASH = pattern(64, 100)
PAYEE = address(101)
MODEL_ID = ModelId(pattern(64, 102))
CALL_IDS = tuple(Txid(pattern(64, 110 + number)) for number in range(3))

GREATEST = (1 << 62) - 1
"""A logit is between this and its negative."""

RESULTS = (
    ("left open", ()),
    ("one token", (2,)),
    ("every width", (0, 127, 128, 255, 256, 65_535, 65_536, WORD)),
    ("sixteen tokens", tuple(range(300, 316))),
)
GROUPS = (
    ("own calls", CallGroup(OWN_CALLS, MODEL_ID, (
        ProvenCall(CALL_IDS[0], (0, -1, 1, -64, 64, GREATEST, -GREATEST)),
        ProvenCall(CALL_IDS[1], (1 << 40, -(1 << 40), (1 << 53) + 1, -(1 << 53) - 1)),
    ), pattern(300, 1))),
    ("answer to a lane", CallGroup(LANE_ANSWER, MODEL_ID, (
        ProvenCall(CALL_IDS[2], tuple(range(-8, 9))),
    ), pattern(7, 2))),
    ("proof of a transaction", CallGroup(AUDIT, MODEL_ID, (
        ProvenCall(CALL_IDS[1], ()),
    ), pattern(260, 3))),
    ("least", CallGroup(OWN_CALLS, ModelId(bytes(64)), (), b"")),
)  # fmt: skip


def own_binding(count: int) -> dict[str, Any]:
    """The binding of a group of the first ``count`` calls."""
    call_ids = CALL_IDS[:count]
    return {
        "call_ids": [call_id.hex() for call_id in call_ids],
        "list_root": merkle_root(TAG_CALL_LIST, call_ids).hex(),
        "binding": group_binding(GENESIS_HASH, PAYEE, MODEL_ID, call_ids).hex(),
    }


def document() -> dict[str, Any]:
    """The file's content."""
    results = [encode_result(answer) for _, answer in RESULTS]
    groups = [group.to_bytes() for _, group in GROUPS]
    return {
        "results": [
            {"case": name, "tokens": list(answer), "bytes": data.hex()}
            for (name, answer), data in zip(RESULTS, results, strict=True)
        ],
        "result_root": result_root(results).hex(),
        "groups": [encoding(CALL_GROUP, group, name) for name, group in GROUPS],
        "calls_root": calls_root(groups).hex(),
        "genesis_hash": GENESIS_HASH.hex(),
        "payee": PAYEE.hex(),
        "model_id": MODEL_ID.hex(),
        "own_bindings": [own_binding(count) for count in (1, 2, 3)],
        "lane_binding": {
            "call_id": CALL_IDS[2].hex(),
            "sender": PAYEE.hex(),
            "binding": lane_binding(GENESIS_HASH, CALL_IDS[2], PAYEE).hex(),
        },
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
