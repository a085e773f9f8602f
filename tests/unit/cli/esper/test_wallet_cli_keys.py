"""`esper wallet`: made, restored, imported, watched, labelled, backed up; secrets never show."""

import json
import logging
from pathlib import Path

import pytest

from esper.consensus.genesis import genesis_hash
from esper.crypto.demo_key import DEMO_SEED, demo_key
from esper.node.datadir import DataDirectory
from esper.primitives.networks import REGTEST
from esper.wallet.words import words_of
from tests.support.vm_world import BOB
from tests.support.wallet.wallet_cases import ENTROPY, PASSWORD
from tests.support.wallet.wallet_console import Console, console, own_key

__all__ = ["console"]

WORDS = words_of(ENTROPY)
OWN = own_key().address.to_text("resp")
OTHER = BOB.address.to_text("resp")
DEMO = demo_key().address.to_text("resp")


def test_new(console: Console) -> None:
    out, err = console.both("wallet", "new", "--network", "regtest")
    assert out == f"wallet main on regtest\n{OWN}\n"
    assert "backup --words" in err
    assert "already" in console.error("wallet", "new", "--network", "regtest", status=2)
    assert json.loads((console.datadir / "wallets/main.json").read_text())["genesis_hash"] == (
        genesis_hash(REGTEST).hex()
    )


def test_new_asks_for_the_password_twice(console: Console) -> None:
    console.terminal, console.variables = True, {}
    console.typed = ["one", "other"]
    said = console.error("wallet", "new", "--network", "regtest", status=2)
    assert "differ" in said
    console.typed = ["one", "one"]
    console.run("wallet", "new", "--network", "regtest")
    console.typed = ["one"]
    console.run("wallet", "address", "--new")
    assert console.typed == []


def test_without_terminal_the_password_is_a_variable(console: Console) -> None:
    console.wallet()
    console.variables = {}
    assert "set ESPER_PASSWORD" in console.error("wallet", "address", "--new", status=2)


def test_the_network_is_the_data_directory_s(console: Console) -> None:
    assert "--network" in console.error("wallet", "new", status=2)
    assert "othernet" in console.error("wallet", "new", "--network", "othernet", status=2)
    DataDirectory.open_or_create(console.datadir, REGTEST)
    assert console.json("wallet", "new")["network"] == "regtest"


def test_restore_from_words(console: Console) -> None:
    made = console.run(
        "wallet", "restore", "--network", "regtest", "--addresses", 2, given=WORDS + "\n"
    )
    assert made.splitlines() == [
        "wallet main on regtest", OWN, own_key(1).address.to_text("resp"),
    ]  # fmt: skip
    console.terminal, console.typed = True, [WORDS.replace(" ", "\t")]
    again = console.run("wallet", "restore", "--wallet", "again", "--network", "regtest")
    assert again.splitlines()[1] == OWN


def test_restore_says_what_is_wrong_with_the_words(console: Console) -> None:
    out, err = console.both(
        "wallet", "restore", "--network", "regtest", given="abandon " * 23, status=2
    )
    assert out == ""
    assert "23 words" in err
    assert console.run("wallet", "list").startswith("there is no wallet")


def test_standard_input_that_is_no_text(console: Console) -> None:
    junk = b"\xfc\xfe abandon"
    said = console.both("wallet", "restore", "--network", "regtest", given=junk, status=2)[1]
    assert "standard input is no text in UTF-8" in said
    said = console.both("wallet", "import", "-", "--wallet", "a", given=junk, status=2)[1]
    assert "64 hex digits" in said


def test_backup_and_restore(console: Console, tmp_path: Path) -> None:
    console.wallet()
    copy = tmp_path / "copy.json"
    shown = console.run("wallet", "backup", copy, "--words")
    assert [line.split()[-1] for line in shown.splitlines()[:24]] == WORDS.split()
    assert "exists" in console.error("wallet", "backup", copy, status=2)
    made = console.run("wallet", "restore", copy, "--wallet", "second")
    assert made == f"wallet second on regtest\n{OWN}\n"
    console.variables["ESPER_PASSWORD"] = "wrong"
    said = console.error("wallet", "restore", copy, "--wallet", "third")
    assert "does not open" in said
    assert "does not open" in console.error("wallet", "backup", "--words", "--wallet", "main")
    assert "or --words" in console.error("wallet", "backup", "--wallet", "main", status=2)


def test_import(console: Console, tmp_path: Path) -> None:
    console.wallet()
    seed = tmp_path / "seed"
    seed.write_text(DEMO_SEED.hex() + "\n")
    assert DEMO in console.run("wallet", "import", seed, "--label", "toy")
    assert "already" in console.error("wallet", "import", seed, status=2)
    assert "copy its file" in console.error(
        "wallet", "backup", "--words", "--wallet", _seeds_alone(console, seed)
    )
    seed.write_text("no hex")
    assert "64 hex digits" in console.error("wallet", "import", seed, "--wallet", "main", status=2)
    assert "either" in console.error("wallet", "import", status=2)
    missing = console.error("wallet", "import", tmp_path / "none", "--wallet", "main")
    assert "No such file" in missing


