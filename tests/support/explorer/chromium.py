"""Debian's Chromium, without a window and without requests of its own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Dialog, Page, sync_playwright

PROGRAM: Final = shutil.which("chromium")
LACKING: Final = "chromium is not installed: apt-get install chromium"
MARKS: Final = (pytest.mark.serial, pytest.mark.skipif(PROGRAM is None, reason=LACKING))
"""Of every module that has a browser look at a node."""
QUIET: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
OVERFLOW: Final = "({scrollWidth, clientWidth}) => scrollWidth - clientWidth"


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with an empty profile."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=list(QUIET))
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Watched:
    """What a context's pages said and asked for that they should not have."""

    url: str
    told: list[str] = field(default_factory=list)
    """Lines of the console, errors of scripts, and dialogs."""
    abroad: list[str] = field(default_factory=list)
    """Requests to other servers than the node, and such as reach none: of blobs and data."""
    paths: list[str] = field(default_factory=list)
    """Of all requests."""
    asked: list[str] = field(default_factory=list)
    """Their whole addresses."""

    def watch(self, context: BrowserContext) -> None:
        context.on("console", lambda message: self.told.append(message.text))
        context.on("weberror", lambda error: self.told.append(str(error.error)))
        # Of pages, their workers, and workers of those.
        context.on("request", lambda request: self._asked(request.url))
        context.on("page", self._page)

    def _page(self, page: Page) -> None:
        page.on("websocket", lambda socket: self._asked(socket.url))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: Dialog) -> None:
        self.told.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str) -> None:
        self.asked.append(url)
        self.paths.append(urlsplit(url).path)
        if urlsplit(url)[:2] != urlsplit(self.url)[:2]:
            self.abroad.append(url)

    def assert_quiet(self) -> None:
        assert self.told == []
        assert self.abroad == []


def overflow(page: Page) -> int:
    """Pixels that a page is wider than its window."""
    found: int = page.locator("html").evaluate(OVERFLOW)
    return found
