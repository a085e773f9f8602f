"""Random and guided input for dispatch, and random bytes over the socket of a server.

``ESPER_FUZZ_SECONDS`` sets the time of each, which is 30 seconds otherwise.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from esper.rpc import errors as e
from esper.rpc.dispatch import Access, Dispatcher
from esper.rpc.strict_json import StrictJsonError, read_json
from tests.fuzz.rpc_inputs import body
from tests.fuzz.test_atheris import fuzz
from tests.support.http.rpc_server_child import Server, post, running
from tests.support.node.fake_node import TOKEN, FakeNode, settings

SECONDS = float(os.environ.get("ESPER_FUZZ_SECONDS", "30"))
GROWTH = 64 << 20
CODES = {value for name, value in vars(e).items() if isinstance(value, int)} - {e.INTERNAL_ERROR}
"""What bad input may be told. An incident would be a finding."""


def check_answer(data: bytes | None) -> int:
    """An answer is nothing, or JSON-RPC without incidents. How many requests succeeded."""
    if data is None:
        return 0
    value = json.loads(data)
    answers = value if isinstance(value, list) else [value]
    assert answers
    for answer in answers:
        assert answer["jsonrpc"] == "2.0"
        assert ("result" in answer) != ("error" in answer)
        if "error" in answer:
            assert answer["error"]["code"] in CODES, answer
            assert isinstance(answer["error"]["message"], str)
    return sum("result" in answer for answer in answers)


def answer_to(data: bytes, access: Access = Access.STEER) -> bytes | None:
    dispatcher = Dispatcher(FakeNode(), settings(Path("nowhere")), new_incident=lambda: "found")

    async def main() -> bytes | None:
        return await dispatcher.answer(data, access)

    return trio.run(main)


@given(st.binary(max_size=400))
def test_bytes_are_answered(data: bytes) -> None:
    check_answer(answer_to(data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(st.text(), parts, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_json_is_read_as_it_is_or_refused(value: Any) -> None:
    data = json.dumps(value).encode()
    check_answer(answer_to(data))
    try:
        found = read_json(data)
    except StrictJsonError:
        return
    assert json.dumps(found) == json.dumps(value)


@given(st.integers())
def test_requests_that_are_nearly_honest_are_answered(seed: int) -> None:
    for access in Access:
        check_answer(answer_to(body(random.Random(seed)), access))


def test_the_inputs_are_honest_often_enough() -> None:
    good = [check_answer(answer_to(body(random.Random(seed)))) > 0 for seed in range(300)]
    assert 30 < sum(good) < 270


def http_request(chooser: random.Random) -> bytes:
    """A request in HTTP, often disturbed."""
    content = body(chooser)
    headers = [f"Authorization: Bearer {TOKEN}"] if chooser.random() < 0.5 else []
    if chooser.random() < 0.3:
        names = ["Host", "Content-Type", "Origin", "Upgrade", "Connection", "Expect", "\x00"]
        values = ["", "h2c", "websocket", "close", "100-continue", "x" * 9000, "\xff", "a,b"]
        headers.append(f"{chooser.choice(names)}: {chooser.choice(values)}")
    found = bytearray(post(content, *headers))
    if chooser.random() < 0.2:
        head = post(b"", *headers).replace(b"Content-Length: 0", b"Transfer-Encoding: chunked")
        found = bytearray(head + b"%x\r\n" % len(content) + content + b"\r\n0\r\n\r\n")
    for _ in range(chooser.choice((0, 0, 1, 3))):
        place = chooser.randrange(len(found))
        match chooser.randrange(4):
            case 0:
                found[place] = chooser.randrange(256)
            case 1:
                del found[place : place + chooser.randrange(1, 40)]
            case 2:
                found[place:place] = chooser.randbytes(chooser.randrange(1, 40))
            case _:
                found[place:place] = found[: chooser.randrange(1, 200)]
    return bytes(found)


def one_conversation(server: Server, chooser: random.Random) -> int:
    """Send some requests on one connection; how many answers came."""
    sent = [http_request(chooser) for _ in range(chooser.choice((1, 1, 1, 4)))]
    if chooser.random() < 0.05:
        sent = [chooser.randbytes(chooser.choice((1, 100, 70_000)))]
    got = server.send(*sent, close=chooser.random() < 0.9)
    statuses = [int(found) for found in re.findall(rb"(?:^|[\n}])HTTP/1\.1 (\d{3}) ", got)]
    # 501: a coding of bodies that is not known; 505: a version of HTTP that is not.
    assert all(status < 500 or status in (501, 505) for status in statuses), (sent, got[:2000])
    assert b"under incident" not in got, (sent, got[:2000])
    return len(statuses)


@pytest.mark.serial
def test_bytes_over_the_socket_do_no_harm(tmp_path: Path) -> None:
    # One conversation at a time: a place that is not given back would soon be missed.
    quick = {"header_timeout_s": 0.3, "idle_timeout_s": 0.3, "body_timeout_s": 0.3}
    quick["max_connections"] = 6
    chooser = random.Random(int(os.environ.get("ESPER_FUZZ_SEED", "1")))
    with running(tmp_path, **quick) as server:
        server.assert_well()
        for _ in range(50):
            one_conversation(server, chooser)
        before = server.resident_bytes()
        end = time.monotonic() + SECONDS
        conversations = answers = 0
        while time.monotonic() < end:
            answers += one_conversation(server, chooser)
            conversations += 1
            assert server.process.poll() is None, server.log
        server.assert_calm()
        assert TOKEN not in server.log
        growth = server.resident_bytes() - before
        assert growth < GROWTH
    print(f"{conversations} connections, {answers} answers, {growth >> 10} KiB more memory")
    assert answers > SECONDS


def test_atheris_finds_no_incident(tmp_path: Path) -> None:
    fuzz(tmp_path, int(SECONDS), Path(__file__).with_name("atheris_rpc_target.py"))
