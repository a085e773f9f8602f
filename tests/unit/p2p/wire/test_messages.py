"""What no message may say, though its bytes follow the schema."""

from dataclasses import replace
from typing import Any

import pytest

from esper.p2p.faults import Fault, Offence
from esper.p2p.wire import bulk_messages as bulk
from esper.p2p.wire import package_messages as packages
from esper.p2p.wire import talk_messages as talk
from esper.p2p.wire.fields import MOST_WEIGHT, Claim, KnownAddress, weight_bytes
from esper.p2p.wire.messages import RECORDS, decode_message, encode_message
from esper.primitives.codec import FixedBytes, array_head, encode

ID = bytes(range(64))
HELLO = talk.Hello(ID, 1, 0, 1, b"\x01", ID, 1, 9333, bytes(16), 1, b"agent")


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: replace(HELLO, weight=b"\0\1"), "zero"),
        (lambda: replace(HELLO, agent=b"line\nfeed"), "ASCII"),
        (lambda: replace(HELLO, agent=b"\x7f"), "ASCII"),
        (lambda: talk.Ping(1, 1, b"\0", ID), "zero"),
        (lambda: talk.Bye(8), "at most 7"),
        (lambda: talk.Refuse(1, ID, 5), "at most 4"),
        (lambda: talk.GetBlockTxs(1, ID, ()), "empty"),
        (lambda: talk.GetBlockTxs(1, ID, (1, 1)), "ascend"),
        (lambda: talk.GetBlockTxs(1, ID, (2, 1)), "ascend"),
        (lambda: talk.HaveTxs(()), "empty"),
        (lambda: talk.GetTxs(1, ()), "empty"),
        (lambda: talk.GetHeaders(1, (), 1), "empty"),
        (lambda: talk.GetHeaders(1, (ID,), 0), "1 to 128"),
        (lambda: talk.GetHeaders(1, (ID,), 129), "1 to 128"),
        (lambda: talk.GetBlocks(1, (), 3), "empty"),
        (lambda: talk.GetBlocks(1, (ID,), 0), "1 to 3"),
        (lambda: KnownAddress(bytes(16), 0, bytes(38), 0, 0), "port"),
        (lambda: bulk.Compact(1, b"h", b"o", (), (), (), ()), "1 to 4096"),
        (lambda: bulk.Compact(1, b"h", b"o", (), (), (), (bulk.Filled(1, b""),)), "beyond"),
        (
            lambda: bulk.Compact(
                1, b"h", b"o", (), (), (), (bulk.Filled(1, b""), bulk.Filled(0, b""))
            ),
            "ascend",
        ),
        (
            lambda: bulk.Compact(
                1, b"h", b"o", (), (), (bytes(16),) * 4096, (bulk.Filled(0, b""),)
            ),
            "1 to 4096",
        ),
        (lambda: packages.GetDigests(1, ID, 16), "below 16"),
        (lambda: packages.GetChunk(1, ID, 65_536), "below 65536"),
        (lambda: packages.Chunk(1, ID, 65_536, b""), "below 65536"),
        (lambda: packages.Digests(1, ID, 0, 0, b""), "1 to 65536"),
        (lambda: packages.Digests(1, ID, 0, 65_537, bytes(4_096 * 32)), "1 to 65536"),
        (lambda: packages.Digests(1, ID, 1, 4_096, b""), "beyond"),
        (lambda: packages.Digests(1, ID, 0, 2, bytes(32)), "must have 64"),
        (lambda: packages.Digests(1, ID, 0, 4_097, bytes(4_097 * 32)), "must have 131072"),
        (lambda: packages.Holdings(1, ID, 0, b""), "1 to 65536"),
        (lambda: packages.Holdings(1, ID, 65_537, bytes(8_193)), "1 to 65536"),
        (lambda: packages.Holdings(1, ID, 9, b"\xff"), "not 2"),
        (lambda: packages.Holdings(1, ID, 9, b"\xff\x02"), "behind chunk 8"),
    ],
)
def test_values_that_no_message_has(build: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        build()


def test_what_no_value_may_be_is_no_message_either() -> None:
    record = encode_message(talk.Bye(7))
    with pytest.raises(Fault) as caught:
        decode_message(3, record[:-1] + b"\x08")
    assert caught.value.offence is Offence.CODEC


def test_bytes_behind_a_record_are_refused() -> None:
    with pytest.raises(Fault, match="message of type 4"):
        decode_message(4, encode_message(talk.GetAddrs()) + b"\0")


def test_counts_are_refused_before_anything_is_made_of_them() -> None:
    many = b"\x92\x01" + array_head(257) + encode(FixedBytes(4), b"abcd") * 257
    with pytest.raises(Fault, match="256"):
        decode_message(11, many)


def test_types() -> None:
    assert decode_message(200, b"anything") is None
    with pytest.raises(Fault, match="unknown"):
        decode_message(99, b"\x91\x01")
    builders: dict[int, Any] = {kind: codec.build for kind, codec in RECORDS.items()}
    assert all(kind == build.TYPE for kind, build in builders.items())


def test_weights() -> None:
    assert weight_bytes(0) == b""
    assert weight_bytes(256) == b"\1\0"
    assert weight_bytes(MOST_WEIGHT + 5) == b"\xff" * 64
    ping = talk.Ping(1, 2, weight_bytes(1 << 80), ID)
    assert ping.claim == Claim(2, 1 << 80, ID)
    assert talk.Bye(talk.BYE_FULL).words == "it has no room for another peer"
