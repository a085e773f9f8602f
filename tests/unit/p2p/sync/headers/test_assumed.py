"""The block that an operator vouches for, as it is typed."""

from __future__ import annotations

import pytest

from esper.p2p.sync.headers.assumed import (
    MOST_HEIGHT,
    AssumedBlock,
    AssumedTextError,
    parse_assumed,
)

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
