"""The farm as the node sees it: workers of a cluster, by numbers, behind a driver that may die.

Nothing here waits for the cluster: whoever wants a search or a proof and finds nobody ready does it
on the node's own machine. All of it belongs to the event loop.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol

import trio

from esper.node.clock import Clock, steady_ms
from esper.node.workers.farm.link_messages import LINK, LinkKind, LinkMessage, sentence
from esper.node.workers.farm.needs import asked_next
from esper.node.workers.farm.work_records import (
    SearchNews,
    WorkReply,
    decode_face,
    decode_news,
    decode_reply,
    told_bytes,
)
from esper.node.workers.farm.worker_spec import Role, WorkerSpec, spec_bytes
from esper.node.workers.loadable import Loadable
from esper.node.workers.worker_messages import Search
from esper.node.workers.worker_process import WorkerError, WorkerProcess
from esper.node.workers.worker_slot import WorkerSlot
from esper.primitives.codec import CodecError
from esper.saying import complain, say

LOG: Final = logging.getLogger("esper.mining")
FIRST_PAUSE_S: Final = 1.0
MOST_PAUSE_S: Final = 60.0
"""Between two starts of the driver, and between two workers that could not begin: twice as long
each time."""
STEADY_MS: Final = 60_000
"""A driver that was up for so long did not fail at once."""
TEND_S: Final = 1.0
LAG_MS: Final = 20_000
"""A worker says something every second; one that is silent for so long is replaced."""
PROOF_S: Final = 600.0
"""A proof that takes longer is another worker's; so is one of ``SLOW`` times the usual."""
SLOW: Final = 8
LEAST_PATIENCE_S: Final = 30.0
RECOVERIES_KEPT: Final = 16
WAITING_MESSAGES: Final = 4096
"""To a driver that reads none; then it is started anew."""


class LostWorkError(Exception):
    """A worker was asked for work and is gone without it."""


class Searchers(Protocol):
    """Who is told of the workers that search."""

    def joined(self, worker: int) -> None:
        """A worker is ready to search."""

    def left(self, worker: int) -> None:
        """A worker that was ready is gone."""

    def said(self, worker: int, news: SearchNews) -> None:
        """What a worker's search did."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the farm works for."""

    entry: Loadable
    """Model, bank and ticket."""
    specs: Mapping[Role, WorkerSpec]
    """A worker of each role."""
    most: Mapping[Role, int]
    """Workers of each role, at most."""

    @property
    def same_resources(self) -> bool:
        """Whether both roles wait for the same thing."""
        return not any(spec.gpus for spec in self.specs.values())


@dataclass(slots=True)
class FarmWorker:
    """One worker, asked for or ready."""

    number: int
    role: Role
    asked_ms: int
    slot: WorkerSlot
    """What is told of it."""
    ready_ms: int | None = None
    """When it had loaded what it needs; None while it waits for a place or loads."""
    heard_ms: int = 0
    host: str = ""
    pid: int = 0
    busy: bool = False
    """Whether it proves."""


@dataclass(slots=True)
class FarmCounts:
    """What happened since the node started."""

    starts: int = 0
    """Of the driver, that found a cluster."""
    lost: int = 0
    """Workers that died, by themselves or with the cluster."""
    replaced: int = 0
    """Workers that were ended because they lagged, or gave what no worker gives."""
    recovery_ms: list[int] = field(default_factory=list)
    """From the loss of a worker until one of its role was ready again, the last few."""


@dataclass(slots=True)
class _Call:
    worker: FarmWorker
    done: trio.Event = field(default_factory=trio.Event)
    data: bytes | None = None


