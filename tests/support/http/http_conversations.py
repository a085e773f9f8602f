"""Conversations of HTTP/1.1 with the RPC server: bytes, and the statuses of their answers."""

from __future__ import annotations

from tests.support.node.fake_node import TOKEN

BODY = b'{"jsonrpc":"2.0","method":"get_status","id":1}'
HEX = b"%x" % len(BODY)
HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = HEX + b"\r\n" + BODY + b"\r\n0\r\n\r\n"


def post(*lines: bytes, first: bytes = b"POST / HTTP/1.1\r\n", body: bytes = BODY) -> bytes:
    return first + HOST + JSON + b"".join(lines) + b"\r\n" + body


GOOD = post(LENGTH)
IN_CHUNKS = post(CHUNKED, body=CHUNKS)
HEALTH = b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n"
LAST = post(LENGTH, b"Connection: close\r\n")
OLD = b"POST / HTTP/1.0\r\n" + JSON + LENGTH + b"\r\n" + BODY


def get(first: bytes = b"GET /health HTTP/1.1", *lines: bytes) -> bytes:
    return first + b"\r\n" + HOST + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def chunks(line: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """The body as one chunk with this line before it."""
    return post(CHUNKED, body=line + b"\r\n" + BODY + b"\r\n" + end)


KEPT = {
    # --- requests
    "plain": (GOOD, [200]),
    "two behind each other": (GOOD + HEALTH, [200, 200]),
    "three and chunks": (GOOD + IN_CHUNKS + GOOD, [200, 200, 200]),
    "line end before the first": (b"\r\n" + GOOD, [200]),
    "bare line end before the first": (b"\n" + GOOD, [200]),
    "several line ends before the first": (b"\r\n\r\n\n" + GOOD, [200]),
    "line end between": (GOOD + b"\r\n" + GOOD, [200, 200]),
    "line end behind the last": (GOOD + b"\r\n", [200]),
    "bare line feeds": (b"GET /health HTTP/1.1\nHost: localhost\n\n", [200]),
    "HEAD": (get(b"HEAD /health HTTP/1.1"), [200]),
    "HEAD and another": (get(b"HEAD /health HTTP/1.1") + HEALTH, [200, 200]),
    "query": (get(b"GET /health?a=b&c HTTP/1.1"), [200]),
    "empty query": (get(b"GET /health? HTTP/1.1"), [200]),
    "escaped path": (get(b"GET /%68ealth HTTP/1.1"), [200]),
    "absolute form": (post(LENGTH, first=b"POST http://localhost:9334/ HTTP/1.1\r\n"), [200]),
    "absolute form without a path": (post(LENGTH, first=b"POST http://localhost HTTP/1.1\r\n"), [200]),
    "absolute form, great letters": (post(LENGTH, first=b"POST HTTP://LocalHost/ HTTP/1.1\r\n"), [200]),
    "absolute form of an address": (get(b"GET http://[::1]:1/health HTTP/1.1"), [200]),
    "absolute form, no port behind the colon": (get(b"GET http://localhost:/health HTTP/1.1"), [200]),
    "no port behind the colon": (HEALTH.replace(b"localhost", b"localhost:"), [200]),
    # --- headers
    "names in small letters": (GOOD.replace(b"Content-", b"content-").replace(b"Host", b"host"), [200]),
    "names in great letters": (GOOD.replace(b"Content-Length", b"CONTENT-LENGTH"), [200]),
    "no blank behind the colon": (GOOD.replace(b": ", b":"), [200]),
    "blanks around values": (GOOD.replace(b"localhost\r", b" \t localhost \t \r"), [200]),
    "an empty value": (post(LENGTH, b"X-Empty:\r\n", b"X-Blank: \t \r\n"), [200]),
    "every character of names": (post(LENGTH, b"!#$%&'*+-.^_`|~09azAZ: x\r\n"), [200]),
    "bytes beyond ASCII in a value": (post(LENGTH, b"X: caf\xc3\xa9 \xff\r\n"), [200]),
    "a type with parameters": (GOOD.replace(b"/json", b'/json; charset="utf-8"'), [200]),
    "a type in great letters": (GOOD.replace(b"application", b"APPLICATION"), [200]),
    "keep-alive asked for": (post(LENGTH, b"Connection: keep-alive\r\n"), [200]),
    "an upgrade that is not taken": (post(LENGTH, b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\n"), [200]),
    "another expectation": (post(LENGTH, b"Expect: miracles\r\n"), [200]),
    # --- lengths
    "zeros before the length": (post(b"Content-Length: 000%d\r\n" % len(BODY)), [200]),
    "length nought of a GET": (get(b"GET /health HTTP/1.1", b"Content-Length: 0"), [200]),
    # --- chunks
    "one chunk": (IN_CHUNKS, [200]),
    "a byte in each chunk": (
        post(CHUNKED, body=b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"),
        [200],
    ),
    "size in great letters": (chunks(HEX.upper()), [200]),
    "zeros before the size": (chunks(b"0000" + HEX), [200]),
    "blanks behind the size": (chunks(HEX + b" \t"), [200]),
    "an extension": (chunks(HEX + b";a"), [200]),
    "extensions": (chunks(HEX + b' ; a = b;c="d \\" e";f'), [200]),
    "an extension of the last chunk": (chunks(HEX, b"0;a=b\r\n\r\n"), [200]),
    "zeros for the last chunk": (chunks(HEX, b"000\r\n\r\n"), [200]),
    "trailers": (chunks(HEX, b"0\r\nX-Sum: 5\r\nX: \r\n\r\n"), [200]),
    "trailers that are no headers of ours": (chunks(HEX, b"0\r\nContent-Length: 5\r\nHost: a\r\n\r\n") + HEALTH, [200, 200]),
    "coding in great letters": (IN_CHUNKS.replace(b"chunked", b"CHUNKED"), [200]),
}  # fmt: skip
"""Answered, and the connection stays: bytes, and the statuses of the answers."""

CLOSED = {
    # --- the client says that it is the last
    "close asked for": (LAST, [200]),
    "close among options": (post(LENGTH, b"Connection: x, Close\r\n"), [200]),
    "the older version": (OLD, [200]),
    "the older version, kept": (OLD.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n"), [200]),
    "the older version without a host": (b"GET /health HTTP/1.0\r\n\r\n", [200]),
    "a byte behind the last": (LAST + b"x", [200]),
    "line ends behind the last": (LAST + b"\r\n\r\n", [200]),
    "a request behind the last": (LAST + GOOD, [200]),
    "a byte behind the older version": (OLD + b"x", [200]),
    "zeros behind the last": (LAST + bytes(500), [200]),
    "one before the last": (GOOD + LAST + GOOD, [200, 200]),
    # --- refused by the application, whatever follows
    "another host": (GOOD.replace(b"localhost", b"a.example") + GOOD, [421]),
    "another host in absolute form": (post(LENGTH, first=b"POST http://a.example/ HTTP/1.1\r\n") + GOOD, [421]),
    "an empty host": (GOOD.replace(b" localhost", b"") + GOOD, [421]),
    "a host with a blank": (GOOD.replace(b"localhost", b"local host") + GOOD, [421]),
    "an origin": (post(LENGTH, b"Origin: http://a.example\r\n") + GOOD, [403]),
    "a path that is none": (post(LENGTH, first=b"POST /a HTTP/1.1\r\n") + GOOD, [404]),
    "a fragment": (get(b"GET /health#a HTTP/1.1") + GOOD, [404]),
    "a line feed in the path": (get(b"GET /health%0a HTTP/1.1") + GOOD, [404]),
    "all of the server": (get(b"OPTIONS * HTTP/1.1") + GOOD, [404]),
    "a method in small letters": (get(b"get /health HTTP/1.1") + GOOD, [405]),
    "a method in mixed letters": (post(LENGTH, first=b"pOsT / HTTP/1.1\r\n") + GOOD, [405]),
    "another method": (post(LENGTH, first=b"PATCH / HTTP/1.1\r\n") + GOOD, [405]),
    "a method that nobody knows": (post(LENGTH, first=b"M-SEARCH / HTTP/1.1\r\n") + GOOD, [405]),
    "another type": (GOOD.replace(b"application/json", b"text/plain") + GOOD, [415]),
    "no type": (GOOD.replace(JSON, b"") + GOOD, [415]),
    "two types": (post(LENGTH, JSON) + GOOD, [415]),
    "a wrong token": (post(LENGTH, b"Authorization: Bearer wrong\r\n") + GOOD, [401]),
    "two tokens": (post(LENGTH, *[b"Authorization: Bearer %b\r\n" % TOKEN.encode()] * 2) + GOOD, [401]),
    "a body that is too large": (post(b"Content-Length: 999999\r\n", body=bytes(270_000)) + GOOD, [413]),
    "one before what is refused": (GOOD + GOOD.replace(b"localhost", b"a.example") + GOOD, [200, 421]),
    # --- the first line
    "no target": (get(b"GET HTTP/1.1"), [400]),
    "no version": (b"GET /health\r\n\r\n", [400]),
    "two blanks": (get(b"GET  /health HTTP/1.1"), [400]),
    "a tab for a blank": (get(b"GET\t/health HTTP/1.1"), [400]),
    "a blank before the method": (b" " + HEALTH, [400]),
    "a blank behind the version": (get(b"GET /health HTTP/1.1 "), [400]),
    "a blank in the target": (get(b"GET /he alth HTTP/1.1"), [400]),
    "a bracket in the method": (get(b"GE(T /health HTTP/1.1"), [400]),
    "a bare return": (b"GET /health HTTP/1.1\r" + HOST + b"\r\n", [400]),
    "a return before the request": (b"\r" + HEALTH, [400]),
    "a NUL in the target": (get(b"GET /he\x00alth HTTP/1.1"), [400]),
    "bytes beyond ASCII in the target": (get(b"GET /h\xc3\xa9 HTTP/1.1"), [400]),
    "an escape that is no UTF-8": (get(b"GET /%ff HTTP/1.1"), [400]),
    "a relative target": (get(b"GET health HTTP/1.1"), [400]),
    "a URL without a host": (get(b"GET http:///health HTTP/1.1"), [400]),
    "a URL with a user": (get(b"GET http://me@localhost/health HTTP/1.1"), [400]),
    "another scheme": (get(b"GET ftp://localhost/health HTTP/1.1"), [400]),
    "a tunnel": (get(b"CONNECT localhost:9334 HTTP/1.1"), [400]),
    "version in small letters": (get(b"GET /health http/1.1"), [400]),
    "version of one number": (get(b"GET /health HTTP/1"), [400]),
    "version of three numbers": (get(b"GET /health HTTP/1.1.1"), [400]),
    "version of two digits": (get(b"GET /health HTTP/1.01"), [400]),
    "version in other digits": (get(b"GET /health HTTP/1.\xb2"), [400]),
    "another protocol": (get(b"GET /health ICE/1.1"), [400]),
    "version 1.2": (get(b"GET /health HTTP/1.2"), [505]),
    "version 2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", [505]),
    # --- headers
    "no host": (b"GET /health HTTP/1.1\r\n\r\n", [400]),
    "two hosts": (get(b"GET /health HTTP/1.1", b"Host: localhost"), [400]),
    "no name": (get(b"GET /health HTTP/1.1", b": a"), [400]),
    "no colon": (get(b"GET /health HTTP/1.1", b"A"), [400]),
    "a blank before the colon": (get(b"GET /health HTTP/1.1", b"A : b"), [400]),
    "a blank before the length's colon": (post(LENGTH.replace(b":", b" :")) + GOOD, [400]),
    "a folded line": (get(b"GET /health HTTP/1.1", b"A: b", b" c"), [400]),
    "a line folded by a tab": (get(b"GET /health HTTP/1.1", b"A: b", b"\tc"), [400]),
    "a folded first header": (b"GET /health HTTP/1.1\r\n " + HOST + b"\r\n", [400]),
    "a folded length": (post(b"Content-Length:\r\n %d\r\n" % len(BODY)) + GOOD, [400]),
    "a NUL in a name": (get(b"GET /health HTTP/1.1", b"A\x00: b"), [400]),
    "a NUL in a value": (get(b"GET /health HTTP/1.1", b"A: b\x00"), [400]),
    "a bell in a value": (get(b"GET /health HTTP/1.1", b"A: b\x07"), [400]),
    "a return in a value": (get(b"GET /health HTTP/1.1", b"A: b\rB: c"), [400]),
    "two returns": (get(b"GET /health HTTP/1.1", b"A: b\r"), [400]),
    "bytes beyond ASCII in a name": (get(b"GET /health HTTP/1.1", b"\xc3\xa9: b"), [400]),
    "a head that is too large": (get(b"GET /health HTTP/1.1", b"A: " + b"b" * 16_384) + GOOD, [431]),
    "a first line that is too large": (get(b"GET /" + b"a" * 16_384 + b" HTTP/1.1") + GOOD, [414]),
    # --- lengths
    **{
        f"the length {value!r}": (post(b"Content-Length:" + value + b"\r\n") + GOOD, [400])
        for value in (
            b"", b" ", b" +46", b" -46", b" -0", b" 0x2e", b" 4 6", b" 46 46", b" 46,", b" ,46",
            b" 46, 46", b" 46,47", b" 46;", b' "46"', b" 46.0", b" 4.6e1", b" 1_000", b" \xb2",
            b" \xd9\xa4", b" 46\x00", b" 46\x0b", b" \x0b46", b" inf", b" 99999999999999999999",
            b" " + b"9" * 5000,
        )
    },
    "a length twice": (post(LENGTH, LENGTH) + GOOD, [400]),
    "two lengths": (post(LENGTH, b"Content-Length: 5\r\n") + GOOD, [400]),
    # --- codings
    **{
        f"the coding {value!r}": (IN_CHUNKS.replace(b" chunked", value) + GOOD, [501])
        for value in (
            b"", b" identity", b" gzip", b" gzip, chunked", b" chunked, gzip", b" chunked, chunked",
            b" chunked,", b" ,chunked", b' "chunked"', b" chunked;a", b" xchunked", b" chunke",
            b" chunked\xa0",
        )
    },
    **{
        f"the coding {value!r}": (IN_CHUNKS.replace(b" chunked", value) + GOOD, [400])
        for value in (b" chunked\x00", b" \x0bchunked", b"\r\n chunked", b" chun\rked")
    },
    "a coding twice": (post(CHUNKED, CHUNKED, body=CHUNKS) + GOOD, [501]),
    "length and coding": (post(LENGTH, CHUNKED, body=CHUNKS) + GOOD, [400]),
    "coding and length": (post(CHUNKED, LENGTH, body=CHUNKS) + GOOD, [400]),
    "a coding in the older version": (post(CHUNKED, first=b"POST / HTTP/1.0\r\n", body=CHUNKS) + GOOD, [400]),
    # --- chunks
    **{
        f"the chunk's line {line!r}": (chunks(line) + GOOD, [400])
        for line in (
            b"", b"-2e", b"+2e", b"0x2e", b"g", b" 2e", b"2 e", b"2e,", b"2_e", b"2e;", b"2e; ",
            b"2e;;a", b"2e;=b", b"2e;a=", b"2e;a;", b'2e;a="b', b'2e;a="b"c', b"2e;a=b c",
            b"2e;a\x00", b"2e;a=\x07", b'2e;a="\x00"', b"2e;a\rb", b"2e\r", b"2e;\xe9", b"2e a",
            b"\xd9\xa2e", b"0" * 17 + b"2e", b"f" * 17, b"2e;" + b"a" * 1024,
        )
    },
    "a line feed behind a size": (post(CHUNKED, body=HEX + b"\n" + BODY + b"\r\n0\r\n\r\n") + GOOD, [400]),
    "a line feed behind a chunk": (post(CHUNKED, body=HEX + b"\r\n" + BODY + b"\n0\r\n\r\n") + GOOD, [400]),
    "a chunk that is longer": (post(CHUNKED, body=HEX + b"\r\n" + BODY + b"x\r\n0\r\n\r\n") + GOOD, [400]),
    "a line feed behind the last chunk": (chunks(HEX, b"0\n\n") + GOOD, [400]),
    "a trailer without a colon": (chunks(HEX, b"0\r\nA\r\n\r\n") + GOOD, [400]),
    "a trailer with a NUL": (chunks(HEX, b"0\r\nA: \x00\r\n\r\n") + GOOD, [400]),
    "a folded trailer": (chunks(HEX, b"0\r\nA: b\r\n c\r\n\r\n") + GOOD, [400]),
    "trailers with line feeds": (chunks(HEX, b"0\r\nA: b\n\n") + GOOD, [400]),
    "trailers that are too large": (chunks(HEX, b"0\r\nA: " + b"b" * 17_000 + b"\r\n\r\n") + GOOD, [431]),
    # --- other protocols
    "TLS": (bytes.fromhex("16030100c8010000c40303"), [400]),
    "zeros": (bytes(50), [400]),
}  # fmt: skip
"""Answered, and then the connection ends; what follows is not answered."""

BROKEN_OFF = {
    "a body that breaks off": (post(b"Content-Length: 99\r\n"), [400]),
    "a chunk that breaks off": (IN_CHUNKS[:-9], [400]),
    "chunks without their end": (IN_CHUNKS[:-2], [400]),
    "a head that breaks off": (GOOD + HEALTH[:-2], [200]),
    "nothing": (b"", []),
    "line ends alone": (b"\r\n\r\n", []),
    "half of a line end": (b"\r", []),
}
"""The client says no more in the middle of something."""
