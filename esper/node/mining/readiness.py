"""Rehearses what is about to be activated, once for each model that lies here and was checked."""

import logging
from typing import Final

import trio

from esper.dao.registry import Entry
from esper.node.chain.chain_service import ChainService
from esper.node.entries.crew import Crew
from esper.node.events import Events, TipMoved
from esper.node.mining.ready_proofs import ReadyProofs
from esper.node.workers.loadable import Loadable
from esper.node.workers.rehearsal import RehearsalJob
from esper.node.workers.worker_process import WorkerError
from esper.saying import say, warn
from esper.vm.governance.dao_ledger import DaoLedger
from esper.vm.governance.planned import model_of
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay

LOG: Final = logging.getLogger("esper.mining")
REST_S: Final = 30.0
"""Between a rehearsal that failed and the next try."""


class Readiness:
    """Runs beside a miner that has its payee's key."""

    def __init__(
        self,
        proofs: ReadyProofs,
        crew: Crew,
        chain: ChainService,
        events: Events,
    ) -> None:
        """``proofs`` takes what was rehearsed, for the next block."""
        self._proofs = proofs
        self._crew = crew
        self._chain = chain
        self._events = events

    async def run(self) -> None:
        """Rehearse what is wanted, one model at a time, until cancelled."""
        with self._events.subscribe(TipMoved) as news:
            while True:
                if not await self._rehearse_next():
                    await news.receive()

    async def _rehearse_next(self) -> bool:
        """Whether there may be more to do at once."""
        view = self._chain.view
        found = self._proofs.wanted(view.context, view.state)
        if found is None:
            return False
        live, reward_height = found
        proposal = DaoLedger(Ledger(Overlay(view.state))).proposal(live.id)
        body = model_of(proposal)
        entry = Entry(body.entry, body.omega, body.puzzle)
        if not self._crew.is_here(Loadable.of(entry)):
            return False
        job = RehearsalJob(
            entry=entry,
            network=view.params.puzzle,
            genesis_hash=view.context.genesis_hash,
            proposal=live.id,
            sender=self._proofs.sender,
            drawn=proposal.seed,
            reward_height=reward_height,
        )
        prover = self._crew.workers(Loadable.of(entry)).call_prover
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
            await trio.sleep(REST_S)
            return True
        finally:
            with trio.CancelScope(shield=True):
                await prover.close()
        self._proofs.waiting[live.id] = rehearsal
        say(
            LOG,
            "model_rehearsed",
            "the model of proposal {number} runs here: the next own block says so",
            number=live.number,
            proof_bytes=len(rehearsal.proof),
        )
        return True
