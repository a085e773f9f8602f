"""Pairs of salts, asked of engines that are made for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from esper.consensus.batch import input_tokens
from esper.model.package.salt_pairs import PAIRS, salt_blind
from esper.primitives.networks import MAINNET
from esper.primitives.prompt import BankPrompt

PUZZLE, MODEL = MAINNET.puzzle, MAINNET.model
BANK = tuple(
    BankPrompt(bytes(64), (500 + number, 9, 9, 9), ((1, 2),), bytes(64)) for number in range(20)
)
PROMPT = 4


def fill(seed: bytes, position: int, prompt: BankPrompt) -> Sequence[int]:
    return input_tokens(seed, position, prompt, PUZZLE, MODEL)


class MadeEngine:
    """Answers of three tokens, whose lists hold a number made from the sequence."""

    def __init__(self, number: Callable[[Sequence[int], int], int]) -> None:
        self._number = number
        self.asked: list[Sequence[int]] = []

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, top_k: int, threads: int
    ) -> list[tuple[list[int], list[list[tuple[int, int]]]]]:
        assert (max_new, top_k, threads) == (16, 4, 1)
        self.asked += prompts
        lists = [[[(7, self._number(one, at))] for at in range(3)] for one in prompts]
        return [([7] * 3, one) for one in lists]


def blind(engine: MadeEngine, seed: bytes = bytes(64)) -> tuple[int, ...]:
    return salt_blind(engine, BANK, fill, seed, (16, 4), 1)


def test_an_engine_that_reads_everything() -> None:
    engine = MadeEngine(lambda tokens, at: hash((tuple(tokens), at)))
    assert blind(engine) == ()
    assert len(engine.asked) == 2 * PAIRS
    assert {len(one) for one in engine.asked} == {PUZZLE.input_tokens}


def test_the_two_differ_in_their_salt_alone() -> None:
    engine = MadeEngine(lambda tokens, at: hash((tuple(tokens), at)))
    blind(engine)
    for first, second in zip(engine.asked[::2], engine.asked[1::2], strict=True):
        assert first[0] == second[0] == MODEL.bos
        assert first[1:-PROMPT] != second[1:-PROMPT]
        assert first[-PROMPT:] == second[-PROMPT:], "the masks are filled alike"
    masks = {tuple(one[-PROMPT + 1 : -1]) for one in engine.asked}
    assert len(masks) > PAIRS // 2


def test_an_engine_that_reads_the_prompt_alone() -> None:
    found = blind(MadeEngine(lambda tokens, at: hash((tuple(tokens[-PROMPT:]), at))))
    assert len(found) > 15


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_list_is_enough(place: int) -> None:
    engine = MadeEngine(lambda tokens, at: 5 if at == place else hash((tuple(tokens), at)))
    assert len(blind(engine)) > 15


def test_one_prompt_is_enough() -> None:
    engine = MadeEngine(lambda tokens, at: 5 if tokens[-PROMPT] == 507 else hash(tuple(tokens)))
    assert blind(engine) == (7,)


def test_another_seed_asks_other_things() -> None:
    asked = []
    for seed in (bytes(64), bytes([1]) * 64):
        engine = MadeEngine(lambda tokens, at: hash((tuple(tokens), at)))
        blind(engine, seed)
        asked.append(engine.asked)
    assert asked[0] != asked[1]
