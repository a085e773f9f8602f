"""What the other tests of pages rest on: no request of a page or a worker is missed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
from playwright.sync_api import Browser

from tests.support.explorer import chromium as c

pytestmark = [*c.MARKS]
WITHIN = """
async ([own, far]) => {
  const run = (code) => new Promise((done) => {
    const worker = new Worker(`${own}/worker.js?${encodeURIComponent(code)}`);
    worker.onmessage = done;
    worker.onerror = done;
  });
  await run(`fetch("${own}/own").then(() => fetch("${far}/worker")).finally(() => postMessage(1))`);
  await run(`importScripts("${far}/script"); postMessage(1)`);
  const inner = encodeURIComponent(`fetch("${far}/nested").finally(() => postMessage(1))`);
  await run(`new Worker("${own}/worker.js?${inner}").onmessage = () => postMessage(1)`);
  navigator.sendBeacon(`${far}/beacon`);
  await fetch(`${far}/fetch`, { mode: "no-cors" });
  await new Promise((done) => {
    const image = new Image();
    image.onload = image.onerror = done;
    image.src = `${far}/image`;
  });
  await new Promise((done) => {
    const source = new EventSource(`${far}/stream`);
    source.onerror = () => done(source.close());
  });
  await new Promise((done) => {
    const socket = new WebSocket(`${far.replace("http", "ws")}/socket`);
    socket.onerror = done;
  });
}
"""


class Answers(BaseHTTPRequestHandler):
    """A worker's script is what stands behind the question mark; all else is a page."""

    def do_GET(self) -> None:
        path, _, code = self.path.partition("?")
        is_worker = path == "/worker.js"
        self.send_response(200)
        self.send_header("content-type", "text/javascript" if is_worker else "text/html")
        self.end_headers()
        self.wfile.write(unquote(code).encode() if is_worker else b"<title>x</title>")

    do_POST = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as found:
        thread = threading.Thread(target=found.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{found.server_port}"
        found.shutdown()
        thread.join()


def test_every_request_is_seen(browser: Browser, server: str) -> None:
    far = server.replace("127.0.0.1", "localhost")
    watched = c.Watched(server)
    context = browser.new_context()
    watched.watch(context)
    page = context.new_page()
    page.goto(server)
    page.evaluate(WITHIN, [server, far])
    sent = {"worker", "script", "nested", "beacon", "fetch", "image", "stream", "socket"}

    def seen() -> set[str]:
        return {one.rsplit("/", 1)[1] for one in watched.abroad}

    # The browser tells of a request when it comes to it: on a busy machine behind the page's own.
    for _ in range(200):
        if seen() >= sent:
            break
        page.wait_for_timeout(50)
    context.close()
    assert {"/", "/own", "/worker.js"} <= set(watched.paths)
    assert seen() == sent


def test_a_dialog_is_not_quiet(browser: Browser, server: str) -> None:
    watched = c.Watched(server)
    context = browser.new_context()
    watched.watch(context)
    page = context.new_page()
    page.goto(server)
    page.evaluate("() => alert(5)")
    context.close()
    assert watched.told == ["dialog: 5"]
    with pytest.raises(AssertionError):
        watched.assert_quiet()
