"""Attacks on a wallet's files and secrets by others on the same machine."""

import json
import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from esper.cli.esper import app as cli
from esper.cli.program import run
from esper.node.workers.worker_process import SECRET_VARIABLES, worker_environment
from esper.primitives.hashing import tagged_hash32
from esper.wallet.derivation import key_seed
from esper.wallet.files.cost import MAX_ITERATIONS, MAX_LANES, MAX_MEMORY_KIB
from esper.wallet.files.keystore import TAG_CHECKSUM
from tests.support.vm_world import BOB
from tests.support.wallet.wallet_cases import ENTROPY, PASSWORD
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]

OTHER = BOB.address.to_text("resp")


@pytest.fixture
def careless() -> Iterator[None]:
    """A shell that lets everybody write whatever is made."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.usefixtures("careless")
def test_no_file_with_secrets_is_ever_anybody_else_s(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Temporary files included: each is made with its rights, not given them afterwards."""
    made: dict[str, int] = {}
    opened = os.open

    def watched(path: Any, flags: int, permissions: int = 0o777, **rest: Any) -> int:
        descriptor = opened(path, flags, permissions, **rest)
        if flags & os.O_CREAT:
            made[str(path)] = stat.S_IMODE(os.fstat(descriptor).st_mode)
        return descriptor

    monkeypatch.setattr(os, "open", watched)
    console.wallet()
    console.run("wallet", "address", "--new")
    console.variables["ESPER_NEW_PASSWORD"] = "another"
    console.run("wallet", "password")
    console.run("wallet", "backup", tmp_path / "copy.json")
    folder = console.datadir / "wallets"
    assert mode(folder) == 0o700
    assert mode(tmp_path / "copy.json") == 0o600
    assert [mode(file) for file in folder.iterdir()] == [0o600] * len(list(folder.iterdir()))
    assert len(made) >= 3
    assert set(made.values()) == {0o600}


def test_a_folder_that_was_open_to_all_is_closed(console: Console) -> None:
    folder = console.datadir / "wallets"
    folder.mkdir(parents=True)
    folder.chmod(0o777)
    console.wallet()
    assert mode(folder) == 0o700


def test_a_backup_never_writes_through_a_link(console: Console, tmp_path: Path) -> None:
    console.wallet()
    elsewhere, link = tmp_path / "elsewhere", tmp_path / "copy.json"
    link.symlink_to(elsewhere)
    assert "exists" in console.error("wallet", "backup", link, status=2)
    trap = tmp_path / f".esper.{os.getpid()}.new"
    trap.symlink_to(elsewhere)
    console.run("wallet", "backup", tmp_path / "real.json")
    assert not elsewhere.exists()
    assert not (tmp_path / "real.json").is_symlink()


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", ".lock", "", "a\n", "ä"])
def test_no_name_leads_out_of_the_folder(console: Console, name: str) -> None:
    said = console.error("wallet", "new", "--wallet", name, "--network", "regtest", status=2)
    assert "letters, digits" in said
    assert not console.datadir.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("memory_kib", MAX_MEMORY_KIB + 1),
        ("memory_kib", 1 << 62),
        ("memory_kib", -1),
        ("iterations", MAX_ITERATIONS + 1),
        ("iterations", 1 << 40),
        ("lanes", MAX_LANES + 1),
        ("lanes", 0),
    ],
)
def test_a_hostile_backup_cannot_exhaust_the_machine(
    console: Console, tmp_path: Path, field: str, value: int
) -> None:
    console.wallet()
    backup = tmp_path / "bomb.json"
    console.run("wallet", "backup", backup)
    file = json.loads(backup.read_bytes())
    file["seal"][field] = value
    backup.write_text(json.dumps(rechecked(file)))
    said = console.error("wallet", "restore", backup, "--wallet", "bomb")
    assert f"seal.{field}" in said


