"""Streamed answers over real sockets: is each part there when it is sent, until the end?

python -m bench.http_streams [--seconds 60] [--streams 100] [--interval-ms 100]

A server in a process of its own writes its clock into every part; lateness is what its clients'
clock, which is the same, says on arrival. A client more goes away in the middle, and the server
says when the task of its stream ended.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from typing import Any, Final

import trio
from starlette.requests import Request

from esper.http.listening import listen
from esper.http.routes import Route, RouteLimits, everyone
from esper.http.server import serve
from esper.http.settings import HttpSettings
from esper.http.slots import Slots
from esper.http.streams import StreamedAnswer, Write

REQUEST: Final = b"GET /clock HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def serve_clock(seconds: float, interval_s: float) -> None:
    """Serve a stream of the clock until stdin ends; say the port, and when streams were cut."""

    async def tick(write: Write) -> None:
        began, number = trio.current_time(), 0
        try:
            while number * interval_s < seconds:
                await write(b"%.6f\n" % time.monotonic())
                number += 1
                await trio.sleep_until(began + number * interval_s)
        except trio.Cancelled:
            print(f"cut {time.monotonic():.6f}", flush=True)
            raise

    async def clock(request: Request, granted: None) -> StreamedAnswer:
        return StreamedAnswer(tick, media_type="text/event-stream")

    limits = RouteLimits(Slots(8), Slots(10_000))
    route: Route[Any] = Route("/clock", frozenset({"GET"}), everyone, clock, limits)
    settings = HttpSettings(port=0, max_connections=10_000, max_connections_per_address=10_000)
    listening = await listen(settings.host, settings.port)
    print(listening.port, flush=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, [route], settings, listening)
        await trio.to_thread.run_sync(sys.stdin.buffer.read)
        nursery.cancel_scope.cancel()
    print(f"processor {time.process_time():.2f}", flush=True)


async def watch(port: int, lateness: list[float], whole: list[bool]) -> None:
    """Read one stream to its end."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as client:
        await client.send_all(REQUEST)
        data = bytearray()
        while not data.endswith(b"\r\n0\r\n\r\n"):
            part = await client.receive_some()
            now = time.monotonic()
            if not part:
                break
            for line in part.split(b"\n"):
                stamp = line.rstrip(b"\r")
                if b"." in stamp and stamp.replace(b".", b"").isdigit():
                    lateness.append(now - float(stamp))
            data = (data + part)[-8:]
        whole.append(data.endswith(b"\r\n0\r\n\r\n"))


async def leave(port: int, seconds: float) -> float:
    """Go away in the middle of a stream; when that was."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as client:
        await client.send_all(REQUEST)
        with trio.move_on_after(seconds):
            while await client.receive_some():
                pass
        return time.monotonic()


def percentile(values: list[float], part: float) -> float:
    """The value below which this part of the values lies."""
    return sorted(values)[min(int(part * len(values)), len(values) - 1)]


def main() -> None:
    """Measure, and print a line of figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--interval-ms", type=float, default=100.0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    interval_s = chosen.interval_ms / 1000
    if chosen.serve:
        trio.run(serve_clock, chosen.seconds, interval_s)
        return
    server = subprocess.Popen(
        [sys.executable, "-m", "bench.http_streams", "--serve", *sys.argv[1:]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    port = int(server.stdout.readline())
    lateness: list[float] = []
    whole: list[bool] = []
    left = 0.0

    async def clients() -> None:
        nonlocal left
        async with trio.open_nursery() as nursery:
            for _ in range(chosen.streams):
                nursery.start_soon(watch, port, lateness, whole)
            left = await leave(port, chosen.seconds / 2)

    began = time.monotonic()
    trio.run(clients)
    took = time.monotonic() - began
    server.stdin.close()
    said = server.stdout.read().decode().split()
    server.wait()
    late_ms = [1000 * found for found in lateness]
    cut_ms = 1000 * (float(said[said.index("cut") + 1]) - left)
    print(
        f"{chosen.streams} streams for {took:.1f} s: {sum(whole)} whole, {len(late_ms)} parts, "
        f"late by {percentile(late_ms, 0.5):.2f} ms (median), {percentile(late_ms, 0.99):.2f} ms "
        f"(99 %), {max(late_ms):.2f} ms (most); a client that went was noticed after "
        f"{cut_ms:.2f} ms; the server took {said[said.index('processor') + 1]} s of the processor"
    )


if __name__ == "__main__":
    main()
