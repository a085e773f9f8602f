"""Blocks that are mined when somebody asks for them."""

from pathlib import Path

import pytest
import trio
import trio.testing

from esper.node.mining import mining_service
from tests.support.crash.crash_world import open_node


def test_a_block_that_is_asked_for_is_begun_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What waits for the next look at new content would wait for ever.
    monkeypatch.setattr(mining_service, "REFRESH_S", 1e6)

    async def main() -> None:
        with open_node(tmp_path) as node:
            mining = node.mining()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(mining.run)
                with trio.fail_after(30):
                    await trio.testing.wait_all_tasks_blocked()
                    first = await mining.control.generate(1, None)
                    more = await mining.control.generate(2, None)
                assert len({*first, *more}) == 3
                assert node.manager.context.height == 3
                nursery.cancel_scope.cancel()

    trio.run(main)
