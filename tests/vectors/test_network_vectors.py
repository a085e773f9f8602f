"""Golden messages: their fields, their bytes and their frames."""

import json
from typing import Any

import pytest

from esper.p2p.limits import NetworkLimits
from esper.p2p.wire.framing import FrameReader
from esper.p2p.wire.messages import (
    RECORDS,
    FrameLimits,
    StreamKind,
    decode_message,
    encode_message,
)
from esper.primitives.networks import MAINNET
from tests.support.vector_reading import check_encoding
from tests.vectors.writers import write_network

VECTORS = json.loads(write_network.FILE.read_text())["messages"]
LIMITS = FrameLimits(NetworkLimits.of(MAINNET))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_fields_and_bytes(vector: dict[str, Any]) -> None:
    check_encoding(RECORDS[vector["type"]], vector)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_frames(vector: dict[str, Any], step: int) -> None:
    frame, record = bytes.fromhex(vector["frame"]), bytes.fromhex(vector["bytes"])
    assert frame == (1 + len(record)).to_bytes(4, "big") + bytes((vector["type"],)) + record
    reader = FrameReader(StreamKind(vector["stream"]), LIMITS)
    twice = frame + frame
    found = [
        one
        for place in range(0, len(twice), step)
        for one in reader.feed(twice[place : place + step])
    ]
    assert [(one.kind, one.record) for one in found] == [(vector["type"], record)] * 2
    message = decode_message(vector["type"], found[0].record)
    assert message is not None
    assert encode_message(message) == record


def test_every_message_has_a_vector() -> None:
    assert {vector["type"] for vector in VECTORS} == set(RECORDS)


def test_the_file_is_what_the_writer_writes() -> None:
    assert json.loads(write_network.FILE.read_text()) == write_network.document()
