"""The history index by itself: what is added is found, what is taken out is gone, page by page."""

import random
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper.primitives.hashing import u64
from esper.primitives.ids import BlockId, Txid
from esper.storage.errors import IndexCorruptError
from esper.storage.history.history_index import (
    HISTORY_FOLDER,
    OLD_FOLDER,
    HistoryIndex,
    open_folder,
)
from esper.storage.history.history_reader import DAMAGED_FILE, HistoryUnusableError
from esper.storage.history.history_records import (
    NO_TXID,
    CallMade,
    CallPlace,
    CursorError,
    Entry,
    Happening,
    HistoryEvent,
    Marker,
    Place,
    What,
)
from esper.storage.history.traces import Trace, Traced
from esper.storage.kv.leveldb import LevelDbStore
from tests.support.storage.memory_store import MemoryStore

GENESIS = BlockId(b"genesis!" * 8)
ALICE, BOB = b"\1" + b"a" * 32, b"\1" + b"b" * 32


def name(text: str) -> Txid:
    """64 bytes."""
    return Txid(text.encode().ljust(64, b"."))


def block(text: str) -> BlockId:
    """64 bytes."""
    return BlockId(name(text))


def in_memory(undo_depth: int = 100) -> tuple[MemoryStore, HistoryIndex]:
    store = MemoryStore()
    return store, HistoryIndex(store, Path("nowhere"), GENESIS, undo_depth)


