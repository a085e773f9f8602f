"""The console in a browser: a link of `esper console`, a question, an answer."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.explorer.chromium import MARKS, chromium
from tests.support.node.node_process import BIN, RunningNode, User, environment, running, until

pytestmark = [*MARKS]

PATIENCE_MS = 120_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    folder = tmp_path_factory.mktemp("console") / "node"
    with running("node", folder, "--network", "regtest", gateway=True) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


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


def generate(node: RunningNode, blocks: int) -> None:
    words = [str(BIN / "esperd"), "generate", str(blocks), "--datadir", str(node.datadir)]
    subprocess.run(words, check=True, capture_output=True, env=environment())


def fund(node: RunningNode) -> None:
    """Credits for the gateway's account."""
    owner = User(node.datadir, "demo", wallet="demo")
    owner.run("wallet", "import", "--demo", "--network", "regtest")
    generate(node, 7)
    owner.run("stake", "20", "--yes")
    generate(node, 2)
    [model, *_] = until("a model", lambda: httpx.get(f"{node.url}v1/models").json()["data"] or None)
    owner.run("credits", "send", model["esper"]["gateway"], "20", "--yes")
    generate(node, 1)


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
    page.goto(f"{node.url}usage")
    expect(page.locator("[data-days] tr")).to_have_count(1, timeout=PATIENCE_MS)
    assert page.locator("[data-days] td").first.inner_text() == "1"
    page.get_by_role("navigation").get_by_role("link", name="Console").click()
    expect(page.locator("#prompt")).to_be_visible(timeout=PATIENCE_MS)
    stranger = browser.new_context().new_page()
    stranger.goto(f"{node.url}usage")
    # Without the cookie it is the account of this machine's programs, which asked nothing.
    expect(stranger.locator("[data-told]")).to_contain_text("Nothing was asked")
    stranger.context.close()


def verdict(page: Page, node: RunningNode, receipt: str) -> str:
    """What the page of receipts makes of one: ok, warn or bad."""
    page.goto(f"{node.url}receipt")
    file: Any = {"name": "r.json", "mimeType": "application/json", "buffer": receipt.encode()}
    page.locator("input[type=file]").set_input_files([file])
    told = page.locator("[data-verdict]")
    expect(told).to_have_class(re.compile("ok|warn|bad"), timeout=PATIENCE_MS)
    return str(told.get_attribute("class")).removeprefix("verdict ")


def links(page: Page) -> dict[str, str]:
    """Statuses by the names of links, as the page shows them."""
    rows = [one.locator("td") for one in page.locator("[data-links] tbody tr").all()]
    return {row.nth(0).inner_text(): row.nth(1).inner_text().split(" ")[1] for row in rows}


def verified(node: RunningNode, receipt: str, *more: str | Path) -> dict[str, str]:
    """The same of the command, which finds nothing wrong."""
    file = node.datadir.parent / "receipt.json"
    file.write_text(receipt, encoding="ascii")
    found = User(node.datadir, "demo").json("verify", file, "--tokenizer", "genesis", *more)
    assert found["exit"] == 0
    return {one["name"]: one["status"] for one in found["links"]}


def test_what_is_published_turns_from_signed_to_proven(node: RunningNode, page: Page) -> None:
    fund(node)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(link(node.datadir))
    page.locator("#prompt").fill("The little dog")
    page.locator("#most").fill("8")
    page.locator("#publish").check()
    page.get_by_role("button", name="Ask").click()
    standing = page.locator("[data-standing]")
    expect(standing).to_contain_text("signed, not proven", timeout=PATIENCE_MS)
    # Each publication is asked for by itself.
    assert not page.locator("#publish").is_checked()

    def proven() -> bool | None:
        generate(node, 1)
        return standing.inner_text().startswith("● proven") or None

    until("the answer to be proven", proven)

    # Its receipt is green in any browser, without its work it is not, and a changed one is red.
    [path] = {one.removesuffix("/events") for one in asked if one.startswith("/v1/receipts/")}

    def proof() -> str | None:
        found: str = page.evaluate("path => fetch(path).then(answer => answer.text())", path)
        return found if '"kind":"proof"' in found else None

    receipt = until("the receipt with its proof", proof)
    assert verdict(page, node, receipt) == "ok"
    expect(page.locator("[data-verdict]")).to_contain_text("proven. That the chain holds it: not")
    of_command = verified(node, receipt)
    assert links(page) == of_command | {"text": "open"}
    assert (of_command["text"], of_command["work"]) == ("ok", "ok")
    without_work = re.sub(r',"work":\{[^}]*\}', "", receipt)
    assert verdict(page, node, without_work) == "warn"
    other = "A" if receipt[len(receipt) // 2] != "A" else "B"
    changed = receipt[: len(receipt) // 2] + other + receipt[len(receipt) // 2 + 1 :]
    assert verdict(page, node, changed) == "bad"

    # Its anchor comes later: then this node's word is enough for what is left.
    def anchored() -> str | None:
        generate(node, 3)
        found: str = page.evaluate("path => fetch(path).then(answer => answer.text())", path)
        return found if '"anchor":{' in found else None

    whole = until("the anchor", anchored)
    assert verdict(page, node, whole) == "ok"
    expect(page.locator("[data-verdict]")).to_contain_text("holds it: not shown")
    assert links(page) == verified(node, whole) | {"text": "open"}
    page.get_by_label("This node").check()
    expect(page.locator("[data-verdict]")).to_contain_text(
        "holds it: shown, by this node's word", timeout=PATIENCE_MS
    )
    of_command = verified(node, whole, "--datadir", node.datadir)
    assert (of_command["chain"], of_command["paid"]) == ("ok", "ok")
    assert links(page) == of_command | {"text": "open"}
