"""What fuzzers give to the network's machines, and what must hold whatever they give."""

from __future__ import annotations

from collections.abc import Iterator

from esper.p2p.actions import Blame, End, Send
from esper.p2p.faults import Fault, Offence
from esper.p2p.flow.open_requests import Owner
from esper.p2p.flow.requests import Delivered, Ended, Requests
from esper.p2p.flow.served import Served, Turn
from esper.p2p.limits import NetworkLimits
from esper.p2p.peer import Peer, PeerNumber
from esper.p2p.transport.multiplexer import LARGEST_WINDOW, MOST_STREAMS, Multiplexer
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.framing import FrameReader, frame_bytes
from esper.p2p.wire.messages import (
    FrameLimits,
    Message,
    Request,
    StreamKind,
    decode_message,
    stream_of,
)
from esper.primitives.networks import REGTEST

LIMITS = FrameLimits(NetworkLimits.of(REGTEST))
PEER = PeerNumber(1)
IDS = (b"a" * 64, b"b" * 64)
PREFIX = b"p" * 16


def only(fault: Fault, *offences: Offence) -> None:
    """Bytes may come to nothing worse."""
    assert fault.offence in offences, fault


def frames(data: bytes) -> None:
    """A stream of the first byte's kind, cut into pieces of its size: whole messages or CODEC."""
    kind = StreamKind.BULK if data[:1] and data[0] & 1 else StreamKind.TALK
    cut = 1 + (data[0] >> 1 if data else 0)
    whole, pieces = (
        _messages(kind, [data[1:]]),
        _messages(kind, [data[at : at + cut] for at in range(1, len(data), cut)]),
    )
    assert whole == pieces, "a cut changes the messages"


def _messages(kind: StreamKind, pieces: list[bytes]) -> list[object]:
    reader = FrameReader(kind, LIMITS)
    found: list[object] = []
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                message = decode_message(frame.kind, frame.record)
                if message is not None:
                    assert stream_of(frame.kind) is kind
                    assert frame_bytes(message)[5:] == frame.record, "two forms of one message"
                found.append(message)
    except Fault as fault:
        only(fault, Offence.CODEC)
        return [*found, str(fault)]
    return found


def requests(data: bytes) -> None:
    """Asking, cancelling, leaving and time by single bytes; any answer in any order between."""
    machine = Requests()
    open_keys: set[tuple[Owner, int]] = set()
    now = key = 0
    for step, message in _steps(data):
        now += step >> 3
        try:
            match step & 7:
                case 0 | 1 | 2 | 3:
                    key += 1
                    machine.ask(PEER, Owner.SYNC, key, _any_request(step), now)
                    open_keys.add((Owner.SYNC, key))
                case 4:
                    nevermind = machine.cancel(PEER, Owner.SYNC, key, now)
                    assert (nevermind is not None) is ((Owner.SYNC, key) in open_keys)
                    open_keys.discard((Owner.SYNC, key))
                case 5:
                    now += 5_000
                    _told(machine.on_time(now), open_keys)
                case 6:
                    machine.arriving(PEER, (*range(32, 42), 51)[step % 11], step << 6, now)
                case _ if message is not None:
                    machine.arrived(PEER)
                    _told(machine.answer(PEER, message, now), open_keys)
        except Fault as fault:
            only(fault, Offence.UNASKED, Offence.SIZE)
            break
    _told(machine.left(PEER), open_keys)
    assert not open_keys, "a request without an end"
    assert machine.statistics().open == machine.statistics().closing == 0


def _told(events: tuple[object, ...], open_keys: set[tuple[Owner, int]]) -> None:
    for event in events:
        match event:
            case Delivered():
                assert (event.owner, event.key) in open_keys, "an answer behind its end"
            case Ended():
                assert isinstance(event.end, End)
                assert isinstance(event.key, int)
                open_keys.remove((event.owner, event.key))
            case _:
                assert isinstance(event, Blame | Send)


def _any_request(step: int) -> Request:
    """Of chains or of packages."""
    match step >> 3 & 7:
        case 4:
            return packages.GetDigests(0, IDS[step & 1], 0)
        case 5:
            return packages.GetHoldings(0, IDS[step & 1])
        case 6:
            return packages.GetChunk(0, IDS[step & 1], step >> 6)
    return _request(step)