@pytest.fixture(params=["memory", "leveldb"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HistoryIndex]:
    opened = (
        in_memory()[1] if request.param == "memory" else HistoryIndex.open(tmp_path, GENESIS, 100)
    )
    yield opened
    opened.close()


def grow(index: HistoryIndex, *entries: Entry, name_of: str = "") -> int:
    height = index.tip.height + 1
    index.apply(height, block(f"{name_of}{height}"), 1000 * height, entries)
    return height


def paid(txid: str, amount: int, *, receiver: bytes = BOB) -> Entry:
    sent = Happening(ALICE, What.SENT, amount, 7, receiver)
    return Entry(name(txid), (sent, Happening(receiver, What.RECEIVED, amount, other=ALICE)))


def amounts(index: HistoryIndex, address: bytes) -> list[int]:
    return [event.amount for event in index.events(address, 1000)[0]]


def test_a_new_index_stands_at_the_genesis(index: HistoryIndex) -> None:
    assert index.tip == Marker(0, GENESIS)
    assert index.events(ALICE, 10) == ([], None)
    assert index.transaction(name("x")) is None
    assert index.call(name("x")) is None


def test_a_transaction_is_found_with_its_events(index: HistoryIndex) -> None:
    grow(index, Entry(NO_TXID, (Happening(BOB, What.MINED, 50),)))
    grow(index, paid("x", 3), paid("y", 4))
    assert index.tip == Marker(2, block("2"))
    assert index.transaction(name("y")) == Place(2, 1)
    assert index.transaction(NO_TXID) is None
    assert index.events(ALICE, 10) == (
        [
            HistoryEvent(2, 2000, name("y"), What.SENT, 4, 7, BOB),
            HistoryEvent(2, 2000, name("x"), What.SENT, 3, 7, BOB),
        ],
        None,
    )
    assert index.events(BOB, 10)[0] == [
        HistoryEvent(2, 2000, name("y"), What.RECEIVED, 4, 0, ALICE),
        HistoryEvent(2, 2000, name("x"), What.RECEIVED, 3, 0, ALICE),
        HistoryEvent(1, 1000, NO_TXID, What.MINED, 50, 0, b""),
    ]


def test_labels_are_those_of_the_interface() -> None:
    assert [what.label for what in What] == [
        "mined",
        "sent",
        "received",
        "staked",
        "unstaked",
        "credits-sent",
        "credits-received",
        "called",
        "answered",
        "other",
        "proposed",
        "voted",
        "delegated",
        "proved",
        "bond-returned",
        "bond-burned",
        "claimed",
        "penalty-taken",
        "penalty-paid",
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 7, 8, 9])
def test_pages_follow_each_other_without_gap_or_repetition(index: HistoryIndex, limit: int) -> None:
    for block in range(4):
        grow(index, paid(f"x{block}", 2 * block), paid(f"y{block}", 2 * block + 1))
    pages, cursor = [], None
    while True:
        page, cursor = index.events(ALICE, limit, cursor)
        pages.append([event.amount for event in page])
        if cursor is None:
            break
        assert len(page) == limit
        # A block that comes meanwhile shifts nothing.
        grow(index, paid(f"later {len(pages)}", 99))
    assert list(chain.from_iterable(pages)) == [7, 6, 5, 4, 3, 2, 1, 0]
    assert len(pages) == -(-8 // limit)


@pytest.mark.parametrize(
    "cursor", ["", "0", "zz" * 8, "00" * 7, "00" * 9, "0" * 15, "AB" * 8, " " + "0" * 16, "é" * 16]
)
def test_a_cursor_that_is_none_is_refused(index: HistoryIndex, cursor: str) -> None:
    grow(index, paid("x", 1))
    with pytest.raises(CursorError, match=r"before: .* is no cursor; take the one of the page"):
        index.events(ALICE, 1, cursor)


def test_the_least_and_the_greatest_cursor(index: HistoryIndex) -> None:
    grow(index, paid("x", 1))
    assert index.events(ALICE, 9, "00" * 8) == ([], None)
    assert len(index.events(ALICE, 9, "ff" * 8)[0]) == 1


def test_calls_and_where_their_answers_came(index: HistoryIndex) -> None:
    inline, left_open = CallMade(ALICE, 0, 1, 30), CallMade(ALICE, 1, 0, 80)
    grow(index, Entry(name("i"), (), inline), Entry(name("o"), (), left_open))
    assert index.call(name("i")) == CallPlace(inline, Place(1, 0), Place(1, 0))
    assert index.call(name("o")) == CallPlace(left_open, Place(1, 1), None)
    grow(index, paid("x", 1), Entry(name("r"), (), answers=name("o")))
    assert index.call(name("o")) == CallPlace(left_open, Place(1, 1), Place(2, 1))
    assert index.call(name("r")) is None
    index.undo(2)
    assert index.call(name("o")) == CallPlace(left_open, Place(1, 1), None)


def test_what_is_released_later_is_found_by_height(index: HistoryIndex) -> None:
    for amount in (5, 6, 7):
        mined = Entry(NO_TXID, (Happening(ALICE, What.MINED, amount),))
        unstaked = Happening(ALICE, What.UNSTAKED, 10 * amount)
        grow(index, Entry(name(f"u{amount}"), (unstaked, unstaked)), mined)
    assert index.released_later(ALICE, What.MINED, 0) == [(1, 5), (2, 6), (3, 7)]
    assert index.released_later(ALICE, What.MINED, -5) == [(1, 5), (2, 6), (3, 7)]
    assert index.released_later(ALICE, What.MINED, 2) == [(3, 7)]
    assert index.released_later(ALICE, What.UNSTAKED, 2) == [(3, 70), (3, 70)]
    assert index.released_later(BOB, What.MINED, 0) == []
    index.undo(3)
    assert index.released_later(ALICE, What.MINED, 1) == [(2, 6)]


def test_blocks_come_in_their_order(index: HistoryIndex) -> None:
    grow(index)
    for height in (0, 1, 3):
        with pytest.raises(ValueError, match=f"block {height} does not follow block 1"):
            index.apply(height, block("?"), 0, ())
    for height in (0, 2):
        with pytest.raises(ValueError, match=f"block {height} cannot be taken out"):
            index.undo(height)
    index.undo(1)
    with pytest.raises(ValueError, match="block 0 cannot be taken out, the index ends at 0"):
        index.undo(0)


def test_undo_reaches_as_deep_as_it_was_told() -> None:
    store, index = in_memory(undo_depth=2)
    for _ in range(4):
        grow(index)
    assert len(list(store.items(b"u"))) == 2
    index.undo(4)
    index.undo(3)
    with pytest.raises(HistoryUnusableError, match="block 2 is too deep to be taken out"):
        index.undo(2)
    assert index.tip == Marker(2, block("2"))
    assert index.was_damaged


entries = st.lists(
    st.tuples(st.sampled_from([ALICE, BOB]), st.sampled_from(What), st.integers(0, 9)), max_size=4
)
steps = st.lists(st.one_of(st.just(None), entries), max_size=25)


@settings(max_examples=80, deadline=None)
@given(steps, st.integers(1, 4))
def test_an_index_is_that_of_the_blocks_that_stand(
    steps: list[list[tuple[bytes, What, int]] | None], limit: int
) -> None:
    """Whatever was added and taken out: as built from scratch, and as a list has it."""
    store, index = in_memory()
    blocks: list[tuple[BlockId, list[Entry]]] = []
    for number, step in enumerate(steps):
        if step is None:
            if blocks:
                index.undo(len(blocks))
                blocks.pop()
            continue
        added = [
            Entry(name(f"{number} {place}"), (Happening(address, what, amount),))
            for place, (address, what, amount) in enumerate(step)
        ]
        blocks.append((block(f"block {number}"), added))
        index.apply(len(blocks), blocks[-1][0], number, added)

    fresh_store, fresh = in_memory()
    times = [int(block_id.split(b" ")[1].split(b".")[0]) for block_id, _ in blocks]
    for height, ((block_id, added), time_ms) in enumerate(zip(blocks, times, strict=True), 1):
        fresh.apply(height, block_id, time_ms, added)
    assert dict(store.items(b"")) == dict(fresh_store.items(b""))

    for address in (ALICE, BOB):
        plain = [
            HistoryEvent(height, time_ms, entry.txid, done.what, done.amount, 0, b"")
            for height, ((_, added), time_ms) in enumerate(zip(blocks, times, strict=True), 1)
            for entry in added
            for done in entry.happenings
            if done.address == address
        ]
        found, cursor = index.events(address, limit)
        while cursor is not None:
            page, cursor = index.events(address, limit, cursor)
            found += page
        assert found == plain[::-1]


def test_an_index_is_found_again_as_it_was(tmp_path: Path) -> None:
    index = HistoryIndex.open(tmp_path, GENESIS)
    grow(index, paid("x", 1))
    index.close()
    index.close()
    again = HistoryIndex.open(tmp_path, GENESIS)
    assert again.tip == Marker(1, block("1"))
    assert amounts(again, BOB) == [1]
    again.close()


def test_a_batch_that_was_cut_leaves_the_block_before(tmp_path: Path) -> None:
    index = HistoryIndex.open(tmp_path, GENESIS)
    grow(index, paid("x", 1))
    [log] = (tmp_path / HISTORY_FOLDER).glob("*.log")
    whole = log.stat().st_size
    grow(index, paid("y", 2))
    index.close()
    grown = log.read_bytes()
    assert len(grown) > whole
    cut = random.Random(1)
    for length in (whole, *(cut.randrange(whole, len(grown)) for _ in range(5))):
        copy = tmp_path / str(length)
        (copy / HISTORY_FOLDER).mkdir(parents=True)
        for file in (tmp_path / HISTORY_FOLDER).iterdir():
            data = grown[:length] if file == log else file.read_bytes()
            (copy / HISTORY_FOLDER / file.name).write_bytes(data)
        again = HistoryIndex.open(copy, GENESIS)
        assert again.tip == Marker(1, block("1"))
        assert amounts(again, ALICE) == [1]
        assert again.transaction(name("y")) is None
        again.close()


def test_another_genesis_or_format_is_refused(tmp_path: Path) -> None:
    HistoryIndex.open(tmp_path, GENESIS).close()
    with pytest.raises(HistoryUnusableError, match="another format or genesis; it is built anew"):
        HistoryIndex.open(tmp_path, BlockId(bytes(64)))
    store = open_folder(tmp_path / HISTORY_FOLDER)
    store.write([(b"v", b"\0\0\0\1" + GENESIS)])
    store.close()
    with pytest.raises(HistoryUnusableError, match="another format or genesis"):
        HistoryIndex.open(tmp_path, GENESIS)


def test_discarding_leaves_room_for_a_new_one(tmp_path: Path) -> None:
    index = HistoryIndex.open(tmp_path, GENESIS)
    grow(index)
    index.close()
    # What a discarding that was killed leaves.
    (tmp_path / OLD_FOLDER).mkdir()
    (tmp_path / OLD_FOLDER / "CURRENT").touch()
    HistoryIndex.discard(tmp_path)
    assert list(tmp_path.iterdir()) == []
    HistoryIndex.discard(tmp_path)
    index = HistoryIndex.open(tmp_path, GENESIS)
    assert index.tip.height == 0
    index.close()


def test_damage_on_opening(tmp_path: Path) -> None:
    HistoryIndex.open(tmp_path, GENESIS).close()
    (tmp_path / HISTORY_FOLDER / "CURRENT").write_bytes(b"junk")
    with pytest.raises(HistoryUnusableError, match="it is built anew from the blocks"):
        HistoryIndex.open(tmp_path, GENESIS)


def test_damage_that_a_read_finds_is_remembered(tmp_path: Path) -> None:
    index = HistoryIndex.open(tmp_path, GENESIS)
    grow(index, paid("x", 1))
    index.close()
    HistoryIndex.open(tmp_path, GENESIS).close()
    damaged = False
    for table in (tmp_path / HISTORY_FOLDER).glob("*.ldb"):
        data = table.read_bytes()
        damaged |= bytes(name("x")) in data
        table.write_bytes(data.replace(name("x"), name("z")))
    assert damaged
    for log in (tmp_path / HISTORY_FOLDER).glob("*.log"):
        log.write_bytes(b"")
    # LevelDB hands out nothing of a damaged block; the format may stand in it too.
    with pytest.raises(HistoryUnusableError, match="it is built anew from the blocks"):
        HistoryIndex.open(tmp_path, GENESIS).events(ALICE, 1)
    assert (tmp_path / HISTORY_FOLDER / DAMAGED_FILE).exists()
    with pytest.raises(HistoryUnusableError, match="was found damaged"):
        HistoryIndex.open(tmp_path, GENESIS)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (b"n", None, "the marker is missing"),
        (b"n", b"junk", "marker: byte 0x6a starts no array"),
        (b"t" + name("x"), b"short", "a place has 5 bytes, must have 8"),
        (b"e" + ALICE + u64(1 << 32), b"junk", "event: byte 0x6a starts no array"),
        (b"c" + name("c"), b"short", "a place has 5 bytes, must have 8"),
        (b"c" + name("c"), u64(1 << 32) + b"junk", "call: byte 0x6a starts no array"),
        (b"r" + name("c"), b"short", "a place has 5 bytes, must have 8"),
        (b"u\0\0\0\1", b"junk", "undo record of block 1: byte 0x6a starts no array"),
    ],
)
def test_values_that_make_no_sense(key: bytes, value: bytes | None, words: str) -> None:
    store, index = in_memory()
    grow(index, paid("x", 1), Entry(name("c"), (), CallMade(ALICE, 0, 0, 1)))

    def look() -> None:
        index.transaction(name("x"))
        index.events(ALICE, 9)
        index.call(name("c"))
        index.undo(1)

    store.write([(key, value)])
    with pytest.raises(HistoryUnusableError, match=words):
        look()
    assert index.was_damaged


