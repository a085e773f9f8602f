"""What a worker of the farm is to be: its role, what it loads, and what it needs of its machine."""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from esper.dao.entry_records import MODEL_ENTRY, PUZZLE
from esper.node.workers.loadable import Loadable
from esper.node.workers.worker_process import EngineChoice
from esper.primitives.codec import Record, Unsigned, VarBytes, decode, encode

SPEC_VERSION: Final = 1
SPEC_BYTES: Final = 1 << 14
"""Three times what the longest paths and 256 special ids of a model take."""
NAME_BYTES: Final = 64
PATH_BYTES: Final = 4096

LOADABLE: Final = Record(Loadable, None, (("model", MODEL_ENTRY), ("puzzle", PUZZLE)))


class Role(IntEnum):
    """What a worker does from its start to its end."""

    SEARCH = 0
    PROVE = 1


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One kind of worker."""

    role: Role
    """What it does."""
    network: str
    """Name of the network."""
    entry: Loadable
    """What it works for."""
    model: Path
    """Folder of the model on the node's machine, and maybe on its own."""
    bank: Path
    """File of the prompt bank, likewise."""
    cpus: int
    """Processors that it takes, at least 1; so many threads it has."""
    gpus: int
    """Graphics cards that it takes."""
    engine: EngineChoice
    """Of a search."""


@dataclass(frozen=True, slots=True)
class _SpecRecord:
    role: int
    network: bytes
    entry: Loadable
    model: bytes
    bank: bytes
    cpus: int
    gpus: int
    engine: bytes
    device: bytes


SPEC_RECORD: Final = Record(
    _SpecRecord,
    SPEC_VERSION,
    (
        ("role", Unsigned(8)),
        ("network", VarBytes(NAME_BYTES)),
        ("entry", LOADABLE),
        ("model", VarBytes(PATH_BYTES)),
        ("bank", VarBytes(PATH_BYTES)),
        ("cpus", Unsigned(16)),
        ("gpus", Unsigned(8)),
        ("engine", VarBytes(NAME_BYTES)),
        ("device", VarBytes(NAME_BYTES)),
    ),
)


def spec_bytes(spec: WorkerSpec) -> bytes:
    """The record as it is sent."""
    record = _SpecRecord(
        spec.role,
        spec.network.encode(),
        spec.entry,
        str(spec.model).encode(),
        str(spec.bank).encode(),
        spec.cpus,
        spec.gpus,
        spec.engine.name.encode(),
        spec.engine.device.encode(),
    )
    return encode(SPEC_RECORD, record)


def decode_spec(data: bytes) -> WorkerSpec:
    """A record that the node wrote. Raises ValueError for anything else."""
    found = decode(SPEC_RECORD, data, limit=SPEC_BYTES, what="worker spec")
    return WorkerSpec(
        Role(found.role),
        found.network.decode(),
        found.entry,
        Path(found.model.decode()),
        Path(found.bank.decode()),
        found.cpus,
        found.gpus,
        EngineChoice(found.engine.decode(), found.device.decode()),
    )
