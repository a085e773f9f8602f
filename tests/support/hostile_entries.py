"""Every way in for bytes and texts of others beside the decoders, each a function of bytes.

What a way in is documented to raise is swallowed by whoever feeds it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import trio

from esper.cli.esper.session import printable
from esper.http.addresses import is_loopback, is_same_address, subscriber
from esper.http.body_reading import ChunkedBody, SizedBody
from esper.http.heads import head_end, read_head
from esper.http.origins import host_name
from esper.http.routes import RouteTable
from esper.model.tokenizer import load_tokenizer
from esper.planning.machine import read_machine
from esper.planning.shapes import shape_of
from esper.primitives.address import Address
from esper.primitives.networks import REGTEST
from esper.rpc.auth import COOKIE_FILE, Authority, read_cookie, token_hash
from esper.rpc.client import RpcClient
from esper.rpc.dispatch import Access, Dispatcher
from esper.rpc.methods import GET_BLOCK, METHODS
from esper.rpc.routes import rpc_routes
from esper.rpc.schema import BlockParams
from esper.rpc.strict_json import read_json
from esper.storage.history.history_records import position_of
from esper.storage.kv.leveldb_diagnosis import TABLE_MAGIC, _entries, _table_is_sound
from esper.wallet.amounts import parse_esp
from esper.wallet.files.cost import Cost
from esper.wallet.files.exchange import network_named, read_exchange
from esper.wallet.files.keystore import read_wallet
from esper.wallet.files.sealing import _key
from esper.wallet.secrets import Secrets
from esper.wallet.words import entropy_of
from tests.fuzz.decoders import FOLDER
from tests.support.http.http_world import Reader, asked_once
from tests.support.node.answering import Answering
from tests.support.node.fake_node import FakeNode, settings

ROOT = Path(__file__).resolve().parents[2]
CONFIG = settings(Path("nowhere"), max_body_bytes=1 << 24)
CHEAP = Cost(memory_kib=8, iterations=1, lanes=1)

Entry = Callable[[bytes], Any]


def text(data: bytes) -> str:
    """Bytes as the text that they are, or as Latin letters."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def of_text(read: Callable[[str], Any]) -> Entry:
    return lambda data: read(text(data))


def one_by_one(data: bytes, body: Any) -> None:
    """A body whose bytes come one by one."""
    held = bytearray()
    for byte in data:
        held.append(byte)
        body.take(held)


def dripping_head(data: bytes) -> None:
    """A head that comes in small parts."""
    held, searched = bytearray(), 0
    for at in range(0, len(data), 16):
        held += data[at : at + 16]
        head_end(held, searched)
        searched = len(held)


def conversation(data: bytes) -> None:
    """Requests on a connection, all at once."""
    trio.run(asked_once, Reader(), b"GET / HTTP/1.1\r\n" + data)


def dispatched(data: bytes) -> None:
    """A body of the RPC, from somebody without a token."""
    node = Dispatcher(FakeNode(), CONFIG, new_incident=lambda: "none")
    trio.run(node.answer, data, Access.READ)


def parameter(method: str, name: str, data: bytes) -> None:
    METHODS[method].read({name: text(data)})


def told_by_a_node(shape: Callable[[str], Any], data: bytes) -> None:
    """What a client makes of a node's answer, shown on a terminal."""
    answer = shape(text(data))
    content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    exchange = Answering(lambda _: httpx.Response(200, content=iter([content])))
    with RpcClient("http://127.0.0.1:9334/", exchange=exchange) as client:
        try:
            client.call(GET_BLOCK, BlockParams())
        except Exception as error:
            printable(str(error))


def in_a_block(field: str) -> Callable[[str], Any]:
    """An honest answer but for one field."""
    honest = msgspec.to_builtins(GET_BLOCK.example.reply)

    def shape(said: str) -> Any:
        return {"jsonrpc": "2.0", "id": 1, "result": honest | {field: said}}

    return shape


@cache
def tokenizer() -> Any:
    return load_tokenizer(ROOT / "genesis" / "model", 1024)


def exchange(data: bytes) -> None:
    network_named(data)
    read_exchange(data, "signed transaction", REGTEST)


def in_json(read: Entry, before: str, after: str) -> Entry:
    """A reader of JSON, given a file with the text in the place of a string."""
    return lambda data: read((before + json.dumps(text(data))[1:-1] + after).encode())


def table_of(data: bytes) -> None:
    """A table of LevelDB whose index block begins the file."""
    size = len(data)
    number = bytearray()
    while size >= 0x80:
        number.append(size & 0x7F | 0x80)
        size >>= 7
    handle = b"\0" + bytes((*number, size))
    footer = (handle + handle).ljust(40, b"\0") + TABLE_MAGIC
    _table_is_sound(data + footer, entries=True)


WALLET = '{"format":1,"network":"regtest","genesis_hash":"","addresses":[],"seal":{"kdf":"argon2id"'
SEALED = WALLET + ',"memory_kib":8,"iterations":1,"lanes":1,"salt":"' + "00" * 16 + '","sealed":"'
SIGNED = (
    '{"format":1,"what":"signed transaction","network":"regtest","genesis_hash":"","summary":{}'
)

