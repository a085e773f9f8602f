"""What the log says while a node catches up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from esper.node.peers.progress import Progress
from tests.unit.node.peers.test_standing import CATCHING


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
