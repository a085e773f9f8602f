"""Tokens to text, logarithms and an end: the same together as one by one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from esper.gateway.engine_port import Made
from esper.gateway.replies.parts import Finish, Piece
from esper.gateway.requests.asked import Endpoint, Request
from esper.gateway.service.progress import AnswerProgress
from tests.support.gateway.standin_engine import BOS, EOS, MODEL, StandinText, made

TEXT = "Tim said: é!".encode()


def progress(most: int = 99, top: int | None = None, stop: tuple[str, ...] = ()) -> AnswerProgress:
    request = Request(Endpoint.CHAT, "esper-t0", "x", stop=stop, top_logprobs=top)
    return AnswerProgress(request, MODEL, StandinText(), (BOS, 120), most)


def tokens(top: int = 0) -> list[Made]:
    return [made(token, top) for token in (*TEXT, EOS, *b"more")]


def taken(one: AnswerProgress, batches: Sequence[Sequence[Made]]) -> tuple[Piece, ...]:
    return tuple(map(one.take, batches))


@pytest.mark.parametrize("size", [2, 5, 11, 99])
@pytest.mark.parametrize("most", [1, 4, 9, len(TEXT), len(TEXT) + 1, 99])
@pytest.mark.parametrize("top", [None, 0, 2])
def test_an_answer_is_the_same_however_it_comes(size: int, most: int, top: int | None) -> None:
    all_of = tokens(top or 0)
    each, together = progress(most, top), progress(most, top)
    taken(each, [[one] for one in all_of])
    taken(together, [all_of[at : at + size] for at in range(0, len(all_of), size)])
    assert together.whole == each.whole
    assert together.tokens == each.tokens == tuple([*TEXT, EOS][:most])
    assert together.logits == each.logits == together.tokens
    assert together.finish is each.finish
    assert each.finish is (Finish.LENGTH if most <= len(TEXT) else Finish.STOP)
    assert len(together.whole.logprobs) == (0 if top is None else min(most, len(TEXT)))


def test_a_stop_leaves_the_rest_of_its_batch_out() -> None:
    one = progress(stop=("said",))
    (piece,) = taken(one, [tokens()])
    assert (piece.text, one.finish) == ("Tim ", Finish.STOP)
    assert one.tokens == tuple(b"Tim said")
    assert one.logits == one.tokens


def test_nothing_is_taken_behind_the_end() -> None:
    one = progress()
    one.take(tokens())
    assert one.take(tokens()) == Piece("")
    assert one.tokens == (*TEXT, EOS)
