"""What a gateway keeps of its engine's speed, with many streams at once.

python -m bench.gateway_load [--streams 200] [--seconds 60] [--tokens 100] [--served] [--random]

A node on regtest with a gateway and the genesis model; with ``--served`` the same model by `esperd
serve`, which signs and keeps nothing; with ``--random`` `esperd serve` with random weights in the
shape of a story model of 15 million. Clients run in a process of their own
over loopback, eight keys among them; each asks again as soon as its stream has ended. The engine
alone runs before and after it, with as many answers at once as the gateway has slots; a ratio
compares within this run. Answers count from the end of ``--warm`` seconds on, since none ends
before. Processor time a token is told of each process: their sum is what all of the machine's cores
have to give, whoever else uses them.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import re
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import trio

from bench.processor_time import taken_by
from bench.random_checkpoint import STORIES_15M, write_random_model
from bench.serving import GENESIS, MS, bare
from esper.gateway.keys import Account, Scope, key_hash, key_id, make_key
from esper.gateway.store.gateway_store import DATABASE_FILE, GatewayStore
from esper.model import load_model
from esper.model.loaded import LoadedModel
from tests.support.node.node_process import BIN, environment, running

KEYS: Final = 8
SLOTS: Final = 64
"""Of the gateway: ``ServiceSettings.slots``."""
DAY_MS: Final = 24 * 3600 * 1000
MOST: Final = 2**40
ALONE_S: Final = 3.0
"""Of the engine alone, before and after."""
US: Final = 1_000_000


@dataclass
class Told:
    """What the clients saw."""

    tokens: int = 0
    answers: int = 0
    """Whole ones."""
    refused: dict[int, int] = field(default_factory=dict)
    """By status."""
    without_wait: int = 0
    """429 without ``retry-after``."""
    broken: int = 0
    """Streams that were let in and did not end in order."""
    first_ms: list[float] = field(default_factory=list)
    """From the request to the first text."""
    sends: int = 0
    """Parts that were read of whole answers."""
    all_tokens: int = 0
    """Of whole answers, also those that ended before or after the time that counts."""
    processor_s: float = 0.0
    """That the clients themselves took."""


def keys_of(path: Path) -> list[str]:
    """Keys without limits that a client of this bench would meet."""
    made = [make_key(os.urandom(38)) for _ in range(KEYS)]
    with GatewayStore(path) as store:
        for key in made:
            store.accounts.add(
                Account(
                    id=key_id(key),
                    hash=key_hash(key),
                    name="bench",
                    scopes=frozenset({Scope.INFER}),
                    budget=MOST,
                    period_ms=DAY_MS,
                    requests_per_minute=10**6,
                    tokens_per_minute=10**9,
                    streams=1_000,
                    max_price=0,
                    created_ms=0,
                )
            )
    return made


@dataclass(frozen=True)
class Load:
    """What is asked for."""

    streams: int
    seconds: float
    """That count."""
    warm: float
    """Seconds before."""
    tokens: int
    """Of an answer."""


def clients(port: int, keys: list[str], load: Load) -> Told:
    """All of them, in this process."""
    told = Told()

    async def one(number: int, since: float) -> None:
        window = since, since + load.seconds
        while trio.current_time() < window[1]:
            await _ask(port, keys[number % len(keys)], number, load.tokens, told, window)

    async def main() -> None:
        since = trio.current_time() + load.warm
        async with trio.open_nursery() as nursery:
            for number in range(load.streams):
                nursery.start_soon(one, number, since)

    begun_s = time.process_time()
    trio.run(main)
    told.processor_s = time.process_time() - begun_s
    return told


def prompt_of(number: int) -> list[int]:
    """Token ids that any vocabulary has, another list for each client."""
    return [1, *(3 + (7 * number + at) % 200 for at in range(12))]


async def _ask(
    port: int, key: str, number: int, tokens: int, told: Told, window: tuple[float, float]
) -> None:
    body = json.dumps(
        {
            "model": "esper-t0",
            "prompt": prompt_of(number),
            "max_tokens": tokens,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    ).encode()
    lines = (
        "POST /v1/completions HTTP/1.1",
        f"Host: 127.0.0.1:{port}",
        *([f"Authorization: Bearer {key}"] if key else []),
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
    )
    head = "".join(f"{line}\r\n" for line in (*lines, ""))
    begun = trio.current_time()
    # A node takes 128 connections of one address.
    here = f"127.0.0.{2 + number % 4}"
    stream = await trio.open_tcp_stream("127.0.0.1", port, local_address=here)
    async with stream:
        await stream.send_all(head.encode() + body)
        seen, first, parts = bytearray(), 0.0, 0
        async for part in stream:
            seen += part
            parts += 1
            if not first and b'"text":"' in seen:
                first = trio.current_time() - begun
    status = int(seen[9:12])
    if status != 200:
        told.refused[status] = told.refused.get(status, 0) + 1
        wait = re.search(rb"retry-after-ms: (\d+)", seen)
        if wait is None:
            told.without_wait += 1
        await trio.sleep(int(wait[1]) / MS if wait else 1.0)
        return
    if b"data: [DONE]" not in seen:
        told.broken += 1
        return
    usage = int(re.findall(rb'"completion_tokens":(\d+)', seen)[-1])
    if window[0] <= trio.current_time() <= window[1]:
        told.tokens += usage
    told.all_tokens += usage
    told.sends += parts
    told.answers += 1
    told.first_ms.append(MS * first)


def _clients_apart(*arguments: object) -> Told:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(clients, arguments)


def _resident_mib(pid: int) -> float:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else math.nan


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm", type=float, default=5.0)
    parser.add_argument("--tokens", type=int, default=100)
    parser.add_argument("--served", action="store_true")
    parser.add_argument("--random", action="store_true")
    chosen = parser.parse_args(arguments)
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = folder / "model" if chosen.random else GENESIS
        if chosen.random:
            write_random_model(weights, STORIES_15M, gate_bits=12)
        model = load_model(weights)
        alone = [_alone(model, chosen.tokens, threads)]
        load = Load(chosen.streams, chosen.seconds, chosen.warm, chosen.tokens)
        has_node = not (chosen.served or chosen.random)
        with _node(folder) if has_node else _served(weights) as (port, keys, pid):
            before = taken_by(pid)
            told = _clients_apart(port, keys, load)
            taken = taken_by(pid).since(before)
            memory = _resident_mib(pid)
        alone.append(_alone(model, chosen.tokens, threads))
    bare_speed, speed = statistics.mean(one[0] for one in alone), told.tokens / load.seconds
    bare_us = statistics.mean(one[1] for one in alone)
    times = sorted(told.first_ms) or [math.nan]
    made = max(told.all_tokens, 1)
    each = [US * one / made for one in (taken.children, taken.own, told.processor_s)]
    print(f"engine alone       {alone[0][0]:10,.0f} and {alone[1][0]:,.0f} tokens/s, ", end="")
    print(f"{SLOTS} at once")
    print(f"through gateway    {speed:10,.0f} tokens/s, {speed / bare_speed:.0%}")
    print(f"processors         {bare_us:10.1f} us a token alone; through the gateway ", end="")
    print(f"{each[0]:.1f} engine, {each[1]:.1f} node, {each[2]:.1f} clients: ", end="")
    print(f"{bare_us / sum(each):.0%}, {bare_us / sum(each[:2]):.0%} without clients")
    print(f"first token        {statistics.median(times):10,.0f} ms p50, ", end="")
    print(f"{times[int(0.99 * (len(times) - 1))]:,.0f} ms p99")
    print(f"answers            {told.answers:10,} whole, {told.broken} broken, ", end="")
    print(f"{told.sends / max(told.answers, 1):.1f} parts each")
    print(f"refused            {told.refused}, {told.without_wait} without a wait")
    print(f"node's memory      {memory:10,.0f} MiB at most")


@contextmanager
def _node(folder: Path) -> Iterator[tuple[int, list[str], int]]:
    datadir = folder / "node"
    with running("node", datadir, "--network", "regtest", gateway=True) as node:
        port = int(node.url.rstrip("/").rpartition(":")[2])
        keys = keys_of(datadir / DATABASE_FILE)
        _until_it_answers(port)
        yield port, keys, node.process.pid


@contextmanager
def _served(weights: Path) -> Iterator[tuple[int, list[str], int]]:
    port = 19334
    words = ["serve", "--model", weights, "--port", port, "--ollama-port", -1]
    process = subprocess.Popen([str(BIN / "esperd"), *map(str, words)], env=environment())
    try:
        _until_it_answers(port)
        yield port, [""], process.pid
    finally:
        process.terminate()
        process.wait()


def _until_it_answers(port: int) -> None:
    for _ in range(300):
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/v1/models").json()["data"]:
                return
        time.sleep(0.2)
    raise RuntimeError("no model answers")


def _alone(model: LoadedModel, tokens: int, threads: int) -> tuple[float, float]:
    """Tokens a second, and microseconds of processors a token; of several runs."""
    speeds: list[float] = []
    begun_s = time.process_time()
    ends = time.perf_counter() + ALONE_S
    while not speeds or time.perf_counter() < ends:
        speeds.append(bare(model, SLOTS, tokens, threads, late=False).tokens_per_s)
    return statistics.harmonic_mean(speeds), US * (time.process_time() - begun_s) / (
        len(speeds) * SLOTS * tokens
    )


if __name__ == "__main__":
    main()
