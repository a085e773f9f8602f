"""``esperd serve``: the embedded model by OpenAI's client and Ollama's paths, without a chain."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import openai
import pytest

from esper.model.tokenizer import encode_text, load_tokenizer
from tests.support.model_folders import GENESIS_MODEL, change
from tests.support.node.node_process import BIN, END_S, environment, until

SERVE = (BIN / "esperd", "serve", "--model", "genesis", "--threads", "1")
FREE = ("--port", "0", "--ollama-port", "0")
TEXT = " was a little boy named Tim. He loved to"


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A server, and the addresses that it says."""
    with subprocess.Popen(
        [*SERVE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(),
    ) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline().strip() for _ in range(2)]
        finally:
            process.kill()


@pytest.fixture(scope="module")
def urls() -> Iterator[list[str]]:
    with serving(*FREE) as (_, found):
        until("the model", lambda: answers(found[0]))
        yield found


def answers(url: str) -> bool | None:
    return True if httpx.get(f"{url}/models").json()["data"] else None


def client(url: str) -> openai.OpenAI:
    return openai.OpenAI(api_key="unused", base_url=url, max_retries=0, timeout=60)


def test_openais_client(urls: list[str]) -> None:
    made = client(urls[0]).completions.create(
        model="esper-t0", prompt="The little dog", max_tokens=12
    )
    assert made.choices[0].text == TEXT
    assert made.model_extra is not None
    assert "esper" not in made.model_extra


def test_a_stop_within_tokens(urls: list[str]) -> None:
    chunks = client(urls[0]).completions.create(
        model="esper-t0", prompt="The little dog", max_tokens=12, stop="m. H", stream=True
    )
    assert "".join(one.choices[0].text for one in chunks) == TEXT.partition("m. H")[0]


def test_many_at_once(urls: list[str]) -> None:
    """More than there are slots: all are answered, each with the one greedy answer."""
    with ThreadPoolExecutor(100) as pool, client(urls[0]) as asking:
        ask = asking.completions.create
        tries = [
            pool.submit(ask, model="esper-t0", prompt="The little dog", max_tokens=12)
            for _ in range(100)
        ]
        assert {one.result().choices[0].text for one in tries} == {TEXT}


def test_ollamas_port(urls: list[str]) -> None:
    root = urls[1].removesuffix("/v1")
    assert httpx.get(f"{root}/api/tags").json()["models"][0]["name"] == "esper-t0:latest"
    asked = {"model": "esper-t0", "prompt": "The little dog", "raw": True, "stream": False}
    found = httpx.post(f"{root}/api/generate", json={**asked, "options": {"num_predict": 12}})
    assert found.json()["response"] == TEXT


def test_strangers_are_kept_out(urls: list[str]) -> None:
    via = httpx.get(f"{urls[0]}/models", headers={"x-forwarded-for": "1.2.3.4"})
    assert via.status_code == 401
    page = httpx.get(f"{urls[0]}/models", headers={"origin": "https://evil.example"})
    assert page.status_code == 403


def test_it_ends_when_told_to() -> None:
    with serving(*FREE) as (process, found):
        assert len(found) == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_S) == 0


def refusal(*arguments: str) -> str:
    done = subprocess.run(
        [*SERVE, *arguments], check=False, capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 2
    return done.stderr


def test_what_is_refused_at_once() -> None:
    assert "--host 0.0.0.0" in refusal("--host", "0.0.0.0", *FREE)
    assert "no-such-folder" in refusal("--model", "no-such-folder", *FREE)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "another port with --ollama-port" in refusal("--port", "0", "--ollama-port", port)
        assert "another port with --port" in refusal("--port", port, "--ollama-port", "0")


VOCABULARY = 1024
TEMPLATE = "{% for m in messages %}{{ bos_token ~ m.role ~ ' ' ~ m.content ~ '</s>' }}{% endfor %}"


def test_a_folder_s_template_writes_specials_and_a_user_spells_them(tmp_path: Path) -> None:
    """It is the chat that the same ids are: equal tokens, answer and probabilities."""
    folder = tmp_path / "model"
    shutil.copytree(GENESIS_MODEL, folder)
    change(folder / "tokenizer_config.json", chat_template=TEMPLATE, bos_token="<s>")
    spelled = "a</s><s>b"
    tokens = encode_text(load_tokenizer(folder, VOCABULARY), f"user {spelled}")
    assert not {0, 1, 2} & set(tokens)
    with serving(*FREE, "--model", str(folder)) as (_, found):
        until("the model", lambda: answers(found[0]))
        with client(found[0]) as asking:
            chat = asking.chat.completions.create(
                model="esper-t0",
                messages=[{"role": "user", "content": spelled}],
                max_tokens=8,
                logprobs=True,
            )
            as_ids = asking.completions.create(
                model="esper-t0", prompt=[1, *tokens, 2], max_tokens=8, logprobs=0
            )
    assert chat.usage is not None
    assert chat.usage == as_ids.usage
    assert chat.choices[0].message.content == as_ids.choices[0].text
    assert chat.choices[0].logprobs is not None
    assert chat.choices[0].logprobs.content is not None
    assert as_ids.choices[0].logprobs is not None
    told = [one.logprob for one in chat.choices[0].logprobs.content]
    assert told == as_ids.choices[0].logprobs.token_logprobs
