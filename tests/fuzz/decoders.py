"""Every decoder of bytes in esper, with what it may raise, its way back and an honest example.

A decoder that is not listed here fails ``test_decoders.py``; adding one is one line.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import random
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from esper.consensus import (
    block,
    block_isolation,
    call_groups,
    chain,
    context_record,
    header,
    header_isolation,
    models_record,
)
from esper.consensus.chain import BlockBytes
from esper.consensus.registry import genesis_registry
from esper.dao import bodies, evidence, ready
from esper.dao.benchmarks import item_proof, report
from esper.dao.benchmarks.item import Item, items_root
from esper.dao.benchmarks.suite import NO_JUDGE, Form, Suite
from esper.dao.entry_records import TIER
from esper.dao.hidden import hidden_set, openings
from esper.gateway.refusals import Refused
from esper.gateway.requests.asked import Endpoint
from esper.gateway.requests.reading import read_request
from esper.gateway.service.desks.ollama_models import read_name
from esper.gateway.service.desks.receipts import read_price
from esper.market import load as market_load
from esper.market.records import claim, double, offer, opening, statuses, windows
from esper.market.records import record as market_record
from esper.market.records import report as replay_report
from esper.market.records import request as market_request
from esper.mempool.journal import MempoolJournal
from esper.model import config, errors, prompts, safetensors_file
from esper.model.benchmarks import secret_set, suite_file
from esper.model.benchmarks import text as benchmark_text
from esper.model.benchmarks.tokenised import TokenSuite
from esper.model.files import json_file, safetensors_header, safetensors_layout
from esper.model.importing import weight_files
from esper.model.package import manifest
from esper.model.templates import chat_template
from esper.node.mining.proves import files as prove_files
from esper.node.models import notebook
from esper.node.offline import traces
from esper.node.workers.farm import found_record, link_messages, work_records, worker_spec
from esper.node.workers.farm.driver import begin_records
from esper.p2p.faults import Fault
from esper.p2p.limits import NetworkLimits
from esper.p2p.market import messages as market
from esper.p2p.peers import address_files, checked_file, peer_address
from esper.p2p.peers.book import seeds
from esper.p2p.peers.peer_address import ID_PREFIX
from esper.p2p.relay import compact
from esper.p2p.transport.multiplexer import LARGEST_WINDOW, Multiplexer
from esper.p2p.transport.negotiation import Answerer, Asker
from esper.p2p.transport.yamux import head as frame_head
from esper.p2p.transport.yamux import read_head
from esper.p2p.wire import messages
from esper.p2p.wire.framing import FrameReader, frame_bytes
from esper.p2p.wire.messages import FrameLimits, StreamKind
from esper.p2p.wire.talk_messages import Prefer
from esper.planning import machine
from esper.planning.sample_machine import sample_text
from esper.primitives import bech32m
from esper.primitives.address import Address, AddressError
from esper.primitives.bech32m import Bech32Error
from esper.primitives.codec import (
    Array,
    Codec,
    CodecError,
    FixedBytes,
    Reader,
    Record,
    Signed,
    Unsigned,
    UnsignedPair,
    VarBytes,
    WideUnsigned,
    array_head,
    decode,
    encode,
)
from esper.primitives.errors.rule_violation import RuleViolation
from esper.primitives.errors.transaction_errors import IsolatedTransactionViolation
from esper.primitives.ids import BlockId, ModelId, Txid
from esper.primitives.mmr import Mmr
from esper.primitives.prompt import BankPrompt
from esper.primitives.work_outputs import WORK_OUTPUTS
from esper.prover import proof_file
from esper.receipts import form, promise, ranges
from esper.receipts.json_shapes import FormError
from esper.storage import format_version, side_blocks
from esper.storage.format_version import FormatDamagedError
from esper.storage.kv import leveldb_diagnosis
from esper.storage.segments import block_files
from esper.storage.segments.segment_reader import (
    MAGIC,
    Locator,
    SegmentError,
    SegmentReader,
    record_bytes,
)
from esper.storage.side_blocks import SideBlockError, SideBlocks
from esper.storage.state import state_records
from esper.vm import transaction
from esper.vm.payload import Output
from esper.vm.records import RECEIPTS
from esper.vm.stake import Stake
from esper.vm.transfer import Transfer
from tests.spec.codec_twice import decoded_twice, encoded_twice
from tests.spec.random_checkpoint import config_fields, random_checkpoint
from tests.spec.state_update_reference import encode_node
from tests.support.benchmark_texts import HEADS, ITEMS, lines_of
from tests.support.chain_world import ChainWorld
from tests.support.evidence_cases import accusing
from tests.support.farm import farm_bytes
from tests.support.receipt_world import promise_receipt
from tests.support.vm_world import ALICE, BOB, address
from tests.unit.prover.test_proof_file import EXAMPLE as STATEMENT

LAYERS = (
    "primitives",
    "crypto",
    "dao",
    "market",
    "vm",
    "consensus",
    "storage",
    "mempool",
    "node",
    "prover",
    "model",
    "planning",
    "p2p",
    "receipts",
    "gateway",
)
WORLD = ChainWorld()
PARAMS = WORLD.params
LIMITS = PARAMS.limits
PLACE = Locator(0, len(MAGIC))
LARGEST = 1 << 22
"""Limit of bytes where the decoder is given one."""


@dataclass(frozen=True)
class Decoder:
    """One way from bytes to a value."""

    name: str
    """``module.function`` below esper, or ``module.CONSTANT`` for a schema."""
    read: Callable[[bytes], Any]
    errors: tuple[type[Exception], ...]
    """What bytes may make it raise."""
    honest: bytes
    """An example that it accepts."""
    write: Callable[[Any], bytes] | None = None
    """The way back, None if what is read is not the whole of the bytes."""


def check(decoder: Decoder, data: bytes) -> bool:
    """Whether bytes are accepted. Anything but the documented errors comes out."""
    try:
        value = decoder.read(data)
    except decoder.errors:
        return False
    if decoder.write is not None:
        assert decoder.write(value) == data, f"{decoder.name} accepts another form"
    return True


def honest_value(codec: Codec[Any], chooser: random.Random) -> bytes:
    """Bytes that follow a schema; what its ``build`` demands beyond that may be missed."""
    match codec:
        case Unsigned(bits):
            return encode(codec, chooser.randrange(1 << min(bits, chooser.choice((5, 16)))))
        case UnsignedPair():
            return encode(codec, (0, 1))
        case Signed():
            return encode(codec, chooser.randrange(-500, 500))
        case WideUnsigned(size):
            return encode(codec, chooser.randrange(1 << 8 * size))
        case FixedBytes(size):
            return encode(codec, chooser.randbytes(size))
        case VarBytes(limit):
            return encode(codec, chooser.randbytes(min(limit, 7)))
        case Array(element, limit):
            count = min(limit, chooser.randrange(2))
            return array_head(count) + b"".join(
                honest_value(element, chooser) for _ in range(count)
            )
        case Record(_, version, fields):
            head = array_head(len(fields) + (version is not None))
            named = b"" if version is None else encode(Unsigned(16), version)
            return head + named + b"".join(honest_value(part, chooser) for _, part in fields)
    raise TypeError(f"{codec} is a codec that the fuzzers do not know")


def honest_record(codec: Codec[Any]) -> bytes:
    """Bytes that a schema accepts, if a few attempts meet one."""
    for seed in range(300):
        found = honest_value(codec, random.Random(seed))
        try:
            decode(codec, found, limit=LARGEST, what="value")
        except CodecError:
            continue
        return found
    return found


def modules() -> Iterator[Any]:
    """The modules of esper that hold decoders or schemas."""
    for layer in LAYERS:
        package = importlib.import_module(f"esper.{layer}")
        for found in pkgutil.walk_packages(package.__path__, f"esper.{layer}."):
            try:
                yield importlib.import_module(found.name)
            except ModuleNotFoundError as error:
                # An extra, which reads no stranger's bytes.
                if error.name not in ("torch", "ray"):
                    raise


def every_schema() -> dict[str, Codec[Any]]:
    """Every schema by the first module that knows it, and its name there."""
    found: dict[str, Codec[Any]] = {}
    seen: set[int] = set()
    for module in modules():
        for name, codec in vars(module).items():
            if isinstance(codec, Record | Array) and id(codec) not in seen:
                seen.add(id(codec))
                found[f"{module.__name__.removeprefix('esper.')}.{name}"] = codec
    return found


def schemas(examples: dict[str, bytes]) -> Iterator[Decoder]:
    """Every schema, read and written as its specification says; some have an example."""
    for path, codec in every_schema().items():
        yield Decoder(
            path,
            partial(decoded_twice, codec, limit=LARGEST),
            (CodecError,),
            examples.get(path) or honest_record(codec),
            partial(encoded_twice, codec),
        )


class Folder:
    """One file that is written anew for every read."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = Path(self._folder.name)

    def reader(self, name: str, read: Callable[[Path], Any]) -> Callable[[bytes], Any]:
        """A decoder of the bytes of a file; ``read`` is given the folder."""
        (self.path / name).parent.mkdir(exist_ok=True)

        def written(data: bytes) -> Any:
            (self.path / name).write_bytes(data)
            return read(self.path)

        return written


