"""However the bytes of a stream are cut, the same messages come out of it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from esper.p2p.faults import Fault
from esper.p2p.limits import NetworkLimits
from esper.p2p.wire.framing import FrameReader
from esper.p2p.wire.messages import FrameLimits, StreamKind, decode_message
from esper.primitives.networks import REGTEST

LIMITS = FrameLimits(NetworkLimits.of(REGTEST))
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "network.json").read_bytes())
FRAMES = {
    kind: [
        bytes.fromhex(one["frame"]) for one in VECTORS["messages"] if one["stream"] == kind.value
    ]
    for kind in StreamKind
}
UNKNOWN = b"\0\0\0\x05\xc8\x93\x01\x02\x03"
KINDS = st.sampled_from(StreamKind)
CUTS = st.lists(st.integers(0, 1 << 16), max_size=40)


def parts(data: bytes, cuts: list[int]) -> list[bytes]:
    """The same bytes in pieces, some of them empty."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[left:right] for left, right in pairwise(places)]


def read(kind: StreamKind, pieces: list[bytes]) -> tuple[list[tuple[int, bytes]], str, int]:
    """Frames, the fault that ended them if any, and the bytes that are held."""
    reader, found = FrameReader(kind, LIMITS), []
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                found.append((frame.kind, frame.record))
    except Fault as fault:
        return found, str(fault), 0
    assert (reader.kind is None) or reader.held >= 5
    return found, "", reader.held


@given(st.data(), KINDS, CUTS)
def test_any_cutting_of_any_frames_gives_the_same_messages(
    data: st.DataObject, kind: StreamKind, cuts: list[int]
) -> None:
    frames = data.draw(st.lists(st.sampled_from([*FRAMES[kind], UNKNOWN]), max_size=8))
    rest = data.draw(st.sampled_from([b"", *(frame[:-1] for frame in FRAMES[kind])]))
    stream = b"".join(frames) + rest
    found, fault, held = read(kind, parts(stream, cuts))
    assert found == [(frame[4], frame[5:]) for frame in frames]
    assert (fault, held) == ("", len(rest))
    for number, record in found:
        assert (decode_message(number, record) is None) is (number >= 128)


@given(KINDS, st.binary(max_size=200), CUTS)
def test_any_bytes_end_alike_however_they_are_cut(
    kind: StreamKind, data: bytes, cuts: list[int]
) -> None:
    assert read(kind, parts(data, cuts)) == read(kind, [data])


@given(st.data(), KINDS, CUTS)
def test_a_spoilt_head_is_found_behind_good_frames(
    data: st.DataObject, kind: StreamKind, cuts: list[int]
) -> None:
    frames = data.draw(st.lists(st.sampled_from(FRAMES[kind]), max_size=4))
    bad = data.draw(st.sampled_from([b"\0\0\0\2\x01", b"\xff\0\0\0\x01", b"\0\0\0\3\x7f"]))
    found, fault, _ = read(kind, parts(b"".join(frames) + bad + FRAMES[kind][0], cuts))
    assert len(found) == len(frames)
    assert fault.startswith("codec")
