"""Texts of strangers in a real browser: they are read, and do nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from esper.explorer.routes import explorer_routes
from esper.node.clock import wall_ms
from esper.rpc.examples import ALICE, BLOCK_ID, TXID
from tests.support.explorer import chromium as c
from tests.support.explorer.hostile_node import HOSTILE_TEXTS, MARKUP, UNSEEN, HostileNode
from tests.support.node.fake_node import served, settings

pytestmark = [*c.MARKS]
PATHS = (
    *("/", f"/block/{BLOCK_ID}", f"/tx/{TXID}", f"/call/{TXID}", f"/address/{ALICE}", "/models"),
    *("/mempool", "/tiers", "/miners", "/peers", "/dao", "/receipt", "/console", "/usage"),
)
INVISIBLE = set(UNSEEN) - {chr(one) for one in range(0x20, 0x7F)}
SIGNED_IN = {"page": "0" * 32}


@pytest.fixture(scope="module")
def node() -> HostileNode:
    return HostileNode()


@pytest.fixture(scope="module")
def url(node: HostileNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    others = explorer_routes(node, remote=False, clock=wall_ms)
    with served(node, settings(tmp_path_factory.mktemp("cookie")), others) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def watched(url: str) -> c.Watched:
    return c.Watched(url)


@pytest.fixture(params=(390, 1280))
def page(
    request: pytest.FixtureRequest, browser: Browser, url: str, watched: c.Watched
) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    watched.watch(context)
    gateway(context, "/console/session", SIGNED_IN)
    gateway(context, "/v1/usage*", usage("2026-12-01"))
    yield context.new_page()
    context.close()
    watched.assert_quiet()


def gateway(context: BrowserContext, path: str, answer: Any, status: int = 200) -> None:
    """Let the gateway answer so."""
    context.route(f"**{path}", lambda route: route.fulfill(json=answer, status=status))


def answered(page: Page, path: str, body: str, **how: Any) -> None:
    """Let a path answer with this."""
    page.route(path, lambda route: route.fulfill(body=body, **how))


def usage(day: str) -> dict[str, Any]:
    numbers = dict.fromkeys(("requests", "prompt_tokens", "answer_tokens", "serve", "proof"), 5)
    budget = {"spent": 1, "reserved": 2, "limit": 3, "ends": 1_800_000_000}
    return {"data": [{"day": day, **numbers}], "budget": budget}


def assert_harmless(page: Page, where: str) -> None:
    """One heading and one main, nothing of what the texts ask for, nothing too wide."""
    for tag in ("h1", "main", "title", "footer"):
        assert page.locator(tag).count() == 1, (where, tag)
    for tag in ("img", "svg", "iframe", "style", "base", "main script", "meta[http-equiv]"):
        assert page.locator(tag).count() == 0, (where, tag)
    assert page.evaluate("() => globalThis.taken") is None, where
    assert page.locator("[href^=javascript], [onmouseover], [onload], [onerror]").count() == 0
    shown = page.locator("html").evaluate("page => page.textContent") + page.title()
    assert not INVISIBLE & set(shown), (where, INVISIBLE & set(shown))
    assert c.overflow(page) <= 0, where


@pytest.mark.parametrize("kind", HOSTILE_TEXTS)
def test_texts_of_strangers_on_every_page(
    node: HostileNode, url: str, page: Page, kind: str
) -> None:
    node.text = HOSTILE_TEXTS[kind]
    try:
        for path in PATHS:
            answer = page.goto(url + path)
            assert answer is not None
            assert answer.status == 200, path
            assert_harmless(page, path)
            for one in page.locator("summary").all():
                one.click()
            assert_harmless(page, path)
    finally:
        node.text = ""
    assert page.context.pages == [page]


def test_they_are_there(node: HostileNode, url: str, page: Page) -> None:
    """Else the test above shows nothing."""
    node.text = HOSTILE_TEXTS["markup"]
    try:
        for path in (f"/block/{BLOCK_ID}", f"/tx/{TXID}", f"/call/{TXID}", "/dao", "/peers"):
            page.goto(url + path)
            text = page.locator("main").text_content() or ""
            assert "<script>globalThis.taken = 1</script>" in text, path
            assert r"\u202egnp.exe\u202c" in text, path
            assert r"\x1b[31mred" in text, path
            assert r"\x00nul\x7f" in text, path
    finally:
        node.text = ""


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_what_is_searched(url: str, page: Page, hostile: str) -> None:
    page.goto(url)
    page.locator("#q").evaluate("(field, text) => { field.value = text }", hostile[:200])
    page.locator("#q").press("Enter")
    expect(page.locator("h1")).to_have_text("Search")
    assert_harmless(page, "search")


def stream(text: str, receipt: str, *, status: str = "instant") -> str:
    """What the gateway sends of an answer."""
    parts: list[Any] = [{"choices": [{"index": 0, "delta": {"content": text}}]}]
    told = {"status": status, "reason": text, "receipt": receipt}
    parts.append({"choices": [{"index": 0, "delta": {}}], "esper": told})
    return "".join(f"data: {json.dumps(one)}\n\n" for one in (*parts,)) + "data: [DONE]\n\n"


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
@pytest.mark.parametrize(
    "receipt", ["javascript:alert(1)", "//evil.example/v1/receipts/x", f"/v1/receipts/{'a' * 32}"]
)
def test_the_console(url: str, page: Page, hostile: str, receipt: str) -> None:
    events = f"data: {json.dumps({'status': 'unproven', 'reason': hostile})}\n\n"
    said = stream(hostile, receipt)
    kind = "text/event-stream"
    answered(page, "**/v1/chat/completions", said, content_type=kind)
    answered(page, "**/events", events, content_type=kind)
    page.goto(f"{url}/console")
    page.locator("#prompt").fill(hostile[:65_536].replace("\x00", ""))
    page.locator("#publish").check()
    page.get_by_role("button", name="Ask").click()
    ends = "will not be proven" if receipt.startswith("/v1/") else "signed, not proven"
    expect(page.locator("[data-standing]")).to_contain_text(ends)
    start = "endless" if hostile.startswith("endless") else "</title>"
    expect(page.locator("[data-said]")).to_contain_text(start)
    assert_harmless(page, "console")
    assert page.url == f"{url}/console"


def test_refusals_and_broken_answers_of_the_console(
    url: str, page: Page, watched: c.Watched
) -> None:
    hostile = HOSTILE_TEXTS["markup"]
    page.goto(f"{url}/console")
    page.locator("#prompt").fill("x")
    standing = page.locator("[data-standing]")
    broken = {"error": {"message": hostile}}
    for status, body in ((200, f"data: {json.dumps(broken)}\n\n"), (400, json.dumps(broken))):
        answered(page, "**/v1/chat/completions", body, status=status)
        page.get_by_role("button", name="Ask").click()
        expect(standing).to_contain_text("×")
        expect(standing).to_contain_text("</title>")
        assert_harmless(page, "console")
        page.unroute("**/v1/chat/completions")
    gateway(page.context, "/console/session", broken, 401)
    page.reload()
    expect(page.locator("[data-signing]")).to_contain_text("</title>")
    assert_harmless(page, "console")
    # A browser writes down each answer of 400 and more.
    assert all("Failed to load resource" in line for line in watched.told)
    watched.told.clear()


def test_the_usage(url: str, page: Page) -> None:
    for hostile in HOSTILE_TEXTS.values():
        gateway(page.context, "/v1/usage*", usage(hostile))
        page.goto(f"{url}/usage")
        expect(page.locator("[data-days] tr")).to_have_count(1)
        assert_harmless(page, "usage")


WORKER = "onmessage = () => postMessage(%s);"


@pytest.mark.parametrize("hostile", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_what_is_said_of_a_receipt(url: str, page: Page, hostile: str) -> None:
    page.goto(f"{url}/receipt")
    # The verifier itself: what it says of a file that is nothing but this text.
    file: Any = {"name": f"{MARKUP[:40]}.json", "mimeType": "text/html"}
    field, verdict = page.locator("input[type=file]"), page.locator("[data-verdict]")
    for data in (hostile, json.dumps({"format": hostile}), json.dumps({hostile: hostile})):
        file["buffer"] = data.encode()
        field.set_input_files([file])
        expect(verdict).to_contain_text("×", timeout=20_000)
        assert_harmless(page, "receipt")
    # Whatever a verifier says.
    link = {"name": hostile, "status": hostile, "detail": hostile}
    for told in (
        {"verdict": {"exit": 3, "links": [link] * 3}},
        {"verdict": {"exit": 1, "links": [{**link, "status": "fail"}]}},
        {"failure": hostile},
    ):
        script = WORKER % json.dumps(told)
        answered(page, "**/receipt_worker.js", script, content_type="text/javascript")
        file["buffer"] = b"{}"
        field.set_input_files([file])
        expect(verdict).not_to_have_text("Checking …")
        assert_harmless(page, "receipt")
        page.unroute("**/receipt_worker.js")
