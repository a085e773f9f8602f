"""Heads of requests: one meaning or a refusal, and no work beyond their length."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from esper.http.heads import BadRequestError, Head, head_end, read_head


def read(*lines: bytes | str, end: bytes = b"\r\n") -> Head:
    found = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return read_head(end.join(found) + end + end)


def refused(*lines: bytes | str) -> int:
    with pytest.raises(BadRequestError) as caught:
        read(*lines)
    assert "SECRET" not in caught.value.reason
    return caught.value.status


def test_a_head_is_read() -> None:
    head = read("POST /a%20b?c=%20&d HTTP/1.1", "Host: h:1", "A-b: \t x  y \t", "Empty:")
    assert (head.method, head.path, head.raw_path, head.query) == (
        "POST",
        "/a b",
        b"/a%20b",
        b"c=%20&d",
    )
    assert head.headers == [(b"host", b"h:1"), (b"a-b", b"x  y"), (b"empty", b"")]
    assert (head.version, head.length, head.authority) == ("1.1", 0, None)
    assert not head.is_last
    assert not head.wants_continue


def test_lines_may_end_with_a_line_feed_alone() -> None:
    assert read("GET / HTTP/1.1", "Host: h", end=b"\n").headers == [(b"host", b"h")]


@pytest.mark.parametrize("method", ["get", "pOsT", "GET", "M-SEARCH"])
def test_the_case_of_a_method_is_kept(method: str) -> None:
    assert read(f"{method} / HTTP/1.1", "Host: h").method == method


@pytest.mark.parametrize(
    ("target", "path", "authority"),
    [
        ("http://localhost:9334/", "/", "localhost:9334"),
        ("HTTP://localhost", "/", "localhost"),
        ("http://localhost?q", "/", "localhost"),
        ("https://[::1]:1/a/b?q=/x", "/a/b", "[::1]:1"),
        ("*", "*", None),
        ("//a/b", "//a/b", None),
        ("/http://a/", "/http://a/", None),
    ],
)
def test_a_target_is_a_path_or_a_url(target: str, path: str, authority: str | None) -> None:
    head = read(f"GET {target} HTTP/1.1", "Host: other")
    assert (head.path, head.authority) == (path, authority)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET",
        "GET /",
        "GET  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / x HTTP/1.1",
        "GE(T / HTTP/1.1",
        "G\x00T / HTTP/1.1",
        "GET /\x7f HTTP/1.1",
        "GET /\xff HTTP/1.1",
        "GET /%ff HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/11",
        "GET / HTTP/1.10",
        "GET / HTTP/1.x",
        "GET / HTTP/1.\xb2",
        "GET a.example:80 HTTP/1.1",
        "CONNECT a.example:443 HTTP/1.1",
        "GET ftp://localhost/ HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET http://user@localhost/ HTTP/1.1",
        "GET /SECRET HTTP/y",
    ],
)
def test_a_first_line_of_another_form_is_refused(line: str) -> None:
    assert refused(line, "Host: h") == 400


@pytest.mark.parametrize("version", ["0.9", "1.2", "1.9", "2.0", "3.0", "9.9"])
def test_two_versions_are_spoken_and_others_told_so(version: str) -> None:
    assert refused(f"GET / HTTP/{version}", "Host: h") == 505


@pytest.mark.parametrize(
    "line",
    [
        "no colon",
        ": no name",
        "A : blank before the colon",
        " A: blank before the name",
        "\tfolded",
        "A(: b",
        "A\x00: b",
        "\xe9: b",
        "A: NUL \x00",
        "A: bell \x07",
        "A: escape \x1b",
        "A: delete \x7f",
        "A: vertical tab \x0b",
        "A: return \r within",
        "Authorization Bearer SECRET",
    ],
)
def test_a_header_of_another_form_is_refused(line: str) -> None:
    assert refused("GET / HTTP/1.1", "Host: h", line, "B: c") == 400


def test_values_may_hold_tabs_and_bytes_beyond_ascii() -> None:
    head = read("GET / HTTP/1.1", "Host: h", b"A: b\tc \xff\xfe")
    assert head.headers[1] == (b"a", b"b\tc \xff\xfe")


def test_there_is_one_host() -> None:
    assert refused("GET / HTTP/1.1") == 400
    assert refused("GET / HTTP/1.1", "Host: h", "HOST: h") == 400
    assert read("GET / HTTP/1.0").headers == []
    assert refused("GET / HTTP/1.0", "Host: h", "Host: h") == 400


@pytest.mark.parametrize(
    ("headers", "length"),
    [
        ([], 0),
        (["Content-Length: 0"], 0),
        (["Content-Length: 007"], 7),
        (["Transfer-Encoding: chunked"], None),
        (["transfer-encoding: CHUNKED"], None),
    ],
)
def test_the_length_of_a_body_is_known(headers: list[str], length: int | None) -> None:
    assert read("POST / HTTP/1.1", "Host: h", *headers).length == length


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["Content-Length: "], 400),
        (["Content-Length: -5"], 400),
        (["Content-Length: +5"], 400),
        (["Content-Length: 5 5"], 400),
        (["Content-Length: 5, 5"], 400),
        (["Content-Length: 0x5"], 400),
        (["Content-Length: \xb2"], 400),
        (["Content-Length: " + "1" * 20], 400),
        (["Content-Length: 5", "Content-Length: 5"], 400),
        (["Content-Length: 5", "Content-Length: 6"], 400),
        (["Content-Length: 5", "Transfer-Encoding: chunked"], 400),
        (["Transfer-Encoding: chunked", "Content-Length: 5"], 400),
        (["Transfer-Encoding: gzip"], 501),
        (["Transfer-Encoding: gzip, chunked"], 501),
        (["Transfer-Encoding: chunked, chunked"], 501),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], 501),
        (["Transfer-Encoding: identity"], 501),
        (["Transfer-Encoding: "], 501),
        (["Transfer-Encoding: \x0bchunked"], 400),
    ],
)
def test_a_length_that_could_be_read_in_two_ways_is_refused(
    headers: list[str], status: int
) -> None:
    assert refused("POST / HTTP/1.1", "Host: h", *headers) == status


def test_chunks_are_no_part_of_an_older_version() -> None:
    assert refused("POST / HTTP/1.0", "Transfer-Encoding: chunked") == 400


@pytest.mark.parametrize(
    ("version", "headers", "is_last"),
    [
        ("1.1", [], False),
        ("1.1", ["Connection: keep-alive"], False),
        ("1.1", ["Connection: Close"], True),
        ("1.1", ["Connection: keep-alive , CLOSE"], True),
        ("1.1", ["Connection: a", "Connection: close"], True),
        ("1.1", ["Connection: closed"], False),
        ("1.0", [], True),
        ("1.0", ["Connection: keep-alive"], True),
    ],
)
def test_a_client_says_whether_it_comes_again(
    version: str, headers: list[str], is_last: bool
) -> None:
    assert read(f"GET / HTTP/{version}", "Host: h", *headers).is_last == is_last


def test_a_client_may_wait_for_a_word() -> None:
    assert read("POST / HTTP/1.1", "Host: h", "Expect: 100-Continue").wants_continue
    assert not read("POST / HTTP/1.1", "Host: h", "Expect: something").wants_continue
    assert not read("POST / HTTP/1.0", "Expect: 100-continue").wants_continue


def test_the_end_of_a_head_is_found_wherever_it_was_cut() -> None:
    for head in (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", b"GET / HTTP/1.1\nHost: h\n\n"):
        for cut in range(len(head)):
            data = bytearray(head[:cut])
            assert head_end(data, 0) is None
            data += head[cut:] + b"\r\n\r\n"
            assert head_end(data, cut) == len(head)


HOSTILE = {
    "blanks before a NUL": (b"A:", b" ", b"\x00"),
    "blanks and letters": (b"A:", b" a", b"\x00"),
    "colons": (b"", b":", b""),
    "options": (b"Connection:", b",", b""),
    "a name": (b"", b"a", b""),
    "many headers": (b"", b"a:\r\n", b"a: b"),
    "many returns": (b"A:", b"\r", b""),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_head_takes_longer_than_its_length_is_worth(name: str) -> None:
    # Sixteen times the head: what grows with the square would take 256 times as long.
    begin, unit, end = HOSTILE[name]
    best = []
    for number in (1_000, 16_000):
        line = begin + unit * number + end
        costs = []
        for _ in range(5):
            began = time.process_time()
            with suppress(BadRequestError):
                read("GET / HTTP/1.1", "Host: h", line)
            costs.append(time.process_time() - began)
        best.append(min(costs))
    assert best[1] < 100 * best[0] + 0.05, best