FOLDER = Folder()
SEGMENTS = SegmentReader(FOLDER.path / "segments")
SIDE_ID = BlockId(bytes(64))
JOURNAL = "mempool.dat"


def segment_payloads(folder: Path) -> list[bytes]:
    return [payload for _, payload in SegmentReader(folder / "segments")]


def waiting(folder: Path) -> list[Any]:
    """Read the journal of a mempool as the node does."""
    limit = LIMITS.transaction_bytes
    kept = MempoolJournal(folder / JOURNAL, limit).load()
    return [(one, transaction.decode_transaction(one.data, limit)) for one in kept]


def journal_example(*transactions: bytes) -> bytes:
    """A journal as the node leaves it."""
    written = MempoolJournal(FOLDER.path / "example.dat", LIMITS.transaction_bytes)
    for height, data in enumerate(transactions):
        written.append(data, height, 1_800_000_000_000 + height)
    written.close()
    return (FOLDER.path / "example.dat").read_bytes()


def reader_of_head(read: Callable[[Reader], Any]) -> Callable[[bytes], Any]:
    return lambda data: read(Reader(data))


def proof_file_bytes(read: tuple[Any, bytes]) -> bytes:
    return proof_file.encode(*read)


def proof_file_of_either(read: tuple[Any, bytes, bool]) -> bytes:
    statement, proof, in_parts = read
    return proof_file.encode(statement, proof, in_parts=in_parts)


