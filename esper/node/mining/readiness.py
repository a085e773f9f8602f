"""Rehearses what is about to be activated, once for each model that lies here and was checked."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Final

import trio

from esper.dao.records import Live
from esper.dao.registry import Entry
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.entries.crew import Crew
from esper.node.events import Events, TipMoved
from esper.node.mining.ready_proofs import ReadyProofs
from esper.node.workers.loadable import Loadable
from esper.node.workers.rehearsal import RehearsalJob
from esper.node.workers.worker_process import WorkerError
from esper.primitives.ids import Txid
from esper.saying import say, warn
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay

LOG: Final = logging.getLogger("esper.mining")
REST_S: Final = 30.0
"""Between a rehearsal that failed and the next try of the same model."""


@dataclass(slots=True)
class _Failed:
    """Rehearsals of a model that failed."""

    times: int
    until: float
    """When it is tried again, in trio's seconds."""


@dataclass(frozen=True, slots=True)
class _Due:
    """A model that can be rehearsed now."""

    live: Live
    entry: Entry
    drawn: bytes
    """64 bytes: the seed of its proposal."""


class Readiness:
    """Runs beside a miner."""

    def __init__(
        self,
        proofs: ReadyProofs,
        crew: Crew,
        chain: ChainService,
        events: Events,
        is_checked: Callable[[Txid], bool] = lambda proposal: True,
    ) -> None:
        """``proofs`` takes what was rehearsed, for the next block.

        ``is_checked`` says whether the very package that a proposal names was checked here.
        """
        self._proofs = proofs
        self._crew = crew
        self._chain = chain
        self._events = events
        self._is_checked = is_checked
        self._failed: dict[Txid, _Failed] = {}

    async def run(self) -> None:
        """Rehearse what is wanted, one model at a time, until cancelled."""
        with self._events.subscribe(TipMoved) as news:
            while True:
                if not await self._rehearse_next():
                    with trio.move_on_at(self._next_try()):
                        await news.receive()

    def _next_try(self) -> float:
        """When the next of those that failed has rested."""
        now = trio.current_time()
        return min((one.until for one in self._failed.values() if one.until > now), default=inf)

    async def _rehearse_next(self) -> bool:
        """Whether there may be more to do at once."""
        view = self._chain.view
        found = self._proofs.wanted(view.context, view.state)
        awaited, reward_height = found or ((), 0)
        self._forget_all_but(awaited)
        due = self._first_due(awaited, view)
        if due is None:
            return False
        job = RehearsalJob(
            entry=due.entry,
            network=view.params.puzzle,
            genesis_hash=view.context.genesis_hash,
            proposal=due.live.id,
            sender=self._proofs.sender,
            drawn=due.drawn,
            reward_height=reward_height,
        )
        await self._rehearse(due.live, job, view.context.params.limits.proof_bytes)
        return True

    def _forget_all_but(self, awaited: tuple[Live, ...]) -> None:
        """A model that is awaited no more is not tried again."""
        ids = {live.id for live in awaited}
        self._failed = {key: failed for key, failed in self._failed.items() if key in ids}

    def _first_due(self, awaited: tuple[Live, ...], view: ChainView) -> _Due | None:
        """The first that is here and does not rest; what failed the least comes first."""
        now, records = trio.current_time(), DaoLedger(Ledger(Overlay(view.state)))
        for live in sorted(awaited, key=self._times):
            failed = self._failed.get(live.id)
            if failed is not None and failed.until > now:
                continue
            proposal = records.proposal(live.id)
            body = model_of(proposal)
            entry = Entry(body.entry, body.omega, body.puzzle)
            if self._crew.is_here(Loadable.of(entry)) and self._is_checked(live.id):
                return _Due(live, entry, proposal.seed)
        return None

    def _times(self, live: Live) -> int:
        failed = self._failed.get(live.id)
        return 0 if failed is None else failed.times

    async def _rehearse(self, live: Live, job: RehearsalJob, proof_bytes: int) -> None:
        prover = self._crew.workers(Loadable.of(job.entry)).call_prover
        try:
            rehearsal = await prover.rehearse(job)
        except WorkerError as error:
            warn(
                LOG,
                "rehearsal_failed",
                "the model of proposal {number} could not be rehearsed: {reason}",
                number=live.number,
                reason=str(error),
            )
            self._failed[live.id] = _Failed(self._times(live) + 1, trio.current_time() + REST_S)
            return
        finally:
            with trio.CancelScope(shield=True):
                await prover.close()
        self._failed.pop(live.id, None)
        if not self._proofs.keep(live.id, rehearsal, proof_bytes):
            warn(
                LOG,
                "rehearsal_too_long",
                "the model of proposal {number} runs here, and no block may show it: its proof has "
                "{proof_bytes} bytes, at most {most}",
                number=live.number,
                proof_bytes=len(rehearsal.proof),
                most=proof_bytes,
            )
            return
        if self._proofs.handed is not None:
            say(
                LOG,
                "rehearsal_waits",
                "the model of proposal {number} runs here, and the payee's key is elsewhere: its "
                "wallet shows it with `esper dao ready {short} --sign`",
                number=live.number,
                short=live.id.hex()[:16],
                proof_bytes=len(rehearsal.proof),
            )
            return
        say(
            LOG,
            "model_rehearsed",
            "the model of proposal {number} runs here: the next own block says so",
            number=live.number,
            proof_bytes=len(rehearsal.proof),
        )
