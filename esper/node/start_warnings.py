"""What an operator has to see to, found when a node starts: told in its log and by `get_status`."""

from collections.abc import Sequence
from typing import Final

from esper.http.addresses import is_loopback
from esper.node.chain.chain_manager import ChainManager
from esper.node.settings import Settings
from esper.storage.proof_check import ProofDamage, damaged_proofs

CHECKED_BYTES: Final = 256 << 20
"""Of the newest proofs: below a second of reading. `esperd verify-chain` reads all of them."""
NAMED: Final = 5
"""Blocks that are named; of others their number is told."""


def start_warnings(manager: ChainManager, settings: Settings) -> list[str]:
    """Sentences with what helps. Raises what reading the index raises."""
    depth = manager.params.limits.pruning_depth
    damaged = damaged_proofs(manager.store.as_of_now(), depth, CHECKED_BYTES)
    return [*_of_proofs(damaged[::-1]), *_of_listening(settings), *_of_peers(settings)]


def _of_proofs(damaged: Sequence[ProofDamage]) -> list[str]:
    if not damaged:
        return []
    named = [f"the proof of block {one.height} is damaged: {one.reason}" for one in damaged[:NAMED]]
    rest = f", and {len(damaged) - NAMED} more" if len(damaged) > NAMED else ""
    heights = ", ".join(str(one.height) for one in damaged[:NAMED])
    return [
        *named,
        f"proofs of blocks {heights}{rest} are damaged: mining goes on, but nobody can be given "
        "these blocks, and a change of chain that takes them off fails; stop the node and run "
        "`esperd repair`",
    ]


def _of_listening(settings: Settings) -> list[str]:
    if is_loopback(settings.rpc_host):
        return []
    return [
        f"JSON-RPC listens on {settings.rpc_host} and speaks plain HTTP: whoever is on the way "
        "reads what is asked and the tokens that spend and steer; put a proxy that speaks TLS "
        "before it (docs/node.md), or set rpc_host to 127.0.0.1"
    ]


def _of_peers(settings: Settings) -> list[str]:
    if not settings.connect_only or settings.connect or settings.alone:
        return []
    return [
        "`connect_only` is set and `connect` names nobody: this node dials no peer, and is not "
        "synced before it does; name some with `connect` (or now, with `esperd connect`), or leave "
        "`connect_only` out; a network's first node has `alone`"
    ]
