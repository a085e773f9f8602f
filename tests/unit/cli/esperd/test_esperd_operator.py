"""What an operator meets: one data directory for all commands, answers as objects, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from esper.cli.esperd import app as esperd
from esper.p2p.peers.peer_address import peer_id_text
from esper.p2p.transport.identity import KEY_FILE, Identity
from esper.primitives import networks
from esper.primitives.address import Address
from esper.rpc.client import RpcClient
from esper.rpc.examples import MINING
from esper.rpc.method import Method
from esper.rpc.schema import Done, Generated, GenerateParams
from tests.support.fake_work import fake_network
from tests.support.net.fake_peers import CLOSED
from tests.support.node.esperd_world import mine, run, use_fakes

PARAMS = fake_network()
OFFLINE = ("verify-chain", "reindex", "repair", "demo-tamper")


@pytest.fixture(autouse=True)
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    use_fakes(monkeypatch, PARAMS, fake_network(networks.MAINNET))


def asked(*arguments: Any, status: int = 0) -> tuple[dict[str, Any], str]:
    """The object on standard output, and what stands on standard error."""
    done = CliRunner().invoke(esperd.application(), [str(one) for one in arguments])
    assert done.exit_code == status, (done.output, done.exception)
    return (json.loads(done.stdout) if done.stdout else {}), done.stderr


@pytest.mark.parametrize("command", OFFLINE)
def test_the_environment_names_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    datadir = tmp_path / "home" / "chain"
    datadir.parent.mkdir()
    mine(datadir, blocks=1)
    monkeypatch.setenv("HOME", str(datadir.parent))
    for named in (str(datadir), "~/chain"):
        monkeypatch.setenv("ESPER_DATADIR", named)
        run(command)
        # A flag is stronger, and means the same by ~.
        run(command, "--datadir", "~/chain")
        monkeypatch.setenv("ESPER_DATADIR", str(tmp_path / "elsewhere"))
        assert "is no data directory" in run(command, status=2)
        run(command, "--datadir", "~/chain")
    assert not Path("~").exists()


@pytest.mark.parametrize("command", OFFLINE)
def test_without_both_it_is_the_home_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("ESPER_DATADIR", raising=False)
    assert f"{tmp_path / '.esper'} is no data directory" in run(command, status=2)


def test_a_chain_without_blocks_is_no_error(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    run("init", "--network", "regtest", "--datadir", datadir)
    assert "0 blocks valid" in run("verify-chain", "--datadir", datadir)
    assert "up to height 0" in run("reindex", "--datadir", datadir)
    told = run("demo-tamper", "--datadir", datadir, status=2)
    assert "there is no block" in told


def test_answers_as_objects(tmp_path: Path) -> None:
    where = ("--datadir", tmp_path / "d", "--json")
    made, _ = asked("init", "--network", "regtest", *where)
    assert made == {"network": "regtest", "datadir": str(tmp_path / "d")}
    mine(tmp_path / "d", blocks=2)
    verified, _ = asked("verify-chain", *where)
    assert (verified["height"], verified["without_proof"]) == (2, 0)
    assert int(verified["issued"]) > 0
    built, _ = asked("reindex", *where)
    assert (built["height"], built["damage_remains"]) == (2, False)
    tampered, _ = asked("demo-tamper", *where)
    assert (tampered["height"], len(tampered["forgeries"])) == (2, 10)
    assert all(row["refused"] for row in tampered["forgeries"])
    assert asked("repair", *where)[0]["damaged"] == []


@pytest.mark.parametrize("command", [*OFFLINE, "pause", "resume", "threads", "stop", "generate"])
def test_errors_as_objects(tmp_path: Path, command: str) -> None:
    nothing, told = asked(
        command, "--datadir", tmp_path, "--json", status=2 if command in OFFLINE else 1
    )
    assert nothing == {}
    error = json.loads(told)["error"]
    assert error["name"]
    assert str(tmp_path) in error["message"]


class FakeClient:
    """A node that does what it is told."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []
        self.mining = MINING

    def __enter__(self) -> FakeClient:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def call(self, method: Method[Any, Any], request: Any) -> Any:
        self.asked.append((method.name, request))
        answers: dict[str, Any] = {"get_mining": self.mining, "generate": Generated(["ab" * 64])}
        return answers.get(method.name, Done())


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    made = FakeClient()
    monkeypatch.setattr(RpcClient, "from_environment", lambda *_: made)
    return made


def test_steering_answers_with_objects(client: FakeClient) -> None:
    assert asked("pause", "--json")[0] == {"paused": True}
    assert asked("resume", "--json")[0] == {"paused": MINING.paused, "running": MINING.running}
    assert asked("threads", "--search", 1, "--json")[0] == {
        "threads": MINING.threads,
        "prove_threads": MINING.prove_threads,
    }
    assert asked("stop", "--json")[0] == {"stopping": True}
    assert asked("generate", 3, "--json")[0] == {"hashes": ["ab" * 64] * 3}
    payee = Address(1, bytes(32)).to_text("resp")
    assert run("generate", "--to", payee) == "ab" * 64 + "\n"
    assert client.asked[-1] == ("generate", GenerateParams(1, payee))