def test_an_event_of_an_unknown_kind() -> None:
    store, index = in_memory()
    grow(index, paid("x", 1))
    [(key, value)] = store.items(b"e" + ALICE)
    changed = value.replace(name("x") + b"\2", name("x") + b"\x7f")
    assert changed != value
    store.write([(key, changed)])
    with pytest.raises(HistoryUnusableError, match="127 is not a valid What"):
        index.events(ALICE, 1)


def traced(about: str, number: int, height: int) -> Entry:
    trace = Trace(name(about), height, Traced.PROVED, name(f"t{number}"), ALICE, number, b"", 0, 0)
    return Entry(name(f"t{number}"), (), trace=trace)


def test_traces_are_kept_by_what_they_are_about(index: HistoryIndex) -> None:
    grow(index, traced("r", 1, 1), traced("s", 2, 1), traced("r", 3, 1))
    grow(index, traced("r", 4, 2))
    assert [one.number for one in index.traces(name("r"), 9)] == [1, 3, 4]
    assert [one.number for one in index.traces(name("r"), 2)] == [3, 4], "the newest, oldest first"
    assert index.traces(name("s"), 9) == [traced("s", 2, 1).trace]
    assert index.traces(name("t1"), 9) == []
    index.undo(2)
    assert [one.number for one in index.traces(name("r"), 9)] == [1, 3]


class Broken(MemoryStore):
    """A store whose checksums fail from now on."""

    broken = False

    def get(self, key: bytes) -> bytes | None:
        if self.broken:
            raise IndexCorruptError(Path("somewhere"), "a checksum fails")
        return super().get(key)


def test_the_remedy_is_not_a_reindex() -> None:
    store = Broken()
    index = HistoryIndex(store, Path("nowhere"), GENESIS)
    store.broken = True
    with pytest.raises(HistoryUnusableError, match="a checksum fails; it is built anew") as raised:
        index.transaction(name("x"))
    assert "reindex" not in str(raised.value)


def test_the_folder_is_not_synced(tmp_path: Path) -> None:
    store = open_folder(tmp_path / "db")
    assert isinstance(store, LevelDbStore)
    assert not store.synced
    store.close()
