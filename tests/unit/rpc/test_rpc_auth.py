"""The cookie file, and how tokens are compared."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from esper.rpc.auth import (
    COOKIE_FILE,
    Authority,
    Cookie,
    CookieError,
    read_cookie,
    remove_cookie,
    token_hash,
    write_cookie,
)
from tests.support.node.fake_node import TOKEN

COOKIE = Cookie("http://127.0.0.1:9334/", TOKEN)


def test_a_cookie_is_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    for mask in (0o000, 0o777):
        before = os.umask(mask)
        try:
            write_cookie(tmp_path, COOKIE)
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / COOKIE_FILE).stat().st_mode) == 0o600
        assert read_cookie(tmp_path) == COOKIE
    assert [file.name for file in tmp_path.iterdir()] == [COOKIE_FILE]


def test_what_a_crash_left_does_not_stop_a_start_nor_is_it_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / f"{COOKIE_FILE}.new").symlink_to(elsewhere)
    write_cookie(tmp_path, COOKIE)
    assert read_cookie(tmp_path) == COOKIE
    assert elsewhere.read_text() == "mine"


def test_the_cookie_of_another_node_stays(tmp_path: Path) -> None:
    write_cookie(tmp_path, COOKIE)
    remove_cookie(tmp_path, "another")
    assert read_cookie(tmp_path) == COOKIE
    remove_cookie(tmp_path, TOKEN)
    assert read_cookie(tmp_path) is None
    remove_cookie(tmp_path, TOKEN)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"url": 5, "token": "%s"}' % TOKEN.encode(),
        b"\xff",
        b"[" * 4000,
        b'{"url": "u", "token": "%s"}' % (b"a" * 5000),
    ],
)
def test_a_file_that_is_no_cookie_is_named_without_its_bytes(tmp_path: Path, data: bytes) -> None:
    (tmp_path / COOKIE_FILE).write_bytes(data)
    with pytest.raises(CookieError, match=COOKIE_FILE) as caught:
        read_cookie(tmp_path)
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__
    remove_cookie(tmp_path, TOKEN)


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(CookieError, match="missing"):
        write_cookie(tmp_path / "missing", COOKIE)


def test_a_cookie_does_not_show_its_token() -> None:
    assert TOKEN not in repr(COOKIE)


def test_the_comparison_of_constant_time_decides_over_every_token() -> None:
    compared: list[tuple[str, str]] = []

    def counting(verdict: bool) -> Authority:
        def same(first: str, second: str) -> bool:
            compared.append((first, second))
            return verdict

        return Authority({token_hash(TOKEN), token_hash("another")}, same)

    right, wrong = f"Bearer {TOKEN}".encode(), b"Bearer wrong"
    assert not counting(False).accepts(right)
    assert counting(True).accepts(wrong)
    assert len(compared) == 4
    assert {len(part) for pair in compared for part in pair} == {64}
    assert TOKEN not in str(compared)


def test_without_tokens_nothing_is_accepted() -> None:
    assert not Authority(()).accepts(b"Bearer ")
    assert not Authority(()).accepts(f"Bearer {TOKEN}".encode())
