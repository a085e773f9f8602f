"""The pages of a node in a real browser."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from tests.support.explorer import chromium as c
from tests.support.explorer.site import Site, opened

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(c.PROGRAM is None, reason=c.LACKING),
]


@pytest.mark.parametrize(
    ("width", "scheme", "scripts"), list(product((390, 1280), ("dark", "light"), (True, False)))
)
def test_every_page(site: Site, browser: Browser, width: int, scheme: Any, scripts: bool) -> None:
    watched = c.Watched(site.url)
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=scheme, java_script_enabled=scripts
    )
    watched.watch(context)
    page = context.new_page()
    for path in site.paths():
        answer = page.goto(site.url + path)
        assert answer is not None
        assert answer.status == 200, path
        assert page.locator("h1").count() == 1
        if scripts:
            assert c.overflow(page) <= 0, path
            assert page.evaluate("() => globalThis.taken") is None
    context.close()
    watched.assert_quiet()


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
