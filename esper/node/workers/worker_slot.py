"""What is known of a worker, for looking alone: nothing is decided by it.

A slot is a worker's place in a list: when one is lost another comes there, so that there are never
more of them than workers at one time, however many die.

    none --ask--> starting --begin--> idle <--rest, work--> busy
      ^---------------- lose or end, from each of them ---------'
"""

from dataclasses import dataclass
from enum import StrEnum

from esper.node.clock import Clock, steady_ms


class WorkerState(StrEnum):
    """How a slot is."""

    NONE = "none"
    """Nobody is there, nor asked for."""
    STARTING = "starting"
    """It waits for a machine, or loads what it needs."""
    IDLE = "idle"
    BUSY = "busy"


@dataclass(frozen=True, slots=True)
class LostWorker:
    """A worker that died, could not begin, or was ended because it was at fault."""

    worker: int
    """Its number in the log, 0 for a process of the node's own."""
    host: str
    """Its machine, empty if it had none yet or is the node's."""
    ago_ms: int
    """Since it was lost."""
    why: str
    """One line."""


@dataclass(frozen=True, slots=True)
class SlotStanding:
    """A slot at one moment. What is counted is counted since the node's start."""

    worker: int
    """Its number in the log; 0 if there is none, and for a process of the node's own."""
    host: str
    """Its machine, empty if it has none yet or is the node's."""
    pid: int
    """Of its process there, 0 if it has none yet."""
    state: WorkerState
    """How it is."""
    in_hand: str
    """A phrase for what it does, empty unless it is busy."""
    in_hand_ms: int
    """How long it has been doing that, 0 unless it is busy."""
    up_ms: int
    """Since it was ready, 0 before."""
    attempts: int
    """Of searches, as the slot's workers said."""
    tokens: int
    """Rows of the model that they said to have computed for them."""
    proofs: int
    """That were given; of the farm's those that held."""
    busy_ms: int
    """Time that the slot's workers were busy."""
    restarts: int
    """Workers that came after one that was lost."""
    lost: LostWorker | None
    """The last one that was lost."""


class WorkerSlot:
    """One worker after the other. Belongs to the event loop."""

    def __init__(self, steady: Clock = steady_ms) -> None:
        self._steady = steady
        self._state = WorkerState.NONE
        self._worker = self._pid = 0
        self._host = self._in_hand = ""
        self._ready_ms = self._busy_since_ms = self._busy_ms = 0
        self._attempts = self._tokens = self._proofs = self._restarts = 0
        self._is_after_loss = False
        self._lost: tuple[int, LostWorker] | None = None

    @property
    def is_free(self) -> bool:
        """Whether nobody is there, nor asked for."""
        return self._state is WorkerState.NONE

    def ask(self, worker: int = 0) -> None:
        """A worker is asked for, or started."""
        self.end()
        self._worker, self._state = worker, WorkerState.STARTING

    def begin(self, host: str = "", pid: int = 0) -> None:
        """It is ready."""
        self._host, self._pid, self._state = host, pid, WorkerState.IDLE
        self._ready_ms = self._steady()
        self._restarts += self._is_after_loss
        self._is_after_loss = False

    def work(self, in_hand: str) -> None:
        """It does something from now on; the same again goes on. Nothing where none is ready."""
        if self._state is WorkerState.IDLE or (
            self._state is WorkerState.BUSY and in_hand != self._in_hand
        ):
            self.rest()
            self._state, self._in_hand = WorkerState.BUSY, in_hand
            self._busy_since_ms = self._steady()

    def rest(self) -> None:
        """It does nothing from now on."""
        if self._state is WorkerState.BUSY:
            self._busy_ms += self._steady() - self._busy_since_ms
            self._state, self._in_hand = WorkerState.IDLE, ""

    def tried(self, attempts: int, tokens: int) -> None:
        """What its search did."""
        self._attempts += attempts
        self._tokens += tokens

    def proved(self) -> None:
        """It gave a proof."""
        self._proofs += 1

    def lose(self, why: str) -> None:
        """It is gone, and was not meant to."""
        lost = LostWorker(self._worker, self._host, 0, why)
        self._lost, self._is_after_loss = (self._steady(), lost), True
        self.end()

    def end(self) -> None:
        """It is gone, or asked for no more, by nobody's fault."""
        self.rest()
        self._worker = self._pid = 0
        self._host, self._state = "", WorkerState.NONE

    def standing(self) -> SlotStanding:
        """How it is now."""
        now = self._steady()
        is_busy = self._state is WorkerState.BUSY
        in_hand_ms = now - self._busy_since_ms if is_busy else 0
        lost = None
        if self._lost is not None:
            lost_ms, one = self._lost
            lost = LostWorker(one.worker, one.host, now - lost_ms, one.why)
        return SlotStanding(
            worker=self._worker,
            host=self._host,
            pid=self._pid,
            state=self._state,
            in_hand=self._in_hand,
            in_hand_ms=in_hand_ms,
            up_ms=now - self._ready_ms if is_busy or self._state is WorkerState.IDLE else 0,
            attempts=self._attempts,
            tokens=self._tokens,
            proofs=self._proofs,
            busy_ms=self._busy_ms + in_hand_ms,
            restarts=self._restarts,
            lost=lost,
        )
