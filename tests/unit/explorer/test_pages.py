"""Every page on a server of its own: what it forbids a browser, and what it answers."""

import re
import socket
from collections.abc import Iterator

import httpx
import msgspec
import pytest

from esper.explorer.headers import POLICY, WASM_POLICY
from esper.explorer.pages import PAGES
from esper.explorer.pages.miners import WINDOWS
from esper.explorer.routes import explorer_routes
from esper.explorer.static_files import TYPES, static_files
from esper.node.clock import wall_ms
from esper.rpc.examples import ALICE, BLOCK, BLOCK_ID, TXID
from tests.support.explorer.hostile_texts import HOSTILE
from tests.support.node.fake_node import FakeNode, served, settings

NAMED = {"name": BLOCK_ID, "txid": TXID, "address": ALICE}
PATHS = [path.format(**NAMED) for path in PAGES]
OTHERS = ["/favicon.ico", "/block-id.json?height=1"]
FILES = [f"/static/{name}" for name in TYPES]
OWN = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
BROWSER = {"accept": "text/html,*/*;q=0.8"}


@pytest.fixture(scope="module")
def node() -> FakeNode:
    return FakeNode()


@pytest.fixture(scope="module")
def client(node: FakeNode, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    others = explorer_routes(node, remote=False, clock=wall_ms)
    with served(node, settings(tmp_path_factory.mktemp("cookie")), others) as port:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, trust_env=False, headers=BROWSER) as made:
            yield made


@pytest.mark.parametrize("path", [*PATHS, *FILES, *OTHERS, "/nothing"])
def test_headers_of_every_route(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == (404 if path == "/nothing" else 200), answer.text
    told = answer.headers
    assert {name: told[name] for name in OWN} == OWN
    compiles = path in ("/receipt", "/static/receipt_worker.js")
    assert told["content-security-policy"] == (WASM_POLICY if compiles else POLICY)
    assert "set-cookie" not in told
    kept = path in FILES or path == "/favicon.ico"
    assert told.get("cache-control") in (("no-cache",) if kept else ("no-store", None))


def test_the_policy_lets_nothing_in() -> None:
    rules = dict(one.split(" ", 1) for one in POLICY.split("; "))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }
    more = dict(one.split(" ", 1) for one in WASM_POLICY.split("; "))
    assert more == {
        **rules,
        "script-src": "'self' 'wasm-unsafe-eval'",
        "worker-src": "'self'",
    }


@pytest.mark.parametrize("path", PATHS)
def test_pages_are_whole_and_run_nothing_of_their_own(client: httpx.Client, path: str) -> None:
    text = client.get(path).text
    assert text.lstrip().startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert text.count("<h1") == 1
    assert '<html lang="en">' in text
    assert '<a class="skip" href="#main">' in text
    assert 'id="main"' in text
    for within in (" style=", "<style", " onclick", " onload", "http://", "https://", "undefined"):
        assert within not in text
    for script in text.split("<script")[1:]:
        assert 'src="/static/' in script.split(">")[0]


