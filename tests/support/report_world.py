"""A chain on which models are judged, with the history that a node keeps of it."""

from pathlib import Path

from esper.crypto.signing import KeyPair
from esper.node.chain.trace_entries import settled_trace, trace_of
from esper.node.views.dao.sight import Sight
from esper.primitives.ids import BlockId, Txid
from esper.rpc.schema import AsOf
from esper.storage.history.history_index import HistoryIndex
from esper.storage.history.history_records import NO_TXID, Entry
from esper.vm.payload import Payload
from tests.support.dao_world import DaoWorld
from tests.support.storage.memory_store import MemoryStore
from tests.support.vm_world import MINER, address


class ReportWorld(DaoWorld):
    """Blocks, and an index that follows them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.history = HistoryIndex(MemoryStore(), Path("nowhere"), _name(0))

    def block(
        self,
        *sent: tuple[KeyPair, Payload],
        payee: KeyPair = MINER,
        tier: int | None = None,
        fresh: bool = True,
    ) -> list[Txid]:
        txids = super().block(*sent, payee=payee, tier=tier, fresh=fresh)
        entries = [
            Entry(txid, (), trace=trace_of(payload, txid, address(key), self.height))
            for txid, (key, payload) in zip(txids, sent, strict=True)
        ]
        settled = self.trail[-1][1].settled
        entries += [Entry(NO_TXID, (), trace=settled_trace(one, self.height)) for one in settled]
        entries += [Entry(NO_TXID, (), outcome=one) for one in self.trail[-1][1].rounds]
        self.history.apply(self.height, _name(self.height), 1000 * self.height, entries)
        return txids

    @property
    def sight(self) -> Sight:
        return Sight(self.state, self.params, AsOf(self.height, True))


def _name(height: int) -> BlockId:
    return BlockId(height.to_bytes(64, "big"))
