"""A worker of the farm: it searches or proves for an entry, and is asked by calls of bytes.

Whoever places it sees to it that ``listen`` may wait while another method works.
"""

import os
import socket
import threading
from pathlib import Path
from typing import Final

from esper.model import ModelError, load_model
from esper.model.prompts import read_bank
from esper.node.clock import steady_ms, wall_ms
from esper.node.workers.farm.driver.begin_records import (
    Begun,
    State,
    begun_bytes,
    decode_head,
)
from esper.node.workers.farm.driver.search_worker import SearchWorker
from esper.node.workers.farm.driver.worker_files import CopiedFiles, cache_folder
from esper.node.workers.farm.work_records import (
    NAME_BYTES,
    WorkerFace,
    WorkReply,
    decode_claim,
    face_bytes,
    reply_bytes,
)
from esper.node.workers.farm.worker_spec import Role, decode_spec
from esper.node.workers.feeding.stream_search import StreamSearch
from esper.node.workers.feeding.torch_work import TorchInference
from esper.node.workers.native_work import (
    DisagreementError,
    MiningModel,
    NativeInference,
    NativeProver,
)
from esper.node.workers.prove_loop import IDLE_S
from esper.node.workers.search import PromptSource, TicketSearch, WrongModelError, check_model
from esper.primitives.networks import network
from esper.prover import ProvingError, release_memory

LISTEN_S: Final = 1.0
"""A prover that lives says so as often; a search says what it did."""


class FarmWorker:
    """One worker."""

    def __init__(self, spec: bytes) -> None:
        self._spec = decode_spec(spec)
        self._copied = CopiedFiles(self._spec.entry, cache_folder())
        self._took = False
        self._search: SearchWorker | None = None
        self._prover: NativeProver | None = None
        self._last_ms = steady_ms()
        self._holds = False

    def begin(self) -> bytes:
        """Load what is here; a Begun."""
        try:
            return begun_bytes(self._begun())
        except (ModelError, WrongModelError, MemoryError, OSError, ValueError) as error:
            told = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            return begun_bytes(Begun(State.UNFIT, told.encode()[:NAME_BYTES]))

    def take(self, head: bytes, chunk: bytes) -> None:
        """Part of a file that is not here; ``begin`` is called again after the last."""
        self._took = True
        self._copied.take(decode_head(head), chunk)

    def do(self, data: bytes) -> bytes:
        """Prove a claim; a WorkReply."""
        if self._prover is None:
            return reply_bytes(WorkReply(1, b"this worker proves nothing"))
        self._last_ms, self._holds = steady_ms(), True
        try:
            proof = self._prover.prove(decode_claim(data))
        except (DisagreementError, ProvingError, ModelError, ValueError) as error:
            return reply_bytes(WorkReply(1, f"{type(error).__name__}: {error}".encode()))
        finally:
            self._last_ms = steady_ms()
        return reply_bytes(WorkReply(0, proof))

    def tell(self, data: bytes) -> None:
        """What to search for from now on."""
        if self._search is not None:
            self._search.tell(data)

    def listen(self) -> bytes:
        """Wait a second at most: what the search did meanwhile, or nothing of a prover."""
        if self._search is not None:
            return self._search.listen(LISTEN_S)
        threading.Event().wait(LISTEN_S)
        if self._holds and steady_ms() - self._last_ms > 1000 * IDLE_S:
            # As a prover of the node's machine does.
            self._holds = False
            release_memory()
        return b""

    def _begun(self) -> Begun:
        found = self._files()
        if found is None:
            return Begun(State.LACKING)
        folder, model, bank = found
        if self._spec.role is Role.PROVE:
            self._prover = NativeProver(model)
        else:
            self._search = SearchWorker(self._searching(folder, model, bank), wall_ms, steady_ms)
        host = socket.gethostname().encode()[:NAME_BYTES]
        return Begun(State.READY, face_bytes(WorkerFace(host, os.getpid())))

    def _files(self) -> tuple[Path, MiningModel, PromptSource] | None:
        """What was loaded, and the folder it came from; None if it is not here.

        Raises ModelError or WrongModelError if what was taken is not the entry's.
        """
        spec, copied = self._spec, self._copied
        if self._took:
            copied.finish()
            return self._load(copied.folder, copied.bank)
        try:
            return self._load(spec.model, spec.bank)
        except (ModelError, WrongModelError, OSError):
            # Another machine than the node's, or another model at the same place.
            pass
        if not copied.is_here:
            return None
        try:
            return self._load(copied.folder, copied.bank)
        except (ModelError, WrongModelError, OSError):
            copied.discard()
            return None

    def _load(self, folder: Path, bank: Path) -> tuple[Path, MiningModel, PromptSource]:
        model = load_model(folder)
        check_model(NativeInference(model, self._spec.cpus), self._spec.entry.model)
        return folder, model, PromptSource.of(read_bank(bank).prompts, self._spec.entry.model)

    def _searching(self, folder: Path, model: MiningModel, bank: PromptSource) -> TicketSearch:
        spec = self._spec
        puzzle = spec.entry.puzzle.on(network(spec.network).puzzle)
        if spec.engine.name == "torch":
            device = spec.engine.device
            fed = TorchInference.open(folder, model, device, puzzle, spec.cpus)
            return StreamSearch(puzzle, spec.entry.model, fed, bank)
        inference = NativeInference(model, spec.cpus)
        return TicketSearch(puzzle, spec.entry.model, inference, bank)
