"""The command line on a fake model and a fake proof: mine, verify, refuse changes."""

import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.cli.esperd import node_commands, offline
from esper.node.datadir import DataDirectory, DataDirectoryError
from esper.node.workers.search import TicketSearch, WrongModelError
from esper.node.workers.worker_process import WorkerError
from esper.primitives import networks
from esper.primitives.address import Address
from esper.primitives.ids import BlockId
from esper.primitives.networks import REGTEST
from esper.storage.datadir_lock import DirectoryLock
from tests.support.fake_work import BANK, FakeInference, FakeVerifier, fake_network, prompt_source
from tests.support.node.esperd_world import mine, run, said, use_fakes
from tests.support.node.fake_workers import FakeProverPort, FakeSearcher

PARAMS = fake_network()


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, PARAMS, fake_network(networks.MAINNET))


def test_mine_then_verify_then_mine_on(tmp_path: Path) -> None:
    addresses = ("peers may dial", "pages for browsers at ", "base_url of ")
    told = [line for line in said(mine(tmp_path / "d")) if not line.startswith(addresses)]
    assert told[0].startswith("regtest at height 0, RPC on 127.0.0.1 port ")
    assert told[1] == "loading the model for the search"
    assert told[2].startswith("the search is ready: ")
    assert [line.split()[:2] for line in told[3:-1]] == [["block", str(h)] for h in (1, 2, 3)]
    assert all("proof 0 KiB in" in line for line in told[3:-1])
    assert all(line.count("tokens answered by") == 2 for line in told[3:-1])
    assert told[-1].startswith("stopped at height 3")
    verified = run("verify-chain", "--datadir", tmp_path / "d")
    assert verified.count(" valid, payee resp1") == 3
    assert "3 blocks valid" in verified
    assert "135 ESP issued" in verified
    assert "at height 3" in mine(tmp_path / "d", blocks=1)
    assert "4 blocks valid" in run("verify-chain", "--datadir", tmp_path / "d")


def test_the_named_payee_is_paid(tmp_path: Path) -> None:
    payee = Address(1, bytes(32)).to_text("resp")
    mine(tmp_path / "d", "--payee", payee, blocks=1)
    assert payee in run("verify-chain", "--datadir", tmp_path / "d")


def test_a_payee_of_another_network(tmp_path: Path) -> None:
    payee = Address(1, bytes(32)).to_text("esp")
    told = mine(tmp_path / "d", "--payee", payee, status=2)
    assert "this network's begin with 'resp'" in told
    assert not (tmp_path / "d").exists()


def test_real_networks_need_a_payee(tmp_path: Path) -> None:
    told = run("mine", "--network", "mainnet", "--datadir", tmp_path / "d", status=2)
    assert "name an address with --payee" in told
    assert not (tmp_path / "d").exists()


def test_a_network_that_does_not_exist(tmp_path: Path) -> None:
    told = run("mine", "--network", "moonnet", "--datadir", tmp_path / "d", status=2)
    assert "network = 'moonnet': must be one of" in told


def test_every_flipped_byte_of_the_files_is_refused(tmp_path: Path) -> None:
    mine(tmp_path / "d", blocks=1)
    for folder in ("blocks", "proofs"):
        path = tmp_path / "d" / folder / "000000.seg"
        sound = path.read_bytes()
        for position in range(0, len(sound), 97):
            path.write_bytes(
                sound[:position] + bytes([sound[position] ^ 4]) + sound[position + 1 :]
            )
            told = run("verify-chain", "--datadir", tmp_path / "d", status=1)
            assert "damaged" in told or "not a segment file" in told
        path.write_bytes(sound)
    run("verify-chain", "--datadir", tmp_path / "d")


def test_the_demonstration_refuses_everything(tmp_path: Path) -> None:
    mine(tmp_path / "d")
    before = {p: p.read_bytes() for p in (tmp_path / "d").rglob("*.seg")}
    for height in ([], ["--height", 1], ["--height", 2]):
        told = run("demo-tamper", "--datadir", tmp_path / "d", *height)
        assert told.count("refused: ") == 10
        assert "ACCEPTED" not in told
        for rule in ("IndexViolation", "OutputsHashViolation", "ProofViolation"):
            assert rule in told
    assert {p: p.read_bytes() for p in (tmp_path / "d").rglob("*.seg")} == before


