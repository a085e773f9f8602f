"""A real node process and the commands of its users, for functional tests."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from esper.rpc.client import RpcClient
from esper.rpc.method import Method, ReplyT, RequestT
from esper.rpc.methods import GET_ACCOUNT, GET_TRANSACTION
from esper.rpc.schema import AccountParams, TransactionParams

T = TypeVar("T")

BIN = Path(sys.executable).parent
START_S = 60
PATIENCE_S = 120
END_S = 10


def environment(**more: str) -> dict[str, str]:
    """What commands see: nothing of the caller's own nodes and wallets."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("ESPER_")}
    kept = {name: os.environ[name] for name in ("ESPER_STALE_NATIVE",) if name in os.environ}
    return {**own, **kept, "PATH": f"{BIN}:{own.get('PATH', '')}", "NO_COLOR": "1", **more}


def until(what: str, look: Callable[[], T | None], patience_s: float = PATIENCE_S) -> T:
    """What ``look`` finds, as soon as it does."""
    ends = time.monotonic() + patience_s
    while time.monotonic() < ends:
        found = look()
        if found is not None:
            return found
        time.sleep(0.3)
    raise AssertionError(f"waited {patience_s} s for {what}")


def ask(
    datadir: Path,
    method: Method[RequestT, ReplyT],
    request: RequestT,
    patience_s: float = PATIENCE_S,
) -> ReplyT:
    """What the node of a data directory answers.

    For looks that are repeated: a command is a process, whose start takes the processors from the
    node that is waited for.
    """
    with RpcClient.from_environment({}, datadir, patience_s) as client:
        return client.call(method, request)


def wait_for_balance(datadir: Path, address: str, more_than: int) -> None:
    """``more_than`` in units, confirmed and spendable."""
    asked = AccountParams(address)
    until(
        "a reward to mature",
        lambda: int(ask(datadir, GET_ACCOUNT, asked).balance) > more_than or None,
    )


def wait_for_credits(datadir: Path, address: str, more_than: int) -> None:
    """``more_than`` in micro-credits, spendable now."""
    asked = AccountParams(address)
    until(
        "credits",
        lambda: int(ask(datadir, GET_ACCOUNT, asked).credits.spendable) > more_than or None,
    )


def wait_until_confirmed(datadir: Path, txid: str) -> None:
    asked = TransactionParams(txid)
    until(
        f"transaction {txid[:16]} to be in a block",
        lambda: ask(datadir, GET_TRANSACTION, asked).status == "confirmed" or None,
    )


@dataclass
class User:
    """Someone with a data directory of wallets, and a node somewhere."""

    datadir: Path
    password: str
    rpc: str | None = None
    wallet: str | None = None
    """Whose it is; None: the only one that is there."""
    said: list[str] = field(default_factory=list)
    """Everything that was printed."""

    def run(self, *arguments: str | Path, status: int = 0, answer: str = "") -> str:
        """What `esper` prints on standard output; its exit status must be ``status``."""
        more = {"ESPER_DATADIR": str(self.datadir), "ESPER_PASSWORD": self.password}
        if self.rpc is not None:
            more["ESPER_RPC"] = self.rpc
        if self.wallet is not None:
            more["ESPER_WALLET"] = self.wallet
        done = subprocess.run(
            [BIN / "esper", *arguments],
            input=answer,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
            env=environment(**more),
        )
        self.said += [done.stdout, done.stderr]
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def json(self, *arguments: str | Path) -> Any:
        return json.loads(self.run(*arguments, "--json"))


@dataclass
class RunningNode:
    """A node process."""

    process: subprocess.Popen[bytes]
    datadir: Path
    log: Path

    @property
    def url(self) -> str:
        url: str = json.loads((self.datadir / "rpc.cookie").read_bytes())["url"]
        return url

    @property
    def told(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def workers(self) -> list[int]:
        """Process ids of its workers."""
        listed = subprocess.run(
            ["ps", "-o", "pid=,ppid=", "-A"], capture_output=True, text=True, check=True
        )
        pairs = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()]
        return [pid for pid, parent in pairs if parent == self.process.pid]

    def kill(self) -> None:
        """As a power button for this process alone."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(END_S)

    def end(self) -> int:
        """Ctrl-C; its exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(END_S)


@contextmanager
def running(
    command: str,
    datadir: Path,
    *arguments: str | Path,
    cwd: Path | None = None,
    alone: bool = True,
    gateway: bool = False,
    program: Sequence[str | Path] = (BIN / "esperd",),
) -> Iterator[RunningNode]:
    """``esperd command`` on a data directory, once its RPC answers.

    ``gateway``: with its process of the model, which costs each start a second or two.
    """
    log = datadir.parent / f"{datadir.name}-{time.monotonic_ns()}.log"
    (datadir / "rpc.cookie").unlink(missing_ok=True)
    call: Sequence[str | Path] = [
        *(*program, command, "--datadir", datadir),
        *("--rpc-port", "0", "--port", "0", *(["--alone"] if alone else [])),
        *("--gateway", "on" if gateway else "off", *arguments),
    ]
    with log.open("wb") as stream:
        process = subprocess.Popen(
            call, stdout=stream, stderr=stream, env=environment(), cwd=cwd, start_new_session=True
        )
    node = RunningNode(process, datadir, log)
    try:
        until(
            f"the node to start: {call}",
            lambda: (process.poll() is not None or (datadir / "rpc.cookie").exists()) or None,
            START_S,
        )
        assert process.poll() is None, node.told
        yield node
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