class Farm:
    """Workers of a cluster."""

    def __init__(self, command: Sequence[str], address: str, steady: Clock = steady_ms) -> None:
        """``command`` runs the driver, which is told the ``address`` of the cluster."""
        self._command = command
        self.address = address
        """Of the cluster."""
        self._steady = steady
        self.workers: dict[int, FarmWorker] = {}
        """Those that are asked for or ready, by number. Only for looking."""
        self.counts = FarmCounts()
        """What happened. Only for looking."""
        self.down: str = "it is being started"
        """Why there is no cluster; empty while there is one."""
        self.slots: Mapping[Role, list[WorkerSlot]] = {role: [] for role in Role}
        """Of workers, at most as many as an assignment's ``most``. Only for looking."""
        self._since_ms = steady()
        self._assignment: Assignment | None = None
        self._searchers: Searchers | None = None
        self._numbers = count(1)
        self._calls: dict[int, _Call] = {}
        self._outbox: trio.MemorySendChannel[LinkMessage] | None = None
        self._stuck = False
        self._changed = trio.Event()
        self._not_before = {Role.SEARCH: 0, Role.PROVE: 0}
        self._failures = {Role.SEARCH: 0, Role.PROVE: 0}
        self._lost_ms: dict[Role, list[int]] = {Role.SEARCH: [], Role.PROVE: []}
        self._usual_ms = 0

    # What the node asks.

    @property
    def since_ms(self) -> int:
        """How long the cluster is there, or is not."""
        return self._steady() - self._since_ms

    @property
    def entry(self) -> Loadable | None:
        """What it works for, None while nobody searches with it."""
        return None if self._assignment is None else self._assignment.entry

    def assign(self, assignment: Assignment, searchers: Searchers) -> None:
        """Work for this from now on; workers for anything else are ended."""
        if assignment != self._assignment:
            self._end_all()
        self._assignment, self._searchers = assignment, searchers
        self._tend()

    def release(self, searchers: Searchers) -> None:
        """Whoever searched with the farm rests: its workers are ended."""
        if searchers is self._searchers:
            self._end_all()
            self._assignment = self._searchers = None

    def ready(self, role: Role) -> list[FarmWorker]:
        """Workers that are ready, in the order of their numbers."""
        return [
            one for one in self.workers.values() if one.role is role and one.ready_ms is not None
        ]

    def tell(self, worker: int, search: Search) -> None:
        """What a worker is to search for from now on."""
        self._send(LinkMessage(LinkKind.TELL, worker, data=told_bytes(search)))
        known = self.workers.get(worker)
        if known is None:
            return
        if search.job is None:
            known.slot.rest()
        else:
            known.slot.work(search.job.words)

    def replace(self, number: int, reason: str) -> None:
        """End a worker that is at fault, and ask for another."""
        worker = self.workers.get(number)
        if worker is not None:
            self.counts.replaced += 1
            self._send(LinkMessage(LinkKind.END, number))
            self._remove(worker, reason)

    def _abandon(self, worker: FarmWorker) -> None:
        """End a worker whose work nobody wants any more."""
        if worker.number in self.workers:
            self._send(LinkMessage(LinkKind.END, worker.number))
            self._remove(worker, "", quiet=True)

    async def idle_prover(self, entry: Loadable) -> FarmWorker | None:
        """A prover of an entry that is now taken; waits for one. None: there is none at all."""
        while True:
            mine = self._assignment is not None and self._assignment.entry == entry
            provers = self.ready(Role.PROVE) if mine else []
            if not provers:
                return None
            for worker in provers:
                if not worker.busy:
                    worker.busy = True
                    return worker
            await self._changed.wait()

    async def prove(self, worker: FarmWorker, claim: bytes, what: str = "a proof") -> WorkReply:
        """What a prover that was taken says to a claim. Raises LostWorkError.

        One that is left alone with its proof is ended: nothing else stops a proof. ``what`` it is
        of is a phrase for people.
        """
        call, number = _Call(worker), next(self._numbers)
        self._calls[number] = call
        self._send(LinkMessage(LinkKind.DO, worker.number, number, claim))
        if worker.number in self.workers:
            worker.slot.work(what)
        began = self._steady()
        try:
            with trio.move_on_after(self._patience_s):
                await call.done.wait()
            if call.data is None and worker.number in self.workers:
                self.replace(worker.number, "its proof takes much longer than others")
        finally:
            del self._calls[number]
            worker.busy = False
            if not call.done.is_set():
                self._abandon(worker)
            elif worker.number in self.workers:
                worker.slot.rest()
            self._wake()
        if call.data is None:
            raise LostWorkError
        try:
            reply = decode_reply(call.data)
        except CodecError as error:
            self.replace(worker.number, str(error))
            raise LostWorkError from error
        if not reply.failed:
            self._usual_ms = max(self._usual_ms // 2, self._steady() - began)
        return reply

    # The driver's life.

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep a driver until cancelled, whatever becomes of the cluster."""
        pause = FIRST_PAUSE_S
        task_status.started()
        while True:
            began = self._steady()
            reason = await self._drive()
            if self._steady() - began > STEADY_MS:
                pause = FIRST_PAUSE_S
            self.down, self._since_ms = reason, self._steady()
            complain(
                LOG,
                "farm_down",
                "the farm is not there: {reason}; this machine works alone, and tries again in "
                "{pause_s:.0f} s",
                reason=reason,
                pause_s=pause,
            )
            await trio.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE_S)

    async def _drive(self) -> str:
        """One life of a driver; why it ended."""
        connect = LinkMessage(LinkKind.CONNECT, data=self.address.encode())
        try:
            link = await WorkerProcess.launch("farm", self._command, 1, connect, wire=LINK)
        except WorkerError as error:
            return str(error)
        self.counts.starts += 1
        self.down, self._since_ms = "", self._steady()
        say(LOG, "farm_up", "the farm is there: {address}", address=self.address)
        self._outbox, messages = trio.open_memory_channel[LinkMessage](WAITING_MESSAGES)
        self._stuck = False
        self._forget_failures()
        reason = "its driver was stopped"
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._pass_on, link, messages)
                nursery.start_soon(self._keep)
                self._tend()
                while True:
                    self._heard(await link.receive())
        except* WorkerError as group:
            reason = str(first_reason(group))
        finally:
            self._outbox = None
            for worker in tuple(self.workers.values()):
                if worker.ready_ms is not None:
                    self.counts.lost += 1
                    worker.slot.lose(reason)
                self._remove(worker, "", quiet=True)
            await link.end()
        return reason

    async def _pass_on(
        self, link: WorkerProcess, messages: "trio.MemoryReceiveChannel[LinkMessage]"
    ) -> None:
        async for message in messages:
            await link.send(message)

    async def _keep(self) -> None:
        """Replace who lags; ask for who is lacking."""
        while True:
            await trio.sleep(TEND_S)
            if self._stuck:
                raise WorkerError("the farm's driver takes nothing in any more")
            now = self._steady()
            for worker in tuple(self.workers.values()):
                if worker.ready_ms is not None and now - worker.heard_ms > LAG_MS:
                    self.replace(worker.number, f"it said nothing for {LAG_MS // 1000} s")
            self._tend()

    def _send(self, message: LinkMessage) -> None:
        if self._outbox is None:
            return
        try:
            self._outbox.send_nowait(message)
        except trio.WouldBlock:
            self._stuck = True

    # What the driver says.

    def _heard(self, message: LinkMessage) -> None:
        worker = self.workers.get(message.worker)
        if worker is None:
            # Ended meanwhile.
            return
        worker.heard_ms = self._steady()
        try:
            match message.kind:
                case LinkKind.PLACED:
                    self._placed(worker, message.data)
                case LinkKind.NEWS if worker.ready_ms is not None:
                    self._news(worker, message.data)
                case LinkKind.DONE:
                    call = self._calls.get(message.call)
                    if call is not None and call.worker is worker:
                        call.data = message.data
                        call.done.set()
                case LinkKind.GONE:
                    self.counts.lost += 1
                    self._remove(worker, sentence(message.data))
                case other:
                    raise WorkerError(f"the farm's driver said {other.name}")
        except CodecError as error:
            self.replace(worker.number, str(error))

    def _placed(self, worker: FarmWorker, data: bytes) -> None:
        face = decode_face(data)
        now = self._steady()
        worker.host, worker.pid, worker.ready_ms = sentence(face.host), face.pid, now
        # One waits beside those that are ready: it may come in place of one that was lost.
        worker.slot.end()
        worker.slot = self._free_slot(worker.role)
        worker.slot.ask(worker.number)
        worker.slot.begin(worker.host, worker.pid)
        self._failures[worker.role] = 0
        if self._lost_ms[worker.role]:
            self.counts.recovery_ms.append(now - self._lost_ms[worker.role].pop(0))
            del self.counts.recovery_ms[:-RECOVERIES_KEPT]
        say(
            LOG,
            "farm_worker_ready",
            "{role} worker {number} of the farm is ready on {host}",
            role=worker.role.name.lower(),
            number=worker.number,
            host=worker.host,
        )
        if worker.role is Role.SEARCH and self._searchers is not None:
            self._searchers.joined(worker.number)
        self._wake()
        self._tend()

    def _news(self, worker: FarmWorker, data: bytes) -> None:
        if worker.role is Role.PROVE:
            return
        news = decode_news(data)
        worker.slot.tried(news.attempts, news.tokens)
        if self._searchers is not None:
            self._searchers.said(worker.number, news)

    # Who is there.

    def _tend(self) -> None:
        """Ask for the workers that should wait for a place, and for no others."""
        if self._outbox is None or self._assignment is None:
            return
        wanted = asked_next(
            {role: len(self.ready(role)) for role in Role},
            self._assignment.most,
            same_resources=self._assignment.same_resources,
        )
        waiting = [one for one in self.workers.values() if one.ready_ms is None]
        for worker in waiting:
            if worker.role not in wanted:
                self._send(LinkMessage(LinkKind.END, worker.number))
                self._forget(worker)
        now = self._steady()
        for role in sorted(wanted - {one.role for one in waiting}):
            if now >= self._not_before[role]:
                worker = FarmWorker(next(self._numbers), role, now, self._free_slot(role))
                worker.slot.ask(worker.number)
                self.workers[worker.number] = worker
                data = spec_bytes(self._assignment.specs[role])
                self._send(LinkMessage(LinkKind.ASK, worker.number, data=data))

    def _free_slot(self, role: Role) -> WorkerSlot:
        """The first that nobody has, so that whoever comes after a lost worker takes its place."""
        slots = self.slots[role]
        free = next((one for one in slots if one.is_free), None)
        if free is None:
            free = WorkerSlot(self._steady)
            slots.append(free)
        return free

    def _forget(self, worker: FarmWorker) -> None:
        """Nobody's fault: it is wanted no more."""
        del self.workers[worker.number]
        worker.slot.end()

    def _remove(self, worker: FarmWorker, reason: str, *, quiet: bool = False) -> None:
        if not quiet:
            worker.slot.lose(reason)
        if worker.number in self.workers:
            self._forget(worker)
        for call in self._calls.values():
            if call.worker is worker:
                call.done.set()
        now = self._steady()
        if worker.ready_ms is None:
            self._failures[worker.role] += 1
            pause_s = min(FIRST_PAUSE_S * 2.0 ** min(self._failures[worker.role], 10), MOST_PAUSE_S)
            self._not_before[worker.role] = now + int(1000 * pause_s)
        else:
            self._lost_ms[worker.role].append(now)
            if worker.role is Role.SEARCH and self._searchers is not None:
                self._searchers.left(worker.number)
        if not quiet:
            complain(
                LOG,
                "farm_worker_lost",
                "{role} worker {number} of the farm{place} is gone: {reason}; another is asked for",
                role=worker.role.name.lower(),
                number=worker.number,
                place=f" on {worker.host}" if worker.host else "",
                reason=reason,
            )
        self._wake()
        self._tend()

    def _end_all(self) -> None:
        for worker in tuple(self.workers.values()):
            self._send(LinkMessage(LinkKind.END, worker.number))
            self._forget(worker)
            for call in self._calls.values():
                if call.worker is worker:
                    call.done.set()
        self._forget_failures()
        for role in Role:
            self._lost_ms[role].clear()
        self._wake()

    def _forget_failures(self) -> None:
        """Whoever is asked for next is of another driver, or another entry."""
        for role in Role:
            self._failures[role] = self._not_before[role] = 0

    def _wake(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    @property
    def _patience_s(self) -> float:
        usual_s = self._usual_ms / 1000
        return max(SLOW * usual_s, LEAST_PATIENCE_S) if self._usual_ms else PROOF_S


def first_reason(group: BaseExceptionGroup[WorkerError]) -> WorkerError:
    """An error of a group of groups, whose own text says nothing."""
    error = group.exceptions[0]
    return first_reason(error) if isinstance(error, BaseExceptionGroup) else error
