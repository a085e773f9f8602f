"""A worker as a child process of the event loop: started, spoken to, and ended with it."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import trio

from esper.node.workers.loadable import Loadable
from esper.node.workers.worker_messages import LENGTH_BYTES, Begin, Ready, Unfit
from esper.node.workers.worker_slot import WorkerSlot

SECRET_VARIABLES: Final = frozenset({"ESPER_PASSWORD", "ESPER_NEW_PASSWORD", "ESPER_RPC_TOKEN"})
"""Of the wallet, which people set in the shell that they start a node from."""
KILLS: Final = MappingProxyType(
    {
        -signal.SIGKILL: "killed, as the system does when memory runs out",
        -signal.SIGABRT: "it gave up, mostly for lack of memory",
    }
)
"""What ends of processes mean, by status."""
END_WITHIN_S: Final = 1.0
"""Time that a worker has to end when its input does."""


class WorkerError(Exception):
    """A worker that cannot begin, or ended by itself."""


@contextmanager
def loss_told(slot: WorkerSlot) -> Iterator[None]:
    """A worker that is lost within is lost to its slot, too."""
    try:
        yield
    except WorkerError as error:
        slot.lose(str(error))
        raise


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """What a search computes with."""

    name: str = "native"
    """``native`` or ``torch``."""
    device: str = "cpu"
    """Of the torch engine, such as ``cuda``."""

    @property
    def is_card(self) -> bool:
        """Whether it computes on a graphics card, which has threads of its own."""
        return self.name == "torch" and self.device.startswith("cuda")


NATIVE: Final = EngineChoice()


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """How a worker is started."""

    network: str
    """Name of the network."""
    model: Path
    """Folder of the model."""
    bank: Path
    """File of the prompt bank."""
    threads: int
    """Of the engine and of the prover."""
    entry: Loadable
    """What the folder and the file have to hold, and what is searched with it."""
    engine: EngineChoice = NATIVE
    """Of a search. Calls are answered and proven by the native one."""


def program_of(module: str) -> tuple[str, ...]:
    """How a module of this program is run by its own."""
    # -P: the package that is installed, not one in the folder that the node was started in.
    return sys.executable, "-P", "-m", module


def worker_environment(env: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a worker is to know of the node's environment: no password or token of anybody."""
    kept = {name: value for name, value in env.items() if name not in SECRET_VARIABLES}
    return kept | {"RAYON_NUM_THREADS": str(threads)}


@dataclass(frozen=True, slots=True)
class Wire:
    """How messages become the bytes of a frame, and what is read from them."""

    write: Callable[[object], bytes]
    """Of a message of the node's."""
    read: Callable[[bytes], Any]
    """Of the worker's. Raises ValueError for bytes that are no message."""
    most: int
    """Bytes of a frame of the worker's."""


PICKLES: Final = Wire(pickle.dumps, pickle.loads, (1 << 32) - 1)
"""Of a worker that is this program and nobody else's: see ``worker_messages``."""


class WorkerProcess:
    """One running worker."""

    def __init__(self, process: trio.Process, role: str, wire: Wire = PICKLES) -> None:
        self._process = process
        self._role = role
        self._wire = wire
        self._buffer = bytearray()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @classmethod
    async def start(cls, role: str, settings: WorkerSettings) -> "WorkerProcess":
        """Start a worker of this role and wait until it is ready. Raises WorkerError."""
        command = ["--network", settings.network, "--model", str(settings.model)]
        command += ["--bank", str(settings.bank), "--threads", str(settings.threads)]
        command += ["--engine", settings.engine.name, "--device", settings.engine.device]
        program = (*program_of("esper.node.workers.worker_main"), role)
        return await cls.launch(role, [*program, *command], settings.threads, Begin(settings.entry))

    @classmethod
    async def launch(
        cls,
        role: str,
        command: Sequence[str],
        threads: int,
        begin: object,
        *,
        wire: Wire = PICKLES,
    ) -> "WorkerProcess":
        """Run a program, tell it ``begin``, and wait until it is ready. Raises WorkerError."""
        environment = worker_environment(os.environ, threads)
        # A session of its own: ctrl-C is the node's, which ends its workers itself.
        try:
            process = await trio.lowlevel.open_process(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            reason = error.strerror or error
            raise WorkerError(
                f"{role} worker cannot be started: {reason}; see the limits of open files, "
                "processes and memory (ulimit -a)"
            ) from error
        worker = cls(process, role, wire)
        try:
            # One that ends before it has read this says why on its way out.
            with suppress(WorkerError):
                await worker.send(begin)
            first = await worker.receive()
        except BaseException:
            await worker.end()
            raise
        if isinstance(first, Unfit):
            await worker.end()
            raise WorkerError(first.reason)
        if not isinstance(first, Ready):
            await worker.end()
            raise WorkerError(f"{role} worker began with {type(first).__name__}")
        return worker

    async def send(self, *messages: object) -> None:
        """Send messages, in one write. Raises WorkerError if the worker is gone."""
        assert self._process.stdin is not None
        try:
            await self._process.stdin.send_all(b"".join(map(self._frame, messages)))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise WorkerError(await self._gone()) from error

    async def receive(self) -> Any:
        """The next message. Raises WorkerError if the worker is gone, or says what none says."""
        length = int.from_bytes(await self._exactly(LENGTH_BYTES), "big")
        if length > self._wire.most:
            raise WorkerError(
                f"{self._role} worker announced a message of {length} bytes, at most "
                f"{self._wire.most} are taken"
            )
        data = await self._exactly(length)
        try:
            return self._wire.read(data)
        except ValueError as error:
            raise WorkerError(f"{self._role} worker said what none says: {error}") from error

    async def end(self) -> None:
        """End the worker, whatever it does. A second call does nothing."""
        with trio.CancelScope(shield=True):
            if self._process.stdin is not None:
                await self._process.stdin.aclose()
            with trio.move_on_after(END_WITHIN_S):
                await self._process.wait()
            if self._process.returncode is None:
                self._process.kill()
                await self._process.wait()
            if self._process.stdout is not None:
                await self._process.stdout.aclose()

    def _frame(self, message: object) -> bytes:
        data = self._wire.write(message)
        return len(data).to_bytes(LENGTH_BYTES, "big") + data

    async def _exactly(self, count: int) -> bytes:
        assert self._process.stdout is not None
        while len(self._buffer) < count:
            try:
                data = await self._process.stdout.receive_some()
            except trio.ClosedResourceError:
                data = b""
            if not data:
                raise WorkerError(await self._gone())
            self._buffer += data
        found = bytes(self._buffer[:count])
        del self._buffer[:count]
        return found

    async def _gone(self) -> str:
        # A process that ends closes its output a moment before it has a status.
        with trio.move_on_after(END_WITHIN_S):
            await self._process.wait()
        code = self._process.returncode
        how = "closed its output" if code is None else f"ended with status {code}"
        if code is not None and code in KILLS:
            how += f" ({KILLS[code]})"
        return f"{self._role} worker {how}; what it said stands in the log"
