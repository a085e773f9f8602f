"""Names of 64 bytes: one kind is not taken for another, and hexadecimal is read into its kind."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from esper.primitives.ids import block_id_of, model_id_of, txid_of

ROOT = Path(__file__).resolve().parents[3]

SWAPPED = """
from esper.consensus.fork_choice import BlockTree
from esper.consensus.header import Header, work_seed
from esper.mempool.pool import Mempool
from esper.node.calls.call_book import CallBook
from esper.node.calls.text_service import TextService
from esper.node.chain.chain_manager import ChainManager
from esper.primitives.ids import txid_of
from esper.storage.chain_index import ChainIndex
from esper.storage.history.history_index import HistoryIndex
from esper.storage.kv.store_port import KeyValueStore
from esper.storage.side_blocks import SideBlocks
from esper.vm.transaction import Transaction


def right(
    transaction: Transaction,
    header: Header,
    tree: BlockTree,
    manager: ChainManager,
    pool: Mempool,
    history: HistoryIndex,
) -> None:
    txid: bytes = transaction.txid
    tree.height(header.pre.parent)
    tree.check_may_join(header.block_id, header.pre.parent, header.work_id)
    manager.known.block(header.block_id)
    pool.get(transaction.txid)
    history.transaction(txid_of(txid.hex()))
    work_seed(header.work_id)


def wrong(
    transaction: Transaction,
    header: Header,
    tree: BlockTree,
    manager: ChainManager,
    index: ChainIndex[KeyValueStore],
    side: SideBlocks,
    pool: Mempool,
    history: HistoryIndex,
    book: CallBook,
    texts: TextService,
) -> None:
    tree.height(transaction.txid)
    tree.height(bytes(64))
    tree.check_may_join(header.block_id, header.pre.parent, header.block_id)
    manager.known.block(transaction.txid)
    manager.knows(header.work_id)
    index.height_of(transaction.txid)
    side.get(header.work_id)
    pool.get(header.block_id)
    pool.get(transaction.wtxid)
    history.transaction(header.block_id)
    book.state(header.pre.model_id)
    texts.of(transaction.txid)
    work_seed(header.block_id)
"""
"""What ``wrong`` does passes no type check, and nothing else is found; it is never run."""


def test_mypy_takes_no_name_for_another(tmp_path: Path) -> None:
    file = tmp_path / "swapped.py"
    file.write_text(SWAPPED, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    lines = SWAPPED.splitlines()
    swaps = lines[lines.index("def wrong(") :]
    calls = [line.strip() for line in swaps[swaps.index(") -> None:") + 1 :]]
    told = [line for line in done.stdout.splitlines() if ": error: " in line]
    refused = [
        lines[int(line.split(":")[1]) - 1].strip() if file.name in line else line for line in told
    ]
    assert refused == calls, done.stdout + done.stderr
    assert all("[arg-type]" in line for line in told)


@pytest.mark.parametrize("read", [block_id_of, txid_of, model_id_of])
def test_only_128_hexadecimal_digits_are_a_name(read: Callable[[str], bytes]) -> None:
    assert read("ab" * 64) == b"\xab" * 64
    for text in ("", "ab" * 63, "ab" * 65, " " + "ab" * 64, "ab" * 63 + "  "):
        with pytest.raises(ValueError, match="must be 128 hexadecimal digits"):
            read(text)
    for text in ("a" * 127, "xy" * 64):
        with pytest.raises(ValueError, match="fromhex"):
            read(text)