def _seeds_alone(console: Console, seed: Path) -> str:
    console.run("wallet", "import", seed, "--wallet", "seeds", "--network", "regtest")
    return "seeds"


def test_the_demonstration_wallet(console: Console) -> None:
    for _ in range(2):
        out, err = console.both("wallet", "import", "--demo", "--network", "regtest")
        assert DEMO in out
        assert "known to everyone" in err
    console.variables["ESPER_PASSWORD"] = "demo"
    console.run("wallet", "label", DEMO, "toy")
    assert "everyone could" in console.error(
        "wallet", "import", "--demo", "--network", "mainnet", status=2
    )


def test_watch(console: Console) -> None:
    made = console.json("wallet", "watch", OWN, OTHER, "--network", "regtest")
    assert made["watch_only"]
    console.variables = {}
    console.run("wallet", "label", OTHER, "friend")
    assert "available  1000 ESP" in console.run("balance")
    said = console.error("send", OTHER, "1")
    assert "only watches: `esper build` here, `esper sign` where its keys are" in said
    assert "begins with" in console.error(
        "wallet", "watch", OWN, "--network", "mainnet", "--wallet", "b", status=2
    )


def test_addresses_and_labels(console: Console) -> None:
    console.wallet()
    fresh = console.run("wallet", "address", "--new", "--label", "savings")
    second = own_key(1).address.to_text("resp")
    assert fresh == f"{second}  savings\n"
    console.run("wallet", "label", OTHER, "friend")
    console.run("wallet", "label", OWN, "purse")
    assert console.run("wallet", "address") == f"{OWN}  purse\n{second}  savings\n"
    assert console.json("wallet", "list")["wallets"][0]["addresses"][0]["label"] == "purse"
    assert "is for --new" in console.error("wallet", "address", "--label", "x", status=2)
    assert "one line" in console.error("wallet", "label", OTHER, "a\nb", status=2)


def test_listing_needs_no_password(console: Console) -> None:
    console.wallet()
    console.variables = {}
    assert OWN in console.run("wallet", "list")
    assert OWN in console.run("wallet", "address")
    assert "1000 ESP" in console.run("balance")


def test_password_change(console: Console) -> None:
    console.wallet()
    console.variables["ESPER_NEW_PASSWORD"] = "fresh"
    console.run("wallet", "password")
    assert "does not open" in console.error("wallet", "address", "--new")
    console.variables["ESPER_PASSWORD"] = "fresh"
    console.run("wallet", "address", "--new")
    console.variables["ESPER_NEW_PASSWORD"] = ""
    assert "empty" in console.error("wallet", "password", status=2)


def test_several_wallets_must_be_named(console: Console) -> None:
    console.wallet()
    console.entropy = bytes(32)
    console.wallet("other")
    assert "there are main, other" in console.error("balance", status=2)
    assert "1000 ESP" in console.run("balance", "--wallet", "main")
    assert "no wallet 'third'" in console.error("balance", "--wallet", "third", status=2)


def test_damaged_files_are_sentences(console: Console) -> None:
    console.wallet()
    file = console.datadir / "wallets/main.json"
    file.write_bytes(file.read_bytes()[:-30])
    error = json.loads(console.error("balance", "--json"))["error"]
    assert error["name"] == "WalletDamagedError"
    assert "restore it" in error["message"]


def test_no_secret_is_ever_shown(
    console: Console, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    seed = tmp_path / "seed"
    seed.write_text(DEMO_SEED.hex())
    console.wallet()
    console.run("wallet", "address", "--new")
    console.run("wallet", "import", seed)
    console.run("wallet", "label", OTHER, "friend")
    console.run("wallet", "backup", tmp_path / "copy")
    console.run("wallet", "restore", tmp_path / "copy", "--wallet", "b")
    console.run("wallet", "restore", "--wallet", "c", "--network", "regtest", given=WORDS)
    console.both("wallet", "restore", "--network", "regtest", given=WORDS[:-7], status=2)
    console.variables["ESPER_NEW_PASSWORD"] = "horse correct"
    console.run("wallet", "password", "--wallet", "b")
    console.run("send", OTHER, "1", "--wallet", "main")
    console.error("send", OTHER, "100000", "--wallet", "main")
    console.error("send", OTHER, "1", "--wallet", "b")
    everything = "\n".join([*console.output, caplog.text])
    files = [f.read_text() for f in (*console.datadir.rglob("*.json"), tmp_path / "copy")]
    for text in (everything, *files):
        for secret in (PASSWORD, "horse correct", WORDS, " ".join(WORDS.split()[:3])):
            assert secret not in text
        for data in (ENTROPY, DEMO_SEED, own_key().secret, own_key(1).secret):
            assert data.hex() not in text
            assert repr(data) not in text
