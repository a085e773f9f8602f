"""Suites from texts: which token ids stand for what, and the file that keeps them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel

from esper.dao.benchmarks.item import ITEM, TAG_ITEMS, is_item_of
from esper.dao.benchmarks.suite import NO_JUDGE, Form
from esper.model.benchmarks.errors import BenchmarkTextError, SuiteFileError
from esper.model.benchmarks.own import OWN, benchmark_file
from esper.model.benchmarks.suite_file import (
    decode_suite,
    is_suite_file,
    read_suite,
    suite_bytes,
)
from esper.model.benchmarks.text import read_text
from esper.model.benchmarks.tokenised import TokenSuite, Vocabulary, suite_of
from esper.model.prompts import tokenizer_id_of
from esper.model.tokenizer import load_tokenizer, read_tokenizer_file
from esper.primitives.codec import encode
from esper.primitives.merkle import MerkleTree
from tests.support.benchmark_texts import CHOICE, EXACT, ITEMS, JUDGED, text_of
from tests.support.model_folders import GENESIS_MODEL

JUDGE = bytes(range(64))
PLACE = Path("place")


@pytest.fixture(scope="module")
def genesis() -> Vocabulary:
    tokenizer = load_tokenizer(GENESIS_MODEL, 1024)
    return Vocabulary(tokenizer, tokenizer_id_of(read_tokenizer_file(GENESIS_MODEL)), 1)


@pytest.fixture(scope="module")
def bytewise() -> Vocabulary:
    """A token for each byte: every text of ours can be asked with it."""
    alphabet = sorted(ByteLevel.alphabet())
    ids = {"<unk>": 0, "<s>": 1, "</s>": 2} | {one: 3 + i for i, one in enumerate(alphabet)}
    tokenizer = Tokenizer(BPE(ids, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    return Vocabulary(tokenizer, bytes(64), 1)


def of_choices(vocabulary: Vocabulary, question: str, *choices: str) -> TokenSuite:
    item = {"question": question, "choices": list(choices), "answer": 1}
    return suite_of(text_of(CHOICE, [item]), vocabulary)


def test_choices_are_the_ids_by_which_the_texts_differ(genesis: Vocabulary) -> None:
    suite = of_choices(genesis, "Once upon a", " dog", " time")
    [item] = suite.items
    assert item.prompt == (1, *genesis.ids("Once upon a"))
    assert item.choices == (genesis.ids("x dog")[1], genesis.ids("x time")[1])
    assert (item.limit, item.marker, item.expected) == (1, (), ((item.choices[1],),))
    assert (suite.suite.form, suite.suite.judge, suite.suite.joints) == (Form.CHOICE, NO_JUDGE, ())
    assert suite.suite.tokenizer == genesis.tokenizer_id


def test_what_choices_begin_with_belongs_to_the_prompt(bytewise: Vocabulary) -> None:
    [item] = of_choices(bytewise, "He is", " bad", " big").items
    assert item.prompt == (1, *bytewise.ids("He is b"))
    assert item.choices == (*bytewise.ids("a"), *bytewise.ids("i"))


def test_a_blank_that_some_letters_swallow_belongs_to_the_prompt(genesis: Vocabulary) -> None:
    assert len(genesis.ids(" M")) == 1
    assert len(genesis.ids(" X")) == len(genesis.ids(" D")) == 2
    [item] = of_choices(genesis, "A B C", " X", " D", " M").items
    assert item.prompt == (1, *genesis.ids("A B C "))
    assert item.choices == tuple(genesis.ids(one)[0] for one in "XDM")


@pytest.mark.parametrize("choices", [("cat", "car", "dog"), ("do", "dog")])
def test_choices_that_one_id_cannot_tell_apart_are_refused(
    bytewise: Vocabulary, choices: tuple[str, ...]
) -> None:
    with pytest.raises(BenchmarkTextError, match=r"line 2: field 'choices'.*first letters differ"):
        of_choices(bytewise, "a", *choices)


def test_results_are_taken_with_and_without_a_blank(bytewise: Vocabulary) -> None:
    item = {"question": "1 + 1", "answer": ["2", "two"], "marker": "####"}
    [made] = suite_of(text_of(EXACT, [item]), bytewise).items
    assert made.marker == bytewise.ids("####")
    assert made.expected == tuple(map(bytewise.ids, ("2", " 2", "two", " two")))
    assert made.choices == tuple(sorted({*bytewise.ids("."), *bytewise.ids("\n")}))
    assert made.limit == EXACT["limit"]


def test_results_are_written_as_they_stand_in_place(genesis: Vocabulary) -> None:
    [made] = suite_of(
        text_of(EXACT, [{"question": "They lived happily ever", "answer": "after"}]), genesis
    ).items
    whole = genesis.ids("They lived happily ever after.")
    before = genesis.ids("They lived happily ever")
    assert (*before, *made.expected[1]) == whole[:-1]
    assert whole[-1] in made.choices
    assert made.marker == ()


def test_judged_pairs_have_joints_and_what_a_judge_says(bytewise: Vocabulary) -> None:
    head = JUDGED | {"labels": [" first", " second"]}
    suite = suite_of(text_of(head, [ITEMS["judged"]]), bytewise, JUDGE)
    [item] = suite.items
    assert suite.suite.judge == JUDGE
    joints = [bytewise.ids(one) for one in head["joints"]]
    assert suite.suite.joints == (
        (1, *joints[0]),
        joints[1],
        joints[2],
        (*joints[3], *bytewise.ids(" ")),
    )
    assert item.choices == (*bytewise.ids("f"), *bytewise.ids("s"))
    assert item.expected == (bytewise.ids("dog"),)


@pytest.mark.parametrize(
    ("head", "item", "line", "named"),
    [
        (CHOICE, ITEMS["choice"] | {"question": "q" * 1024}, 2, "'prompt' becomes 1,025"),
        (EXACT, ITEMS["exact"] | {"question": "q" * 1024}, 2, "'prompt' becomes 1,025"),
        (EXACT, ITEMS["exact"] | {"marker": "m" * 17}, 2, "'marker' becomes 17"),
        (EXACT, ITEMS["exact"] | {"answer": "a" * 65}, 2, "'answer' becomes 65"),
        (JUDGED, ITEMS["judged"] | {"reference": "r" * 65}, 2, "'reference' becomes 65"),
        (JUDGED | {"joints": ["j" * 256, "b", "c", "d"]}, ITEMS["judged"], 1, "'joints' becomes"),
        (JUDGED | {"labels": ["x", "xy"]}, ITEMS["judged"], 1, "field 'labels'"),
    ],
)
def test_what_an_item_has_no_room_for_is_refused(
    bytewise: Vocabulary, head: dict[str, object], item: dict[str, object], line: int, named: str
) -> None:
    with pytest.raises(BenchmarkTextError) as caught:
        suite_of(text_of(head, [item]), bytewise, JUDGE)
    assert caught.value.line == line
    assert named in str(caught.value)


def test_a_text_that_spells_a_special_token_is_refused() -> None:
    tokenizer = Tokenizer(BPE({"<unk>": 0, "<s>": 1, "a": 2}, [], unk_token="<unk>"))
    tokenizer.add_special_tokens(["<s>"])
    tokenizer.encode_special_tokens = False
    with pytest.raises(BenchmarkTextError, match="line 3: the text spells the special token"):
        suite_of(
            text_of(
                EXACT,
                [{"question": "a", "answer": "a"}, {"question": "<s>", "answer": "a"}],
            ),
            Vocabulary(tokenizer, bytes(64), 1),
        )


@pytest.mark.parametrize("name", OWN)
def test_ours_can_be_asked_with_tokens_of_any_size(name: str, bytewise: Vocabulary) -> None:
    text = read_text(benchmark_file(name))
    suite = suite_of(text, bytewise, JUDGE)
    assert len(suite.items) == len(text.items) == suite.suite.count
    assert suite_of(text, bytewise, JUDGE) == suite


@pytest.fixture(scope="module")
def suite(genesis: Vocabulary) -> TokenSuite:
    return suite_of(read_text(benchmark_file("own-choice")), genesis)


def test_a_file_gives_the_suite_back(suite: TokenSuite, tmp_path: Path) -> None:
    file = tmp_path / "s"
    file.write_bytes(suite_bytes(suite))
    assert is_suite_file(file)
    assert read_suite(file) == suite
    assert not is_suite_file(benchmark_file("own-choice"))
    (tmp_path / "empty").touch()
    assert not is_suite_file(tmp_path / "empty")


def test_every_item_is_of_the_suite(suite: TokenSuite) -> None:
    tree = MerkleTree.build(TAG_ITEMS, [encode(ITEM, one) for one in suite.items])
    for index, item in enumerate(suite.items):
        assert is_item_of(suite.suite, index, item, tree.path(index))


def test_a_file_with_another_item_is_refused(suite: TokenSuite) -> None:
    changed = replace(suite.items[3], choices=suite.items[3].choices[::-1])
    items = (*suite.items[:3], changed, *suite.items[4:])
    with pytest.raises(SuiteFileError, match="'items_root'"):
        decode_suite(suite_bytes(replace(suite, items=items)), PLACE)


def test_a_file_with_an_item_too_few_is_refused(suite: TokenSuite) -> None:
    with pytest.raises(SuiteFileError, match="'count' is 120, and it has 119"):
        decode_suite(suite_bytes(replace(suite, items=suite.items[:-1])), PLACE)
    none = replace(suite, suite=replace(suite.suite, count=0), items=())
    with pytest.raises(SuiteFileError, match="'count'"):
        decode_suite(suite_bytes(none), PLACE)


def test_bytes_that_are_cut_or_added_are_refused(suite: TokenSuite) -> None:
    data = suite_bytes(suite)
    for spoilt in (data[:-1], data + b"\0", data[:40], b"", b"\x94\xff" + data[2:]):
        with pytest.raises(SuiteFileError, match="--write-suite"):
            decode_suite(spoilt, PLACE)
