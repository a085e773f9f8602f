"""What a machine that cannot take blocks says: not each second, and for as long as it lasts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import trio
import trio.testing

from esper.node.peers.jobs import TELL_AGAIN_S, ChainJobs
from esper.p2p.ports import Adopt, Adopted
from esper.storage.errors import StorageError

FULL = StorageError("the disk is full; free some space")


class Chain:
    """Its disk is full until a test frees it."""

    def __init__(self) -> None:
        self.failure: Exception | None = FULL

    async def adopt_many(self, blocks: object) -> Any:
        return SimpleNamespace(done=0, failure=self.failure)


def test_a_trouble_that_lasts_is_told_each_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        chain: Any = Chain()
        jobs = ChainJobs(chain, lambda block: None)

        async def adopt() -> object:
            adopted = await jobs.run(Adopt("key", ()))
            assert isinstance(adopted, Adopted)
            return adopted.failure

        for _ in range(TELL_AGAIN_S * 2 + 1):
            assert await adopt() is not None
            assert jobs.trouble == str(FULL)
            await trio.sleep(1)
        assert [one.getMessage() for one in caplog.records] == [
            f"a block could not be taken here: {FULL}"
        ] * 3
        chain.failure = ValueError("odd")
        assert await adopt() is not None
        assert caplog.records[-1].getMessage().endswith("here: ValueError: odd")
        chain.failure = None
        assert await adopt() is None
        assert jobs.trouble == ""

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
