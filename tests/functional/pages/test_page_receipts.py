"""The page of receipts beside `esper verify`: the same links, and whose word they rest on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect

from esper.cli.esper.receipts.surroundings import NativeJudge, known_networks
from esper.consensus.header import decode_header
from esper.receipts.form import encode_receipt
from esper.receipts.judging import judge_bytes
from esper.receipts.ports import Surroundings
from tests.support.explorer import chromium as c
from tests.support.explorer.site import Site, opened
from tests.support.node.node_process import BIN, environment
from tests.support.real_chain import real_chain
from tests.support.real_receipt import real_receipt

pytestmark = [*c.MARKS]
ALONE = {"/static/receipt_worker.js", "/static/verifier.wasm"}
"""All that a check asks the node for where nobody's word is taken."""


def put(page: Page, data: bytes) -> None:
    """Give the page a file, and wait for what it says of it."""
    file: Any = {"name": "r.json", "mimeType": "application/json", "buffer": data}
    page.locator("input[type=file]").set_input_files([file])
    settled(page)


def settled(page: Page) -> None:
    verdict = page.locator("[data-verdict]")
    expect(verdict).not_to_have_text("Checking …", timeout=20_000)
    expect(verdict).not_to_have_text("")


def colours(page: Page) -> set[str]:
    return set(str(page.locator("[data-verdict]").get_attribute("class")).split())


def links(page: Page) -> dict[str, str]:
    """Statuses by the names of links."""
    rows = [one.locator("td").all_inner_texts() for one in page.locator("[data-links] tr").all()]
    return {row[0]: row[1].split(" ")[1] for row in rows if row}


def details(page: Page) -> dict[str, str]:
    rows = [one.locator("td").all_inner_texts() for one in page.locator("[data-links] tr").all()]
    return {row[0]: row[2] for row in rows if row}


def flipped(data: bytes) -> bytes:
    """The receipt with another letter in its middle, which is in the proof's Base64."""
    at = len(data) // 2
    other = b"A" if data[at : at + 1] != b"A" else b"B"
    return data[:at] + other + data[at + 1 :]


