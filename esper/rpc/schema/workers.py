"""Who searches and proves for a miner."""

from esper.rpc.schema.common import Reply


class LostWorker(Reply, frozen=True):
    """A worker that died, could not begin, or was ended because it was at fault."""

    worker: int
    """Its number in the log; 0 for a process of the node's own."""
    host: str
    """Its machine, by its own word; empty if it had none yet, or is the node's."""
    lost_s: int
    """Seconds ago."""
    why: str


class Worker(Reply, frozen=True):
    """A slot: one worker after the other. What is counted is counted since the node's start."""

    where: str
    """``farm``, or ``here``: a process of the node's own machine."""
    kind: str
    """``search``, ``prove`` (here: of tickets alone), or ``calls`` (answers and proves them)."""
    slot: int
    """From 1 on, for each place and kind. Whoever comes for a lost worker has its slot."""
    worker: int
    """Its number in the log; 0 if nobody is there, and for a process of the node's own."""
    host: str
    """Its machine, by its own word; empty if it has none yet, or is the node's."""
    pid: int
    """Of its process there; 0 if it has none yet."""
    tier: int | None
    """Of the model that it works with; None while the farm works for nobody."""
    model_id: str
    """The model; empty while the farm works for nobody."""
    state: str
    """``none``, ``starting`` (waits for a machine, or loads the model), ``idle``, ``busy``."""
    in_hand: str
    """A phrase for what it does, empty unless it is busy."""
    in_hand_s: int
    """Seconds that it has been doing that, 0 unless it is busy."""
    up_s: int
    """Seconds since it was ready, 0 before."""
    attempts: int
    """Of searches, as the slot's workers said."""
    tokens: int
    """Rows of the model that searches computed, as they said."""
    proofs: int
    """That were given; of the farm's those that held."""
    busy_ms: int
    """Time that the slot's workers were busy."""
    restarts: int
    """Workers that came after one that was lost."""
    lost: LostWorker | None
    """The last one that was lost."""


class FarmReply(Reply, frozen=True):
    """A cluster whose workers share the work."""

    address: str
    """As the setting ``ray`` has it."""
    up: bool
    """Whether it can be asked for workers."""
    why_down: str
    """A sentence if it cannot."""
    since_s: int
    """Seconds that it is there, or is not."""
    searches: bool
    """Whether a search of it is ready; else the node's own processes search."""
    proves: bool
    """Whether a prover of it is ready; else the node's own processes prove."""
    starts: int
    """How often it was joined since the node started."""
    lost: int
    """Workers that died, by themselves or with the cluster."""
    replaced: int
    """Workers that were ended because they lagged, or gave what no worker gives."""
    recovery_ms: list[int]
    """From the loss of a worker until one of its kind was ready again, the last 16 at most."""


class WorkersReply(Reply, frozen=True):
    """Workers of a miner."""

    farm: FarmReply | None
    """None for a node that mines with its own processes alone."""
    workers: list[Worker]
    """The farm's first, by kind and slot; then those of this machine."""
