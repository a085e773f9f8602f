"""A suite asked of a tiny model, against a plain reading of its logits in NumPy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.dao.benchmarks.report import bits_of
from esper.dao.benchmarks.suite import Form
from esper.model.benchmarks.errors import UnfitSuiteError
from esper.model.benchmarks.measuring import Examinee, Means, Outcome, measured
from esper.model.benchmarks.report import BenchmarkReport
from esper.model.benchmarks.tokenised import TokenSuite, suite_of
from esper.model.errors import InvalidFieldError
from esper.model.loaded import load_model
from tests.spec.g16_numpy import SpecModel
from tests.support.benchmark_models import VOCAB, letter_model
from tests.support.benchmark_texts import CHOICE, EXACT, JUDGED, text_of

BOS, EOS = 1, 2
ROWS = 64
MEANS = Means(ROWS)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
FORM = pytest.mark.parametrize("form", Form)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    return letter_model(folder / "asked", 21), letter_model(folder / "judge", 22)


@pytest.fixture(scope="module")
def model(folders: tuple[Path, Path]) -> Examinee:
    return Examinee.of(folders[0], load_model(folders[0]))


@pytest.fixture(scope="module")
def judge(folders: tuple[Path, Path]) -> Examinee:
    return Examinee.of(folders[1], load_model(folders[1]))


def questions(form: Form, spec: SpecModel) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A head and 24 items; of the exact ones about a half expect what the model says."""
    chance = random.Random(int(form))
    items: list[dict[str, Any]] = []
    for number in range(24):
        question = "".join(chance.choices(LETTERS, k=chance.randrange(1, 9))) + LETTERS[number]
        match form:
            case Form.CHOICE:
                choices = chance.sample(LETTERS, chance.randrange(2, 6))
                items.append({"question": question, "choices": choices, "answer": number % 2})
            case Form.TEXT:
                said = spec.generate([BOS, *ids(question)], 6, EOS)
                start, length = chance.randrange(3), chance.randrange(1, 3)
                found = [one for one in said if 3 <= one < 29]
                letters = "".join(LETTERS[one - 3] for one in found)
                answer = letters[start : start + length] if number % 4 else "zz"
                marker = letters[:start] if number % 3 else ""
                item = {"question": question, "answer": answer or "q"}
                items.append(item | ({"marker": marker} if marker else {}))
            case _:
                reference = "".join(chance.choices(LETTERS, k=4))
                items.append({"question": question, "reference": reference})
    head = {
        Form.CHOICE: CHOICE,
        Form.TEXT: EXACT | {"ends": list("abcdefgh")},
        Form.JUDGED: JUDGED | {"joints": ["a", "b", "c", "d"], "labels": ["e", "t"]},
    }
    return head[form], items


def ids(text: str) -> list[int]:
    return [3 + LETTERS.index(letter) for letter in text]


def best_of(spec: SpecModel, prompt: Sequence[int]) -> list[int]:
    """All ids, the best first, the lower first among equals."""
    logits = spec.logits(list(prompt))[-1]
    return sorted(range(VOCAB), key=lambda one: (-int(logits[one]), one))


def first_of(ranked: Sequence[int], wanted: Sequence[int]) -> int:
    return next(one for one in ranked if one in wanted)


def plainly_right(form: Form, item: dict[str, Any], spec: SpecModel, judge: SpecModel) -> bool:
    """What an item is worth, from its text and the specification alone."""
    prompt = [BOS, *ids(item["question"])]
    if form == Form.CHOICE:
        said = first_of(best_of(spec, prompt), ids("".join(item["choices"])))
        return said == ids(item["choices"][item["answer"]])[0]
    answer = [one for one in spec.generate(prompt, 6, EOS) if one != EOS]
    if form == Form.TEXT:
        marker = ids(item.get("marker", ""))
        places = [
            start + len(marker)
            for start in range(len(answer) + 1)
            if answer[start : start + len(marker)] == marker
        ]
        if not places:
            return False
        rest = answer[places[-1] if marker else 0 :]
        # A blank is no letter here: it is the id of what is unknown.
        for wanted in (ids(item["answer"]), [0, *ids(item["answer"])]):
            if rest[: len(wanted)] == wanted:
                following = rest[len(wanted) :][:1]
                if not following or following[0] in ids("abcdefgh"):
                    return True
        return False
    pair = answer, ids(item["reference"])
    verdicts = []
    for x, y in (pair, pair[::-1]):
        read = [BOS, *ids("a"), *prompt[1:], *ids("b"), *x, *ids("c"), *y, *ids("d")]
        verdicts.append(first_of(best_of(judge, read), ids("et")))
    return verdicts == ids("et")


