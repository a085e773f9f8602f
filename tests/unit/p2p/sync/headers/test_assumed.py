"""The block that an operator vouches for, as it is typed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from esper.p2p.sync.headers.assumed import (
    KEPT_BYTES,
    MOST_HEIGHT,
    AssumedBlock,
    AssumedPath,
    AssumedTextError,
    parse_assumed,
)
from esper.primitives.errors.header_errors import HeightViolation, UnknownParentViolation
from tests.support.net.sync_world import Makers

ID = "3a" * 64


def test_a_height_and_an_id() -> None:
    assert parse_assumed(f"120000:{ID}") == AssumedBlock(120_000, bytes.fromhex(ID))
    assert parse_assumed(f"{MOST_HEIGHT}:{ID}").height == MOST_HEIGHT


@pytest.mark.parametrize(
    "text",
    ["", "1", ID, f"0:{ID}", f"01:{ID}", f"-1:{ID}", f"{MOST_HEIGHT + 1}:{ID}", f"1:{ID[2:]}",
     f"1:{ID}00", f"1:{ID.upper()}", f"1 :{ID}", f"\u0661:{ID}", f"1:{ID}\n"],
)  # fmt: skip
def test_anything_else_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(AssumedTextError, match="HEIGHT:ID"):
        parse_assumed(text)


def test_a_path_takes_what_follows_and_nothing_else() -> None:
    makers = Makers()
    chain = makers.chain(makers.genesis, 3)
    path = AssumedPath(makers.genesis.headers)
    with pytest.raises(UnknownParentViolation):
        path.append(chain[1].header)
    for made in chain[:2]:
        path.append(made.header)
    assert (path.height, path.tip_id) == (2, chain[1].block_id)
    jumped = replace(chain[2].header, pre=replace(chain[2].header.pre, height=4))
    with pytest.raises(HeightViolation):
        path.append(jumped)
    assert path.size == 2 * KEPT_BYTES
    assert path.holds(1, chain[0].block_id)
    assert not path.holds(1, chain[1].block_id)
    assert not path.holds(3, chain[2].block_id)
