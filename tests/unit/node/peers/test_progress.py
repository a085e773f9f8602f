"""What the log says while a node catches up."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from esper.node.peers.progress import EVERY_MS, Progress
from esper.p2p.sync.sync_state import SyncState
from tests.unit.node.peers.test_standing import CATCHING, NEAR


@pytest.mark.parametrize(
    ("pace", "told"),
    [
        (0.0, "at block 7 of 1204, 98 seconds to go"),
        (12.25, "at block 7 of 1204, 12.2 blocks a second, 98 seconds to go"),
    ],
)
def test_a_pace_is_told_once_it_is_measured(
    caplog: pytest.LogCaptureFixture, pace: float, told: str
) -> None:
    block: Any = None
    with caplog.at_level("INFO"):
        Progress(lambda: replace(CATCHING, blocks_per_s=pace), lambda: 0).brought(block)
    assert [one.getMessage() for one in caplog.records] == [told]


BLOCK: Any = SimpleNamespace(
    header=SimpleNamespace(pre=SimpleNamespace(height=7)), block_id=bytes(64)
)
FAR = "at block 7 of 1204, 12.2 blocks a second, 98 seconds to go"
THERE = "at block 7 of 7"
ONE = f"block 7 {'0' * 16} from a peer"


def test_progress_is_told_now_and_then_and_each_block_once_it_is_there(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now, state = 0, CATCHING
    progress = Progress(lambda: state, lambda: now)

    def brought(at: int, how: SyncState) -> list[str]:
        nonlocal now, state
        now, state = at, how
        caplog.clear()
        progress.brought(BLOCK)
        return caplog.messages

    with caplog.at_level("INFO"):
        assert brought(0, CATCHING) == [FAR]
        assert brought(EVERY_MS - 1, CATCHING) == []
        assert brought(EVERY_MS, CATCHING) == [FAR]
        # Its arrival is told at once, then a line a block.
        assert brought(EVERY_MS + 1, NEAR) == [THERE]
        assert brought(EVERY_MS + 2, NEAR) == [ONE]
        assert brought(EVERY_MS + 3, replace(CATCHING, target_height=3)) == []
        assert brought(EVERY_MS * 3, replace(CATCHING, target_height=3)) == [
            FAR.replace("1204", "7")
        ]


def test_who_is_near_from_the_start_is_told_of_each_block(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Progress(lambda: NEAR, lambda: 0).brought(BLOCK)
    assert caplog.messages == [ONE]
