"""What needs no node: contrast, files, what is not seen, and to whom pages are shown."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from jinja2 import Environment

from esper.explorer.page import Page
from esper.explorer.static_files import FOLDER, TYPES, static_files
from esper.explorer.visible import beginning, is_long, moment, shown, size, visible
from esper.explorer.writing import Writer
from esper.node.settings import Settings
from esper.node.views.explorer_views import explorer_of
from esper.primitives.networks import NETWORKS
from esper.rpc.examples import STATUS
from tests.support.node.fake_node import FakeNode

LEAST_CONTRAST = 4.5
"""Of WCAG 2.2, success criterion 1.4.3."""
NOT_FETCHED = {"http://www.w3.org/2000/svg", "https://github.com/leeoniya/uPlot"}
"""The name of a vocabulary, and a line of a licence."""
NOT_SERVED = {"verifier.wasm.json"}


def luminance(colour: str) -> float:
    """Relative luminance of ``#rrggbb``, as WCAG defines it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_stands_out_in_every_scheme() -> None:
    sheet = (FOLDER / "app.css").read_text()
    schemes = [
        dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block))
        for block in re.findall(r"(:root[^{]*\{[^}]*\})", sheet)
    ]
    assert len(schemes) == 3
    assert schemes[1] == schemes[2]
    for scheme in schemes:
        for text in ("text", "muted", "link", "ok", "warn", "bad", "mark"):
            for ground in ("page", "panel", "hover"):
                found = contrast(scheme[text], scheme[ground])
                assert found >= LEAST_CONTRAST, (text, ground, found)


def test_the_table_of_files_is_the_folder() -> None:
    assert {path.name for path in FOLDER.iterdir()} - NOT_SERVED == set(TYPES)
    assert set(static_files()) == set(TYPES)


def test_nothing_is_loaded_from_elsewhere() -> None:
    for name in TYPES:
        if name.endswith((".js", ".css", ".svg")):
            text = (FOLDER / name).read_text()
            found = set(re.findall(r"https?://[^\s\"')]+", text))
            assert found <= NOT_FETCHED, (name, found)


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain äöü 漢字 👩‍👧", "plain äöü 漢字 👩‍👧"),
        ("a\tb\nc", "a\tb\nc"),
        ("\x00\x1b[31m\x7f\x9b", r"\x00\x1b[31m\x7f\x9b"),
        ("\u202eabc\u2069\u200f\u061c", r"\u202eabc\u2069\u200f\u061c"),
        ("\u2028\u2029\ufeff", r"\u2028\u2029\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\ue000\ud800", r"\ue000\ud800"),
    ],
)
def test_what_has_no_shape_is_spelled(text: str, seen: str) -> None:
    assert visible(text) == seen


def test_long_texts_are_folded_and_cut() -> None:
    assert not is_long("short")
    assert is_long("x" * 281)
    assert is_long("\n" * 11)
    assert beginning("a  b\n" * 100).endswith(" …")
    assert shown("x" * 70_000).endswith(" … 4464 characters more")


def test_numbers_that_miners_choose_are_shown_whatever_they_are() -> None:
    assert moment(0) == "1970-01-01 00:00:00"
    assert moment(2**63) == f"{2**63} ms"
    assert (size(999), size(1_000), size(10**7), size(10**10)) == (
        *("999 B", "1.0 kB"),
        *("10.0 MB", "10.0 GB"),
    )


@pytest.mark.parametrize(
    ("network", "changes", "shows"),
    [
        ("regtest", {}, True),
        ("devnet", {}, True),
        ("mainnet", {}, False),
        ("mainnet", {"explorer": "on"}, True),
        ("regtest", {"explorer": "off"}, False),
        ("regtest", {"rpc_host": "0.0.0.0"}, False),
        ("regtest", {"rpc_hosts": ("node.example",)}, False),
        ("regtest", {"rpc_hosts": ("node.example",), "explorer": "on"}, True),
    ],
)
def test_to_whom_pages_are_shown(network: str, changes: dict[str, object], shows: bool) -> None:
    settings = replace(Settings(), **changes)  # type: ignore[arg-type]
    routes = explorer_of(FakeNode(), settings, NETWORKS[network], lambda: 0)
    assert bool(routes) == shows


def test_templates_are_compiled_before_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer()

    def refused(*parts: object, **named: object) -> None:
        raise AssertionError("compiled while a page is written")

    monkeypatch.setattr(Environment, "compile", refused)
    words = {"heading": "Nothing", "words": "There is nothing."}
    page = Page("missing.html", "Nothing", words, 404)
    around = {
        "node": STATUS,
        "now_ms": 0,
        "has_events": False,
        "has_console": False,
        "verifier": None,
    }
    assert "There is nothing." in writer.written(page, **around)
