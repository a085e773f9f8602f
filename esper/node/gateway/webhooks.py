"""Webhooks of a node's gateway: which key's address hears of a call, and how it is dialled."""

import secrets
import socket
import ssl
from collections.abc import Callable, Sequence

import trio

from esper.gateway.ports import StorePort
from esper.gateway.proving_rows import Row
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.webhooks.webhook_message import WebhookEvent
from esper.gateway.webhooks.webhook_sender import Dial, Outgoing, WebhookSender

EVENT_BYTES = 16


async def resolve(host: str, port: int) -> Sequence[str]:
    """Addresses of a host. Raises OSError."""
    found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def dialling(context: ssl.SSLContext) -> Dial:
    """Dials with TLS; ``context`` says which certificates are taken."""

    async def dial(address: str, port: int, host: str) -> trio.abc.Stream:
        # An address, never a name: nothing is looked up a second time.
        stream = trio.SSLStream(
            await trio.open_tcp_stream(address, port),
            context,
            server_hostname=host,
            https_compatible=True,
        )
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        return stream

    return dial


class Webhooks:
    """Tells the addresses of keys; nobody waits for it."""

    def __init__(self, store: StorePort, sender: WebhookSender) -> None:
        self._store = store
        self._sender = sender

    async def told(self, status: str, row: Row) -> None:
        """A call of somebody's key is now at ``status``. Raises StoreError."""

        def whose(store: GatewayStore) -> tuple[str, bytes] | None:
            kept = store.receipts.find(row.call)
            account = None if kept is None else store.accounts.find(kept.key)
            return None if account is None else (account.webhook, account.webhook_key)

        found = await self._store.ask(whose)
        if found is None or not found[0]:
            return
        event = WebhookEvent(secrets.token_hex(EVENT_BYTES), row.call, status, row.reason)
        # One that finds no room is lost: receipts say the same.
        self._sender.offer(Outgoing(*found, event))


def webhook_sender(now_ms: Callable[[], int]) -> WebhookSender:
    """The sender of a node, by the system's names and certificates."""
    return WebhookSender(resolve, dialling(ssl.create_default_context()), lambda: now_ms() // 1000)
