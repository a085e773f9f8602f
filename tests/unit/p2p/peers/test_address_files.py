from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from esper.p2p.peers.address_files import (
    ANCHOR_LIST,
    BAN_RULES,
    BANS,
    BOOK,
    MOST_ENTRIES,
    KeptBan,
    KeptEntry,
    anchor_addresses,
    ban_list,
    book_entries,
    kept_anchors,
    kept_bans,
    kept_book,
)
from esper.p2p.peers.bars import MOST_BARS, Bar, Barred, of_id, of_ip
from esper.p2p.peers.book.address_book import AddressBook
from esper.p2p.peers.checked_file import read_file, write_file
from esper.primitives.codec import encode
from tests.support.net.peer_world import MINUTE, PUBLIC, SECRET, address, ip, known, peer_id


def test_a_book_comes_back(tmp_path: Path) -> None:
    book = AddressBook(SECRET, PUBLIC)
    for group in range(1, 100):
        book.add(known(address(group)), ip("9.9.9.9"), 1, MINUTE)
        if group % 3:
            book.reached(address(group), 7, MINUTE)
    file = tmp_path / "peers.dat"
    write_file(file, BOOK, kept_book(book))
    read = read_file(file, BOOK)
    assert read.told is None
    assert read.value is not None
    again = AddressBook(read.value.secret, PUBLIC)
    assert again.restore(book_entries(read.value), MINUTE) == len(book)
    assert list(again.entries()) == list(book.entries())


def test_anchors_come_back(tmp_path: Path) -> None:
    file = tmp_path / "anchors.dat"
    write_file(file, ANCHOR_LIST, kept_anchors([address(1), address(2)]))
    read = read_file(file, ANCHOR_LIST)
    assert read.value is not None
    assert anchor_addresses(read.value) == (address(1), address(2))


BANNED = (
    Barred(of_id(peer_id(1)), Bar.BAN, 5, 9),
    Barred(of_ip(ip("8.8.8.8")), Bar.BY_HAND, 5, 10**15, 3),
)


def test_bans_come_back_under_the_same_rules(tmp_path: Path) -> None:
    file = tmp_path / "bans.dat"
    write_file(file, BANS, kept_bans(BANNED))
    read = read_file(file, BANS)
    assert read.value is not None
    assert ban_list(read.value) == BANNED
    assert ban_list(read.value, BAN_RULES + 1) == ()


ENTRY = KeptEntry(ip("8.8.8.8"), 1, peer_id(1), b"source", 1, 1, 1, 1, 1)


@pytest.mark.parametrize(
    ("record", "change"),
    [
        (ENTRY, {"port": 0}),
        (ENTRY, {"peer_id": b"\1" * 38}),
        (KeptBan(b"i", 2, 1, 2, 0), {"bar": 1}),
        (KeptBan(b"i", 2, 1, 2, 0), {"bar": 4}),
        (KeptBan(b"i", 2, 1, 2, 0), {"until_ms": 0}),
    ],
)
def test_records_are_checked(record: Any, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        replace(record, **change)


def test_the_fullest_files_are_below_their_limits() -> None:
    most = KeptEntry(
        b"\xff" * 16, 65535, peer_id(1), b"s" * 19, 2**32 - 1, 2**32 - 1, 2**32 - 1, 255, 1
    )
    book = replace(kept_book(AddressBook(SECRET, PUBLIC)), entries=(most,) * MOST_ENTRIES)
    assert len(encode(BOOK.codec, book)) <= BOOK.limit
    ban = Barred(of_id(peer_id(1)), Bar.BAN, 2**63 - 1, 2**63 - 1, 255)
    assert len(encode(BANS.codec, kept_bans([ban] * MOST_BARS))) <= BANS.limit
    anchors = kept_anchors([address(1), address(2)])
    assert len(encode(ANCHOR_LIST.codec, anchors)) <= ANCHOR_LIST.limit
