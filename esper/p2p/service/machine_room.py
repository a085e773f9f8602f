"""Carries out what the machines decide, and tells them what came of it.

    messages ─▶ requests ─▶ machine ─▶ actions ─▶ connections, jobs
                                ▲                       │
                                └───── what came of it ─┘

Everything happens at once on the event loop, but jobs, which threads do. A machine that asks for
something while another is told something is served afterwards, so no machine is entered twice.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Final, Protocol

import trio

from esper.p2p.actions import Ask, Blame, Cancel, End, Send
from esper.p2p.faults import Offence
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import Delivered, Ended, Requests
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.service.connection import Connection
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.messages import Answer
from esper.saying import complain

LOG: Final = logging.getLogger("esper.network")
MACHINE_FAILED: Final = "machine_failed"
"""The event of an error of ours in the log: simulations look for it."""
LEAST_SLEEP_S: Final = 0.005
"""Timers that are due together are served together."""
LONGEST_SLEEP_S: Final = 1.0


class Machine(Protocol):
    """What all machines hear. Each answers with actions.

    Keys and values are those of the machine's own requests and jobs.
    """

    def joined(self, peer: Peer, now: int) -> Iterable[object]:
        """A peer is connected and has said hello."""

    def left(self, number: PeerNumber, now: int) -> Iterable[object]:
        """It is gone."""

    def answered(self, number: PeerNumber, key: Any, answer: Any, now: int) -> Iterable[object]:
        """A part of what was asked for."""

    def ended(self, number: PeerNumber, key: Any, end: End, now: int) -> Iterable[object]:
        """Nothing more comes of a request."""

    def done(self, key: Any, value: Any, now: int) -> Iterable[object]:
        """A job is done: its value or a Failure."""

    def chain_changed(self, now: int) -> Iterable[object]:
        """The executed chain has another tip."""

    def on_time(self, now: int) -> Iterable[object]:
        """A timer is due."""

    def due(self) -> int | None:
        """When the next timer is due, ms; None: never."""


class Jobs(Protocol):
    """Does jobs in threads."""

    async def run(self, job: Any) -> object:
        """The value or a Failure. Raises nothing but Cancelled."""


class MachineRoom:
    """The machines, and everything between them and the connections."""

    def __init__(
        self,
        machines: Mapping[Owner, Machine],
        requests: Requests,
        jobs: Mapping[type, Jobs],
        steady: Callable[[], int],
        *,
        connection_of: Callable[[PeerNumber], Connection | None],
        blamed: Callable[[PeerNumber, Offence, str], None],
        asked: Callable[[PeerNumber], None],
        told: Callable[[Owner, object], None],
    ) -> None:
        """``jobs`` by the class of the job; ``told`` hears of actions that only one machine has."""
        self._machines = machines
        self._requests = requests
        self._jobs = jobs
        self._steady = steady
        self._connection_of = connection_of
        self._blamed = blamed
        self._asked = asked
        self._told = told
        self._waiting: deque[tuple[Owner, object]] = deque()
        self._performing = False
        self._nursery: trio.Nursery | None = None
        self._due_sooner = trio.Event()
        self._unpushed: dict[PeerNumber, bytes] = {}

    async def run(
        self,
        ticked: Callable[[int], None],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Do jobs and serve timers until cancelled; ``ticked`` hears how late a timer came, ms."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                while True:
                    self._due_sooner = trio.Event()
                    pause = self._pause_s()
                    meant = self._steady() + round(1000 * pause)
                    with trio.move_on_after(pause):
                        await self._due_sooner.wait()
                    now = self._steady()
                    ticked(max(now - meant, 0))
                    try:
                        self._serve_timers(now)
                    except Exception as error:
                        self._failed(None, error)
                        # Its timer may be due still.
                        await trio.sleep(LONGEST_SLEEP_S)
            finally:
                self._nursery = None

    def joined(self, peer: Peer) -> None:
        """Tell all machines of a peer."""
        now = self._steady()
        for owner, machine in self._machines.items():
            self.perform(owner, machine.joined(peer, now))

    def left(self, number: PeerNumber) -> None:
        """Tell all machines that a peer is gone, after the ends of what it was asked."""
        now = self._steady()
        self._unpushed.pop(number, None)
        for event in self._requests.left(number):
            self._safely(event.owner, partial(self._actions_of, event, now))
        for owner, machine in self._machines.items():
            self._safely(owner, partial(machine.left, number, now))

    def chain_changed(self) -> None:
        """Tell all machines that the tip moved."""
        now = self._steady()
        for owner, machine in self._machines.items():
            self._safely(owner, partial(machine.chain_changed, now))

    def answer(self, number: PeerNumber, message: Answer | talk.Refuse) -> None:
        """An answer came. Raises Fault for one that nobody asked for."""
        self._tell_ends(self._requests.answer(number, message, self._steady()))

    def perform(self, owner: Owner, actions: Iterable[object]) -> None:
        """Carry out what a machine wants."""
        self._waiting.extend((owner, action) for action in actions)
        if self._performing:
            return
        self._performing = True
        try:
            while self._waiting:
                owner, action = self._waiting.popleft()
                try:
                    self._carry_out(owner, action)
                except Exception as error:
                    # Whoever is served now has no part in what waits.
                    self._failed(owner, error)
        finally:
            self._performing = False
        self._due_sooner.set()

    def _tell_ends(self, events: Iterable[Delivered | Ended]) -> None:
        now = self._steady()
        for event in events:
            self.perform(event.owner, self._actions_of(event, now))

    def _actions_of(self, event: Delivered | Ended, now: int) -> Iterable[object]:
        machine = self._machines[event.owner]
        if isinstance(event, Delivered):
            return machine.answered(event.peer, event.key, event.answer, now)
        return machine.ended(event.peer, event.key, event.end, now)

    def _safely(self, owner: Owner, tell: Callable[[], Iterable[object]]) -> None:
        """Tell a machine something that no connection can be ended for.

        An error of one must not keep the others from hearing, nor end the service.
        """
        try:
            self.perform(owner, tell())
        except Exception as error:
            self._failed(owner, error)

    def _failed(self, owner: Owner | None, error: Exception) -> None:
        complain(
            LOG,
            MACHINE_FAILED,
            "the following of {what} failed by an error of this node, please report it: {reason}",
            what="requests" if owner is None else owner.value,
            reason=f"{type(error).__name__}: {error}",
        )

    def _carry_out(self, owner: Owner, action: object) -> None:
        match action:
            case Send():
                self._send(action)
            case Ask():
                self._ask(owner, action)
            case Cancel():
                nevermind = self._requests.cancel(action.peer, owner, action.key, self._steady())
                self._say(action.peer, nevermind)
            case Blame():
                self._blamed(action.peer, action.offence, action.reason)
            case _ if type(action) in self._jobs:
                self._begin(owner, action)
            case _:
                self._told(owner, action)

    def _send(self, action: Send) -> None:
        connection = self._connection_of(action.peer)
        if connection is None:
            return
        match action.message:
            case bulk.Compact() as compact:
                if not connection.push((compact,)):
                    # The block before it has not left yet: it may ask for this one.
                    connection.send(talk.Announce(compact.header))
                    self._unpushed[action.peer] = compact.header
            case bulk.Proof() as proof:
                if self._unpushed.pop(action.peer, None) is None:
                    connection.push_on((proof,))
            case message:
                connection.send(message)

    def _ask(self, owner: Owner, action: Ask) -> None:
        connection = self._connection_of(action.peer)
        now = self._steady()
        if connection is None:
            actions = self._machines[owner].ended(action.peer, action.key, End.LEFT, now)
            self.perform(owner, actions)
            return
        self._asked(action.peer)
        connection.send(self._requests.ask(action.peer, owner, action.key, action.request, now))

    def _say(self, peer: PeerNumber, message: talk.Nevermind | None) -> None:
        connection = self._connection_of(peer)
        if message is not None and connection is not None:
            connection.send(message)

    def _begin(self, owner: Owner, job: Any) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._work, owner, job)

    async def _work(self, owner: Owner, job: Any) -> None:
        result = await self._jobs[type(job)].run(job)
        self._safely(owner, lambda: self._machines[owner].done(job.key, result, self._steady()))

    def _serve_timers(self, now: int) -> None:
        for event in self._requests.on_time(now):
            match event:
                case Ended():
                    self._safely(event.owner, partial(self._actions_of, event, now))
                case _:
                    # Blames and neverminds: of no machine in particular.
                    self.perform(Owner.SYNC, (event,))
        for owner, machine in self._machines.items():
            due = machine.due()
            if due is not None and due <= now:
                self._safely(owner, partial(machine.on_time, now))

    def _pause_s(self) -> float:
        now = self._steady()
        dues = [self._requests.due(), *(machine.due() for machine in self._machines.values())]
        first = min((due for due in dues if due is not None), default=now + 1_000)
        return min(max((first - now) / 1000, LEAST_SLEEP_S), LONGEST_SLEEP_S)
