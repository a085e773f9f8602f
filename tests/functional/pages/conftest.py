"""A node with pages and a browser, once a module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.explorer import chromium as c
from tests.support.explorer.shown_node import pages_of, shown_datadir
from tests.support.explorer.site import Site


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
