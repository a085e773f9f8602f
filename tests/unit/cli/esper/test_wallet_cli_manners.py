"""Consent before a nonce, one nonce at a time, and nothing replaced that was not named."""

import errno
import fcntl
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from esper.cli.esper import environment as wallet_machine
from esper.rpc import schema as s
from esper.vm.payload import Output
from esper.vm.transaction import Transaction
from esper.vm.transfer import Transfer
from esper.wallet.making.account_lock import account_lock
from tests.support.vm_world import BOB, COIN, FEE, address, make
from tests.support.wallet.wallet_console import Console, console, own_key
from tests.unit.cli.esper.test_wallet_cli_money import OTHER, OWN

__all__ = ["console"]


def meanwhile(console: Console, monkeypatch: pytest.MonkeyPatch, *steps: Any) -> list[str]:
    """Somebody at a terminal agrees each time, and something happens while they think."""
    console.terminal = True
    questions: list[str] = []
    left = list(steps)

    def agree(question: str) -> bool:
        questions.append(question)
        if left:
            left.pop(0)()
        return True

    monkeypatch.setattr(wallet_machine, "ask_yes", agree)
    return questions


def another(console: Console, nonce: int = 0, amount: int = COIN) -> Transaction:
    """A payment of the wallet that another machine sends."""
    payment = Transfer((Output(address(BOB), amount),))
    sent = make(own_key(), payment, nonce, fee=FEE)
    console.node.pending[sent.txid.hex()] = sent
    return sent


def test_a_payment_that_waited_for_consent_replaces_nothing(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.wallet()
    questions = meanwhile(console, monkeypatch, lambda: another(console))
    out, err = console.both("send", OTHER, "2")
    assert sorted(t.nonce for t in console.node.pending.values()) == [0, 1]
    assert console.node.pending[out.strip()].nonce == 1
    assert "nonce" not in err
    assert len(questions) == 1, "nothing that was agreed to has changed"


def test_what_became_dearer_meanwhile_is_asked_about_again(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.wallet()
    questions = meanwhile(console, monkeypatch, lambda: another(console, amount=10 * COIN))
    out, err = console.both("send", OTHER, "all")
    assert len(questions) == 2
    assert "asked again" in err
    sent = console.node.pending[out.strip()]
    assert f"{sent.payload.outlay / COIN:.8f}".rstrip("0") in err.split("asked again")[1]


def test_a_node_that_finds_the_nonce_taken_gets_no_second_signature(console: Console) -> None:
    """Whoever gets two payments of different nonces signed can make both of them happen."""
    console.wallet()
    waiting = another(console)
    honest = console.node.account

    def forgetful(params: s.AccountParams) -> s.AccountReply:
        return msgspec.structs.replace(honest(params), next_nonce=0)

    console.node.account = forgetful  # type: ignore[method-assign]
    asked: list[s.SubmitParams] = []
    submit = console.node.submit

    def counted(params: s.SubmitParams) -> s.Submitted:
        asked.append(params)
        return submit(params)

    console.node.submit = counted  # type: ignore[method-assign]
    said = console.error("send", OTHER, "2")
    assert "another transaction of nonce 0 waits" in said
    assert waiting.txid.hex() in said
    assert len(asked) == 1
    assert list(console.node.pending) == [waiting.txid.hex()]


def test_bump_replaces_what_it_names_and_nothing_else(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.wallet()
    first = console.run("send", OTHER, "1").strip()

    def other_bump() -> None:
        console.terminal = False
        console.run("bump", first, "--fee", "0.05")
        console.terminal = True

    meanwhile(console, monkeypatch, other_bump)
    said = console.error("bump", first)
    assert "took its place meanwhile" in said
    assert len(console.node.pending) == 1


def test_bump_of_what_came_into_a_block_meanwhile(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.wallet()
    first = console.run("send", OTHER, "1").strip()
    meanwhile(console, monkeypatch, console.node.mine)
    assert "in a block by now" in console.error("bump", first)


def test_a_file_that_was_signed_elsewhere_replaces_nothing(
    console: Console, tmp_path: Path
) -> None:
    console.wallet()
    unsigned, signed = tmp_path / "a", tmp_path / "b"
    console.run("build", "send", OTHER, "1", "--out", unsigned)
    console.run("sign", unsigned, "--out", signed)
    waiting = another(console)
    assert "nothing was replaced" in console.error("submit", signed)
    assert list(console.node.pending) == [waiting.txid.hex()]


def test_an_account_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    order: list[str] = []
    waits = threading.Event()

    def second() -> None:
        with account_lock(tmp_path, OWN, waits.set):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with account_lock(tmp_path, OWN, lambda: None):
            done = pool.submit(second)
            assert waits.wait(20)
            with account_lock(tmp_path, OTHER, lambda: order.append("another waits")):
                order.append("first")
        done.result(20)
    assert order == ["first", "second"]


def test_the_account_is_locked_from_its_nonce_to_the_nodes_answer(
    console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.wallet()
    wallets = console.datadir / "wallets"
    held: list[str] = []

    def is_held() -> bool:
        told: list[bool] = []
        descriptor = (wallets / f".{OWN}.lock").open("rb")
        with descriptor:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                told.append(True)
        return bool(told)

    account, submit = console.node.account, console.node.submit

    def looked(params: s.AccountParams) -> s.AccountReply:
        if (wallets / f".{OWN}.lock").exists() and params.address == OWN and is_held():
            held.append("account")
        return account(params)

    def handed_in(params: s.SubmitParams) -> s.Submitted:
        if is_held():
            held.append("submit")
        return submit(params)

    monkeypatch.setattr(console.node, "account", looked)
    monkeypatch.setattr(console.node, "submit", handed_in)
    console.run("send", OTHER, "1")
    assert held == ["account", "submit"]
    assert not is_held()


def test_a_folder_that_cannot_be_written_to_is_locked_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def read_only(path: Any, flags: int, *more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", read_only)
    waited: list[bool] = []
    with account_lock(tmp_path, OWN, lambda: waited.append(True)):
        pass
    assert waited == []
    assert list(tmp_path.iterdir()) == []
