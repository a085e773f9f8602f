"""Write the golden vectors of the DAO's draws.

    python -m tests.vectors.writers.write_dao

Run it only to add vectors: values that change for an old vector break every chain that exists.
"""

import json
from pathlib import Path
from typing import Any

from esper.dao.steps import drawn, drawn_seed
from esper.primitives.ids import Txid
from esper.primitives.networks import NETWORKS
from tests.support.dao_proposals import proposal

FILE = Path(__file__).parents[1] / "dao.json"


def pattern(size: int, start: int) -> bytes:
    """Bytes that count up, to tell fields apart."""
    return bytes((start + step) % 256 for step in range(size))


def draws() -> list[dict[str, Any]]:
    """The seed of a proposal, and the height at which it then becomes active on each network."""
    found = []
    for start, final in ((0, 230), (1, 500_000), (200, (1 << 32) - 100_000)):
        beacon, proposal_id = pattern(64, start), Txid(pattern(64, start + 100))
        seed = drawn_seed(beacon, proposal_id)
        active = {
            name: drawn(proposal(final=final), seed, network.governance).active
            for name, network in NETWORKS.items()
        }
        found.append(
            {
                "beacon": beacon.hex(),
                "proposal": proposal_id.hex(),
                "seed": seed.hex(),
                "final": final,
                "active": active,
            }
        )
    return found


def document() -> dict[str, Any]:
    """The file's content."""
    periods = {
        name: {"grace": network.governance.grace, "jitter": network.governance.jitter}
        for name, network in NETWORKS.items()
    }
    return {"periods": periods, "draws": draws()}


if __name__ == "__main__":
    FILE.write_text(json.dumps(document(), indent=1) + "\n")
