"""A node with a gateway on fake work: answers are asked for by their prompts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from esper.gateway.keys import Account, Scope
from esper.gateway.ports import CallState, Given, Signed
from esper.gateway.proving_rows import Row
from esper.gateway.reduction import Reduction
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.store.receipts import Instant, Kept
from esper.node.calls.text_service import TextService
from esper.node.gateway.gateway_plan import GatewayEngine, GatewayPlan
from esper.node.gateway.node_gateway import NodeGateway, RunningGateway
from esper.vm.credit_transfer import CreditTransfer
from esper.vm.transaction import Transaction
from tests.support.fake_work import FakeInference
from tests.support.node.node_world import PARAMS, NodeWorld, SpelledText, node_world, until
from tests.support.vm_world import ALICE


def no_engine(rows: int) -> GatewayEngine:
    raise AssertionError("answers are signed without an engine here")


PLAN = GatewayPlan(ServiceSettings(), no_engine, lambda model_id: None)
OWNER = "owner000"
MAX_PRICE = 1_000


class GatewayText(SpelledText):
    """Text that spells token ids, for receipts as well."""

    ends = frozenset({2})

    def run(self, tokens: Sequence[int]) -> str:
        return " ".join(map(str, tokens))


@dataclass
class GatewayWorld:
    """An open node whose gateway runs."""

    world: NodeWorld
    gateway: NodeGateway
    running: RunningGateway
    told: list[tuple[str, str]] = field(default_factory=list)
    """Status and call of whatever was told to webhooks."""

    @property
    def address(self) -> bytes:
        return self.gateway.account.address

    async def fund(self, amount: int = 10**9) -> None:
        """Credits for the gateway's account, in a block of somebody else."""
        await self.world.others_turn(self.world.signed(ALICE, CreditTransfer(self.address, amount)))

    async def key(self) -> None:
        account = Account(
            id=OWNER,
            hash=bytes(32),
            name="owner",
            scopes=frozenset({Scope.INFER, Scope.PROVE}),
            budget=10**12,
            period_ms=86_400_000,
            requests_per_minute=60,
            tokens_per_minute=10_000,
            streams=4,
            max_price=MAX_PRICE,
            created_ms=0,
        )
        await self.running.store.ask(lambda store: store.accounts.add(account))

    def answer(self, token: int, tokens: int = 4) -> tuple[int, ...]:
        """What the model says."""
        model = self.world.params.model
        [found] = FakeInference(model).answer(((1, token),), tokens, 2)
        return found.tokens

    async def signed(
        self, token: int, answer: tuple[int, ...] | None = None
    ) -> tuple[Row, Instant]:
        """A promise that is not committed yet."""
        answer = answer or self.answer(token)
        model_id, now = self.world.params.model.model_id, self.world.clock()
        asked = Reduction("completions", "esper-t0", (1, token), 4, ())
        made: Signed = await self.gateway.signer.sign(Given(model_id, (1, token), answer, asked))
        call = f"{token:032x}"
        row = Row(call, model_id, 2, answer, MAX_PRICE, now)
        most = MAX_PRICE * (2 + 4 * len(answer))
        await self.running.store.ask(lambda s: s.budget.reserve(call, OWNER, most + 10, now))
        return row, Instant(call, OWNER, made.receipt, 10, most, 2, len(answer), b"", row)

    async def ask(self, token: int, answer: tuple[int, ...] | None = None) -> str:
        """A request that is answered and to be proven; its call."""
        row, instant = await self.signed(token, answer)
        now = self.world.clock()
        await self.running.store.ask(lambda store: store.receipts.promise(instant, now))
        self.running.proving.enqueued(row)
        return row.call

    def state(self, call: str) -> CallState:
        found = self.running.proving.state(call)
        assert found is not None
        return found

    async def waits(self, *calls: str) -> list[Transaction]:
        """Until transactions of all calls wait in the mempool; they are returned."""
        await until(lambda: all(self.state(call).status == "submitted" for call in calls))
        return list(self.world.node.mempool.pool.pending_of(self.address))

    async def becomes(self, call: str, status: str) -> None:
        await until(lambda: self.state(call).status == status)

    async def receipt(self, call: str) -> Kept:
        found = await self.running.store.ask(lambda store: store.receipts.find(call))
        assert found is not None
        return found

    async def block(self, *transactions: Transaction, answers: Sequence[Any] = ()) -> Any:
        """Somebody else's block of these."""
        return await self.world.others_turn(*transactions, answers=answers)


@asynccontextmanager
async def gateway_world(datadir: Path, **options: Any) -> AsyncIterator[GatewayWorld]:
    """A node that follows the chain, with its gateway."""
    texts = TextService({PARAMS.model.model_id: GatewayText()})  # type: ignore[dict-item]
    options = {"mines": False, "texts": texts, "gateway": PLAN, **options}
    async with node_world(datadir, **options) as world:
        gateway = world.node.gateway
        assert gateway is not None
        told: list[tuple[str, str]] = []

        async def tell(status: str, row: Row) -> None:
            told.append((status, row.call))

        async with gateway.opened(tell) as running:
            made = GatewayWorld(world, gateway, running, told)
            await made.key()
            yield made
