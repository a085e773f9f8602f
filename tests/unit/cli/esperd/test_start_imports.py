"""What a node needs is imported before its event loop begins: an import holds up all that runs."""

import json
import subprocess
import sys
from pathlib import Path

CODE = """
import http.client, json, sys
import trio
from esper.cli.program import run

begin, late = trio.run, []
PATHS = ["/", "/models", "/dao", "/console", "/receipt"]
PATHS += ["/v1/models", "/metrics", "/block-id.json?height=0"]


def ask(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    statuses = []
    for path in PATHS:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    return statuses


def compiled(*parts, **named):
    late.append("a template")


async def watched(node, *parts):
    before = set(sys.modules)
    assert {"jinja2", "starlette", "wsproto", "tokenizers", "sqlite3"} <= before
    sys.modules["jinja2"].Environment.compile = compiled
    async with trio.open_nursery() as nursery:
        port = await nursery.start(node, *parts)
        statuses = await trio.to_thread.run_sync(ask, port)
        print(json.dumps([statuses, late + sorted(set(sys.modules) - before)]))
        nursery.cancel_scope.cancel()


trio.run = lambda node, *parts: begin(watched, node, *parts)
words = ["--network", "devnet", "--rpc-port", "0", "--port", "0"]
run("esperd", ["node", *words, "--datadir", sys.argv[1]])
"""
OF_OTHERS = ("multiprocessing.", "_posixshmem", "runpy")
"""Of Python itself, small: what starts processes, and comes with the first of them."""


def test_nothing_is_imported_or_compiled_once_the_loop_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE, str(tmp_path / "node")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout, done.stderr
    statuses, late = json.loads(done.stdout.splitlines()[-1])
    assert statuses == [200] * len(statuses)
    assert [name for name in late if not name.startswith(OF_OTHERS)] == []