def block_of_parts(data: bytes) -> Any:
    """A block whose three parts lie behind each other, each with its length."""
    size, rest = int.from_bytes(data[:2], "big"), data[2:]
    return chain.read_block(BlockBytes(rest[:size], rest[size:], b""), LIMITS)


def safetensors_example() -> bytes:
    path = FOLDER.path / "example.safetensors"
    safetensors_file.write_container(path, {"a": "b"}, {"t": np.zeros((2, 3), np.int16)})
    return path.read_bytes()


def secret_example() -> bytes:
    """Two items of a hidden set, with their salts."""
    items = tuple(Item((1, 30 + at), 1, (40, 41), (), ((40,),)) for at in range(2))
    return secret_set.secret_bytes(secret_set.SecretSet(b"t" * 64, items, (b"a" * 32, b"b" * 32)))


def suite_example() -> bytes:
    items = (Item((1, 5), 1, (6, 7), (), ((7,),)),)
    suite = Suite(Form.CHOICE, NO_JUDGE, (), bytes(64), 1, items_root(items))
    return suite_file.suite_bytes(TokenSuite(bytes(64), suite, items))


def benchmark_lines() -> bytes:
    return lines_of(HEADS["exact"], ITEMS["exact"])


def index_example() -> bytes:
    """Of the part that ``safetensors_example`` leaves."""
    safetensors_example()
    return json.dumps({"weight_map": {"t": "example.safetensors"}}).encode()


@cache
def multiplexed(data: bytes) -> None:
    """A peer's frames, on a connection that has one stream of ours."""
    multiplexer = Multiplexer(dialler=False)
    multiplexer.agree(multiplexer.open(), LARGEST_WINDOW)
    multiplexer.feed(data)
    while multiplexer.parse(64) != (0, 0):
        pass


FRAME_LIMITS = FrameLimits(NetworkLimits.of(PARAMS))


def framed(data: bytes) -> list[Any]:
    """The messages of a stream; the first byte names it, and where its bytes are cut."""
    cut = 1 + data[0] // 2 if data else 1
    reader = FrameReader(list(StreamKind)[data[0] % 2 if data else 0], FRAME_LIMITS)
    parts = (data[at : at + cut] for at in range(1, len(data), cut))
    frames = [frame for part in parts for frame in reader.feed(part)]
    return [messages.decode_message(frame.kind, frame.record) for frame in frames]


def message_again(data: bytes) -> bytes:
    """A message behind its type, read and written."""
    message = messages.decode_message(int.from_bytes(data[:1], "big"), data[1:])
    return data if message is None else bytes((message.TYPE,)) + messages.encode_message(message)


def market_message_again(data: bytes) -> bytes:
    """A message of the market behind its type, read and written."""
    message = market.market_message_of(int.from_bytes(data[:1], "big"), data[1:])
    return bytes((message.TYPE,)) + market.encode_market_message(message)


def vector_of(record: str) -> bytes:
    """The first golden vector of a message."""
    path = Path(__file__).parents[1] / "vectors" / "network.json"
    found = json.loads(path.read_bytes())["messages"]
    return bytes.fromhex(next(one["bytes"] for one in found if one["record"] == record))


def body_vector(record: str) -> bytes:
    """The golden body of a proposal."""
    path = Path(__file__).parents[1] / "vectors" / "dao.json"
    found = json.loads(path.read_bytes())["bodies"]
    return bytes.fromhex(next(one["bytes"] for one in found if one["record"] == record))


def benchmark_vector(name: str) -> bytes:
    """The first golden vector of a part of benchmarks."""
    path = Path(__file__).parents[1] / "vectors" / "benchmarks.json"
    return bytes.fromhex(json.loads(path.read_bytes())[name][0]["bytes"])


def hidden_vector(name: str) -> bytes:
    """The first golden vector of a part of hidden sets."""
    path = Path(__file__).parents[1] / "vectors" / "hidden.json"
    return bytes.fromhex(json.loads(path.read_bytes())[name][0]["bytes"])


