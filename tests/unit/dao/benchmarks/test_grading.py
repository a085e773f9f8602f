"""Right and wrong by form, and what cannot be proven at all."""

from dataclasses import replace

import pytest

from esper.dao.benchmarks.answers import ShownAnswer, check_shown, choice_lengths
from esper.dao.benchmarks.fitting import (
    EMBEDDING_ROOM,
    audit_rows,
    batch_fits,
    is_gradable,
    item_fits,
    rows_bytes,
    verdicts_fit,
)
from esper.dao.benchmarks.grading import (
    choice_is_right,
    chosen,
    judged_is_right,
    text_is_right,
)
from esper.dao.benchmarks.item import Item, is_item_of
from esper.dao.benchmarks.judging import judge_prompts
from esper.dao.benchmarks.suite import NO_JUDGE, Form, Suite
from esper.primitives.model_entry import ModelShape
from esper.primitives.work_outputs import Candidate
from tests.support.bench_suites import JOINTS, MODEL, choice, item, made, shown, text_suite

SHAPE = ModelShape(vocab=512, dim=64, hidden=176, layers=2, heads=2, kv_heads=1, head_dim=32,
                   max_seq=128)  # fmt: skip


def listed(*tokens: int) -> tuple[Candidate, ...]:
    return tuple(Candidate(token, -place) for place, token in enumerate(tokens))


@pytest.mark.parametrize(
    ("tokens", "token", "right"),
    [((41, 40), 41, True), ((9, 41, 40), 41, True), ((40, 41), 40, False), ((7, 8), None, False)],
)
def test_the_first_listed_choice_counts(
    tokens: tuple[int, ...], token: int | None, right: bool
) -> None:
    one = choice(right=41)
    assert chosen(listed(*tokens), one.choices) == token
    assert choice_is_right(one, listed(*tokens)) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ((40,), True),
        ((40, 9), True),
        ((40, 8), False),
        ((8, 40), False),
        ((), False),
        ((5, 6, 40), True),
        ((5, 6, 7, 5, 6, 40, 9), True),
        # The last marker counts.
        ((5, 6, 40, 5, 6, 7), False),
        ((5, 6, 5, 6, 41, 42), True),
        ((5, 6, 41), False),
    ],
)
def test_a_text(text: tuple[int, ...], right: bool) -> None:
    marker = (5, 6) if 5 in text else ()
    one = item(marker=marker, choices=(9,), expected=((40,), (41, 42)))
    assert text_is_right(one, text) is right


def test_a_text_without_its_marker_is_wrong() -> None:
    assert not text_is_right(item(marker=(5,)), (40,))
    assert text_is_right(item(marker=(5,)), (5, 40))
    assert not text_is_right(item(expected=()), (40,))
    assert text_is_right(item(marker=(5,), expected=((),)), (5,))


@pytest.mark.parametrize(
    ("first", "second", "right"),
    [(40, 41, True), (40, 40, False), (41, 41, False), (41, 40, False)],
)
def test_a_judge_has_to_prefer_it_in_both_places(first: int, second: int, right: bool) -> None:
    one = item(choices=(40, 41))
    assert judged_is_right(one, listed(first), listed(second)) is right


def test_what_a_judge_reads() -> None:
    suite = made(Form.JUDGED, [item()]).suite
    first, second = judge_prompts(suite, item(), (50, 51), MODEL)
    assert first == (1, 70, 30, 31, 71, 50, 51, 72, 40, 73)
    assert second == (1, 70, 30, 31, 71, 40, 72, 50, 51, 73)
    bare = item(prompt=(30, 1))
    assert judge_prompts(suite, bare, (), MODEL)[0] == (1, 70, 30, 1, 71, 72, 40, 73)


@pytest.mark.parametrize(
    ("longest", "limit", "rows"),
    [(1, 1, 2), (2, 1, 2), (2, 2, 4), (3, 2, 4), (64, 1, 64), (64, 2, 128)],
)
def test_rows(longest: int, limit: int, rows: int) -> None:
    assert audit_rows(longest, limit) == rows


def test_what_a_proof_has_room_for() -> None:
    fits = (1,) * 64
    assert batch_fits([fits], 1, SHAPE, 64)
    assert not batch_fits([fits], 1, SHAPE, 63)
    assert not batch_fits([fits], 2, SHAPE, 64)
    assert batch_fits([fits, fits], 1, SHAPE, 128)
    assert not batch_fits([fits, fits], 1, SHAPE, 127)
    assert not batch_fits([(1,) * 129], 1, SHAPE, 1 << 20), "beyond max_seq"
    assert not batch_fits([(512,)], 1, SHAPE, 64), "beyond the vocabulary"
    assert not batch_fits([()], 1, SHAPE, 64)
    assert not batch_fits([(1,)], 0, SHAPE, 64)
    assert batch_fits([(1,)], 128, SHAPE, 128)
    assert not batch_fits([(1,)], 129, SHAPE, 1 << 20)


def test_embedding_rows_travel_in_the_clear() -> None:
    # 262,144 bytes: 39 rows of 1,608 values, each with nine hashes of 32 bytes, and 80 bytes.
    wide = replace(SHAPE, dim=1608)
    assert (wide.vocab - 1).bit_length() == 9
    assert rows_bytes([tuple(range(38))], 1, wide) == 39 * (4 * 1608 + 9 * 32)
    assert batch_fits([tuple(range(38))], 1, wide, 64)
    assert not batch_fits([tuple(range(39))], 1, wide, 64)
    assert batch_fits([(1,) * 60], 1, wide, 64), "an id travels once"
    assert batch_fits([tuple(range(37))] * 2, 1, wide, 128)
    assert not batch_fits([tuple(range(38))] * 2, 1, wide, 128)
    # Without the hashes there would be room for one more.
    assert 40 * 4 * 1608 <= EMBEDDING_ROOM < 40 * (4 * 1608 + 9 * 32)


