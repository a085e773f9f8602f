"""Frames are judged by their heads, before anything behind a head is read."""

import pytest

from esper.p2p.faults import Fault, Offence
from esper.p2p.limits import COMPACT_EXTRA_BYTES, MIB, TALK_RECORD_BYTES, NetworkLimits
from esper.p2p.wire.framing import Frame, FrameReader, frame_bytes
from esper.p2p.wire.messages import RECORDS, FrameLimits, StreamKind, stream_of
from esper.p2p.wire.talk_messages import GetAddrs, Prefer
from esper.primitives.networks import DEVNET, MAINNET

TALK, BULK = StreamKind.TALK, StreamKind.BULK
DEV, MAIN = (FrameLimits(NetworkLimits.of(params)) for params in (DEVNET, MAINNET))


def head(length: int, kind: int) -> bytes:
    return length.to_bytes(4, "big") + bytes((kind,))


def read(data: bytes, stream: StreamKind = TALK, limits: FrameLimits = MAIN) -> list[Frame]:
    return list(FrameReader(stream, limits).feed(data))


@pytest.mark.parametrize("length", [0, 1, 2])
def test_a_frame_has_a_type_and_a_record(length: int) -> None:
    with pytest.raises(Fault) as caught:
        read(head(length, 4))
    assert caught.value.offence is Offence.CODEC


def most_of(kind: int, limits: FrameLimits) -> int:
    return limits.most(kind, stream_of(kind))


@pytest.mark.parametrize("kind", sorted(RECORDS))
@pytest.mark.parametrize("limits", [DEV, MAIN])
def test_the_longest_is_read_and_a_byte_more_is_not(kind: int, limits: FrameLimits) -> None:
    most = most_of(kind, limits)
    reader = FrameReader(stream_of(kind), limits)
    assert not list(reader.feed(head(1 + most, kind)))
    with pytest.raises(Fault, match="at most"):
        read(head(2 + most, kind), stream_of(kind), limits)


def test_limits_follow_the_network() -> None:
    assert most_of(32, MAIN) == MAINNET.limits.body_bytes + COMPACT_EXTRA_BYTES
    assert most_of(32, DEV) == DEVNET.limits.body_bytes + COMPACT_EXTRA_BYTES
    assert most_of(33, DEV) == DEVNET.limits.proof_bytes + 128
    assert most_of(36, DEV) == most_of(37, DEV) == DEVNET.limits.body_bytes + 128
    assert most_of(7, MAIN) == TALK_RECORD_BYTES
    assert most_of(40, MAIN) == 4_096 * 32 + 128
    assert most_of(41, MAIN) == 8_192 + 128
    assert most_of(51, DEV) == MIB + 128


@pytest.mark.parametrize("kind", sorted(RECORDS))
def test_a_type_belongs_to_one_stream(kind: int) -> None:
    other = BULK if stream_of(kind) is TALK else TALK
    with pytest.raises(Fault, match="came on the"):
        read(head(3, kind), other)


@pytest.mark.parametrize("kind", [15, 31, 39, 47, 48, 49, 57, 58, 127])
@pytest.mark.parametrize("stream", [TALK, BULK])
def test_unknown_types_below_128_are_refused_at_their_heads(kind: int, stream: StreamKind) -> None:
    with pytest.raises(Fault) as caught:
        read(head(3, kind), stream)
    assert caught.value.offence is Offence.CODEC


@pytest.mark.parametrize("kind", [128, 255])
@pytest.mark.parametrize("stream", [TALK, BULK])
def test_unknown_types_from_128_on_are_bounded(kind: int, stream: StreamKind) -> None:
    assert read(head(3, kind) + b"\x91\x01", stream) == [Frame(kind, b"\x91\x01")]
    with pytest.raises(Fault, match="at most"):
        read(head(2 + TALK_RECORD_BYTES, kind), stream)


def test_what_is_held_is_what_came() -> None:
    reader = FrameReader(BULK, MAIN)
    assert not list(reader.feed(head(1 + MAINNET.limits.body_bytes, 36) + b"abc"))
    assert reader.held == 8
    assert not list(reader.feed(b"d" * 1000))
    assert reader.held == 1008


def test_frames_of_many_messages_in_one_piece() -> None:
    both = frame_bytes(GetAddrs()) + frame_bytes(Prefer(1))
    reader = FrameReader(TALK, MAIN)
    assert [one.kind for one in reader.feed(both + both[:6])] == [4, 6]
    assert reader.held == 6
    assert [one.size for one in reader.feed(both[6:])] == [len(frame_bytes(GetAddrs())), 8]
    assert reader.held == 0
