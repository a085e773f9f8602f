"""The pages of a node in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from esper.cli.esper.receipts.surroundings import NativeJudge, known_networks
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.ports import Surroundings
from tests.support.explorer import chromium as c
from tests.support.explorer.shown_node import Running, Shown, pages_of, shown_datadir
from tests.support.real_receipt import real_receipt

pytestmark = [
    pytest.mark.serial,
    pytest.mark.skipif(c.PROGRAM is None, reason=c.LACKING),
]


@dataclass(frozen=True)
class Site:
    """Pages with something on them."""

    node: Running
    shown: Shown

    @property
    def url(self) -> str:
        return self.node.url

    def paths(self) -> list[str]:
        plain = ["/", "/models", "/mempool", "/search?q=zz", "/tiers", "/miners", "/peers", "/dao"]
        calls = [f"/call/{self.shown.txids[one]}" for one in ("llm-call", "waiting")]
        txs = [f"/tx/{self.shown.txids[one]}" for one in ("transfer", "llm-call")]
        height = httpx.get(f"{self.url}/live.json", trust_env=False).json()["height"]
        blocks = [f"/block/{height}", "/block/0"]
        return [*plain, "/receipt", *blocks, *txs, *calls, f"/address/{self.shown.address}"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    shown = shown_datadir(folder / "chain")
    with pages_of(folder / "chain", folder) as node:
        yield Site(node, shown)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with c.chromium() as found:
        yield found


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


def opened(browser: Browser, url: str, **more: Any) -> tuple[Page, c.Watched]:
    """A page at a URL, and what it said and asked for."""
    watched = c.Watched(url)
    context = browser.new_context(**more)
    watched.watch(context)
    page = context.new_page()
    page.goto(url)
    return page, watched


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


def put(page: Page, data: bytes) -> None:
    """Give the page a file, and wait for what it says of it."""
    file: Any = {"name": "r.json", "mimeType": "application/json", "buffer": data}
    page.locator("input[type=file]").set_input_files([file])
    expect(page.locator("[data-verdict]")).not_to_have_text("Checking …", timeout=20_000)
    expect(page.locator("[data-verdict]")).not_to_have_text("")


def links(page: Page) -> dict[str, str]:
    """Statuses by the names of links."""
    rows = [one.locator("td").all_inner_texts() for one in page.locator("[data-links] tr").all()]
    return {row[0]: row[1].split(" ")[1] for row in rows if row}


def flipped(data: bytes) -> bytes:
    """The receipt with another letter in its middle, which is in the proof's Base64."""
    at = len(data) // 2
    other = b"A" if data[at : at + 1] != b"A" else b"B"
    return data[:at] + other + data[at + 1 :]


def test_receipts(site: Site, browser: Browser) -> None:
    page, watched = opened(browser, f"{site.url}/receipt")
    data = encode_receipt(real_receipt())
    mutated = flipped(data)
    around = Surroundings(networks=known_networks(), judge=NativeJudge())
    for one, colour in ((data, {"warn"}), (mutated, {"bad"}), (b"{}", {"bad"})):
        put(page, one)
        verdict = judge_bytes(one, around)
        shown = set(str(page.locator("[data-verdict]").get_attribute("class")).split())
        assert shown & colour
        told = {link.name: str(link.status) for link in verdict.links}
        assert links(page) == told
    put(page, bytes(4 * 1024 * 1024 + 1))
    expect(page.locator("[data-verdict]")).to_contain_text("larger than 4 MiB")
    page.context.close()
    watched.assert_quiet()
    used = ["/static/receipt_worker.js", "/static/verifier.wasm"]
    assert set(watched.paths) >= set(used[:1])
