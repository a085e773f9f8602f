"""What is served, and how much room it may take."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from esper.node.workers.serve_messages import BeginServing
from esper.node.workers.worker_process import program_of
from esper.primitives.ids import ModelId

MIB: Final = 1 << 20
SERVE_PROGRAM: Final = program_of("esper.node.workers.serve_main")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that lies in a folder, and its place among the chain's models."""

    folder: Path
    """With ``g16.safetensors`` and ``tokenizer.json``."""
    tier: int
    """0 without a chain."""
    model_id: ModelId | None = None
    """64 bytes that it must have; None: whatever lies in the folder."""

    @property
    def short(self) -> str:
        """Its name as people are told it."""
        return self.folder.name if self.model_id is None else f"{self.model_id.hex()[:16]}…"


@dataclass(frozen=True, slots=True)
class ServingSettings:
    """How models are served."""

    threads: int
    """Of each model's engine, at least 1."""
    memory_mib: int = 1024
    """Of the caches of each model."""
    most_slots: int = 64
    """Answers at once of each model, where the memory allows so many."""
    rows: int = 256
    """Positions of a cache, at most the model's longest sequence."""
    program: tuple[str, ...] = field(default=SERVE_PROGRAM)
    """What runs a serving process; tests run one that computes wrongly."""

    def begin(self, model: ServedModel) -> BeginServing:
        """What its process is told."""
        memory = self.memory_mib * MIB
        return BeginServing(model.model_id, self.rows, self.most_slots, memory)

    def command(self, model: ServedModel) -> tuple[str, ...]:
        """What runs it."""
        return (*self.program, "--model", str(model.folder), "--threads", str(self.threads))
