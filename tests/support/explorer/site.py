"""The pages of a node of fake work, and what a browser does with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page

from tests.support.explorer.chromium import Watched
from tests.support.explorer.shown_node import Running, Shown

ROUTES = (
    *("/", "/models", "/mempool", "/search?q=zz", "/tiers", "/miners", "/peers", "/dao"),
    *("/receipt", "/console", "/usage"),
)
"""Paths that name nothing of the chain."""

SIGNED_IN = {"/console": "#prompt", "/usage": "[data-days] tr:first-child"}
"""Pages for whoever is signed in, and what they show then."""
USED = {
    "requests": 86_400,
    "prompt_tokens": 22_118_400,
    "answer_tokens": 11_059_200,
    "serve": 6_635_520_000,
    "proof": 663_552_000_000,
}
"""A request each second, of 256 and 128 tokens: the widest that a day may be expected to be."""
USAGE = {
    "data": [{"day": "2026-12-01", **USED}, {"day": "2026-12-02", **USED}],
    "budget": {"spent": 123_456_789, "reserved": 0, "limit": 10**12, "ends": 1_800_000_000},
}


@dataclass(frozen=True)
class Site:
    """Pages with something on them."""

    node: Running
    shown: Shown

    @property
    def url(self) -> str:
        return self.node.url

    def paths(self) -> list[str]:
        """Of every route."""
        calls = [f"/call/{self.shown.txids[one]}" for one in ("llm-call", "waiting")]
        txs = [f"/tx/{self.shown.txids[one]}" for one in ("transfer", "llm-call")]
        blocks = [f"/block/{self.node.world.height}", "/block/0"]
        more = ["/?from=12", "/search", *blocks, *txs, *calls]
        return [*ROUTES, *more, f"/address/{self.shown.address}"]


def signed_in(context: BrowserContext) -> None:
    """As if a gateway were there and knew the visitor: it is no part of this node."""
    context.route("**/console/session", lambda route: route.fulfill(json={"page": "0" * 32}))
    context.route("**/v1/usage*", lambda route: route.fulfill(json=USAGE))


def opened(browser: Browser, url: str, **more: Any) -> tuple[Page, Watched]:
    """A page at a URL, and what it said and asked for."""
    watched = Watched(url)
    context = browser.new_context(**more)
    watched.watch(context)
    page = context.new_page()
    page.goto(url)
    return page, watched
