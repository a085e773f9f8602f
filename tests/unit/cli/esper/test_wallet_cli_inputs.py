"""Files, words and wallets as people have them: read, or refused by a sentence that names them."""

import json
import os
import threading
from pathlib import Path

import pytest

from esper.cli.esper import environment as wallet_machine
from esper.crypto.demo_key import DEMO_SEED, demo_key
from esper.rpc import schema as s
from esper.wallet.words import words_of
from tests.support.vm_world import BOB
from tests.support.wallet.wallet_cases import ENTROPY
from tests.support.wallet.wallet_console import Console, console, own_key

__all__ = ["console"]

ON_REGTEST = ("--network", "regtest")
WORDS = words_of(ENTROPY)
OWN = own_key().address.to_text("resp")
OTHER = BOB.address.to_text("resp")
DEMO = demo_key().address.to_text("resp")
HEX = DEMO_SEED.hex()

STRANGE = {
    "empty": b"",
    "blank": b" \r\n\t",
    "junk": bytes(range(256)),
    "nul": bytes(32),
    "raw": b"\x80" + DEMO_SEED[1:],
    "short": HEX[:-2].encode(),
    "odd": HEX[:-1].encode(),
    "long": (HEX + "00").encode(),
    "two": f"{HEX}\n{HEX}\n".encode(),
    "no hex": b"zz" * 32,
    "arabic digits": "\u0661".encode() * 64,
    "utf-16": HEX.encode("utf-16"),
    "huge": b"ab" * (1 << 22),
    "json": b'{"format": 1}',
    "newer": b'{"format": 2, "unheard": true}',
    "deep": b"[" * 100_000,
    "list": b"[]",
    "words but one": " ".join(WORDS.split()[:-1]).encode(),
}
SEED_TEXTS = {
    "line end": HEX + "\n",
    "windows": HEX + "\r\n",
    "upper case": HEX.upper(),
    "0x": "0x" + HEX,
    "0X": "0X" + HEX.upper(),
    "mark": "\ufeff" + HEX,
    "blanks": f"\n  {HEX[:60]}\n  {HEX[60:]}\t\n",
}


def sentence(said: str) -> str:
    """All of standard error: one line, without a trace of Python."""
    assert said.count("\n") == 1
    assert "Error" not in said
    assert len(said) < 500
    return said


@pytest.mark.parametrize("name", STRANGE)
def test_a_file_that_is_no_seed(console: Console, tmp_path: Path, name: str) -> None:
    file = tmp_path / "seed.hex"
    file.write_bytes(STRANGE[name])
    said = sentence(console.error("wallet", "import", file, *ON_REGTEST, status=2))
    assert str(file) in said
    assert "64 hex digits" in said
    assert HEX[:16] not in said
    assert not (console.datadir / "wallets").exists()


def test_a_file_that_is_no_seed_for_a_wallet_that_is_there(
    console: Console, tmp_path: Path
) -> None:
    console.wallet()
    before = (console.datadir / "wallets/main.json").read_bytes()
    for name in ("empty", "short", "long"):
        (tmp_path / name).write_bytes(STRANGE[name])
        said = console.error("wallet", "import", tmp_path / name, status=2)
        assert "64 hex digits" in sentence(said)
    assert (console.datadir / "wallets/main.json").read_bytes() == before


@pytest.mark.parametrize("text", SEED_TEXTS.values(), ids=SEED_TEXTS)
def test_seeds_as_tools_write_them(console: Console, tmp_path: Path, text: str) -> None:
    file = tmp_path / "seed.hex"
    file.write_bytes(text.encode())
    made = console.json("wallet", "import", file, "--label", "toy", *ON_REGTEST)
    assert made["wallet"] == "main"
    assert made["addresses"] == [{"address": DEMO, "label": "toy"}]
    out, _ = console.both(
        "wallet", "import", "-", "--wallet", "b", *ON_REGTEST, given=text.encode()
    )
    assert DEMO in out


@pytest.mark.parametrize("name", STRANGE)
def test_a_file_that_is_no_backup(console: Console, tmp_path: Path, name: str) -> None:
    file = tmp_path / "b.json"
    file.write_bytes(STRANGE[name])
    out, err = console.both(
        "wallet", "restore", file, *ON_REGTEST, status=1 if name in ("json", "newer") else 2
    )
    assert out == ""
    assert str(file) in sentence(err)
    assert not (console.datadir / "wallets/main.json").exists()


