"""The node's key: its id, its file, and what is wrong with a file."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from esper.p2p.transport.identity import (
    ID_BYTES,
    Identity,
    NodeKeyError,
    is_node_id,
    load_identity,
)

SEED = bytes(range(32))


def _never(size: int) -> bytes:
    raise AssertionError("no new key is wanted")


def test_an_id_is_what_libp2p_makes_of_the_key() -> None:
    from libp2p.crypto.ed25519 import create_new_key_pair
    from libp2p.peer.id import ID

    identity = Identity.from_seed(SEED)
    assert identity.node_id == ID.from_pubkey(create_new_key_pair(SEED).public_key).to_bytes()
    assert len(identity.node_id) == ID_BYTES
    assert is_node_id(identity.node_id)


@pytest.mark.parametrize("data", [b"", bytes(38), b"\x12\x20" + bytes(32), bytes(39)])
def test_other_bytes_are_no_id(data: bytes) -> None:
    assert not is_node_id(data)
    assert not is_node_id(Identity.from_seed(SEED).node_id + b"\0")


def test_the_seed_is_not_shown() -> None:
    assert SEED.hex() not in repr(Identity.from_seed(SEED))
    assert repr(SEED) not in repr(Identity.from_seed(SEED))


def test_a_key_is_made_once_for_the_user_alone(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        made = load_identity(tmp_path, lambda size: SEED[:size])
    finally:
        os.umask(old)
    assert made == Identity.from_seed(SEED)
    assert (tmp_path / "node.key").stat().st_mode & 0o777 == 0o600
    assert load_identity(tmp_path, _never) == made
    assert [path.name for path in tmp_path.iterdir()] == ["node.key"]


def test_a_rest_of_a_crash_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "node.key.new").write_bytes(b"half")
    assert load_identity(tmp_path, lambda size: SEED) == Identity.from_seed(SEED)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610])
def test_a_key_that_others_may_use_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(SEED)
    path.chmod(mode)
    with pytest.raises(NodeKeyError) as raised:
        load_identity(tmp_path, _never)
    assert f"chmod 600 {path}" in str(raised.value)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_a_damaged_key_is_refused_and_stays(tmp_path: Path, size: int) -> None:
    path = tmp_path / "node.key"
    path.write_bytes(bytes(size))
    path.chmod(0o600)
    with pytest.raises(NodeKeyError, match=r"node\.key.*damaged.*remove it"):
        load_identity(tmp_path, _never)
    assert path.stat().st_size == size


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "node.key", 0o600)
    with pytest.raises(NodeKeyError, match="is no file"):
        load_identity(tmp_path, _never)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(SEED)
    (tmp_path / "elsewhere").chmod(0o600)
    (tmp_path / "node.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(NodeKeyError, match=r"node\.key"):
        load_identity(tmp_path, _never)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeKeyError, match=r"gone/node\.key"):
        load_identity(tmp_path / "gone", lambda size: SEED)


def test_a_full_disk_is_said_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(NodeKeyError, match=r"node\.key.*No space left on device\. Free some space"):
        load_identity(tmp_path, lambda size: SEED)
    assert list(tmp_path.iterdir()) == []