def of_command(file: Path, *arguments: str) -> tuple[int, dict[str, tuple[str, str]]]:
    """Exit status and links of `esper verify`, with the text left open as browsers leave it."""
    done = subprocess.run(
        [BIN / "esper", "verify", file, "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment(),
    )
    assert done.stdout, done.stderr
    told = json.loads(done.stdout)["links"]
    return done.returncode, {one["name"]: (one["status"], one["detail"]) for one in told}


def without_text(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Statuses, that of the text as a browser has it: it has no tokenizer."""
    opened = {"text": "open"} if found.get("text", ("", ""))[0] == "ok" else {}
    return {name: status for name, (status, _) in found.items()} | opened


def test_links_are_those_of_the_command(site: Site, browser: Browser) -> None:
    page, watched = opened(browser, f"{site.url}/receipt")
    data = encode_receipt(real_receipt())
    around = Surroundings(networks=known_networks(), judge=NativeJudge())
    for one, colour in ((data, "warn"), (flipped(data), "bad"), (b"{}", "bad")):
        put(page, one)
        assert colour in colours(page)
        told = {link.name: str(link.status) for link in judge_bytes(one, around).links}
        assert links(page) == told
    put(page, bytes(4 * 1024 * 1024 + 1))
    expect(page.locator("[data-verdict]")).to_contain_text("larger than 4 MiB")
    page.context.close()
    watched.assert_quiet()
    assert set(watched.paths) >= ALONE


def test_an_anchor_beside_a_block_that_is_given(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    chain = real_chain()
    data = encode_receipt(chain.receipt(chain.lane))
    header = decode_header(chain.tip.data.header, 4096)
    height, identity = header.pre.height, header.block_id.hex()
    file = tmp_path / "receipt.json"
    file.write_bytes(data)
    page, watched = opened(browser, f"{site.url}/receipt")

    loaded = len(watched.paths)
    put(page, data)
    status, found = of_command(file)
    assert (status, links(page)) == (0, without_text(found))
    assert (found["chain"][0], found["paid"][0]) == ("open", "open")
    assert "ok" in colours(page)
    expect(page.locator("[data-verdict]")).to_contain_text("That the chain holds it: not shown.")
    expect(page.locator("[data-more]")).to_contain_text("choose above whose you take")
    # Nothing that the receipt says was asked of anybody.
    assert set(watched.paths[loaded:]) <= ALONE

    tip = page.locator("#tip")
    other = identity[:-1] + ("0" if identity[-1] != "0" else "1")
    for word, status, says in (
        (f"{height}:{identity}", 0, "shown, by the block that you gave"),
        (f"{height}:{identity.upper()}", 0, "shown, by the block that you gave"),
        (f"{height}:{other}", 1, "does not hold: chain fails"),
        (f"{height - 1}:{identity}", 0, "not shown"),
    ):
        tip.fill(word)
        tip.press("Enter")
        expect(page.locator("[data-verdict]")).to_contain_text(says, timeout=20_000)
        told, found = of_command(file, "--tip", word.lower())
        assert (told, links(page)) == (status, without_text(found)), word
        assert page.locator("input[value=given]").is_checked()
    more = page.locator("[data-more]")
    expect(more).to_have_text(f"The anchor is block {height}: give that one.")
    for word in ("22", "22:ab", f"{height}:{identity}0", f"x:{identity}"):
        tip.fill(word)
        tip.press("Enter")
        expect(more).to_contain_text("A block is written HEIGHT:ID", timeout=20_000)
        assert links(page)["chain"] == "open"
    assert set(watched.paths[loaded:]) <= ALONE
    page.context.close()
    watched.assert_quiet()


def test_a_node_without_the_block_and_with_another(
    site: Site, browser: Browser, tmp_path: Path
) -> None:
    """Its blocks are of fake work: what it says of the anchor is what it tells the command."""
    chain = real_chain()
    data = encode_receipt(chain.receipt(chain.together[0]))
    file = tmp_path / "receipt.json"
    file.write_bytes(data)
    height, tip = chain.tip.height, site.node.world.height
    assert tip < height
    page, watched = opened(browser, f"{site.url}/receipt")
    put(page, data)
    before = len(watched.paths)
    page.get_by_label("This node").check()
    more = page.locator("[data-more]")
    expect(more).to_have_text(f"This node has no block {height}: its tip is {tip}.", timeout=20_000)
    status, found = of_command(file, "--node", site.url)
    assert (status, links(page)) == (0, without_text(found))

    while site.node.world.height < height:
        site.node.run(site.node.world.others_turn)
    put(page, flipped(data))
    put(page, data)
    expect(page.locator("[data-verdict]")).to_contain_text("chain fails", timeout=20_000)
    status, found = of_command(file, "--node", site.url)
    assert (status, links(page)) == (1, without_text(found))
    assert details(page)["chain"].replace("this node", "the node") == found["chain"][1]
    asked = [one for one in watched.asked[before:] if urlsplit(one).path not in ALONE]
    assert asked == [f"{site.url}/block-id.json?height={height}"] * 2
    page.context.close()
    watched.assert_quiet()


def test_a_node_that_does_not_answer(site: Site, browser: Browser) -> None:
    chain = real_chain()
    page, watched = opened(browser, f"{site.url}/receipt")
    page.route("**/block-id.json*", lambda route: route.abort())
    put(page, encode_receipt(chain.receipt(chain.lane)))
    page.get_by_label("This node").check()
    expect(page.locator("[data-more]")).to_have_text("This node did not answer.", timeout=20_000)
    assert (links(page)["chain"], links(page)["paid"]) == ("open", "open")
    page.context.close()
    assert watched.abroad == []


def test_a_promise_far_from_the_tip_is_warned_of(site: Site, browser: Browser) -> None:
    page, watched = opened(browser, f"{site.url}/receipt")
    chain, tip = real_chain(), site.node.world.height
    more = page.locator("[data-more]")
    put(page, encode_receipt(chain.promise(chain.together[0], tip - 7)))
    expect(page.locator("[data-verdict]")).to_contain_text("signed this answer: not proven")
    assert links(page)["instant"] == "ok"
    expect(more).to_be_hidden()
    page.get_by_label("This node").check()
    expect(more).to_contain_text(f"height {tip - 7}, 7 blocks before the tip {tip}")
    put(page, encode_receipt(chain.promise(chain.together[0], tip - 6)))
    expect(more).to_be_hidden()
    page.locator("#tip").fill(f"{tip - 20}:{'ab' * 64}")
    page.locator("#tip").press("Enter")
    expect(more).to_contain_text(f"14 blocks after the tip {tip - 20}")
    page.context.close()
    watched.assert_quiet()
