"""Files on sticks, full disks and network folders: whole or not there, by the name asked for."""

import errno
import fcntl
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from esper.wallet.errors import WalletExistsError, WalletMissingError
from esper.wallet.files.folder import WalletFolder
from esper.wallet.files.keystore import read_wallet
from esper.wallet.files.private_file import (
    SHARED_MODE,
    create_private,
    locked,
    private_folder,
    replace_private,
)
from esper.wallet.keys import with_label
from tests.support.wallet.wallet_cases import wallet

WALLET = wallet()


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def failing(number: int) -> Callable[..., NoReturn]:
    def fail(*_: Any, **__: Any) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK])
def test_no_hard_links_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As exFAT, FAT and some network folders answer."""
    monkeypatch.setattr(os, "link", failing(number))
    file = tmp_path / "b.json"
    create_private(file, b"one")
    assert file.read_bytes() == b"one"
    with pytest.raises(FileExistsError, match=r"b\.json"):
        create_private(file, b"two")
    assert file.read_bytes() == b"one"
    assert names(tmp_path) == ["b.json"]


def test_a_file_that_appears_meanwhile_is_kept_without_links_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "b.json"

    def late(*_: Any) -> NoReturn:
        file.write_bytes(b"theirs")
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", late)
    with pytest.raises(FileExistsError, match=r"b\.json"):
        create_private(file, b"ours")
    assert file.read_bytes() == b"theirs"
    assert names(tmp_path) == ["b.json"]


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_folders_that_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    sync = os.fsync

    def only_files(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    create_private(tmp_path / "a", b"one")
    replace_private(tmp_path / "a", b"two")
    assert (tmp_path / "a").read_bytes() == b"two"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_disk_that_fails_is_named_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    create_private(old, b"as it was")
    monkeypatch.setattr(os, "fsync", failing(number))
    for write, file in ((create_private, new), (replace_private, old)):
        with pytest.raises(OSError, match=os.strerror(number)) as caught:
            write(file, b"data")
        assert (caught.value.errno, caught.value.filename) == (number, str(file))
    assert names(tmp_path) == ["old.json"]
    assert old.read_bytes() == b"as it was"


def test_a_write_that_stops_half_way_leaves_nothing(tmp_path: Path) -> None:
    """The kernel's own refusal, behind a part of the bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        with pytest.raises(OSError, match="too large") as caught:
            create_private(tmp_path / "big", bytes(200_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.filename == str(tmp_path / "big")
    assert names(tmp_path) == []


def test_errors_name_what_was_asked_for(tmp_path: Path) -> None:
    missing = tmp_path / "none" / "b.json"
    with pytest.raises(FileNotFoundError, match="no such folder") as caught:
        create_private(missing, b"")
    assert caught.value.filename == str(missing)
    with pytest.raises(FileNotFoundError) as caught:
        replace_private(tmp_path / "gone", b"")
    assert caught.value.filename == str(tmp_path / "gone")


def test_long_names(tmp_path: Path) -> None:
    file = tmp_path / ("x" * 250 + ".json")
    create_private(file, b"one")
    replace_private(file, b"two")
    assert file.read_bytes() == b"two"


def test_a_file_without_secrets_has_the_usual_rights(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        create_private(tmp_path / "a", b"", mode=SHARED_MODE)
        create_private(tmp_path / "b", b"")
    finally:
        os.umask(mask)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o600


def test_a_wallet_that_is_a_link_is_written_where_it_points(tmp_path: Path) -> None:
    folder, disk = WalletFolder(tmp_path / "d"), tmp_path / "disk"
    folder.create("a", WALLET)
    disk.mkdir()
    link, target = folder.path / "a.json", disk / "real.json"
    link.rename(target)
    link.symlink_to(target)
    folder.update("a", lambda file: with_label(file, file.addresses[0].address, "x"))
    assert link.readlink() == target
    assert not target.is_symlink()
    assert folder.read("a").addresses[0].label == "x"
    assert read_wallet(target.read_bytes(), "it").addresses[0].label == "x"
    assert names(disk) == ["real.json"]


def test_a_link_to_a_disk_that_is_away(tmp_path: Path) -> None:
    folder = WalletFolder(tmp_path)
    folder.create("a", WALLET)
    (folder.path / "b.json").symlink_to("/nowhere/b.json")
    with pytest.raises(WalletMissingError, match=r"link to /nowhere/b\.json, which is not there"):
        folder.read("b")
    with pytest.raises(WalletExistsError, match="already"):
        folder.create("b", WALLET)


def test_a_folder_without_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FAT answers so to its own user; somebody else's folder is refused."""
    tmp_path.chmod(0o755)
    monkeypatch.setattr(Path, "chmod", failing(errno.EPERM))
    private_folder(tmp_path)
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with pytest.raises(PermissionError):
        private_folder(tmp_path)


def test_a_folder_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    with locked(tmp_path):
        pass
    monkeypatch.setattr(fcntl, "flock", failing(errno.EIO))
    with pytest.raises(OSError, match=str(tmp_path)), locked(tmp_path):
        pass