def test_the_demonstration_would_tell_of_an_accepted_forgery(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(tmp_path / "d", blocks=1)

    class Gullible(FakeVerifier):
        def verify(self, claim: Any, proof: bytes) -> None:
            del claim, proof

    monkeypatch.setattr(offline, "NativeVerifier", lambda: Gullible(PARAMS.model))
    told = run("demo-tamper", "--datadir", tmp_path / "d", status=1)
    assert "ACCEPTED" in told


def test_a_height_that_is_not_there(tmp_path: Path) -> None:
    mine(tmp_path / "d", blocks=1)
    told = run("demo-tamper", "--datadir", tmp_path / "d", "--height", 9, status=2)
    assert "height 9" in told


def test_a_false_block_is_named_with_its_rule(tmp_path: Path) -> None:
    from esper.consensus.chain import BlockBytes
    from esper.storage.segments.block_files import BlockFiles
    from tests.support.storage.block_file_writer import BlockFileWriter

    mine(tmp_path / "d", blocks=2)
    first, second = BlockFiles(tmp_path / "d")
    forged = BlockBytes(second.header, second.body, second.proof + b"\0")
    copy = DataDirectory.open_or_create(tmp_path / "e", PARAMS)
    writer = BlockFileWriter(copy.path)
    writer.append(BlockId(bytes(64)), first)
    writer.append(BlockId(b"\1" * 64), forged)
    told = run("verify-chain", "--datadir", tmp_path / "e", status=1)
    assert "block 2 refused: ProofHashViolation" in told


def clock_at(monkeypatch: pytest.MonkeyPatch, time_ms: int) -> None:
    for module in (offline, node_commands):
        monkeypatch.setattr(module, "now_ms", lambda: time_ms)


def test_a_clock_behind_the_chain_is_named_and_no_block_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(tmp_path / "d")
    assert "warning" not in run("verify-chain", "--datadir", tmp_path / "d")
    # 2020-01-01, as a board without a battery wakes up.
    clock_at(monkeypatch, 1_577_836_800_000)
    told = run("verify-chain", "--datadir", tmp_path / "d")
    assert "3 blocks valid" in told
    assert "refused" not in told
    warning = told.splitlines()[-1]
    assert warning.startswith(
        "warning: this machine's clock (2020-01-01 00:00:00 UTC) is behind the chain"
    )
    assert "from block 1 on" in warning
    # What does not ask for the time works as ever, and forgeries are refused for what they are.
    assert "up to height 3" in run("reindex", "--datadir", tmp_path / "d")
    forged = run("demo-tamper", "--datadir", tmp_path / "d")
    assert "TimeFutureViolation" not in forged
    assert "ACCEPTED" not in forged


def test_a_false_block_is_refused_whatever_the_clock_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine(tmp_path / "d")
    clock_at(monkeypatch, 0)
    [proofs] = (tmp_path / "d" / "proofs").iterdir()
    proofs.write_bytes(proofs.read_bytes()[:-1] + b"?")
    told = run("verify-chain", "--datadir", tmp_path / "d", status=1)
    assert "clock" not in told


def test_folders_that_are_no_data_directory(tmp_path: Path) -> None:
    assert "make one with `esperd init`" in run("verify-chain", "--datadir", tmp_path, status=2)
    (tmp_path / "file").write_text("something")
    assert "not empty" in mine(tmp_path, status=2)


def test_a_data_directory_of_other_parameters(tmp_path: Path) -> None:
    mine(tmp_path / "d", blocks=1)
    file = tmp_path / "d" / "chain.json"
    fields = json.loads(file.read_text())
    file.write_text(json.dumps({**fields, "genesis_hash": "00"}))
    assert "use another directory" in mine(tmp_path / "d", status=2)
    file.write_text(json.dumps({**fields, "network": "mainnet"}))
    assert "use another directory" in mine(tmp_path / "d", status=2)
    file.write_text(json.dumps({**fields, "format": 2}))
    assert "format 2" in mine(tmp_path / "d", status=2)
    file.write_text("{}")
    assert "is damaged: 'network'; copy it from any" in mine(tmp_path / "d", status=2)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    directory = DataDirectory.open_or_create(tmp_path / "d", PARAMS)
    with DirectoryLock(directory.path):
        assert "in use" in mine(tmp_path / "d", blocks=1, status=1)
    assert "at height 0" in mine(tmp_path / "d", blocks=1)


def test_the_vrf_secret_is_kept_and_private(tmp_path: Path) -> None:
    directory = DataDirectory.open_or_create(tmp_path / "d", PARAMS)
    assert directory.vrf_secret(b"a" * 32) == b"a" * 32
    assert directory.vrf_secret(b"b" * 32) == b"a" * 32
    file = tmp_path / "d" / "vrf.secret"
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_bytes(b"short")
    with pytest.raises(DataDirectoryError, match="5 bytes, must have 32"):
        directory.vrf_secret(b"b" * 32)


@pytest.mark.parametrize("moment", range(4))
def test_a_first_start_that_is_cut_off_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    # File and folder of chain.json, then of vrf.secret.
    syncs = iter(range(4))

    def cut_off(descriptor: int) -> None:
        if next(syncs) == moment:
            os.ftruncate(descriptor, 0) if moment % 2 == 0 else None
            raise KeyboardInterrupt

    def start() -> bytes:
        return DataDirectory.open_or_create(tmp_path / "d", PARAMS).vrf_secret(b"a" * 32)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", cut_off)
        with pytest.raises(KeyboardInterrupt):
            start()
    assert start() == b"a" * 32
    names = {path.name for path in (tmp_path / "d").iterdir()}
    assert names == {"chain.json", "vrf.secret"}


def test_another_model_is_refused() -> None:
    other = FakeInference(REGTEST.model)
    with pytest.raises(WrongModelError, match="is not the chain's"):
        TicketSearch(PARAMS.puzzle, PARAMS.model, other, prompt_source(PARAMS))


def test_a_worker_that_cannot_begin_ends_the_node_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Unfit(FakeSearcher):
        async def run(self, events: Any, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
            del events, task_status
            raise WorkerError("model 00 is not the chain's")

    monkeypatch.setattr(
        node_commands, "ProcessSearcher", lambda _: Unfit(PARAMS, node_commands.now_ms)
    )
    told = mine(tmp_path / "d", status=1)
    assert "error: model 00 is not the chain's" in told
    assert "Traceback" not in told


def test_another_bank_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_commands, "read_bank", lambda _: SimpleNamespace(prompts=BANK[:-1]))
    assert "over 4095 prompts" in mine(tmp_path / "d", status=2)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupting_keeps_what_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    class Stopping(FakeProverPort):
        """The third proof is interrupted."""

        async def prove_work(self, claim: Any) -> bytes:
            if self.asked.count("prove_work") == 2:
                os.kill(os.getpid(), number)
                await trio.sleep_forever()
            return await super().prove_work(claim)

    monkeypatch.setattr(node_commands, "ProcessProver", lambda _: Stopping(PARAMS))
    told = run(
        "mine", "--network", "regtest", "--datadir", tmp_path / "d", "--rpc-port", 0, "--port", 0
    )  # fmt: skip
    assert f"{number.name}: closing" in told
    assert "stopped at height 2" in told
    assert "2 blocks valid" in run("verify-chain", "--datadir", tmp_path / "d")


def test_a_node_leaves_no_secret_of_its_session(tmp_path: Path) -> None:
    mine(tmp_path / "d", blocks=1)
    names = {path.name for path in (tmp_path / "d").iterdir()}
    assert "rpc.cookie" not in names
    assert {"chain.json", "vrf.secret", "mempool.dat", "wallets"} <= names
