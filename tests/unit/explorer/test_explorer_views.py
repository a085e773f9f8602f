"""Whether a node shows pages, and to whom."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from esper.explorer.port import ChainReader, UnreadMethodError
from esper.http.routes import Route
from esper.node.settings import Settings
from esper.node.views.explorer_views import explorer_of
from esper.primitives.networks import MAINNET, REGTEST
from esper.primitives.params import NetworkParameters
from esper.rpc import methods as m
from tests.support.gateway.gateway_world import gateway_world
from tests.support.node.fake_node import FakeNode, served
from tests.support.node.fake_node import settings as rpc_settings


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


def test_every_page_leads_to_the_console_of_a_gateway(tmp_path: Path) -> None:
    """The one that signs people in: nobody can without a chain, and so without its keys."""

    def leads(others: Sequence[Route[Any]]) -> set[bool]:
        shown = explorer_of(FakeNode(), Settings(datadir=tmp_path), REGTEST, lambda: 0, others)
        with served(FakeNode(), rpc_settings(tmp_path), shown) as port:
            url = f"http://127.0.0.1:{port}"
            with httpx.Client(base_url=url, trust_env=False, headers={"accept": "text/html"}) as it:
                pages = [it.get(path).text for path in ("/", "/console", "/usage", "/nothing")]
        return {'<a href="/console"' in page.split("</nav>")[0] for page in pages}

    with gateway_world(tmp_path) as world:
        assert leads(world.routes) == {True}
    with gateway_world(None) as world:
        assert leads(world.routes) == {False}
    assert leads([]) == {False}
