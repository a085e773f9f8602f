"""Any text of an answer survives a stream, and none ends an event or begins one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from esper.gateway.one_line import one_line, whole_text
from esper.gateway.replies.characters import Characters
from esper.gateway.replies.forms import reply_stream, whole_reply
from esper.gateway.replies.parts import Piece
from esper.gateway.requests.asked import Endpoint
from esper.rpc.strict_json import read_json
from tests.support.reply_reading import HEAD, LENGTH, STOPPED, events, objects, request_of

HOSTILE = (
    "\n\ndata: [DONE]\n\n",
    "\r\n\r\nevent: error\r\n",
    "\u2028data: x\u2029",
    "\x85data: x\x0b\x0c\x1c\x1d\x1e",
    "</script>",
    "\x00",
    "🎈é",
    "\ufeff",
    ": comment",
    '"}]}',
    "\\ud800",
)
pieces = st.lists(st.sampled_from(HOSTILE) | st.text(max_size=20), max_size=6)
flags = st.booleans()
OPENAI = (Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.RESPONSES)


def streamed(endpoint: Endpoint, texts: Sequence[str], usage: bool, pad: bool) -> bytes:
    request = request_of(endpoint, stream=True, include_usage=usage, obfuscate=pad)
    stream = reply_stream(request, HEAD)
    sent = stream.begin() + b"".join(stream.piece(Piece(text)) for text in texts)
    return sent + stream.finish(STOPPED)


@given(st.sampled_from(OPENAI), pieces, flags, flags)
def test_streams_of_events(endpoint: Endpoint, texts: list[str], usage: bool, pad: bool) -> None:
    sent = streamed(endpoint, texts, usage, pad)
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in sent)
    # The same number of events, whatever the texts say.
    plain = streamed(endpoint, ["x" for text in texts if text], usage, pad)
    assert [name for name, _ in events(sent)] == [name for name, _ in events(plain)]
    found = objects(sent)
    if endpoint is Endpoint.RESPONSES:
        deltas = [one["delta"] for one in found if one["type"] == "response.output_text.delta"]
        assert found[-1]["response"]["output"][0]["content"][0]["text"] == "".join(texts)
    else:
        assert found[-1] == "[DONE]"
        choices = [choice for one in found[:-1] for choice in one["choices"]]
        deltas = [
            choice["delta"].get("content", "") if endpoint is Endpoint.CHAT else choice["text"]
            for choice in choices
        ]
    assert "".join(deltas) == "".join(texts)


@given(st.sampled_from((Endpoint.OLLAMA_CHAT, Endpoint.OLLAMA_GENERATE)), pieces)
def test_streams_of_lines(endpoint: Endpoint, texts: list[str]) -> None:
    lines = streamed(endpoint, texts, False, False).split(b"\n")
    assert lines.pop() == b""
    found = [json.loads(line) for line in lines]
    assert [one["done"] for one in found] == [False for text in texts if text] + [True]
    said = [one["message"]["content"] if "message" in one else one["response"] for one in found]
    assert "".join(said) == "".join(texts)


@given(st.sampled_from(Endpoint), st.sampled_from(HOSTILE) | st.text())
def test_whole_replies(endpoint: Endpoint, text: str) -> None:
    sent = whole_reply(request_of(endpoint), HEAD, Piece(text), LENGTH)
    assert all(0x20 <= byte < 0x7F for byte in sent)
    assert one_line(text) in sent
    assert read_json(one_line([text])) == [text]


@given(st.text(st.characters(codec=None) | st.sampled_from("\ud800\udc00\udbff")))
def test_halves_of_characters_never_leave(text: str) -> None:
    found = read_json(one_line({"a": [text], text: 1}))
    assert found["a"] == [whole_text(text)]
    whole_text(text).encode()


@given(st.text(), st.lists(st.integers(0, 40)))
def test_characters_cut_anywhere_are_whole_again(text: str, cuts: list[int]) -> None:
    data, reader, found, begin = text.encode(), Characters(), "", 0
    for cut in sorted(cuts):
        found += reader.add(data[begin : max(begin, cut)])
        begin = max(begin, cut)
    assert found + reader.add(data[begin:]) + reader.end() == text
