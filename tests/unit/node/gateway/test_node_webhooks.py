"""Which addresses hear of a call, and how they are dialled."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from esper.gateway.proving_rows import Row
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.webhooks.webhook_sender import Outgoing
from esper.node.gateway.webhooks import Webhooks, dialling, resolve
from tests.support.gateway.accounts import NOW, account, instant

T = TypeVar("T")
CALL = "c" * 32
URL = "https://hooks.example/esper"


class Heard:
    """A sender that keeps what it is given."""

    def __init__(self) -> None:
        self.offered: list[Outgoing] = []

    def offer(self, outgoing: Outgoing) -> bool:
        self.offered.append(outgoing)
        return True


class Direct:
    """A ``StorePort`` without a thread."""

    def __init__(self, store: GatewayStore) -> None:
        self._store = store

    async def ask(self, question: Callable[[GatewayStore], T]) -> T:
        return question(self._store)


def told_of(tmp_path: Path, webhook: str, call: str = CALL) -> list[Outgoing]:
    heard: Any = Heard()
    key = b"k" * 32 if webhook else b""
    row = Row(CALL, bytes(64), 3, (1, 2), 10, NOW)
    with GatewayStore(tmp_path / "gateway.db") as store:
        store.accounts.add(replace(account(), webhook=webhook, webhook_key=key))
        store.budget.reserve(CALL, account().id, 1_000, NOW)
        store.receipts.promise(instant(CALL, True), NOW)
        trio.run(Webhooks(Direct(store), heard).told, "proven", replace(row, call=call))
    offered: list[Outgoing] = heard.offered
    return offered


def test_the_address_of_the_call_s_own_key_hears(tmp_path: Path) -> None:
    [outgoing] = told_of(tmp_path, URL)
    assert (outgoing.url, outgoing.secret) == (URL, b"k" * 32)
    assert (outgoing.event.call, outgoing.event.status) == (CALL, "proven")
    assert len(outgoing.event.id) == 32


def test_a_key_without_an_address_and_a_call_of_nobody_are_not_told(tmp_path: Path) -> None:
    for name, webhook, call in (("a", "", CALL), ("b", URL, "d" * 32)):
        (tmp_path / name).mkdir()
        assert told_of(tmp_path / name, webhook, call) == []


def test_a_host_has_addresses() -> None:
    assert "127.0.0.1" in trio.run(resolve, "127.0.0.1", 443)


def certificate(name: str, folder: Path) -> Path:
    """A certificate that vouches for itself, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begins = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins.replace(year=2126))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.mark.parametrize("host", ["hooks.example", "other.example"])
def test_the_certificate_must_be_the_host_s(host: str, tmp_path: Path) -> None:
    pem = certificate("hooks.example", tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    client = ssl.create_default_context(cafile=str(pem))

    async def main() -> bytes:
        async def answer(stream: trio.SSLStream[trio.SocketStream]) -> None:
            try:
                await stream.send_all(b"HTTP/1.1 200 OK\r\n")
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                lambda task_status: trio.serve_ssl_over_tcp(
                    answer, 0, server, host="127.0.0.1", task_status=task_status
                )
            )
            port = listeners[0].transport_listener.socket.getsockname()[1]
            with trio.fail_after(30):
                async with await dialling(client)("127.0.0.1", port, host) as stream:
                    found = await stream.receive_some(64)
            nursery.cancel_scope.cancel()
        return bytes(found)

    if host == "hooks.example":
        assert trio.run(main) == b"HTTP/1.1 200 OK\r\n"
    else:
        with pytest.raises(BaseExceptionGroup) as refused:
            trio.run(main)
        assert refused.value.subgroup(trio.BrokenResourceError) is not None