def asked(form: Form, model: Examinee, judge: Examinee, spec: SpecModel) -> TokenSuite:
    head, items = questions(form, spec)
    return suite_of(text_of(head, items), model.vocabulary, judge.entry.model_id)


def outcomes(
    form: Form, suite: TokenSuite, model: Examinee, judge: Examinee, means: Means = MEANS
) -> list[Outcome]:
    other = judge if form == Form.JUDGED else None
    return measured(suite.suite, list(enumerate(suite.items)), model, means, judge=other)


@FORM
def test_what_is_right_is_right_by_the_specification(
    form: Form, model: Examinee, judge: Examinee, folders: tuple[Path, Path]
) -> None:
    spec, other = map(SpecModel, folders)
    _, items = questions(form, spec)
    found = outcomes(form, asked(form, model, judge, spec), model, judge)
    assert [one.is_right for one in found] == [
        plainly_right(form, item, spec, other) for item in items
    ]
    assert 0 < sum(one.is_right for one in found) < len(found)
    assert all(one.fits for one in found)
    assert [one.index for one in found] == list(range(len(items)))


@FORM
def test_lists_are_the_shortest_that_show_a_choice(
    form: Form, model: Examinee, judge: Examinee, folders: tuple[Path, Path]
) -> None:
    spec, other = map(SpecModel, folders)
    suite = asked(form, model, judge, spec)
    seen = set()
    for item, one in zip(suite.items, outcomes(form, suite, model, judge), strict=True):
        reader = spec if form == Form.CHOICE else other
        needed = 0
        for reading in one.readings:
            assert reading.chosen is not None
            ids_listed = [candidate.token for candidate in reading.candidates]
            assert item.choices[reading.chosen] == first_of(ids_listed, item.choices)
            needed = max(needed, ids_listed.index(item.choices[reading.chosen]) + 1)
            seen.add(len(ids_listed))
        if one.readings:
            [length] = {len(reading.candidates) for reading in one.readings}
            assert length == next(k for k in (4, 16, VOCAB) if k >= needed)
        if form == Form.CHOICE:
            [reading] = one.readings
            ranked = best_of(reader, item.prompt)
            assert [c.token for c in reading.candidates] == ranked[: len(reading.candidates)]
    assert seen == (set() if form == Form.TEXT else seen & {4, 16, VOCAB})
    assert form == Form.TEXT or len(seen) > 1


@FORM
def test_neither_batches_nor_threads_change_the_result(
    form: Form, model: Examinee, judge: Examinee, folders: tuple[Path, Path]
) -> None:
    suite = asked(form, model, judge, SpecModel(folders[0]))
    reports = {
        repr(BenchmarkReport(suite, model, ROWS, tuple(found)).fields())
        for means in (MEANS, MEANS, *(Means(ROWS, b, t) for b in (1, 5, 64) for t in (1, 3)))
        for found in [outcomes(form, suite, model, judge, means)]
    }
    assert len(reports) == 1


def test_items_of_different_limits_come_back_in_order(model: Examinee) -> None:
    texts = [
        suite_of(
            text_of(EXACT | {"limit": limit}, [{"question": letter, "answer": "a"}]),
            model.vocabulary,
        )
        for limit, letter in ((5, "c"), (2, "d"), (5, "e"), (1, "f"))
    ]
    items = [(9 - place, one.items[0]) for place, one in enumerate(texts)]
    together = measured(texts[0].suite, items, model, MEANS)
    alone = [measured(texts[0].suite, [one], model, MEANS)[0] for one in items]
    assert together == alone
    assert [one.index for one in together] == [9, 8, 7, 6]


def test_what_does_not_fit_is_wrong_and_said(model: Examinee) -> None:
    items = [{"question": "a" * size, "answer": "a"} for size in (11, 10, 70)]
    suite = suite_of(text_of(EXACT, items), model.vocabulary)
    # BOS, the question and five of six answer tokens: 17, 16 and 76 rows.
    found = measured(suite.suite, list(enumerate(suite.items)), model, Means(16))
    assert [one.fits for one in found] == [False, True, False]
    assert [bool(one.tokens) for one in found] == [False, True, False]
    report = BenchmarkReport(suite, model, 16, tuple(found))
    assert report.unfit == 2
    assert not any(one.is_right for one in found if not one.fits)
    # The model itself has no more positions than 64.
    found = measured(suite.suite, list(enumerate(suite.items)), model, Means(1024))
    assert [one.fits for one in found] == [True, True, False]


