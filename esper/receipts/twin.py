"""What the verifier in Rust takes from its surroundings, as records of the wire.

It decides every link for itself and reads nothing of Python's; what is handed to it are the
networks that are known and what whoever asks vouches for. ``native/stark_verifier/receipt`` says
the same of its ``around``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from esper.consensus.registry import genesis_registry
from esper.dao.settings import ROWS_KEY, SETTINGS
from esper.primitives.codec import Array, FixedBytes, Record, Unsigned, VarBytes, encode
from esper.primitives.hashing import HASH_BYTES
from esper.primitives.ids import ModelId
from esper.primitives.params import NetworkParameters
from esper.receipts.links.model import NAMED_MODEL
from esper.receipts.ports import NamedModel

TWIN_VERSION: Final = 1
MAX_NETWORKS: Final = 16
MAX_MODELS: Final = 64
MAX_BLOCKS: Final = 1024
MAX_NAME: Final = 32
MAX_WHOSE: Final = 64


@dataclass(frozen=True, slots=True)
class KnownNetwork:
    """What a check needs to know of a network."""

    name: bytes
    genesis_hash: bytes
    """64 bytes."""
    header_bytes: int
    """Largest header."""
    transaction_bytes: int
    """Largest transaction."""
    undo_depth: int
    """Deepest reorganisation, in blocks."""
    unbonding: int
    """Blocks for which a promise is evidence."""
    most_rows: int
    """Most rows of a call's proof that votes may lead to."""
    salt_bits: int
    """Least entropy of a ticket's salt."""
    top_k: int
    """Candidates that a ticket lists for each answer token."""
    models: tuple[NamedModel, ...]
    """Those that it begins with."""


@dataclass(frozen=True, slots=True)
class KnownBlock:
    """A block of a chain that the asker knows."""

    height: int
    block_id: bytes
    """64 bytes."""


@dataclass(frozen=True, slots=True)
class _Networks:
    networks: tuple[KnownNetwork, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """What whoever asks vouches for."""

    whose: bytes = b"--tip"
    """Who knows the blocks, for people."""
    blocks: tuple[KnownBlock, ...] = ()
    """Without any *chain* and *paid* stay open."""
    trusted: tuple[ModelId, ...] = ()
    """Models that the asker names."""
    models: tuple[NamedModel, ...] = ()
    """Models that the asker has at hand."""


_NETWORK: Final = Record(
    KnownNetwork,
    None,
    (
        ("name", VarBytes(MAX_NAME)),
        ("genesis_hash", FixedBytes(HASH_BYTES)),
        ("header_bytes", Unsigned(32)),
        ("transaction_bytes", Unsigned(32)),
        ("undo_depth", Unsigned(32)),
        ("unbonding", Unsigned(32)),
        ("most_rows", Unsigned(32)),
        ("salt_bits", Unsigned(8)),
        ("top_k", Unsigned(8)),
        ("models", Array(NAMED_MODEL, MAX_MODELS)),
    ),
)
_NETWORKS: Final = Record(_Networks, TWIN_VERSION, (("networks", Array(_NETWORK, MAX_NETWORKS)),))
_BLOCK: Final = Record(
    KnownBlock, None, (("height", Unsigned(32)), ("block_id", FixedBytes(HASH_BYTES)))
)
_ASKED: Final = Record(
    Asked,
    TWIN_VERSION,
    (
        ("whose", VarBytes(MAX_WHOSE)),
        ("blocks", Array(_BLOCK, MAX_BLOCKS)),
        ("trusted", Array(FixedBytes(HASH_BYTES), MAX_MODELS)),
        ("models", Array(NAMED_MODEL, MAX_MODELS)),
    ),
)


def networks_record(networks: Mapping[str, tuple[NetworkParameters, bytes]]) -> bytes:
    """The bytes of known networks: parameters and 64-byte genesis hash by name."""
    known = (_known(params, genesis_hash) for params, genesis_hash in networks.values())
    return encode(_NETWORKS, _Networks(tuple(known)))


def asked_record(asked: Asked) -> bytes:
    """The bytes of what the asker vouches for."""
    return encode(_ASKED, asked)


def chain_of(whose: str, blocks: Sequence[tuple[int, bytes]]) -> Asked:
    """Somebody who knows these blocks, heights and ids."""
    return Asked(whose.encode(), tuple(KnownBlock(height, one) for height, one in blocks))


def _known(params: NetworkParameters, genesis_hash: bytes) -> KnownNetwork:
    return KnownNetwork(
        name=params.name.encode(),
        genesis_hash=genesis_hash,
        header_bytes=params.limits.header_bytes,
        transaction_bytes=params.limits.transaction_bytes,
        undo_depth=params.limits.undo_depth,
        unbonding=params.reward.unbonding,
        most_rows=SETTINGS[ROWS_KEY].bounds(params)[1],
        salt_bits=params.puzzle.salt_bits,
        top_k=params.puzzle.top_k,
        models=tuple(
            NamedModel(entry.model, entry.puzzle)
            for tier in genesis_registry(params).tiers
            for entry in tier.entries
        ),
    )
