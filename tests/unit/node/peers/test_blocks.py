"""Blocks for peers: what of this node's troubles a peer is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import trio

from esper.node.peers.blocks import NodeBlocks
from esper.p2p.service.answering import NotHere
from esper.p2p.wire.talk_messages import REFUSED_PRUNED, REFUSED_UNKNOWN
from esper.primitives.ids import BlockId
from esper.storage.errors import ProofPrunedError, StorageError

ID = BlockId(b"i" * 64)


class Reader:
    """Reads nothing."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*about: object) -> None:
            raise self._error

        return fail


async def _asked(blocks: NodeBlocks, what: str) -> object:
    match what:
        case "headers":
            return await blocks.headers_after((ID,), 1)
        case "body":
            return await blocks.body(ID)
        case "proof":
            return await blocks.proof(ID)
    return await blocks.whole(ID)


@pytest.mark.parametrize("what", ["headers", "body", "proof", "whole"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ProofPrunedError(7), REFUSED_PRUNED),
        (StorageError("damaged"), REFUSED_UNKNOWN),
        (KeyError("not there"), REFUSED_UNKNOWN),
        (OSError("the disk"), REFUSED_UNKNOWN),
    ],
    ids=["pruned", "damaged", "not there", "unreadable"],
)
def test_what_cannot_be_read_is_refused(what: str, error: Exception, code: int) -> None:
    async def main() -> None:
        reader: Any = Reader(error)
        with pytest.raises(NotHere) as caught:
            await _asked(NodeBlocks(reader), what)
        assert caught.value.code == code

    trio.run(main)


def test_an_error_of_ours_is_none_of_them() -> None:
    async def main() -> None:
        reader: Any = Reader(ZeroDivisionError())
        with pytest.raises(ZeroDivisionError):
            await NodeBlocks(reader).body(ID)

    trio.run(main)