def _request(step: int) -> talk.GetBlock | talk.GetBlocks | talk.GetTxs | talk.GetHeaders:
    match step & 3:
        case 0:
            return talk.GetBlock(0, IDS[0])
        case 1:
            return talk.GetBlocks(0, IDS, 1 + (step >> 3) % 3)
        case 2:
            return talk.GetTxs(0, (PREFIX,) * 3)
    return talk.GetHeaders(0, IDS, 5)


def _steps(data: bytes) -> Iterator[tuple[int, bulk.Txs | talk.Refuse | None]]:
    """Single bytes; one whose lowest bits are 7 is followed by a made-up answer of three bytes."""
    at = 0
    while at < len(data):
        step = data[at]
        at += 1
        if step & 7 != 7:
            yield step, None
            continue
        what, number, size = data[at : at + 3].ljust(3, b"\0")
        at += 3
        yield step, _answer(what, number % 16, size)  # type: ignore[misc]


def _answer(what: int, number: int, size: int) -> Message:
    block_id = (*IDS, bytes(64))[size % 3]
    match what % 10:
        case 0:
            return bulk.Compact(number, b"", b"", (), (), (PREFIX,) * (1 + size % 3), ())
        case 1:
            return bulk.Proof(number, block_id, bytes(size))
        case 2:
            return bulk.Txs(number, (b"x",) * (size % 5))
        case 3:
            return bulk.Headers(number, block_id, (b"h",) * (size % 8))
        case 4:
            return bulk.BodyOf(number, block_id, bytes(size))
        case 5:
            return bulk.BlockTxs(number, block_id, (b"x",) * (size % 5))
        case 6:
            return packages.Digests(number, block_id, 0, 1 + size, bytes(32 * (1 + size)))
        case 7:
            return packages.Holdings(number, block_id, 8, bytes((size,)))
        case 8:
            return packages.Chunk(number, block_id, size % 4, bytes(size))
    return talk.Refuse(number, block_id, size % 5)


def served(data: bytes) -> None:
    """What peers ask, take back and are answered; places come back to what they were."""
    machine = Served(0)
    machine.joined(Peer(PEER, b"p" * 38, outbound=False, group=b"g"), 0)
    turns: list[Turn] = []
    now = number = 0
    for step in data:
        now += step >> 2
        try:
            match step & 3:
                case 0 | 1:
                    number += 1
                    machine.asked(PEER, _request(step >> 1).numbered(number), now)
                case 2:
                    machine.nevermind(PEER, step >> 2)
                case _:
                    turns += machine.turns()
                    if turns and step & 4:
                        machine.done(turns.pop(0))
        except Fault as fault:
            only(fault, Offence.ORDER, Offence.BUSY)
            break
        assert len(turns) <= 2, "more answers at a time than one of each kind"
        assert machine.statistics().waiting <= 64
    machine.left(PEER)
    for turn in turns:
        machine.done(turn)
    statistics = machine.statistics()
    assert (statistics.waiting, statistics.answering, statistics.held) == (0, 0, 0)


def multiplexer(data: bytes) -> None:
    """A peer's bytes, in pieces of the first byte's size, beside what our windows granted."""
    cut = 1 + (data[0] if data else 0)
    mux = Multiplexer(dialler=bool(cut & 1))
    ours = mux.open()
    mux.agree(ours, LARGEST_WINDOW)
    try:
        for at in range(1, len(data), cut):
            mux.feed(data[at : at + cut])
            while mux.parse(64) != (0, 0):
                pass
            assert len(mux.streams) <= MOST_STREAMS
            assert mux.buffered <= MOST_STREAMS * LARGEST_WINDOW
            for stream in list(mux.streams.values()):
                if stream.agreed and cut & 2:
                    mux.take(stream, 1 + cut)
            mux.answers()
            if mux.gone:
                return
    except Fault as fault:
        only(fault, Offence.GUARD)


TARGETS = (frames, requests, served, multiplexer)
