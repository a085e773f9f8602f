"""Pages that go on by the node's stream of events, and what they say where it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.explorer import chromium as c
from tests.support.explorer.site import Site
from tests.support.node.node_world import pay
from tests.support.vm_world import BOB, CAROL

pytestmark = [*c.MARKS]
PATIENCE_MS = 30_000
NO_CLOCK = """
const steadily = globalThis.setInterval;
globalThis.setInterval = (act, ms, ...more) => (ms >= 2000 ? 0 : steadily(act, ms, ...more));
"""
"""Nothing is done again after two seconds or more: no page looks by itself."""
BREAKABLE = """
const Whole = globalThis.EventSource;
globalThis.sources = [];
globalThis.EventSource = class extends Whole {
  constructor(path) {
    super(path);
    globalThis.sources.push(this);
  }
};
"""
SET_CLOCK = """
globalThis.moment = 0;
performance.now = () => globalThis.moment;
"""
"""The page's clock goes when a test says so; what waits a while still does."""
HURRIED = """
const steadily = globalThis.setInterval;
globalThis.setInterval = (act, ms, ...more) => steadily(act, ms > 2000 ? 500 : ms, ...more);
"""


@pytest.fixture
def context(site: Site, browser: Browser) -> Iterator[BrowserContext]:
    watched = c.Watched(site.url)
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    watched.watch(context)
    yield context
    context.close()
    assert watched.abroad == []


def state(page: Page) -> Any:
    return expect(page.locator("[data-live]"))


def live(context: BrowserContext, url: str) -> Page:
    """A page that hears the node."""
    page = context.new_page()
    page.goto(url)
    state(page).to_have_text("● live", timeout=PATIENCE_MS)
    return page


def height(site: Site) -> str:
    return f"{site.node.world.height:,}"


def block(site: Site) -> None:
    """Somebody else's, an empty one."""
    site.node.run(site.node.world.others_turn)


def test_a_block_is_shown_when_the_node_tells_it(site: Site, context: BrowserContext) -> None:
    context.add_init_script(NO_CLOCK)
    first, waiting = live(context, site.url), live(context, f"{site.url}/mempool")
    tip = live(context, f"{site.url}/block/{site.node.world.height}")
    expect(tip.locator("nav a, .pages a").filter(has_text="→")).to_have_count(0)
    for _ in range(2):
        block(site)
        row = first.locator("[data-fresh=blocks] tr").first
        expect(row.locator("td").first).to_have_text(height(site), timeout=PATIENCE_MS)
        expect(row).to_have_class("new")
        for page in (first, waiting):
            foot = page.locator("footer")
            expect(foot).to_contain_text(f"Height {height(site)} ", timeout=PATIENCE_MS)
    expect(tip.locator(".pages a").filter(has_text="→")).to_have_count(1, timeout=PATIENCE_MS)
    expect(tip.locator("[data-fresh=confirmations]")).to_contain_text("3 ", timeout=PATIENCE_MS)
    # Whoever hears the page is told.
    expect(first.locator("[data-told]")).to_contain_text("Block ")
    state(first).to_have_text("● live")


def test_whoever_hears_a_page_is_told_once_in_ten_seconds(
    site: Site, context: BrowserContext
) -> None:
    """A block each second is no speech without end."""
    context.add_init_script(NO_CLOCK)
    context.add_init_script(SET_CLOCK)
    page = live(context, site.url)
    told = page.locator("[data-told][aria-live=polite]")
    expect(told).to_have_text("")

    def block_at(moment_ms: int) -> str:
        """What is said once the page shows a block that comes then."""
        page.evaluate(f"() => {{ globalThis.moment = {moment_ms} }}")
        block(site)
        foot = page.locator("footer")
        expect(foot).to_contain_text(f"Height {height(site)} ", timeout=PATIENCE_MS)
        return told.inner_text()

    begin_ms = 5_000
    first = block_at(begin_ms)
    assert first == f"Block {site.node.world.height}"
    assert block_at(begin_ms + 3_000) == first
    assert block_at(begin_ms + 9_999) == first
    second = block_at(begin_ms + 10_000)
    assert second == f"Block {site.node.world.height}"
    # Ten seconds from what was said, not from what was not.
    assert block_at(begin_ms + 19_999) == second
    assert block_at(begin_ms + 20_000) == f"Block {site.node.world.height}"


