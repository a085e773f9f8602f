"""A node's chain and mempool, as the driver of the proving line sees them."""

from collections.abc import Mapping

from esper.gateway.proving_rows import Block, Conditions, Version
from esper.mempool.errors import PolicyError
from esper.node.chain.chain_service import ChainService
from esper.node.chain.chain_view import ChainView
from esper.node.chain.stored_blocks import stored_block
from esper.node.clock import Clock
from esper.node.gateway.chain_conditions import conditions_at
from esper.node.gateway.proving.account_blocks import account_block
from esper.node.gateway.proving.driver_ports import NotTakenError
from esper.node.in_force import parameters_of
from esper.node.mempool.mempool_service import MempoolService
from esper.primitives.errors.transaction_errors import TransactionViolation
from esper.primitives.ids import Txid
from esper.vm.lanes import lapse_height
from esper.vm.ledger import Ledger
from esper.vm.view import Overlay


class NodeChain:
    """A ``ChainPort``."""

    def __init__(
        self, chain: ChainService, mempool: MempoolService, address: bytes, clock: Clock
    ) -> None:
        """``address``: 33 bytes, the gateway's account."""
        self._chain = chain
        self._mempool = mempool
        self._address = address
        self._clock = clock

    def now(self) -> "NodeMoment":
        """The chain as it stands."""
        return NodeMoment(self._chain, self._chain.view, self._mempool, self._address, self._clock)

    async def send(self, version: Version) -> None:
        """Give a transaction to the mempool. Raises NotTakenError."""
        try:
            await self._mempool.submit(version.data)
        except (TransactionViolation, PolicyError) as error:
            raise NotTakenError(str(error)) from error


class NodeMoment:
    """A ``ChainMoment``."""

    def __init__(
        self,
        chain: ChainService,
        view: ChainView,
        mempool: MempoolService,
        address: bytes,
        clock: Clock,
    ) -> None:
        self._chain = chain
        self._view = view
        self._mempool = mempool
        self._address = address
        self._clock = clock

    @property
    def height(self) -> int:
        """Of its tip."""
        return self._view.context.height

    def block_id(self, height: int) -> bytes | None:
        """64 bytes: id of its block at a height, None above the tip."""
        if height > self.height:
            return None
        index = self._view.store.index
        return index.genesis.block_id if height == 0 else index.entry(height).block_id

    async def block(self, height: int, open_calls: Mapping[bytes, int]) -> Block:
        """What its block at a height holds of the account."""
        view = self._view
        rules = parameters_of(view.context, view.state).calls
        due = {txid: lapse_height(opened, rules) for txid, opened in open_calls.items()}

        def read(_: ChainView) -> Block:
            closed: set[bytes] = set()
            if height == view.context.height:
                # A vote may have moved the time to answer; the state at the tip knows.
                ledger = Ledger(Overlay(view.state))
                closed = {txid for txid in due if ledger.lane(Txid(txid)) is None}
            return account_block(stored_block(view, height), self._address, due, closed)

        return await self._chain.in_thread(read)

    def conditions(self) -> Conditions:
        """At its tip, and by the mempool and the clock of now."""
        pool = self._mempool.pool
        waiting = [one.txid for one in pool.pending_of(self._address)]
        calls = pool.statistics().calls
        return conditions_at(self._view, self._address, waiting, calls, self._clock())
