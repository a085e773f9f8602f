"""What answers say of an item, and which have to be shown."""

from dataclasses import replace

import pytest

from esper.dao.benchmarks.answers import ShownAnswer, choice_lengths
from esper.dao.benchmarks.item_proof import ItemProof, Outcome, outcome
from esper.dao.benchmarks.suite import Form
from esper.primitives.errors.dao_errors import ItemViolation, ListShortViolation
from esper.primitives.work_outputs import Candidate
from tests.support.bench_suites import MODEL, choice, item, made, said, shown, text_suite

ROWS = 256
LONGEST = choice_lengths(MODEL.shape.vocab)[-1]


def judged(body: ItemProof, rows: int = ROWS) -> Outcome:
    return outcome(body, MODEL, MODEL, rows)


def refused(body: ItemProof, rows: int = ROWS) -> str:
    with pytest.raises((ItemViolation, ListShortViolation)) as found:
        judged(body, rows)
    return str(found.value)


def listing(*tokens: int, listed: int = 4) -> ShownAnswer:
    """One token; its list begins with these and is filled up."""
    rest = (token for token in range(200, 200 + listed))
    ids = [*tokens, *rest][:listed]
    return ShownAnswer(tokens[:1], (tuple(Candidate(one, -at) for at, one in enumerate(ids)),))


def test_a_text() -> None:
    suite = text_suite([item()])
    for token, right in ((40, True), (41, False)):
        found = judged(suite.proof(0, [said(token)]))
        assert found.is_right is right
        assert [(one.limit, one.listed, one.prompts) for one in found.asked] == [
            (4, 1, (item().prompt,))
        ]


def test_a_choice() -> None:
    suite = made(Form.CHOICE, [choice(right=41)])
    assert judged(suite.proof(0, [listing(41)], 4)).is_right
    assert judged(suite.proof(0, [listing(9, 41, 40)], 4)).is_right
    found = judged(suite.proof(0, [listing(40, 41, listed=16)], 16))
    assert not found.is_right
    assert found.asked[0].listed == 16


def test_lists_without_a_choice_are_as_long_as_any() -> None:
    suite = made(Form.CHOICE, [choice()])
    assert f"list {LONGEST}" in refused(suite.proof(0, [listing(9)], 4))
    # The longest lists of a small vocabulary hold all of it, of a large one not.
    narrow = replace(MODEL, shape=replace(MODEL.shape, vocab=4096))
    whole = suite.proof(0, [listing(9, listed=1024)], 1024)
    assert not outcome(whole, narrow, None, ROWS).is_right


def test_how_many_answers_and_how_long_lists() -> None:
    text, options = text_suite([item()]), made(Form.CHOICE, [choice()])
    assert "has 0 answers" in refused(text.proof(0, []))
    assert "has 2 answers" in refused(text.proof(0, [said(40)] * 2))
    assert "has lists of 4, must have 1" in refused(text.proof(0, [said(40)], 4))
    assert "has lists of 5, must be one of 4" in refused(
        options.proof(0, [listing(41, listed=5)], 5)
    )
    assert "has lists of 1, must be one of" in refused(options.proof(0, [shown(41)], 1))
    assert "has 0 answers" in refused(options.proof(0, [], 4))
    assert "an answer stops" in refused(text.proof(0, [shown(40)]))


def test_what_does_not_fit_is_wrong_without_an_answer() -> None:
    long = text_suite([item(prompt=(1,) * 257)])
    assert judged(long.proof(0, [])) == Outcome(is_right=False, asked=())
    assert "has 1 answers, must have 0" in refused(long.proof(0, [said(40)]))
    assert "has lists of 4" in refused(long.proof(0, [], 4))
    # Whether it fits, the network's parameters say.
    short = text_suite([item()])
    assert judged(short.proof(0, []), rows=4) == Outcome(is_right=False, asked=())


QUESTION = item(choices=(40, 41))


@pytest.mark.parametrize(("first", "second", "right"), [(40, 41, True), (40, 40, False)])
def test_a_judged_item(first: int, second: int, right: bool) -> None:
    suite = made(Form.JUDGED, [QUESTION])
    answers = [said(50), listing(first), listing(second)]
    found = judged(suite.proof(0, answers, 4))
    assert found.is_right is right
    model, judge = found.asked
    assert (model.listed, judge.listed, judge.limit, len(judge.prompts)) == (1, 4, 1, 2)
    assert judge.answers == tuple(answers[1:])


def test_a_judge_without_room_says_that_it_is_wrong() -> None:
    suite = made(Form.JUDGED, [QUESTION])
    # Both readings of the judge take 16 rows each, the question 8.
    found = judged(suite.proof(0, [said(50)]), rows=16)
    assert (found.is_right, len(found.asked)) == (False, 1)
    assert "has 3 answers, must have 1" in refused(
        suite.proof(0, [said(50), listing(40), listing(41)], 4), rows=16
    )


def test_what_a_judge_has_to_show() -> None:
    suite = made(Form.JUDGED, [QUESTION])
    assert "answer is missing" in refused(suite.proof(0, [], 4))
    assert "has 1 answers, must have 3" in refused(suite.proof(0, [said(50)], 4))
    # Also where the first already decides.
    for verdicts in ((listing(41), listing(9)), (listing(9), listing(41))):
        assert "none of the choices" in refused(suite.proof(0, [said(50), *verdicts], 4))
    body = suite.proof(0, [said(50), listing(40), listing(41)], 4)
    with pytest.raises(ItemViolation, match="judge"):
        outcome(body, MODEL, None, ROWS)
    lists = [said(50), listing(40), listing(41, listed=16)]
    assert "has 16 candidates" in refused(suite.proof(0, lists, 4))
    long = shown(50, MODEL.eos, listed=4)
    assert "has 4 candidates" in refused(replace(body, answers=(long, *body.answers[1:])))