def test_a_cheaper_seal_put_in_by_others_does_not_open(console: Console) -> None:
    """Whoever can write the file cannot have the next change sealed cheaply either."""
    console.wallet()
    place = console.datadir / "wallets" / "main.json"
    file = json.loads(place.read_bytes())
    file["seal"]["memory_kib"] += 8
    place.write_text(json.dumps(rechecked(file)))
    assert "does not open" in console.error("wallet", "address", "--new")


def test_an_address_put_in_by_others_is_noticed_before_anything_is_signed(
    console: Console,
) -> None:
    console.wallet()
    place = console.datadir / "wallets" / "main.json"
    file = json.loads(place.read_bytes())
    file["contacts"] = [{"address": OTHER, "label": "savings"}]
    place.write_text(json.dumps(rechecked(file)))
    assert "changed the file" in console.error("send", OTHER, "1", "--yes")
    assert console.node.pending == {}


def rechecked(file: dict[str, Any]) -> dict[str, Any]:
    """With a checksum that fits: it keeps nobody out."""
    plain = json.dumps(file | {"checksum": ""}, separators=(",", ":")).encode()
    return file | {"checksum": tagged_hash32(TAG_CHECKSUM, plain).hex()}


def test_nothing_is_encrypted_twice_under_the_same_key_and_nonce(console: Console) -> None:
    console.wallet()
    place = console.datadir / "wallets" / "main.json"
    seals = [json.loads(place.read_bytes())["seal"]]
    for _ in range(4):
        console.run("wallet", "label", OTHER, "Bob")
        seals.append(json.loads(place.read_bytes())["seal"])
    assert len({(seal["salt"], seal["nonce"]) for seal in seals}) == 5
    assert len({seal["salt"] for seal in seals}) == 5


def test_secrets_are_in_no_output_of_any_command(console: Console, tmp_path: Path) -> None:
    """But the words, which only ``backup --words`` shows."""
    console.wallet()
    seed = key_seed_of_console()
    console.run("send", OTHER, "1", "--yes")
    console.run("wallet", "backup", tmp_path / "copy.json")
    console.error("wallet", "import", tmp_path / "nothing")
    (tmp_path / "seed").write_text(seed.hex() + "zz")
    console.error("wallet", "import", tmp_path / "seed", status=2)
    console.variables["ESPER_PASSWORD"] = "wrong " + PASSWORD
    console.error("wallet", "address", "--new")
    said = "".join(console.output)
    for secret in (PASSWORD, ENTROPY.hex(), seed.hex(), repr(ENTROPY), repr(seed)):
        assert secret not in said


def key_seed_of_console() -> bytes:
    return key_seed(ENTROPY, "regtest", 0, 0)


def parameters(command: Any) -> Iterator[Any]:
    """Every argument and option of a command and of those in it."""
    yield from command.params
    for inner in getattr(command, "commands", {}).values():
        yield from parameters(inner)


def test_no_option_takes_a_secret_that_others_could_see() -> None:
    """Arguments are in /proc and in the shell's history."""
    named = {one.name or "" for one in parameters(typer.main.get_command(cli.application()))}
    assert {"wallet", "max_tokens"} <= named
    assert not [name for name in named if "password" in name or "secret" in name]
    flags = [p for p in parameters(typer.main.get_command(cli.application())) if p.name == "words"]
    assert [getattr(one, "is_flag", False) for one in flags] == [True]


def test_workers_of_a_node_inherit_no_secret_of_a_wallet() -> None:
    told = dict.fromkeys(SECRET_VARIABLES, "secret") | {"PATH": "/bin"}
    assert worker_environment(told, 3) == {"PATH": "/bin", "RAYON_NUM_THREADS": "3"}


def test_a_crash_leaves_no_core_with_keys_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[int, tuple[int, int]]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda what, to: limits.append((what, to)))

    def application(typed: list[str]) -> typer.Typer:
        limits.append((-1, (0, 0)))
        raise typer.Exit(3)

    monkeypatch.setattr(cli, "application", application)
    run("esper", ["status"])
    assert limits == [(resource.RLIMIT_CORE, (0, 0)), (-1, (0, 0))]
