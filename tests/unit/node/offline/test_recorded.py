"""What a data directory holds of a model's answers is found again, and made again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from esper.node.offline.recorded import (
    NotRecordedError,
    call_of,
    work_of,
)
from esper.node.offline.replay import Difference, replayed
from esper.primitives.ids import Txid
from esper.storage.segments.block_files import BlockFiles, StandingBlock
from tests.support.fake_work import FakeInference
from tests.support.node.node_world import PARAMS, go, grown_datadir, node_world, rest, running
from tests.support.vm_world import ALICE

NOW_MS = 1 << 50
LANE_BLOCKS = 3
"""Of our own: until a lane that somebody opened has its answer."""


class FakeEngine:
    """The fake model in the native engine's words; its machine may break."""

    def __init__(self, broken_at: int | None = None) -> None:
        self._inference = FakeInference(PARAMS.model)
        self._broken_at = broken_at

    def generate(
        self, prompts: Sequence[Sequence[int]], max_new: int, top_k: int, threads: int
    ) -> list[tuple[list[int], list[list[tuple[int, int]]]]]:
        (said,) = self._inference.answer([tuple(prompts[0])], max_new, top_k)
        top = [[(one.token, one.logit) for one in at] for at in said.top]
        if self._broken_at is not None and self._broken_at < len(top):
            token, logit = top[self._broken_at][0]
            top[self._broken_at][0] = token, logit + 1
        return [([at[0][0] for at in top], top)]

    def trace(self, tokens: Sequence[int], threads: int, /) -> list[list[bytes]]:
        raise NotImplementedError


def grown(datadir: Path) -> tuple[Txid, Txid, Txid]:
    """Own blocks that answer a call at once and one in its lane; one at the end that waits."""
    calls: list[Txid] = []

    async def grow() -> None:
        async with node_world(datadir) as world, running(world):
            calls.extend(await world.send_calls(50))
            await rest()
            await world.mine(2)
            opened = world.signed(ALICE, world.call(51))
            await world.others_turn(opened, answers=(None,))
            await rest()
            await world.mine(LANE_BLOCKS)
            waits = world.signed(ALICE, world.call(52))
            await world.others_turn(waits, answers=(None,))
            calls.extend((opened.txid, waits.txid))

    grown_datadir(datadir)
    go(grow)
    at_once, in_lane, waits = calls
    return at_once, in_lane, waits


@dataclass
class World:
    """The blocks of a chain, and three calls."""

    blocks: list[StandingBlock]
    at_once: Txid
    in_lane: Txid
    waits: Txid


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    datadir = tmp_path_factory.mktemp("chain")
    calls = grown(datadir)
    return World(list(BlockFiles(datadir).standing(None)), *calls)


def test_the_work_of_every_block_is_made_again(world: World) -> None:
    height = len(world.blocks)
    for one in range(1, height + 1):
        found = work_of(PARAMS, world.blocks, one, now_ms=NOW_MS)
        assert found.height == one
        assert found.what == f"the work of block {one}"
        assert found.model_id == PARAMS.model.model_id
        assert len(found.answers) == PARAMS.puzzle.sequences
        for answer in found.answers:
            assert len(answer.prompt) == PARAMS.puzzle.input_tokens
            assert answer.inputs == answer.prompt + answer.answer[:-1]
        assert replayed(found, FakeEngine(), 1) is None
    for beyond in (0, height + 1):
        with pytest.raises(NotRecordedError, match=f"the chain ends at {height}"):
            work_of(PARAMS, world.blocks, beyond, now_ms=NOW_MS)


@pytest.mark.parametrize(("token", "which"), [(50, "at_once"), (51, "in_lane")])
def test_calls_are_made_again_wherever_they_were_answered(
    world: World, token: int, which: str
) -> None:
    found = call_of(PARAMS.limits, world.blocks, getattr(world, which))
    (answer,) = found.answers
    assert (answer.prompt, answer.max_tokens) == ((1, token), 8)
    assert replayed(found, FakeEngine(), 1) is None
    assert replayed(found, FakeEngine(0), 1) is not None


def test_what_is_not_there_is_said(world: World) -> None:
    with pytest.raises(NotRecordedError, match="no answer in the chain yet"):
        call_of(PARAMS.limits, world.blocks, world.waits)
    with pytest.raises(NotRecordedError, match="is in no block"):
        call_of(PARAMS.limits, world.blocks, Txid(bytes(64)))


def test_the_first_token_that_differs_is_named(world: World) -> None:
    found = work_of(PARAMS, world.blocks, 1, now_ms=NOW_MS)
    broken = replayed(found, FakeEngine(2), 1)
    assert broken is not None
    long = next(n for n, one in enumerate(found.answers) if len(one.answer) > 2)
    answer = found.answers[long]
    assert (broken.sequence, broken.token) == (long, 2)
    assert broken.position == len(answer.prompt) + 1
    assert broken.recorded == answer.top[2]
    assert broken.computed[0] == (answer.top[2][0][0], answer.top[2][0][1] + 1)


def test_an_answer_of_another_length_differs_behind_the_shorter(world: World) -> None:
    found = call_of(PARAMS.limits, world.blocks, world.at_once)
    (answer,) = found.answers
    one = len(answer.answer) - 1
    shorter = replace(answer, answer=answer.answer[:one], top=answer.top[:one])
    cut = replace(found, answers=(shorter,))
    position = len(answer.prompt) - 1 + one
    assert replayed(cut, FakeEngine(), 1) == Difference(0, one, position, (), answer.top[one])
