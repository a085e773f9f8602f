"""The history of a node's chain: what blocks do to it, changes of chain, crashes and damage."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from esper.consensus.block import Body, Coinbase
from esper.consensus.call_groups import encode_result
from esper.node.chain.history import ChainHistory, Released, catch_up
from esper.node.chain.history_entries import block_entries
from esper.primitives.ids import BlockId, Txid
from esper.primitives.work_outputs import WorkOutputs
from esper.storage.errors import IndexCorruptError, WriteFailedError
from esper.storage.history.history_index import HISTORY_FOLDER, HistoryIndex
from esper.storage.history.history_reader import DAMAGED_FILE, HistoryUnusableError
from esper.storage.history.history_records import (
    NO_TXID,
    CallMade,
    CallPlace,
    Entry,
    Happening,
    Place,
    What,
)
from esper.vm.answers import call_cost
from esper.vm.llm_call import LlmCall
from esper.vm.llm_result import LlmResult
from esper.vm.receipt import Receipt
from tests.support.block_workshop import INFERENCE, PARAMS, Made
from tests.support.node.history_world import (
    A,
    B,
    C,
    Kept,
    M,
    Node,
    action,
    reward_of,
    send,
    time_of,
    txids,
    with_credits,
)
from tests.support.storage.memory_store import MemoryStore
from tests.support.vm_world import ALICE, BOB, CAROL, COIN, FEE, MINER, address, make

PRICE = 10**5
REWARD = PARAMS.reward


def no_call(call_id: Txid) -> CallMade:
    """There are no calls of earlier blocks."""
    raise AssertionError(call_id)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def disk_node(tmp_path: Path) -> Iterator[Node]:
    opened = Node(tmp_path, on_disk=True)
    yield opened
    opened.close()


def prompt_with_answer(longest: int, *, tokens: int) -> tuple[int, ...]:
    """A prompt whose answer of at most ``longest`` tokens has this many."""
    return next(
        (1, n)
        for n in range(3, 1024)
        if len(INFERENCE.answer([(1, n)], longest, 1)[0].tokens) == tokens
    )


def test_coins_that_move(node: Node) -> None:
    mined = node.grow(
        action("transfer", "alice", ("bob", 3 * COIN), ("carol", COIN), ("bob", COIN)),
        action("stake", "bob", 2 * COIN),
    )
    later = node.grow(send(COIN, "alice", "alice"), action("unstake", "bob", COIN))
    assert node.told_of(A) == [
        (2, "received", COIN, 0, A),
        (2, "sent", COIN, FEE, A),
        # To several: no single other side.
        (1, "sent", 5 * COIN, FEE, b""),
    ]
    assert node.told_of(B) == [
        (2, "unstaked", COIN, FEE, b""),
        (1, "staked", 2 * COIN, FEE, b""),
        (1, "received", 4 * COIN, 0, A),
    ]
    assert node.told_of(C) == [(1, "received", COIN, 0, A)]
    assert node.told_of(M) == [
        (2, "mined", reward_of(later), 0, b""),
        (1, "mined", reward_of(mined), 0, b""),
    ]
    first, second = txids(mined)
    assert node.history.index.transaction(first) == Place(1, 0)
    assert node.history.index.transaction(second) == Place(1, 1)
    [event, *_] = node.history.index.events(C, 1)[0]
    assert (event.txid, event.time_ms) == (first, time_of(mined))
    assert node.history.index.events(M, 1)[0][0].txid == b""
    node.assert_as_built_anew()


def test_credits_and_a_call_answered_in_its_block(node: Node) -> None:
    with_credits(node)
    prompt = prompt_with_answer(4, tokens=4)
    made = node.grow(
        action("give", "alice", "bob", 10**6), action("call", "bob", prompt, 4, PRICE, True)
    )
    gift, call = txids(made)
    cost = call_cost(PRICE, 2, 4)
    assert node.told_of(A)[0] == (made.height, "credits-sent", 10**6, FEE, B)
    assert node.told_of(B)[:2] == [
        (made.height, "called", cost, 0, b""),
        (made.height, "credits-received", 10**6, 0, A),
    ]
    where = Place(made.height, 1)
    assert node.history.index.call(call) == CallPlace(CallMade(B, 0, 1, cost), where, where)
    assert node.history.index.call(gift) is None


def test_an_open_call_and_its_answer(node: Node) -> None:
    with_credits(node)
    short = prompt_with_answer(8, tokens=1)
    long = prompt_with_answer(2, tokens=2)
    made = node.grow(
        action("call", "alice", long, 2, PRICE, True),
        action("call", "alice", short, 8, PRICE, False),
    )
    _, call = txids(made)
    locked, burned = call_cost(PRICE, 2, 8), call_cost(PRICE, 2, 1)
    opened = CallMade(A, 1, 0, locked)
    place = Place(made.height, 1)
    assert node.told_of(A)[0] == (made.height, "called", locked, 0, b"")
    assert node.history.index.call(call) == CallPlace(opened, place, None)
    answered = node.grow(send(), action("result", "bob", 0))
    assert len(txids(answered)) == 2
    assert node.told_of(A)[0] == (answered.height, "answered", locked - burned, 0, B)
    assert node.told_of(B)[1] == (answered.height, "received", COIN, 0, A)
    assert node.told_of(B)[0] == (answered.height, "answered", 0, FEE, A)
    assert node.history.index.call(call) == CallPlace(opened, place, Place(answered.height, 1))
    node.assert_as_built_anew()


def test_who_answers_its_own_call_has_one_event(node: Node) -> None:
    with_credits(node)
    short = prompt_with_answer(8, tokens=1)
    node.grow(action("call", "alice", short, 8, PRICE, False))
    answered = node.grow(action("result", "alice", 0))
    back = call_cost(PRICE, 2, 8) - call_cost(PRICE, 2, 1)
    events = [event for event in node.told_of(A) if event[0] == answered.height]
    assert events == [(answered.height, "answered", back, FEE, A)]


def test_the_units_of_an_address_are_the_sum_of_its_events(node: Node) -> None:
    with_credits(node)
    short = prompt_with_answer(8, tokens=1)
    node.grow(send(), action("call", "bob", short, 8, PRICE, False), payee="carol")
    node.grow(action("result", "miner", 0), send(COIN // 2, "bob", "carol"), payee="alice")
    node.grow(action("unstake", "alice", COIN), send(7 * COIN // 10, "carol", "carol"))
    node.grow(action("give", "alice", "bob", 10**6), payee="bob")
    state = node.tip.chain.state
    for who, key in {A: ALICE, B: BOB, C: CAROL, M: MINER}.items():
        units = dict(PARAMS.reward.genesis_allocation).get(who, 0)
        staked = 0
        for _, what, amount, fee, _ in node.told_of(who):
            sign = {"mined": 1, "received": 1, "sent": -1, "staked": -1, "unstaked": 1}
            units += sign.get(what, 0) * amount - fee
            staked += {"staked": 1, "unstaked": -1}.get(what, 0) * amount
        waiting = (*node.history.now().immature(who), *node.history.now().unbonding(who))
        account = state.account(address(key))
        assert account.balance == units - sum(one.amount for one in waiting)
        assert account.stake == staked


def test_rewards_and_unbonding_until_they_are_released(node: Node) -> None:
    node.grow(action("stake", "alice", 2 * COIN), payee="carol")
    made = node.grow(action("unstake", "alice", COIN), payee="carol")
    amounts = [reward_of(made.parent), reward_of(made)]  # type: ignore[arg-type]
    first, second = (Released(h + REWARD.maturity, n) for h, n in enumerate(amounts, 1))
    release = Released(2 + REWARD.unbonding, COIN)
    assert node.history.now().immature(C) == [first, second]
    assert node.history.now().unbonding(A) == [release]
    assert node.history.now().immature(A) == node.history.now().unbonding(C) == []
    before: dict[int, int] = {}
    while node.tip.height < release.height:
        account = node.tip.chain.state.account(A)
        before[node.tip.height] = account.balance
        assert node.history.now().unbonding(A) == [release]
        node.grow()
        at = node.tip.height
        due = [one for one in (first, second) if one.height > at]
        assert node.history.now().immature(C) == due
        mature = sum(one.amount for one in (first, second) if one.height <= at)
        assert node.tip.chain.state.account(C).balance == mature
    assert node.history.now().unbonding(A) == []
    assert node.tip.chain.state.account(A).balance == before[release.height - 1] + COIN


def branch(node: Node, start: Made, length: int, amount: int) -> list[Made]:
    made = []
    for _ in range(length):
        start = node.workshop.block(start, [send(amount)], payee="carol")
        made.append(start)
    return made


def test_a_change_of_chain_is_followed(node: Node) -> None:
    stem = node.grow(send(1 * COIN))
    left = [node.grow(send(COIN + 1)), node.grow(send(COIN + 2))]
    right = branch(node, stem, 3, COIN + 3)
    for made in right:
        node.submit(made)
        node.history.follow()
    assert [event[:3] for event in node.told_of(B)] == [
        (4, "received", COIN + 3),
        (3, "received", COIN + 3),
        (2, "received", COIN + 3),
        (1, "received", COIN),
    ]
    for made in left:
        assert node.history.index.transaction(txids(made)[0]) is None
    assert node.history.index.transaction(txids(right[0])[0]) == Place(2, 0)
    node.assert_as_built_anew()


def test_an_index_that_is_behind_or_ahead_finds_its_way(disk_node: Node) -> None:
    node = disk_node
    stem = node.grow(send())
    # The chain has a block that the index missed: the node died between the two.
    node.history.close()
    behind = branch(node, stem, 1, COIN + 1)
    node.submit(behind[0])
    node.open_history()
    node.assert_as_built_anew()
    # The index has a block that the chain does not: it went back.
    node.history.close()
    node.store.rewind()
    node.open_history()
    assert node.history.index.tip.block_id == stem.block_id
    assert node.history.index.transaction(txids(behind[0])[0]) is None
    node.assert_as_built_anew()
    # Both at once, and more than one block.
    node.history.close()
    node.store.rewind()
    node.open_history()
    assert node.history.index.tip.height == 0


def test_a_crash_in_the_midst_of_a_change_of_chain(disk_node: Node) -> None:
    node = disk_node
    stem = node.grow(send())
    left = [node.grow(send(COIN + 1)), node.grow(send(COIN + 2))]
    node.history.close()
    for made in branch(node, stem, 3, COIN + 3):
        node.submit(made)
    node.open_history()
    assert node.history.index.transaction(txids(left[0])[0]) is None
    assert node.told_of(B)[0][:3] == (4, "received", COIN + 3)
    node.assert_as_built_anew()


def test_progress_is_told(node: Node) -> None:
    for _ in range(3):
        node.grow()
    assert node.told == [(1, 1), (2, 2), (3, 3)]
    node.told.clear()
    node.memory = Kept()
    node.open_history()
    assert node.told == [(1, 3), (2, 3), (3, 3)]


def test_a_chain_that_went_back_too_far_has_its_history_built_anew(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    stem = node.grow(send())
    left = node.grow(send(COIN + 1))
    for key, _ in list(node.memory.items(b"u")):
        node.memory.write([(key, None)])
    old, node.memory = node.memory, Kept()
    right = branch(node, stem, 2, COIN + 2)
    with caplog.at_level(logging.WARNING):
        for made in right:
            node.submit(made)
        node.history.follow()
    assert "history is built anew from block 1" in caplog.text
    assert "block 2 is too deep to be taken out" in caplog.text
    assert node.history.index._store is node.memory is not old
    assert node.history.index.transaction(txids(left)[0]) is None
    node.assert_as_built_anew()


def test_a_damaged_index_is_built_anew(disk_node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node = disk_node
    node.grow(send())
    expected = node.records()
    node.history.close()
    folder = node.datadir / HISTORY_FOLDER
    for name in ("CURRENT", "MANIFEST"):
        [path] = folder.glob(f"{name}*")
        path.write_bytes(b"junk")
        with caplog.at_level(logging.WARNING):
            node.open_history()
        assert f"history is built anew from block 1: {folder}: " in caplog.text
        assert node.records() == expected
        node.assert_as_built_anew()
        node.history.close()
        caplog.clear()
    # The honest twin: nothing is built anew that is sound.
    with caplog.at_level(logging.WARNING):
        node.open_history()
    assert caplog.text == ""
    assert node.told == [(1, 1)] * 3


def test_damage_that_a_read_finds_is_mended_by_the_next_block(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    made = node.grow(send())
    [txid] = txids(made)
    node.memory.write([(b"t" + txid, b"short")])
    with pytest.raises(HistoryUnusableError, match="at the next block or start"):
        node.history.index.transaction(txid)
    node.memory = Kept()
    with caplog.at_level(logging.WARNING):
        node.grow()
    assert "was found damaged" in caplog.text
    assert node.history.index.transaction(txid) == Place(1, 0)
    node.assert_as_built_anew()


def test_an_index_of_another_genesis_is_built_anew(disk_node: Node) -> None:
    node = disk_node
    node.grow(send())
    node.history.close()
    HistoryIndex.discard(node.datadir)
    HistoryIndex.open(node.datadir, BlockId(bytes(64))).close()
    node.open_history()
    node.assert_as_built_anew()


def test_a_result_whose_call_the_index_lost(node: Node) -> None:
    with_credits(node)
    made = node.grow(action("call", "alice", (1, 50), 4, PRICE, False))
    node.memory.write([(b"c" + txids(made)[0], None)])
    node.tip = node.workshop.block(node.tip, [action("result", "bob", 0)])
    node.submit(node.tip)
    index = node.history.index
    with pytest.raises(HistoryUnusableError, match=r"call .* is missing"):
        catch_up(node.store, index, PARAMS)
    node.memory = Kept()
    node.history.follow()
    node.assert_as_built_anew()


class Full(Kept):
    """A store whose disk is full."""

    def write(self, writes: object) -> None:
        raise WriteFailedError(Path("disk"), "no space left")


def test_a_full_disk_is_no_damage(node: Node) -> None:
    node.grow(send())
    kept = node.memory
    node.history.index._store = Full()
    node.history.index._store._values = kept._values
    node.tip = node.workshop.block(node.tip, [send()])
    node.submit(node.tip)
    with pytest.raises(WriteFailedError, match="no space left"):
        node.history.follow()
    with pytest.raises(HistoryUnusableError, match="the history is closed"):
        node.history.index  # noqa: B018
    opened = kept.opened
    node.history.follow()
    assert (node.memory, kept.opened) == (kept, opened + 1)
    assert node.told == [(1, 1), (2, 2)]
    node.assert_as_built_anew()


def test_closing_twice(node: Node) -> None:
    node.history.close()
    node.history.close()


def test_a_block_must_come_with_its_receipts(node: Node) -> None:
    made = node.grow(send())

    with pytest.raises(ValueError, match="shorter"):
        block_entries(made.data.body, (), PARAMS.limits, no_call, 1)


def test_a_call_that_is_answered_by_a_result_of_its_own_block() -> None:
    call = make(ALICE, LlmCall(PARAMS.model.model_id, (1, 50), 4, PRICE), 0)
    result = make(BOB, LlmResult(call.txid, (7, 2)), 0)
    locked, burned = call_cost(PRICE, 2, 4), call_cost(PRICE, 2, 2)
    receipts = [
        Receipt(5, call.txid, A, 0, 0, locked, 0, 0),
        Receipt(6, result.txid, B, FEE, burned, 0, 4, 0),
    ]
    transactions = (call.to_bytes(), result.to_bytes(), Coinbase(0, 1, M, 5).to_bytes())
    body = Body(transactions, (encode_result(None),), (), WorkOutputs((), ())).to_bytes()
    entries = block_entries(body, receipts, PARAMS.limits, no_call, 1)
    assert entries == [
        Entry(call.txid, (Happening(A, What.CALLED, locked),), CallMade(A, 0, 0, locked)),
        Entry(
            result.txid,
            (
                Happening(B, What.ANSWERED, 0, FEE, A),
                Happening(A, What.ANSWERED, locked - burned, 0, B),
            ),
            answers=call.txid,
        ),
        Entry(NO_TXID, (Happening(M, What.MINED, 5),)),
    ]
    store = MemoryStore()
    index = HistoryIndex(store, Path("nowhere"), BlockId(bytes(64)))
    before = dict(store.items(b""))
    index.apply(1, BlockId(b"1" * 64), 0, entries)
    found = index.call(call.txid)
    assert found is not None
    assert (found.place, found.answered) == (Place(1, 0), Place(1, 1))
    index.undo(1)
    assert dict(store.items(b"")) == before


def test_an_opening_that_is_broken_off_closes_the_index(node: Node) -> None:
    node.grow(send())
    node.history.close()
    closed = node.memory.closed
    node.memory = Kept()

    def broken_off(height: int, tip: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ChainHistory(node.store, PARAMS, broken_off, lambda folder: node.memory)
    assert (closed, node.memory.closed) == (1, 1)
    # What it had is kept: the next opening goes on from there.
    node.told.clear()
    node.open_history()
    assert node.told == []
    node.assert_as_built_anew()


def test_whatever_bit_flips_the_history_comes_out_the_same(disk_node: Node) -> None:
    node = disk_node
    for _ in range(3):
        # Every opening turns the log of the last into a table.
        node.grow(send(), action("stake", "bob", COIN))
        node.history.close()
        node.open_history()
    node.grow(send())
    expected = node.records()
    node.history.close()
    folder, sound = node.datadir / HISTORY_FOLDER, node.datadir / "sound"
    shutil.copytree(folder, sound)
    files = sorted(path.name for path in sound.iterdir() if path.name not in ("LOCK", "LOG"))
    chance, found = random.Random(1), 0
    for number in range(80):
        shutil.rmtree(folder)
        shutil.copytree(sound, folder)
        path = folder / files[number % len(files)]
        data = bytearray(path.read_bytes())
        if not data:
            continue
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data)
        node.told.clear()
        node.open_history()
        try:
            records = node.records()
            node.history.index.transaction(Txid(bytes(64)))
        except (HistoryUnusableError, IndexCorruptError):
            node.history.close()
            (folder / DAMAGED_FILE).touch()
            node.open_history()
            records = node.records()
        assert records == expected, path.name
        found += bool(node.told)
        node.history.close()
    assert found > 10
    node.open_history()
