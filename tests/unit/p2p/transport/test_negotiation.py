"""How two sides agree on a protocol, byte by byte or all at once."""

from __future__ import annotations

import pytest

from esper.p2p.faults import Fault, Offence
from esper.p2p.transport.negotiation import SELECTION, Answerer, Asker, message

HEADER = b"\x13/multistream/1.0.0\n"
NOISE = b"\x07/noise\n"


def test_messages_are_those_of_the_specification() -> None:
    assert message(SELECTION) == HEADER
    assert message("/noise") == NOISE
    assert message("na") == b"\x03na\n"


@pytest.mark.parametrize("step", [1, 3, 1000])
def test_both_sides_agree_however_the_bytes_are_cut(step: int) -> None:
    asker, answerer = Asker("/noise"), Answerer({"/noise"})
    received, reply = bytearray(), b""
    for at in range(0, len(asker.proposal), step):
        received += asker.proposal[at : at + step]
        reply += answerer.receive(received)
    assert answerer.agreed == "/noise"
    assert reply == HEADER + NOISE
    assert not received
    back = bytearray()
    for at in range(0, len(reply), step):
        assert not asker.agreed
        back += reply[at : at + step]
        asker.receive(back)
    assert asker.agreed
    assert not asker.refused


def test_what_follows_the_agreement_stays() -> None:
    received = bytearray(HEADER + NOISE + b"more")
    answerer = Answerer({"/noise"})
    answerer.receive(received)
    assert received == b"more"
    back = bytearray(HEADER + NOISE + b"more")
    Asker("/noise").receive(back)
    assert back == b"more"


@pytest.mark.parametrize("other", ["/plaintext/2.0.0", "/noise/", "/tls/1.0.0", "ls", "na", ""])
def test_any_other_protocol_is_refused_and_the_next_may_be_proposed(other: str) -> None:
    answerer = Answerer({"/noise"})
    assert answerer.receive(bytearray(HEADER + message(other))) == HEADER + b"\x03na\n"
    assert answerer.agreed is None
    assert answerer.receive(bytearray(NOISE)) == NOISE
    assert answerer.agreed == "/noise"


def test_a_refusal_is_told() -> None:
    asker = Asker("/noise")
    asker.receive(bytearray(HEADER + b"\x03na\n"))
    assert asker.refused
    assert not asker.agreed


@pytest.mark.parametrize(
    "data",
    [
        b"\x00",
        b"\x01x",
        b"\x07/noise\n",
        b"GET / HTTP/1.1\r\n" + bytes(200),
        b"\x81\x08" + bytes(1025),
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    ],
)
def test_what_is_no_selection_is_a_fault(data: bytes) -> None:
    with pytest.raises(Fault) as raised:
        Answerer({"/noise"}).receive(bytearray(data))
    assert raised.value.offence is Offence.CODEC


def test_a_message_of_1024_bytes_is_read() -> None:
    long = b"\x80\x08" + b"x" * 1023 + b"\n"
    assert Answerer({"/noise"}).receive(bytearray(HEADER + long)) == HEADER + b"\x03na\n"


def test_text_that_is_no_utf_8_is_refused_like_any_other() -> None:
    assert Answerer({"/noise"}).receive(bytearray(HEADER + b"\x03\xff\xfe\n")).endswith(b"na\n")


@pytest.mark.parametrize(
    "reply", [b"\x03na\n", NOISE, HEADER + HEADER, HEADER + b"\x07/nooze\n", b"\x00"]
)
def test_an_answer_to_something_else_is_a_fault(reply: bytes) -> None:
    with pytest.raises(Fault):
        Asker("/noise").receive(bytearray(reply))
