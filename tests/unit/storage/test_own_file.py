"""Files that are whole or as before, whatever happens while they are written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from esper.storage.own_file import write_whole


@pytest.mark.parametrize("raised", [KeyboardInterrupt(), OSError(28, "No space left on device")])
def test_what_was_begun_beside_it_goes_when_writing_ends_early(
    raised: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: int) -> None:
        raise raised

    file = tmp_path / "kept"
    file.write_bytes(b"before")
    monkeypatch.setattr(os, "fsync", stop)
    with pytest.raises(type(raised)):
        write_whole(file, b"after")
    assert [one.name for one in tmp_path.iterdir()] == ["kept"]
    assert file.read_bytes() == b"before"


def test_a_link_in_either_place_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"a stranger's")
    (tmp_path / "kept").symlink_to(elsewhere)
    (tmp_path / "kept.new").symlink_to(elsewhere)
    write_whole(tmp_path / "kept", b"after")
    assert elsewhere.read_bytes() == b"a stranger's"
    assert not (tmp_path / "kept").is_symlink()
    assert (tmp_path / "kept").read_bytes() == b"after"


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_it_has_the_permissions_asked_for_from_the_beginning(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda number: seen.append(os.fstat(number).st_mode & 0o777))
    old = os.umask(0o022)
    try:
        write_whole(tmp_path / "kept", b"data", mode)
    finally:
        os.umask(old)
    assert seen[0] == mode
