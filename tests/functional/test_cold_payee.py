"""A miner whose payee's key is in a wallet alone: the wallet shows that its model runs there.

Real processes, sockets and proofs.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.functional.test_rotation import (
    NETWORK,
    PATIENCE_S,
    grow_to,
    height_of,
    sent,
    wait_until_verified,
)
from tests.support.net.network_process import NetworkNode
from tests.support.node.node_process import User, running, until
from tests.support.second_model import TICKET, second_model

pytestmark = pytest.mark.nodes


def test_a_wallet_shows_that_its_miner_is_ready(tmp_path: Path) -> None:
    folder, datadir = second_model(tmp_path / "second"), tmp_path / "miner"
    owner = User(tmp_path / "owner", "a password that nobody guesses")
    owner.run("wallet", "new", *NETWORK, "--wallet", "owner")
    payee = owner.json("wallet", "address")["addresses"][0]["address"]
    # On regtest `esperd node` mines what is asked for.
    datadir.mkdir()
    (datadir / "esper.toml").write_text(f'payee = "{payee}"\n')
    with running("node", datadir, *NETWORK):
        # A package goes into a data directory that is there.
        pass
    owner.run(
        *("model", "pack", folder, "--bank", "genesis", "--ticket", TICKET, *NETWORK),
        *("--into", datadir),
    )
    with running("node", datadir, *NETWORK) as process:
        miner = NetworkNode(process)
        shutil.copy(datadir / "rpc.cookie", owner.datadir)
        grow_to(miner, 11)
        sent(owner, miner, "stake", "20")
        grow_to(miner, 20)
        proposal = sent(
            *(owner, miner, "dao", "propose", "--model", str(folder), "--tier", "0"),
            *("--name", "second", "--licence", "MIT", "--bond", "2"),
        )
        sent(owner, miner, "dao", "vote", proposal, "yes")
        assert "does not wait for miners yet" in owner.run(
            "rpc", "dao_rehearsal", f"id={proposal}", f"address={payee}", status=1
        )
        grow_to(miner, height_of(miner) + 12)
        wait_until_verified(miner, 1)

        until("the rehearsal", lambda: "its wallet shows it" in process.told or None, PATIENCE_S)
        handed = owner.json("dao", "ready", proposal, "--sign", "--yes")["txid"]
        miner.generate(2)
        assert owner.json("tx", handed)["transaction"]["status"] == "confirmed"
        assert "AlreadyReadyError" in owner.run(
            "dao", "ready", proposal, "--sign", "--json", "--yes", status=1
        )
