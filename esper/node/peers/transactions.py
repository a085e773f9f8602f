"""The mempool as the network sees it, and what of it the network is told."""

import logging
from typing import Final, Protocol

import trio

from esper.mempool.verdict import Outcome
from esper.node.chain.chain_service import ChainService
from esper.node.events import Events, Missed, NodeEvent, TransactionAdmitted, TransactionGone
from esper.node.mempool.mempool_service import MempoolService
from esper.p2p.limits import PREFIX_BYTES
from esper.p2p.relay.tx_jobs import Admit, Pooled, SelectNext, Verdict
from esper.p2p.verdicts import Failure
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.ids import Txid
from esper.saying import complain
from esper.vm.llm_call import LlmCall
from esper.vm.transaction import Transaction, decode_transaction

LOG: Final = logging.getLogger("esper.network")


def pooled(transaction: Transaction, data: bytes) -> Pooled:
    """What relay must know of a transaction."""
    return Pooled(
        prefix=transaction.wtxid[:PREFIX_BYTES],
        size=len(data),
        sender=transaction.sender,
        nonce=transaction.nonce,
        is_call=isinstance(transaction.payload, LlmCall),
    )


class PoolJobs:
    """Does ``Admit`` and ``SelectNext``. Nothing is raised but Cancelled."""

    def __init__(self, mempool: MempoolService, chain: ChainService) -> None:
        self._mempool = mempool
        self._chain = chain

    async def run(self, job: Admit | SelectNext) -> object:
        """A ``Verdict`` or a Failure; of ``SelectNext`` a tuple of ``Pooled``."""
        try:
            if isinstance(job, Admit):
                return await self._admit(job.data)
            height = self._chain.view.context.height + 1
            chosen = await self._mempool.listing(height)
            return tuple(pooled(one, one.to_bytes()) for one in chosen)
        except Exception as error:
            complain(
                LOG,
                "job_failed",
                "a transaction could not be judged here: {reason}",
                reason=f"{type(error).__name__}: {error}",
            )
            return Failure.of_machine(error)

    async def _admit(self, data: bytes) -> Verdict | Failure:
        verdict = await self._mempool.admit(data)
        match verdict.outcome:
            case Outcome.ACCEPTED:
                return Verdict.ACCEPTED
            case Outcome.KNOWN:
                return Verdict.KNOWN
        refusal = verdict.refusal
        if isinstance(refusal, RuleViolation):
            return Failure.of(refusal, Stage.ADMISSION)
        return Failure.of_policy(str(refusal), "" if refusal is None else refusal.rule)


class Hears(Protocol):
    """Who is told."""

    def admitted(self, one: Pooled) -> None:
        """A transaction waits."""

    def gone(self, prefix: bytes) -> None:
        """It does no more."""


class PoolNews:
    """Tells transaction relay what waits and what is gone, from the node's events."""

    def __init__(self, events: Events, mempool: MempoolService, limit: int, relay: Hears) -> None:
        """``limit`` is the most bytes of a transaction."""
        self._events = events
        self._mempool = mempool
        self._limit = limit
        self._relay = relay
        self._prefixes: dict[Txid, bytes] = {}

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled."""
        with self._events.subscribe(TransactionAdmitted, TransactionGone) as news:
            self._look_again()
            task_status.started()
            async for event in news:
                self._tell(event)

    def _tell(self, event: NodeEvent | Missed) -> None:
        match event:
            case TransactionAdmitted():
                self._admitted(decode_transaction(event.data, self._limit), event.data)
            case TransactionGone():
                self._gone(event.txid)
            case Missed():
                self._look_again()

    def _look_again(self) -> None:
        waiting = {one.txid: one for one, _, _ in self._mempool.pool.kept()}
        for txid in self._prefixes.keys() - waiting.keys():
            self._gone(txid)
        for txid, transaction in waiting.items():
            if txid not in self._prefixes:
                self._admitted(transaction, transaction.to_bytes())

    def _admitted(self, transaction: Transaction, data: bytes) -> None:
        one = pooled(transaction, data)
        self._prefixes[transaction.txid] = one.prefix
        self._relay.admitted(one)

    def _gone(self, txid: Txid) -> None:
        prefix = self._prefixes.pop(txid, None)
        if prefix is not None:
            self._relay.gone(prefix)