def market_vector(name: str) -> bytes:
    """The first golden vector of a part of the market."""
    path = Path(__file__).parents[1] / "vectors" / "market.json"
    return bytes.fromhex(json.loads(path.read_bytes())[name][0]["bytes"])


def receipt_promise() -> bytes:
    """The record of a promise."""
    found = promise_receipt().instant
    assert found is not None
    return found.record


def package_manifest() -> manifest.Manifest:
    """The files of a package, one of them in parts."""
    sizes = {"g16.safetensors": 1 << 20 | 7}
    files = ((name.encode(), sizes.get(name, 9)) for name in manifest.REQUIRED)
    return manifest.Manifest(tuple(manifest.PackagedFile(*one) for one in files))


def kept_file(kind: checked_file.FileKind[Any], value: Any) -> bytes:
    checked_file.write_file(FOLDER.path / "example.dat", kind, value)
    return (FOLDER.path / "example.dat").read_bytes()


def table() -> tuple[Decoder, ...]:
    """All of them."""
    WORLD.grow(
        WORLD.signed(ALICE, Transfer((Output(address(BOB), 5),))), WORLD.signed(BOB, Stake(7))
    )
    mined = WORLD.blocks[-1]
    head, body = mined.header.to_bytes(), mined.body.to_bytes()
    signed, coinbase = mined.body.transactions[0], mined.body.transactions[-1]
    limit, violation, model_error = LIMITS.transaction_bytes, (RuleViolation,), (errors.ModelError,)
    group = call_groups.CallGroup(
        0, ModelId(bytes(64)), (call_groups.ProvenCall(Txid(bytes(64)), (1, -2)),), b"proof"
    ).to_bytes()
    entry = block_files.journal_payload(block_files.BlockAdded(BlockId(bytes(64)), head, b"body"))
    proof = block_files.proof_payload(block_files.StoredProof(BlockId(bytes(64)), b"proof"))
    leaf = state_records.Leaf(bytes(32), b"h" * 32, b"value")
    node = state_records.Branch(b"b" * 32, leaf, state_records.Stub(b"s" * 32))
    text = Address.from_bytes(address(ALICE)).to_text("desp")
    side = encode(side_blocks._BLOCK, BlockBytes(head, b"body", b"proof"))
    checked_side = side_blocks._checksum(SIDE_ID, side) + side
    llama = json.dumps(config_fields(random_checkpoint(1))).encode()
    asked = prompts.PromptText("", "what?", (0, 4))
    tokens = BankPrompt(bytes(64), (5, 6, 7), ((1, 2),), asked.json_hash)
    bank = prompts.PromptBank((asked,), (tokens,))
    known = address_files.KeptEntry(bytes(16), 1, ID_PREFIX + bytes(32), bytes(4), 1, 2, 3, 4, 0)
    anchors = address_files.kept_anchors([peer_address.PeerAddress(bytes(16), 1, known.peer_id)])
    work_outputs = encode(WORK_OUTPUTS, mined.body.outputs)
    seed = "/ip4/192.0.2.7/tcp/9333/p2p/" + peer_address.peer_id_text(ID_PREFIX + bytes(32))
    models = models_record.encode_models(WORLD.chain.context.tip_registry, ())
    f = FOLDER.reader
    return (
        *schemas(
            {
                "consensus.header.PRE_HEADER": mined.header.pre.to_bytes(),
                "consensus.header.HEADER": head,
                "consensus.models_record._MODELS": models,
                "dao.bodies.MODEL_BODY": body_vector("ModelBody"),
                "dao.bodies.CHANGE_BODY": body_vector("ChangeBody"),
                "dao.benchmarks.suite.SUITE": benchmark_vector("suites"),
                "dao.benchmarks.item_proof.SUITE": benchmark_vector("suites"),
                "dao.benchmarks.item_proof.ITEM_PROOF": benchmark_vector("proofs"),
                "dao.entry_records.TIER": encode(TIER, genesis_registry(PARAMS).tiers[0]),
                "market.load.LOAD_OPENING": market_vector("load_openings"),
                "market.records.claim.SESSION_CLAIM": market_vector("claims"),
                "market.records.double.TWO_RECORDS": market_vector("doubles"),
                "market.records.offer.MARKET_OFFER": market_vector("offers"),
                "market.records.opening.DRAW_OPENING": market_vector("openings"),
                "market.records.opening.SHOWN_CLAIM": market_vector("shown_claims"),
                "market.records.record.MARKET_RECORD": market_vector("records"),
                "market.records.windows.TRACE_WINDOW": encode(windows.TRACE_WINDOW, windows.TraceWindow(0, (), ())),
                "model.benchmarks.suite_file.SUITE_FILE": suite_example(),
                "model.package.manifest.MANIFEST": package_manifest().to_bytes(),
                "node.workers.farm.driver.begin_records.BEGUN": farm_bytes.BEGUN,
                "node.workers.farm.link_messages.LINK_MESSAGE": farm_bytes.LINK,
                "node.workers.farm.work_records.TOLD_SEARCH": farm_bytes.TOLD,
                "node.workers.farm.work_records.WORK_CLAIM": farm_bytes.CLAIM,
                "node.workers.farm.worker_spec.LOADABLE": farm_bytes.ENTRY,
                "node.workers.farm.worker_spec.SPEC_RECORD": farm_bytes.SPEC,
                "p2p.wire.talk_messages.HELLO": vector_of("Hello"),
                "p2p.wire.package_messages.DIGESTS": vector_of("Digests"),
                "p2p.wire.package_messages.HOLDINGS": vector_of("Holdings"),
                "p2p.peers.address_files._ENTRY": encode(address_files._ENTRY, known),
            }
        ),
        Decoder("dao.bodies.read_body", partial(bodies.read_body, 1), (CodecError,), body_vector("ModelBody"), partial(encode, bodies.MODEL_BODY)),
        Decoder("dao.benchmarks.report.read_report", report.read_report, (CodecError,), benchmark_vector("reports"), report.report_bytes),
        Decoder("dao.benchmarks.item_proof.read_item_proof", item_proof.read_item_proof, (CodecError,), benchmark_vector("proofs"), item_proof.item_proof_bytes),
        Decoder("dao.hidden.hidden_set.read_set", hidden_set.read_set, (CodecError,), hidden_vector("sets"), hidden_set.set_bytes),
        Decoder("dao.hidden.hidden_set.read_withdrawal", hidden_set.read_withdrawal, (CodecError,), hidden_vector("withdrawals"), hidden_set.withdrawal_bytes),
        Decoder("dao.hidden.openings.read_hidden_proof", openings.read_hidden_proof, (CodecError,), hidden_vector("proofs"), openings.hidden_proof_bytes),
        Decoder("market.load.read_load", market_load.read_load, (CodecError,), market_vector("load_openings"), partial(encode, market_load.LOAD_OPENING)),
        Decoder("market.records.claim.decode_claim", claim.decode_claim, (CodecError,), market_vector("claims"), claim.SessionClaim.to_bytes),
        Decoder("market.records.double.read_two_records", double.read_two_records, (CodecError,), market_vector("doubles"), double.two_records_bytes),
        Decoder("market.records.offer.decode_offer", offer.decode_offer, (CodecError,), market_vector("offers"), partial(encode, offer.MARKET_OFFER)),
        Decoder("market.records.opening.decode_opening", opening.decode_opening, (CodecError,), market_vector("openings"), partial(encode, opening.DRAW_OPENING)),
        Decoder("market.records.opening.decode_shown_claim", opening.decode_shown_claim, (CodecError,), market_vector("shown_claims"), partial(encode, opening.SHOWN_CLAIM)),
        Decoder("market.records.record.decode_record", market_record.decode_record, (CodecError,), market_vector("records"), market_record.MarketRecord.to_bytes),
        Decoder("market.records.report.decode_report", replay_report.decode_report, (CodecError,), market_vector("reports"), replay_report.ReplayReport.to_bytes),
        Decoder("market.records.request.decode_request", market_request.decode_request, (CodecError,), market_vector("requests"), market_request.MarketRequest.to_bytes),
        Decoder("market.records.statuses.read_statuses", lambda b: statuses.read_statuses(b, 7), (CodecError,), bytes((0b00_10_01_11, 0b00_01_00_10)), statuses.statuses_bytes),
        Decoder("market.records.windows.read_trace_window", windows.read_trace_window, (CodecError,), encode(windows.TRACE_WINDOW, windows.TraceWindow(0, (), ())), partial(encode, windows.TRACE_WINDOW)),
        Decoder("node.workers.farm.found_record.decode_found", found_record.decode_found, (CodecError,), found_record.found_bytes(found_record.FoundRecord(7, 8, 9, mined.body.outputs.answers)), found_record.found_bytes),
        Decoder("node.workers.farm.link_messages.decode_link", link_messages.decode_link, (CodecError,), farm_bytes.LINK, link_messages.link_bytes),
        Decoder("node.workers.farm.work_records.decode_told", work_records.decode_told, (CodecError,), farm_bytes.TOLD, work_records.told_bytes),
        Decoder("node.workers.farm.work_records.decode_news", work_records.decode_news, (CodecError,), farm_bytes.NEWS, work_records.news_bytes),
        Decoder("node.workers.farm.work_records.decode_claim", work_records.decode_claim, (CodecError,), farm_bytes.CLAIM, work_records.claim_bytes),
        Decoder("node.workers.farm.work_records.decode_reply", work_records.decode_reply, (CodecError,), farm_bytes.REPLY, work_records.reply_bytes),
        Decoder("node.workers.farm.work_records.decode_face", work_records.decode_face, (CodecError,), farm_bytes.FACE, work_records.face_bytes),
        Decoder("node.workers.farm.worker_spec.decode_spec", worker_spec.decode_spec, (ValueError,), farm_bytes.SPEC, worker_spec.spec_bytes),
        Decoder("node.workers.farm.driver.begin_records.decode_begun", begin_records.decode_begun, (CodecError,), farm_bytes.BEGUN, begin_records.begun_bytes),
        Decoder("node.workers.farm.driver.begin_records.decode_head", begin_records.decode_head, (CodecError,), farm_bytes.HEAD, begin_records.head_bytes),
        Decoder("dao.ready.read_ready", ready.read_ready, (CodecError,), ready.ready_bytes(ready.ReadyBody(7, mined.body.outputs)), ready.ready_bytes),
        Decoder("dao.evidence.read_evidence", evidence.read_evidence, (CodecError,), evidence.evidence_bytes(accusing(BOB, rewards=(3,), unbondings=((20, 0),)).body), evidence.evidence_bytes),
        Decoder("consensus.header.decode_header", lambda b: header.decode_header(b, LARGEST), (CodecError,), head, header.Header.to_bytes),
        Decoder("consensus.header_isolation.read_header", lambda b: header_isolation.read_header(b, LIMITS), violation, head, header.Header.to_bytes),
        Decoder("consensus.block.decode_body", lambda b: block.decode_body(b, LARGEST), (CodecError,), body, block.Body.to_bytes),
        Decoder("consensus.block_isolation.read_body", lambda b: block_isolation.read_body(b, LIMITS), violation, body, block.Body.to_bytes),
        Decoder("consensus.block_isolation.read_content", lambda b: block_isolation.read_content(block_isolation.read_body(b, LIMITS), mined.header.pre, LIMITS), violation, body),
        Decoder("consensus.block.decode_coinbase", block.decode_coinbase, (CodecError,), coinbase, block.Coinbase.to_bytes),
        Decoder("consensus.chain.read_block", block_of_parts, violation, len(head).to_bytes(2, "big") + head + body),
        Decoder("consensus.call_groups.decode_call_group", lambda b: call_groups.decode_call_group(b, LARGEST), (CodecError,), group, call_groups.CallGroup.to_bytes),
        Decoder("consensus.call_groups.decode_result", lambda b: call_groups.decode_result(b, LARGEST), (CodecError,), call_groups.encode_result((5, 6, 700)), call_groups.encode_result),
        Decoder("consensus.context_record.decode_context", lambda b: context_record.decode_context(b, PARAMS), (CodecError,), context_record.encode_context(WORLD.chain.context), lambda c: context_record.encode_context(c) if c.height else b""),
        Decoder("consensus.models_record.decode_models", models_record.decode_models, (CodecError,), models, lambda m: models_record.encode_models(*m)),
        Decoder("vm.transaction.decode_transaction", lambda b: transaction.decode_transaction(b, limit), (IsolatedTransactionViolation,), signed, transaction.Transaction.to_bytes),
        Decoder("vm.transaction.transaction_kind", transaction.transaction_kind, (CodecError,), signed),
        Decoder("primitives.address.from_bytes", Address.from_bytes, (AddressError,), address(ALICE), Address.to_bytes),
        Decoder("primitives.address.from_text", lambda b: Address.from_text(b.decode("latin-1"), "desp"), (AddressError,), text.encode()),
        Decoder("primitives.bech32m.bech32m_decode", lambda b: bech32m.bech32m_decode(b.decode("latin-1")), (Bech32Error,), text.encode()),
        Decoder("primitives.codec.decode", lambda b: decode(VarBytes(9), b, limit=20, what="bytes"), (CodecError,), b"\xc4\x01a", lambda v: encode(VarBytes(9), v)),
        Decoder("prover.proof_file.decode", proof_file.decode, (proof_file.ProofFileError,), proof_file.encode(STATEMENT, b"proof"), proof_file_bytes),
        Decoder("prover.proof_file.read", f("proof", lambda d: proof_file.read(d / "proof")), (proof_file.ProofFileError,), proof_file.encode(STATEMENT, b"proof"), proof_file_bytes),
        Decoder("prover.proof_file.decode_any", proof_file.decode_any, (proof_file.ProofFileError,), proof_file.encode(STATEMENT, b"proof", in_parts=True), proof_file_of_either),
        Decoder("prover.proof_file.read_any", f("proof", lambda d: proof_file.read_any(d / "proof")), (proof_file.ProofFileError,), proof_file.encode(STATEMENT, b"proof", in_parts=True), proof_file_of_either),
        Decoder("storage.segments.block_files.journal_entry", lambda b: block_files.journal_entry(b, PLACE, SEGMENTS), (block_files.BlockFileError,), entry, block_files.journal_payload),
        Decoder("storage.segments.block_files.stored_proof", lambda b: block_files.stored_proof(b, PLACE, SEGMENTS), (block_files.BlockFileError,), proof, block_files.proof_payload),
        Decoder("storage.state.state_records.decode_node", state_records.decode_node, (state_records.StateRecordError,), encode_node(node), encode_node),
        Decoder("storage.segments.segment_reader.read", f("segments/000000.seg", segment_payloads), (SegmentError,), MAGIC + record_bytes(PLACE, b"payload")),
        Decoder("storage.side_blocks.get", f(f"side/{SIDE_ID.hex()}.block", lambda d: SideBlocks(d).get(SIDE_ID)), (SideBlockError,), checked_side),
        Decoder("storage.format_version.read_format", f("storage-format", format_version.read_format), (FormatDamagedError,), format_version._line(1), format_version._line),
        Decoder("storage.kv.leveldb_diagnosis._log_is_sound", leveldb_diagnosis._log_is_sound, (), bytes(20)),
        Decoder("storage.kv.leveldb_diagnosis._table_is_sound", lambda b: leveldb_diagnosis._table_is_sound(b, entries=True), (), bytes(40) + leveldb_diagnosis.TABLE_MAGIC),
        Decoder("node.mining.proves.files.read_prove", lambda b: prove_files.read_prove(SIDE_ID, b), (CodecError,), prove_files.prove_bytes(SIDE_ID, prove_files.KeptProve(signed, (b"group",))), lambda kept: prove_files.prove_bytes(SIDE_ID, kept)),
        Decoder("mempool.journal.load", f(JOURNAL, waiting), (IsolatedTransactionViolation,), journal_example(signed, signed)),
        Decoder("model.safetensors_file.read_container", f("t", lambda d: safetensors_file.read_container(d / "t")), model_error, safetensors_example()),
        Decoder("model.importing.weight_files.read_weights", f(weight_files.INDEX_FILE, lambda d: dict(weight_files.read_weights(d))), model_error, index_example()),
        Decoder("model.files.safetensors_layout.read_layout", f("t", lambda d: safetensors_layout.read_layout(d / "t")), model_error, safetensors_example()),
        Decoder("model.files.safetensors_header.read_metadata", f("t", lambda d: safetensors_header.read_metadata(d / "t")), model_error, safetensors_example()),
        Decoder("model.files.json_file.read_object", f("c", lambda d: json_file.read_object(d / "c", "")), model_error, llama),
        Decoder("model.benchmarks.secret_set.decode_secret", lambda d: secret_set.decode_secret(d, Path("s")), model_error, secret_example(), secret_set.secret_bytes),
        Decoder("model.benchmarks.suite_file.decode_suite", lambda d: suite_file.decode_suite(d, Path("s")), model_error, suite_example(), suite_file.suite_bytes),
        Decoder("model.benchmarks.suite_file.read_suite", f("s", lambda d: suite_file.read_suite(d / "s")), model_error, suite_example(), suite_file.suite_bytes),
        Decoder("model.benchmarks.text.read_text", f("t", lambda d: benchmark_text.read_text(d / "t")), model_error, benchmark_lines()),
        Decoder("model.templates.chat_template.read_chat_template", f("tokenizer_config.json", chat_template.read_chat_template), model_error, b'{"bos_token": "<s>", "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}"}'),
        Decoder("model.config.read_config", f("c", lambda d: config.read_config(d / "c")), model_error, llama),
        Decoder("model.config.read_special_tokens", f("c", lambda d: config.read_special_tokens(d / "c")), model_error, b'{"vocab_size": 9, "bos_token_id": 1, "eos_token_id": 2}'),
        Decoder("planning.machine.read_machine", f("m", lambda d: machine.read_machine(d / "m")), (*model_error, machine.MachineFileError), sample_text().encode()),
        Decoder("node.offline.traces.decode_trace", traces.decode_trace, (traces.TraceFileError,), traces.trace_bytes(traces.Trace(mined.header.pre.model_id, (traces.SequenceTrace((1, 2), (bytes(96), bytes(96))),)))),
        Decoder("node.offline.traces.read_trace_file", f("t", lambda d: traces.read_trace_file(d / "t")), (traces.TraceFileError,), traces.trace_bytes(traces.Trace(mined.header.pre.model_id, (traces.SequenceTrace((1,), (bytes(64),)),)))),
        Decoder("p2p.transport.multiplexer.parse", multiplexed, (Fault,), frame_head(0, 1, 1, 3) + b"abc"),
        Decoder("p2p.transport.negotiation.receive", lambda b: Answerer({"/noise"}).receive(bytearray(b)), (Fault,), Asker("/noise").proposal),
        Decoder("consensus.block_isolation.read_outputs", lambda b: block_isolation.read_outputs(b, mined.header), violation, work_outputs, lambda v: encode(WORK_OUTPUTS, v)),
        Decoder("p2p.relay.compact.read_whole_body", lambda b: compact.read_whole_body(b, LARGEST, work_outputs, mined.header), (Fault,), body, block.Body.to_bytes),
        Decoder("p2p.peers.book.seeds.read_seeds", f("seeds", lambda d: seeds.read_seeds(d / "seeds")), (seeds.SeedError,), seed.encode()),
        Decoder("p2p.peers.checked_file.read_file", f("kept", lambda d: checked_file.read_file(d / "kept", address_files.ANCHOR_LIST)), (), kept_file(address_files.ANCHOR_LIST, anchors)),
        Decoder("p2p.transport.yamux.read_head", lambda b: read_head(b.ljust(12, b"\0")), (), frame_head(0, 1, 1, 3)),
        Decoder("p2p.market.messages.market_message_of", market_message_again, (Fault,), b"\3" + market.encode_market_message(market.Tokens(1, (5, 6))), lambda v: v),
        Decoder("p2p.wire.messages.decode_message", message_again, (Fault,), b"\0" + vector_of("Hello"), lambda v: v),
        Decoder("p2p.wire.framing.feed", framed, (Fault,), b"\x0e" + frame_bytes(Prefer(1)) * 2),
        Decoder("model.package.manifest.decode_manifest", manifest.decode_manifest, model_error, package_manifest().to_bytes(), manifest.Manifest.to_bytes),
        Decoder("node.models.notebook.decode_notes", notebook.decode_notes, (notebook.NotesError,), b'{"version": 1, "notes": []}'),
        Decoder("receipts.form.decode_receipt", form.decode_receipt, (FormError,), form.encode_receipt(promise_receipt()), form.encode_receipt),
        Decoder("dao.promise.decode_promise", promise.decode_promise, (CodecError,), receipt_promise(), promise.Promise.to_bytes),
        Decoder("receipts.ranges.decode_range", ranges.decode_range, (CodecError,), encode(RECEIPTS, Mmr().extended([b"one", b"two", b"three"])[0]), lambda v: encode(RECEIPTS, v)),
        *bodies_of_requests(),
        Decoder("gateway.service.desks.receipts.read_price", read_price, (Refused,), b'{"max_price": 7}'),
        Decoder("gateway.service.desks.ollama_models.read_name", read_name, (Refused,), b'{"model": "esper-t0:latest", "verbose": true}'),
        Decoder("model.prompts.read_bank", f("b", lambda d: prompts.read_bank(d / "b")), model_error, prompts.encode_bank(bank), prompts.encode_bank),
    )  # fmt: skip


