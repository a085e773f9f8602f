"""`--receipt` of `esper call` and `esper proof`: misuse costs nothing, no answer is lost."""

import json
from pathlib import Path

import pytest

from esper.cli.esper.calls import receipt_keeping
from tests.support.wallet.wallet_console import Console, console
from tests.unit.cli.esper.test_wallet_cli_money import earning

__all__ = ["console"]


@pytest.fixture
def asking(console: Console) -> Console:
    console.wallet()
    earning(console)
    console.run("call", "First", "--no-wait", "--yes")
    console.node.mine()
    return console


@pytest.fixture
def believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the fake node hands out as receipts is taken for one."""
    monkeypatch.setattr(receipt_keeping, "check_receipt", lambda *_: None)


def test_misuse_is_told_before_anything_is_paid(asking: Console, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.touch()
    for words, says, status in (
        (("--final",), "--final is of receipts", 2),
        (("--receipt", tmp_path / "a.json", "--no-wait"), "esper proof TXID --receipt", 2),
        (("--receipt", there), "exists already", 1),
        (("--receipt", tmp_path), "is a folder", 1),
        (("--receipt", tmp_path / "nowhere" / "a.json"), "there is no folder", 1),
    ):
        assert says in asking.error("call", "Hi", "--yes", *words, status=status)
    assert asking.node.pending == {}
    assert "--final is of receipts" in asking.error("proof", "ab" * 64, "--final", status=2)


@pytest.mark.usefixtures("believed")
def test_the_receipt_stands_beside_the_answer(asking: Console, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    told = asking.json("call", "Hi", "--receipt", file)
    assert told["status"] == "answered"
    assert told["receipt"] == {
        "file": str(file),
        "bytes": 2,
        "anchor": None,
        "lacking": "\x1b[31m the anchor comes later",
    }
    assert file.read_text() == "{}"
    later = tmp_path / "later.json"
    said = asking.run("proof", told["txid"], "--receipt", later)
    assert f"receipt written to {later}" in said
    assert f"esper verify {later}" in said
    assert "\x1b" not in said
    assert later.read_text() == "{}"


def test_an_answer_without_its_receipt_is_told_all_the_same(
    asking: Console, tmp_path: Path
) -> None:
    file = tmp_path / "answer.json"
    error = json.loads(asking.error("call", "Hi", "--receipt", file, "--json"))["error"]
    assert error["name"] == "UnprovenError"
    assert "answered and proven, but there is no receipt" in error["message"]
    assert "does not hold: form" in error["message"]
    txid = error["data"]["txid"]
    assert f"esper proof {txid} --receipt {file}" in error["message"]
    assert error["data"]["answer"]
    assert not file.exists()
    assert "does not hold: form" in asking.error("proof", txid, "--receipt", file)


def test_whoever_does_not_wait_for_the_end_has_the_answer(
    asking: Console, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(receipt_keeping, "_wait_until_final", leave)
    file = tmp_path / "answer.json"
    told = asking.error("call", "Hi", "--receipt", file, "--final")
    assert asking.node.answer_text in told
    assert "nobody waited for it" in told
    assert not file.exists()
