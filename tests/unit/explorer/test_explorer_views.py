"""Whether a node shows pages, and to whom."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

from esper.explorer.port import ChainReader, UnreadMethodError
from esper.node.settings import Settings
from esper.node.views.explorer_views import explorer_of
from esper.primitives.networks import MAINNET, REGTEST
from esper.primitives.params import NetworkParameters
from esper.rpc import methods as m
from tests.support.node.fake_node import FakeNode


def test_pages_ask_for_nothing_that_acts() -> None:
    reader = ChainReader(FakeNode())

    async def ask() -> None:
        await reader.ask(m.GENERATE, blocks=1)

    with pytest.raises(UnreadMethodError, match="generate"):
        trio.run(ask)


@pytest.mark.parametrize(
    ("changes", "params", "shows"),
    [
        ({}, REGTEST, True),
        ({}, MAINNET, False),
        ({"explorer": "off"}, REGTEST, False),
        ({"explorer": "on"}, MAINNET, True),
        ({"rpc_host": "0.0.0.0"}, REGTEST, False),
        ({"rpc_hosts": ("node.example",)}, REGTEST, False),
        ({"explorer": "on", "rpc_hosts": ("node.example",)}, REGTEST, True),
    ],
)
def test_who_chose_pages_has_them(
    changes: dict[str, Any], params: NetworkParameters, shows: bool, tmp_path: Path
) -> None:
    settings = replace(Settings(datadir=tmp_path), **changes)
    assert bool(explorer_of(FakeNode(), settings, params, lambda: 0)) is shows