def test_what_comes_to_wait_is_shown(site: Site, context: BrowserContext) -> None:
    context.add_init_script(NO_CLOCK)
    first, pool = live(context, site.url), live(context, f"{site.url}/mempool")
    rows = pool.locator("[data-fresh=waiting] tbody tr")
    before = rows.count()
    sent = site.node.run(partial(site.node.world.send, CAROL, pay(BOB)))
    expect(rows).to_have_count(before + 1, timeout=PATIENCE_MS)
    expect(pool.get_by_text(sent.txid.hex())).to_have_count(1)
    expect(first.locator("[data-fresh=facts]")).to_contain_text(
        f"{before + 1} waiting", timeout=PATIENCE_MS
    )
    page = live(context, f"{site.url}/tx/{sent.txid.hex()}")
    expect(page.locator("[data-fresh=standing]")).to_contain_text("waiting")
    site.node.run(partial(site.node.world.others_turn, sent))
    expect(page.locator("[data-fresh=standing]")).to_contain_text("proven", timeout=PATIENCE_MS)
    expect(rows).to_have_count(before, timeout=PATIENCE_MS)


def test_a_stream_that_breaks(site: Site, context: BrowserContext) -> None:
    """The page says so and looks by itself; when the node is away it says that."""
    context.add_init_script(BREAKABLE)
    context.add_init_script(HURRIED)
    page = live(context, site.url)
    site.node.gate.is_open = False
    try:
        page.evaluate("() => sources[0].close()")
        page.evaluate("() => sources[0].dispatchEvent(new Event('error'))")
        state(page).to_have_text("○ looks every 15 s", timeout=PATIENCE_MS)
        block(site)
        expect(page.locator("footer")).to_contain_text(
            f"Height {height(site)} ", timeout=PATIENCE_MS
        )
        state(page).to_have_text("○ looks every 15 s")
        # One that is refused from the beginning.
        other = context.new_page()
        other.goto(f"{site.url}/mempool")
        state(other).to_have_text("○ looks every 15 s")
        block(site)
        expect(other.locator("footer")).to_contain_text(
            f"Height {height(site)} ", timeout=PATIENCE_MS
        )
        other.route("**/mempool", lambda route: route.abort())
        state(other).to_have_text("× the node does not answer", timeout=PATIENCE_MS)
        other.unroute("**/mempool")
        state(other).to_have_text("○ looks every 15 s", timeout=PATIENCE_MS)
    finally:
        site.node.gate.is_open = True


def test_a_page_that_shows_another_block_now(site: Site, context: BrowserContext) -> None:
    """As after a reorganisation: nothing of two blocks stands on one page."""
    number = site.node.world.height
    page = live(context, f"{site.url}/block/{number}")
    told = page.locator("[data-fresh=confirmations]").inner_text()
    other = f"{site.url}/block/{number - 1}"
    page.route(f"**/block/{number}", lambda route: route.fulfill(response=route.fetch(url=other)))
    block(site)
    state(page).to_have_text("× the chain changed: load the page again", timeout=PATIENCE_MS)
    assert page.locator("[data-fresh=confirmations]").inner_text() == told


def test_what_somebody_uses_is_left_alone(site: Site, context: BrowserContext) -> None:
    page = live(context, site.url)
    page.locator("[data-fresh=blocks] a").first.focus()
    first = page.locator("[data-fresh=blocks] td").first.inner_text()
    block(site)
    expect(page.locator("footer")).to_contain_text(f"Height {height(site)} ", timeout=PATIENCE_MS)
    assert page.locator("[data-fresh=blocks] td").first.inner_text() == first
    page.locator("#q").focus()
    block(site)
    rows = page.locator("[data-fresh=blocks] td").first
    expect(rows).to_have_text(height(site), timeout=PATIENCE_MS)
