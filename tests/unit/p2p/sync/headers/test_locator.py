"""Locators: which blocks are named, and how few answers show where a chain parts from ours."""

import pytest

from esper.p2p.limits import MOST_LOCATOR
from esper.p2p.sync.headers.locator import locator_between, locator_of, parts_below
from esper.p2p.wire.talk_messages import GetHeaders
from tests.support.net.sync_world import UNIT, FakeChain, Makers, World


def chain_of(count: int) -> FakeChain:
    makers = Makers()
    chain = FakeChain(makers, 16)
    for made in makers.chain(makers.genesis, count):
        chain.known[made.block_id] = made
        chain.chain.append(made)
    return chain


def heights(chain: FakeChain, locator: tuple[bytes, ...]) -> list[int | None]:
    return [chain.height_on_chain(one) for one in locator]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "undo", "deep", "expected"),
    [
        (0, 16, False, [0]),
        (1, 16, False, [1, 0]),
        (3, 16, False, [3, 2, 1, 0]),
        (100, 16, False, [100, 99, 98, 96, 92, 84, 0]),
        (100, 24, False, [100, 99, 98, 96, 92, 84, 76, 0]),
        (100, 16, True, [100, 99, 98, 96, 92, 84, 68, 36, 0]),
    ],
)
def test_a_locator_doubles_its_steps_down_to_the_undo_depth(
    count: int, undo: int, deep: bool, expected: list[int]
) -> None:
    chain = chain_of(count)
    assert heights(chain, locator_of(chain, undo, deep=deep)) == expected


def test_a_span_is_named_evenly_with_its_lower_end() -> None:
    chain = chain_of(100)
    assert heights(chain, locator_between(chain, 7, 11)) == [10, 9, 8, 7]
    named = heights(chain, locator_between(chain, 0, 100))
    assert len(named) == MOST_LOCATOR
    assert named[-1] == 0
    assert named == sorted(set(named), reverse=True)  # type: ignore[type-var]


def test_the_next_higher_block_that_was_named_is_not_the_peers() -> None:
    chain = chain_of(100)
    locator = locator_of(chain, 16, deep=False)
    assert parts_below(chain, locator, locator[3], None) == 98
    assert parts_below(chain, locator, locator[0], None) == 101
    assert parts_below(chain, locator, locator[0], 100) == 100
    assert parts_below(chain, locator, locator[3], 97) == 97


@pytest.mark.parametrize("parts_at", [1, 40, 700, 1_234, 1_937])
def test_a_fork_of_any_depth_is_found_with_few_requests(parts_at: int) -> None:
    world = World()
    world.chain.current = False
    makers = world.makers
    blocks = makers.chain(makers.genesis, 2_000)
    world.stand_on(blocks[-1])
    world.sync._check._ended_at = 2_000
    other = makers.chain(blocks[parts_at - 1], 1_999 - parts_at, 2 * UNIT)[-1]
    number = world.honest(other)
    world.until(lambda: world.sync.state.owed == 1, ms=60_000)
    [owed] = world.sync._check._owed.values()
    assert owed.fork.height == parts_at
    asked = [one for _, peer, one in world.asked if peer == number and isinstance(one, GetHeaders)]
    assert len(asked) <= 8