BODIES = {
    Endpoint.CHAT: b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}], "stop": ["b"], "stream": true, "stream_options": {"include_usage": true}, "logprobs": true, "top_logprobs": 2}',
    Endpoint.COMPLETIONS: b'{"model": "m", "prompt": [1, 2], "max_tokens": 4, "logprobs": 1, "temperature": 0.0, "n": 1}',
    Endpoint.RESPONSES: b'{"model": "m", "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}]}], "instructions": "b", "include": ["reasoning.encrypted_content"], "esper": {"prove": "auto"}}',
    Endpoint.OLLAMA_CHAT: b'{"model": "m", "messages": [{"role": "user", "content": "a"}], "options": {"num_predict": 3, "stop": ["b"]}}',
    Endpoint.OLLAMA_GENERATE: b'{"model": "m", "prompt": "a", "raw": true, "stream": false, "keep_alive": "5m"}',
}  # fmt: skip
"""A body for each of the gateway's endpoints."""


def bodies_of_requests() -> Iterator[Decoder]:
    """The one reader of bodies, by endpoint: the first has its own name."""
    for endpoint, honest in BODIES.items():
        more = "" if endpoint is Endpoint.CHAT else f" {endpoint.value}"
        read = partial(read_request, endpoint)
        yield Decoder(f"gateway.requests.reading.read_request{more}", read, (Refused,), honest)


NOT_BYTES = {
    "gateway.requests.messages.read_content": "a value of a body that read_request has read",
    "gateway.requests.messages.read_messages": "a value of a body that read_request has read",
    "gateway.webhooks.address_judge.read_webhook_url": "text that the operator gives with a key",
    "model.tokenizer.decode_answer": "token ids",
    "p2p.service.peer_files.read_known_peers": "a folder; its files are read by read_file",
    "p2p.sync.headers.header_run.read_run": "headers, each read by read_header",
    "node.gateway.promise_signer.read_promise": "a promise of this gateway's own database",
    "node.gateway.node_chain.read": "is given the chain, and no bytes",
    "node.workers.worker_messages.read_message": "a pipe between this program's own processes",
    "model.g16_format.read_integer_model": "a folder; its files are read by read_container",
    "model.g16_parameters.read_parameters": "a folder; its file is read by read_metadata",
    "model.tokenizer.read_tokenizer_file": "reads a file whole, whatever it holds",
    "model.files.json_file.read_up_to": "reads a file whole, whatever it holds",
    "model.files.json_file.read_bytes": "reads a file whole, whatever it holds",
}
"""Functions with a decoder's name that are given something else than bytes of others."""
