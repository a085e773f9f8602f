"""Write golden vectors of hidden sets: commitments, leaves and their root, draws, openings.

    python -m tests.vectors.writers.write_hidden

Run it only to add vectors: values that change for an old vector break every chain that exists.
"""

import json
from pathlib import Path
from typing import Any

from esper.dao.benchmarks.answers import ShownAnswer
from esper.dao.benchmarks.item import ITEM
from esper.dao.hidden.hidden_set import (
    SET_BODY,
    TAG_SET,
    WITHDRAW_BODY,
    SetBody,
    WithdrawBody,
    drawn_items,
    hidden_leaf,
    hidden_root,
)
from esper.dao.hidden.openings import HIDDEN_PROOF, UNPROVEN, HiddenProof, Opening
from esper.dao.hidden.rounds import auto_rollback_id
from esper.primitives.ids import Txid
from esper.primitives.merkle import MerkleTree
from esper.primitives.work_outputs import Candidate
from tests.vectors.fields import encoding
from tests.vectors.writers.write_benchmarks import CHOICE, EMPTY, ITEMS, LOGIT, TEXT
from tests.vectors.writers.write_dao import pattern

FILE = Path(__file__).parents[1] / "hidden.json"

SALTS = tuple(pattern(32, 10 * at) for at in range(len(ITEMS)))
LEAVES = tuple(hidden_leaf(salt, one) for salt, one in zip(SALTS, ITEMS, strict=True))
TREE = MerkleTree.build(TAG_SET, LEAVES)

CHOSEN = ShownAnswer((41,), (tuple(Candidate(41 + at, LOGIT - at) for at in range(4)),))
SPOKEN = ShownAnswer((5, 2), ((Candidate(5, 1),), (Candidate(2, -1),)))
PROOFS = (
    ("a choice, and what does not fit", HiddenProof(4, (
        Opening(0, SALTS[0], CHOICE, TREE.path(0), CHOSEN),
        Opening(4, SALTS[4], EMPTY, TREE.path(4), UNPROVEN),
    ))),
    ("a text", HiddenProof(1, (Opening(1, SALTS[1], TEXT, TREE.path(1), SPOKEN),))),
    ("nothing", HiddenProof(0, ())),
)  # fmt: skip

DRAWS: tuple[tuple[int, int, int, tuple[int, ...], int], ...] = (
    (0, 10, 128, (), 2),
    (1, 11, 65_535, (), 8),
    (2, 12, 128, tuple(range(0, 112, 2)), 8),
    (2, 12, 128, tuple(range(60)), 8),
    (3, 13, 200, tuple(range(64)), 8),
)
"""Where set and seed begin to count, items, what was drawn before, how many are wanted."""


def draws() -> list[dict[str, Any]]:
    """What is drawn of sets that have been drawn of before."""
    found = []
    for start, seeded, count, used, wanted in DRAWS:
        set_id, seed = Txid(pattern(64, start)), pattern(64, seeded)
        drawn = drawn_items(set_id, seed, count, used, wanted)
        found.append(
            {
                "set": set_id.hex(),
                "seed": seed.hex(),
                "count": count,
                "used": list(used),
                "wanted": wanted,
                "drawn": list(drawn),
            }
        )
    return found


def rollbacks() -> list[dict[str, Any]]:
    """Ids of what opens by itself."""
    proposal = Txid(pattern(64, 5))
    return [
        {
            "proposal": proposal.hex(),
            "round": number,
            "id": auto_rollback_id(proposal, number).hex(),
        }
        for number in (0, 1)
    ]


def document() -> dict[str, Any]:
    """The file's content."""
    sets = (
        ("least", SetBody(pattern(64, 1), pattern(64, 2), 128)),
        ("widest", SetBody(pattern(64, 3), pattern(64, 4), 65_535)),
    )
    taken = WithdrawBody(Txid(pattern(64, 6)))
    return {
        "sets": [encoding(SET_BODY, one, name) for name, one in sets],
        "withdrawals": [encoding(WITHDRAW_BODY, taken, "taken back")],
        "leaves": [
            encoding(ITEM, one, f"item {at}") | {"salt": salt.hex(), "leaf": leaf.hex()}
            for at, (one, salt, leaf) in enumerate(zip(ITEMS, SALTS, LEAVES, strict=True))
        ],
        "root": hidden_root(LEAVES).hex(),
        "proofs": [encoding(HIDDEN_PROOF, one, name) for name, one in PROOFS],
        "draws": draws(),
        "rollbacks": rollbacks(),
    }


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