def test_a_judge_reads_in_the_room_that_the_answer_left() -> None:
    wide = replace(MODEL, shape=replace(SHAPE, dim=1608))
    answered = item(prompt=tuple(range(20)), limit=4)
    rest = 39 - 20 - 4
    pair = (tuple(range(rest - 2)),) * 2
    assert verdicts_fit(answered, pair, wide, wide, 128)
    longer = (tuple(range(rest - 1)),) * 2
    assert batch_fits(longer, 1, wide.shape, 128)
    assert not verdicts_fit(answered, longer, wide, wide, 128)
    assert not verdicts_fit(answered, pair, wide, wide, 31)


def test_what_a_form_needs() -> None:
    assert is_gradable(Form.CHOICE, choice())
    one = choice()
    for other in (
        replace(one, limit=2),
        replace(one, choices=()),
        replace(one, expected=()),
        replace(one, expected=((1, 2),)),
    ):
        assert not is_gradable(Form.CHOICE, other)
    assert is_gradable(Form.TEXT, item())
    assert is_gradable(Form.JUDGED, item(choices=(4, 5)))
    for choices in ((), (4,), (4, 4), (4, 5, 6)):
        assert not is_gradable(Form.JUDGED, item(choices=choices))
    assert not is_gradable(Form.JUDGED, item(choices=(4, 5), expected=()))


def test_an_item_of_another_tokenizer_does_not_fit() -> None:
    one = text_suite([item()])
    assert item_fits(one.suite, item(), MODEL, 256)
    assert not item_fits(replace(one.suite, tokenizer=bytes(64)), item(), MODEL, 256)


def test_where_an_item_stands() -> None:
    items = [item(limit=at + 1) for at in range(5)]
    one = text_suite(items)
    for index in range(5):
        proof = one.proof(index, ())
        assert is_item_of(one.suite, index, items[index], proof.path)
        assert not is_item_of(one.suite, index, items[index - 1], proof.path)
        assert not is_item_of(one.suite, (index + 1) % 5, items[index], proof.path)
        assert not is_item_of(one.suite, index, items[index], (*proof.path, bytes(64)))
    assert not is_item_of(one.suite, 5, items[0], one.proof(0, ()).path)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"form": 3}, "form 3"),
        ({"judge": bytes([1]) * 64}, "judge"),
        ({"joints": JOINTS}, "joints"),
        ({"form": Form.JUDGED, "joints": JOINTS}, "judge"),
        ({"form": Form.JUDGED, "judge": bytes([1]) * 64, "joints": JOINTS[:3]}, "joints"),
    ],
)
def test_one_suite_has_one_form(fields: dict[str, object], reason: str) -> None:
    parts: dict[str, object] = {"form": 1, "judge": NO_JUDGE, "joints": ()}
    with pytest.raises(ValueError, match=reason):
        Suite(tokenizer=bytes(64), count=1, items_root=bytes(64), **(parts | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vocab", "lengths"),
    [(3, (3,)), (4, (4,)), (64, (4, 16, 64)), (512, (4, 16, 64, 256, 512)),
     (49_152, (4, 16, 64, 256, 1024))],
)  # fmt: skip
def test_how_long_lists_may_be(vocab: int, lengths: tuple[int, ...]) -> None:
    assert choice_lengths(vocab) == lengths


EOS = MODEL.eos
BAD: list[tuple[ShownAnswer, str]] = [
    (ShownAnswer((), ()), "has 0 tokens"),
    (shown(5, 6, 7, 8, 9), "has 5 tokens"),
    (shown(EOS, 6), "goes on after EOS at 0"),
    (shown(5, 6), "without EOS"),
    (replace(shown(5, EOS), lists=()), "has 0 lists"),
    (shown(5, EOS, listed=2), "has 2 candidates"),
    (shown(MODEL.shape.vocab, EOS), "outside the vocabulary"),
    (replace(shown(5, EOS), tokens=(6, EOS)), "its list begins with 5"),
]


@pytest.mark.parametrize(("answer", "reason"), BAD)
def test_answers_that_are_none(answer: ShownAnswer, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_shown(answer, 4, 1, MODEL)


@pytest.mark.parametrize("top", [((5, 1), (6, 2)), ((6, 1), (5, 1)), ((5, 2), (5, 1))])
def test_lists_descend_without_repeats(top: tuple[tuple[int, int], ...]) -> None:
    lists = (tuple(Candidate(*one) for one in top),)
    with pytest.raises(ValueError, match="out of order"):
        check_shown(ShownAnswer((top[0][0],), lists), 1, 2, MODEL)
    check_shown(shown(5, listed=2), 1, 2, MODEL)


def test_an_item_holds_so_much_and_no_more() -> None:
    full = Item((7,) * 1024, 255, (8,) * 26, (9,) * 16, ((10,) * 64,) * 4)
    assert text_suite([full]).suite.count == 1
    for other, field in (
        (replace(full, prompt=(*full.prompt, 1)), "prompt"),
        (replace(full, choices=(*full.choices, 1)), "choices"),
        (replace(full, marker=(*full.marker, 1)), "marker"),
    ):
        with pytest.raises(ValueError, match=field):
            text_suite([other])
    with pytest.raises(ValueError, match="expected"):
        text_suite([replace(full, expected=((10,) * 65,))])