def test_ids_are_links(client: httpx.Client) -> None:
    block = client.get(f"/block/{BLOCK_ID}").text
    for tx in BLOCK.transactions:
        assert f'href="/tx/{tx.txid}"' in block
    assert f'href="/address/{BLOCK.payee}"' in block
    assert f'href="/block/{BLOCK.parent}"' in block
    assert f'href="/block/{BLOCK.height - 1}"' in block
    assert 'href="/block/' in client.get("/").text
    assert 'href="/tx/' in client.get("/mempool").text
    assert 'href="/address/' in client.get("/miners").text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/block/999999", 404),
        (f"/block/{'ef' * 64}", 404),
        (f"/tx/{'ef' * 64}", 404),
        ("/block/zz", 400),
        ("/tx/%3Cscript%3E", 400),
        ("/address/nobody", 400),
        ("/nothing", 404),
        ("/static/nothing.js", 404),
        ("/static/..%2froutes.py", 404),
        ("/static/..%2f..%2f..%2fetc%2fpasswd", 404),
        ("/..%2f..%2fetc%2fpasswd", 404),
        ("/static/app.css%00", 404),
        ("/%00", 404),
        ("/block/1/2", 404),
        ("/BLOCK/1", 404),
    ],
)
def test_what_is_not_there(client: httpx.Client, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "root:" not in answer.text
    assert "<script>" not in answer.text
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize("path", ["/v1/models", "/api/tags"])
def test_programs_get_json(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.json() == {"error": "there is nothing at this path"}
    assert client.get("/nothing", headers={"accept": "*/*"}).json() == answer.json()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/block/1", "/receipt", "/static/app.css", "/block-id.json"])
def test_pages_are_read_alone(client: httpx.Client, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["content-security-policy"] == POLICY


def test_a_path_with_dots_as_it_is_written(client: httpx.Client) -> None:
    # Clients tidy such paths up before they send them.
    for path in ("/../../etc/passwd", "/static/../headers.py", "//etc/passwd", "/..%2f"):
        with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as sent:
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            sent.sendall(head.encode())
            said = b"".join(iter(lambda: sent.recv(65_536), b""))
        assert said.split(b"\r\n")[0].split()[1] == b"404", path


def test_files_by_their_tags(client: httpx.Client) -> None:
    for name, file in static_files().items():
        path = f"/static/{name}"
        whole = client.get(path)
        assert whole.content == file.data
        assert whole.headers["content-type"] == file.media_type
        assert whole.headers["etag"] == file.etag
        again = client.get(path, headers={"if-none-match": file.etag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["content-security-policy"] in (POLICY, WASM_POLICY)
        other = client.get(path, headers={"if-none-match": '"other"'})
        assert other.status_code == 200


def test_tags_tell_files_apart() -> None:
    files = static_files()
    assert len({file.etag for file in files.values()}) == len({f.data for f in files.values()})


@pytest.mark.parametrize("hostile", HOSTILE, ids=range(len(HOSTILE)))
def test_what_a_model_says_is_text(client: httpx.Client, node: FakeNode, hostile: str) -> None:
    said = [
        msgspec.structs.replace(tx, kind="llm-call", prompt=hostile, answer=hostile)
        for tx in BLOCK.transactions
    ]
    before = node.blocks[1]
    work = [msgspec.structs.replace(one, prompt=hostile, answer=hostile) for one in before.work]
    node.blocks[1] = msgspec.structs.replace(before, transactions=said, work=work)
    try:
        text = client.get(f"/block/{BLOCK_ID}").text
    finally:
        node.blocks[1] = before
    assert_harmless(text)


def assert_harmless(text: str) -> None:
    tags = {part.split(">")[0] for part in text.split("<")[1:]}
    for tag in tags:
        assert not tag.startswith(("img", "a href='java")), tag
        assert "javascript:" not in tag
        assert "onerror" not in tag
        assert "onmouseover" not in tag
    assert "<script>" not in text
    assert text.count("</main>") == text.count("</body>") == text.count("<h1") == 1
    assert "49" not in [one.strip() for one in text.split("said")[1:]]
    unseen = set("\x00\x07\x1b\x7f\x9b\u202e\u202c\u2066\u2069\u200f\u061c\u2028\ufeff")
    assert not unseen & set(text)
    assert len(text) < 1 << 20


def test_what_is_searched_is_text(client: httpx.Client) -> None:
    for hostile in HOSTILE:
        answer = client.get("/search", params={"q": hostile[:300]})
        assert answer.status_code == 200
        assert_harmless(answer.text)


@pytest.mark.parametrize(
    ("wanted", "leads"),
    [
        ("1", "/block/1"),
        (BLOCK_ID.upper(), f"/block/{BLOCK_ID}"),
        (TXID, f"/tx/{TXID}"),
        (f" {ALICE} ", f"/address/{ALICE}"),
    ],
)
def test_search_leads_there(client: httpx.Client, wanted: str, leads: str) -> None:
    answer = client.get("/search", params={"q": wanted})
    assert answer.status_code == 303
    assert answer.headers["location"] == leads
    assert answer.headers["content-security-policy"] == POLICY


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "http://evil.example", "..", "\\evil", "a\r\nb"]
)
def test_search_leads_nowhere_else(client: httpx.Client, wanted: str) -> None:
    answer = client.get("/search", params={"q": wanted})
    assert answer.status_code == 200
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "path", ["/miners?window=9999999", "/tiers?span=-1", "/?from=x", "/?from=99999999999"]
)
def test_other_parameters_are_the_usual_ones(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 200
    assert WINDOWS[0] == "144"


def test_a_page_that_goes_on_has_the_same_parts_each_time(client: httpx.Client) -> None:
    for path in ("/", "/mempool", f"/block/{BLOCK_ID}", f"/tx/{TXID}", f"/address/{ALICE}"):
        text = client.get(path).text
        assert 'src="/static/live.js"' in text
        assert text.count(" data-live=") == text.count(" data-told") == 1
        # This server has no events.
        assert ' data-live=""' in text
        parts = re.findall(r' data-fresh="(\w+)"', text)
        assert len(set(parts)) == len(parts) >= 3
    assert "data-live" not in client.get("/?from=1").text


def test_the_node_says_which_block_is_at_a_height(client: httpx.Client) -> None:
    found = client.get("/block-id.json?height=1")
    assert found.json() == {"height": 1, "hash": BLOCK_ID, "tip": 1}
    # The tip, which is what there is below it.
    assert client.get("/block-id.json?height=7").json() == {"height": 7, "hash": None, "tip": 1}
    for wrong in ("", "x", "-1", "1e3", "1234567890", "%D9%A1"):
        refused = client.get(f"/block-id.json?height={wrong}")
        assert refused.status_code == 400
        assert refused.json()["error"].startswith("height must be")


def test_only_reading_methods_are_asked(client: httpx.Client, node: FakeNode) -> None:
    node.asked.clear()
    for path in PATHS:
        client.get(path)
    assert not [name for name in node.asked if not name.startswith(("get_", "list_", "dao_"))]
