"""The console in a browser: a link of `esper console`, a question, an answer."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.node.node_process import BIN, RunningNode, environment, running

pytestmark = pytest.mark.serial

PATIENCE_MS = 120_000
ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("console") / "node"
    with running("node", folder, "--network", "regtest") as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    found = context.new_page()
    found.set_default_timeout(PATIENCE_MS)
    yield found
    context.close()


def link(datadir: Path) -> str:
    told = subprocess.run(
        [BIN / "esper", "console", "--datadir", datadir, "--json"],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    found: str = json.loads(told.stdout)["link"]
    return found


def test_a_link_signs_in_once_and_a_question_is_answered(
    node: RunningNode, browser: Browser, page: Page
) -> None:
    once = link(node.datadir)
    page.goto(once)
    page.locator("#prompt").fill("The little dog")
    assert "#" not in page.url
    assert not page.locator("#publish").is_checked()
    page.locator("#most").fill("8")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("[data-standing]")).to_contain_text(
        "signed, not proven", timeout=PATIENCE_MS
    )
    assert page.locator("[data-said]").inner_text()
    # The cookie is enough for a page that is loaded again; the link is not good any more.
    page.reload()
    expect(page.locator("#prompt")).to_be_visible(timeout=PATIENCE_MS)
    other = browser.new_context()
    second = other.new_page()
    second.goto(once)
    expect(second.locator("[data-signing]")).to_contain_text("esper console", timeout=PATIENCE_MS)
    expect(second.locator("#prompt")).to_be_hidden()
    other.close()
