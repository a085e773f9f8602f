"""What the chain answers machines: where branches part, which block stands where, how it stands."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from esper.node.chain.block_judge import JudgementError
from esper.node.chain.sync_state import LEAST_MS
from esper.node.peers.chain_port import NodeChain
from esper.primitives.errors.consequences import Stage
from esper.primitives.errors.header_errors import HeightViolation
from esper.primitives.ids import BlockId
from esper.storage.errors import UnknownBlockError

TIP, NOW, WEIGHT = 3, 1_000_000_000, 50
VIOLATION = HeightViolation(7, 8)


def named(word: str) -> BlockId:
    return BlockId(word.encode().ljust(64, b"."))


CHAIN = tuple(named(f"block {height}") for height in range(TIP + 1))


class Index:
    """Heights of a chain of four blocks; ``lost`` has left it meanwhile."""

    def __init__(self) -> None:
        self.genesis = SimpleNamespace(block_id=CHAIN[0])
        self.tip = SimpleNamespace(height=TIP)
        self.lost: int | None = None

    def height_of(self, block_id: BlockId) -> int | None:
        assert isinstance(block_id, bytes)
        return CHAIN.index(block_id) if block_id in CHAIN else None

    def entry(self, height: int) -> Any:
        assert 0 < height <= TIP, "asked for what it cannot have"
        if height == self.lost:
            raise UnknownBlockError
        return SimpleNamespace(block_id=CHAIN[height])


class World:
    """A port and what stands behind it."""

    def __init__(self, *, minimum_weight: int = 0) -> None:
        self.index = Index()
        self.parents: dict[BlockId, BlockId | None] = {}
        self.tip: Any = SimpleNamespace(
            params=SimpleNamespace(difficulty=SimpleNamespace(retargets=True, spacing_ms=1)),
            times_ms=(NOW - LEAST_MS,),
            height=TIP,
            weight=WEIGHT,
        )
        store = SimpleNamespace(index=self.index)
        self.judged: list[tuple[object, ...]] = []
        self.refuses = False
        chain: Any = SimpleNamespace(
            view=SimpleNamespace(store=store, context=self.tip),
            judging=SimpleNamespace(judge_header=self._judge),
        )
        manager: Any = SimpleNamespace(known=SimpleNamespace(parent_of=self._parent_of))
        self.port = NodeChain(chain, manager, lambda: NOW, minimum_weight)

    def _parent_of(self, block_id: BlockId) -> BlockId | None:
        return self.parents[block_id]

    def _judge(self, *about: object) -> None:
        self.judged.append(about)
        if self.refuses:
            raise JudgementError(Stage.HEADER, VIOLATION, None)


@pytest.mark.parametrize("height", range(TIP + 1))
def test_a_branch_parts_at_its_last_block_of_ours(height: int) -> None:
    world = World()
    world.parents = {named("b"): named("a"), named("a"): CHAIN[height]}
    assert world.port.fork_height(named("b")) == height
    assert world.port.fork_height(CHAIN[height]) == height


def test_a_branch_that_is_known_in_part_or_was_just_forgotten_parts_nowhere() -> None:
    world = World()
    world.parents = {named("b"): named("a"), named("a"): None}
    assert world.port.fork_height(named("b")) is None
    assert world.port.fork_height(named("unknown")) is None


def test_the_block_of_a_height_is_ours_or_none() -> None:
    world = World()
    for height, expected in enumerate(CHAIN):
        assert world.port.id_at(height) == expected
    world.index.lost = 2
    for outside in (-1, 2, TIP + 1, TIP + 2):
        with pytest.raises(LookupError):
            world.port.id_at(outside)


def test_the_tip_is_current_if_it_is_of_now_and_weighs_enough() -> None:
    assert World().port.tip_is_current()
    assert World(minimum_weight=WEIGHT).port.tip_is_current()
    assert not World(minimum_weight=WEIGHT + 1).port.tip_is_current()
    old = World()
    old.tip.times_ms = (NOW - LEAST_MS - 1,)
    assert not old.port.tip_is_current()


def test_a_header_is_judged_and_refused_with_its_rule() -> None:
    world = World()
    about: Any = ("header", "its parent")
    world.port.check_header(*about)
    assert world.judged == [about]
    world.refuses = True
    with pytest.raises(HeightViolation) as caught:
        world.port.check_header(*about)
    assert caught.value is VIOLATION