def test_what_is_not_measured_yet_is_no_number(client: FakeClient) -> None:
    client.mining = msgspec.structs.replace(MINING, paused=False, expected_block_ms=0, proof_ms=0)
    told = run("mining")
    assert "block       how long one takes is told once it is measured\n" in told
    assert f"proof       none yet, on {MINING.prove_threads} threads\n" in told
    client.mining = msgspec.structs.replace(client.mining, expected_block_ms=8200, proof_ms=3850)
    told = run("mining")
    assert "block       expected every 8.2 s of this machine alone\n" in told
    assert f"proof       3.85 s, on {MINING.prove_threads} threads\n" in told


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("payee", "resp1nonsense", "payee = 'resp1nonsense'"),
        ("payee", Address(1, bytes(32)).to_text("esp"), "this network's begin with 'resp'"),
        ("threads", "5000", "threads = '5000': must be a whole number of at least 0"),
        ("rpc_host", "no such host", "rpc_host = 'no such host': must be an address or name"),
        ("rpc_hosts", "*", "rpc_hosts"),
        ("log_file", "/nowhere/esper.log", "there is no folder /nowhere"),
    ],
)
def test_config_refuses_what_a_start_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(f"ESPER_{name.upper()}", value)
    where = ("--network", "regtest", "--datadir", tmp_path / "d")
    for command in ("config", "mine", "node"):
        assert told in run(command, *where, status=2)
    assert not (tmp_path / "d").exists()


def test_config_refuses_a_model_and_a_bank_that_a_start_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from esper.cli.esperd import node_commands
    from esper.model import ModelError

    def refuse(*_: object) -> None:
        raise ModelError("that is no model")

    where = ("--network", "regtest", "--datadir", tmp_path / "d")
    for name in ("ModelText", "read_bank"):
        with monkeypatch.context() as patched:
            patched.setattr(node_commands, name, refuse)
            for command in ("config", "mine"):
                assert "that is no model" in run(command, *where, status=2)
    assert not (tmp_path / "d").exists()


def test_config_refuses_a_directory_that_a_start_refuses(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("something")
    where = ("--datadir", tmp_path, "--network", "regtest")
    assert "not empty" in run("config", *where, status=2)
    mine(tmp_path / "d", blocks=1)
    made = tmp_path / "d"
    run("config", "--datadir", made)
    told = run("config", "--network", "mainnet", "--datadir", made, status=2)
    assert "belongs to regtest, not to mainnet: name another folder with --datadir" in told


def test_config_shows_the_values_all_the_same(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        esperd.application(),
        ["config", "--payee", "nonsense", "--datadir", str(tmp_path / "d"), "--network", "regtest"],
    )
    assert done.exit_code == 2
    assert 'payee = "nonsense"' in done.stdout
    assert "payee = 'nonsense'" in done.stderr


def test_a_miner_of_a_network_with_value_may_name_its_payee_later(tmp_path: Path) -> None:
    run("config", "--network", "mainnet", "--datadir", tmp_path / "d")


def test_a_log_file_is_written_beside_standard_error(tmp_path: Path) -> None:
    path = tmp_path / "esper.log"
    told = mine(tmp_path / "d", "--log-file", path, "--log-json", blocks=1)
    assert path.read_text() == told
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    [mined] = [line for line in lines if line.get("event") == "block_mined"]
    assert (mined["height"], len(mined["block"])) == (1, 128)
    assert all("event" in line for line in lines)


def test_listening_to_others_is_told_with_what_helps(tmp_path: Path) -> None:
    told = mine(tmp_path / "d", "--rpc-host", "0.0.0.0", blocks=1)
    assert "WARNING: JSON-RPC listens on 0.0.0.0 and speaks plain HTTP" in told
    assert "TLS" in told
    assert "WARNING" not in mine(tmp_path / "e", "--rpc-host", "127.0.0.2", blocks=1)


def test_a_node_is_not_started_with_itself_as_a_peer(tmp_path: Path) -> None:
    datadir = tmp_path / "d"
    mine(datadir, blocks=1)
    own = peer_id_text(Identity.from_seed((datadir / KEY_FILE).read_bytes()).node_id)
    address = f"/ip4/127.0.0.1/tcp/9333/p2p/{own}"
    told = mine(datadir, "--connect", address, blocks=1, status=2)
    assert f"{own} is this node's own id; name another node, or leave it out" in told
    assert "own id" in run("config", "--datadir", datadir, "--connect", address, status=2)


def test_dialling_nobody_at_all_is_told_with_what_helps(tmp_path: Path) -> None:
    told = mine(tmp_path / "d", "--connect-only", blocks=1)
    assert "WARNING: `connect_only` is set and `connect` names nobody" in told
    assert "`esperd connect`" in told
    # The first node of a network needs nobody, and who is named is dialled.
    assert "connect_only" not in mine(tmp_path / "d", "--connect-only", "--alone", blocks=1)
    assert "connect_only" not in mine(
        tmp_path / "d", "--connect-only", "--connect", str(CLOSED), blocks=1
    )


def test_the_disk_reserve_can_be_set(tmp_path: Path) -> None:
    told = mine(tmp_path / "d", "--disk-reserve-mib", 1 << 20, blocks=1, status=1)
    assert "lower the setting disk_reserve_mib (--disk-reserve-mib" in told
    mine(tmp_path / "d", "--disk-reserve-mib", 0, blocks=1)
    (tmp_path / "d" / "esper.toml").write_text(f"disk_reserve_mib = {1 << 20}\n")
    assert "disk_reserve_mib" in run("reindex", "--datadir", tmp_path / "d", status=1)


@pytest.mark.parametrize("command", ["init", "node", "mine", "config"])
def test_an_empty_data_directory_is_not_the_current_one(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "is empty" in run(command, "--network", "regtest", "--datadir", "", status=2)
    assert list(tmp_path.iterdir()) == []
