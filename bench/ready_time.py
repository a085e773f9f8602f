"""Measure on devnet how long a miner that never had a model takes from finality to readiness.

python -m bench.ready_time [--folder DIR]

Two nodes of this machine: one has the package of a second model and does not mine, the other mines
at devnet's spacing and has nothing. The demo key stakes, proposes and votes as soon as the rules
let it. What is measured begins with the block that closes the vote (finality, F) and ends with the
block that holds the miner's proof of readiness. At least d + 1 blocks lie between, since the seed
of the rehearsal is drawn d blocks after F. Prints one JSON object: seconds after F's block of each
thing, and heights; the whole takes 20 minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from esper.primitives.networks import DEVNET
from tests.support.net.network_process import NetworkNode
from tests.support.node.node_process import User, running, until
from tests.support.second_model import TICKET, second_model

from .network_nodes import load

NETWORK = ("--network", "devnet")
PATIENCE_S = 3600
LOOK_EVERY_S = 0.3


def said(text: str) -> None:
    """To whoever watches."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def height_of(user: User) -> int:
    """Of the node's tip."""
    found: int = user.json("status")["height"]
    return found


def wait_for_height(user: User, height: int) -> None:
    """Until the chain is so high."""
    said(f"waiting for block {height}")
    until(f"block {height}", lambda: height_of(user) >= height or None, PATIENCE_S)


def confirmed(user: User, *arguments: str) -> str:
    """A transaction by a command, once a block has it."""
    txid: str = user.json(*arguments, "--yes")["txid"]
    until(
        f"{arguments} in a block",
        lambda: user.json("tx", txid)["transaction"]["status"] == "confirmed" or None,
        PATIENCE_S,
    )
    return txid


def timeline(user: User, proposal: str) -> dict[str, Any]:
    """Seconds after the block of finality of what the miner does, and the blocks of it."""
    close = int(user.json("dao", "show", proposal)["live"]["next"]) + DEVNET.governance.vote_tail
    wait_for_height(user, close)
    began = time.monotonic()
    found: dict[str, Any] = {"finality_height": close}
    while "ready_s" not in found:
        passed = round(time.monotonic() - began, 1)
        height = height_of(user)
        packages = user.json("rpc", "model_progress")["packages"]
        if "verified_s" not in found and any(one["verdict"] == "verified" for one in packages):
            found["verified_s"] = passed
            said(f"the package is here and checked, {passed} s after finality")
        shown = user.json("dao", "show", proposal)["live"]
        if "drawn_s" not in found and shown["step"] == "check":
            found |= {"drawn_s": passed, "drawn_height": height}
            said(f"the seed is drawn, {passed} s after finality")
        if shown["step"] not in ("close", "draw", "check"):
            raise RuntimeError(f"the proposal is at its step {shown['step']}")
        if any(one["ready"] for one in user.json("rpc", "dao_readiness")["proposals"]):
            found |= {"ready_s": passed, "ready_height": height}
            said(f"ready, {passed} s after finality")
        time.sleep(LOOK_EVERY_S)
    return found


def measure(folder: Path) -> dict[str, Any]:
    """The whole play, in a folder that is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    model, has = second_model(folder / "second"), folder / "seeder"
    owner, user = User(has, "demo"), User(folder / "miner", "demo")
    with ExitStack() as stack:
        for one in (owner, user):
            one.datadir.mkdir(exist_ok=True)
            one.run("wallet", "import", *NETWORK, "--demo")
        pack = ("--bank", "genesis", "--ticket", TICKET, *NETWORK, "--into", str(has))
        size = owner.json("model", "pack", str(model), *pack)
        said(f"packed: {size}")
        seeder = NetworkNode(stack.enter_context(running("node", has, *NETWORK, alone=False)))
        stack.enter_context(
            running("mine", user.datadir, *NETWORK, "--connect", seeder.address, alone=False)
        )
        wait_for_height(user, 8)
        confirmed(user, "stake", "20")
        epoch = DEVNET.credits.epoch_blocks
        wait_for_height(user, (height_of(user) // epoch + 1) * epoch)
        proposal = confirmed(
            *(owner, "dao", "propose", "--model", str(model), "--tier", "0"),
            *("--name", "second", "--licence", "MIT", "--bond", "2"),
        )
        confirmed(user, "dao", "vote", proposal, "yes")
        return {"load": load(), **timeline(user, proposal), "load_then": load()}


def main() -> None:
    """Print what one play gives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--folder", type=Path, help="keep data and logs here")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(measure(folder or Path(made)), indent=2))


if __name__ == "__main__":
    main()
