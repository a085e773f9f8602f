"""The gateway's part of the chain, put together: what it keeps, what runs, and what others ask."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import trio

from esper.crypto.signing import SEED_BYTES
from esper.gateway.counts import GatewayCounts
from esper.gateway.ports import Serving, StorePort
from esper.gateway.proving_rows import Row, Step
from esper.gateway.store.gateway_store import DATABASE_FILE
from esper.gateway.store.store_thread import StoreThread
from esper.gateway.webhooks.webhook_sender import WebhookSender
from esper.node.calls.suggested_bid import calls_per_block
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_service import ChainService
from esper.node.clock import Clock
from esper.node.datadir import DataDirectory
from esper.node.gateway.gateway_account import GatewayAccount
from esper.node.gateway.gateway_plan import GatewayPlan
from esper.node.gateway.node_chain import NodeChain
from esper.node.gateway.promise_signer import PromiseSigner
from esper.node.gateway.proving.call_signer import CallSigner
from esper.node.gateway.proving.kept_line import KeptLines
from esper.node.gateway.proving.proving_driver import ProvingDriver
from esper.node.gateway.proving.proving_port import NodeProving
from esper.node.gateway.receipts.receipt_keeper import ReceiptKeeper
from esper.node.gateway.receipts.receipt_maker import PromisedReceipts
from esper.node.gateway.standing import Standing
from esper.node.gateway.texts import NodeTexts
from esper.node.gateway.webhooks import Webhooks
from esper.node.mempool.mempool_service import MempoolService
from esper.node.views.receipts.receipt_maker import ReceiptMaker

Told = Callable[[str, Row], Awaitable[None]]


async def tell_nobody(status: str, row: Row) -> None:
    """No key has a webhook."""


@dataclass(frozen=True, slots=True)
class GatewayParts:
    """What of a node a gateway is made of."""

    directory: DataDirectory
    chain: ChainService
    mempool: MempoolService
    texts: TextService
    receipts: ReceiptMaker
    """As it makes them for everybody."""
    clock: Clock
    """The machine's."""


class NodeGateway:
    """Made before anything runs; ``run`` opens the database and keeps step with the chain."""

    def __init__(self, plan: GatewayPlan, parts: GatewayParts) -> None:
        """Makes ``gateway.key`` at the first start of all.

        Raises DataDirectoryError and what the system refuses.
        """
        seed = parts.directory.gateway_seed(secrets.token_bytes(SEED_BYTES))
        self.parts = parts
        """What it is made of."""
        chain = parts.chain
        self.plan = plan
        """What its operator decided."""
        self.counts = GatewayCounts()
        """What it did since it began."""
        self.standing = Standing()
        """Whether it serves."""
        self.account = GatewayAccount(seed, chain.view.context.genesis_hash)
        """Its key."""
        self.texts = NodeTexts(parts.texts)
        """A ``TextsPort``."""
        self.signer = PromiseSigner(self.account, lambda: chain.view, parts.texts)
        """A ``SignerPort``."""
        self.chain = NodeServing(chain, self.standing, parts.clock)
        """A ``ChainPort`` of the service."""

    def trouble(self) -> str:
        """Why it does not serve, for health checks; nothing while it does."""
        stopped = self.standing.stopped
        return f"the gateway has stopped: {stopped}; see `esper status`" if stopped else ""

    @property
    def path(self) -> Path:
        """The database."""
        return self.parts.directory.path / DATABASE_FILE

    @asynccontextmanager
    async def opened(
        self, told: Told = tell_nobody, sender: WebhookSender | None = None
    ) -> AsyncIterator["RunningGateway"]:
        """Everything runs within, from what is kept on. Raises StoreError.

        ``sender`` tells keys' addresses of their calls, in the place of ``told``.
        """
        parts = self.parts
        chain, clock = parts.chain, parts.clock
        store = await StoreThread.open(self.path)
        try:
            undo = chain.view.params.limits.undo_depth
            node_chain = NodeChain(chain, parts.mempool, self.account.address, clock)
            maker = PromisedReceipts(parts.receipts)
            told = told if sender is None else Webhooks(store, sender).told
            keeper = ReceiptKeeper(
                store,
                maker,
                node_chain.now,
                clock,
                told,
                forget=undo,
                standing=self.standing,
                ages=self.plan.ages,
                lacks=lambda: proving.look_again(),
            )

            def taken(step: Step) -> None:
                self.counts.take(step)
                keeper.take(step)
                proving.take(step)

            driver = ProvingDriver(
                node_chain,
                KeptLines(store, clock, max(0, chain.view.context.height - undo)),
                CallSigner(self.account, store, lambda: chain.view),
                self.standing,
                taken,
                forget=undo,
            )
            proving = NodeProving(driver, self._calls_per_block, keeper.lacking)
            await driver.load()
            await keeper.start(driver.all_rows)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._wake_with_chain, driver)
                nursery.start_soon(driver.run)
                nursery.start_soon(keeper.run)
                if sender is not None:
                    nursery.start_soon(sender.run)
                yield RunningGateway(store, driver, proving)
                nursery.cancel_scope.cancel()
        finally:
            await store.close()

    async def _wake_with_chain(self, driver: ProvingDriver) -> None:
        while True:
            await self.parts.chain.next_change.wait()
            driver.wake()

    def _calls_per_block(self) -> int:
        view = self.parts.chain.view
        return calls_per_block(view.context, view.state)


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """What the service is given."""

    store: StorePort
    driver: ProvingDriver
    proving: NodeProving
    """A ``ProvingPort``."""


class NodeServing:
    """The ``ChainPort`` of the service."""

    def __init__(self, chain: ChainService, standing: Standing, clock: Clock) -> None:
        self._chain = chain
        self._standing = standing
        self._clock = clock

    def serving(self) -> Serving:
        """Whether answers are given now."""
        if self._standing.stopped:
            return Serving.DISAGREES
        return Serving.NOT_READY if self.why_not_ready() else Serving.READY

    def why_not_ready(self) -> str:
        """Why the chain is not followed closely enough to answer."""
        return self._chain.why_not_synced(self._clock())

    def bond(self) -> int:
        """Micro-credits that a false promise can cost the gateway: no rule takes any yet."""
        return 0
