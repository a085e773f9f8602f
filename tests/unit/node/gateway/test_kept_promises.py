"""What a promise is good for: a signature and a receipt; what is said of one that is damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from esper.gateway.proving_rows import Row, Sign
from esper.gateway.store.gateway_store import GatewayStore
from esper.node.gateway.proving.call_signer import CallSigner
from esper.node.gateway.proving.driver_ports import NotSignedError, ReceiptNotMadeError
from esper.node.gateway.receipts import receipt_maker
from esper.node.gateway.receipts.receipt_maker import PromisedReceipts
from esper.receipts.form import MAX_BYTES
from tests.support.gateway.accounts import NOW, account, instant

CALL = "c" * 32
SIGN = Sign(CALL, False, 0, 10, 140)
ROW = Row(CALL, b"m" * 64, 2, (5, 6), 20, NOW)


class Direct:
    """A ``StorePort`` without a thread."""

    def __init__(self, store: GatewayStore) -> None:
        self.store = store

    async def ask(self, work: Callable[[GatewayStore], Any]) -> Any:
        await trio.lowlevel.checkpoint()
        return work(self.store)


def refused(path: Path, row: Row | None, promise: bytes | None) -> NotSignedError:
    def view() -> Any:
        raise AssertionError("nothing is to be signed")

    async def main() -> NotSignedError:
        with GatewayStore(path / "gateway.db") as store:
            store.accounts.add(account())
            if promise is not None:
                store.budget.reserve(CALL, account().id, 300, NOW)
                store.receipts.promise(instant(CALL, promise=promise), NOW)
            signer = CallSigner(None, Direct(store), view)  # type: ignore[arg-type]
            with pytest.raises(NotSignedError) as told:
                await signer(SIGN, row)
            return told.value

    return trio.run(main)


@pytest.mark.parametrize("promise", [None, b"", b"\xff no promise", b"{}", b"{" * 100])
def test_a_call_without_a_sound_promise_is_lost(tmp_path: Path, promise: bytes | None) -> None:
    told = refused(tmp_path, ROW, promise)
    assert told.is_lost
    assert CALL in str(told)


@pytest.mark.parametrize("other", [(b"o" * 64, (5, 6)), (b"m" * 64, (5, 7))])
def test_the_promise_of_another_call_is_not_signed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: tuple[bytes, tuple[int, ...]]
) -> None:
    def read(promise: bytes) -> tuple[Any, None, None]:
        return SimpleNamespace(model_id=other[0], answer=other[1]), None, None

    monkeypatch.setattr("esper.node.gateway.proving.call_signer.read_promise", read)
    told = refused(tmp_path, ROW, b"promise")
    assert told.is_lost
    assert "another's" in str(told)


class Maker:
    """The node's, with a receipt of so many bytes."""

    def __init__(self, size: int) -> None:
        self.size = size

    async def made(self, txid: bytes, wanted: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return SimpleNamespace(data=bytes(self.size), block_id=b"b" * 64, anchor=None)


def make(size: int, promise: bytes = b"promise") -> Any:
    return trio.run(PromisedReceipts(Maker(size)).make, b"t" * 64, promise)  # type: ignore[arg-type]


def test_a_receipt_that_nobody_would_check_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receipt_maker, "read_promise", lambda promise: (None, None, None))
    assert make(MAX_BYTES).block_id == b"b" * 64
    with pytest.raises(ReceiptNotMadeError, match=f"{MAX_BYTES + 1} bytes") as told:
        make(MAX_BYTES + 1)
    assert told.value.lacking == "too_large"


@pytest.mark.parametrize("promise", [b"", b"\xff", b"{}"])
def test_a_damaged_promise_makes_no_receipt(promise: bytes) -> None:
    with pytest.raises(ReceiptNotMadeError) as told:
        make(1, promise)
    assert told.value.lacking == "damaged"


def test_a_kept_receipt_with_a_damaged_anchor_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = SimpleNamespace(block_id=b"b" * 64, anchor=SimpleNamespace(header=b"\xff" * 9))
    monkeypatch.setattr(receipt_maker, "decode_receipt", lambda receipt: kept)
    assert PromisedReceipts(Maker(1)).read(b"receipt") is None  # type: ignore[arg-type]