def test_what_the_judge_has_no_room_for_is_wrong(model: Examinee, judge: Examinee) -> None:
    head = JUDGED | {"joints": ["a", "b", "c", "d"], "labels": ["e", "t"]}
    items = [{"question": "q" * size, "reference": "r" * 8} for size in (2, 30)]
    suite = suite_of(text_of(head, items), model.vocabulary, judge.entry.model_id)
    asked = list(enumerate(suite.items))
    # Two sequences of 32 rows each are read at once.
    short, long = measured(suite.suite, asked, model, Means(64), judge=judge)
    assert (short.fits, long.fits) == (True, False)
    assert long.tokens
    assert not long.readings
    assert measured(suite.suite, asked, model, Means(128), judge=judge)[1].fits


def test_a_suite_of_another_tokenizer_or_judge_is_refused(model: Examinee, judge: Examinee) -> None:
    one = suite_of(
        text_of(CHOICE, [{"question": "q", "choices": ["a", "b"], "answer": 0}]), model.vocabulary
    )
    items = list(enumerate(one.items))
    other = replace(one.suite, tokenizer=bytes(63) + b"\1")
    with pytest.raises(UnfitSuiteError, match="field 'tokenizer'"):
        measured(other, items, model, MEANS)
    with pytest.raises(UnfitSuiteError, match="leave --judge out"):
        measured(one.suite, items, model, MEANS, judge=judge)
    head = JUDGED | {"joints": ["a", "b", "c", "d"], "labels": ["e", "t"]}
    text = text_of(head, [{"question": "q", "reference": "r"}])
    with pytest.raises(UnfitSuiteError, match="--judge"):
        suite_of(text, model.vocabulary)
    judged = suite_of(text, model.vocabulary, judge.entry.model_id)
    with pytest.raises(UnfitSuiteError, match="--judge"):
        measured(judged.suite, [], model, MEANS)
    with pytest.raises(UnfitSuiteError, match="folder of the suite's"):
        measured(judged.suite, [], model, MEANS, judge=model)
    stranger = replace(judge, entry=replace(judge.entry, tokenizer_id=bytes(64)))
    with pytest.raises(UnfitSuiteError, match="same tokenizer"):
        measured(judged.suite, [], model, MEANS, judge=stranger)


def test_no_thread_is_no_number_of_threads(model: Examinee) -> None:
    one = suite_of(
        text_of(CHOICE, [{"question": "q", "choices": ["a", "b"], "answer": 0}]), model.vocabulary
    )
    with pytest.raises(InvalidFieldError, match="threads"):
        measured(one.suite, list(enumerate(one.items)), model, Means(ROWS, threads=0))


def test_progress_is_told_to_the_end(model: Examinee) -> None:
    items = [{"question": letter, "choices": ["a", "b"], "answer": 0} for letter in "abcdefg"]
    told: list[tuple[str, int, int]] = []
    suite = suite_of(
        text_of(CHOICE, items), model.vocabulary, progress=lambda *one: told.append(one)
    )
    measured(
        suite.suite,
        list(enumerate(suite.items)),
        model,
        Means(ROWS, batch=3),
        progress=lambda *one: told.append(one),
    )
    assert told == [
        ("making the suite", 0, 7),
        *(("asking", done, 7) for done in (0, 3, 6, 7)),
    ]


def test_a_report_says_bits_score_and_chance(model: Examinee) -> None:
    items = [
        {"question": letter, "choices": list("abcd")[: 2 + 2 * (n % 2)], "answer": 0}
        for n, letter in enumerate("abcdefghij")
    ]
    suite = suite_of(text_of(CHOICE, items), model.vocabulary)
    found = measured(suite.suite, list(enumerate(suite.items)), model, MEANS)
    report = BenchmarkReport(suite, model, ROWS, tuple(found))
    fields = report.fields()
    right = tuple(one.is_right for one in found)
    assert bytes.fromhex(fields["bits"]) == bits_of(right)
    assert (fields["right"], fields["items"], fields["unfit"]) == (sum(right), 10, 0)
    assert report.by_chance is not None
    assert float(report.by_chance) == 0.375
    assert fields["suite"] == suite.suite.id.hex()
    assert fields["model_id"] == model.model.model_id.hex()
    assert [one["right"] for one in fields["outcomes"]] == list(right)
