"""Workers for the RPC."""

from typing import Final

from esper.node.mining.node_mining import NodeMining
from esper.node.views.workers.known_workers import KnownWorker, known_workers
from esper.node.workers.farm.farm import Farm
from esper.node.workers.farm.worker_spec import Role
from esper.node.workers.worker_slot import LostWorker
from esper.rpc import schema as s
from esper.rpc.errors import NOT_MINING, RpcError

SECOND_MS: Final = 1000


class WorkerViews:
    """Answers for a miner's workers, or that there is none."""

    def __init__(self, mining: NodeMining | None) -> None:
        self._mining = mining

    async def workers(self, _: s.NoParams) -> s.WorkersReply:
        """Who searches and proves. Raises RpcError where nobody mines."""
        mining = self._mining
        if mining is None:
            raise RpcError(NOT_MINING, "this node does not mine: start it with `esperd mine`")
        found = known_workers(mining.farm, mining.control.loaded.values())
        farm = None if mining.farm is None else _farm(mining.farm)
        return s.WorkersReply(farm, [_worker(one) for one in found])


def _farm(farm: Farm) -> s.FarmReply:
    counts = farm.counts
    return s.FarmReply(
        address=farm.address,
        up=not farm.down,
        why_down=farm.down,
        since_s=farm.since_ms // SECOND_MS,
        searches=bool(farm.ready(Role.SEARCH)),
        proves=bool(farm.ready(Role.PROVE)),
        starts=counts.starts,
        lost=counts.lost,
        replaced=counts.replaced,
        recovery_ms=list(counts.recovery_ms),
    )


def _worker(one: KnownWorker) -> s.Worker:
    now, entry = one.standing, one.entry
    return s.Worker(
        where=one.where,
        kind=one.kind,
        slot=one.slot,
        worker=now.worker,
        host=now.host,
        pid=now.pid,
        tier=None if entry is None else entry.model.tier,
        model_id="" if entry is None else entry.model_id.hex(),
        state=now.state.value,
        in_hand=now.in_hand,
        in_hand_s=now.in_hand_ms // SECOND_MS,
        up_s=now.up_ms // SECOND_MS,
        attempts=now.attempts,
        tokens=now.tokens,
        proofs=now.proofs,
        busy_ms=now.busy_ms,
        restarts=now.restarts,
        lost=None if now.lost is None else _lost(now.lost),
    )


def _lost(one: LostWorker) -> s.LostWorker:
    return s.LostWorker(one.worker, one.host, one.ago_ms // SECOND_MS, one.why)
