"""Pages of a node of fake work: every route, what nobody may smuggle in, what a browser is told."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest

from esper.explorer.headers import POLICY, WASM_POLICY
from tests.support.explorer.hostile_texts import BIDI, HOSTILE
from tests.support.explorer.shown_node import Shown, pages_of, shown_datadir

SECURITY = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
LISTS = (
    "/",
    "/console",
    "/usage",
    "/models",
    "/mempool",
    "/tiers",
    "/miners",
    "/peers",
    "/dao",
    "/receipt",
    "/search",
)
SCRIPTS = {"/static/theme.js", "/static/copy.js", "/static/live.js", "/static/charts.js"}
SCRIPTS |= {"/static/uplot.js", "/static/receipt.js", "/static/visible.js", "/static/console.js"}
SCRIPTS |= {"/static/usage.js"}


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(page: httpx.Response) -> Reader:
    found = Reader()
    found.feed(page.text)
    found.close()
    return found


@dataclass
class Site:
    client: httpx.Client
    shown: Shown

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={"accept": "text/html", **headers})

    def pages(self) -> list[str]:
        ids = self.shown.txids
        kinds = [
            f"/tx/{ids['transfer']}",
            *(f"/call/{ids[one]}" for one in ("llm-call", "waiting")),
        ]
        return [*LISTS, *kinds, f"/address/{self.shown.address}", "/block/0", "/block/15"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("shown")
    shown = shown_datadir(folder / "chain")
    cookie = folder / "rpc"
    cookie.mkdir()
    with (
        pages_of(folder / "chain", cookie) as running,
        httpx.Client(base_url=running.url) as client,
    ):
        yield Site(client, shown)


def test_every_page_is_there_under_its_headers(site: Site) -> None:
    for path in site.pages():
        page = site.get(path)
        assert page.status_code == 200, path
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert page.headers["cache-control"] == "no-store"
        policy = WASM_POLICY if path == "/receipt" else POLICY
        assert page.headers["content-security-policy"] == policy, path
        assert {name: page.headers[name] for name in SECURITY} == SECURITY


def test_policies_are_those_that_were_decided() -> None:
    rules = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'"
    )
    assert rules == POLICY
    assert "script-src 'self' 'wasm-unsafe-eval';" in WASM_POLICY
    assert "unsafe-inline" not in WASM_POLICY


def test_pages_load_what_is_here_alone_and_run_nothing_of_their_own(site: Site) -> None:
    for path in site.pages():
        found = read(site.get(path))
        for tag, attributes in found.tags:
            handlers = [name for name in attributes if name.startswith("on")]
            assert not handlers, (path, tag, handlers)
            assert "style" not in attributes, (path, tag)
            for name in ("href", "src", "action"):
                target = attributes.get(name, "/")
                assert re.match(r"/(?!/)|#", target), (path, tag, target)
        scripts = [one["src"] for one in found.all("script")]
        assert set(scripts) <= SCRIPTS, path
        assert len(found.all("h1")) == 1, path
        assert any(one.get("href") == "#main" for one in found.all("a")), path


def test_every_link_leads_somewhere(site: Site) -> None:
    targets = {
        one["href"].partition("#")[0]
        for path in site.pages()
        for one in read(site.get(path)).all("a")
    } - {""}
    assert len(targets) > 20
    for target in sorted(targets):
        assert site.get(target).status_code in (200, 303), target


def test_what_models_write_is_text(site: Site) -> None:
    """Of all blocks: each hostile text is somewhere, and none became part of a page."""
    seen = ""
    for height in range(30):
        page = site.get(f"/block/{height}")
        if page.status_code != 200:
            break
        found = read(page)
        assert {tag for tag, _ in found.tags} & {"img", "iframe", "svg", "object", "style"} == set()
        assert all(set(one) <= {"src", "type"} for one in found.all("script")), height
        assert "\x00" not in page.text
        assert "\x1b" not in page.text
        assert not set(BIDI) & set(page.text) & set("\u202e\u202c\u2066\u2069\u200f\u061c")
        seen += found.text
    assert "<script>globalThis.taken = 1</script>" in seen
    assert "javascript:globalThis.taken=3" in seen
    assert r"\u202egnp.exe\u202c" in seen
    assert r"a\x00b\x07c\x1b[31mred" in seen
    assert "</div></details></main></body></html><h1>Mine</h1>" in seen
    assert "{{ 7 * 7 }}" in seen
    assert HOSTILE[-1] in seen


@pytest.mark.parametrize(
    "path",
    [
        *("/nothing", "/block/99999", "/block/-1", "/block/zz", f"/block/{'0' * 128}"),
        *(f"/tx/{'0' * 128}", "/tx/zz", f"/call/{'0' * 128}", "/address/nobody"),
        *("/..%2f..%2fetc%2fpasswd", "/static/..%2fapp.css", "/static/%00", "/static/nothing.js"),
        *("/%3Cscript%3Ealert(1)%3C/script%3E", "/block/%3Cb%3E", "/%E2%80%AEx"),
    ],
)
def test_what_is_not_there_says_so(site: Site, path: str) -> None:
    page = site.get(path)
    assert page.status_code in (400, 404), page.text
    if page.headers["content-type"].startswith("text/html"):
        assert page.headers["content-security-policy"] == POLICY
        assert "script>alert" not in page.text.replace("&gt;", "").replace("&lt;script", "")
        assert not [one for one in read(page).tags if one[0] == "b"]


def test_programs_are_told_in_json(site: Site) -> None:
    for path in ("/v1/nothing", "/api/nothing"):
        page = site.get(path)
        assert page.status_code == 404
        assert page.json() == {"error": "there is nothing at this path"}
    assert site.client.get("/nothing", headers={"accept": "*/*"}).json()["error"]


def test_a_search_finds_and_shows_what_was_asked_as_text(site: Site) -> None:
    ids = site.shown.txids
    for asked, path in (
        ("3", "/block/3"),
        (ids["transfer"], f"/tx/{ids['transfer']}"),
        (ids["llm-call"], f"/tx/{ids['llm-call']}"),
        (site.shown.address, f"/address/{site.shown.address}"),
    ):
        found = site.client.get("/search", params={"q": f" {asked} "})
        assert found.status_code == 303, found.text
        assert found.headers["location"] == path
    hostile = '"><script>alert(1)</script>\u202e'
    page = site.client.get("/search", params={"q": hostile}, headers={"accept": "text/html"})
    assert page.status_code == 200
    found_page = read(page)
    assert all("src" in one for one in found_page.all("script"))
    assert "\u202e" not in found_page.text


def test_other_methods_and_hosts_are_refused_under_the_same_headers(site: Site) -> None:
    refused = site.client.post("/models", json={})
    assert refused.status_code == 405
    assert refused.headers["allow"] == "GET"
    assert refused.headers["content-security-policy"] == POLICY
    assert site.client.get("/", headers={"host": "evil.example"}).status_code == 421
    assert site.client.head("/").status_code == 200


def test_behind_a_proxy_nobody_is_of_this_machine(site: Site) -> None:
    for header in ("forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-server"):
        refused = site.client.get("/", headers={header: "for=192.0.2.1"})
        assert refused.status_code == 403, header
        assert "explorer = on" in refused.json()["error"]


def test_files_are_asked_for_once(site: Site, tmp_path: Path) -> None:
    first = site.client.get("/static/app.css")
    assert first.headers["content-type"] == "text/css; charset=utf-8"
    again = site.client.get("/static/app.css", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = site.client.get("/static/app.css", headers={"if-none-match": '"0"'})
    assert (other.status_code, other.content) == (200, first.content)
    assert site.client.get("/favicon.ico").headers["content-type"] == "image/svg+xml"
    worker = site.client.get("/static/receipt_worker.js")
    assert worker.headers["content-security-policy"] == WASM_POLICY
    assert site.client.get("/static/live.js").headers["content-security-policy"] == POLICY
