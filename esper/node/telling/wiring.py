"""A node's events for the outside, put together: its log, its publisher, and who feeds them."""

import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import HTTPConnection

from esper.consensus.chain import BlockBytes
from esper.events.log import EventLog
from esper.events.routes import event_routes
from esper.events.zmq_publisher import Publisher
from esper.events.zmq_topics import HIGH_WATER, planned
from esper.http.routes import Route
from esper.node.chain.chain_service import ChainService
from esper.node.events import Events
from esper.node.mempool.mempool_service import MempoolService
from esper.node.services import Run
from esper.node.settings import Settings
from esper.node.telling.joined import ChainTeller
from esper.node.telling.teller import Teller
from esper.primitives.ids import BlockId
from esper.storage.block_reader import BlockReader
from esper.storage.errors import ProofPrunedError

BOOT_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Telling:
    """What a node tells the outside."""

    log: EventLog
    """For sockets, streams, the RPC and metrics."""
    publisher: Publisher | None
    """None if nothing is published."""
    run: Run
    """The service that feeds both."""

    def routes(self, authority: Callable[[HTTPConnection], Awaitable[Any]]) -> list[Route[Any]]:
        """Of the HTTP server."""
        return event_routes(self.log, authority)


@contextmanager
def open_telling(
    settings: Settings, chain: ChainService, mempool: MempoolService, events: Events
) -> Iterator[Telling]:
    """Bind what is published on, and follow the chain from now on; before the mempool does.

    Raises SharedAddressError and PublisherError.
    """
    plan = planned({topic: getattr(settings, f"zmq_pub_{topic}") for topic in HIGH_WATER})
    with ExitStack() as closing:
        log = EventLog(secrets.token_hex(BOOT_BYTES))
        closing.callback(log.close)
        publisher = closing.enter_context(Publisher(plan)) if plan.places else None
        chain.follow(ChainTeller(events))
        teller = Teller(
            events,
            log,
            publisher,
            chain.view.params,
            block_bytes=lambda block_id: whole_block(chain.blocks, block_id),
            waiting=lambda: [one.txid for one, _, _ in mempool.pool.kept()],
        )
        yield Telling(log, publisher, teller.run)


def whole_block(blocks: BlockReader, block_id: BlockId) -> BlockBytes:
    """A block, with an empty proof if that was pruned. Raises what ``BlockReader.header`` does."""
    try:
        return blocks.parts(block_id)
    except ProofPrunedError:
        return BlockBytes(blocks.header(block_id), blocks.body(block_id), b"")
