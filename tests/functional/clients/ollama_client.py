"""Ollama's own client against a gateway, as a program would use it. Argument: the address.

Says what it tried, a word a line; fails at the first thing that is not as it should be.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

# By name: the environment in which the tests are checked has no Ollama.
OLLAMA: Any = import_module("ollama")

MODEL = "esper-t0"
PROMPT = "The little dog"
TEXT = " was a little boy named Tim. He loved to"
GREEDY = {"num_predict": 12, "temperature": 0}
CHAT = [{"role": "user", "content": PROMPT}]

client = OLLAMA.Client(host=sys.argv[1], timeout=60)


def models() -> None:
    assert [one.model for one in client.list().models] == [f"{MODEL}:latest"]
    assert client.show(MODEL).capabilities
    assert [one.model for one in client.ps().models] == [f"{MODEL}:latest"]


def generate() -> None:
    found = client.generate(MODEL, PROMPT, raw=True, options=GREEDY)
    assert (found.response, found.done, found.done_reason) == (TEXT, True, "length")
    assert found.eval_count == 12
    parts = list(client.generate(MODEL, PROMPT, raw=True, options=GREEDY, stream=True))
    assert "".join(one.response for one in parts) == TEXT
    assert [one.done for one in parts] == [False] * (len(parts) - 1) + [True]


def chat() -> None:
    found = client.chat(MODEL, CHAT, options=GREEDY)
    assert found.message.role == "assistant"
    assert found.message.content == TEXT
    parts = list(client.chat(MODEL, CHAT, options=GREEDY, stream=True))
    assert "".join(one.message.content or "" for one in parts) == TEXT


def refused(ask: Callable[[], object]) -> tuple[int, bool]:
    """Its status, and whether it has a sentence."""
    try:
        ask()
    except OLLAMA.ResponseError as error:
        return error.status_code, bool(error.error)
    raise AssertionError("it was answered")


def refusals() -> None:
    sampled = {"temperature": 0.7}
    assert refused(lambda: client.generate(MODEL, PROMPT, options=sampled)) == (400, True)
    assert refused(lambda: client.chat("llama3", CHAT)) == (404, True)
    assert refused(lambda: client.embed(MODEL, PROMPT)) == (404, True)


for check in (models, generate, chat, refusals):
    check()
    print(check.__name__)
