"""The gateway's service, put together: for a node with its chain, or for models alone."""

from dataclasses import dataclass

from starlette.requests import Request as HttpRequest
from starlette.responses import Response

from esper.gateway.console.login import ConsoleLogin
from esper.gateway.counts import GatewayCounts
from esper.gateway.engine_port import EnginePort
from esper.gateway.keys import Account
from esper.gateway.one_line import one_line
from esper.gateway.ports import ChainPort, ProvingPort, SignerPort, StorePort, TextsPort
from esper.gateway.service.admission import Admission
from esper.gateway.service.books.calls import Books
from esper.gateway.service.books.kept_books import KeptBooks
from esper.gateway.service.books.local_books import LocalBooks
from esper.gateway.service.clock import Clock
from esper.gateway.service.desks.model_list import ModelList, model_object
from esper.gateway.service.desks.ollama_models import OllamaModels
from esper.gateway.service.desks.receipts import ReceiptDesk
from esper.gateway.service.desks.usage import UsageDesk
from esper.gateway.service.generating import Generating
from esper.gateway.service.guarding import Guard
from esper.gateway.service.replying import Replier
from esper.gateway.service.running import Runner
from esper.gateway.service.settings import ServiceSettings
from esper.gateway.service.waiting.joining import CallsAtWork
from esper.gateway.service.waiting.minute_limits import MinuteLimits
from esper.gateway.service.waiting.slot_desk import SlotDesk
from esper.http.routes import JSON
from esper.http.slots import Slots


@dataclass(frozen=True, slots=True)
class NodePorts:
    """What only a node with a chain has."""

    store: StorePort
    signer: SignerPort
    proving: ProvingPort
    chain: ChainPort


class GatewayService:
    """What the routes answer with; see ``routes.gateway_routes``."""

    def __init__(
        self,
        engine: EnginePort,
        texts: TextsPort,
        settings: ServiceSettings,
        *,
        version: str,
        clock: Clock,
        node: NodePorts | None = None,
        counts: GatewayCounts | None = None,
    ) -> None:
        """``node``: None for models without a chain, where nothing is signed or charged.

        ``counts`` are those that others count in as well.
        """
        self.settings = settings
        self.counts = counts or GatewayCounts()
        """Changed as it works."""
        self.books: Books = LocalBooks()
        if node is not None:
            self.books = KeptBooks(
                node.store, node.signer, node.proving, node.chain, settings, clock
            )
        self._node = node
        self.chance = clock.chance
        """For waits that come apart."""
        self._since = clock.now_ms() // 1000
        self._models = ModelList(engine, texts, clock.chance)
        self.desk = SlotDesk(settings)
        """Slots and queue."""
        lasting = Slots(settings.lasting, settings.lasting_of_key)
        limits = MinuteLimits()
        at_work = CallsAtWork()
        admission = Admission(self.books, self._models, self.desk, limits, settings, clock)
        runner = Runner(self.books, engine, admission, settings, self.counts, clock, at_work)
        replier = Replier(runner, settings, self.counts, lasting)
        self.guard = Guard(self.counts, limits)
        self.generating = Generating(
            self.books, admission, replier, at_work, settings, has_receipts=node is not None
        )
        self.ollama = OllamaModels(self._models, version, self._since)
        self.receipts: ReceiptDesk | None = None
        """None without a chain."""
        self.usage: UsageDesk | None = None
        """The same."""
        self.console: ConsoleLogin | None = None
        """The same."""
        if node is not None:
            self.receipts = ReceiptDesk(
                node.store, node.signer, node.proving, settings, clock, lasting
            )
            self.usage = UsageDesk(node.store, clock)
            self.console = ConsoleLogin(node.store, clock)

    async def list_models(self, http: HttpRequest, account: Account) -> Response:
        """GET /v1/models"""
        data = [self._model(one.model_id.hex()) for one in self._models.all()]
        return Response(one_line({"object": "list", "data": data}), media_type=JSON)

    async def one_model(self, http: HttpRequest, account: Account) -> Response:
        """GET /v1/models/{id}. Raises Refused."""
        return Response(one_line(self._model(http.path_params["id"])), media_type=JSON)

    def _model(self, name: str) -> dict[str, object]:
        model, _ = self._models.find(name)
        return model_object(
            model,
            created=self._since,
            longest=self.settings.longest,
            price=self.settings.rate,
            gateway="" if self._node is None else self._node.signer.address,
            bond=0 if self._node is None else self._node.chain.bond(),
        )
