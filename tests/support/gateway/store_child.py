"""A gateway in small: two calls from their reservation to a final proof; killed where it is told.

Reads lines: number of the commit to die at, "before" or "after" it, folder. Each is lived by a fork
of this process, which has imported everything and never opened a database; its exit status is
written, -9 if it was killed. What was done outside of the database stands in ``world.json``: chunks
that clients saw, and the chain.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from esper.gateway.proving import ProvingLine
from esper.gateway.proving_rows import Answered, Block, Conditions, Spent, Step
from esper.gateway.store.database import Database
from esper.gateway.store.gateway_store import GatewayStore
from esper.gateway.store.repeats import Fresh
from tests.support.gateway.accounts import MODEL, NOW, account, instant

CALLS = ("a" * 32, "b" * 32)


class World:
    """What the gateway cannot take back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.data: dict[str, Any] = {"chunks": [], "sent": [], "blocks": []}
        if path.exists():
            self.data = json.loads(path.read_text())

    def add(self, name: str, *what: Any) -> None:
        self.data[name].extend(what)
        made = self._path.with_suffix(".new")
        made.write_text(json.dumps(self.data))
        made.replace(self._path)


def die_at(number: int, when: str) -> None:
    """Kill this process at a commit, with nothing flushed."""
    commit, count = Database.commit, 0

    @contextmanager
    def counted(self: Database) -> Iterator[Any]:
        nonlocal count
        count += 1
        with commit(self) as connection:
            yield connection
            if when == "before" and count == number:
                os.kill(os.getpid(), signal.SIGKILL)
        if when == "after" and count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    Database.commit = counted  # type: ignore[method-assign]


def ask(store: GatewayStore, world: World, line: ProvingLine, call: str) -> None:
    """A client that sends the same again until it has its answer."""
    owner = account().id
    seen = store.repeats.begin(call, owner, call, b"body", 0, NOW)
    if not isinstance(seen, Fresh):
        return
    assert store.budget.reserve(call, owner, 210, NOW)
    made = instant(call)
    store.receipts.promise(made, NOW)
    assert made.row is not None
    line.enqueue(made.row)
    world.add("chunks", call)


def main(folder: Path) -> None:
    world = World(folder / "world.json")
    with GatewayStore(folder / "gateway.db") as store:
        store.recover()
        store.accounts.add(account())
        kept = store.line.load(0)
        tip = kept.followed[-1][0] if kept.followed else 0
        line = ProvingLine(kept.rows, kept.next_nonce, tip, kept.stopped)

        def carry_out(step: Step) -> None:
            assert not step.stopped
            store.line.commit(step, NOW)
            for version in step.sends:
                world.add("sent", [version.nonce, version.txid.hex()])
            if step.sign is not None:
                # Signing twice gives two txids, as a scheme with randomness would.
                txid = os.urandom(64)
                carry_out(line.signed(step.sign, txid, step.sign.call.encode()))

        for call in CALLS:
            ask(store, world, line, call)
        for height in range(1, 11):
            blocks = world.data["blocks"]
            if len(blocks) < height:
                for _ in range(3):
                    spent = [one for block in blocks for one in block]
                    carry_out(line.look(conditions(len(spent))))
                spent = [one for block in blocks for one in block]
                found = [one for one in world.data["sent"] if one[0] == len(spent)]
                world.add("blocks", found[:1])
            if height > line.tip:
                carry_out(line.added(block_of(height, world.data["blocks"][height - 1])))


def conditions(nonce: int) -> Conditions:
    return Conditions(NOW, nonce, 10**9, 10**9, 10, frozenset({MODEL}))


def block_of(height: int, spent: list[Any]) -> Block:
    txids = [(nonce, bytes.fromhex(txid)) for nonce, txid in spent]
    return Block(
        height,
        b"block %d" % height,
        tuple(Spent(txid, nonce) for nonce, txid in txids),
        tuple(Answered(txid, (5, 6)) for _, txid in txids),
    )


def live(number: int, when: str, folder: Path) -> int:
    """The exit status of one gateway."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            die_at(number, when)
            main(folder)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    for line in sys.stdin:
        commit, side, where = line.rstrip("\n").split(" ", 2)
        print(live(int(commit), side, Path(where)), flush=True)
