"""The pages of a node in a real browser."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.explorer import chromium as c
from tests.support.explorer.site import SIGNED_IN, USAGE, USED, Site, opened, signed_in

pytestmark = [*c.MARKS]


NAMES = ("Blocks", "Mempool", "Tiers", "Miners", "Models", "DAO", "Peers", "Receipt", "Console")
HEADER = ("Skip to content", "Esperchain regtest", "#q", "Search", "switch", *NAMES)
"""What the keyboard comes to before the content of a page."""
FOCUSED = """() => {
  const one = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(one);
  const { top, left, width, height } = one.getBoundingClientRect();
  return {
    name: one.id ? `#${one.id}` : "themeSwitch" in one.dataset ? "switch" : one.textContent.trim(),
    isBody: one === document.body,
    isContent: document.querySelector("#main").contains(one),
    hasRing: outlineStyle !== "none" && parseFloat(outlineWidth) >= 2,
    isSeen: width > 0 && height > 0 && top < innerHeight && top + height > 0,
    box: [top, left, height],
  };
}"""
MOST_STEPS = 40


@pytest.mark.parametrize(
    ("width", "scheme", "scripts"), list(product((390, 1280), ("dark", "light"), (True, False)))
)
def test_every_page(site: Site, browser: Browser, width: int, scheme: Any, scripts: bool) -> None:
    watched = c.Watched(site.url)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
    )
    signed_in(context)
    watched.watch(context)
    page = context.new_page()
    for path in site.paths():
        answer = page.goto(site.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert page.locator("h1").count() == 1
        if scripts and path in SIGNED_IN:
            expect(page.locator(SIGNED_IN[path])).to_be_visible()
        assert c.overflow(page) <= 0, path
        assert page.evaluate("() => globalThis.taken") is None
    context.close()
    watched.assert_quiet()


@pytest.mark.parametrize("width", [360, 390, 700, 1280])
def test_the_usage_is_read_without_scrolling(site: Site, browser: Browser, width: int) -> None:
    """Each number stands within the window, beside what it is a number of."""
    context = browser.new_context(viewport={"width": width, "height": 800})
    signed_in(context)
    page = context.new_page()
    page.goto(f"{site.url}/usage")
    expect(page.locator("[data-days] tr")).to_have_count(len(USAGE["data"]))
    assert page.locator(".scroll").evaluate(c.OVERFLOW) <= 0
    assert c.overflow(page) <= 0
    heads = page.locator("thead th").all()
    names = [head.text_content() for head in heads[1:]]
    cells = page.locator("[data-days] tr").first.locator("td").all()
    assert [cell.get_attribute("data-name") for cell in cells] == names
    assert [cell.inner_text() for cell in cells] == [f"{one:,}" for one in USED.values()]
    told = [cell.evaluate("cell => getComputedStyle(cell, '::before').content") for cell in cells]
    if heads[1].is_visible():
        assert told == ["none"] * len(cells)
    else:
        assert told == [f'"{name}"' for name in names]
    context.close()


def test_what_is_not_there(site: Site, browser: Browser) -> None:
    for width in (390, 1280):
        page, watched = opened(browser, site.url, viewport={"width": width, "height": 800})
        for path, status in ((f"/block/{'0' * 128}", 404), (f"/{'x' * 900}", 404), ("/tx/z", 400)):
            answer = page.goto(site.url + path)
            assert answer is not None
            assert answer.status == status
            assert c.overflow(page) <= 0, path
        page.context.close()
        assert watched.abroad == []


def test_every_page_by_its_keys(site: Site, browser: Browser) -> None:
    """The header in its order, then the content; each that has the focus shows it."""
    context = browser.new_context()
    signed_in(context)
    page = context.new_page()
    for path in site.paths():
        page.goto(site.url + path)
        if path in SIGNED_IN:
            expect(page.locator(SIGNED_IN[path])).to_be_visible()
        found: list[dict[str, Any]] = []
        while len(found) < MOST_STEPS:
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            # Behind the last comes the window's own frame, or the first again.
            if focused["isBody"] or (found and focused["name"] == HEADER[0]):
                break
            found.append(focused)
            assert found[-1]["hasRing"], (path, found[-1])
            assert found[-1]["isSeen"], (path, found[-1])
        assert tuple(one["name"] for one in found[: len(HEADER)]) == HEADER, path
        assert not any(one["isContent"] for one in found[: len(HEADER)]), path
        rest = found[len(HEADER) :]
        assert all(one["isContent"] for one in rest), path
        assert rest or page.locator("#main").locator("a, button, input, [tabindex]").count() == 0
        assert page.locator("[tabindex]:not([tabindex='0']):not([tabindex='-1'])").count() == 0
    context.close()


@pytest.mark.parametrize("width", [390, 640, 900, 1280])
def test_keys_go_as_eyes_do(site: Site, browser: Browser, width: int) -> None:
    page, _ = opened(browser, site.url, viewport={"width": width, "height": 800})
    boxes = []
    for _ in HEADER:
        page.keyboard.press("Tab")
        boxes.append(page.evaluate(FOCUSED)["box"])
    for before, after in pairwise(boxes[1:]):
        is_below = after[0] >= before[0] + before[2] / 2
        assert is_below or after[1] > before[1], (before, after)
    page.context.close()


def test_keys_reach_the_content(site: Site, browser: Browser) -> None:
    page, watched = opened(browser, site.url)
    page.keyboard.press("Tab")
    skip = page.locator("a.skip")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    within = "() => document.querySelector('#main').contains(document.activeElement)"
    assert page.evaluate(within)
    page.context.close()
    watched.assert_quiet()


def test_the_switch_of_the_scheme_is_kept(site: Site, browser: Browser) -> None:
    page, watched = opened(browser, site.url, color_scheme="light")
    ground = "() => getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Dark colours").click()
    dark = page.evaluate(ground)
    assert dark != light
    page.goto(f"{site.url}/models")
    assert page.evaluate(ground) == dark
    page.get_by_role("button", name="Light colours").click()
    assert page.evaluate(ground) == light
    page.context.close()
    watched.assert_quiet()