ENTRIES: dict[str, Entry] = {
    # --- HTTP
    "http head": lambda data: read_head(b"GET / HTTP/1.1\r\nHost: h\r\n" + data + b"\r\n\r\n"),
    "http first line": lambda data: read_head(b"GET /" + data + b" HTTP/1.1\r\nHost: h\r\n\r\n"),
    "http header": lambda data: read_head(b"GET / HTTP/1.1\r\nHost: h\r\nA: " + data + b"\r\n\r\n"),
    "http head in parts": dripping_head,
    "http length": lambda data: read_head(b"GET / HTTP/1.1\r\nHost: h\r\nContent-Length: " + data + b"\r\n\r\n"),
    "http chunks": lambda data: ChunkedBody().take(bytearray(data)),
    "http chunks, byte by byte": lambda data: one_by_one(data, ChunkedBody()),
    "http trailer": lambda data: one_by_one(b"0\r\n" + data, ChunkedBody()),
    "http body, byte by byte": lambda data: one_by_one(data, SizedBody(len(data))),
    "http conversation": conversation,
    "http body of a request": lambda data: conversation(b"Host: h\r\nContent-Length: %d\r\n\r\n" % len(data) + data),
    "http host": of_text(host_name),
    "http path": of_text(lambda path: RouteTable(rpc_routes(FakeNode(), CONFIG)).find(path, "POST")),
    "http address": of_text(subscriber),
    "http loopback": of_text(is_loopback),
    "http same address": of_text(lambda said: is_same_address(said, "::1")),
    "http token": Authority({token_hash("a")}).accepts,
    "http bearer": lambda data: Authority({token_hash("a")}).accepts(b"Bearer " + data),
    "http basic": lambda data: Authority({token_hash("a")}).accepts(b"Basic " + data),
    # --- RPC
    "json": read_json,
    "json array": lambda data: read_json(b"[" + data + b"]"),
    "json string": lambda data: read_json(b'["' + data + b'"]'),
    "json object": lambda data: read_json(b'{"a":' + data + b"}"),
    "rpc body": dispatched,
    "rpc batch": lambda data: dispatched(b'[{"jsonrpc":"2.0","method":"tokenize","params":[' + data + b'],"id":1}]'),
    "rpc id": lambda data: dispatched(b'{"jsonrpc":"2.0","method":"get_status","id":"' + data + b'"}'),
    "rpc method": lambda data: dispatched(b'{"jsonrpc":"2.0","id":1,"method":"' + data + b'"}'),
    "rpc member": lambda data: dispatched(b'{"jsonrpc":"2.0","id":1,"' + data + b'":1}'),
    "rpc field": lambda data: METHODS["tokenize"].read({text(data): 1}),
    "rpc text": partial(parameter, "tokenize", "text"),
    "rpc hex": partial(parameter, "submit_transaction", "hex"),
    "rpc hash": partial(parameter, "get_block", "hash"),
    "rpc address": partial(parameter, "get_account", "address"),
    "rpc cursor": partial(parameter, "get_history", "before"),
    "rpc tokens": lambda data: METHODS["detokenize"].read({"tokens": list(data)}),
    "rpc messages": lambda data: METHODS["tokenize"].read({"messages": [{"role": "user", "content": "a"}] * len(data)}),
    "cursor": of_text(position_of),
    "address": of_text(lambda said: Address.from_text(said, "desp")),
    "tokenizer": of_text(lambda said: tokenizer().encode(said, add_special_tokens=False)),
    "tokenizer back": lambda data: tokenizer().decode([byte + 3 for byte in data]),
    # --- a node's answers, read by a wallet
    "answer": partial(told_by_a_node, str.encode),
    "answer, an error": partial(told_by_a_node, lambda said: {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": said}}),
    "answer, an error's data": partial(told_by_a_node, lambda said: {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "", "data": said}}),
    "answer, an id": partial(told_by_a_node, lambda said: {"jsonrpc": "2.0", "id": said, "result": 1}),
    "answer, an amount": partial(told_by_a_node, in_a_block("reward")),
    "answer, a height": partial(told_by_a_node, in_a_block("height")),
    "answer, a text": partial(told_by_a_node, in_a_block("payee")),
    "answer, a field": partial(told_by_a_node, lambda said: {"jsonrpc": "2.0", "id": 1, "result": {said: 1}}),
    "shown": of_text(printable),
    # --- files that a wallet reads
    "cookie": FOLDER.reader(COOKIE_FILE, read_cookie),
    "wallet": lambda data: read_wallet(data, "wallet"),
    "wallet, sealed": in_json(lambda data: read_wallet(data, "wallet"), SEALED, '"}}'),
    "wallet, an address": in_json(lambda data: read_wallet(data, "wallet"), '{"format":1,"addresses":[{"address":"', '"}]}'),
    "secrets": Secrets.from_bytes,
    "exchange": exchange,
    "exchange, hex": in_json(exchange, SIGNED + ',"hex":"', '"}'),
    "words": of_text(entropy_of),
    "a word": of_text(lambda said: entropy_of("abandon " * 23 + said)),
    "amount": of_text(parse_esp),
    "password": of_text(lambda said: _key(said, CHEAP, bytes(16))),
    # --- what a plan is made of
    "shape": of_text(shape_of),
    "shape, a size": of_text(lambda said: shape_of(f"vocab={said}")),
    "machine": FOLDER.reader("machine.json", lambda folder: read_machine(folder / "machine.json")),
    # --- files of the node
    "a table of LevelDB": table_of,
    "an index block of LevelDB": lambda data: _entries(data + bytes(4)),
}  # fmt: skip
"""By name."""
