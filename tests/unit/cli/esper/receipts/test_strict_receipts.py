"""`esper verify --strict`: the chain of a folder is followed, as far as the receipt needs it."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from esper.cli.esper.app import application
from esper.cli.esper.receipts.followed_chain import (
    FollowedChain,
    FollowedPrunedError,
    OtherChainError,
    judged_strictly,
)
from esper.node.datadir import DataDirectory
from esper.node.offline.verify_chain import BlockRefusedError
from esper.primitives.networks import DEVNET
from esper.primitives.params import NetworkParameters
from esper.receipts.form import encode_receipt
from tests.support.fake_work import FakeVerifier
from tests.support.node.node_world import PARAMS, copied, go, grown_datadir, node_world
from tests.support.real_receipt import real_receipt


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return grown_datadir(tmp_path_factory.mktemp("grown"))


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder's network is that of fake work."""

    def opened(path: Path, params: NetworkParameters = PARAMS) -> DataDirectory:
        return DataDirectory(path, params)

    monkeypatch.setattr(DataDirectory, "open", opened)


def ids(folder: Path) -> list[bytes]:
    """Of all blocks, by the node's own index."""
    found: list[bytes] = []

    async def look() -> None:
        async with node_world(folder, mines=False) as world:
            store = world.node.manager.store
            found.extend(store.index.entry(at).block_id for at in range(1, store.tip.height + 1))

    go(look)
    return found


def followed(folder: Path, told: list[tuple[int, int]] | None = None) -> FollowedChain:
    noted = [] if told is None else told
    return FollowedChain(folder, FakeVerifier(PARAMS.model), lambda *one: noted.append(one))


@pytest.mark.usefixtures("known")
def test_blocks_are_followed_as_far_as_they_are_asked_for(grown: Path, tmp_path: Path) -> None:
    folder = copied(grown, tmp_path / "node")
    expected = ids(folder)
    told: list[tuple[int, int]] = []
    chain = followed(folder, told)
    assert chain.block_id(5) == expected[4]
    assert told == [(height, 5) for height in range(1, 6)]
    assert chain.block_id(2) == expected[1]
    assert len(told) == 5, "what was followed is not followed again"
    assert chain.block_id(len(expected)) == expected[-1]
    assert chain.block_id(len(expected) + 1) is None
    assert chain.block_id(0) is None


@pytest.mark.usefixtures("known")
def test_a_proof_that_is_gone_is_named_by_its_height(grown: Path, tmp_path: Path) -> None:
    folder = copied(grown, tmp_path / "node")
    expected = ids(folder)

    async def give_up() -> None:
        async with node_world(folder, mines=False) as world:
            world.node.manager.store.put_proof(4, b"")

    go(give_up)
    assert followed(folder).block_id(3) == expected[2]
    with pytest.raises(FollowedPrunedError, match="the proof of block 4 is not kept") as refused:
        followed(folder).block_id(5)
    assert refused.value.height == 4


@pytest.mark.usefixtures("known")
def test_work_that_does_not_hold_is_not_followed(grown: Path) -> None:
    class Refusing(FakeVerifier):
        def verify(self, claim: object, proof: bytes) -> None:
            from esper.consensus.ports import ProofRejectedError

            raise ProofRejectedError("no")

    chain = FollowedChain(grown, Refusing(PARAMS.model), lambda *_: None)
    with pytest.raises(BlockRefusedError, match="block 1"):
        chain.block_id(1)


@pytest.mark.usefixtures("known")
def test_another_network_s_folder_is_no_sign_of_anything(grown: Path) -> None:
    from esper.cli.esper.receipts.surroundings import NativeJudge, known_networks
    from esper.receipts.ports import Surroundings

    around = Surroundings(networks=known_networks(), judge=NativeJudge())
    receipt = real_receipt()
    elsewhere = replace(receipt, network=replace(receipt.network, name=DEVNET.name))
    with pytest.raises(OtherChainError, match="of 'devnet', the folder holds regtest"):
        judged_strictly(encode_receipt(elsewhere), around, grown)
    # What is no receipt is told by its form, and without an anchor nothing is followed.
    broken = judged_strictly(b"{}", around, grown).broken
    assert broken is not None
    assert broken.name == "form"
    assert judged_strictly(encode_receipt(receipt), around, grown).status("chain") == "open"


def verify(*words: str | Path) -> Result:
    typed = ["verify", *map(str, words)]
    return CliRunner().invoke(application(["verify"]), typed)


def test_misuse(tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    file.write_bytes(encode_receipt(real_receipt()))
    folder = ("--datadir", tmp_path / "nowhere")
    done = verify(file, "--strict", *folder, "--json")
    assert done.exit_code == 2
    assert json.loads(done.stderr)["error"]["name"] == "DataDirectoryError"
    for more in ((), ("--node", "http://127.0.0.1:1"), ("--tip", "5:" + "00" * 64)):
        done = verify(file, "--strict", *(folder if more else ()), *more)
        assert (done.exit_code, done.stdout) == (2, "")
        assert "name it with --datadir" in done.stderr
