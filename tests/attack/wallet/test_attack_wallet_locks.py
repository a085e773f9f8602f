"""The lock of an account's next nonce: nobody is kept from paying by it for ever."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from esper.wallet.making.account_lock import account_lock
from tests.support.vm_world import BOB
from tests.support.wallet.wallet_console import Console, console

__all__ = ["console"]

OTHER = BOB.address.to_text("resp")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_folder_without_locks_can_be_paid_from(
    console: Console, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Network folders and sticks may know none."""

    def none(descriptor: int, what: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", none)
    console.wallet()
    txid = console.json("send", OTHER, "1", "--yes")["txid"]
    assert txid in console.node.pending


def test_a_lock_file_that_was_left_behind_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / f".{OTHER}.lock").write_text("12345")
    waited = []
    with account_lock(tmp_path, OTHER, lambda: waited.append(1)):
        pass
    assert waited == []


def test_an_error_within_is_not_taken_for_a_missing_lock(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="No locks"),
        account_lock(tmp_path, OTHER, lambda: None),
    ):
        raise OSError(errno.ENOLCK, "No locks")
