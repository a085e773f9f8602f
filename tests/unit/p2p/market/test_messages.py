"""Messages of the market's protocol keep their form, and others are refused."""

import pytest

from esper.p2p.faults import Fault
from esper.p2p.market import messages as market

KEY = b"\1" * market.KEY_BYTES
SIGNATURE = b"\2" * market.SIGNATURE_BYTES
MESSAGES: tuple[market.MarketMessage, ...] = (
    market.hello_of(b"\1" * 64, 7, 1_700_000_000_000),
    market.Offer(b"offer"),
    market.Ask(1, b"request", KEY, SIGNATURE, b"\3" * 32, (1, 565)),
    market.Tokens(1, (286, 300)),
    market.SignedRecord(1, b"record", KEY, SIGNATURE),
    market.Pay(2, b"request", KEY, SIGNATURE),
    market.Refuse(2, 3),
    market.Draw(3, b"\4" * 33, 900, b"claim", b"path"),
    market.Data(3, 15, b"record", (b"\5" * 64,), b"\3" * 32, (1,), (2,)),
    market.Report(3, b"report", 901, 4, b"path"),
    market.Score(1, 20, 3000),
)


def test_types_are_0_to_10() -> None:
    assert [one.TYPE for one in MESSAGES] == list(range(11))


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_a_message_comes_back_and_nothing_behind_it_is_taken(message: market.MarketMessage) -> None:
    record = market.encode_market_message(message)
    assert market.market_message_of(message.TYPE, record) == message
    for wrong in (record + b"\0", record[:-1]):
        with pytest.raises(Fault):
            market.market_message_of(message.TYPE, wrong)


def test_an_unknown_type_is_an_offence() -> None:
    with pytest.raises(Fault, match="type 11 is unknown"):
        market.market_message_of(11, b"\x91\x01")


def test_an_empty_list_of_tokens_is_refused() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        market.Tokens(1, ())


def test_the_longest_messages_fit_a_frame() -> None:
    prompt = (2**32 - 1,) * market.MAX_PROMPT_TOKENS
    answer = (2**32 - 1,) * market.MAX_ANSWER_TOKENS
    long = b"\1" * market.SIGNED_BYTES
    for message in (
        market.Ask(2**32 - 1, long, KEY, SIGNATURE, b"\3" * 32, prompt),
        market.Data(2**32 - 1, 15, long, (b"\5" * 64,) * 62, b"\3" * 32, prompt, answer),
    ):
        assert len(market.encode_market_message(message)) <= market.MARKET_FRAME_BYTES
