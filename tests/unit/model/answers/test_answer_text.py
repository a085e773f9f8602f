"""An answer for its reader: what is shown, and which tokens stay."""

from __future__ import annotations

from esper.model.answers.answer_pieces import AnswerDecoder
from esper.model.answers.answer_text import AnswerText
from esper.model.tokenizer import encode_text, load_tokenizer
from tests.support.model_folders import GENESIS_MODEL

GENESIS = load_tokenizer(GENESIS_MODEL, 1024)
DECODER = AnswerDecoder(GENESIS)
PROMPT = [1, *encode_text(GENESIS, "The little dog")]
ANSWER = encode_text(GENESIS, " was a little boy named Tim. He loved")


def byte(value: int) -> int:
    return GENESIS.get_vocab()[f"<0x{value:02X}>"]


def test_the_genesis_tokenizer_streams() -> None:
    assert DECODER.streams


def test_a_stop_cuts_the_text_and_later_tokens_go() -> None:
    text = AnswerText(DECODER, PROMPT, ["Tim"])
    shown = "".join(map(text.add, ANSWER))
    assert shown == " was a little boy named "
    assert text.stop == "Tim"
    assert 1 < len(text.tokens) < len(ANSWER)
    assert text.tokens == tuple(ANSWER[: len(text.tokens)])
    kept = AnswerText(DECODER, PROMPT)
    with_stop = "".join([*map(kept.add, text.tokens), kept.end()])
    assert with_stop.startswith(" was a little boy named Tim")
    fewer = AnswerText(DECODER, PROMPT, ["Tim"])
    assert "Tim" not in "".join([*map(fewer.add, text.tokens[:-1]), fewer.end()])
    assert fewer.stop is None
    assert (text.end(), text.add(5)) == ("", "")


def test_a_stop_in_bytes_that_waited_leaves_the_next_token_out() -> None:
    answer = [*map(byte, "é".encode()), ANSWER[0], ANSWER[1]]
    text = AnswerText(DECODER, PROMPT, ["é"])
    assert [text.add(token) for token in answer] == ["", "", "", ""]
    assert text.tokens == tuple(answer[:2])
    assert text.stop == "é"


def test_a_stop_that_the_end_completes() -> None:
    text = AnswerText(DECODER, PROMPT, ["é"])
    for token in (ANSWER[0], byte(0xC3), byte(0xA9)):
        text.add(token)
    assert (text.end(), text.stop, len(text.tokens)) == ("", "é", 3)


def test_half_a_stop_is_text_at_the_end() -> None:
    text = AnswerText(DECODER, [1], ["Timothy"])
    shown = "".join(map(text.add, encode_text(GENESIS, " Tim")))
    assert "T" not in shown
    assert (shown + text.end()).strip() == "Tim"
    assert text.end() == ""
    assert text.stop is None


def test_tokens_that_come_together_are_looked_at_one_by_one_for_a_stop() -> None:
    text = AnswerText(DECODER, PROMPT, ["Tim"])
    assert text.add_all(ANSWER) == " was a little boy named "
    assert 1 < len(text.tokens) < len(ANSWER)
    free = AnswerText(DECODER, PROMPT)
    assert free.add_all(ANSWER[:3]) + free.add_all(ANSWER[3:]) == (
        " was a little boy named Tim. He loved"
    )
    assert free.tokens == tuple(ANSWER)
    assert (free.end(), free.add_all([5]), free.tokens) == ("", "", tuple(ANSWER))