@pytest.mark.parametrize("command", ["import", "restore", "watch", "sign", "submit"])
def test_places_that_are_no_file(console: Console, tmp_path: Path, command: str) -> None:
    console.wallet()
    if command == "watch":
        said = console.error("wallet", "watch", tmp_path, *ON_REGTEST, status=2)
        assert "address" in sentence(said)
        return
    words = ("wallet", command) if command in ("import", "restore") else (command,)
    end: tuple[object, ...] = ("--out", tmp_path / "out") if command == "sign" else ()
    end = ("--wallet", "r", *ON_REGTEST) if command == "restore" else end
    for place, says in ((tmp_path, "Is a directory"), (tmp_path / "none", "No such file")):
        said = sentence(console.error(*words, place, *end))
        assert f"{place}: {says}" in said
    assert not (tmp_path / "out").exists()


def test_a_pipe_is_read_to_its_end(console: Console, tmp_path: Path) -> None:
    """As `esper wallet import <(gpg -d seed.gpg)`."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(HEX + "\n"))
    writer.start()
    assert DEMO in console.run("wallet", "import", pipe, *ON_REGTEST)
    writer.join()


def test_a_file_that_is_no_transaction(console: Console, tmp_path: Path) -> None:
    console.wallet()
    file = tmp_path / "t"
    for data in STRANGE.values():
        file.write_bytes(data)
        assert "the file" in sentence(console.error("submit", file))
        assert "the file" in sentence(console.error("sign", file, "--out", tmp_path / "out"))
        assert not (tmp_path / "out").exists()


def test_a_transaction_with_windows_line_ends_and_a_mark(console: Console, tmp_path: Path) -> None:
    console.wallet()
    plain, marked = tmp_path / "plain", tmp_path / "marked"
    console.run("build", "send", OTHER, "1", "--out", plain)
    marked.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    console.run("sign", marked, "--out", tmp_path / "signed", "--yes")
    assert "exists: name another file" in console.error(
        "sign", plain, "--out", tmp_path / "signed", "--yes"
    )


@pytest.mark.parametrize(
    "text",
    ["", "resp1", OTHER[:-1], OTHER + "x", OTHER.replace("1", "\u0661"), "x" * 100_000, "a\nb"],
)
def test_what_is_no_address_to_watch(console: Console, text: str) -> None:
    said = sentence(console.error("wallet", "watch", OWN, text, *ON_REGTEST, status=2))
    assert "address" in said
    assert not (console.datadir / "wallets").exists()


def test_an_address_in_upper_case_is_watched_in_the_one_form(console: Console) -> None:
    made = console.json("wallet", "watch", OWN.upper(), OWN, *ON_REGTEST)
    assert [own["address"] for own in made["addresses"]] == [OWN]


# --- words ---


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_backup_prints_is_what_restore_reads(
    console: Console, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """Both streams, with the heading and what is said of the file."""
    console.wallet()
    out, err = console.both("wallet", "backup", "--words", tmp_path / "copy.json", *options)
    for number, text in enumerate((out, err + out, out.replace("\n", "\r\n"))):
        made = console.both("wallet", "restore", "--wallet", f"w{number}", *ON_REGTEST, given=text)[
            0
        ]
        assert OWN in made
    file = tmp_path / "words.txt"
    file.write_text(out)
    assert OWN in console.run("wallet", "restore", file, "--wallet", "from-file", *ON_REGTEST)


def test_a_backup_on_standard_input(console: Console, tmp_path: Path) -> None:
    console.wallet()
    console.run("wallet", "backup", tmp_path / "copy.json")
    data = (tmp_path / "copy.json").read_bytes()
    assert OWN in console.both("wallet", "restore", "--wallet", "b", given=data)[0]
    assert OWN in console.both("wallet", "restore", "-", "--wallet", "c", given=data)[0]


def test_a_backup_is_taken_as_what_it_is(console: Console, tmp_path: Path) -> None:
    console.wallet()
    copy = tmp_path / "copy.json"
    console.run("wallet", "backup", copy)
    restore = ("wallet", "restore", copy, "--wallet", "b")
    assert "is a wallet of regtest" in console.error(*restore, "--network", "mainnet")
    assert "--addresses is for words" in console.error(*restore, "--addresses", "2", status=2)
    console.run(*restore, *ON_REGTEST)


def test_words_are_typed_in_one_line_or_several(console: Console) -> None:
    console.terminal = True
    numbered = [f"{number}. {word}" for number, word in enumerate(WORDS.split(), 1)]
    rows = [" ".join(numbered[at : at + 6]) for at in range(0, 24, 6)]
    for name, typed in (("a", [WORDS]), ("b", numbered), ("c", rows)):
        console.typed = [*typed]
        assert OWN in console.run("wallet", "restore", "--wallet", name, *ON_REGTEST)
        assert console.typed == []
    console.typed = [*numbered[:-1], ""]
    said = console.error("wallet", "restore", "--wallet", "d", *ON_REGTEST, status=2)
    assert "23 words, must be 24" in said
    console.typed = [HEX]
    assert DEMO in console.run("wallet", "import", "-", "--wallet", "seed", *ON_REGTEST)
    console.typed = [""]
    said = console.error("wallet", "restore", "--wallet", "d", *ON_REGTEST, status=2)
    assert "is empty" in said


def test_a_name_that_is_taken_is_told_before_anything_is_asked(console: Console) -> None:
    console.wallet()
    console.terminal, console.variables, console.typed = True, {}, []
    assert "already" in console.error("wallet", "new", *ON_REGTEST, status=2)


def test_without_standard_input_there_is_nobody_to_ask(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr("sys.stdin", None)
    assert not wallet_machine.is_terminal()
    assert wallet_machine.standard_input(10) == b""
    monkeypatch.setattr("sys.stderr", None)
    assert not wallet_machine.is_terminal()


# --- wallets that cannot be read ---


def test_a_list_shows_the_others_and_what_is_wrong(console: Console, tmp_path: Path) -> None:
    console.wallet()
    folder = console.datadir / "wallets"
    copy = (folder / "main.json").read_bytes()
    (folder / "empty.json").write_bytes(b"")
    (folder / "cut.json").write_bytes(copy[:-30])
    (folder / "newer.json").write_text('{"format": 2}')
    (folder / "folder.json").mkdir()
    os.mkfifo(folder / "pipe.json")
    (folder / "away.json").symlink_to(tmp_path / "unplugged.json")
    (folder / "my wallet.json").write_bytes(copy)
    (folder / "._main.json").write_bytes(b"rubbish of another system")
    found = console.json("wallet", "list")
    assert [one["wallet"] for one in found["wallets"]] == ["main"]
    assert {one["wallet"]: one["error"]["name"] for one in found["unreadable"]} == {
        "away": "WalletMissingError",
        "cut": "WalletDamagedError",
        "empty": "WalletDamagedError",
        "folder": "OSError",
        "my wallet.json": "WalletNameError",
        "newer": "WalletNewerError",
        "pipe": "OSError",
    }
    lines = console.run("wallet", "list").splitlines()
    assert lines[-3].endswith("use a newer program")
    assert f"  {OWN}" in lines
    for name in ("away", "cut", "empty", "folder", "newer", "pipe", "my wallet.json"):
        assert sum(line.startswith(f"{name}  cannot be read: ") for line in lines) == 1
    console.run("balance", "--wallet", "main")


@pytest.mark.parametrize("command", ["list", "new", "address"])
def test_a_folder_of_wallets_that_is_a_file(console: Console, command: str) -> None:
    console.datadir.mkdir()
    folder = console.datadir / "wallets"
    end = ON_REGTEST if command == "new" else ()
    folder.write_text("")
    assert f"{folder} is no folder" in sentence(console.error("wallet", command, *end))
    folder.unlink()
    folder.symlink_to("/nowhere/wallets")
    assert f"{folder} is no folder" in sentence(console.error("wallet", command, *end))


# --- which wallet ---


def test_the_environment_names_the_wallet(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPER_WALLET", "savings")
    assert console.json("wallet", "new", *ON_REGTEST)["wallet"] == "savings"
    console.wallet("other")
    console.run("wallet", "label", OWN, "purse")
    assert console.json("balance")["wallet"] == "savings"
    assert console.json("balance", "--wallet", "other")["wallet"] == "other"
    monkeypatch.setenv("ESPER_WALLET", "gone")
    assert "no wallet 'gone'" in console.error("balance", status=2)
    monkeypatch.setenv("ESPER_WALLET", "")
    assert "--wallet or ESPER_WALLET: there are other, savings" in console.error(
        "balance", status=2
    )


def test_help_says_which_network(console: Console) -> None:
    for command in ("new", "restore", "import", "watch"):
        said = " ".join(console.run("wallet", command, "--help").replace("│", " ").split())
        assert "Network that the wallet is for: mainnet, testnet, devnet, regtest." in said
        assert "Without it, that of the chain" in said


# --- passwords and labels ---


def test_a_new_password_that_cannot_be_typed(console: Console) -> None:
    console.variables["ESPER_PASSWORD"] = "secret\r"
    said = console.error("wallet", "new", *ON_REGTEST, status=2)
    assert "carriage return" in sentence(said)
    assert "secret" not in said
    console.variables["ESPER_PASSWORD"] = "secret"
    console.run("wallet", "new", *ON_REGTEST)
    console.variables["ESPER_NEW_PASSWORD"] = "fresh\t"
    assert "U+0009" in console.error("wallet", "password", status=2)
    console.variables["ESPER_PASSWORD"] = "secret\r"
    said = console.error("wallet", "address", "--new")
    assert "what was given holds a carriage return" in sentence(said)


def test_a_label_is_a_receiver_and_is_shown(console: Console, tmp_path: Path) -> None:
    console.wallet()
    console.run("wallet", "label", OTHER, "Bob Müller")
    console.terminal, console.typed = True, ["y"]
    _, err = console.both("send", "Bob Müller", "1.5")
    assert f"1.5 ESP to {OTHER} (Bob Müller)" in err
    console.terminal = False
    said = sentence(console.error("send", "Bob Muller", "1", "--yes", status=2))
    assert "did you mean 'Bob Müller'" in said
    console.run("build", "send", "Bob Müller", "1", "--out", tmp_path / "pay")
    assert OTHER in (tmp_path / "pay").read_text()
    _, err = console.both("wallet", "label", DEMO, "Bob Müller")
    assert "payments to it will be refused" in err
    assert "2 addresses" in sentence(console.error("send", "Bob Müller", "1", "--yes", status=2))
    console.run("wallet", "label", DEMO, "Robert")
    console.run("wallet", "label", "Robert", "Bob")
    assert console.json("send", "Bob", "1", "--yes")["txid"]


def test_labels_of_own_addresses_are_shown(console: Console) -> None:
    console.wallet()
    console.run("wallet", "address", "--new", "--label", "savings")
    out = console.run("balance").splitlines()
    assert out[-1] == f"{own_key(1).address.to_text('resp')}  0 ESP  savings"
    assert console.json("balance")["accounts"][1]["label"] == "savings"
    assert any(line.endswith("  savings") for line in console.run("credits").splitlines())
    console.run("send", "savings", "1", "--yes")
    said = console.error("send", OTHER, "1", "--from", OTHER, "--yes", status=2)
    assert "does not hold" in said


def test_labels_in_the_history(console: Console) -> None:
    event = s.Event(8, 1_793_491_200_000, "aa" * 64, "sent", "150000000", "20000", OTHER)
    console.node.history_events = (event,)
    assert f"{OTHER}  aaaa" in console.run("history", OTHER.upper())
    assert "no wallet" in console.error("history", "Bob", status=2)
    assert "checksum" in sentence(console.error("history", OTHER[:-1], status=2))
    console.wallet()
    console.run("wallet", "label", OTHER, "Bob")
    assert f"{OTHER} (Bob)  aaaa" in console.run("history")
    assert list(console.json("history", "Bob")["history"]) == [OTHER]
    assert list(console.json("history", OTHER.upper())["history"]) == [OTHER]


def test_labels_of_others_are_listed(console: Console) -> None:
    console.wallet()
    console.run("wallet", "label", OTHER, "Bob")
    assert console.run("wallet", "list").splitlines() == [
        "main  regtest, holds keys", f"  {OWN}", "  addresses of others:", f"  {OTHER}  Bob",
    ]  # fmt: skip
    contacts = console.json("wallet", "list")["wallets"][0]["contacts"]
    assert contacts == [{"address": OTHER, "label": "Bob"}]


def test_a_folder_below_the_home_is_meant_by_every_command(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also as an environment file writes it, where no shell has read the tilde."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    console.datadir = Path("~/chain")
    console.run("wallet", "import", "--demo", *ON_REGTEST)
    console.run("wallet", "watch", OWN, *ON_REGTEST)
    assert sorted(file.name for file in tmp_path.rglob("*.json")) == ["demo.json", "watch.json"]
    assert not (tmp_path / "~").exists()


def test_an_empty_name_is_no_folder(
    console: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be the current one: a script's variable is not set, and keys lie where it runs."""
    monkeypatch.chdir(tmp_path)
    words = ("wallet", "import", "--demo", *ON_REGTEST, "--datadir", "")
    assert "is empty" in console.error(*words, status=2)
    assert not (tmp_path / "wallets").exists()


def test_labels_in_json_stay_ascii(console: Console) -> None:
    console.wallet()
    console.run("wallet", "label", OWN, "财布")
    out = console.run("wallet", "list", "--json")
    assert out.isascii()
    assert json.loads(out)["wallets"][0]["addresses"][0]["label"] == "财布"


@pytest.mark.parametrize("network", ["devnet", "mainnet"])
def test_an_address_of_another_network_is_told_by_both_names(
    console: Console, network: str
) -> None:
    console.wallet()
    text = BOB.address.to_text({"devnet": "desp", "mainnet": "esp"}[network])
    for words in (("send", text, "1"), ("wallet", "label", text, "x")):
        said = sentence(console.error(*words, status=2))
        assert f"({network})" in said
        assert "regtest" in said
